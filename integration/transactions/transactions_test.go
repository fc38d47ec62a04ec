// Package transactions tests transactions against simulated deployments, where a test
// is about where they go and what reaches the server.
package transactions

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// sent are the commands that a client sent.
type sent struct {
	mu   sync.Mutex
	list []event.CommandStarted
}

func (s *sent) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
		c := *e
		c.Command = slices.Clone(e.Command)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, c)
		return ctx
	}}
}

func (s *sent) take() []event.CommandStarted {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open connects to a deployment, with a collection that has one document.
func open(t *testing.T, dep *mgxtest.Deployment, err error, change ...func(*mgx.Options)) (context.Context, *mgx.Collection, *sent) {
	t.Helper()
	check(t, err)
	t.Cleanup(dep.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	o, err := mgx.ParseURI(dep.URI())
	check(t, err)
	var s sent
	o.LocalThreshold = time.Second
	o.CommandMonitors = []*event.CommandMonitor{s.monitor()}
	for _, f := range change {
		f(o)
	}
	client, err := mgx.Open(ctx, o)
	check(t, err)
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	c := client.Database("test").Collection("test")
	_, err = c.InsertOne(ctx, bson.D{{Key: "_id", Value: 0}})
	check(t, err)
	s.take()
	return ctx, c, &s
}

// routers waits until the client knows all mongos.
func routers(t *testing.T, c *mgx.Client, n int) {
	t.Helper()
	for range 500 {
		if d := c.Topology(); len(d.Servers) == n && !slices.ContainsFunc(d.Servers, func(s event.ServerDescription) bool { return s.Kind != "Mongos" }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%+v", c.Topology())
}

// Mongos pinning prose tests 1 and 2: a transaction's mongos is neither the next
// transaction's nor that of what comes after it.
func TestUnpinning(t *testing.T) {
	dep, err := mgxtest.NewSharded()
	ctx, c, s := open(t, dep, err)
	client := c.Database().Client()
	routers(t, client, len(dep.Mongoses()))
	ctx, session, err := client.StartSession(ctx, nil)
	check(t, err)
	defer session.End(ctx)
	for name, transaction := range map[string]bool{"the next transaction": true, "an operation outside": false} {
		check(t, session.StartTransaction(nil))
		_, err := c.InsertOne(ctx, bson.D{})
		check(t, err)
		if session.TransactionServer() == "" {
			t.Errorf("%s: the transaction is pinned to no mongos", name)
		}
		check(t, session.CommitTransaction(ctx))
		s.take()
		for range 50 {
			if transaction {
				check(t, session.StartTransaction(nil))
			}
			check(t, c.FindOne(ctx, nil).Err())
			if transaction {
				check(t, session.CommitTransaction(ctx))
			} else if to := session.TransactionServer(); to != "" {
				t.Fatalf("pinned to %s outside of a transaction", to)
			}
		}
		addresses := map[string]bool{}
		for _, e := range s.take() {
			addresses[e.Address] = true
		}
		if len(addresses) < 2 {
			t.Errorf("%s: 50 times %v", name, addresses)
		}
	}
}

// Mongos pinning prose test 3: an operation that gets no connection because the pool was
// cleared can be repeated, transaction and all.
func TestClearedPoolIsTransient(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	one, began := 1, make(chan struct{}, 10)
	ctx, c, _ := open(t, dep, err, func(o *mgx.Options) {
		o.MaxPoolSize, o.HeartbeatInterval = &one, 500*time.Millisecond
		o.PoolMonitors = []func(event.PoolEvent){func(e event.PoolEvent) {
			if _, ok := e.(event.ConnectionCheckOutStarted); ok {
				began <- struct{}{}
			}
		}}
	})
	client := c.Database().Client()
	off := dep.FailCommand(mgxtest.FailCommand{Commands: []string{"ping"}, Times: 1, Block: 300 * time.Millisecond, CloseConnection: true})
	defer off()
	for len(began) > 0 {
		<-began
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = client.Ping(ctx) }) // holds the only connection, and loses it
	<-began
	in, session, err := client.StartSession(ctx, nil)
	check(t, err)
	defer session.End(in)
	check(t, session.StartTransaction(nil))
	_, err = c.InsertOne(in, bson.D{})
	wg.Wait()
	if err == nil || !mgx.HasErrorLabel(err, "TransientTransactionError") || mgx.HasErrorLabel(err, "RetryableWriteError") {
		t.Errorf("the error is %v", err)
	}
}

// Nothing of a request, of a handle or of retries gets into a transaction, and no field
// of its commands is missing.
func TestCommandsOfTransactions(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, s := open(t, dep, err)
	client := c.Database().Client()
	c = c.Database().Collection("test", mgx.WithReadConcern("majority"), mgx.WithWriteConcern(mgx.Majority()),
		mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Secondary}))
	ctx, req := client.StartRequest(ctx)
	defer req.End()
	check(t, client.Ping(ctx))
	connection := s.take()[0].DriverConnectionID
	err = client.WithTransaction(ctx, func(ctx context.Context) error {
		if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}}); err != nil {
			return err
		}
		n, err := c.CountDocuments(ctx, nil)
		if err == nil && n != 2 {
			t.Errorf("%d documents in the transaction", n)
		}
		return err
	}, &mgx.TransactionOptions{ReadConcern: "snapshot"})
	check(t, err)
	list := s.take()
	var names []string
	for i, e := range list {
		names = append(names, e.CommandName)
		v := func(keys ...string) string { return e.Command.Lookup(keys...).String() }
		if v("lsid") != list[0].Command.Lookup("lsid").String() || v("txnNumber") != list[0].Command.Lookup("txnNumber").String() || v("autocommit") != "false" {
			t.Errorf("%s: %s", e.CommandName, e.Command)
		}
		if starts := v("startTransaction") == "true"; starts != (i == 0) {
			t.Errorf("%s starts the transaction: %v", e.CommandName, starts)
		}
		if level := v("readConcern", "level"); (level == `"snapshot"`) != (i == 0) {
			t.Errorf("%s reads with concern %s", e.CommandName, level)
		}
		if v("writeConcern") != "" {
			t.Errorf("%s has the handle's write concern", e.CommandName)
		}
		if e.DriverConnectionID == connection {
			t.Errorf("%s goes over the request's connection", e.CommandName)
		}
	}
	if !slices.Equal(names, []string{"insert", "aggregate", "commitTransaction"}) {
		t.Errorf("%v", names)
	}
}

