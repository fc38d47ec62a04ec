package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// TestReturnedConnectionBeatsDial: a caller takes what is there first, and the
// connection that was made for it serves the next.
func TestReturnedConnectionBeatsDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: time.Second}
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 2, MaxConnecting: 1})
		held := checkOut(t, p)
		type got struct {
			id    int64
			after time.Duration
		}
		results := make(chan got, 2)
		var wg sync.WaitGroup
		for range 2 {
			start := time.Now()
			wg.Go(func() {
				l := checkOut(t, p)
				results <- got{l.ID(), time.Since(start)}
				time.Sleep(time.Minute)
				checkIn(t, l)
			})
			synctest.Wait()
		}
		time.Sleep(300 * time.Millisecond)
		checkIn(t, held)
		if g := <-results; g != (got{1, 300 * time.Millisecond}) {
			t.Errorf("the first gets connection %d after %v", g.id, g.after)
		}
		if g := <-results; g != (got{2, time.Second}) {
			t.Errorf("the second gets connection %d after %v", g.id, g.after)
		}
		wg.Wait()
	})
}

// TestCallerLeavesDial: the connection of a caller that gave up is kept.
func TestCallerLeavesDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: time.Second}
		p := newPool(t, fakeOptions{Dial: s.dial})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := p.CheckOut(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if got := p.Stats(); got.Pending != 1 {
			t.Errorf("%+v", got)
		}
		// The next gets it without another dialling.
		start := time.Now()
		l := checkOut(t, p)
		if l.ID() != 1 || time.Since(start) != 900*time.Millisecond {
			t.Errorf("connection %d after %v", l.ID(), time.Since(start))
		}
		checkIn(t, l)
	})
}

func TestMaxConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: time.Second}
		p := newPool(t, fakeOptions{Dial: s.dial, MaxConnecting: 3})
		start := time.Now()
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				l := checkOut(t, p)
				time.Sleep(time.Minute)
				checkIn(t, l)
			})
		}
		for p.Stats().InUse < 9 {
			time.Sleep(time.Millisecond)
		}
		if s.most != 3 || time.Since(start).Round(time.Second) != 3*time.Second {
			t.Errorf("%d at a time, all after %v", s.most, time.Since(start))
		}
		wg.Wait()
	})
}

func TestDialFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		s := fakeServer{delay: time.Second, fail: func(d *Dialing) error {
			if d.ConnectionID <= 2 {
				return refused
			}
			return nil
		}}
		var failures []DialFailure
		var mu sync.Mutex
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 5, Events: rec.record, OnDialError: func(f DialFailure) {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, f)
		}})
		// The pool is not cleared, so each failure is one caller's.
		var wg sync.WaitGroup
		var failed, served int
		for range 4 {
			wg.Go(func() {
				l, err := p.CheckOut(t.Context())
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					served++
					checkIn(t, l)
				case errors.Is(err, refused):
					failed++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * time.Second) // for what one caller did not wait for
		if failed != 2 || served != 2 || len(failures) != 2 {
			t.Errorf("%d failed, %d served, told of %d", failed, served, len(failures))
		}
		for _, e := range rec.all() {
			switch e := e.(type) {
			case event.ConnectionClosed:
				if e.Reason != event.CloseError || e.Err != refused {
					t.Errorf("%+v", e)
				}
			case event.ConnectionCheckOutFailed:
				if e.Reason != event.CheckOutConnectionError || e.Err != refused || e.Duration != time.Second {
					t.Errorf("%+v", e)
				}
			}
		}
		if got := p.Stats(); got.Total != 2 || got.Pending != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestDialFailureClears: the caller hears of the failure, the others of the
// clearing, and nothing is dialled until the pool is ready.
func TestDialFailureClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var up atomic.Bool
		s := fakeServer{delay: time.Second, fail: func(*Dialing) error {
			if up.Load() {
				return nil
			}
			return refused
		}}
		var p *fakePool
		p = newPool(t, fakeOptions{Dial: s.dial, MaxConnecting: 1, OnDialError: func(f DialFailure) {
			if p.Stale(f.Generation, f.ServiceID) {
				t.Error("told of a stale failure")
			}
			p.Clear(f.Err, f.ServiceID, false)
		}})
		var wg sync.WaitGroup
		var mu sync.Mutex
		var cleared, failed int
		for range 3 {
			wg.Go(func() {
				_, err := p.CheckOut(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if _, ok := errors.AsType[*PoolClearedError](err); ok {
					cleared++
				} else if err == refused {
					failed++
				}
			})
		}
		wg.Wait()
		if cleared != 2 || failed != 1 {
			t.Errorf("%d cleared, %d failed", cleared, failed)
		}
		time.Sleep(time.Hour)
		if got := p.Stats(); got.Total != 0 || got.Generation != 1 {
			t.Errorf("%+v", got)
		}
		up.Store(true)
		p.Ready()
		checkIn(t, checkOut(t, p))
	})
}

// TestClearBreaksOffDial: a dialling that hangs does not stand in the way once
// the server is back.
func TestClearBreaksOffDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: time.Hour}
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxConnecting: 1, Events: rec.record, OnDialError: func(f DialFailure) {
			t.Errorf("told of %v", f.Err)
		}})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := p.CheckOut(t.Context())
			if _, ok := errors.AsType[*PoolClearedError](err); !ok {
				t.Error(err)
			}
		})
		synctest.Wait()
		p.Clear(errors.New("check timed out"), bson.ObjectID{}, true)
		wg.Wait()
		s.delay = time.Second
		p.Ready()
		start := time.Now()
		l := checkOut(t, p)
		if l.ID() != 2 || time.Since(start) != time.Second {
			t.Errorf("connection %d after %v", l.ID(), time.Since(start))
		}
		checkIn(t, l)
		if n := count[event.ConnectionClosed](&rec); n != 1 {
			t.Errorf("%d events ConnectionClosed", n)
		}
	})
}

// TestDialIgnoresContext: a connection that arrives after its pool was cleared
// or closed is closed.
func TestDialIgnoresContext(t *testing.T) {
	for name, end := range map[string]func(*fakePool){
		"clear": func(p *fakePool) { p.Clear(errors.New("down"), bson.ObjectID{}, false) },
		"close": (*fakePool).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s fakeServer
				p := newPool(t, fakeOptions{Dial: func(ctx context.Context, d *Dialing) (*fakeConn, error) {
					time.Sleep(time.Second)
					return s.dial(ctx, d)
				}})
				go func() { _, _ = p.CheckOut(t.Context()) }()
				synctest.Wait()
				end(p)
				if got := p.Stats(); got.Total != 0 {
					t.Errorf("%+v", got)
				}
				time.Sleep(2 * time.Second)
				if len(s.made()) != 1 || s.open() != 0 {
					t.Errorf("%d connections, %d open", len(s.made()), s.open())
				}
			})
		})
	}
}
