package conn

import (
	"context"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/wire"
)

// message appends an OP_MSG with a command: its own fields, then what every command
// carries. It is for a connection's own commands; those of operations have more.
func (c *Config) message(dst []byte, flags wire.Flags, database string, fields func([]byte) []byte) []byte {
	b, start := wire.BeginMsg(dst, wire.NextRequestID(), 0, flags)
	b, at := bsonwire.Begin(wire.BeginBody(b))
	b = c.API.Append(fields(b))
	b = bsonwire.AppendString(b, "$db", database)
	return wire.End(bsonwire.End(b, at), start)
}

// Command runs a command, a document without $db and API version. The reply may say no:
// see [Refusal].
func (c *Conn) Command(ctx context.Context, database string, command []byte) (Reply, error) {
	buf := wire.GetBuffer(len(command) + 128)
	defer buf.Release()
	buf.B = c.cfg.message(buf.B, 0, database, func(b []byte) []byte { return append(b, command[4:len(command)-1]...) })
	if c.desc != nil {
		return c.RoundTrip(ctx, buf.B, false)
	}
	// It is the handshake's.
	limited, cancel := c.step(ctx)
	if !c.timed() {
		limited, cancel = setup.Limit(ctx, c.cfg.ConnectTimeout)
	}
	defer cancel()
	r, err := c.RoundTrip(limited, buf.B, false)
	if err != nil {
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
