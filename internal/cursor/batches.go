// Package cursor is a result that comes in batches: a command opens it on a server,
// getMore continues it (asked for when needed, asked for in advance, or sent by the
// server by itself), and killCursors ends it early.
//
// Going through the documents for a caller, and what their errors mean, is the
// business of who uses the package.
package cursor

import (
	"bytes"
	"context"
	"runtime"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/reply"
)

// Runner runs the commands of cursors.
type Runner interface {
	Run(context.Context, *exec.Op, *exec.Binding) (exec.Result, error)
	// Shares reports whether operations of this context share connections, so that
	// no cursor may have one to itself.
	Shares(context.Context) bool
	// Abandon is told of a cursor that is closed before its end, and reports whether
	// the server is not to be told now.
	Abandon(id int64) bool
}

// Config is what a cursor does, from its beginning to its end.
type Config struct {
	Runner Runner
	// Context bounds the cursor's life: also what is asked for while nobody waits.
	Context context.Context
	// Open are the cursors of the client.
	Open *Registry
	// Command opens the cursor. Collection is what getMore names, until the server's
	// reply says what it is.
	Command    exec.Op
	Collection string
	// BatchSize is how many documents a getMore asks for, 0 leaves it to the server.
	// Limit is how many documents there are at most, 0: no limit.
	BatchSize int32
	Limit     int64
	// AwaitMS is how long the server waits for documents, 0 leaves it to the server.
	AwaitMS int64
	// Timeout is the timeoutMS of each getMore, and of killCursors: see exec.Op.
	Timeout time.Duration
	// Comment appends the comment of getMores; nil: none.
	Comment func(dst []byte) ([]byte, error)
	// Prefetch asks for the next batch while the current one is used, Exhaust has the
	// server send batches without being asked.
	Prefetch, Exhaust bool
	// Binding is what the cursor is bound to: at first, that of any cursor.
	Binding exec.Binding
}

// Batches is a cursor, at one of its batches. It is used by one goroutine at a time.
// Documents are views into the current batch, which the next one replaces.
type Batches struct {
	Config

	id      int64
	res     exec.Result // the reply that the batch is in, until it is kept
	docs    []byte      // the batch: an array
	batch   bsonwire.Reader
	at      int // documents of the batch so far
	doc     []byte
	token   []byte // the reply's postBatchResumeToken
	kept    bool   // the batch is a copy, which is never reused
	ahead   *ahead
	resized *int32 // the batch size, once the batch is there that is on its way
	closed  bool
	cleanup runtime.Cleanup // of the connection that a cursor which failed has to itself
	killed  chan struct{}   // closed once the server has been told that the cursor is not needed; nil: nobody is telling it
}

// Start sends the command that opens the cursor, and makes its first batch the
// current one. After an unacknowledged command the cursor has ended. The context
// bounds the wait.
func (b *Batches) Start(ctx context.Context) error {
	res, err := b.Runner.Run(ctx, &b.Command, &b.Binding)
	switch {
	case err != nil:
		return err
	case res.Unacknowledged:
		b.Close(ctx)
		return nil
	}
	return b.Adopt(res)
}

// Adopt makes the reply to a command that opened the cursor its first batch.
func (b *Batches) Adopt(res exec.Result) error { return b.accept(res) }

// Next moves to the next document of the batch. It returns false at the batch's end.
func (b *Batches) Next() (bool, error) {
	doc, err := reply.NextDocument(&b.batch)
	b.doc = doc
	switch {
	case err != nil:
		return false, b.unreadable(err)
	case doc == nil:
		return false, nil
	}
	b.at++
	return true, nil
}

// ID is the server's identifier of the cursor, 0 when the server has no more than the
// current batch.
func (b *Batches) ID() int64 { return b.id }

// Current is the document that Next moved to, nil if there is none.
func (b *Batches) Current() bson.Raw { return b.doc }

// Reply is the reply that the current batch came in, nil once that was kept.
func (b *Batches) Reply() []byte { return b.res.Body }

