package pool

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/setup"
)

// fakeConn is a connection without a socket.
type fakeConn struct {
	id      int64
	closed  atomic.Bool
	dead    atomic.Bool // the peer has closed its end
	broken  error
	pending bool
	drain   func(ctx context.Context) error
	lent    atomic.Int32 // users at this moment
}

func (c *fakeConn) Close() error  { c.closed.Store(true); return nil }
func (c *fakeConn) Alive() bool   { return !c.dead.Load() }
func (c *fakeConn) Broken() error { return c.broken }
func (c *fakeConn) Pending() bool { return c.pending }

func (c *fakeConn) Drain(ctx context.Context) error {
	err := c.drain(ctx)
	if err == nil {
		c.pending = false
	}
	return err
}

type (
	fakePool    = Pool[*fakeConn]
	fakeLease   = Lease[*fakeConn]
	fakeOptions = Options[*fakeConn]
)

// fakeServer hands out fake connections and remembers them.
type fakeServer struct {
	delay time.Duration
	fail  func(d *Dialing) error // may be nil

	mu      sync.Mutex
	conns   []*fakeConn
	running int
	most    int // most diallings at a time
}

func (s *fakeServer) dial(ctx context.Context, d *Dialing) (*fakeConn, error) {
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
	}()
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.fail != nil {
		if err := s.fail(d); err != nil {
			return nil, err
		}
	}
	c := &fakeConn{id: d.ConnectionID}
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	return c, nil
}

// made returns the connections that were ever made.
func (s *fakeServer) made() []*fakeConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// open counts the connections that are not closed.
func (s *fakeServer) open() int {
	n := 0
	for _, c := range s.made() {
		if !c.closed.Load() {
			n++
		}
	}
	return n
}

// recorder keeps the events in the order in which they come.
type recorder struct {
	mu     sync.Mutex
	events []event.PoolEvent
}

func (r *recorder) record(e event.PoolEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) all() []event.PoolEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// count tells how many events of type E came.
func count[E event.PoolEvent](r *recorder) int {
	n := 0
	for _, e := range r.all() {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// newPool makes a ready pool that is closed, and found to be empty, at the end
// of the test.
func newPool(t testing.TB, opts fakeOptions) *fakePool {
	t.Helper()
	opts.MaxConnecting = cmp.Or(opts.MaxConnecting, setup.MaxConnecting)
	p := New(opts)
	p.Ready()
	t.Cleanup(func() { finish(t, p) })
	return p
}

func finish(t testing.TB, p *fakePool) {
	t.Helper()
	p.Close()
	p.Interrupt(ErrPoolClosed)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Wait(ctx); err != nil {
		t.Errorf("the closed pool is not empty: %+v", p.Stats())
	}
}

func checkOut(t testing.TB, p *fakePool) *fakeLease {
	t.Helper()
	l, err := p.CheckOut(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func checkIn(t testing.TB, l *fakeLease) {
	t.Helper()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

// captureLog sends the default logger to a buffer, and returns whether it was
// told something.
func captureLog(t *testing.T) func(text string) bool {
	var buf bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&buf, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func(text string) bool { return strings.Contains(buf.String(), text) }
}
