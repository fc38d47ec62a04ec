package prose

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	driverbson "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// The prose tests of the specification "Driver Sessions". Numbers 7, 16 and 17 are about
// clients with several users, 12 and 13 about forking, and 23 about a snapshot time that
// can be written: mgx has none of these. 10 is that of the leak checks of all tests here.

func TestSessions01SnapshotAndCausalConsistency(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		yes := true
		_, _, err := connect(t, dep).StartSession(bounded(t), &mgx.SessionOptions{Snapshot: true, CausalConsistency: &yes})
		if !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestSessions02PoolIsLIFO(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		start := func() *mgx.Session {
			_, s, err := c.StartSession(ctx, nil)
			check(t, err)
			return s
		}
		a, b := start(), start()
		idA, idB := a.ID(), b.ID()
		a.End(ctx)
		b.End(ctx)
		c1 := start()
		c2 := start()
		if c1.ID().String() != idB.String() || c2.ID().String() != idA.String() {
			t.Errorf("%s and %s, then %s and %s", idA, idB, c1.ID(), c2.ID())
		}
		c1.End(ctx)
		c2.End(ctx)
	})
}

func TestSessions03ClusterTimeInCommands(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		for name, do := range map[string]func() error{
			"ping": func() error { return c.Database("admin").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err() },
			"aggregate": func() error {
				return c.coll().Aggregate(ctx, []bson.D{{{Key: "$match", Value: bson.D{}}}}).All(&[]bson.D{})
			},
			"find":   func() error { return c.coll().Find(ctx, nil).All(&[]bson.D{}) },
			"insert": func() error { _, err := c.coll().InsertOne(ctx, bson.D{}); return err },
		} {
			c.take()
			check(t, do())
			seen := text(c.reply(), "$clusterTime")
			if first := c.take()[0]; text(first.Command, "$clusterTime") == "" || seen == "" {
				t.Errorf("%s: sent %s, and the reply has %q", name, first.Command, seen)
			}
			check(t, do())
			if again := c.take()[0]; text(again.Command, "$clusterTime") != seen {
				t.Errorf("%s: sent %q after %q", name, text(again.Command, "$clusterTime"), seen)
			}
		}
	})
}

// sessionOperations are one of each method that is part of a session.
var sessionOperations = map[string]func(context.Context, *client) error{
	"insert one": func(ctx context.Context, c *client) error { _, err := c.coll().InsertOne(ctx, bson.D{}); return err },
	"insert many": func(ctx context.Context, c *client) error {
		_, err := c.coll().InsertMany(ctx, []bson.D{{}})
		return err
	},
	"update one":  func(ctx context.Context, c *client) error { _, err := c.coll().UpdateOne(ctx, nil, setX); return err },
	"update many": func(ctx context.Context, c *client) error { _, err := c.coll().UpdateMany(ctx, nil, setX); return err },
	"replace": func(ctx context.Context, c *client) error {
		_, err := c.coll().ReplaceOne(ctx, none, bson.D{})
		return err
	},
	"delete one":  func(ctx context.Context, c *client) error { _, err := c.coll().DeleteOne(ctx, none); return err },
	"delete many": func(ctx context.Context, c *client) error { _, err := c.coll().DeleteMany(ctx, none); return err },
	"bulk": func(ctx context.Context, c *client) error {
		_, err := c.coll().BulkWrite(ctx, []mgx.WriteModel{mgx.InsertOneModel(bson.D{})})
		return err
	},
	"client bulk": func(ctx context.Context, c *client) error {
		_, err := c.BulkWrite(ctx, []mgx.ClientWrite{{Collection: c.coll(), Model: mgx.InsertOneModel(bson.D{})}})
		return err
	},
	"find and update": func(ctx context.Context, c *client) error { return found(c.coll().FindOneAndUpdate(ctx, none, setX)) },
	"find and replace": func(ctx context.Context, c *client) error {
		return found(c.coll().FindOneAndReplace(ctx, none, bson.D{}))
	},
	"find and delete": func(ctx context.Context, c *client) error { return found(c.coll().FindOneAndDelete(ctx, none)) },
	"create index": func(ctx context.Context, c *client) error {
		_, err := c.coll().CreateIndex(ctx, mgx.Index{Keys: mgx.Keys("x")})
		return err
	},
	"drop index":     func(ctx context.Context, c *client) error { return c.coll().DropIndexes(ctx) },
	"list databases": func(ctx context.Context, c *client) error { _, err := c.ListDatabaseNames(ctx, nil); return err },
	"list collections": func(ctx context.Context, c *client) error {
		_, err := c.Database("db").ListCollectionNames(ctx, nil)
		return err
	},
	"list indexes": func(ctx context.Context, c *client) error { return c.coll().ListIndexes(ctx).All(&[]mgx.IndexInfo{}) },
	"watch": func(ctx context.Context, c *client) error {
		stream, err := c.coll().Watch(ctx, nil)
		if err != nil {
			return err
		}
		return stream.Close(ctx)
	},
	"run command": func(ctx context.Context, c *client) error {
		return c.Database("db").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err()
	},
}

