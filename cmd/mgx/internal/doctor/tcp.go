package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/socks5"
)

// dial opens a socket, as the client does.
func dial(ctx context.Context, w *walk, s *server) *Finding {
	limited, cancel := w.attempt(ctx)
	defer cancel()
	began := time.Now()
	nc, err := w.cfg.Open(limited, s.address)
	s.dialled = time.Since(began)
	if err != nil {
		return unreachable(s.address, s.dialled, err)
	}
	s.heard = &tap{Conn: nc}
	s.nc = s.heard
	f := find(OK, "tcp", "connected in %s", screen.Duration(s.dialled)).fact("took", s.dialled)
	if w.options.Proxy == nil && !conn.IsUnix(s.address) {
		f.Message += " to " + nc.RemoteAddr().String()
		f.fact("remote", nc.RemoteAddr().String())
	}
	return f
}

func unreachable(address string, took time.Duration, err error) *Finding {
	_, port, _ := net.SplitHostPort(address)
	var proxy *socks5.Error
	is := func(code syscall.Errno) bool { return errors.Is(err, code) }
	switch {
	case errors.As(err, &proxy):
		return find(Failed, "tcp.proxy", "%v", err).
			advise("check proxyHost, proxyPort and the proxy's user, and that the proxy may connect to %s", address)
	case conn.IsUnix(address) && errors.Is(err, fs.ErrNotExist):
		return find(Failed, "tcp.noSocket", "there is no such Unix socket").
			advise("start the server; it makes the socket in the folder that net.unixDomainSocket.pathPrefix names")
	case errors.Is(err, fs.ErrPermission) || is(syscall.EPERM):
		return find(Failed, "tcp.forbidden", "this user may not connect: %v", err).
			advise("check the permissions of the socket, or the rules of this machine's firewall")
	case is(syscall.ECONNREFUSED):
		f := find(Failed, "tcp.refused", "refused: the machine answers, but nothing listens there")
		f.advise("start the server, or correct the port (%s): on its machine, ss -ltnp shows who listens where", port)
		return f.advise("if it listens on 127.0.0.1 alone, add the address to its bindIp; in a container, publish the port")
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return find(Failed, "tcp.timeout", "no answer within %s: neither accepted nor refused", screen.Duration(took)).
			advise("something drops the packets: a firewall, a security group, an access list of IP addresses (of Atlas, for one), a VPN that is off").
			advise("check that the address is the right one, and the machine up")
	case is(syscall.EHOSTUNREACH), is(syscall.ENETUNREACH), is(syscall.EADDRNOTAVAIL):
		return find(Failed, "tcp.unreachable", "there is no way to this address: %v", cause(err)).
			advise("check this machine's network, routes and VPN; an IPv6 address needs IPv6 all the way")
	case is(syscall.EMFILE), is(syscall.ENFILE):
		return find(Failed, "tcp.files", "this process has no file left to open a socket with").
			advise("raise the limit of open files (ulimit -n)")
	}
	return find(Failed, "tcp.failed", "%v", cause(err)).advise("check this machine's network, and the address")
}

// cause leaves away what the finding says already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}
