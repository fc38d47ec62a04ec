package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
)

// Config is how a client makes connections. It must not change while in use.
type Config struct {
	// DialContext opens a socket; nil is OpenSocket. network is "tcp" or "unix".
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// ConnectTimeout bounds dialling, TLS, the hello and authentication together;
	// where a person logs in, each command of that alone. 0 is no limit.
	ConnectTimeout time.Duration
	// Timeout is timeoutMS: it bounds each command of the hello and of authentication, in
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
	return dial(ctx, address, cfg, setup{authn: cfg.Auth, greeted: greeted})
}

// DialMonitor is Dial without authentication and without a socket timeout: the
// way of a connection that only watches the server.
func DialMonitor(ctx context.Context, address string, cfg *Config) (*Conn, error) {
	return dial(ctx, address, cfg, setup{monitor: true})
}

// setup is what tells the two kinds of connections apart.
type setup struct {
	authn   *auth.Authenticator
	greeted func(*sdam.Server)
	monitor bool
}

func dial(ctx context.Context, address string, cfg *Config, how setup) (*Conn, error) {
	// One limit for the three steps, whoever's it is that ends first.
	outer := ctx
	if cfg.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.ConnectTimeout)
		defer cancel()
	}
	c := &Conn{address: address, cfg: cfg, maxMessage: wire.DefaultMaxMessageSize, monitor: how.monitor, interrupted: make(chan struct{}, 1)}
	c.interrupt = c.onInterrupt

	nc, err := open(ctx, address, cfg)
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
	if c.timed() {
		ctx = outer // each step has a time of its own
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

// timed reports whether timeoutMS bounds each step of the handshake, in the place of
// connectTimeoutMS.
func (c *Conn) timed() bool { return c.cfg.Timeout > 0 && !c.monitor }

// step bounds a step of the handshake by timeoutMS, where that does.
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

func open(ctx context.Context, address string, cfg *Config) (net.Conn, error) {
	network := "tcp"
	if IsUnix(address) {
		network = "unix"
	}
	if cfg.DialContext != nil {
		return cfg.DialContext(ctx, network, address)
	}
	return OpenSocket(ctx, network, address)
}

// OpenSocket opens a socket with the keep-alive settings of the specification.
func OpenSocket(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	return d.DialContext(ctx, network, address)
}

// IsUnix reports whether an address is the path of a Unix domain socket.
func IsUnix(address string) bool { return strings.Contains(address, "/") }

// hello runs the handshake: the first hello, with what was negotiated in it,
// then authentication. ctx has connectTimeoutMS, outer has not.
func (c *Conn) hello(ctx, outer context.Context, how setup) error {
	authn := how.authn
	var speculative auth.Conversation
	var first []byte
	if authn != nil {
		var err error
		step, cancel := c.step(ctx)
		defer cancel()
		if authn, err = authn.ForConnection(step, c.address); err != nil {
			return c.late(ctx, c.authError(err))
		}
		if speculative, first, err = authn.Speculate(step, c.address); err != nil {
			return c.late(ctx, c.authError(err))
		}
	}
	useMsg := c.cfg.API != nil || c.cfg.LoadBalanced
	doc := c.helloDocument(useMsg, authn, first)

	id := wire.NextRequestID()
	buf := wire.GetBuffer(len(doc) + 64)
	defer buf.Release()
	if useMsg {
		buf.B, _ = wire.BeginMsg(buf.B, id, 0, 0)
		buf.B = wire.End(append(wire.BeginBody(buf.B), doc...), 0)
	} else {
		buf.B = wire.AppendQuery(buf.B, id, "admin", doc)
	}
	began := time.Now()
	step, cancel := c.step(ctx)
	defer cancel()
	r, err := c.RoundTrip(step, buf.B, false)
	if err != nil {
		e := c.late(ctx, err).(*Error)
		e.Op = "hello"
		if c.cfg.Secure == nil && errors.Is(e.Err, io.EOF) {
			e.Err = fmt.Errorf("%w; a server that asks for TLS does that (then set tls=true)", e.Err)
		}
		return e
	}
	c.greetingTook = time.Since(began)
	defer r.Release()
	desc, err := sdam.ParseHello(c.address, r.Body)
	var refused *fault.Refusal
	switch {
	case errors.As(err, &refused):
		return c.fail("hello", Handshake, true, quotable(refused, speculative))
	case err != nil:
		return c.fail("hello", Protocol, true, err)
	}
	if c.cfg.LoadBalanced && desc.ServiceID == nil {
		return c.fail("hello", Handshake, true, errLoadBalanced)
	}
	if how.greeted != nil {
		how.greeted(desc)
	}
	if authn != nil && authn.Interactive() {
		ctx = outer // a person is slow, and the server has its time for each command
	}
	if err := c.authenticate(ctx, authn, desc, speculative, r.Body); err != nil {
		return err
	}
	// The server may announce less than it accepts, never more than is sane.
	if n := desc.MaxMessageSizeBytes; n > wire.HeaderLen {
		c.maxMessage = min(max(n, wire.DefaultMaxMessageSize), maxAnnounced)
	}
	if how.monitor {
		c.greeting = sdam.Hello{Server: desc, Reply: bytes.Clone(r.Body)}
	}
	c.compressor = compress.Negotiate(c.cfg.Compressors, desc.Compression)
	c.desc = desc
	return nil
}

// maxAnnounced bounds what a server may say of its largest message: the memory for
// one is there before its bytes are. Known servers all say DefaultMaxMessageSize.
const maxAnnounced = 4 * wire.DefaultMaxMessageSize

func (c *Conn) helloDocument(useMsg bool, authn *auth.Authenticator, speculative []byte) []byte {
	doc, start := bsonwire.Begin(make([]byte, 0, 1024))
	if useMsg {
		doc = bsonwire.AppendInt32(doc, "hello", 1)
	} else {
		doc = bsonwire.AppendInt32(doc, "isMaster", 1)
	}
	doc = bsonwire.AppendBoolean(doc, "helloOk", true)
	doc = bsonwire.AppendBoolean(doc, "backpressure", true) // this client slows down when asked to
	if c.cfg.Metadata != nil {
		if m := c.cfg.Metadata(); m != nil {
			doc = bsonwire.AppendDocument(doc, "client", m)
		}
	}
	var at int
	doc, at = bsonwire.BeginArray(doc, "compression")
	for i, comp := range c.cfg.Compressors {
		doc = bsonwire.AppendString(doc, arrayKey(i), comp.Name())
	}
	doc = bsonwire.End(doc, at)
	if c.cfg.LoadBalanced {
		doc = bsonwire.AppendBoolean(doc, "loadBalanced", true)
	}
	if authn != nil {
		if ns, ok := authn.Negotiates(); ok {
			doc = bsonwire.AppendString(doc, "saslSupportedMechs", ns)
		}
		if speculative != nil {
			doc = bsonwire.AppendDocument(doc, "speculativeAuthenticate", speculative)
		}
	}
	if useMsg {
		doc = c.cfg.API.Append(doc)
		doc = bsonwire.AppendString(doc, "$db", "admin")
	}
	return bsonwire.End(doc, start)
}

// authenticate runs the conversation, from where speculation got to.
func (c *Conn) authenticate(ctx context.Context, authn *auth.Authenticator, desc *sdam.Server, conv auth.Conversation, hello []byte) error {
	// Arbiters hold no users.
	if authn == nil || desc.Kind == sdam.RSArbiter {
		return nil
	}
	var reply []byte
	if conv != nil {
		if v, ok := bsonwire.Lookup(hello, "speculativeAuthenticate"); ok {
			reply, _ = v.AsDocument()
		}
	}
	if reply == nil {
		var err error
		step, cancel := c.step(ctx)
		if authn.Interactive() {
			step = ctx
		}
		conv, err = authn.Begin(step, c.address, desc.SASLSupportedMechs)
		if cancel(); err != nil {
			return c.late(ctx, c.authError(err))
		}
	}
	return c.converse(ctx, conv, reply)
}

// Authenticated reports whether the connection has proven who the client is.
func (c *Conn) Authenticated() bool { return c.proof != nil }

// Reauthenticate proves anew who the client is, after the server answered a
// command with [fault.ReauthenticationRequired]: the credential has expired.
// The connection must have been authenticated. After an error it is of no more
// use.
func (c *Conn) Reauthenticate(ctx context.Context) error {
	err := c.proveAgain(ctx)
	if err != nil && c.broken == nil {
		c.broken = err
	}
	return err
}

func (c *Conn) proveAgain(ctx context.Context) error {
	authn, err := c.cfg.Auth.ForConnection(ctx, c.address)
	if err != nil {
		return c.authError(err)
	}
	conv, err := authn.Reauthenticate(ctx, c.address, c.proof)
	if err != nil {
		return c.authError(err)
	}
	return c.converse(ctx, conv, nil)
}

// maxRounds bounds a conversation with a server that never comes to an end.
const maxRounds = 16

func (c *Conn) converse(ctx context.Context, conv auth.Conversation, reply []byte) error {
	c.proof = conv
	var held Reply
	defer func() { held.Release() }()
	for range maxRounds {
		step, cancel := c.step(ctx)
		if c.cfg.Auth.Interactive() {
			step = ctx
		}
		cmd, done, err := conv.Next(step, reply)
		if cancel(); err != nil {
			return c.late(ctx, c.authError(err))
		}
		if cmd == nil && done {
			return nil
		}
		r, err := c.command(ctx, conv.Database(), cmd)
		if err != nil {
			return err
		}
		held.Release()
		held, reply = r, r.Body
		if done {
			return nil
		}
	}
	return c.authError(errors.New("the server does not end the authentication conversation"))
}

func (c *Conn) authError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return c.fail("authenticate", Context, true, err)
	}
	return c.fail("authenticate", Auth, true, err)
}

