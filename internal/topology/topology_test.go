package topology

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

var (
	write     = sdam.Selection{Write: true}
	secondary = sdam.Selection{ReadPreference: &sdam.ReadPreference{Mode: sdam.Secondary}}
)

func TestSelectAndCheckOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:27017", standaloneHello())
		top := connected(t, config(n, "a"))
		s := mustSelect(t, top, write)
		h, err := s.CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Address() != "a:27017" || top.Kind() != sdam.Single || s.Description().Kind != sdam.Standalone {
			t.Errorf("selected %s, %v", s.Address(), top.Description())
		}
		if rtt := s.Description().RTT; rtt != n.latency {
			t.Errorf("round trip time %v, want %v", rtt, n.latency)
		}
		if got := server.open(); got != 2 {
			t.Errorf("%d connections, want the monitor's and the operation's", got)
		}
		if err := h.Release(); err != nil {
			t.Error(err)
		}
		if err := top.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := server.open(); got != 0 {
			t.Errorf("%d connections are left after Close", got)
		}
		if _, err := top.Select(t.Context(), &write); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed topology selects: %v", err)
		}
	})
}

func TestConnectAgainAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		first := mustSelect(t, top, write)
		for range 2 {
			if err := top.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			top.Connect()
		}
		second := mustSelect(t, top, write)
		if first == second {
			t.Error("the server of before Close is used again")
		}
		first.Failed(&sdam.Failure{Err: errReset, Class: sdam.NetworkFailure, HandshakeDone: true})
		if kindOf(top, "a:1") != sdam.Standalone {
			t.Error("a failure of before Close counts")
		}
	})
}

func TestSelectionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		top := connected(t, config(n, "a:1"))
		start := time.Now()
		_, err := top.Select(t.Context(), &write)
		var failed *sdam.SelectionError
		if !errors.As(err, &failed) || !errors.Is(err, ErrSelectionTimeout) {
			t.Fatalf("got %v", err)
		}
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("waited %v", waited)
		}
		want := "no server for a write after 30s: serverSelectionTimeoutMS has passed; topology Unknown\n  a:1: Unknown: connection refused"
		if err.Error() != want {
			t.Errorf("got\n%s\nwant\n%s", err, want)
		}
		// Each check fails at once and is wanted again: one every 500 ms.
		if got := n.dialled("a:1"); got < 55 || got > 61 {
			t.Errorf("%d checks in 30 s", got)
		}
	})
}

func TestSelectOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a := n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		// It waits for the first check.
		if s, err := top.SelectOnce(t.Context(), &write); err != nil || s.Address() != "a:1" {
			t.Fatal(err)
		}
		a.kill()
		synctest.Wait()
		time.Sleep(time.Minute)
		// A check in vain is enough, and one is made.
		for range 2 {
			start := time.Now()
			_, err := top.SelectOnce(t.Context(), &write)
			if !errors.Is(err, errChecked) || time.Since(start) > setup.MinHeartbeatInterval+n.latency {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
		a.restart()
		if _, err := top.SelectOnce(t.Context(), &write); err != nil {
			t.Errorf("a server that is back is not found: %v", err)
		}
	})
}

func TestSelectionEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top := connected(t, config(newNetwork(), "a:1"))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := top.Select(ctx, &write); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrSelectionTimeout) {
			t.Errorf("got %v", err)
		}
		cause := errors.New("user went away")
		ctx, stop := context.WithCancelCause(t.Context())
		stop(cause)
		if _, err := top.Select(ctx, &write); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSelectionWithoutLimitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		cfg := config(n, "a:1")
		cfg.SelectionTimeout = 0
		top := connected(t, cfg)
		time.AfterFunc(5*time.Minute, func() { n.add("a:1", standaloneHello()) })
		start := time.Now()
		mustSelect(t, top, write)
		if waited := time.Since(start); waited < 5*time.Minute || waited > 5*time.Minute+time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestSelectionFailsAtOnceWhenWaitingIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		hello := standaloneHello()
		hello[4].Value = int32(6)
		n.add("a:1", hello)
		top := connected(t, config(n, "a:1"))
		_, err := top.Select(t.Context(), &write)
		if err == nil || !strings.Contains(err.Error(), "server at a:1 reports wire version 6") {
			t.Errorf("got %v", err)
		}
	})
}

func TestSelectionFailsAtOnceWithoutServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.replicaSet("a:1")
		cfg := config(n, "a:1")
		cfg.Settings.SetName = "another"
		top := connected(t, cfg)
		start := time.Now()
		_, err := top.Select(t.Context(), &write)
		want := "no server for a write: none of the given servers is part of the deployment: check host names and the replicaSet option; " +
			"topology ReplicaSetNoPrimary \"another\" has no servers\n  a:1: left out: it belongs to replica set \"rs\", not to \"another\""
		if err == nil || err.Error() != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestSelectionDoesNotAllocate(t *testing.T) {
	n := newNetwork()
	n.replicaSet("a:1", "b:1", "c:1")
	top := connected(t, config(n, "a:1"))
	nearest := sdam.Selection{ReadPreference: &sdam.ReadPreference{Mode: sdam.Nearest}, LocalThreshold: time.Second}
	mustSelect(t, top, write)
	mustSelect(t, top, secondary)
	for _, q := range []*sdam.Selection{&write, &nearest} {
		if allocs := testing.AllocsPerRun(100, func() {
			if s, err := top.Select(context.Background(), q); s == nil || err != nil {
				t.Fatal(err)
			}
		}); allocs != 0 {
			t.Errorf("%v: %v allocations", q, allocs)
		}
	}
}

func TestElectionWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		hosts := []string{"a:1", "b:1", "c:1"}
		set := n.replicaSet(hosts...)
		top := connected(t, config(n, "b:1"))
		if s := mustSelect(t, top, write); s.Address() != "a:1" {
			t.Fatalf("selected %s", s.Address())
		}
		mustSelect(t, top, secondary)
		time.Sleep(3 * time.Second)

		// The primary steps down; its monitor hears at once.
		set[0].set(func(s *fakeServer) { s.hello = memberHello(false, 0, hosts...) })
		time.Sleep(10 * time.Millisecond)
		if kind := top.Kind(); kind != sdam.ReplicaSetNoPrimary {
			t.Fatalf("topology is %v", kind)
		}
		time.AfterFunc(2*time.Second, func() {
			set[1].set(func(s *fakeServer) { s.hello = memberHello(true, 2, hosts...) })
		})
		start := time.Now()
		if s := mustSelect(t, top, write); s.Address() != "b:1" {
			t.Errorf("selected %s", s.Address())
		}
		if waited := time.Since(start); waited > 2*time.Second+50*time.Millisecond {
			t.Errorf("waited %v for an election that took 2 s", waited)
		}
	})
}

func TestRemovedMemberIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		set := n.replicaSet("a:1", "b:1", "c:1")
		top := connected(t, config(n, "a:1"))
		mustSelect(t, top, write)
		time.Sleep(time.Second)
		s := mustSelect(t, top, sdam.Selection{ReadPreference: secondary.ReadPreference, Deprioritized: []string{"b:1"}})
		if s.Address() != "c:1" {
			t.Fatalf("selected %s", s.Address())
		}
		h, err := s.CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set[0].set(func(s *fakeServer) { s.hello = memberHello(true, 1, "a:1", "b:1") })
		time.Sleep(time.Second)
		if top.Description().Server("c:1") != nil || s.Description() != nil {
			t.Errorf("c:1 is still there: %v", top.Description())
		}
		if got := set[2].open(); got != 1 {
			t.Errorf("%d connections to the removed server, want the one in use", got)
		}
		var cleared *pool.PoolClearedError
		if _, err := s.CheckOut(t.Context()); !errors.As(err, &cleared) {
			t.Errorf("check-out from a server that left: %v", err)
		}
		s.Failed(&sdam.Failure{Err: errReset, Class: sdam.NetworkFailure, HandshakeDone: true})
		_ = h.Release()
		time.Sleep(time.Second)
		if got := set[2].open(); got != 0 {
			t.Errorf("%d connections to the removed server are left", got)
		}
	})
}

