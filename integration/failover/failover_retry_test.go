package failover

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// commands keeps what the members of a deployment are sent.
type commands struct {
	mu   sync.Mutex
	list []mgxtest.Command
}

// record keeps the commands of the given names that reach dep.
func record(t testing.TB, dep *mgxtest.Deployment, names ...string) *commands {
	t.Helper()
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	c := &commands{}
	t.Cleanup(dep.OnCommand(func(cmd mgxtest.Command) {
		if wanted[cmd.Name] {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.list = append(c.list, cmd)
		}
	}))
	return c
}

// take returns what came since the last time.
func (c *commands) take() []mgxtest.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// onePool lets operations queue for a single connection.
func onePool(o *mgx.Options) {
	one := 1
	o.MaxPoolSize = &one
}

// TestRetryAfterAClearedPool is the prose test of the retryable reads and writes
// specifications: an operation that waits for a connection is tried again when
// another one clears the pool, a write as a retryable one.
func TestRetryAfterAClearedPool(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*testing.T, *mgx.Collection) error
	}{
		{"insert", func(t *testing.T, coll *mgx.Collection) error {
			_, err := coll.InsertOne(bounded(t), bson.D{{Key: "x", Value: 1}})
			return err
		}},
		{"find", func(t *testing.T, coll *mgx.Collection) error {
			return ignore(coll.FindOne(bounded(t), nil).Err(), mgx.ErrNoDocuments)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			var mu sync.Mutex
			var failed []event.CheckOutFailReason
			client := connect(t, dep.URI(), onePool, func(o *mgx.Options) {
				o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
					if f, ok := e.(event.ConnectionCheckOutFailed); ok {
						mu.Lock()
						defer mu.Unlock()
						failed = append(failed, f.Reason)
					}
				})
			})
			coll := client.Database("retry").Collection("c")
			seen := record(t, dep, c.name)
			dep.FailCommand(mgxtest.FailCommand{Commands: []string{c.name}, Times: 1, Block: 200 * time.Millisecond, ErrorCode: 91})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if err := c.do(t, coll); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(failed) != 1 || failed[0] != event.CheckOutConnectionError {
				t.Errorf("check-outs failed: %v, want one because of the cleared pool", failed)
			}
			list := seen.take()
			if len(list) != 3 {
				t.Errorf("%d commands, want 3", len(list))
			}
			for _, cmd := range list {
				if _, err := cmd.Body.LookupErr("txnNumber"); (err == nil) != (c.name == "insert") {
					t.Errorf("%s: a txnNumber is there: %v", cmd.Body, err == nil)
				}
			}
		})
	}
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
