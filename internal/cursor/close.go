package cursor

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// Close ends the cursor, and where it is still open on the server, there too. That is
// best effort: servers drop idle cursors by themselves.
func (b *Batches) Close(ctx context.Context) {
	b.end(ctx)
	b.Binding.End()
}

// Successor ends the cursor, and returns the binding of one that takes its place: to
// its session, unless the server is told of the end only later.
func (b *Batches) Successor(ctx context.Context) exec.Binding {
	b.end(ctx)
	next := b.Binding.Successor()
	b.Binding.End()
	return next
}

func (b *Batches) end(ctx context.Context) {
	if b.closed {
		return
	}
	b.closed = true
	b.dropAhead()
	if b.Binding.Streaming() {
		b.Binding.Abandon(errCutOff) // the server drops the cursor then
		b.forget()
	}
	if b.id != 0 {
		b.kill(ctx)
	}
	b.drop()
}

var errCutOff = errors.New("an exhaust cursor was closed before its end")

// kill tells the server that the cursor is done with, or has the client's owner do so
// later.
func (b *Batches) kill(ctx context.Context) {
	id, l := b.id, b.Binding.Lease
	if l == nil && b.Runner.Abandon(id) {
		b.id = 0
		return
	}
	b.forget()
	if l != nil && l.Conn().Broken() != nil {
		return // nothing else leads to it
	}
	h := home{database: b.Command.Database, collection: b.Collection, timeout: b.Timeout}
	if ctx.Err() == nil && (l == nil || !l.Conn().Pending()) {
		h.killLate(ctx, b.Runner, &b.Binding, id)
		return
	}
	// Whose time is over does not wait for this word either, nor for the late
	// reply that may come before it on a connection of the cursor's own.
	bound, runner := b.Binding, b.Runner
	b.Binding = exec.Binding{}
	killed := make(chan struct{})
	b.killed = killed
	go func() {
		defer close(killed)
		h.killLate(ctx, runner, &bound, id)
		bound.End()
	}()
}

// Wait waits for the word to the server that the cursor is not needed, if it is on its
// way, at most for a time.
func (b *Batches) Wait(most time.Duration) {
	if b.killed == nil {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-b.killed:
	case <-timer.C:
	}
}

// KillTimeout bounds the word to a server that a cursor is not needed.
const KillTimeout = 5 * time.Second

// killLate kills a cursor whose own context may be over.
func (h home) killLate(ctx context.Context, r Runner, b *exec.Binding, id int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), KillTimeout)
	defer cancel()
	_ = h.kill(ctx, r, b, []int64{id})
}

// kill tells a server that cursors are not needed any more.
func (h home) kill(ctx context.Context, r Runner, b *exec.Binding, ids []int64) error {
	op := exec.Op{
		Name: "killCursors", Database: h.database, Collection: h.collection, Access: exec.Other, Timeout: h.timeout,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendString(dst, "killCursors", h.collection)
			dst, at := bsonwire.BeginArray(dst, "cursors")
			for i, id := range ids {
				dst = bsonwire.AppendInt64(dst, bsonwire.Index(i), id)
			}
			return bsonwire.End(dst, at), nil
		},
	}
	res, err := r.Run(ctx, &op, b)
	if err == nil {
		res.Release()
	}
	return err
}
