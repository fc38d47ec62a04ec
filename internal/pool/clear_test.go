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
)

func TestClearInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, Address: "a:1", MaxSize: 3, Events: rec.record})
		a, b, c := checkOut(t, p), checkOut(t, p), checkOut(t, p)
		checkIn(t, c)
		cause := errors.New("check timed out")
		p.Clear(cause, bson.ObjectID{}, false)
		synctest.Wait()
		if a.Interrupted() != nil || s.open() != 2 {
			t.Fatalf("%v, %d open", a.Interrupted(), s.open())
		}
		// Also when the pool is paused already.
		p.Clear(cause, bson.ObjectID{}, true)
		synctest.Wait()
		for _, l := range []*fakeLease{a, b} {
			err := l.Interrupted()
			if cleared, ok := errors.AsType[*PoolClearedError](err); !ok || !cleared.Interrupted || !errors.Is(err, cause) {
				t.Errorf("%v", err)
			}
		}
		if s.open() != 0 {
			t.Errorf("%d open", s.open())
		}
		checkIn(t, a)
		checkIn(t, b)
		for _, e := range rec.all() {
			if e, ok := e.(event.ConnectionClosed); ok && e.Reason != event.CloseStale {
				t.Errorf("%+v", e)
			}
		}
		if closes, clears := count[event.ConnectionClosed](&rec), count[event.PoolCleared](&rec); closes != 3 || clears != 1 {
			t.Errorf("%d events ConnectionClosed, %d PoolCleared", closes, clears)
		}
		if got := p.Generation(bson.ObjectID{}); got != 2 {
			t.Errorf("generation %d", got)
		}
	})
}

func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial})
		l, free := checkOut(t, p), checkOut(t, p)
		checkIn(t, free)
		why := errors.New("enough")
		p.Interrupt(why)
		synctest.Wait()
		if l.Interrupted() != why || free.Interrupted() != nil || s.open() != 1 {
			t.Errorf("%v, %v, %d open", l.Interrupted(), free.Interrupted(), s.open())
		}
		checkIn(t, l)
		if got := p.Stats(); got.Total != 1 || got.Idle != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestCloseInTheMiddle closes a pool that has connections in all states.
func TestCloseInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 4, MaxIdleTime: time.Minute, WaitQueueTimeout: time.Minute, MaxConnecting: 1, Events: rec.record})
		lent, late, free := checkOut(t, p), checkOut(t, p), checkOut(t, p)
		s.delay = time.Hour
		var wg sync.WaitGroup
		defer wg.Wait()
		checkIn(t, free)
		free = checkOut(t, p)
		cutOff(t, late, time.Hour)
		for range 5 { // one of them with a connection on the way
			wg.Go(func() {
				_, err := p.CheckOut(context.Background())
				if !errors.Is(err, ErrPoolClosed) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		want := Stats{Total: 4, InUse: 2, Pending: 1, Draining: 1, Waiting: 5}
		if got := p.Stats(); got != want {
			t.Fatalf("%+v", got)
		}
		p.Close()
		synctest.Wait()
		if got := p.Stats(); got != (Stats{Total: 2, InUse: 2}) || s.open() != 2 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		p.Ready()
		p.Clear(errors.New("down"), bson.ObjectID{}, false)
		if _, err := p.CheckOut(context.Background()); !errors.Is(err, ErrPoolClosed) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("two connections are out, but Wait returns %v", err)
		}
		p.Interrupt(ErrPoolClosed)
		synctest.Wait()
		if err := lent.Interrupted(); !errors.Is(err, ErrPoolClosed) || s.open() != 0 {
			t.Errorf("%v, %d open", err, s.open())
		}
		checkIn(t, lent)
		checkIn(t, free)
		if err := p.Wait(context.Background()); err != nil || s.open() != 0 {
			t.Errorf("%v, %d open", err, s.open())
		}
		closed := 0
		for _, e := range rec.all() {
			switch e := e.(type) {
			case event.ConnectionClosed:
				if closed++; e.Reason != event.ClosePoolClosed {
					t.Errorf("%+v", e)
				}
			case event.PoolCleared:
				t.Error("a closed pool is cleared")
			}
		}
		if closed != 4 {
			t.Errorf("%d events ConnectionClosed", closed)
		}
	})
}

func TestServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		services := []bson.ObjectID{{1}, {2}}
		refused := errors.New("refused")
		var failures []DialFailure
		var s fakeServer
		var rec recorder
		var p *fakePool
		p = newPool(t, fakeOptions{MaxSize: 5, Events: rec.record, Dial: func(ctx context.Context, d *Dialing) (*fakeConn, error) {
			if d.ConnectionID == 5 { // before the hello
				return nil, refused
			}
			if g := d.BindService(services[d.ConnectionID%2]); g != d.Generation {
				t.Errorf("generation %d and %d", g, d.Generation)
			}
			if d.ConnectionID == 6 { // authentication
				return nil, refused
			}
			if d.ConnectionID == 8 { // cleared during authentication
				p.Clear(errors.New("shutting down"), services[0], false)
			}
			return s.dial(ctx, d)
		}, OnDialError: func(f DialFailure) {
			failures = append(failures, f)
		}})
		a, b, c, d := checkOut(t, p), checkOut(t, p), checkOut(t, p), checkOut(t, p)
		if a.ServiceID() != services[1] || b.ServiceID() != services[0] {
			t.Fatalf("%v, %v", a.ServiceID(), b.ServiceID())
		}
		checkIn(t, c)
		checkIn(t, d)
		p.Clear(errors.New("shutting down"), services[1], false) // a and c
		if !p.Stale(a.Generation(), a.ServiceID()) || p.Stale(b.Generation(), b.ServiceID()) {
			t.Error("the wrong service is stale")
		}
		if got := p.Stats(); got.Idle != 1 || got.Total != 3 || got.Generation != 0 {
			t.Errorf("%+v", got)
		}
		checkIn(t, b)
		checkIn(t, a)
		synctest.Wait()
		if got := p.Stats(); got.Idle != 2 || got.Total != 2 || s.open() != 2 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		if n := len(p.services); n != 1 {
			t.Errorf("%d services are remembered", n)
		}
		// Nothing to clear for a service without connections.
		p.Clear(errors.New("shutting down"), services[1], true)
		p.Clear(errors.New("shutting down"), bson.ObjectID{9}, false)
		if n := count[event.PoolCleared](&rec); n != 1 {
			t.Errorf("%d events PoolCleared", n)
		}

		b, d = checkOut(t, p), checkOut(t, p)
		for range 2 { // 5 and 6
			if _, err := p.CheckOut(t.Context()); err != refused {
				t.Errorf("%v", err)
			}
		}
		want := []DialFailure{{Err: refused, ConnectionID: 5}, {Err: refused, ConnectionID: 6, ServiceID: services[0], Established: 2}}
		if len(failures) != 2 || failures[0] != want[0] || failures[1] != want[1] {
			t.Errorf("%+v", failures)
		}
		seventh := checkOut(t, p)
		_, err := p.CheckOut(t.Context()) // 8
		if cleared, ok := errors.AsType[*PoolClearedError](err); !ok || cleared.Cause == nil {
			t.Errorf("%v", err)
		}
		// The clearing spares service 1.
		if b.Interrupted() != nil || !p.Stale(b.Generation(), services[0]) || p.Stale(seventh.Generation(), services[1]) {
			t.Error("the wrong service is stale")
		}
		p.Clear(errors.New("check timed out"), services[0], true)
		if b.Interrupted() == nil || d.Interrupted() == nil || seventh.Interrupted() != nil {
			t.Error("the wrong connections are interrupted")
		}
		checkIn(t, b)
		checkIn(t, d)
		checkIn(t, seventh)
		if got := p.Stats(); got.Idle != 1 || got.Total != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestClearServiceMakesRoom: who waits does not wait for the closed pool of a
// service.
func TestClearServiceMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{MaxSize: 1, Dial: func(ctx context.Context, d *Dialing) (*fakeConn, error) {
			d.BindService(bson.ObjectID{1})
			return s.dial(ctx, d)
		}})
		cutOff(t, checkOut(t, p), time.Second)
		go func() {
			time.Sleep(time.Millisecond)
			p.Clear(errors.New("shutting down"), bson.ObjectID{1}, false)
		}()
		start := time.Now()
		l := checkOut(t, p)
		if l.ID() != 2 || time.Since(start) != time.Millisecond {
			t.Errorf("connection %d after %v", l.ID(), time.Since(start))
		}
		checkIn(t, l)
	})
}

// TestClearServiceBreaksOffDial: who waits for a connection to a service that is
// cleared may try again at once.
func TestClearServiceBreaksOffDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		p := newPool(t, fakeOptions{Events: rec.record, Dial: func(ctx context.Context, d *Dialing) (*fakeConn, error) {
			d.BindService(bson.ObjectID{1})
			<-ctx.Done()
			return nil, ctx.Err()
		}, OnDialError: func(f DialFailure) { t.Errorf("told of %+v", f) }})
		cause := errors.New("shutting down")
		go func() {
			time.Sleep(time.Second)
			p.Clear(cause, bson.ObjectID{1}, false)
		}()
		_, err := p.CheckOut(t.Context())
		if _, ok := errors.AsType[*PoolClearedError](err); !ok || !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
		if got := p.Stats(); got.Total != 0 {
			t.Errorf("%+v", got)
		}
		for _, e := range rec.all() {
			if e, ok := e.(event.ConnectionClosed); ok && e.Reason != event.CloseStale {
				t.Errorf("%+v", e)
			}
		}
	})
}
