package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/setup"
)

// cutOff checks l in as if its call had been cut off and the reply came after d.
func cutOff(t *testing.T, l *fakeLease, d time.Duration) {
	t.Helper()
	l.Conn().pending = true
	l.Conn().drain = func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	checkIn(t, l)
}

func TestLateReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, Events: rec.record})
		cutOff(t, checkOut(t, p), drainPatience/2)
		if got := p.Stats(); got.Draining != 1 || got.Total != 1 || got.InUse != 0 || got.Idle != 0 {
			t.Errorf("%+v", got)
		}
		// It counts as one of the connections, so the next caller waits for it.
		start := time.Now()
		l := checkOut(t, p)
		if l.ID() != 1 || time.Since(start) != drainPatience/2 {
			t.Errorf("connection %d after %v", l.ID(), time.Since(start))
		}
		checkIn(t, l)
		if got := p.Stats(); got.Draining != 0 || got.Idle != 1 {
			t.Errorf("%+v", got)
		}
		if count[event.ConnectionPendingResponseStarted](&rec) != 1 || count[event.ConnectionPendingResponseSucceeded](&rec) != 1 ||
			count[event.ConnectionPendingResponseFailed](&rec) != 0 || count[event.ConnectionClosed](&rec) != 0 {
			t.Errorf("%+v", rec.all())
		}
	})
}

func TestLateReplyDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, Events: rec.record})
		cutOff(t, checkOut(t, p), time.Hour)
		time.Sleep(defaultDrainTimeout)
		synctest.Wait()
		if got := p.Stats(); got.Total != 0 || s.open() != 0 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		for _, e := range rec.all() {
			switch e := e.(type) {
			case event.ConnectionPendingResponseFailed:
				if e.Duration != defaultDrainTimeout || !errors.Is(e.Err, context.DeadlineExceeded) {
					t.Errorf("%+v", e)
				}
			case event.ConnectionClosed:
				if e.Reason != event.CloseError || e.ConnectionID != 1 {
					t.Errorf("%+v", e)
				}
			}
		}
		if count[event.ConnectionPendingResponseFailed](&rec) != 1 || count[event.ConnectionClosed](&rec) != 1 {
			t.Errorf("%+v", rec.all())
		}
	})
}

func TestTooManyDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 5, MaxDraining: 2})
		var leases []*fakeLease
		for range 4 {
			leases = append(leases, checkOut(t, p))
		}
		for _, l := range leases {
			cutOff(t, l, time.Second)
		}
		synctest.Wait()
		if got := p.Stats(); got.Draining != 2 || got.Total != 2 || s.open() != 2 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := p.Stats(); got.Draining != 0 || got.Idle != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// TestDrainIsBrokenOff: neither a cleared nor a closed pool waits for replies.
func TestDrainIsBrokenOff(t *testing.T) {
	for name, end := range map[string]func(*fakePool){
		"clear": func(p *fakePool) { p.Clear(errors.New("down"), bson.ObjectID{}, false) },
		"close": (*fakePool).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s fakeServer
				var rec recorder
				p := newPool(t, fakeOptions{Dial: s.dial, Events: rec.record})
				l := checkOut(t, p)
				stale := checkOut(t, p)
				cutOff(t, l, time.Second)
				start := time.Now()
				end(p)
				synctest.Wait()
				if got := p.Stats(); got.Draining != 0 || got.Total != 1 || s.open() != 1 || time.Since(start) != 0 {
					t.Errorf("%+v, %d open", got, s.open())
				}
				// Nor is a drain begun.
				cutOff(t, stale, time.Second)
				synctest.Wait()
				if got := p.Stats(); got.Total != 0 || s.open() != 0 {
					t.Errorf("%+v, %d open", got, s.open())
				}
				if n := count[event.ConnectionClosed](&rec); n != 2 {
					t.Errorf("%d events ConnectionClosed", n)
				}
			})
		})
	}
}

// TestChurn: calls that are cut off again and again cost no new connections.
func TestChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 10, WaitQueueTimeout: time.Minute})
		done := make(chan struct{})
		for range 50 {
			go func() {
				for range 100 {
					cutOff(t, checkOut(t, p), drainPatience-10*time.Millisecond)
				}
				done <- struct{}{}
			}()
		}
		for range 50 {
			<-done
		}
		if n := len(s.made()); n > 10 {
			t.Errorf("%d connections for 5,000 calls", n)
		}
	})
}

// TestLateRepliesBlockNobody: a burst of calls that are cut off leaves a pool full
// of late replies. Who comes next gets a new connection.
func TestLateRepliesBlockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, callers = 100, 20
		var s fakeServer
		var rec recorder
		s.delay = 10 * time.Millisecond
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: size, Events: rec.record})
		var burst []*fakeLease
		for range size {
			burst = append(burst, checkOut(t, p))
		}
		for _, l := range burst {
			cutOff(t, l, time.Hour)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				l := checkOut(t, p)
				time.Sleep(time.Minute)
				checkIn(t, l)
			})
		}
		time.Sleep(drainPatience + callers/setup.MaxConnecting*s.delay)
		synctest.Wait()
		got := p.Stats()
		if got.Waiting != 0 || got.InUse != callers || got.Draining != size-callers || got.Total != size {
			t.Errorf("after %v: %+v", time.Since(start), got)
		}
		if n := count[event.ConnectionClosed](&rec); n != callers {
			t.Errorf("%d connections closed for %d callers", n, callers)
		}
		if s.most > setup.MaxConnecting {
			t.Errorf("%d connections being established at a time", s.most)
		}
		for _, e := range rec.all() {
			if e, ok := e.(event.ConnectionPendingResponseFailed); ok && !errors.Is(e.Err, errMadeRoom) {
				t.Errorf("%v", e.Err)
			}
		}
		wg.Wait()
	})
}

// TestLateRepliesStayWhileThereIsRoom: below the limit nothing is given up.
func TestLateRepliesStayWhileThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 3})
		first := checkOut(t, p)
		cutOff(t, checkOut(t, p), time.Second)
		held := checkOut(t, p)
		checkIn(t, held)
		held = checkOut(t, p) // idle again
		time.Sleep(2 * drainPatience)
		if got := p.Stats(); got.Draining != 1 || got.Total != 3 {
			t.Errorf("%+v", got)
		}
		checkIn(t, held)
		checkIn(t, first)
	})
}

// TestLateReplyCrossesItsEnd: replies that come in the moment in which they are
// given up lose no caller and no connection.
func TestLateReplyCrossesItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 4})
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				for range 50 {
					cutOff(t, checkOut(t, p), drainPatience)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := p.Stats(); got.Total != got.Idle || got.Total > 4 || got.Waiting != 0 || s.open() != got.Total || p.abandoned != 0 {
			t.Errorf("%+v, %d open, %d given up", got, s.open(), p.abandoned)
		}
	})
}
