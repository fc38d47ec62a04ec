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

// sockets are the connections that commands came over.
func sockets(list []mgxtest.Command) map[[2]any]int {
	used := map[[2]any]int{}
	for _, c := range list {
		used[[2]any{c.Member, c.ConnectionID}]++
	}
	return used
}

// A request stays on one router, and a connection of it, and sees what it wrote there.
func TestRequestStaysOnItsRouter(t *testing.T) {
	dep := mgxtest.Sharded(t, mgxtest.Mongoses(3))
	var wait func()
	client := connect(t, dep.URI(), func(o *mgx.Options) { wait = watchKinds(t, o, 3) })
	wait()
	seen := record(t, dep, "insert", "find")
	routers := map[any]bool{}
	for range 10 {
		ctx, request := client.StartRequest(bounded(t))
		unacknowledged := client.Database("request").Collection("c", mgx.WithWriteConcern(mgx.Unacknowledged()))
		for range 10 {
			id := bson.NewObjectID()
			_, err := unacknowledged.InsertOne(ctx, bson.D{{Key: "_id", Value: id}})
			check(t, err)
			check(t, unacknowledged.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Err())
		}
		request.End()
		used := map[[2]any]int{}
		for _, c := range seen.take() {
			if isRouter(dep, c.Member) {
				used[[2]any{c.Member, c.ConnectionID}]++
				routers[c.Member] = true
			}
		}
		if len(used) != 1 {
			t.Errorf("a request used %v", used)
		}
	}
	if len(routers) < 2 {
		t.Errorf("all requests went over %v", routers)
	}
}

func isRouter(dep *mgxtest.Deployment, m *mgxtest.Member) bool {
	for _, r := range dep.Mongoses() {
		if r == m {
			return true
		}
	}
	return false
}

// The secondary reads of a request come from one member, beside its writes.
func TestRequestReadsFromOneSecondary(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 4)
	var wait func()
	client := connect(t, dep.URI(), func(o *mgx.Options) { wait = watchKinds(t, o, 4) })
	wait()
	seen := record(t, dep, "find")
	coll := client.Database("request").Collection("c", mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Secondary}))
	members := map[any]bool{}
	for range 10 {
		ctx, request := client.StartRequest(bounded(t))
		for range 10 {
			_, err := coll.InsertOne(ctx, bson.D{})
			check(t, err)
			check(t, ignore(coll.FindOne(ctx, nil).Err(), mgx.ErrNoDocuments))
		}
		request.End()
		used := sockets(seen.take())
		if len(used) != 1 {
			t.Errorf("the reads of a request came over %v", used)
		}
		for key := range used {
			members[key[0]] = true
			if key[0] == any(dep.Primary()) {
				t.Error("a secondary read went to the primary")
			}
		}
	}
	if len(members) < 2 {
		t.Errorf("all requests read from %v", members)
	}
}

// A request that is started under an affinity goes on with its connection.
func TestRequestUnderAffinity(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI(), func(o *mgx.Options) { o.AutoStartRequest = true })
	seen := record(t, dep, "ping")
	over, cancel := context.WithCancel(bounded(t))
	ctx := mgx.WithAffinity(over)
	check(t, client.Ping(ctx))
	inner, request := client.StartRequest(ctx)
	again, nested := client.StartRequest(inner)
	for _, ctx := range []context.Context{inner, again, ctx} {
		check(t, client.Ping(ctx))
	}
	nested.End()
	request.End()
	check(t, client.Ping(ctx))
	if used := sockets(seen.take()); len(used) != 1 {
		t.Errorf("used %v", used)
	}
	if n := inUse(client); n != 1 {
		t.Errorf("%d connections are in use before the context's end", n)
	}
	cancel()
	returned(t, client)
}

// The end of its context ends a request, whoever has forgotten to.
func TestRequestEndsWithItsContext(t *testing.T) {
	client := connect(t, mgxtest.ReplicaSet(t, 1).URI())
	over, cancel := context.WithCancel(bounded(t))
	ctx, request := client.StartRequest(over)
	_, nested := client.StartRequest(ctx)
	check(t, client.Ping(ctx))
	if n := inUse(client); n != 1 {
		t.Errorf("%d connections are in use", n)
	}
	cancel()
	returned(t, client)
	if request.Active() || nested.Active() {
		t.Error("it is still active")
	}
	request.End()
	check(t, client.Ping(context.WithoutCancel(ctx))) // outside of the request
}

func inUse(client *mgx.Client) (n int) {
	for _, p := range client.Stats().Pools {
		n += p.InUse
	}
	return n
}

// returned waits until no connection is in use.
func returned(t *testing.T, client *mgx.Client) {
	t.Helper()
	for began := time.Now(); inUse(client) > 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("the connection is not given back")
		}
	}
}

// When all connections die, not each of many requests finds out for itself.
func TestRequestsAfterAllConnectionsDied(t *testing.T) {
	for name, deployment := range map[string]func(testing.TB, ...mgxtest.Option) *mgxtest.Deployment{
		"replica set": three, "sharded": mgxtest.Sharded, "load-balanced": mgxtest.LoadBalanced,
	} {
		t.Run(name, func(t *testing.T) {
			dep := deployment(t)
			client := connect(t, dep.URI())
			var contexts []context.Context
			for range 20 {
				ctx, request := client.StartRequest(bounded(t))
				defer request.End()
				check(t, client.Ping(ctx))
				contexts = append(contexts, ctx)
			}
			for _, m := range append(dep.Members(), dep.Mongoses()...) {
				m.CloseConnections()
			}
			failed := 0
			for _, ctx := range contexts {
				if err := client.Ping(ctx); err != nil {
					failed++
					if !errors.Is(err, mgx.ErrAutoReconnect) {
						t.Errorf("%v (%v)", err, kinds(err))
					}
				}
			}
			most := max(1, len(dep.Mongoses())) // for each pool, or service
			if failed > most {
				t.Errorf("%d of %d requests failed", failed, len(contexts))
			}
		})
	}
}