// command sends a command document with $db and the API version added.
func (c *Conn) command(ctx context.Context, db string, cmd []byte) (Reply, error) {
	buf := wire.GetBuffer(len(cmd) + 128)
	defer buf.Release()
	b, start := wire.BeginMsg(buf.B, wire.NextRequestID(), 0, 0)
	b = wire.BeginBody(b)
	at := len(b)
	b = append(b, cmd[:len(cmd)-1]...)
	b = c.cfg.API.Append(b)
	b = bsonwire.AppendString(b, "$db", db)
	b = bsonwire.End(b, at)
	buf.B = wire.End(b, start)
	limited, cancel := ctx, func() {}
	if c.desc == nil { // the handshake's
		if limited, cancel = c.step(ctx); !c.timed() && c.cfg.ConnectTimeout > 0 {
			limited, cancel = context.WithTimeout(ctx, c.cfg.ConnectTimeout)
		}
	}
	defer cancel()
	r, err := c.RoundTrip(limited, buf.B, false)
	if err != nil && c.desc == nil {
		err = c.late(ctx, err)
	}
	return r, err
}

// quotable makes what a server says fit for an error: it was told what the
// conversation, if any, holds, and may repeat it.
func quotable(r *fault.Refusal, told auth.Conversation) *fault.Refusal {
	r.Message, r.Raw, r.Details = auth.Quote(r.Message, told), nil, nil
	return r
}

// Refusal returns the error that a reply tells, a *fault.Refusal fit to be shown, or
// nil.
func Refusal(reply []byte) error {
	if r := fault.Refuse(reply); r != nil {
		return quotable(r, nil)
	}
	return nil
}
