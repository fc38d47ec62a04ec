package conn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/wire"
)

// Config is how a client makes connections. It must not change while in use.
type Config struct {
	// DialContext opens a socket; nil is OpenSocket. network is "tcp" or "unix".
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// ConnectTimeout bounds dialling, TLS, the hello and authentication together;
	// where a person logs in, each command of that alone. 0 is no limit.
	ConnectTimeout time.Duration
	// Timeout is timeoutMS: it bounds each command of authentication, in
	// the place of ConnectTimeout. 0 does not. Monitors do not have it.
	Timeout time.Duration
	// SocketTimeout bounds each later write and read together; 0 is no limit.
	SocketTimeout time.Duration
	// Secure makes a socket to the server at address secure, by TLS; nil leaves it
	// as it is.
	Secure func(ctx context.Context, nc net.Conn, address string) (net.Conn, error)
	// Metadata returns the client document of the hello, or nil for none.
	Metadata func() []byte
	// Auth authenticates connections; nil does not.
	Auth *auth.Authenticator
	// Compressors are offered to the server, in order of preference.
	Compressors []compress.Compressor
	// API is appended to every command of a client with a declared API version.
	API *API
	// LoadBalanced says so in the hello, and demands a service id.
	LoadBalanced bool
}

// API is the declared version of the Stable API.
type API struct {
	Version           string
	Strict            *bool
	DeprecationErrors *bool
}

// Append appends the API parameters to an open command document.
func (a *API) Append(dst []byte) []byte {
	if a == nil {
		return dst
	}
	dst = bsonwire.AppendString(dst, "apiVersion", a.Version)
	if a.Strict != nil {
		dst = bsonwire.AppendBoolean(dst, "apiStrict", *a.Strict)
	}
	if a.DeprecationErrors != nil {
		dst = bsonwire.AppendBoolean(dst, "apiDeprecationErrors", *a.DeprecationErrors)
	}
	return dst
}

// errLoadBalanced begins with the text that the specification "Load Balancer
// Support" names.
//
//nolint:staticcheck // it is a sentence there
var errLoadBalanced = errors.New("Driver attempted to initialize in load balancing mode, but the server does not support this mode: " +
	"loadBalanced=true, and the server's hello has no serviceId")

// keepAlive has the values that the specifications ask of drivers.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 120 * time.Second, Interval: 10 * time.Second, Count: 9}

// Dial opens a connection and makes it ready for commands: TLS, hello,
// authentication. The address is "host:port" or the path of a Unix socket.
// greeted, if not nil, is told of the hello's reply before authentication begins.
func Dial(ctx context.Context, address string, cfg *Config, greeted func(*sdam.Server)) (*Conn, error) {
	return dial(ctx, address, cfg, opening{authn: cfg.Auth, greeted: greeted})
}

// DialMonitor is Dial without authentication and without a socket timeout: the
// way of a connection that only watches the server.
func DialMonitor(ctx context.Context, address string, cfg *Config) (*Conn, error) {
	return dial(ctx, address, cfg, opening{monitor: true})
}

// opening is what tells the two kinds of connections apart.
type opening struct {
	authn   *auth.Authenticator
	greeted func(*sdam.Server)
	monitor bool
}

func dial(ctx context.Context, address string, cfg *Config, how opening) (*Conn, error) {
	// One limit for the three steps, whoever's it is that ends first.
	outer := ctx
	ctx, cancel := setup.Limit(ctx, cfg.ConnectTimeout)
	defer cancel()
	c := &Conn{address: address, cfg: cfg, maxMessage: wire.DefaultMaxMessageSize, monitor: how.monitor, interrupted: make(chan struct{}, 1)}
	c.interrupt = c.onInterrupt

	nc, err := cfg.Open(ctx, address)
	if err != nil {
		e := c.dialError(ctx, outer, "dial", err)
		if atProxy(err) {
			return nil, e // the server has not heard of it
		}
		return nil, e.busy()
	}
	c.nc = nc
	if cfg.Secure != nil {
		if c.nc, err = cfg.Secure(ctx, nc, address); err != nil {
			_ = nc.Close()
			return nil, c.dialError(ctx, outer, "tls handshake", err).busy()
		}
	}
	if err := c.hello(ctx, outer, how); err != nil {
		_ = c.Close()
		var e *Error
		if errors.As(err, &e) && e.Kind != Context {
			return nil, e.busy()
		}
		return nil, c.dialError(ctx, outer, "hello", err).busy()
	}
	if !how.monitor {
		c.socketTimeout = cfg.SocketTimeout
	}
	return c, nil
}

// timed reports whether timeoutMS bounds each step of the login, in the place of
// connectTimeoutMS. The hello has that: the specification's tests want connections made
// in the background to a server that takes longer for a hello than timeoutMS.
func (c *Conn) timed() bool { return c.cfg.Timeout > 0 && !c.monitor }

// step bounds a step of the login by timeoutMS, where that does.
func (c *Conn) step(ctx context.Context) (context.Context, context.CancelFunc) {
	if !c.timed() {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// late makes an error of a step, whose time was over before that of ctx, one that says
// so.
func (c *Conn) late(ctx context.Context, err error) error {
	var e *Error
	if !c.timed() || ctx.Err() != nil || !errors.As(err, &e) || e.Kind != Context || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return c.fail(e.Op, SocketTimeout, e.Sent, fmt.Errorf("no answer within timeoutMS (%v)", c.cfg.Timeout))
}

// dialError tells a caller's context from connectTimeoutMS.
func (c *Conn) dialError(ctx, outer context.Context, op string, err error) *Error {
	var inner *Error
	if errors.As(err, &inner) {
		op, err = inner.Op, inner.Err
	}
	limit, limited := ctx.Deadline()
	outerLimit, bounded := outer.Deadline()
	if limited && time.Until(limit) <= 0 {
		// The socket's timer can be a moment ahead of the contexts'.
		<-ctx.Done()
		if bounded && !outerLimit.After(limit) {
			<-outer.Done()
		}
	}
	// The context of a check ends with connectTimeoutMS, too: it is the monitor's.
	check := c.monitor && c.cfg.ConnectTimeout > 0
	switch {
	case outer.Err() != nil && !(check && errors.Is(outer.Err(), context.DeadlineExceeded)):
		return c.fail(op, Context, false, contextErr(outer))
	case ctx.Err() == nil && (inner == nil || inner.Kind != Context):
		return c.fail(op, Network, false, err)
	case bounded && limit.Equal(outerLimit) && !check:
		return c.fail(op, Context, false, context.DeadlineExceeded)
	}
	return c.fail(op, SocketTimeout, false, fmt.Errorf("no answer within connectTimeoutMS (%v)", c.cfg.ConnectTimeout))
}

// Open opens a socket to the server at address, and nothing more.
func (c *Config) Open(ctx context.Context, address string) (net.Conn, error) {
	network, address := connstring.SplitHost(address)
	if c.DialContext != nil {
		return c.DialContext(ctx, network, address)
	}
	return OpenSocket(ctx, network, address)
}

// OpenSocket opens a socket with the keep-alive settings of the specification.
func OpenSocket(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	return d.DialContext(ctx, network, address)
}

// IsUnix reports whether an address is the path of a Unix domain socket.
func IsUnix(address string) bool {
	network, _ := connstring.SplitHost(address)
	return network == "unix"
}
