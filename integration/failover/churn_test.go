package failover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// monitoring is how many connections a client has to a server besides its
// pool's: one that waits for changes, and one that measures the round trip time.
const monitoring = 2

// TestConnectionChurn runs operations whose deadlines are over before the server
// answers. Their connections are not thrown away: the late replies are drained,
// and the pool never needs more connections than it may have.
func TestConnectionChurn(t *testing.T) {
	const (
		operations = 5000
		workers    = 64
		poolSize   = 50
		answer     = 25 * time.Millisecond
		deadline   = 5 * time.Millisecond
	)
	dep := mgxtest.Standalone(t)
	server := dep.Members()[0]
	var closed, drained atomic.Int64
	client := connect(t, dep.URI(), func(o *mgx.Options) {
		size := poolSize
		o.MaxPoolSize = &size
		o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
			switch e := e.(type) {
			case event.ConnectionClosed:
				if e.Reason != event.ClosePoolClosed {
					closed.Add(1)
				}
			case event.ConnectionPendingResponseSucceeded:
				drained.Add(1)
			}
		})
	})
	coll := client.Database("churn").Collection("c")
	server.Delay(answer, "find")
	var next, timeouts atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for next.Add(1) <= operations {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				err := coll.FindOne(ctx, nil).Err()
				cancel()
				switch {
				case errors.Is(err, mgx.ErrTimeout) && errors.Is(err, context.DeadlineExceeded):
					timeouts.Add(1)
				case errors.Is(err, mgx.ErrNoDocuments):
					// The machine was so busy that the answer came before the deadline was seen.
				default:
					t.Errorf("got %v, want a timeout of the context", err)
				}
			}
		})
	}
	wg.Wait()
	stats := server.Stats()
	t.Logf("%d operations timed out; the server saw %d of them, on %d connections; %d late replies were drained, %d connections closed",
		timeouts.Load(), stats.Commands["find"], stats.Opened, drained.Load(), closed.Load())
	// The pool's patience with late replies ends after 50 ms, which a busy machine needs now
	// and then. Other connections do not take the place of any.
	replaced := int(closed.Load())
	if most := poolSize + monitoring + replaced; stats.Opened > most {
		t.Errorf("%d connections were opened, want at most %d", stats.Opened, most)
	}
	if replaced > poolSize {
		t.Errorf("%d connections were given up", replaced)
	}
	if n := timeouts.Load(); n < operations*9/10 {
		t.Errorf("only %d of %d operations timed out", n, operations)
	}
	// However busy the machine is, connections must have been lent again.
	if sent := stats.Commands["find"]; sent <= stats.Opened {
		t.Errorf("only %d operations were sent on %d connections: this tests nothing", sent, stats.Opened)
	}
	// The pool is as good as new.
	server.Delay(0)
	for range 2 * poolSize {
		if err := ignore(coll.FindOne(bounded(t), nil).Err(), mgx.ErrNoDocuments); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLateReplyIsNotMistaken cuts operations off and looks at what later ones on
// the same connection get: their own replies. These come within the time that the pool
// lets a caller wait for a late reply, so that no connection is given up.
func TestLateReplyIsNotMistaken(t *testing.T) {
	dep := mgxtest.Standalone(t)
	server := dep.Members()[0]
	client := connect(t, dep.URI(), onePool)
	db := client.Database("churn")
	for i := range 8 {
		server.Delay(30*time.Millisecond, "echo")
		dep.Handle("echo", func(c *mgxtest.Command) (bson.D, error) {
			return bson.D{{Key: "n", Value: c.Body.Lookup("echo")}, {Key: "ok", Value: 1}}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := db.RunCommand(ctx, bson.D{{Key: "echo", Value: -1}}).Err()
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a timeout", err)
		}
		server.Delay(0)
		var reply struct{ N int }
		check(t, db.RunCommand(bounded(t), bson.D{{Key: "echo", Value: i}}).Decode(&reply))
		if reply.N != i {
			t.Fatalf("operation %d got the reply of %d", i, reply.N)
		}
	}
	if n := server.Stats().Opened; n > 1+monitoring {
		t.Errorf("%d connections were opened, want one that is used again and again, and the monitor's", n)
	}
}
