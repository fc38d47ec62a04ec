package failover

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// TestLoadBalancing is the prose test of the specification "Server Selection" on
// selection by how many operations a server has: a slow mongos gets few of them, and
// two that are equally fast get as many each.
func TestLoadBalancing(t *testing.T) {
	const appName, connections = "loadBalancingTest", 10
	dep := mgxtest.Sharded(t, mgxtest.Mongoses(2))
	slow := dep.Mongoses()[0]
	off := slow.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, Times: 10_000, Block: 500 * time.Millisecond, AppName: appName})

	var ready, finds, slowFinds atomic.Int64
	saturated := make(chan struct{})
	client := connect(t, dep.URI(), func(o *mgx.Options) {
		o.AppName, o.LocalThreshold = appName, 30*time.Second
		o.MinPoolSize, o.MaxPoolSize = connections, new(connections)
		o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
			if _, ok := e.(event.ConnectionReady); ok && ready.Add(1) == 2*connections {
				close(saturated)
			}
		})
		o.CommandMonitors = append(o.CommandMonitors, &event.CommandMonitor{
			Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
				if e.CommandName == "find" {
					finds.Add(1)
					if e.Address == slow.Addr() {
						slowFinds.Add(1)
					}
				}
				return ctx
			},
		})
	})
	select {
	case <-saturated:
	case <-time.After(patience):
		t.Fatalf("%d connections are open, want %d", ready.Load(), 2*connections)
	}
	// share is which part of so many queries the slow mongos gets.
	share := func(each int) float64 {
		finds.Store(0)
		slowFinds.Store(0)
		errs := make(chan error, 10*each)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range each {
					errs <- findOnce(t.Context(), client)
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			check(t, err)
		}
		if n := finds.Load(); n != int64(10*each) {
			t.Fatalf("%d queries were sent, want %d", n, 10*each)
		}
		return float64(slowFinds.Load()) / float64(finds.Load())
	}
	if got := share(10); got >= 0.25 {
		t.Errorf("the slow mongos gets %s of the queries, want less than a quarter", percent(got))
	}
	off()
	if got := share(100); got < 0.4 || got > 0.6 {
		t.Errorf("one of two equal mongoses gets %s of the queries, want about a half", percent(got))
	}
}

func percent(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) }
