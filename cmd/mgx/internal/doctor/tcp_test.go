package doctor

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/mgxdb/mgx/internal/scripted"
)

func TestDeadPort(t *testing.T) {
	examine(t, Request{URI: "mongodb://" + scripted.Refusing(t)}).stops(t, "TCP", "tcp.refused", "nothing listens", "start the server", "bindIp")
}

func TestDialErrors(t *testing.T) {
	tests := []struct {
		err  error
		code string
		says []string
	}{
		{syscall.EHOSTUNREACH, "tcp.unreachable", []string{"no route to host", "VPN"}},
		{syscall.ENETUNREACH, "tcp.unreachable", []string{"network is unreachable", "routes"}},
		{syscall.ETIMEDOUT, "tcp.timeout", []string{"firewall", "security group"}},
		{os.ErrDeadlineExceeded, "tcp.timeout", []string{"neither accepted nor refused"}},
		{syscall.EACCES, "tcp.forbidden", []string{"permission"}},
		{syscall.EMFILE, "tcp.files", []string{"ulimit -n"}},
		{errors.New("the cable is cut"), "tcp.failed", []string{"the cable is cut"}},
	}
	for _, test := range tests {
		t.Run(test.err.Error(), func(t *testing.T) {
			r := examine(t, Request{URI: "mongodb://127.0.0.1", DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: test.err}
			}})
			r.stops(t, "TCP", test.code, test.says...)
		})
	}
}

// A port that drops what it gets, as a firewall does.
func TestDropped(t *testing.T) {
	r := examine(t, Request{URI: "mongodb://127.0.0.1/?connectTimeoutMS=50", DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	r.stops(t, "TCP", "tcp.timeout", "no answer within", "firewall", "access list")
}

func TestProxyDown(t *testing.T) {
	host, port, _ := net.SplitHostPort(scripted.Refusing(t))
	r := examine(t, Request{URI: "mongodb://db1/?proxyHost=" + host + "&proxyPort=" + port})
	r.stops(t, "TCP", "tcp.proxy", "proxy cannot be reached", "proxyHost")
}

// silent accepts and never answers.
func silent(t *testing.T) *scripted.Server {
	return scripted.Listen(t, func(p *scripted.Peer) {
		var b [1]byte
		for {
			if _, err := p.Conn.Read(b[:]); err != nil {
				return
			}
		}
	})
}

func TestSilent(t *testing.T) {
	s := silent(t)
	examine(t, Request{URI: "mongodb://" + s.Address + "/?connectTimeoutMS=100"}).
		stops(t, "hello", "hello.silent", "not answered within", "frozen", "load balancer")
	examine(t, Request{URI: "mongodb://" + s.Address + "/?tls=true&connectTimeoutMS=100"}).
		stops(t, "TLS", "tls.timeout", "silent when TLS is offered", "tls=false")
}
