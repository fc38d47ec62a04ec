package mgx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/pool"
)

// Cursor goes through the results of a query. Nothing is sent before the first
// document is asked for; errors wait in the cursor until Err.
//
//	cur := orders.Find(ctx, filter)
//	defer cur.Close()
//	for cur.Next() {
//		var o Order
//		if err := cur.Decode(&o); err != nil { … }
//	}
//	err := cur.Err()
//
// Collect and Each do the same in one line. A cursor is used by one goroutine
// at a time, and its context bounds all that it does.
type Cursor struct {
	ctx      context.Context
	client   *Client
	database string
	name     string // the collection, for getMore
	dec      *bson.DecodeOptions

	// op is the command that opens the cursor; verify looks at its reply.
	op        exec.Op
	verify    func(reply []byte) error
	batchSize int32
	left      int64 // of the limit; 0: there is none
	awaitMS   int64
	comment   any
	// prefetch asks for the next batch while the current one is used, exhaust has
	// the server send batches without being asked.
	prefetch, exhaust bool
	ahead             *ahead

	// missingIsEmpty makes a missing namespace an empty result.
	missingIsEmpty bool

	started, done bool
	err           error
	id            int64
	binding       exec.Binding
	res           exec.Result // the reply that the batch is in, until it is kept
	docs          []byte      // the batch: an array
	batch         bsonwire.Reader
	at            int // documents of the batch so far
	doc           []byte
	kept          bool // the batch is a copy, which is never reused
}

func (c *Client) newCursor(ctx context.Context, database, name string, s *settings, err error) *Cursor {
	return &Cursor{
		ctx: ctx, client: c, database: database, name: name, dec: c.decode(s), batchSize: s.batchSize,
		comment: s.comment, err: err, prefetch: s.prefetch, exhaust: s.exhaust, binding: exec.Binding{Cursor: true},
	}
}

// Next moves to the next document, and asks the server for more when needed. It
// returns false at the end and after an error; Err tells which. At the end it
// closes the cursor. On a tailable cursor it waits until there is a document.
func (c *Cursor) Next() bool {
	for {
		if c.TryNext() {
			return true
		}
		if c.err != nil || c.done {
			return false
		}
	}
}

// TryNext is Next for tailable cursors: it returns false after one reply of the
// server without documents. Closed tells whether there can be more.
func (c *Cursor) TryNext() bool {
	c.doc = nil
	if c.err != nil || c.done {
		return false
	}
	if c.take() {
		return true
	}
	if c.err != nil {
		return false
	}
	switch {
	case !c.started:
		c.start()
	case c.id == 0:
		c.finish()
	default:
		if err := c.more(); err != nil {
			c.fail(err)
		}
	}
	if c.done {
		return false
	}
	if c.take() {
		return true
	}
	if c.id == 0 && c.err == nil {
		c.finish()
	}
	return false
}

// start opens the cursor on the server.
func (c *Cursor) start() {
	c.started = true
	res, err := c.client.runBound(c.ctx, &c.op, &c.binding)
	switch {
	case err == nil && res.Unacknowledged:
		c.finish()
		return
	case err == nil:
		// First of all, the cursor takes over what the result holds.
		if err = c.accept(res, "firstBatch"); err == nil && c.verify != nil {
			err = c.verify(res.Body)
		}
	case c.missingIsEmpty && isServer(err, ErrNamespaceNotFound):
		c.finish()
		return
	}
	if err != nil {
		c.fail(err)
	}
}

// take moves to the next document of the batch.
func (c *Cursor) take() bool {
	if !c.batch.Next() {
		if err := c.batch.Err(); err != nil {
			c.fail(category(fmt.Errorf("read the batch: %w", err), ErrProtocol))
		}
		return false
	}
	doc, ok := c.batch.Value().AsDocument()
	if !ok {
		c.fail(failure(ErrProtocol, "the batch holds something else than documents"))
		return false
	}
	c.doc = doc
	c.at++
	return true
}

