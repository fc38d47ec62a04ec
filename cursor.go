package mgx

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/cursor"
	"github.com/mgxdb/mgx/internal/exec"
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
// at a time, Close included. Its context bounds all that it does, but for calls with a
// context of their own: see NextContext.
//
// Behind a load balancer an open cursor has a connection to itself. One that failed
// keeps it until Close.
type Cursor struct {
	ctx    context.Context
	client *Client
	dec    *bson.DecodeOptions

	batches cursor.Batches
	// verify looks at the reply to the command that opens the cursor.
	verify func(reply []byte) error
	// missingIsEmpty makes a missing namespace an empty result.
	missingIsEmpty bool
	// tails is true where the end of the results need not be the end of the cursor.
	tails bool

	awaits bool // the server waits for documents
	// timeout is the timeoutMS in force, 0 or less: none; perCall, whether it bounds
	// each call by itself, and not the cursor's life.
	timeout time.Duration
	perCall bool
	cancel  context.CancelFunc // of the deadline of the cursor's life; nil: none

	started, done bool
	err           error
	passing       bool // err is of the last call, and the cursor goes on
}

func (c *Client) newCursor(ctx context.Context, database, name string, s *callOptions, err error) *Cursor {
	cur := &Cursor{ctx: ctx, client: c, dec: c.decode(s), err: err}
	cur.batches.Config = cursor.Config{
		Runner: cursorRunner{c}, Open: &c.cursors, Context: ctx, Collection: name, Command: exec.Op{Database: database},
		Binding:   exec.Binding{Cursor: true},
		BatchSize: s.batchSize, Prefetch: s.prefetch, Exhaust: s.exhaust,
	}
	if cur.timeout = s.timeout.Limit; cur.timeout == 0 && ctx != nil {
		if _, ok := ctx.Deadline(); !ok {
			cur.timeout = c.options.Timeout
		}
	}
	cur.awaits = s.cursor == TailableAwait
	cur.perCall = s.timeoutMode == Iteration || s.cursor != NonTailable
	if cur.err == nil {
		cur.err = checkTimeouts(s, cmp.Or(cur.timeout, c.options.Timeout))
	}
	if c.limited(ctx) {
		cur.timeout = 0 // that of the WithTransaction counts
	}
	cur.batches.Timeout = cur.timeout
	if s.comment != nil {
		cur.batches.Comment = func(dst []byte) ([]byte, error) { return appendAny(dst, "comment", s.comment) }
	}
	return cur
}

// checkTimeouts refuses options of cursors that contradict each other.
func checkTimeouts(s *callOptions, timeout time.Duration) error {
	switch {
	case s.timeoutMode != DefaultTimeoutMode && timeout == 0:
		return failure(ErrInvalidArgument, "a timeout mode needs a timeout")
	case s.timeoutMode == CursorLifetime && s.cursor != NonTailable:
		return failure(ErrInvalidArgument, "the lifetime of a tailable cursor cannot be bounded by a timeout; each call can (Iteration)")
	case s.maxAwait > 0 && timeout > 0 && s.maxAwait >= timeout:
		return failure(ErrInvalidArgument, "the server would wait for documents (MaxAwaitTime, %v) as long as the timeout of a call (%v), or longer", s.maxAwait, timeout)
	}
	return nil
}

// cursorRunner runs the commands of a client's cursors.
type cursorRunner struct{ c *Client }

func (r cursorRunner) Run(ctx context.Context, op *exec.Op, b *exec.Binding) (exec.Result, error) {
	return r.c.runBound(ctx, op, b)
}

func (r cursorRunner) Shares(ctx context.Context) bool { return r.c.requestOf(ctx) != nil }

// Abandon implements [cursor.Runner]: a client that was disconnected is not opened to
// kill a cursor, and a manager decides when to.
func (r cursorRunner) Abandon(id int64) bool {
	if r.c.state.Load() == int32(clientDisconnected) {
		r.c.cursors.Remove(id)
		return true
	}
	m := r.c.manager.Load()
	if m != nil {
		(*m).Close(id)
	}
	return m != nil
}

// Next moves to the next document, and asks the server for more when needed. It
// returns false at the end and after an error; Err tells which. At the end it
// closes the cursor. On a tailable cursor it waits until there is a document: it asks
// a server that answers at once with nothing ten times a second.
func (c *Cursor) Next() bool { return c.next(c.ctx) }

// NextContext is Next with a context for this call, in the place of the cursor's. Where
// it ends first, Err has its error and the cursor goes on: no document is lost, the
// next call waits for what was asked for. The request that the cursor was opened in is
// that of the cursor's context all the same.
func (c *Cursor) NextContext(ctx context.Context) bool { return c.next(c.during(ctx)) }

