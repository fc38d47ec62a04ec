package mongo

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Cursor goes through the results of a query. It is used by one goroutine at a time.
type Cursor struct {
	// Current is the document that Next moved to. It stays as it is.
	Current bson.Raw

	mgx     *mgx.Cursor // nil: of documents that are here already
	codec   codec
	timeout time.Duration // of each call whose context has no deadline; 0: none
	peeked  bool          // mgx's cursor has moved to a document that Next has not
	rest    []bson.Raw    // without a cursor of mgx's
	err     error
}

// open returns the cursor of an operation, which is sent now. The context bounds that
// alone: the cursor that run returns is to outlive it.
func (c *Client) open(ctx context.Context, codec codec, run func(context.Context) *mgx.Cursor) (*Cursor, error) {
	inner := run(context.WithoutCancel(ctx))
	cur := &Cursor{mgx: inner, codec: codec, timeout: c.timeout}
	cur.peeked = inner.TryNextContext(ctx)
	if err := inner.Err(); err != nil {
		_ = inner.CloseContext(context.WithoutCancel(ctx))
		return nil, convert(err)
	}
	return cur, nil
}

// NewCursorFromDocuments returns a cursor over documents, for tests. With preloadedErr
// it fails with that error.
func NewCursorFromDocuments(documents []any, preloadedErr error, registry *bson.Registry) (*Cursor, error) {
	cur := &Cursor{codec: codec{registry: registry}, err: preloadedErr}
	for i, v := range documents {
		if v == nil {
			return nil, fmt.Errorf("invalid document at index %d: %w", i, ErrNilDocument)
		}
		doc, err := cur.codec.document(v)
		if err != nil {
			return nil, err
		}
		cur.rest = append(cur.rest, doc)
	}
	return cur, nil
}

// given is the context of a call, which may be nil.
func (c *Cursor) given(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// ID returns the server's identifier of the cursor, 0 when the server has no more than
// what it sent.
func (c *Cursor) ID() int64 {
	if c.mgx == nil {
		return 0
	}
	return c.mgx.ID()
}

// Next moves to the next document, and asks the server for more when needed. It returns
// false at the end and after an error. On a tailable cursor it waits.
func (c *Cursor) Next(ctx context.Context) bool {
	return c.move(ctx, (*mgx.Cursor).NextContext)
}

// TryNext is Next that returns false after one reply of the server without documents.
func (c *Cursor) TryNext(ctx context.Context) bool {
	return c.move(ctx, (*mgx.Cursor).TryNextContext)
}

func (c *Cursor) move(ctx context.Context, next func(*mgx.Cursor, context.Context) bool) bool {
	switch {
	case c.err != nil:
		return false
	case c.mgx == nil:
		if len(c.rest) == 0 {
			return false
		}
		c.Current, c.rest = c.rest[0], c.rest[1:]
		return true
	case c.peeked:
		c.peeked = false
	default:
		ctx = c.given(ctx)
		if _, has := ctx.Deadline(); !has && c.timeout > 0 {
			bounded, cancel := context.WithTimeout(ctx, c.timeout)
			defer cancel()
			ctx = bounded
		}
		if !next(c.mgx, ctx) {
			c.err = convert(c.mgx.Err())
			return false
		}
	}
	// What programs kept of the official driver's cursors stayed as it was.
	c.Current = bytes.Clone(c.mgx.Current())
	return true
}

// Decode decodes the current document into the value that val points to.
func (c *Cursor) Decode(val any) error { return c.codec.decode(c.Current, val) }

// Err returns what ended the cursor, or nil if that was its end or Close.
func (c *Cursor) Err() error { return c.err }

// Close ends the cursor, on the server too.
func (c *Cursor) Close(ctx context.Context) error {
	c.peeked = false
	if c.mgx == nil {
		c.rest = nil
		return nil
	}
	failed := c.mgx.Err() != nil
	err := c.mgx.CloseContext(c.given(ctx))
	if failed {
		err = nil // it is the cursor's error, which Err has
	}
	return convert(err)
}

// All decodes the remaining documents into the slice that results points to, and closes
// the cursor.
func (c *Cursor) All(ctx context.Context, results any) error {
	to := reflect.ValueOf(results)
	if to.Kind() != reflect.Pointer {
		return fmt.Errorf("results argument must be a pointer to a slice, but was a %s", to.Kind())
	}
	list := to.Elem()
	if list.Kind() == reflect.Interface {
		list = list.Elem()
	}
	if list.Kind() != reflect.Slice {
		return fmt.Errorf("results argument must be a pointer to a slice, but was a pointer to %s", list.Kind())
	}
	defer func() { _ = c.Close(context.WithoutCancel(c.given(ctx))) }()
	n := 0
	for c.Next(ctx) {
		if n == list.Len() {
			list = reflect.Append(list, reflect.Zero(list.Type().Elem()))
			list = list.Slice(0, list.Cap())
		}
		if err := c.Decode(list.Index(n).Addr().Interface()); err != nil {
			return err
		}
		n++
	}
	if err := c.Err(); err != nil {
		return err
	}
	to.Elem().Set(list.Slice(0, n))
	return nil
}

// RemainingBatchLength returns how many documents Next has before it asks the server.
func (c *Cursor) RemainingBatchLength() int {
	switch {
	case c.mgx == nil:
		return len(c.rest)
	case c.peeked:
		return c.mgx.Remaining() + 1
	}
	return c.mgx.Remaining()
}

// SetBatchSize changes how many documents the server is asked for, from the next batch
// on.
func (c *Cursor) SetBatchSize(batchSize int32) {
	if c.mgx != nil {
		c.mgx.SetBatchSize(batchSize)
	}
}
