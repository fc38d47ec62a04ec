package doctor

import (
	"bytes"
	"context"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/conn"
)

// call runs a command on a connection. A reply that says no is a *fault.Refusal.
func call(ctx context.Context, c *conn.Conn, database string, command bson.D) (bson.Raw, error) {
	doc, err := bson.Marshal(command)
	if err != nil {
		return nil, err
	}
	r, err := c.Command(ctx, database, doc)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if err := conn.Refusal(r.Body); err != nil {
		return nil, err
	}
	return bytes.Clone(r.Body), nil
}
