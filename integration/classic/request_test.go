package classic

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// Operations of a request share one connection, whoever runs them, and see what
// was written without acknowledgement.
func TestStartRequest(t *testing.T) {
	for name, dep := range map[string]*mgxtest.Deployment{"standalone": mgxtest.Standalone(t),
		"replica set": mgxtest.ReplicaSet(t, 3)} {
		t.Run(name, func(t *testing.T) {
			c := connectTo(t, dep.URI())
			sent := watch(t, dep, "find", "insert")
			coll := c.Database("requests").Collection("c")
			ctx, req := c.StartRequest(t.Context())
			defer req.End()
			unacknowledged := mgx.WithWriteConcern(mgx.Unacknowledged())
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 20 {
						id := i*100 + j
						if _, err := coll.InsertOne(ctx, bson.D{{"_id", id}}, unacknowledged); err != nil {
							t.Error(err)
						}
						if err := coll.FindOne(ctx, bson.D{{"_id", id}}).Err(); err != nil {
							t.Errorf("document %d: %v", id, err)
						}
					}
				})
			}
			wg.Wait()
			if list := sent.take(); len(list) != 320 || len(connections(list)) != 1 {
				t.Errorf("%d operations of the request used %d connections", len(list), len(connections(list)))
			}
			// Others use other connections.
			find(t, c.Database("requests").Collection("none"))
			outside := connections(sent.take())
			if err := coll.FindOne(ctx, nil).Err(); err != nil {
				t.Error(err)
			}
			for id := range connections(sent.take()) {
				if outside[id] {
					t.Error("an operation outside of the request used its connection")
				}
			}
		})
	}
}

// A request belongs to one client.
func TestStartRequestOfTwoClients(t *testing.T) {
	a, b := connectTo(t, mgxtest.Standalone(t).URI()), connectTo(t, mgxtest.Standalone(t).URI())
	ctx, ofA := a.StartRequest(t.Context())
	ctx, ofB := b.StartRequest(ctx)
	if ofA == ofB {
		t.Fatal("two clients share a request")
	}
	ofA.End()
	if ofA.Active() || !ofB.Active() {
		t.Error("the end of one request ended the other's")
	}
	if err := b.Ping(ctx); err != nil {
		t.Error(err)
	}
	ofB.End()
}

