//go:build unix

package conn

import (
	"errors"
	"net"
	"syscall"
)

// Alive looks, without sending or waiting, whether the peer closed an idle
// connection. Bytes that nobody asked for also make a connection unfit, unless
// they can be answers to unacknowledged writes.
func (c *Conn) Alive() bool {
	if c.Broken() != nil {
		return false
	}
	nc := c.nc
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		// Nothing to read is the good answer.
		quiet = n > 0 && err == nil && c.unasked.any || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
		return true
	})
	return err == nil && quiet
}
