package topology

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/sdam"
)

func TestEventsOfAStandalone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		var rec recorder
		cfg := config(n, "a:1")
		cfg.Events = rec.take
		top := connected(t, cfg)
		mustSelect(t, top, write)
		time.Sleep(10*time.Second + 10*time.Millisecond)
		server.kill()
		time.Sleep(20 * time.Second)
		_ = top.Close(t.Context())
		want := "TopologyOpening TopologyDescriptionChanged ServerOpening " +
			"ServerHeartbeatStarted ServerHeartbeatSucceeded ServerDescriptionChanged TopologyDescriptionChanged " +
			"ServerHeartbeatStarted ServerHeartbeatSucceeded " +
			"ServerHeartbeatStarted ServerHeartbeatFailed ServerDescriptionChanged TopologyDescriptionChanged " +
			"ServerHeartbeatStarted ServerHeartbeatFailed ServerDescriptionChanged TopologyDescriptionChanged " + // "refused" instead of "reset"
			"ServerHeartbeatStarted ServerHeartbeatFailed " + // nothing new
			"ServerClosed TopologyDescriptionChanged TopologyClosed"
		if got := names(rec.all()); got != want {
			t.Errorf("events\n%s\nwant\n%s", got, want)
		}
		for _, e := range rec.all() {
			if e, ok := e.(event.ServerHeartbeatSucceeded); ok {
				if e.Duration != n.latency || e.ServerConnectionID != 7 || e.ConnectionID == 0 || e.Awaited || e.Reply.Lookup("ok").Double() != 1 {
					t.Errorf("got %+v", e)
				}
			}
		}
	})
}

func TestHeartbeatsAreAlwaysPaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		set := n.replicaSet("a:1", "b:1", "c:1")
		var rec recorder
		cfg := config(n, "a:1")
		cfg.Events = rec.take
		top := connected(t, cfg)
		s := mustSelect(t, top, write)
		time.Sleep(time.Second)
		s.Failed(lost(0))
		set[1].kill()
		set[0].set(func(s *fakeServer) { s.hello = memberHello(true, 1, "a:1", "b:1") })
		time.Sleep(time.Minute)
		_ = top.Close(t.Context())
		open := map[int64]bool{}
		for _, e := range rec.all() {
			switch e := e.(type) {
			case event.ServerHeartbeatStarted:
				if open[e.ConnectionID] {
					t.Errorf("two checks at a time on connection %d", e.ConnectionID)
				}
				open[e.ConnectionID] = true
			case event.ServerHeartbeatSucceeded:
				delete(open, e.ConnectionID)
			case event.ServerHeartbeatFailed:
				delete(open, e.ConnectionID)
			}
		}
		if len(open) > 0 {
			t.Errorf("checks without an end: %v", open)
		}
		last := rec.all()
		if _, ok := last[len(last)-1].(event.TopologyClosed); !ok {
			t.Errorf("the last event is %T", last[len(last)-1])
		}
	})
}

func TestHandlersMayDoAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.replicaSet("a:1")
		cfg := config(n, "a:1")
		var top *Topology[*fakeConn]
		var depth, deepest int
		cfg.Events = func(e event.TopologyEvent) {
			depth++
			deepest = max(deepest, depth)
			defer func() { depth-- }()
			if e, ok := e.(event.ServerDescriptionChanged); ok && e.New.Kind == "RSPrimary" {
				s, err := top.Select(context.Background(), &write)
				if err != nil {
					t.Error(err)
					return
				}
				s.Failed(lost(s.Pool().Generation(noService)))
				panic("a handler that breaks")
			}
		}
		top = New(cfg)
		old := slog.Default()
		slog.SetDefault(slog.New(slog.DiscardHandler))
		defer slog.SetDefault(old)
		top.Connect()
		time.Sleep(time.Minute)
		if err := top.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if deepest != 1 {
			t.Errorf("the handler was called %d deep", deepest)
		}
	})
}

func TestFailureFromAHandlerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		cfg := config(n, "a:1")
		var top *Topology[*fakeConn]
		cfg.Events = func(e event.TopologyEvent) {
			if e, ok := e.(event.ServerDescriptionChanged); ok && e.New.Kind == "Standalone" {
				mustSelect(t, top, write).Failed(lost(0))
			}
		}
		top = New(cfg)
		top.Connect()
		time.Sleep(time.Second)
		if kind, generation := kindOf(top, "a:1"), top.Servers()[0].Pool().Generation(noService); kind != sdam.Unknown || generation != 1 {
			t.Errorf("the server is %v, its pool's generation %d", kind, generation)
		}
		_ = top.Close(t.Context())
	})
}