// readOperations are those of them that read with a read concern.
var readOperations = map[string]func(context.Context, *client) error{
	"find":     func(ctx context.Context, c *client) error { return c.coll().Find(ctx, nil).All(&[]bson.D{}) },
	"find one": func(ctx context.Context, c *client) error { return found(c.coll().FindOne(ctx, nil)) },
	"aggregate": func(ctx context.Context, c *client) error {
		return c.coll().Aggregate(ctx, []bson.D{}).All(&[]bson.D{})
	},
	"count":    func(ctx context.Context, c *client) error { _, err := c.coll().CountDocuments(ctx, nil); return err },
	"estimate": func(ctx context.Context, c *client) error { _, err := c.coll().EstimatedDocumentCount(ctx); return err },
	"distinct": func(ctx context.Context, c *client) error { _, err := c.coll().Distinct(ctx, "x", nil); return err },
}

var (
	none = bson.D{{Key: "_id", Value: "none"}}
	setX = bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}
)

// found is the error of a result, unless that is empty.
func found(r *mgx.SingleResult) error {
	if err := r.Err(); !errors.Is(err, mgx.ErrNoDocuments) {
		return err
	}
	return nil
}

// all are all operations.
func all() map[string]func(context.Context, *client) error {
	m := map[string]func(context.Context, *client) error{}
	for _, from := range []map[string]func(context.Context, *client) error{sessionOperations, readOperations} {
		for name, do := range from {
			m[name] = do
		}
	}
	return m
}

func TestSessions04ExplicitAndImplicit(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		_, err := c.coll().InsertOne(ctx, bson.D{})
		check(t, err)
		in, session, err := c.StartSession(ctx, nil)
		check(t, err)
		defer session.End(ctx)
		id := session.ID().String()
		for name, do := range all() {
			c.take()
			check(t, do(in, c))
			for _, e := range c.take() {
				if got := text(e.Command, "lsid"); got != id {
					t.Errorf("%s in the session: %s has %q", name, e.CommandName, got)
				}
			}
			check(t, do(ctx, c))
			list := c.take()
			for _, e := range list {
				if got := text(e.Command, "lsid"); got == "" || got == id {
					t.Errorf("%s outside of the session: %s has %q", name, e.CommandName, got)
				}
			}
			if len(list) == 0 {
				t.Errorf("%s sends nothing", name)
			}
		}
	})
}

func TestSessions05RightClient(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, other, ctx := connect(t, dep), connect(t, dep), bounded(t)
		in, session, err := other.StartSession(ctx, nil)
		check(t, err)
		defer session.End(ctx)
		for name, do := range all() {
			if err := do(in, c); !errors.Is(err, mgx.ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if names := c.names(); len(names) > 0 {
			t.Errorf("sent: %v", names)
		}
	})
}

