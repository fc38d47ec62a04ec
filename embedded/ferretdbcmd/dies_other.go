//go:build !linux

package ferretdbcmd

import "syscall"

// diesWithParent has no equivalent here: after a panic in a test, the process
// stays.
func diesWithParent() *syscall.SysProcAttr { return nil }
