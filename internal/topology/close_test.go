package topology

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/sdam"
)

func TestCloseWaitsForOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		h, err := mustSelect(t, top, write).CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, func() { _ = h.Release() })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if err := top.Close(ctx); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestCloseCutsOperationsOff(t *testing.T) {
	for name, limit := range map[string]time.Duration{"at the deadline": 2 * time.Second, "without one": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				server := n.add("a:1", standaloneHello())
				top := connected(t, config(n, "a:1"))
				h, err := mustSelect(t, top, write).CheckOut(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				if limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
				}
				start := time.Now()
				if err := top.Close(ctx); err == nil {
					t.Error("Close says that everything is gone")
				}
				if waited := time.Since(start); waited != limit+interruptGrace {
					t.Errorf("Close took %v", waited)
				}
				if h.Interrupted() == nil || server.open() != 0 {
					t.Errorf("the operation was not cut off: %v, %d connections", h.Interrupted(), server.open())
				}
				_ = h.Release()
			})
		})
	}
}

func TestAbortDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		h, err := mustSelect(t, top, write).CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(interruptGrace/2, func() {
			if !errors.Is(h.Interrupted(), ErrClosed) {
				t.Errorf("the operation was not cut off: %v", h.Interrupted())
			}
			_ = h.Release()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := top.Abort(ctx); err != nil || time.Since(start) != interruptGrace/2 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestCloseWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top := connected(t, config(newNetwork(), "a:1"))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := top.Select(t.Context(), &write); !errors.Is(err, ErrClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		_ = top.Close(t.Context())
		wg.Wait()
		if time.Since(start) > 0 {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

func TestCloseDoesNotWaitForeverForAMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		cfg := config(newNetwork(), "a:1")
		cfg.Events = rec.take
		cfg.DialMonitor = func(context.Context, string) (MonitorConn, error) {
			time.Sleep(time.Minute) // whatever the context says
			return nil, errRefused
		}
		top := connected(t, cfg)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := top.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(2 * time.Minute)
		events := rec.all()
		if _, ok := events[len(events)-1].(event.TopologyClosed); !ok {
			t.Errorf("%T came after the last event", events[len(events)-1])
		}
	})
}

func TestCloseCutsOffServersThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		set := n.replicaSet("a:1", "b:1")
		top := connected(t, config(n, "a:1"))
		mustSelect(t, top, write)
		h, err := mustSelect(t, top, secondary).CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set[0].set(func(s *fakeServer) { s.hello = memberHello(true, 1, "a:1") })
		time.Sleep(time.Second)
		if h.Interrupted() != nil || set[1].open() != 1 {
			t.Fatalf("the operation on a server that left was cut off: %v", h.Interrupted())
		}
		if err := top.Close(context.Background()); err == nil || h.Interrupted() == nil {
			t.Errorf("Close gives %v; the operation: %v", err, h.Interrupted())
		}
		_ = h.Release()
	})
}

func TestLookupThatEndsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", mongosHello())
		cfg := config(n, "a:1")
		looking := make(chan struct{})
		cfg.SRV = &SRV{Resolve: func(ctx context.Context) ([]string, time.Duration, error) {
			close(looking)
			<-ctx.Done()
			return []string{"b:1"}, 0, nil
		}}
		top := connected(t, cfg)
		<-looking
		if err := top.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if d := top.Description(); len(d.Servers) != 0 {
			t.Errorf("a closed topology has servers: %v", d)
		}
	})
}

// TestCloseAtAnyTime closes a topology at many moments of its first seconds.
func TestCloseAtAnyTime(t *testing.T) {
	for at := time.Duration(0); at < 40*time.Millisecond; at += 500 * time.Microsecond {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			set := n.replicaSet("a:1", "b:1", "c:1")
			set[2].hung = true
			cfg := config(n, "a:1", "c:1")
			var rec recorder
			cfg.Events = rec.take
			top := connected(t, cfg)
			time.AfterFunc(10*time.Millisecond, set[1].kill)
			time.Sleep(at)
			start := time.Now()
			if err := top.Close(t.Context()); err != nil {
				t.Errorf("closed after %v: %v", at, err)
			}
			if time.Since(start) > 0 {
				t.Errorf("closed after %v: it took %v", at, time.Since(start))
			}
			synctest.Wait()
			for _, s := range set {
				if s.open() != 0 {
					t.Errorf("closed after %v: %d connections to %s are left", at, s.open(), s.address)
				}
			}
			events := rec.all()
			if _, ok := events[len(events)-1].(event.TopologyClosed); !ok {
				t.Errorf("closed after %v: the last event is %T", at, events[len(events)-1])
			}
		})
	}
}

// TestChaos runs operations while servers die, elections happen and the
// topology is closed and opened again, in real time.
func TestChaos(t *testing.T) {
	n := newNetwork()
	n.latency = 20 * time.Microsecond
	hosts := []string{"a:1", "b:1", "c:1"}
	set := n.replicaSet(hosts...)
	cfg := config(n, hosts...)
	var rec recorder
	cfg.Events = rec.take
	top := connected(t, cfg)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 16 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if operate(top) == nil {
					mu.Lock()
					done++
					mu.Unlock()
				}
			}
		})
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for election := 2; election < 60; election++ {
		primary := rnd.IntN(3)
		for i, s := range set {
			s.set(func(s *fakeServer) { s.hello = memberHello(i == primary, election, hosts...) })
		}
		switch election % 4 {
		case 1:
			victim := set[rnd.IntN(3)]
			victim.kill()
			time.Sleep(5 * time.Millisecond)
			victim.restart()
		case 2:
			_ = top.Close(t.Context())
			top.Connect()
		}
		time.Sleep(5 * time.Millisecond)
	}
	mustSelect(t, top, write)
	before := func() int { mu.Lock(); defer mu.Unlock(); return done }()
	time.Sleep(100 * time.Millisecond)
	after := func() int { mu.Lock(); defer mu.Unlock(); return done }()
	close(stop)
	wg.Wait()
	if after == before {
		t.Error("no operation succeeds once the servers are well again")
	}
	if err := top.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, s := range set {
		for range 100 {
			if s.open() == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if s.open() != 0 {
			t.Errorf("%d connections to %s are left", s.open(), s.address)
		}
	}
}

// operate is one operation, and sometimes a failure.
func operate(top *Topology[*fakeConn]) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	q := write
	if rand.IntN(2) == 0 {
		q = secondary
	}
	s, err := top.Select(ctx, &q)
	if err != nil {
		time.Sleep(time.Millisecond)
		return err
	}
	h, err := s.CheckOut(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = h.Release() }()
	if err := h.Conn().Broken(); err != nil {
		s.Failed(&sdam.Failure{Err: err, Class: sdam.NetworkFailure, HandshakeDone: true, Generation: h.Generation(), MaxWireVersion: 21})
		return err
	}
	if rand.IntN(200) == 0 {
		s.Failed(&sdam.Failure{Err: errReset, HandshakeDone: true, Generation: h.Generation(), MaxWireVersion: 21, Code: 91})
	}
	return nil
}
