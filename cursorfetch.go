package mgx

import (
	"bytes"
	"context"
	"errors"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// more makes the next batch the current one.
func (c *Cursor) more() error {
	res, err := c.fetched()
	if err != nil {
		return err
	}
	return c.accept(res, "nextBatch")
}

// fetched returns the next batch, from where it was asked for in advance if it
// was.
func (c *Cursor) fetched() (exec.Result, error) {
	if a := c.ahead; a != nil {
		c.ahead = nil
		<-a.done
		a.cancel()
		return a.res, a.err
	}
	return c.getMore(c.ctx)
}

func (c *Cursor) getMore(ctx context.Context) (exec.Result, error) {
	if err := ctx.Err(); err != nil {
		return exec.Result{}, toPublic("getMore", err)
	}
	// The connection of a request is not the cursor's alone.
	exhaust := c.exhaust && c.client.requestOf(ctx) == nil
	op := exec.Op{
		Name: "getMore", Database: c.database, Access: exec.Other, AwaitMS: c.awaitMS, Exhaust: exhaust,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendInt64(dst, "getMore", c.id)
			dst = bsonwire.AppendString(dst, "collection", c.name)
			if c.batchSize > 0 {
				dst = bsonwire.AppendInt32(dst, "batchSize", c.nextBatchSize())
			}
			if c.awaitMS > 0 {
				dst = bsonwire.AppendInt64(dst, "maxTimeMS", c.awaitMS)
			}
			if c.res.Desc == nil || c.res.Desc.MaxWireVersion < wireversion.GetMoreComment {
				return dst, nil // servers that old refuse it in a getMore
			}
			return appendOptional(dst, "comment", c.comment)
		},
	}
	return c.client.runBound(ctx, &op, &c.binding)
}

// nextBatchSize is what the limit leaves on servers that end a cursor with its limit:
// those before 5.0. Newer ones would keep it open after a batch of just that size.
func (c *Cursor) nextBatchSize() int32 {
	if c.res.Desc != nil && c.res.Desc.MaxWireVersion < wireversion.CursorOutlivesLimit && c.left > 0 && c.left < int64(c.batchSize) {
		return int32(c.left)
	}
	return c.batchSize
}

// lengthOf counts the elements of an array.
func lengthOf(array []byte) (n int64) {
	for r := bsonwire.NewReader(array); r.Next(); {
		n++
	}
	return n
}

// awaitMS is maxAwait in milliseconds: at least one, since 0 is the server's default.
func (s *settings) awaitMS() int64 {
	if s.maxAwait <= 0 {
		return 0
	}
	return max(s.maxAwait.Milliseconds(), 1)
}

// ahead is a batch that was asked for in advance.
type ahead struct {
	done   chan struct{}
	cancel context.CancelFunc
	res    exec.Result
	err    error
}

// fetchAhead asks for the next batch. Until it is there, nothing that the request
// is made of changes.
func (c *Cursor) fetchAhead() {
	ctx, cancel := context.WithCancel(c.ctx)
	a := &ahead{done: make(chan struct{}), cancel: cancel}
	c.ahead = a
	go func() {
		defer close(a.done)
		a.res, a.err = c.getMore(ctx)
	}()
}

// dropAhead gives up on a batch that was asked for in advance.
func (c *Cursor) dropAhead() {
	a := c.ahead
	if a == nil {
		return
	}
	c.ahead = nil
	a.cancel()
	<-a.done
	if a.err == nil {
		// The server may have ended the cursor with it.
		if id, ok := bsonwire.Lookup(a.res.Body, "cursor", "id"); ok {
			before := c.id
			c.id, _ = id.AsInt64()
			c.register(before)
		}
		a.res.Release()
	} else if errors.Is(a.err, ErrCursorNotFound) {
		c.client.cursors.remove(c.id)
		c.id = 0
	}
}

// cutOff ends replies that the server sends by itself, which nothing but closing
// the connection can. The server drops the cursor then.
func (c *Cursor) cutOff() {
	c.binding.Abandon(errCutOff)
	c.client.cursors.remove(c.id)
	c.id = 0
}

var errCutOff = errors.New("an exhaust cursor was closed before its end")

// Prefetch asks for the next batch while the current one is used: faster for who
// reads to the end, at the price of one batch more in memory and a goroutine while
// it is on its way.
func Prefetch() CursorOption { return option(func(s *settings) { s.prefetch = true }) }

// Exhaust has the server send batch after batch without being asked. It needs a
// connection of its own, and closes it if the cursor is closed before its end.
func Exhaust() FindOption { return option(func(s *settings) { s.exhaust = true }) }

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
	case c.started || c.op.Body == nil:
		return nil, failure(ErrInvalidArgument, "explain: the %s has been sent already", c.op.Name)
	}
	c.done = true
	op := c.op
	op.Name, op.Access, op.ReadConcern = "explain", exec.Other, ""
	op.Body = func(dst []byte) ([]byte, error) {
		dst, at := bsonwire.BeginDocument(dst, "explain")
		dst, err := c.op.Body(dst)
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