func TestBlockedHandlerLosesEventsNotMemory(t *testing.T) {
	var q eventQueue
	var r run
	got, release, started := 0, make(chan struct{}), make(chan struct{})
	q.handle = func(event.TopologyEvent) {
		if got++; got == 1 {
			close(started)
			<-release
		}
	}
	old := slog.Default()
	var out bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(old)
	q.emit(&r, event.TopologyOpening{})
	<-started
	for range maxQueued + 5 {
		q.emit(&r, event.TopologyOpening{})
	}
	close(release)
	q.flush(t.Context())
	if got != maxQueued+1 || !strings.Contains(out.String(), "count=5") {
		t.Errorf("%d events delivered; log: %s", got, &out)
	}
	// A handler that ends its goroutine, as a test's FailNow does.
	q.handle = func(event.TopologyEvent) {
		if got++; got == maxQueued+2 {
			runtime.Goexit()
		}
	}
	q.add(&r, event.TopologyOpening{})
	q.emit(&r, event.TopologyOpening{})
	q.flush(t.Context())
	if got != maxQueued+3 {
		t.Error("events are no longer delivered after a handler ended its goroutine")
	}
	r.sealed = true
	q.emit(&r, event.TopologyOpening{})
	if q.flush(t.Context()); got != maxQueued+3 {
		t.Error("an event came after the last one")
	}
}

// A handler that never returns holds up nothing: not the monitors, not the
// operations, and Close only for a moment.
func TestHandlerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		cfg := config(n, "a:1")
		release := make(chan struct{})
		cfg.Events = func(event.TopologyEvent) { <-release }
		top := New(cfg)
		top.Connect()
		mustSelect(t, top, write).Failed(lost(0))
		mustSelect(t, top, write)
		if server.checked() < 1 || n.dialled("a:1") < 2 {
			t.Errorf("%d dials, %d checks", n.dialled("a:1"), server.checked())
		}
		began := time.Now()
		if err := top.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*interruptGrace {
			t.Errorf("Close took %v", took)
		}
		close(release)
	})
}

func TestHandlersMayClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.add("a:1", standaloneHello())
		cfg := config(n, "a:1")
		var top *Topology[*fakeConn]
		closed := make(chan error, 1)
		cfg.Events = func(e event.TopologyEvent) {
			if _, ok := e.(event.ServerDescriptionChanged); ok {
				closed <- top.Close(context.Background())
			}
		}
		top = New(cfg)
		top.Connect()
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		server := n.add("a:1", standaloneHello())
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg := config(n, "a:1")
		cfg.Log, cfg.SelectionLog = eventlog.For(log, "topology", 1000), eventlog.For(log, "serverSelection", 1000)
		cfg.SelectionTimeout = time.Second
		top := connected(t, cfg)
		q := sdam.Selection{Write: true, Operation: "insert", OperationID: 4}
		mustSelect(t, top, q)
		server.kill()
		time.Sleep(20 * time.Second)
		if _, err := top.Select(t.Context(), &q); err == nil {
			t.Error("selected a dead server")
		}
		_ = top.Close(t.Context())
		for _, want := range []string{
			`msg="Starting topology monitoring" component=topology topologyId=`, `msg="Stopped topology monitoring"`,
			`msg="Starting server monitoring"`, `msg="Stopped server monitoring"`, `serverHost=a serverPort=1`,
			`msg="Topology description changed"`, `newDescription="Single [a:1 Standalone]"`,
			`msg="Server heartbeat started"`, `driverConnectionId=1 awaited=false`,
			`msg="Server heartbeat succeeded"`, `serverConnectionId=7 durationMS=1 reply="{\"ok\":1`,
			`msg="Server heartbeat failed"`, `failure="connection refused"`,
			`msg="Server selection started" component=serverSelection selector="a write" operation=insert operationId=4 topologyDescription="Unknown [a:1 Unknown]"`,
			`msg="Waiting for suitable server to become available"`, `remainingTimeMS=1000`,
			`msg="Server selection succeeded"`,
			`msg="Server selection failed"`, `failure="serverSelectionTimeoutMS has passed"`,
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log lacks %s", want)
			}
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
}
