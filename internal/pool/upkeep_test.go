package pool

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

func TestMinSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: 100 * time.Millisecond}
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 5, MaxSize: 10})
		time.Sleep(time.Second)
		if got := p.Stats(); got.Idle != 5 || s.most != 2 {
			t.Fatalf("%+v, %d at a time", got, s.most)
		}
		// One that fails is replaced.
		l := checkOut(t, p)
		l.Fail(errors.New("reset"))
		checkIn(t, l)
		time.Sleep(time.Second)
		if got := p.Stats(); got.Idle != 5 || s.open() != 5 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		// After a clearing, all are, but not before the pool is ready.
		p.Clear(errors.New("down"), bson.ObjectID{}, false)
		time.Sleep(time.Second)
		if got := p.Stats(); got.Total != 0 || s.open() != 0 {
			t.Errorf("paused: %+v, %d open", got, s.open())
		}
		p.Ready()
		time.Sleep(time.Second)
		if got := p.Stats(); got.Idle != 5 || s.open() != 5 {
			t.Errorf("%+v, %d open", got, s.open())
		}
	})
}

func TestMinSizeAboveMaxSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 5, MaxSize: 2})
		synctest.Wait()
		if got := p.Stats(); got.Idle != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// TestMinSizeAgainstDeadServer: where failures do not clear the pool, attempts
// become rare, and callers still get theirs at once.
func TestMinSizeAgainstDeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		var attempts atomic.Int64
		var up atomic.Bool
		s := fakeServer{fail: func(*Dialing) error {
			attempts.Add(1)
			if up.Load() {
				return nil
			}
			return refused
		}}
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 1, MaxConnecting: 1})
		time.Sleep(time.Minute)
		before := attempts.Load()
		if before < 6 || before > 15 {
			t.Errorf("%d attempts in a minute", before)
		}
		if _, err := p.CheckOut(t.Context()); err != refused || attempts.Load() != before+1 {
			t.Errorf("%v after %d attempts", err, attempts.Load()-before)
		}
		up.Store(true)
		time.Sleep(lastRetry)
		if got := p.Stats(); got.Idle != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestMaxIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 5, MaxIdleTime: 10 * time.Second, Events: rec.record})
		var leases []*fakeLease
		for range 5 {
			leases = append(leases, checkOut(t, p))
		}
		for _, l := range leases {
			checkIn(t, l)
			time.Sleep(time.Second)
		}
		// One that is used again and again stays, the others grow old.
		for range 12 {
			l := checkOut(t, p)
			if l.ID() != 5 {
				t.Errorf("got connection %d", l.ID())
			}
			checkIn(t, l)
			time.Sleep(time.Second)
		}
		if got := p.Stats(); got.Total != 1 || s.open() != 1 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		time.Sleep(time.Minute)
		if got := p.Stats(); got.Total != 0 || s.open() != 0 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		for _, e := range rec.all() {
			if e, ok := e.(event.ConnectionClosed); ok && e.Reason != event.CloseIdle {
				t.Errorf("%+v", e)
			}
		}
		if n := count[event.ConnectionClosed](&rec); n != 5 {
			t.Errorf("%d events ConnectionClosed", n)
		}
	})
}

// TestTooOldToLend: also in the moment before it is closed, a connection is not
// lent that was idle for too long.
func TestTooOldToLend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxIdleTime: time.Second})
		checkIn(t, checkOut(t, p))
		p.mu.Lock()
		p.pruneTimer.stop()
		p.mu.Unlock()
		time.Sleep(time.Second)
		l := checkOut(t, p)
		if l.ID() != 2 {
			t.Errorf("got connection %d", l.ID())
		}
		checkIn(t, l)
	})
}

func TestIdleIsReplacedUpToMinSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 2, MaxIdleTime: time.Second})
		time.Sleep(time.Minute + time.Second/2)
		if got := p.Stats(); got.Idle != 2 || s.open() != 2 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		if n := len(s.made()); n < 100 || n > 130 {
			t.Errorf("%d connections in a minute", n)
		}
	})
}

// TestAlive: a connection whose peer went away is not lent, if it was idle for
// long enough to be asked.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 2, Events: rec.record})
		a, b := checkOut(t, p), checkOut(t, p)
		checkIn(t, a)
		checkIn(t, b)
		for _, c := range s.made() {
			c.dead.Store(true)
		}
		time.Sleep(defaultAliveAfter / 2)
		if l := checkOut(t, p); l.ID() != 2 {
			t.Errorf("got connection %d", l.ID())
		} else {
			checkIn(t, l)
		}
		time.Sleep(defaultAliveAfter)
		l := checkOut(t, p)
		synctest.Wait()
		if l.ID() != 3 || s.open() != 1 {
			t.Errorf("got connection %d, %d open", l.ID(), s.open())
		}
		checkIn(t, l)
		for _, e := range rec.all() {
			if e, ok := e.(event.ConnectionClosed); ok && (e.Reason != event.CloseError || e.Err == nil) {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestBrokenIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, Events: rec.record})
		reset := errors.New("reset")
		l := checkOut(t, p)
		l.Conn().broken = reset
		checkIn(t, l)
		synctest.Wait()
		events := rec.all()
		last, ok := events[len(events)-1].(event.ConnectionClosed)
		if !ok || last.Reason != event.CloseError || last.Err != reset || s.open() != 0 {
			t.Errorf("%+v, %d open", events[len(events)-1], s.open())
		}
	})
}
