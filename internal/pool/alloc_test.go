package pool

import (
	"context"
	"testing"
	"time"
)

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ctx := t.Context()
	var s fakeServer
	p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 2, MaxIdleTime: time.Minute, WaitQueueTimeout: time.Minute})
	checkIn(t, checkOut(t, p))
	if n := testing.AllocsPerRun(1000, func() {
		l, err := p.CheckOut(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.CheckIn(l)
	}); n != 0 {
		t.Errorf("a check-out of an idle connection allocates %v times", n)
	}

	// Two connections, four users: most check-outs wait.
	stop := make(chan struct{})
	done := make(chan struct{})
	for range 3 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := p.CheckOut(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				_ = p.CheckIn(l)
			}
		}()
	}
	n := testing.AllocsPerRun(5000, func() {
		l, err := p.CheckOut(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.CheckIn(l)
	})
	close(stop)
	for range 3 {
		<-done
	}
	if n >= 1 {
		t.Errorf("a check-out that waits allocates %v times", n)
	}
}