// Money moves between accounts in transactions that get in each other's way, behind
// every kind of deployment: the sum never changes.
func TestTransfers(t *testing.T) {
	for name, start := range map[string]func() (*mgxtest.Deployment, error){
		"replica set":   func() (*mgxtest.Deployment, error) { return mgxtest.NewReplicaSet(3) },
		"sharded":       func() (*mgxtest.Deployment, error) { return mgxtest.NewSharded() },
		"load-balanced": func() (*mgxtest.Deployment, error) { return mgxtest.NewLoadBalanced() },
	} {
		t.Run(name, func(t *testing.T) {
			dep, err := start()
			ctx, c, _ := open(t, dep, err)
			client := c.Database().Client()
			const accounts, writers, each = 4, 6, 5
			for i := range accounts {
				_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i + 1}, {Key: "cents", Value: 1000}})
				check(t, err)
			}
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						from, to := (w+i)%accounts+1, (w+2*i+1)%accounts+1
						err := client.WithTransaction(ctx, func(ctx context.Context) error {
							if _, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: from}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "cents", Value: -7}}}}); err != nil {
								return err
							}
							_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: to}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "cents", Value: 7}}}})
							return err
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			sum := 0
			for account, err := range mgx.Each[struct{ Cents int }](c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: 0}}}})) {
				check(t, err)
				sum += account.Cents
			}
			if sum != accounts*1000 {
				t.Errorf("%d cents are left of %d", sum, accounts*1000)
			}
			for _, p := range client.Stats().Pools {
				if p.InUse != 0 {
					t.Errorf("%s: %d connections are still lent", p.Address, p.InUse)
				}
			}
		})
	}
}