// accept makes a reply the current batch.
func (c *Cursor) accept(res exec.Result, batch string) error {
	c.drop()
	c.res = res
	v, ok := bsonwire.Lookup(res.Body, "cursor")
	cur, isDoc := v.AsDocument()
	if !ok || !isDoc {
		return failure(ErrProtocol, "the reply of %s has no cursor", res.Server.Address())
	}
	before := c.id
	var docs []byte
	found := false
	r := bsonwire.NewReader(cur)
	for r.Next() {
		switch key := r.Key(); {
		case string(key) == "id":
			id, ok := r.Value().AsInt64()
			if !ok {
				return failure(ErrProtocol, "the cursor of %s has an id that is no integer", res.Server.Address())
			}
			c.id = id
		case string(key) == "ns":
			c.namespace(r.Value())
		case string(key) == batch:
			docs, found = r.Value().AsArray()
		}
	}
	if err := r.Err(); err != nil || !found {
		return failure(ErrProtocol, "the cursor of %s has no %s", res.Server.Address(), batch)
	}
	c.docs, c.batch = docs, bsonwire.NewReader(docs)
	c.register(before)
	switch {
	case c.id == 0:
		c.binding.End() // others can have the session while the last batch is read
		return nil
	case c.binding.Lease != nil:
		c.binding.Lease.SetPurpose(pool.ForCursor)
	}
	if c.left > 0 && c.batchSize > 0 {
		c.left -= lengthOf(docs)
	}
	if c.prefetch {
		c.fetchAhead()
	}
	return nil
}

// register keeps the client's list of open cursors.
func (c *Cursor) register(before int64) {
	switch {
	case c.id == before:
	case c.id == 0:
		c.client.cursors.remove(before)
	default:
		c.client.cursors.add(c.id, home{
			database: c.database, collection: c.name, server: c.binding.Server,
			bound: c.binding.Lease != nil && c.res.Desc.ServiceID != nil,
		})
	}
}

// namespace follows the server's word on where the cursor lives.
func (c *Cursor) namespace(v bsonwire.Value) {
	ns, ok := v.AsStringBytes()
	if !ok {
		return
	}
	for i, b := range ns {
		if b == '.' {
			if string(ns[i+1:]) != c.name {
				c.name = string(ns[i+1:])
			}
			return
		}
	}
}

// drop lets go of the current batch. Its bytes are reused, or, of one that was
// kept, left to whoever has its documents.
func (c *Cursor) drop() {
	c.res.Release()
	c.docs, c.batch, c.at = nil, bsonwire.Reader{}, 0
	c.doc, c.kept = nil, false
}

// keep returns the current document for good. The first one of a batch to be kept
// has the whole batch copied, in one piece of just its size: the buffer that it
// was read into goes back at once, and no document is copied by itself.
func (c *Cursor) keep() bson.Raw {
	if c.kept {
		return c.doc
	}
	c.docs = bytes.Clone(c.docs)
	c.batch = bsonwire.NewReader(c.docs)
	for range c.at {
		c.batch.Next()
	}
	c.doc, _ = c.batch.Value().AsDocument()
	c.kept = true
	c.res.Release()
	return c.doc
}

func (c *Cursor) fail(err error) {
	c.err = err
	if errors.Is(err, ErrCursorNotFound) {
		c.client.cursors.remove(c.id)
		c.id = 0
	}
	c.finish()
}

// finish ends the cursor, here and, where it is still open, on the server.
func (c *Cursor) finish() {
	if c.done {
		return
	}
	c.done = true
	c.dropAhead()
	if c.binding.Streaming() {
		c.cutOff()
	}
	if c.id != 0 {
		c.kill()
	}
	c.drop()
	c.binding.End()
}

// killTimeout bounds the word to the server that a cursor is not needed.
const killTimeout = 5 * time.Second

// kill tells the server that the cursor is done with, or has the cursor manager
// do so. It is best effort: servers drop idle cursors by themselves.
func (c *Cursor) kill() {
	id := c.id
	c.id = 0
	if m := c.client.manager.Load(); m != nil && c.binding.Lease == nil {
		(*m).Close(id)
		return
	}
	c.client.cursors.remove(id)
	h := home{database: c.database, collection: c.name}
	if l := c.binding.Lease; c.ctx.Err() != nil || l != nil && l.Conn().Pending() {
		// Whose time is over does not wait for this word either, nor for the late
		// reply that may come before it on a connection of the cursor's own.
		bound := c.binding
		c.binding = exec.Binding{}
		go func() {
			c.client.killLate(c.ctx, h, &bound, id)
			bound.End()
		}()
		return
	}
	c.client.killLate(c.ctx, h, &c.binding, id)
}

