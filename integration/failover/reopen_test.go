package failover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

// reopenWork is what goes on while a client is disconnected again and again.
var reopenWork = map[string]func(ctx context.Context, client *mgx.Client, i int) error{
	"reads":  func(ctx context.Context, client *mgx.Client, _ int) error { return findOnce(ctx, client) },
	"writes": write,
	"pings":  func(ctx context.Context, client *mgx.Client, _ int) error { return client.Ping(ctx) },
	"requests": func(ctx context.Context, client *mgx.Client, i int) error {
		ctx, request := client.StartRequest(ctx)
		defer request.End()
		return errors.Join(write(ctx, client, i), findOnce(ctx, client))
	},
	"unacknowledged writes": func(ctx context.Context, client *mgx.Client, _ int) error {
		coll := client.Database("close").Collection("u", mgx.WithWriteConcern(mgx.Unacknowledged()))
		_, err := coll.InsertOne(ctx, bson.D{})
		return err
	},
	"cursors": func(ctx context.Context, client *mgx.Client, _ int) error {
		return readAll(client.Database("close").Collection("u").Find(ctx, nil, mgx.BatchSize(2), mgx.Limit(20)))
	},
	"databases": func(ctx context.Context, client *mgx.Client, _ int) error {
		_, err := client.ListDatabaseNames(ctx, nil)
		return err
	},
	"liveness": func(ctx context.Context, client *mgx.Client, _ int) error {
		client.Alive(ctx)
		return nil
	},
}

// TestReopening disconnects a client again and again while others use it. Each
// operation succeeds, or hears that it was cut off, and in the end all is well.
func TestReopening(t *testing.T) {
	for name, deployment := range map[string]func(testing.TB, ...mgxtest.Option) *mgxtest.Deployment{
		"replica set": three, "sharded": mgxtest.Sharded, "load-balanced": mgxtest.LoadBalanced,
	} {
		t.Run(name, func(t *testing.T) {
			dep := deployment(t)
			leaktest.Check(t)
			client := connect(t, dep.URI())
			stop := make(chan struct{})
			var done atomic.Int64
			var wg sync.WaitGroup
			for what, do := range reopenWork {
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						err := do(bounded(t), client, i)
						if err == nil {
							done.Add(1)
						} else if !errors.Is(err, mgx.ErrClosed) {
							t.Errorf("%s: %v (%v)", what, err, kinds(err))
						}
					}
				})
			}
			times := 0
			for end := time.Now().Add(soak(t, time.Second)); time.Now().Before(end); times++ {
				if err := client.Disconnect(bounded(t)); err != nil {
					t.Errorf("disconnect: %v", err)
				}
				time.Sleep(time.Duration(times%20) * time.Millisecond)
			}
			close(stop)
			wg.Wait()
			for what, do := range reopenWork {
				check(t, wrap(what, do(bounded(t), client, 0)))
			}
			t.Logf("%d operations beside %d disconnects", done.Load(), times)
			check(t, client.Close(bounded(t)))
		})
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
