package cursor

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// Close ends the cursor, and where it is still open on the server, there too. That is
// best effort: servers drop idle cursors by themselves.
func (b *Batches) Close(ctx context.Context) { b.CloseWithin(ctx, b.Timeout) }

// CloseWithin is Close with a timeoutMS of its own for the word to the server.
func (b *Batches) CloseWithin(ctx context.Context, timeout time.Duration) {
	b.end(ctx, timeout)
	b.Binding.End()
}

// Fail ends the cursor after an error, as Close does. But behind a load balancer its
// connection stays the cursor's until Close, or until nobody has the cursor any more: see
// the specification "Load Balancer Support".
func (b *Batches) Fail(ctx context.Context) {
	b.dropAhead()
	l := b.Binding.Lease
	if l == nil || l.ServiceID().IsZero() || ctx.Err() != nil {
		b.Close(ctx)
		return
	}
	open, id := b.Open, b.id
	b.cleanup = runtime.AddCleanup(b, func(l *exec.Lease) {
		open.Remove(id)
		_ = l.Release()
	}, l)
}

// Successor ends the cursor, and returns the binding of one that takes its place: to
// its session, unless the server is told of the end only later.
func (b *Batches) Successor(ctx context.Context) exec.Binding {
	b.end(ctx, b.Timeout)
	next := b.Binding.Successor()
	b.Binding.End()
	return next
}

func (b *Batches) end(ctx context.Context, timeout time.Duration) {
	if b.closed {
		return
	}
	b.closed = true
	b.cleanup.Stop()
	b.dropAhead()
	if b.Binding.Streaming() {
		b.Binding.Abandon(errCutOff) // the server drops the cursor then
		b.forget()
	}
	if b.id != 0 {
		b.kill(ctx, timeout)
	}
	b.drop()
}

var errCutOff = errors.New("an exhaust cursor was closed before its end")

// kill tells the server that the cursor is done with, or has the client's owner do so
// later.
func (b *Batches) kill(ctx context.Context, timeout time.Duration) {
	id, l := b.id, b.Binding.Lease
	if l == nil && b.Runner.Abandon(id) {
		b.id = 0
		return
	}
	b.forget()
	if l != nil && l.Conn().Broken() != nil {
		return // nothing else leads to it
	}
	w := word{database: b.Command.Database, collection: b.Collection, ids: []int64{id}, timeout: timeout}
	if ctx.Err() == nil && (l == nil || !l.Conn().Pending()) {
		w.sendLate(ctx, b.Runner, &b.Binding)
		return
	}
	if b.Binding.InTransaction() {
		return // whose commands follow each other; its end is that of its cursors
	}
	// Whose time is over does not wait for this word either, nor for the late
	// reply that may come before it on a connection of the cursor's own.
	bound, runner := b.Binding, b.Runner
	b.Binding = exec.Binding{}
	killed := make(chan struct{})
	b.killed = killed
	go func() {
		defer close(killed)
		w.sendLate(ctx, runner, &bound)
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

// word is the word to a server that cursors are not needed any more.
type word struct {
	database, collection string
	ids                  []int64
	timeout              time.Duration // timeoutMS: see exec.Op
}

// sendLate sends it for a cursor whose own context may be over.
func (w word) sendLate(ctx context.Context, r Runner, b *exec.Binding) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), KillTimeout)
	defer cancel()
	_ = w.send(ctx, r, b)
}

func (w word) send(ctx context.Context, r Runner, b *exec.Binding) error {
	op := exec.Op{
		Name: "killCursors", Database: w.database, Collection: w.collection, Access: exec.Other, Timeout: exec.Timeout{Limit: w.timeout},
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendString(dst, "killCursors", w.collection)
			dst, at := bsonwire.BeginArray(dst, "cursors")
			for i, id := range w.ids {
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
