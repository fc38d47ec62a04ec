package failover

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mgxtest"
)

// A burst of slow queries that are given up fills the pool with late replies. What
// comes next does not wait for them.
func TestBurstOfCancelledQueries(t *testing.T) {
	const size = 100
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI(), func(o *mgx.Options) { o.MaxPoolSize = new(size) })
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, Times: size, Block: 20 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range size {
		wg.Go(func() {
			if err := findOnce(ctx, client); err == nil {
				t.Error("a query that takes 20 s came back")
			}
		})
	}
	wg.Wait()
	for i := range 5 {
		began := time.Now()
		if err := client.Ping(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("ping %d took %v", i, took)
		}
	}
}
