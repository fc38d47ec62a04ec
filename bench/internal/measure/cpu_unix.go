//go:build unix

package measure

import (
	"syscall"
	"time"
)

// cpu returns the time that this process has spent on the processors so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
