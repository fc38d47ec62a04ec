package cursor

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// More makes the next batch the current one. The context bounds the wait for it.
//
// Where that is not the cursor's own context, its end loses nothing: the batch stays
// on its way, Waiting reports true, and the next call goes on to wait for it.
func (b *Batches) More(ctx context.Context) error {
	if b.ahead == nil && ctx.Done() != nil && ctx != b.Context && !b.Binding.InTransaction() {
		b.fetchAhead()
	}
	res, err := b.fetched(ctx)
	if err != nil {
		b.failed(err)
		return err
	}
	return b.accept(res)
}

// Waiting reports whether a batch is on its way.
func (b *Batches) Waiting() bool { return b.ahead != nil }

// fetched returns the next batch, from where it was asked for already if it was.
func (b *Batches) fetched(ctx context.Context) (exec.Result, error) {
	a := b.ahead
	if a == nil {
		return b.getMore(ctx)
	}
	if ctx != b.Context {
		select {
		case <-a.done:
		case <-ctx.Done():
			return exec.Result{}, ctx.Err()
		}
	}
	<-a.done // its own context is the cursor's
	b.ahead = nil
	a.cancel()
	if b.resized != nil {
		b.BatchSize, b.resized = *b.resized, nil
	}
	return a.res, a.err
}

func (b *Batches) getMore(ctx context.Context) (exec.Result, error) {
	if err := ctx.Err(); err != nil {
		return exec.Result{}, err
	}
	exhaust := b.Exhaust && !b.Runner.Shares(ctx) && !b.Binding.InTransaction()
	op := exec.Op{
		Name: "getMore", Database: b.Command.Database, Collection: b.Collection, CursorID: b.id, Access: exec.Other, AwaitMS: b.AwaitMS,
		Exhaust: exhaust, Body: b.appendGetMore, Timeout: exec.Timeout{Limit: b.Timeout},
	}
	return b.Runner.Run(ctx, &op, &b.Binding)
}

func (b *Batches) appendGetMore(dst []byte) ([]byte, error) {
	dst = bsonwire.AppendInt64(dst, "getMore", b.id)
	dst = bsonwire.AppendString(dst, "collection", b.Collection)
	if b.BatchSize > 0 {
		dst = bsonwire.AppendInt32(dst, "batchSize", b.nextBatchSize())
	}
	if b.AwaitMS > 0 {
		dst = bsonwire.AppendInt64(dst, "maxTimeMS", b.AwaitMS)
	}
	if b.Comment == nil || b.MaxWireVersion() < wireversion.GetMoreComment {
		return dst, nil
	}
	return b.Comment(dst)
}

// nextBatchSize is what the limit leaves on servers that end a cursor with its limit.
// Newer ones would keep it open after a batch of just that size.
func (b *Batches) nextBatchSize() int32 {
	if b.res.Desc != nil && b.res.Desc.MaxWireVersion < wireversion.CursorOutlivesLimit && b.Limit > 0 && b.Limit < int64(b.BatchSize) {
		return int32(b.Limit)
	}
	return b.BatchSize
}

// ahead is a batch that was asked for, and that nobody need wait for.
type ahead struct {
	done   chan struct{}
	cancel context.CancelFunc
	res    exec.Result
	err    error
}

// fetchAhead asks for the next batch. Until it is there, nothing that the command is
// made of changes.
func (b *Batches) fetchAhead() {
	ctx, cancel := context.WithCancel(b.Context)
	a := &ahead{done: make(chan struct{}), cancel: cancel}
	b.ahead = a
	go func() {
		defer close(a.done)
		a.res, a.err = b.getMore(ctx)
	}()
}

// dropAhead gives up on a batch that is on its way.
func (b *Batches) dropAhead() {
	a := b.ahead
	if a == nil {
		return
	}
	b.ahead = nil
	a.cancel()
	<-a.done
	if a.err != nil {
		b.failed(a.err)
		return
	}
	if c, err := reply.ReadCursor(a.res.Body); err == nil {
		b.live(&c) // the server may have ended it
	}
	a.res.Release()
}

// failed takes note of a getMore that failed: there may be no cursor to close any more.
func (b *Batches) failed(err error) {
	if errors.Is(err, fault.ErrCursorNotFound) {
		b.forget()
	}
}

// forget drops a cursor that the server does not have any more.
func (b *Batches) forget() {
	b.Open.Remove(b.id)
	b.id = 0
}
