package pool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/fault"
)

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1})
		held := checkOut(t, p)
		var order []int
		var mu sync.Mutex
		for i := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				l, err := p.CheckOut(ctx)
				if i%5 == 3 {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("%d: %v", i, err)
					}
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				checkIn(t, l)
			}()
			synctest.Wait()
			if i%5 == 3 {
				cancel()
				synctest.Wait()
			}
			t.Cleanup(cancel)
		}
		if got := p.Stats(); got.Waiting != 40 {
			t.Fatalf("%+v", got)
		}
		checkIn(t, held)
		synctest.Wait()
		if len(order) != 40 || !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

// TestFairness has 10,000 callers at 100 connections. With operations of one
// length, everybody's turn comes after the same time.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, size, rounds = 10_000, 100, 5
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: size, MaxConnecting: size})
		waits := make([]time.Duration, 0, callers*rounds)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for round := range rounds {
					start := time.Now()
					l, err := p.CheckOut(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					wait := time.Since(start)
					time.Sleep(time.Millisecond)
					checkIn(t, l)
					if round > 0 { // in the first, some come earlier than others
						mu.Lock()
						waits = append(waits, wait)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		slices.Sort(waits)
		p50, p99, most := waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1]
		t.Logf("p50 %v, p99 %v, most %v", p50, p99, most)
		if most > p50*11/10 {
			t.Errorf("waiting takes %v as a rule, but up to %v", p50, most)
		}
		if got := p.Stats(); got.Total != size || got.Idle != size {
			t.Errorf("%+v", got)
		}
	})
}

func TestContextEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, Address: "a:1"})
		held := checkOut(t, p)

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := p.CheckOut(ctx)
		timeout, ok := errors.AsType[*WaitQueueTimeoutError](err)
		if !ok || !errors.Is(err, context.DeadlineExceeded) || timeout.Waited != 2*time.Second || timeout.Usage.InUse != 1 {
			t.Errorf("deadline: %#v", err)
		}
		if _, err = p.CheckOut(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline that has passed before: %v", err)
		}

		why := errors.New("enough")
		ctx2, cancel2 := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel2(why) })
		_, err = p.CheckOut(ctx2)
		canceled, ok := errors.AsType[*WaitCanceledError](err)
		if !ok || !errors.Is(err, context.Canceled) || !errors.Is(err, why) || canceled.Waited != time.Second {
			t.Errorf("cancelled: %#v", err)
		}
		if got := p.Stats(); got.Waiting != 0 {
			t.Errorf("%+v", got)
		}
		checkIn(t, held)
	})
}

// TestAnswerCrossesCancellation has callers give up in the moment in which they
// are served. No connection may be lost.
func TestAnswerCrossesCancellation(t *testing.T) {
	var s fakeServer
	p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1})
	for range 2000 {
		held := checkOut(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if l, err := p.CheckOut(ctx); err == nil {
				checkIn(t, l)
			}
		}()
		for p.Stats().Waiting == 0 {
		}
		go cancel()
		checkIn(t, held)
		<-done
		if got := p.Stats(); got.Idle != 1 || got.Total != 1 || got.Waiting != 0 {
			t.Fatalf("%+v", got)
		}
	}
}

func TestMaxWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServer{delay: time.Second}
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 2, MaxWaiters: 3})
		var wg sync.WaitGroup
		// Two get a connection of their own and do not count as waiting.
		for range 5 {
			wg.Go(func() {
				l := checkOut(t, p)
				time.Sleep(time.Minute)
				checkIn(t, l)
			})
		}
		synctest.Wait()
		_, err := p.CheckOut(t.Context())
		if tooMany, ok := errors.AsType[*TooManyWaitersError](err); !ok || tooMany.MaxWaiters != 3 {
			t.Errorf("%v", err)
		}
		if got := p.Stats(); got.Waiting != 5 {
			t.Errorf("%+v", got)
		}
		wg.Wait()
		checkIn(t, checkOut(t, p))
	})
}

// TestWaitQueueTimeoutOfMany has one timer for callers that come at different
// times.
func TestWaitQueueTimeoutOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, WaitQueueTimeout: time.Second})
		held := checkOut(t, p)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 130 * time.Millisecond)
				start := time.Now()
				_, err := p.CheckOut(context.Background())
				timeout, ok := errors.AsType[*WaitQueueTimeoutError](err)
				if !ok || time.Since(start) != time.Second || timeout.Waited != time.Second {
					t.Errorf("%d after %v: %v", i, time.Since(start), err)
				}
			})
		}
		wg.Wait()
		checkIn(t, held)
	})
}

func TestClearTurnsWaitersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1})
		held := checkOut(t, p)
		cause := errors.New("connection reset")
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := p.CheckOut(context.Background())
				if _, ok := errors.AsType[*PoolClearedError](err); !ok || !errors.Is(err, cause) {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		p.Clear(cause, bson.ObjectID{}, false)
		wg.Wait()
		p.Ready()
		go func() {
			time.Sleep(time.Second)
			checkIn(t, held)
		}()
		// The stale connection takes its place until it comes back.
		l := checkOut(t, p)
		if l.ID() != 2 || l.Generation() != 1 {
			t.Errorf("connection %d of generation %d", l.ID(), l.Generation())
		}
		checkIn(t, l)
	})
}

func TestErrorTexts(t *testing.T) {
	usage := Usage{MaxSize: 12, InUse: 10, Cursors: 3, Transactions: 2, Requests: 1, Pending: 1, Draining: 1, Waiting: 7}
	for _, c := range []struct {
		err  error
		want []string
	}{
		{&ClosedError{"a:1"}, []string{"Attempted to check out a connection from closed connection pool", "a:1"}},
		{&PoolClearedError{Address: "a:1"}, []string{"a:1", "not answered"}},
		{&PoolClearedError{Address: "a:1", Left: true}, []string{"a:1", "left the deployment"}},
		{&PoolClearedError{Address: "a:1", Cause: errors.New("reset")}, []string{"Connection pool for a:1 was cleared because another operation failed with: reset"}},
		{&PoolClearedError{Address: "a:1", Interrupted: true}, []string{"connection to a:1 interrupted due to server monitor timeout"}},
		{&WaitQueueTimeoutError{Address: "a:1", Waited: 3 * time.Second, Usage: usage},
			[]string{
				"Timed out while checking out a connection from connection pool", "a:1", "3s",
				"Timeout waiting for connection from the connection pool. maxPoolSize: 12, connections in use by cursors: 3, " +
					"connections in use by transactions: 2, connections in use by other operations: 4",
				"in use by requests: 1", "being established: 1", "waiting for a late reply: 1", "still waiting: 7",
			}},
		{&WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: 10}}, []string{"Raise maxPoolSize, or hold"}},
		{&WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: 10, Cursors: 9}}, []string{"Close cursors"}},
		{&WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: 10, Requests: 9}}, []string{"End requests"}},
		{&WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: 1, Draining: 9}}, []string{"given up"}},
		{&WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: 1, Pending: 2}}, []string{"slow to accept"}},
		{&WaitCanceledError{Address: "a:1", Cause: context.Canceled}, []string{"a:1", "context canceled"}},
		{&TooManyWaitersError{Address: "a:1", MaxWaiters: 7, Usage: usage}, []string{"7 operations", "a:1", "waitQueueMultiple"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.err.Error(), want) {
				t.Errorf("%q does not say %q", c.err, want)
			}
		}
	}
	// Who waits for a server that lets nobody in may count on its return.
	for _, inUse := range []int{0, 10} {
		err := &WaitQueueTimeoutError{Usage: Usage{MaxSize: 10, InUse: inUse}}
		if slices.Contains(err.Categories(), fault.ErrAutoReconnect) != (inUse == 0) {
			t.Errorf("%d of 10 in use: %v", inUse, err.Categories())
		}
	}
	if !errors.Is(&ClosedError{}, ErrPoolClosed) {
		t.Error("a ClosedError is no ErrPoolClosed")
	}
}

// A caller whose own timeout counts instead keeps its place, and those around it are
// turned away in their time.
func TestWithoutWaitQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s fakeServer
		p := newPool(t, fakeOptions{Dial: s.dial, MaxSize: 1, WaitQueueTimeout: time.Second})
		held := checkOut(t, p)
		var mu sync.Mutex
		var served []int
		var wg sync.WaitGroup
		for i := range 6 {
			ctx, patient := context.Background(), i%2 == 0
			if patient {
				ctx = WithoutWaitQueueTimeout(ctx)
			}
			wg.Go(func() {
				start := time.Now()
				l, err := p.CheckOut(ctx)
				if !patient {
					if _, ok := errors.AsType[*WaitQueueTimeoutError](err); !ok || time.Since(start) != time.Second {
						t.Errorf("%d after %v: %v", i, time.Since(start), err)
					}
					return
				}
				if err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
				mu.Lock()
				served = append(served, i)
				mu.Unlock()
				checkIn(t, l)
			})
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		checkIn(t, held)
		wg.Wait()
		if !slices.Equal(served, []int{0, 2, 4}) {
			t.Errorf("served in the order %v", served)
		}
	})
}
