package pool

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// A connection whose holder does nothing with it does not keep a closed pool waiting.
func TestParkedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		var rec recorder
		p := newPool(t, fakeOptions{Dial: s.dial, Events: rec.record})
		before, after, resting := checkOut(t, p), checkOut(t, p), checkOut(t, p)
		before.SetPurpose(ForCursor)
		before.Park()
		resting.Park()
		if !resting.Unpark() {
			t.Error("an open pool has taken a connection back")
		}
		p.Clear(errors.New("down"), bson.ObjectID{}, false)
		if got := p.Stats(); got.InUse != 3 {
			t.Errorf("a cleared pool: %+v", got)
		}
		p.Close()
		if before.Unpark() || !resting.Unpark() {
			t.Error("a closed pool takes back what is parked, and nothing else")
		}
		after.Park()
		if after.Unpark() {
			t.Error("parked in a closed pool")
		}
		if err := before.Release(); !errors.Is(err, ErrNotCheckedOut) {
			t.Errorf("released a second time: %v", err)
		}
		checkIn(t, resting)
		synctest.Wait()
		if got := p.Stats(); got.Total != 0 || s.open() != 0 || p.cursors.Load() != 0 {
			t.Errorf("%+v, %d open", got, s.open())
		}
		if in, out := count[event.ConnectionCheckedIn](&rec), count[event.ConnectionClosed](&rec); in != 3 || out != 3 {
			t.Errorf("%d events ConnectionCheckedIn, %d ConnectionClosed", in, out)
		}
	})
}

// Holders that come and go beside a Close leave nothing behind.
func TestParkingBesideClose(t *testing.T) {
	for range 100 {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial})
		var wg sync.WaitGroup
		for range 8 {
			l := checkOut(t, p)
			wg.Go(func() {
				for range 50 {
					l.SetPurpose(ForCursor)
					l.Park()
					if !l.Unpark() {
						break
					}
					if l.Conn().closed.Load() {
						t.Error("the connection of a holder at work is closed")
					}
				}
				_ = l.Release()
			})
		}
		p.Close()
		wg.Wait()
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.open() != 0 {
			t.Errorf("%d open", s.open())
		}
	}
}