// A dead socket is replaced; the operation that met it hears of it, be it one that
// is tried again outside of requests.
func TestStartRequestDeadSocket(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	c := connectTo(t, dep.URI())
	sent := watch(t, dep, "find", "insert")
	coll := c.Database("requests").Collection("c")
	ctx, req := c.StartRequest(t.Context())
	defer req.End()
	for _, command := range []string{"find", "insert"} {
		run := func() error {
			if command == "find" {
				_, err := mgx.Collect[bson.Raw](coll.Find(ctx, nil))
				return err
			}
			_, err := coll.InsertOne(ctx, bson.D{})
			return err
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		sent.take()
		dep.FailCommand(mgxtest.FailCommand{Commands: []string{command}, Times: 1, CloseConnection: true})
		if err := run(); !errors.Is(err, mgx.ErrAutoReconnect) {
			t.Errorf("%s on a dead connection: %v", command, err)
		}
		dead := sent.take()
		if err := run(); err != nil {
			t.Errorf("%s after it: %v", command, err)
		}
		next := sent.take()
		if len(dead) != 1 || len(next) != 1 || dead[0].ConnectionID == next[0].ConnectionID {
			t.Errorf("%s: %d commands met the dead connection, %d came after", command, len(dead), len(next))
		}
		// And it stays one connection.
		if err := run(); err != nil {
			t.Error(err)
		}
		if again := sent.one(t); again.ConnectionID != next[0].ConnectionID {
			t.Errorf("%s: the request changes its connection", command)
		}
	}
}

// The classic in_request.
func TestInRequest(t *testing.T) {
	c := connect(t)
	ctx, req := c.StartRequest(t.Context())
	if !req.Active() {
		t.Error("a new request is not active")
	}
	_, inner := c.StartRequest(ctx)
	if inner != req {
		t.Error("a nested start made another request")
	}
	inner.End()
	if !req.Active() {
		t.Error("a nested End ended the request")
	}
	req.End()
	if req.Active() {
		t.Error("still active")
	}
}

func TestEndRequest(t *testing.T) {
	var p pools
	c := connectTo(t, mgxtest.Standalone(t).URI(), p.observe, func(o *mgx.Options) { o.MaxPoolSize = new(1) })
	ctx, req := c.StartRequest(t.Context())
	ctx, _ = c.StartRequest(ctx)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	lent := func() bool {
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return errors.Is(c.Ping(short), mgx.ErrTimeout)
	}
	returned := p.read(&p.returned)
	req.End()
	if !lent() || p.read(&p.returned) != returned {
		t.Error("one of two Ends gave the connection back")
	}
	req.End()
	if p.read(&p.returned) != returned+1 || lent() {
		t.Error("the last End did not give the connection back")
	}
	// More of them are harmless.
	req.End()
	// Operations under the old context go on without a request, and a new one may begin.
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
	_, another := c.StartRequest(ctx)
	if another == req || !another.Active() {
		t.Error("a request that has ended begins anew")
	}
	req.End()
	if !another.Active() {
		t.Error("an extra End ended another request")
	}
	another.End()
}

// A request that nobody ends does not keep a client from being closed.
func TestEndRequestByClose(t *testing.T) {
	for name, under := range map[string]func(*mgx.Client) context.Context{
		"request": func(c *mgx.Client) context.Context {
			ctx, _ := c.StartRequest(context.Background())
			return ctx
		},
		"affinity": func(*mgx.Client) context.Context { return mgx.WithAffinity(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			dep := mgxtest.Standalone(t)
			c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.AutoStartRequest = true })
			ctx := under(c)
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			patient, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			if err := c.Close(patient); err != nil || time.Since(began) > 20*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			eventually(t, "all sockets are closed", func() bool { return dep.Members()[0].Stats().Open == 0 })
			if err := c.Ping(ctx); !errors.Is(err, mgx.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

func TestAutoStartRequest(t *testing.T) {
	dep := mgxtest.Standalone(t)
	if connectTo(t, dep.URI()).AutoStartRequest() {
		t.Error("in force by default")
	}
	var p pools
	c := connectTo(t, dep.URI()+"&auto_start_request=true", p.observe)
	if !c.AutoStartRequest() {
		t.Error("not in force")
	}
	sent := watch(t, dep, "find", "insert")
	coll := c.Database("requests").Collection("c")
	under, end := context.WithCancel(t.Context())
	ctx := mgx.WithAffinity(under)
	returned := p.read(&p.returned)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				id := i*100 + j
				if _, err := coll.InsertOne(ctx, bson.D{{"_id", id}},
					mgx.WithWriteConcern(mgx.Unacknowledged())); err != nil {
					t.Error(err)
				}
				if err := coll.FindOne(ctx, bson.D{{"_id", id}}).Err(); err != nil {
					t.Errorf("document %d: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	if list := sent.take(); len(list) != 160 || len(connections(list)) != 1 {
		t.Errorf("%d operations under one affinity used %d connections", len(list), len(connections(list)))
	}
	if n := p.read(&p.returned); n != returned {
		t.Errorf("the connection was given back %d times before the end", n-returned)
	}
	end()
	eventually(t, "the connection is given back", func() bool { return p.read(&p.returned) == returned+1 })
	// Not without the option.
	plain := connectTo(t, dep.URI(), p.observe)
	returned = p.read(&p.returned)
	if err := plain.Ping(mgx.WithAffinity(t.Context())); err != nil || p.read(&p.returned) != returned+1 {
		t.Errorf("without the option the connection stays lent (%v)", err)
	}
}