func TestLoadBalanced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("lb:1", mongosHello())
		var rec recorder
		cfg := config(n, "lb:1")
		cfg.Settings.LoadBalanced = true
		cfg.Events = rec.take
		top := connected(t, cfg)
		s := mustSelect(t, top, secondary)
		if s.Description().Kind != sdam.LoadBalancer || top.Kind() != sdam.LoadBalanced {
			t.Errorf("got %v", top.Description())
		}
		h, err := s.CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = h.Release()
		s.Failed(&sdam.Failure{Err: errReset, Class: sdam.NetworkFailure, HandshakeDone: true})
		time.Sleep(time.Hour)
		if n.dialled("lb:1") != 0 || s.Description().Kind != sdam.LoadBalancer {
			t.Error("the load balancer was monitored")
		}
		_ = top.Close(t.Context())
		want := "TopologyOpening TopologyDescriptionChanged ServerOpening ServerDescriptionChanged TopologyDescriptionChanged " +
			"ServerClosed TopologyDescriptionChanged TopologyClosed"
		if got := names(rec.all()); got != want {
			t.Errorf("events\n%s\nwant\n%s", got, want)
		}
	})
}

func names(events []event.TopologyEvent) string {
	var list []string
	for _, e := range events {
		list = append(list, strings.TrimPrefix(fmt.Sprintf("%T", e), "event."))
	}
	return strings.Join(list, " ")
}

func TestSRVPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		for _, a := range []string{"a:1", "b:1", "c:1"} {
			n.add(a, mongosHello())
		}
		var mu sync.Mutex
		var hosts []string
		var fail error
		var lookups []time.Duration
		start := time.Now()
		cfg := config(n, "a:1", "b:1")
		cfg.SRV = &SRV{Resolve: func(context.Context) ([]string, time.Duration, error) {
			mu.Lock()
			defer mu.Unlock()
			lookups = append(lookups, time.Since(start))
			return hosts, time.Second, fail
		}}
		top := connected(t, cfg)
		mustSelect(t, top, write)
		step := func(h []string, err error, d time.Duration, want string) {
			t.Helper()
			mu.Lock()
			hosts, fail = h, err
			mu.Unlock()
			time.Sleep(d)
			var got []string
			for _, s := range top.Description().Servers {
				got = append(got, s.Address)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("after %v: %v, want %s", time.Since(start), got, want)
			}
		}
		step([]string{"b:1", "c:1"}, nil, 61*time.Second, "b:1 c:1")
		step(nil, errors.New("no such name"), 60*time.Second, "b:1 c:1")
		step(nil, nil, 10*time.Second, "b:1 c:1") // a failed lookup is tried again after a heartbeat
		step([]string{"c:1"}, nil, 10*time.Second, "c:1")
		mu.Lock()
		defer mu.Unlock()
		if len(lookups) != 4 || lookups[2]-lookups[1] != 10*time.Second {
			t.Errorf("lookups at %v", lookups)
		}
	})
}

func TestSRVPollingEndsForReplicaSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.replicaSet("a:1")
		cfg := config(n, "a:1")
		cfg.SRV = &SRV{Resolve: func(context.Context) ([]string, time.Duration, error) {
			t.Error("looked SRV records up")
			return nil, 0, nil
		}}
		top := connected(t, cfg)
		mustSelect(t, top, write)
		time.Sleep(10 * time.Minute)
	})
}