func TestSessions06EndedSession(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		in, session, err := c.StartSession(ctx, nil)
		check(t, err)
		session.End(ctx)
		for name, do := range all() {
			if err := do(in, c); !errors.Is(err, mgx.ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if names := c.names(); len(names) > 0 {
			t.Errorf("sent: %v", names)
		}
	})
}

// reused fails unless the next operation runs in the session of the find.
func reused(t *testing.T, c *client, ctx context.Context) {
	t.Helper()
	check(t, c.Ping(ctx))
	list := c.take()
	if find, next := text(list[0].Command, "lsid"), text(list[len(list)-1].Command, "lsid"); find == "" || find != next {
		t.Errorf("find in %s, then %s", find, next)
	}
}

func insert(t *testing.T, c *client, n int) {
	t.Helper()
	for i := range n {
		_, err := c.coll().InsertOne(bounded(t), bson.D{{Key: "_id", Value: i}})
		check(t, err)
	}
	c.take()
}

func TestSessions08SessionOfOneBatch(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		insert(t, c, 2)
		cur := c.coll().Find(ctx, nil)
		defer cur.Close()
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
		reused(t, c, ctx)
	})
}

func TestSessions09SessionOfTheLastBatch(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c, ctx := connect(t, dep), bounded(t)
		insert(t, c, 5)
		cur := c.coll().Find(ctx, nil, mgx.BatchSize(3))
		defer cur.Close()
		for range 4 {
			if !cur.Next() {
				t.Fatal(cur.Err())
			}
		}
		reused(t, c, ctx)
	})
}

func TestSessions11GetMoreInTheSessionOfFind(t *testing.T) {
	on(t, append([]string{standalone}, clustered...), func(t *testing.T, dep *mgxtest.Deployment) {
		insert(t, connect(t, dep), 3)
		for mode := mgx.Primary; mode <= mgx.Nearest; mode++ {
			c := connect(t, dep)
			coll := c.coll().With(mgx.WithReadPreference(mgx.ReadPreference{Mode: mode}))
			cur := coll.Find(bounded(t), nil, mgx.BatchSize(2))
			for range 3 {
				if !cur.Next() {
					t.Fatalf("%v: %v", mode, cur.Err())
				}
			}
			list := c.take()
			if len(list) != 2 || list[0].CommandName != "find" || list[1].CommandName != "getMore" {
				t.Fatalf("%v: sent %d commands", mode, len(list))
			}
			if find, more := text(list[0].Command, "lsid"), text(list[1].Command, "lsid"); find == "" || find != more {
				t.Errorf("%v: find in %q, getMore in %q", mode, find, more)
			}
			check(t, cur.Close())
		}
	})
}

func TestSessions14SessionsAfterCheckOut(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		operations := []func(context.Context, *client) error{
			sessionOperations["insert one"], sessionOperations["delete one"], sessionOperations["update one"], sessionOperations["bulk"],
			sessionOperations["find and delete"], sessionOperations["find and update"], sessionOperations["find and replace"], readOperations["find"],
		}
		once := false
		for range 10 {
			c := connect(t, dep, func(o *mgx.Options) {
				o.MaxPoolSize, o.RetryWrites = new(1), new(true)
				o.Hosts = o.Hosts[:1] // one mongos
			})
			ctx := bounded(t)
			var wg sync.WaitGroup
			for _, do := range operations {
				wg.Go(func() {
					if err := do(ctx, c); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			ids := map[string]bool{}
			for _, e := range c.take() {
				ids[text(e.Command, "lsid")] = true
			}
			once = once || len(ids) == 1
			if len(ids) >= len(operations) || ids[""] {
				t.Errorf("%d sessions: %v", len(ids), ids)
			}
		}
		if !once {
			t.Error("never was there one session only")
		}
	})
}

// withoutSessions has servers know no sessions.
func withoutSessions(dep *mgxtest.Deployment) {
	answerHello(dep, slices.DeleteFunc(standaloneHello(1000), func(e driverbson.E) bool { return e.Key == "logicalSessionTimeoutMinutes" }))
}

func TestSessions18ImplicitWithoutSupport(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		withoutSessions(dep)
		c, ctx := connect(t, dep), bounded(t)
		_ = c.coll().FindOne(ctx, nil).Err()
		_, _ = c.coll().InsertOne(ctx, bson.D{})
		list := c.take()
		for _, e := range list {
			if text(e.Command, "lsid") != "" {
				t.Errorf("sent: %s", e.Command)
			}
		}
		if len(list) != 2 {
			t.Errorf("%d commands", len(list))
		}
	})
}

