package pool

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/event"
)

// Idle connections are closed at their age, not all at once, and none is ever older.
func TestMaxAgeOfIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const age, size = 100 * time.Second, 20
		var s fakeServer
		var mu sync.Mutex
		var closed []time.Duration
		began := time.Now()
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: size, MaxAge: age, Events: func(e event.PoolEvent) {
			if e, ok := e.(event.ConnectionClosed); ok && e.Reason != event.ClosePoolClosed {
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Since(began))
				if e.Reason != event.CloseStale || e.Err == nil {
					t.Errorf("%+v", e)
				}
			}
		}})
		var leases []*fakeLease
		for range size {
			leases = append(leases, checkOut(t, p))
		}
		for _, l := range leases {
			checkIn(t, l)
		}
		time.Sleep(age*9/10 - time.Second)
		if got := p.Stats(); got.Idle != size {
			t.Errorf("before their age: %+v", got)
		}
		time.Sleep(age)
		if got := p.Stats(); got.Total != 0 || s.open() != 0 || len(closed) != size {
			t.Fatalf("%+v, %d open, %d closed", got, s.open(), len(closed))
		}
		moments := map[time.Duration]bool{}
		for _, c := range closed {
			moments[c] = true
			if c < age*9/10 || c > age {
				t.Errorf("closed after %v", c)
			}
		}
		if len(moments) < 3 {
			t.Errorf("%d connections were closed at %d moments", size, len(moments))
		}
	})
}

// One in use lives on until it is given back, and whoever waits gets a new one.
func TestMaxAgeInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, MaxAge: time.Minute})
		l := checkOut(t, p)
		time.Sleep(time.Hour)
		if s.open() != 1 {
			t.Error("it was closed in use")
		}
		next := make(chan *fakeLease)
		go func() { next <- checkOut(t, p) }()
		synctest.Wait()
		checkIn(t, l)
		other := <-next
		synctest.Wait()
		if other.ID() != 2 || s.open() != 1 {
			t.Errorf("connection %d, %d open", other.ID(), s.open())
		}
		checkIn(t, other)
	})
}

// Also in the moment before it is closed, a connection that is too old is not lent, and
// MinSize is kept up.
func TestAgedIsNotLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 1, MaxAge: time.Minute})
		synctest.Wait()
		p.mu.Lock()
		p.ageTimer.stop()
		p.mu.Unlock()
		time.Sleep(time.Minute)
		l := checkOut(t, p)
		if l.ID() != 2 {
			t.Errorf("got connection %d", l.ID())
		}
		checkIn(t, l)
		time.Sleep(time.Hour)
		if got := p.Stats(); got.Idle != 1 || s.open() != 1 || len(s.made()) < 60 {
			t.Errorf("%+v, %d open, %d made", got, s.open(), len(s.made()))
		}
	})
}

// A connection that was made later may have to go earlier: that is not missed.
func TestMaxAgeOfLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const age = 100 * time.Second
		var mu sync.Mutex
		made := map[int64]time.Time{}
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 5, MaxAge: age, Events: func(e event.PoolEvent) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case event.ConnectionReady:
				made[e.ConnectionID] = time.Now()
			case event.ConnectionClosed:
				if lived := time.Since(made[e.ConnectionID]); lived > age {
					t.Errorf("connection %d lived for %v", e.ConnectionID, lived)
				}
			}
		}})
		for range 5 {
			l := checkOut(t, p)
			time.Sleep(3 * time.Second)
			checkIn(t, l)
		}
		time.Sleep(10 * time.Minute)
		if got := p.Stats(); got.Idle != 5 {
			t.Errorf("%+v", got)
		}
	})
}
