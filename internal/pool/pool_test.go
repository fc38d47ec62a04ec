package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
)

func TestLastInFirstOut(t *testing.T) {
	var s fakeServer
	p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 3})
	a, b, c := checkOut(t, p), checkOut(t, p), checkOut(t, p)
	checkIn(t, b)
	checkIn(t, a)
	checkIn(t, c)
	for _, want := range []int64{3, 1, 2} {
		l := checkOut(t, p)
		defer checkIn(t, l)
		if l.ID() != want {
			t.Errorf("got connection %d, want %d", l.ID(), want)
		}
	}
}

func TestCheckInTwice(t *testing.T) {
	var s fakeServer
	p := newPool(t, fakeOptions{Dial: s.dial})
	other := newPool(t, fakeOptions{Dial: s.dial})
	l := checkOut(t, p)
	if err := other.CheckIn(l); !errors.Is(err, ErrNotCheckedOut) {
		t.Errorf("check-in to another pool: %v", err)
	}
	checkIn(t, l)
	if err := p.CheckIn(l); !errors.Is(err, ErrNotCheckedOut) {
		t.Errorf("second check-in: %v", err)
	}
	if err := p.CheckIn(nil); !errors.Is(err, ErrNotCheckedOut) {
		t.Errorf("check-in of nothing: %v", err)
	}
	if got := p.Stats(); got.Idle != 1 || got.Total != 1 {
		t.Errorf("%+v", got)
	}
}

func TestPausedPoolRefuses(t *testing.T) {
	var s fakeServer
	p := New(fakeOptions{Dial: s.dial, Address: "a:1", MinSize: 2})
	defer finish(t, p)
	_, err := p.CheckOut(context.Background())
	if _, ok := errors.AsType[*PoolClearedError](err); !ok {
		t.Fatalf("before Ready: %v", err)
	}
	if got := p.Stats(); got.Total != 0 {
		t.Errorf("a paused pool makes connections: %+v", got)
	}
	p.Ready()
	cause := errors.New("the wire was cut")
	p.Clear(cause, bson.ObjectID{}, false)
	_, err = p.CheckOut(context.Background())
	if _, ok := errors.AsType[*PoolClearedError](err); !ok || !errors.Is(err, cause) {
		t.Fatalf("after Clear: %v", err)
	}
}

func TestWaitQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, Address: "a:1", MaxSize: 1, WaitQueueTimeout: time.Second})
		l := checkOut(t, p)
		l.SetPurpose(ForCursor)
		start := time.Now()
		_, err := p.CheckOut(context.Background())
		timeout, ok := errors.AsType[*WaitQueueTimeoutError](err)
		if !ok || time.Since(start) != time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		want := Usage{MaxSize: 1, InUse: 1, Cursors: 1}
		if timeout.Usage != want || timeout.Waited != time.Second {
			t.Errorf("%+v", timeout)
		}
		checkIn(t, l)
		if l = checkOut(t, p); l.ID() != 1 {
			t.Errorf("got connection %d", l.ID())
		}
		checkIn(t, l)
	})
}
