package ferretdbcmd

import "syscall"

// diesWithParent has the system end the process when the test binary dies before
// it could, for example in a panic.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
