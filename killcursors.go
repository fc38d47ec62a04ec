package mgx

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mgxdb/mgx/internal/cursor"
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
	if c.state.Load() == int32(clientDisconnected) {
		return nil // nobody is to be told, and it is not opened for that
	}
	bound, err := c.cursors.Kill(ctx, cursorRunner{c}, ids)
	if len(bound) > 0 {
		err = errors.Join(failure(ErrUnsupported,
			"kill cursors: behind a load balancer cursors are closed by Cursor.Close: %d", bound), err)
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
	ctx, cancel := context.WithTimeout(context.Background(), cursor.KillTimeout)
	defer cancel()
	_ = c.KillCursors(ctx, ids...) // best effort: servers drop idle cursors by themselves
}
