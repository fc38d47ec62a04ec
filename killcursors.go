package mgx

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// CursorManager decides when cursors that are closed before their end are killed
// on the server. It is the classic set_cursor_manager's.
type CursorManager interface {
	// Close is told of a cursor that is not needed any more. Sooner or later it is
	// to call Client.KillCursors with its identifier; what it never kills, the
	// server drops after ten minutes. It is called by the goroutine that closes the
	// cursor.
	Close(id int64)
}

// SetCursorManager makes m decide when closed cursors are killed. nil kills each
// at once: the default.
func (c *Client) SetCursorManager(m CursorManager) {
	if m == nil {
		c.manager.Store(nil)
		return
	}
	c.manager.Store(&m)
}

// home is where an open cursor lives.
type home struct {
	database, collection string
	server               *exec.Server
	// bound tells that only the cursor's own connection leads to it, behind a load
	// balancer.
	bound bool
}

// cursors are the open cursors of a client, by their servers' identifiers.
type cursors struct {
	mu   sync.Mutex
	open map[int64]home
}

func (s *cursors) add(id int64, h home) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[int64]home{}
	}
	s.open[id] = h
}

func (s *cursors) remove(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// take removes cursors, and returns those that were there. It leaves those that are
// bound to a connection.
func (s *cursors) take(ids []int64) (found map[int64]home, bound []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = map[int64]home{}
	for _, id := range ids {
		switch h, ok := s.open[id]; {
		case ok && h.bound:
			bound = append(bound, id)
		case ok:
			found[id] = h
			delete(s.open, id)
		}
	}
	return found, bound
}

// CloseCursor closes one of this client's cursors by its identifier, the way the
// cursor manager does it. Prefer Cursor.Close.
func (c *Client) CloseCursor(ctx context.Context, id int64) error {
	if m := c.manager.Load(); m != nil {
		(*m).Close(id)
		return nil
	}
	return c.KillCursors(ctx, id)
}

// KillCursors ends cursors of this client on their servers: one command for each
// server and collection. Identifiers of cursors that are not open are ignored. A
// cursor that is killed while in use ends with ErrCursorNotFound.
//
// Behind a load balancer only a cursor's own connection leads to it: such cursors
// stay open, and the error is an ErrUnsupported. Use Cursor.Close.
func (c *Client) KillCursors(ctx context.Context, ids ...int64) error {
	type target struct {
		server               *exec.Server
		database, collection string
	}
	groups := map[target][]int64{}
	found, bound := c.cursors.take(ids)
	for id, h := range found {
		t := target{h.server, h.database, h.collection}
		groups[t] = append(groups[t], id)
	}
	var errs []error
	if len(bound) > 0 {
		errs = append(errs, failure(ErrUnsupported,
			"kill cursors: behind a load balancer cursors are closed by Cursor.Close: %d", bound))
	}
	for t, ids := range groups {
		slices.SortFunc(ids, cmp.Compare[int64])
		errs = append(errs, c.kill(ctx, home{database: t.database, collection: t.collection, server: t.server}, &exec.Binding{Server: t.server}, ids))
	}
	return errors.Join(errs...)
}

// killLate kills a cursor whose own context may be over.
func (c *Client) killLate(ctx context.Context, h home, b *exec.Binding, id int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
	defer cancel()
	_ = c.kill(ctx, h, b, []int64{id})
}

// kill tells a server that cursors are not needed any more. A client that was
// disconnected is not opened for that.
func (c *Client) kill(ctx context.Context, h home, b *exec.Binding, ids []int64) error {
	if c.state.Load() == int32(clientDisconnected) {
		return nil
	}
	op := exec.Op{
		Name: "killCursors", Database: h.database, Access: exec.Other,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendString(dst, "killCursors", h.collection)
			dst, at := bsonwire.BeginArray(dst, "cursors")
			for i, id := range ids {
				dst = bsonwire.AppendInt64(dst, bsonwire.Index(i), id)
			}
			return bsonwire.End(dst, at), nil
		},
	}
	res, err := c.runBound(ctx, &op, b)
	if err == nil {
		res.Release()
	}
	return err
}

// BatchedCursors kills closed cursors a number at a time.
type BatchedCursors struct {
	client *Client
	size   int
	mu     sync.Mutex
	ids    []int64
}

// NewBatchedCursors returns a manager that kills cursors when size of them were
// closed. What is left when the client is closed, the server drops by itself.
func NewBatchedCursors(c *Client, size int) *BatchedCursors {
	return &BatchedCursors{client: c, size: max(size, 1)}
}

// Close implements CursorManager.
func (b *BatchedCursors) Close(id int64) {
	b.mu.Lock()
	b.ids = append(b.ids, id)
	var full []int64
	if len(b.ids) >= b.size {
		full, b.ids = b.ids, nil
	}
	b.mu.Unlock()
	killInTime(b.client, full)
}

// Flush kills the cursors that wait.
func (b *BatchedCursors) Flush() {
	b.mu.Lock()
	ids := b.ids
	b.ids = nil
	b.mu.Unlock()
	killInTime(b.client, ids)
}

// TimedCursors kills closed cursors together, some time after the first of them
// was closed.
type TimedCursors struct {
	batch *BatchedCursors
	after time.Duration
	mu    sync.Mutex
	timer *time.Timer
}

// NewTimedCursors returns a manager that kills cursors d after they were closed,
// or sooner, with others.
func NewTimedCursors(c *Client, d time.Duration) *TimedCursors {
	return &TimedCursors{batch: NewBatchedCursors(c, 1<<30), after: d}
}

// Close implements CursorManager.
func (t *TimedCursors) Close(id int64) {
	t.batch.Close(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil {
		t.timer = time.AfterFunc(t.after, func() {
			t.mu.Lock()
			t.timer = nil
			t.mu.Unlock()
			t.batch.Flush()
		})
	}
}

// Flush kills the cursors that wait.
func (t *TimedCursors) Flush() { t.batch.Flush() }

func killInTime(c *Client, ids []int64) {
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
	defer cancel()
	_ = c.KillCursors(ctx, ids...) // best effort: servers drop idle cursors by themselves
}