// ResumeToken is the postBatchResumeToken that came with the current batch; nil
// without one. It is a view, like a document.
func (b *Batches) ResumeToken() []byte { return b.token }

// MaxWireVersion is that of the server that sent the latest batch.
func (b *Batches) MaxWireVersion() int32 {
	if b.res.Desc == nil {
		return 0
	}
	return b.res.Desc.MaxWireVersion
}

// Remaining counts the documents of the batch that Next has not come to.
func (b *Batches) Remaining() (n int) {
	for r := b.batch; r.Next(); {
		n++
	}
	return n
}

// AtLast reports whether Next has come to the batch's end.
func (b *Batches) AtLast() bool {
	r := b.batch
	return !r.Next()
}

// SetBatchSize changes how many documents a getMore asks for, from the next one on.
func (b *Batches) SetBatchSize(n int32) {
	if b.ahead != nil {
		b.resized = &n // until then, nothing changes
		return
	}
	b.BatchSize = n
}

// Closed reports whether the cursor has ended.
func (b *Batches) Closed() bool { return b.closed }

// accept makes a reply the current batch.
func (b *Batches) accept(res exec.Result) error {
	b.drop()
	b.res = res
	c, err := reply.ReadCursor(res.Body)
	if err != nil {
		return b.unreadable(err)
	}
	b.live(&c)
	b.docs, b.batch, b.token = c.Batch, bsonwire.NewReader(c.Batch), c.PostBatchResumeToken
	switch {
	case b.id == 0:
		b.Binding.End() // others can have the session while the last batch is read
		return nil
	case b.Binding.Lease != nil:
		b.Binding.Lease.SetPurpose(pool.ForCursor)
	}
	if b.Limit > 0 && b.BatchSize > 0 {
		b.Limit = max(b.Limit-int64(b.Remaining()), 0)
	}
	if b.Prefetch && !b.Binding.InTransaction() { // whose commands follow each other
		b.fetchAhead()
	}
	return nil
}

// live follows the server's word on whether the cursor is open there, and where.
func (b *Batches) live(c *reply.Cursor) {
	before := b.id
	b.id = c.ID
	if i := bytes.IndexByte(c.Namespace, '.'); i >= 0 && string(c.Namespace[i+1:]) != b.Collection {
		b.Collection = string(c.Namespace[i+1:])
	}
	b.register(before)
}

// unreadable is the error of a reply that makes no sense.
func (b *Batches) unreadable(err error) error {
	e := &exec.ReplyError{Command: b.Command.Name, Err: err}
	if s := b.Binding.Server; s != nil {
		e.Address = s.Address()
	}
	return e
}

// drop lets go of the current batch. Its bytes are reused, or, of one that was
// kept, left to whoever has its documents.
func (b *Batches) drop() {
	b.res.Release()
	b.docs, b.batch, b.at = nil, bsonwire.Reader{}, 0
	b.doc, b.token, b.kept = nil, nil, false
}

// Keep returns the current document for good. The first one of a batch to be kept
// has the whole batch copied, in one piece of just its size: the buffer that it
// was read into goes back at once, and no document is copied by itself.
func (b *Batches) Keep() bson.Raw {
	if b.kept {
		return b.doc
	}
	b.docs = bytes.Clone(b.docs)
	b.batch = bsonwire.NewReader(b.docs)
	for range b.at {
		b.batch.Next()
	}
	b.doc, _ = b.batch.Value().AsDocument()
	b.token = bytes.Clone(b.token)
	b.kept = true
	b.res.Release()
	return b.doc
}

// TakeReply hands over the reply that the batch is in, with its documents.
func (b *Batches) TakeReply() conn.Reply {
	taken := b.res.Reply
	b.res.Reply = conn.Reply{}
	b.docs, b.batch, b.at = nil, bsonwire.Reader{}, 0
	b.doc, b.token = nil, nil
	return taken
}
