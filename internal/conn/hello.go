package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
)

// hello runs the handshake: the first hello, with what was negotiated in it,
// then authentication. ctx has connectTimeoutMS, outer has not.
func (c *Conn) hello(ctx, outer context.Context, how opening) error {
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
	r, err := c.greet(ctx, authn, first)
	if err != nil {
		return err
	}
	defer r.Release()
	desc, err := c.greeted(r.Body, speculative)
	if err != nil {
		return err
	}
	if how.greeted != nil {
		how.greeted(desc)
	}
	if c.timed() || authn != nil && authn.Interactive() {
		ctx = outer // each step has its own time, or a person is slow
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

// greet sends the first hello, and waits for the reply.
func (c *Conn) greet(ctx context.Context, authn *auth.Authenticator, speculative []byte) (Reply, error) {
	buf := wire.GetBuffer(1024 + len(speculative))
	defer buf.Release()
	buf.B = c.cfg.message(buf.B, 0, "admin", func(b []byte) []byte { return c.appendFirst(b, authn, speculative) })
	began := time.Now()
	r, err := c.RoundTrip(ctx, buf.B, false)
	if err != nil {
		e := err.(*Error)
		e.Op = "hello"
		if c.cfg.Secure == nil && errors.Is(e.Err, io.EOF) {
			e.Err = fmt.Errorf("%w; a server that asks for TLS does that (then set tls=true)", e.Err)
		}
		return r, e
	}
	c.greetingTook = time.Since(began)
	return r, nil
}

// greeted reads the reply to the first hello.
func (c *Conn) greeted(reply []byte, told auth.Conversation) (*sdam.Server, error) {
	desc, err := c.parseHello(reply, told)
	switch {
	case errors.As(err, new(*fault.Refusal)):
		return nil, c.fail("hello", Handshake, true, err)
	case err != nil:
		return nil, c.fail("hello", Protocol, true, err)
	case c.cfg.LoadBalanced && desc.ServiceID == nil:
		return nil, c.fail("hello", Handshake, true, errLoadBalanced)
	}
	return desc, nil
}

// parseHello reads the reply to a hello. That of a server which refuses is a
// *fault.Refusal, fit to be shown.
func (c *Conn) parseHello(reply []byte, told auth.Conversation) (*sdam.Server, error) {
	server, err := sdam.ParseHello(c.address, reply)
	var refused *fault.Refusal
	if errors.As(err, &refused) {
		return nil, quotable(refused, told)
	}
	return server, err
}

// declared reports whether the client asks for what only servers that know the hello
// command have.
func (c *Config) declared() bool { return c.API != nil || c.LoadBalanced }

// appendHello begins a hello, by its own name or by that of old servers.
func appendHello(dst []byte, known bool) []byte {
	if known {
		return bsonwire.AppendInt32(dst, "hello", 1)
	}
	return bsonwire.AppendInt32(dst, "isMaster", 1)
}

// appendFirst appends the fields of the first hello.
func (c *Conn) appendFirst(doc []byte, authn *auth.Authenticator, speculative []byte) []byte {
	doc = appendHello(doc, c.cfg.declared())
	doc = bsonwire.AppendBoolean(doc, "helloOk", true)
	doc = bsonwire.AppendString(doc, "backpressure", "2") // the version of how this client slows down when asked to
	if c.cfg.Metadata != nil {
		if m := c.cfg.Metadata(); m != nil {
			doc = bsonwire.AppendDocument(doc, "client", m)
		}
	}
	doc, at := bsonwire.BeginArray(doc, "compression")
	for i, comp := range c.cfg.Compressors {
		doc = bsonwire.AppendString(doc, bsonwire.Index(i), comp.Name())
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
	return doc
}
