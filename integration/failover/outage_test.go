package failover

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// In a long outage each operation fails with an ErrAutoReconnect, not only the one
// that notices it, and the client recovers by itself.
func TestLongOutage(t *testing.T) {
	for name, deployment := range map[string]func(testing.TB, ...mgxtest.Option) *mgxtest.Deployment{
		"standalone": mgxtest.Standalone, "replica set": three, "sharded": mgxtest.Sharded,
	} {
		t.Run(name, func(t *testing.T) {
			dep := deployment(t)
			client := connect(t, dep.URI(), func(o *mgx.Options) { o.ServerSelectionTimeout = 200 * time.Millisecond })
			coll := client.Database("outage").Collection("c")
			servers := dep.Mongoses()
			if len(servers) == 0 {
				servers = dep.Members()
			}
			for _, s := range servers {
				s.Kill()
			}
			for i := range 6 {
				ctx := bounded(t)
				if i%2 == 1 { // less than the selection may take
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
					defer cancel()
				}
				_, write := coll.InsertOne(ctx, bson.D{{Key: "a", Value: i}})
				for _, err := range []error{write, findOnce(ctx, client), client.Ping(ctx)} {
					if !errors.Is(err, mgx.ErrAutoReconnect) || !errors.Is(err, mgx.ErrConnectionFailure) {
						t.Errorf("%d: %v (%v) is no ErrAutoReconnect", i, err, kinds(err))
					}
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if err := client.Ping(ctx); errors.Is(err, mgx.ErrAutoReconnect) || !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v (%v)", err, kinds(err))
			}
			check(t, client.Disconnect(bounded(t)))
			if err := client.Ping(bounded(t)); !errors.Is(err, mgx.ErrAutoReconnect) {
				t.Errorf("after a Disconnect: %v (%v)", err, kinds(err))
			}
			if err := refused(t, dep.URI()); errors.Is(err, mgx.ErrAutoReconnect) || !errors.Is(err, mgx.ErrConnectionFailure) {
				t.Errorf("a first Connect: %v (%v)", err, kinds(err))
			}
			for _, s := range servers {
				check(t, s.Restart())
			}
			for began := time.Now(); client.Ping(bounded(t)) != nil; {
				if time.Since(began) > patience {
					t.Fatal("the client does not recover")
				}
			}
		})
	}
}

// refused is the error of a Connect while no server is there.
func refused(t *testing.T, uri string) error {
	o, err := mgx.ParseURI(uri)
	check(t, err)
	o.ServerSelectionTimeout = 200 * time.Millisecond
	client, err := mgx.Open(bounded(t), o)
	if err == nil {
		check(t, client.Close(bounded(t)))
	}
	return err
}