// Current returns the document that Next moved to, nil if there is none. It is a
// view, valid until the next call of Next, TryNext or Close: the cursor reuses its
// bytes. Copy it to keep it, or use Collect, Each or Decode, whose documents are
// the caller's own.
func (c *Cursor) Current() bson.Raw { return c.doc }

// Decode decodes the current document into the value that v points to. A D, Raw or
// slice that is there already gives its memory for that: to keep documents, give each
// a variable of its own.
func (c *Cursor) Decode(v any) error {
	if c.doc == nil {
		return failure(ErrInvalidArgument, "decode: there is no current document; call Next first")
	}
	return decodeDocument(c.dec, c.doc, v)
}

// Err returns what ended the cursor, or nil if that was its end or Close.
func (c *Cursor) Err() error { return c.err }

// ID returns the server's identifier of the cursor; 0 before the first batch,
// and when the server has no more than what it sent.
func (c *Cursor) ID() int64 { return c.id }

// Closed tells whether the cursor has ended.
func (c *Cursor) Closed() bool { return c.done }

// Close ends the cursor, on the server too if it is open there. It may be called
// any number of times, and need not be after Next has returned false. It returns
// the cursor's error, like Err.
func (c *Cursor) Close() error {
	c.finish()
	return c.err
}

// All decodes the remaining documents into the slice that v points to, replacing
// what it held, and closes the cursor.
func (c *Cursor) All(v any) error {
	defer c.finish()
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Slice {
		return failure(ErrInvalidArgument, "all: a %T is no pointer to a slice", v)
	}
	slice := p.Elem()
	slice.SetLen(0)
	for c.Next() {
		n := slice.Len()
		if n == slice.Cap() {
			slice.Grow(1)
		}
		slice.SetLen(n + 1)
		item := slice.Index(n)
		item.SetZero()
		if err := c.decodeCurrent(item.Addr().Interface()); err != nil {
			slice.SetLen(n)
			return err
		}
	}
	return c.err
}

// Collect returns the cursor's remaining documents, and closes it. After an
// error it returns nil. Documents as bson.Raw share the memory of their batch, which
// stays as long as one of them is held.
func Collect[T any](c *Cursor) ([]T, error) {
	defer c.finish()
	list := []T{}
	for c.Next() {
		var zero T
		list = append(list, zero)
		if err := c.decodeCurrent(&list[len(list)-1]); err != nil {
			return nil, err
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return list, nil
}

// Each goes through the cursor's remaining documents, and closes it, however
// the loop ends. An error comes as the last value. Documents as bson.Raw may be kept,
// and share the memory of their batch; who only looks at each saves the copy with
// Next and Current.
func Each[T any](c *Cursor) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer c.finish()
		for c.Next() {
			var v T
			if err := c.decodeCurrent(&v); err != nil {
				yield(v, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if c.err != nil {
			var zero T
			yield(zero, c.err)
		}
	}
}

// decodeCurrent decodes the current document into a value that is the caller's to
// keep.
func (c *Cursor) decodeCurrent(v any) error {
	if raw, ok := v.(*bson.Raw); ok {
		*raw = c.keep()
		return nil
	}
	return decodeDocument(c.dec, c.doc, v)
}

// decodeDocument decodes with the client's settings.
func decodeDocument(dec *bson.DecodeOptions, doc []byte, v any) error {
	if err := dec.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("decode%s into a %T: %w", whichDocument(doc), v, err)
	}
	return nil
}

// whichDocument names a document by its _id, if that is an ObjectID or an integer:
// a text may be a secret, such as the token of a session.
func whichDocument(doc []byte) string {
	id, _ := bsonwire.Lookup(doc, "_id")
	if oid, ok := id.AsObjectID(); ok {
		return " the document with _id " + oid.Hex()
	}
	if n, ok := id.AsInt64(); ok {
		return fmt.Sprintf(" the document with _id %d", n)
	}
	return ""
}

// appendCursorOption appends the cursor argument of commands that open one.
func appendCursorOption(dst []byte, batchSize int32) []byte {
	dst, at := bsonwire.BeginDocument(dst, "cursor")
	if batchSize > 0 {
		dst = bsonwire.AppendInt32(dst, "batchSize", batchSize)
	}
	return bsonwire.End(dst, at)
}
