package conn

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
)

// Check runs a hello on an established connection. With a topology version,
// the server is asked to answer when its state changes or maxAwait has passed,
// and to go on answering by itself; More of the connection reports whether it
// will.
func (c *Conn) Check(ctx context.Context, await *sdam.TopologyVersion, maxAwait time.Duration) (sdam.Hello, error) {
	buf := wire.GetBuffer(512)
	defer buf.Release()
	var flags wire.Flags
	if await != nil {
		flags = wire.ExhaustAllowed
	}
	b, start := wire.BeginMsg(buf.B, wire.NextRequestID(), 0, flags)
	b = wire.BeginBody(b)
	b, at := bsonwire.Begin(b)
	if c.desc.HelloOK || c.cfg.API != nil || c.cfg.LoadBalanced {
		b = bsonwire.AppendInt32(b, "hello", 1)
	} else {
		b = bsonwire.AppendInt32(b, "isMaster", 1)
		b = bsonwire.AppendBoolean(b, "helloOk", true)
	}
	if await != nil {
		var in int
		b, in = bsonwire.BeginDocument(b, "topologyVersion")
		b = bsonwire.AppendObjectID(b, "processId", await.ProcessID)
		b = bsonwire.AppendInt64(b, "counter", await.Counter)
		b = bsonwire.End(b, in)
		b = bsonwire.AppendInt64(b, "maxAwaitTimeMS", maxAwait.Milliseconds())
	}
	b = c.cfg.API.Append(b)
	b = bsonwire.AppendString(b, "$db", "admin")
	b = bsonwire.End(b, at)
	buf.B = wire.End(b, start)
	r, err := c.RoundTrip(ctx, buf.B, false)
	return c.greeted(r, err)
}

// Next waits for a reply that the server sends by itself after Check.
func (c *Conn) Next(ctx context.Context) (sdam.Hello, error) {
	r, err := c.Receive(ctx)
	return c.greeted(r, err)
}

// Hello returns the hello of a monitor connection's handshake, and how long it took.
func (c *Conn) Hello() (hello sdam.Hello, took time.Duration) { return c.greeting, c.greetingTook }

// More reports whether the server will send another reply by itself.
func (c *Conn) More() bool { return c.more }

// greeted reads the reply to a hello. Its bytes are the caller's. That of a server
// which refuses is a *fault.Refusal.
func (c *Conn) greeted(r Reply, err error) (sdam.Hello, error) {
	if err != nil {
		return sdam.Hello{}, err
	}
	server, err := sdam.ParseHello(c.address, r.Body)
	var refused *fault.Refusal
	if errors.As(err, &refused) {
		err = quotable(refused, nil)
	}
	if err != nil {
		return sdam.Hello{}, err
	}
	return sdam.Hello{Server: server, Reply: r.Body}, nil
}
