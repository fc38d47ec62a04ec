package doctor

import (
	"bytes"
	"context"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/wire"
)

// call runs a command on a connection. A reply that says no is a *fault.Refusal.
func call(ctx context.Context, w *walk, c *conn.Conn, database string, command bson.D) (bson.Raw, error) {
	doc, err := bson.Marshal(append(command, bson.E{Key: "$db", Value: database}))
	if err != nil {
		return nil, err
	}
	frame, start := wire.BeginMsg(nil, wire.NextRequestID(), 0, 0)
	frame = wire.BeginBody(frame)
	at := len(frame)
	frame = w.cfg.API.Append(append(frame, doc[:len(doc)-1]...))
	frame = wire.End(append(frame, 0), at)
	r, err := c.RoundTrip(ctx, wire.End(frame, start), false)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if err := conn.Refusal(r.Body); err != nil {
		return nil, err
	}
	return bytes.Clone(r.Body), nil
}
