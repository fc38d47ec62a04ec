//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockDir takes the folder for this server. The lock is on the folder itself, so
// it leaves no file, and the system drops it when the process dies.
func lockDir(dir string) (unlock func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: open the folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return f.Close, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("%w: %s", ErrDirInUse, dir)
	case errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOLCK):
		// Some network file systems have no locks; the server works without.
		return f.Close, nil
	default:
		err = fmt.Errorf("embedded: lock the folder %q: %w", dir, err)
	}
	return nil, errors.Join(err, f.Close())
}
