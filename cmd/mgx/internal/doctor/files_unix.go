//go:build unix

package doctor

import "syscall"

// openFiles is how many files a process of this user may open, 0 if that is
// unknown or unlimited. Go raises its own limit to the hard one, so that is what
// counts.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max > 1<<30 {
		return 0
	}
	return int(limit.Max)
}