func (c *Cursor) next(ctx context.Context) bool {
	ctx, done := c.bounded(ctx)
	defer done()
	for {
		asked := time.Time{}
		if c.tails && c.batches.AtLast() {
			asked = time.Now()
		}
		if c.tryNext(ctx) {
			return true
		}
		if c.err != nil || c.done {
			return false
		}
		if asked.IsZero() || c.client.exec.Pause(ctx, time.Until(asked.Add(tailPause))) {
			continue
		}
		if ctx == c.batches.Context {
			c.fail(ctx, c.public(ctx.Err()))
		} else {
			c.pass(ctx.Err())
		}
		return false
	}
}

// tailPause is the least time between two questions for documents that a server
// answers with none.
const tailPause = 100 * time.Millisecond

// TryNext is Next for tailable cursors: it returns false after one reply of the
// server without documents. Closed reports whether there can be more.
func (c *Cursor) TryNext() bool {
	ctx, done := c.bounded(c.ctx)
	defer done()
	return c.tryNext(ctx)
}

// TryNextContext is TryNext with a context for this call: see NextContext.
func (c *Cursor) TryNextContext(ctx context.Context) bool {
	ctx, done := c.bounded(c.during(ctx))
	defer done()
	return c.tryNext(ctx)
}

// bounded bounds a call by the timeout that is for each by itself. Where the call has
// no context of its own, its end ends the command, too.
func (c *Cursor) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if !c.perCall || c.timeout <= 0 || ctx == nil || c.batches.Remaining() > 0 || c.done {
		return ctx, func() {}
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	if ctx != c.ctx || c.batches.Prefetch {
		return limited, cancel
	}
	c.batches.Context = limited
	return limited, func() {
		c.batches.Context = c.ctx
		cancel()
	}
}

// callContext is the context of a call, with the values of the cursor's.
type callContext struct {
	context.Context
	of context.Context
}

func (c callContext) Value(key any) any {
	if v := c.of.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

// during returns the context for a call that has one of its own.
func (c *Cursor) during(ctx context.Context) context.Context {
	if ctx == nil || c.ctx == nil || ctx == c.ctx {
		return ctx
	}
	return callContext{ctx, c.ctx}
}

func (c *Cursor) tryNext(ctx context.Context) bool {
	if c.passing {
		c.err, c.passing = nil, false
	}
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
		c.start(ctx)
	case c.batches.ID() == 0:
		c.finish(ctx)
	default:
		c.more(ctx)
	}
	if c.done || c.err != nil {
		return false
	}
	if c.take() {
		return true
	}
	if c.batches.ID() == 0 && c.err == nil {
		c.finish(ctx)
	}
	return false
}

// start opens the cursor on the server.
func (c *Cursor) start(ctx context.Context) {
	c.started = true
	if !c.perCall && c.timeout > 0 && c.ctx != nil {
		own := ctx == c.ctx
		c.ctx, c.cancel = context.WithTimeout(c.ctx, c.timeout)
		if c.batches.Context = c.ctx; own {
			ctx = c.ctx
		}
	}
	// The server takes what it is told for the time of all batches.
	c.batches.Command.Untold = c.perCall && !c.awaits || ctx != c.batches.Context
	err := c.batches.Start(ctx)
	switch {
	case err == nil && c.batches.Closed():
		c.done = true
	case err == nil && c.verify != nil:
		err = c.verify(c.batches.Reply())
	case err != nil && c.missingIsEmpty && isServer(err, ErrNamespaceNotFound):
		c.finish(ctx)
		return
	}
	if err != nil {
		c.fail(ctx, c.public(err))
	}
}

// more asks for the next batch.
func (c *Cursor) more(ctx context.Context) {
	if ctx == nil {
		c.fail(c.ctx, nilContext("getMore"))
		return
	}
	switch err := c.batches.More(ctx); {
	case err == nil:
	case c.batches.Waiting():
		c.pass(err)
	default:
		c.fail(ctx, c.public(err))
	}
}

// public makes an error of the cursor itself a public one. Those of its commands are.
func (c *Cursor) public(err error) error { return publicCursorError(c.batches.Command.Name, err) }

func publicCursorError(command string, err error) error {
	if _, unreadable := err.(*exec.ReplyError); unreadable {
		return toPublic(command, err)
	}
	if err == context.Canceled || err == context.DeadlineExceeded {
		return toPublic("getMore", err)
	}
	return err
}

// take moves to the next document of the batch.
func (c *Cursor) take() bool {
	ok, err := c.batches.Next()
	if err != nil {
		c.fail(c.ctx, c.public(err))
	}
	return ok
}

// pass notes an error of a call that leaves the cursor as it is.
func (c *Cursor) pass(err error) { c.err, c.passing = c.public(err), true }

