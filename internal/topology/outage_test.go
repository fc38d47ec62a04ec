package topology

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// selectWithin is a selection that is given up after a while.
func selectWithin(t *testing.T, top *Topology[*fakeConn], q sdam.Selection, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := top.Select(ctx, &q)
	return err
}

// Once a deployment was there, whoever does not find it may count on it to come back,
// however long that takes, and even if the topology was closed in between.
func TestOutage(t *testing.T) {
	reconnects := func(t *testing.T, what string, err error, want bool) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: no error", what)
		}
		if e, ok := errors.AsType[*sdam.SelectionError](err); !ok || e.Outage != want {
			t.Errorf("%s: %v: an outage: %v", what, err, !want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		set := n.replicaSet("a:1", "b:1")
		for _, s := range set {
			s.kill()
		}
		cfg := config(n, "a:1", "b:1")
		cfg.Settings.SetName = "rs"
		top := connected(t, cfg)
		reconnects(t, "never there", selectWithin(t, top, write, time.Minute), false)

		for _, s := range set {
			s.restart()
		}
		mustSelect(t, top, write)
		time.Sleep(time.Second)
		elsewhere := sdam.Selection{ReadPreference: &sdam.ReadPreference{Mode: sdam.Nearest, TagSets: []sdam.TagSet{{"dc": "moon"}}}}
		reconnects(t, "all are there, none has the tags", selectWithin(t, top, elsewhere, time.Second), false)

		for _, s := range set {
			s.kill()
		}
		time.Sleep(time.Second)
		for range 3 {
			reconnects(t, "all are gone", selectWithin(t, top, write, time.Minute), true)
			reconnects(t, "all are gone, a deadline", selectWithin(t, top, secondary, time.Second), true)
			reconnects(t, "all are gone, tags", selectWithin(t, top, elsewhere, time.Second), true)
		}
		if err := top.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		top.Connect()
		reconnects(t, "opened again in an outage", selectWithin(t, top, write, time.Minute), true)

		set[1].restart()
		set[1].set(func(s *fakeServer) { s.hello = memberHello(false, 1, "a:1", "b:1") })
		mustSelect(t, top, secondary)
		reconnects(t, "no primary", selectWithin(t, top, write, time.Second), true)
		reconnects(t, "a read from the primary", selectWithin(t, top, sdam.Selection{}, time.Second), true)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := top.Select(ctx, &write)
		if kinds := fault.Categories(err); len(kinds) != 1 || kinds[0] != fault.ErrServerSelection {
			t.Errorf("cancelled: %v", kinds)
		}
		invalid := sdam.Selection{ReadPreference: &sdam.ReadPreference{Mode: sdam.Nearest, MaxStaleness: time.Second}}
		_, err = top.Select(t.Context(), &invalid)
		if kinds := fault.Categories(err); len(kinds) != 2 || kinds[1] != fault.ErrConfiguration {
			t.Errorf("an impossible preference: %v", kinds)
		}
	})
}

// Selections beside Close and Connect find a server, or hear that the topology is
// closed: it is never seen half opened.
func TestSelectBesideReopening(t *testing.T) {
	n := newNetwork()
	n.latency = 10 * time.Microsecond
	n.replicaSet("a:1", "b:1")
	top := connected(t, config(n, "a:1", "b:1"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := top.Select(context.Background(), &write); err != nil && !errors.Is(err, ErrClosed) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range 1000 {
		if err := top.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_, changed := top.Changed()
		top.Connect()
		select {
		case <-changed:
		default:
			t.Fatal("who watches a closed topology does not hear that it is open again")
		}
	}
	close(stop)
	wg.Wait()
}
