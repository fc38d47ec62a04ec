package unified

import (
	"context"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// cursor is a cursor entity. mgx opens cursors with their first document, tests
// with the operation that makes them: what that step brought is kept.
type cursor struct {
	cur   *mgx.Cursor
	first bool // the first document was read, and not yet returned
}

// opened opens a cursor for an entity.
func opened(cur *mgx.Cursor) (result, error) {
	c := &cursor{cur: cur, first: cur.TryNext()}
	if err := cur.Err(); err != nil {
		return nothing, err
	}
	return result{save: c}, nil
}

func (c *cursor) close() error { return c.cur.Close() }

// onCursor runs an operation on a cursor.
func (r *run) onCursor(c *cursor, name string, a *arguments) (result, error) {
	ctx, cancel := r.ctx, func() {}
	err := a.each(func(key string, v argument) bool {
		if key != "timeoutMS" || name != "close" {
			return false
		}
		ctx, cancel = context.WithTimeout(r.ctx, v.milliseconds())
		return true
	})
	defer cancel()
	if err != nil {
		return nothing, err
	}
	switch name {
	case "close":
		if ctx != r.ctx {
			_ = c.cur.CloseContext(ctx)
			return nothing, nil
		}
		_ = c.close() // tests look at the command's events instead
		return nothing, nil
	case "iterateOnce":
		return c.document(c.cur.TryNext)
	case "iterateUntilDocumentOrError":
		return c.document(c.cur.Next)
	}
	return nothing, unknown("cursor", name)
}

func (c *cursor) document(next func() bool) (result, error) {
	found := c.first || next()
	c.first = false
	if !found {
		return nothing, c.cur.Err()
	}
	var d bson.D
	err := c.cur.Decode(&d)
	return value(d), err
}