// fail ends the cursor with an error.
func (c *Cursor) fail(ctx context.Context, err error) {
	c.err, c.done = err, true
	if c.batches.Fail(ctx); c.batches.Closed() {
		c.release()
	}
}

// finish ends the cursor, here and, where it is still open, on the server.
func (c *Cursor) finish(ctx context.Context) { c.finishWithin(ctx, c.batches.Timeout) }

func (c *Cursor) finishWithin(ctx context.Context, timeout time.Duration) {
	c.done = true
	c.batches.CloseWithin(ctx, timeout)
	c.release()
}

// release lets go of the deadline of the cursor's life.
func (c *Cursor) release() {
	if c.cancel != nil {
		c.cancel()
	}
}

// Current returns the document that Next moved to, nil if there is none. It is a
// view, valid until the next call of Next, TryNext or Close: the cursor reuses its
// bytes. Copy it to keep it, or use Collect, Each or Decode, whose documents are
// the caller's own.
func (c *Cursor) Current() bson.Raw { return c.batches.Current() }

// Decode decodes the current document into the value that v points to. A D, Raw or
// slice that is there already gives its memory for that: to keep documents, give each
// a variable of its own.
func (c *Cursor) Decode(v any) error {
	doc := c.batches.Current()
	if doc == nil {
		return failure(ErrInvalidArgument, "decode: there is no current document; call Next first")
	}
	return decodeDocument(c.dec, doc, v)
}

// Err returns what ended the cursor, or nil if that was its end or Close. After a call
// with a context of its own that has ended, it is that context's error, and the cursor
// has not ended: see NextContext.
func (c *Cursor) Err() error { return c.err }

// ID returns the server's identifier of the cursor; 0 before the first batch,
// and when the server has no more than what it sent.
func (c *Cursor) ID() int64 { return c.batches.ID() }

// Remaining returns how many documents of the batch at hand Next has not come to: what
// it returns without asking the server.
func (c *Cursor) Remaining() int { return c.batches.Remaining() }

// SetBatchSize changes how many documents the server is asked for, from the next batch
// on that is not on its way yet; 0 leaves it to the server. See BatchSize.
func (c *Cursor) SetBatchSize(n int32) { c.batches.SetBatchSize(max(n, 0)) }

// Closed reports whether the cursor has ended.
func (c *Cursor) Closed() bool { return c.done }

// Close ends the cursor, on the server too if it is open there. It may be called
// any number of times, and need not be after Next has returned false, but for an error
// behind a load balancer: the cursor's connection goes back then. It returns
// the cursor's error, like Err.
func (c *Cursor) Close() error {
	c.finish(c.ctx)
	if c.timeout > 0 {
		c.batches.Wait(c.timeout)
	}
	return c.err
}

// CloseContext is Close with a context that bounds the word to the server, in the place
// of the cursor's timeout.
func (c *Cursor) CloseContext(ctx context.Context) error {
	if ctx == nil {
		return nilContext("close a cursor")
	}
	timeout := c.batches.Timeout
	if d, ok := ctx.Deadline(); ok && c.timeout != 0 {
		timeout = max(time.Until(d), time.Millisecond)
	}
	c.finishWithin(c.during(ctx), timeout)
	return c.err
}

// Explain returns the server's plan for the query, or for the pipeline, instead of
// running it. verbosity is "queryPlanner", "executionStats" or
// "allPlansExecution"; "" is the server's default, allPlansExecution. MaxTime bounds
// the explanation. The cursor must not have been used: that of a pipeline that ends
// with $out or $merge has been. Explain such a one, and other commands, through
// RunCommand.
func (c *Cursor) Explain(verbosity string) (bson.Raw, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.started || c.batches.Command.Body == nil:
		return nil, failure(ErrInvalidArgument, "explain: the %s has been sent already", c.batches.Command.Name)
	}
	c.done = true
	op := c.batches.Command
	body := op.Body
	op.Name, op.Access, op.ReadConcern = "explain", exec.Other, ""
	op.Body = func(dst []byte) ([]byte, error) {
		dst, at := bsonwire.BeginDocument(dst, "explain")
		dst, err := body(dst)
		if err != nil {
			return dst, err
		}
		return appendNonEmpty(bsonwire.End(dst, at), "verbosity", verbosity), nil
	}
	res, err := c.client.run(c.ctx, &op)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	return bytes.Clone(res.Body), nil
}

// appendCursorOption appends the cursor argument of commands that open one.
func appendCursorOption(dst []byte, batchSize int32) []byte {
	dst, at := bsonwire.BeginDocument(dst, "cursor")
	if batchSize > 0 {
		dst = bsonwire.AppendInt32(dst, "batchSize", batchSize)
	}
	return bsonwire.End(dst, at)
}
