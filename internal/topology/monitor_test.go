package topology

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

func lost(generation uint64) *sdam.Failure {
	return &sdam.Failure{Err: errReset, Class: sdam.NetworkFailure, HandshakeDone: true, Generation: generation, MaxWireVersion: 21}
}

func TestPollingKeepsTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		mustSelect(t, top, write)
		time.Sleep(time.Minute)
		if got := server.checked(); got != 6 {
			t.Errorf("%d checks in a minute, want 6 (the interval counts from the end of a check)", got)
		}
		if got := n.dialled("a:1"); got != 1 {
			t.Errorf("%d connections", got)
		}
		// A check that is wanted comes at once, the next no sooner than 500 ms later.
		start := time.Now()
		for range 20 {
			for _, s := range top.view.Load().servers {
				s.requestCheck()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := server.checked() - 6; got < 3 || got > 5 {
			t.Errorf("%d checks in %v of asking for them", got, time.Since(start))
		}
	})
}

func TestStreamingMeasuresOnAConnectionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.latency = 7 * time.Millisecond
		server := n.replicaSet("a:1")[0]
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		time.Sleep(35 * time.Second)
		if got := server.open(); got != 2 {
			t.Errorf("%d connections, want one that streams and one that measures", got)
		}
		d := s.Description()
		if d.RTT != n.latency || d.MinRTT != n.latency {
			t.Errorf("round trip time %v, lowest %v, want %v", d.RTT, d.MinRTT, n.latency)
		}
		if age := time.Since(d.LastUpdate); age > 11*time.Second {
			t.Errorf("the description is %v old", age)
		}
		// A server that no longer streams is no longer measured apart.
		server.set(func(s *fakeServer) { s.streams = false })
		server.kill()
		server.restart()
		time.Sleep(25 * time.Second)
		if got := server.open(); got != 1 {
			t.Errorf("%d connections to a server that does not stream", got)
		}
	})
}

func TestPollModeDoesNotStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.replicaSet("a:1")[0]
		cfg := config(n, "a:1")
		cfg.Poll = true
		top := connected(t, cfg)
		mustSelect(t, top, write)
		time.Sleep(30 * time.Second)
		if got := server.open(); got != 1 {
			t.Errorf("%d connections", got)
		}
	})
}

func TestEagerServerDoesNotMakeTheMonitorSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.replicaSet("a:1")[0]
		server.set(func(s *fakeServer) { s.eager = true })
		top := connected(t, config(n, "a:1"))
		mustSelect(t, top, write)
		time.Sleep(10 * time.Second)
		if got := server.checked(); got > 30 {
			t.Errorf("%d checks in 10 s", got)
		}
	})
}

func TestServerDiesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		server.streams = true
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		h, err := s.CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		generation := h.Generation()
		server.kill()
		time.Sleep(10 * time.Millisecond)
		if kindOf(top, "a:1") != sdam.Unknown {
			t.Error("a server that closed its connections is still taken for good")
		}
		if got := s.Pool().Generation(noService); got <= generation {
			t.Error("its pool was not cleared")
		}
		_ = h.Release()
		server.restart()
		start := time.Now()
		if mustSelect(t, top, write) != s {
			t.Error("another server runs the same address")
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("it took %v to find the server again", waited)
		}
		if h, err := s.CheckOut(t.Context()); err != nil {
			t.Error(err)
		} else {
			_ = h.Release()
		}
	})
}

func TestCheckThatTimesOutInterruptsOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		h, err := s.CheckOut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server.set(func(s *fakeServer) { s.hung = true })
		time.Sleep(10*time.Second + 4*time.Second)
		if h.Interrupted() != nil {
			t.Error("interrupted before connectTimeoutMS")
		}
		time.Sleep(2 * time.Second)
		var cleared *pool.PoolClearedError
		if err := h.Interrupted(); !errors.As(err, &cleared) || !cleared.Interrupted {
			t.Errorf("the operation goes on: %v", err)
		}
		if d := s.Description(); d.Kind != sdam.Unknown || !errors.Is(d.Err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", d.Kind, d.Err)
		}
		_ = h.Release()
	})
}

func TestNetworkErrorOfAnOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.replicaSet("a:1")[0]
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		time.Sleep(time.Second)
		dials := n.dialled("a:1")

		s.Failed(lost(0))
		if d := s.Description(); d.Kind != sdam.Unknown || d.Err != errReset {
			t.Errorf("got %v, %v", d.Kind, d.Err)
		}
		if got := s.Pool().Generation(noService); got != 1 {
			t.Errorf("generation %d", got)
		}
		s.Failed(lost(0)) // from a connection of before
		if got := s.Pool().Generation(noService); got != 1 {
			t.Errorf("an outdated failure put the generation up to %d", got)
		}
		// The check under way is broken off, and none is made before one is wanted.
		time.Sleep(5 * time.Second)
		if got := n.dialled("a:1"); got != dials || server.open() != 1 {
			t.Errorf("%d connections were made, %d are open", got-dials, server.open())
		}
		start := time.Now()
		mustSelect(t, top, write)
		if waited := time.Since(start); waited > 100*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestStateChangeErrorHasTheServerChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", memberHello(true, 1, "a:1"))
		cfg := config(n, "a:1")
		top := connected(t, cfg)
		s := mustSelect(t, top, write)
		time.Sleep(2 * time.Second)
		server.set(func(s *fakeServer) { s.hello = memberHello(false, 0, "a:1") })
		s.Failed(&sdam.Failure{Err: errors.New("not primary"), HandshakeDone: true, Code: 10107, MaxWireVersion: 21})
		if kindOf(top, "a:1") != sdam.Unknown || s.Pool().Generation(noService) != 0 {
			t.Errorf("got %v, generation %d", top.Description(), s.Pool().Generation(noService))
		}
		time.Sleep(10 * time.Millisecond)
		if got := kindOf(top, "a:1"); got != sdam.RSSecondary {
			t.Errorf("the server was not checked at once: %v", got)
		}
	})
}

func TestStateChangeErrorWithoutVersionBreaksTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.replicaSet("a:1")
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		time.Sleep(time.Second)
		s.Failed(&sdam.Failure{Err: errors.New("shutting down"), HandshakeDone: true, Code: 91, MaxWireVersion: 21})
		start := time.Now()
		mustSelect(t, top, write)
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("it took %v to find the server well again", waited)
		}
	})
}

// A check that waits for changes and is broken off for a lost connection does not
// put off the next one: operations wait no longer than for a round trip.
func TestLostConnectionIsSoonReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		server.streams = true
		top := connected(t, config(n, "a:1"))
		for range 3 {
			s := mustSelect(t, top, write)
			time.Sleep(time.Second)
			s.Failed(lost(s.Pool().Generation(noService)))
			began := time.Now()
			mustSelect(t, top, write)
			if took := time.Since(began); took > 10*n.latency {
				t.Errorf("found the server again after %v", took)
			}
		}
		// But not more often than allowed.
		s := mustSelect(t, top, write)
		s.Failed(lost(s.Pool().Generation(noService)))
		began := time.Now()
		mustSelect(t, top, write)
		if took := time.Since(began); took < setup.MinHeartbeatInterval-10*n.latency {
			t.Errorf("checked again after %v", took)
		}
	})
}

func TestFailedDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)

		server.set(func(s *fakeServer) { s.login = errBusy })
		if _, err := s.CheckOut(t.Context()); !errors.Is(err, errBusy) {
			t.Errorf("got %v", err)
		}
		if kindOf(top, "a:1") != sdam.Standalone || s.Pool().Generation(noService) != 0 {
			t.Error("an overloaded server was taken for a dead one")
		}
		checks := server.checked()
		time.Sleep(setup.MinHeartbeatInterval + time.Second)
		if server.checked() == checks {
			t.Error("an overloaded server was not checked for whether it is there at all")
		}
		server.set(func(s *fakeServer) { s.login = errLogin })
		if _, err := s.CheckOut(t.Context()); !errors.Is(err, errLogin) {
			t.Errorf("got %v", err)
		}
		if d := s.Description(); d.Kind != sdam.Unknown || !errors.Is(d.Err, errLogin) || s.Pool().Generation(noService) != 1 {
			t.Errorf("after a failed login: %v, %v", d.Kind, d.Err)
		}
	})
}

func TestNewPrimaryHasTheOldOneChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		set := n.replicaSet("a:1", "b:1")
		for _, s := range set {
			s.streams = false // so that only a wanted check can tell
		}
		top := connected(t, config(n, "a:1", "b:1"))
		mustSelect(t, top, write)
		mustSelect(t, top, secondary)
		time.Sleep(time.Second)
		set[0].set(func(s *fakeServer) { s.hello = memberHello(false, 0, "a:1", "b:1") })
		set[1].set(func(s *fakeServer) { s.hello = memberHello(true, 2, "a:1", "b:1") })
		for _, s := range top.Servers() {
			if s.Address() == "b:1" {
				s.requestCheck()
			}
		}
		time.Sleep(20 * time.Millisecond)
		if a, b := kindOf(top, "a:1"), kindOf(top, "b:1"); a != sdam.RSSecondary || b != sdam.RSPrimary {
			t.Errorf("a is %v, b is %v", a, b)
		}
	})
}

func TestPoolIsReadyBeforeItsServerCanBeSelected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		cfg := config(n, "a:1")
		var top *Topology[*fakeConn]
		ready := false
		cfg.NewPool = func(address string, onDialError func(pool.DialFailure)) *pool.Pool[*fakeConn] {
			return pool.New(pool.Options[*fakeConn]{
				Address: address, Dial: func(context.Context, *pool.Dialing) (*fakeConn, error) { return nil, errRefused }, OnDialError: onDialError,
				Events: func(e event.PoolEvent) {
					if _, ok := e.(event.PoolReady); ok {
						ready = true
						if kind := kindOf(top, "a:1"); kind != sdam.Unknown {
							t.Errorf("the server is a %v before its pool is ready", kind)
						}
					}
				},
			})
		}
		top = New(cfg)
		top.Connect()
		mustSelect(t, top, write)
		if err := top.Close(t.Context()); err != nil || !ready {
			t.Errorf("closed with %v, the pool was ready: %v", err, ready)
		}
	})
}

func TestRoundTripTimeStartsAnewAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.latency = 100 * time.Millisecond
		server := n.add("a:1", standaloneHello())
		top := connected(t, config(n, "a:1"))
		s := mustSelect(t, top, write)
		server.kill()
		time.Sleep(15 * time.Second)
		if d := s.Description(); d.Kind != sdam.Unknown || d.RTT != 0 {
			t.Errorf("an unknown server has the round trip time %v", d.RTT)
		}
		n.mu.Lock()
		n.latency = 2 * time.Millisecond
		n.mu.Unlock()
		server.restart()
		mustSelect(t, top, write)
		if rtt := s.Description().RTT; rtt != 2*time.Millisecond {
			t.Errorf("round trip time %v", rtt)
		}
	})
}
