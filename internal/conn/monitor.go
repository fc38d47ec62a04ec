package conn

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
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
	buf.B = c.cfg.message(buf.B, flags, "admin", func(b []byte) []byte {
		known := c.desc.HelloOK || c.cfg.declared()
		if b = appendHello(b, known); !known {
			b = bsonwire.AppendBoolean(b, "helloOk", true)
		}
		if await == nil {
			return b
		}
		b, in := bsonwire.BeginDocument(b, "topologyVersion")
		b = bsonwire.AppendObjectID(b, "processId", await.ProcessID)
		b = bsonwire.AppendInt64(b, "counter", await.Counter)
		b = bsonwire.End(b, in)
		return bsonwire.AppendInt64(b, "maxAwaitTimeMS", maxAwait.Milliseconds())
	})
	return c.checked(c.RoundTrip(ctx, buf.B, false))
}

// Next waits for a reply that the server sends by itself after Check.
func (c *Conn) Next(ctx context.Context) (sdam.Hello, error) {
	return c.checked(c.Receive(ctx))
}

// Hello returns the hello of a monitor connection's handshake, and how long it took.
func (c *Conn) Hello() (hello sdam.Hello, took time.Duration) { return c.greeting, c.greetingTook }

// More reports whether the server will send another reply by itself.
func (c *Conn) More() bool { return c.more }

// checked reads the reply to a check. Its bytes are the caller's.
func (c *Conn) checked(r Reply, err error) (sdam.Hello, error) {
	if err != nil {
		return sdam.Hello{}, err
	}
	server, err := c.parseHello(r.Body, nil)
	if err != nil {
		return sdam.Hello{}, err
	}
	return sdam.Hello{Server: server, Reply: r.Body}, nil
}