func TestSessions19ExplicitWithoutSupport(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		withoutSessions(dep)
		c := connect(t, dep)
		ctx, session, err := c.StartSession(bounded(t), nil)
		check(t, err)
		defer session.End(ctx)
		_, write := c.coll().InsertOne(ctx, bson.D{})
		for _, err := range []error{c.coll().FindOne(ctx, nil).Err(), write} {
			if !errors.Is(err, mgx.ErrUnsupported) {
				t.Errorf("the error is %v", err)
			}
		}
		if names := c.names(); len(names) > 0 {
			t.Errorf("sent: %v", names)
		}
	})
}

func TestSessions20NoGossipByMonitors(t *testing.T) {
	on(t, []string{replicaSet, sharded}, func(t *testing.T, dep *mgxtest.Deployment) {
		c1 := connect(t, dep, func(o *mgx.Options) {
			o.HeartbeatInterval, o.DirectConnection, o.ReplicaSet = 500*time.Millisecond, new(true), ""
			if p := dep.Primary(); len(dep.Mongoses()) == 0 {
				o.Hosts = []string{p.Addr()}
			} else {
				o.Hosts = o.Hosts[:1]
			}
		})
		ctx := bounded(t)
		ping := func() { check(t, c1.Database("admin").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err()) }
		var mu sync.Mutex
		hellos := 0
		defer dep.OnReply(func(cmd mgxtest.Command) {
			if cmd.Name != "hello" && cmd.Name != "isMaster" && cmd.Name != "ismaster" {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			hellos++
			if _, err := cmd.Body.LookupErr("$clusterTime"); err == nil {
				t.Error("a hello has a $clusterTime")
			}
		})()
		ping()
		clusterTime := text(c1.reply(), "$clusterTime")
		_, err := connect(t, dep).coll().InsertOne(ctx, bson.D{{Key: "advance", Value: "$clusterTime"}})
		check(t, err)
		mu.Lock()
		before := hellos
		mu.Unlock()
		for now := before; now < before+2; {
			time.Sleep(10 * time.Millisecond)
			check(t, ctx.Err())
			mu.Lock()
			now = hellos
			mu.Unlock()
		}
		c1.take()
		ping()
		if got := text(c1.take()[0].Command, "$clusterTime"); got != clusterTime || got == "" {
			t.Errorf("sent %s, after a reply with %s", got, clusterTime)
		}
	})
}

func TestSessions21SnapshotTimeWithoutSnapshot(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		_, _, err := connect(t, dep).StartSession(bounded(t), &mgx.SessionOptions{SnapshotTime: bson.Timestamp{T: 1}})
		if !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("the error is %v", err)
		}
	})
}

// The error is a zero time here, as with all that a session has not got yet.
func TestSessions22SnapshotTimeOfAnotherSession(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		c := connect(t, dep)
		insert(t, c, 1)
		ctx, session, err := c.StartSession(bounded(t), nil)
		check(t, err)
		defer session.End(ctx)
		check(t, c.coll().FindOne(ctx, nil).Err())
		if at := session.SnapshotTime(); !at.IsZero() {
			t.Errorf("the snapshot time is %v", at)
		}
	})
}
