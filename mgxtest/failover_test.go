package mgxtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mgxdb/mgx/mgxtest"
)

func TestStartIsFast(t *testing.T) {
	best := time.Hour
	for range 3 {
		start := time.Now()
		dep, err := mgxtest.NewReplicaSet(3)
		best = min(best, time.Since(start))
		must(t, err)
		if dep.Primary() == nil {
			t.Error("a new set has no primary")
		}
		dep.Close()
	}
	t.Logf("three members in %v", best)
	if best > 100*time.Millisecond {
		t.Errorf("a set of three took %v", best)
	}
}

func TestStepDownKeepsConnectionsAndWrites(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	ctx := context10(t)
	coll := connect(t, dep.URI()).Database("shop").Collection("orders")
	for i := range 5 {
		if _, err := coll.InsertOne(ctx, kv("_id", i)); err != nil {
			t.Fatal(err)
		}
		old := dep.Primary()
		must(t, dep.StepDown())
		// The next insert is retried by the driver until the new primary has it.
		if _, err := coll.InsertOne(ctx, kv("_id", 100+i)); err != nil {
			t.Fatal(err)
		}
		now, err := dep.WaitPrimary(ctx)
		must(t, err)
		if now == old {
			t.Fatalf("%s is primary again", old)
		}
	}
	if n := count(t, coll, kv()); n != 10 {
		t.Fatalf("counted %d", n)
	}
}

func TestReplSetStepDownCommand(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	ctx := context10(t)
	client := connect(t, dep.URI())
	must(t, client.Ping(ctx, nil))
	opened := dep.Primary().Stats().Opened
	old := dep.Primary()
	must(t, client.Database("admin").RunCommand(ctx, kv("replSetStepDown", 60, "force", true)).Err())
	if _, err := dep.WaitPrimary(ctx); err != nil {
		t.Fatal(err)
	}
	if dep.Primary() == old || old.State() != "SECONDARY" {
		t.Fatalf("the old primary is %s", old.State())
	}
	if s := old.Stats(); s.Opened < opened || s.Open == 0 {
		t.Fatalf("the step-down closed connections: %+v", s)
	}
}

func TestKillAndRestart(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	ctx := context10(t)
	coll := connect(t, dep.URI()).Database("shop").Collection("orders")
	_, err := coll.InsertOne(ctx, kv("_id", 1))
	must(t, err)
	old := dep.Primary()
	old.Kill()
	_, err = coll.InsertOne(ctx, kv("_id", 2))
	must(t, err)
	must(t, old.Restart())
	if old.State() != "SECONDARY" {
		t.Fatalf("the restarted member is %s", old.State())
	}
	direct := connect(t, old.URI()).Database("shop").Collection("orders")
	if n := count(t, direct, kv()); n != 2 {
		t.Fatalf("the restarted member has %d documents", n)
	}
}

func TestPartitionRollsBack(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	ctx := context10(t)
	client := connect(t, dep.URI())
	coll := client.Database("shop").Collection("orders")
	_, err := coll.InsertOne(ctx, kv("_id", "before"))
	must(t, err)
	old := dep.Primary()
	dep.Partition(old)
	lonely := connect(t, old.URI()).Database("shop").Collection("orders",
		options.Collection().SetWriteConcern(writeconcern.W1()))
	_, err = lonely.InsertOne(ctx, kv("_id", "lost"))
	must(t, err)
	for dep.Primary() == old {
		time.Sleep(time.Millisecond)
	}
	for {
		if _, err = coll.InsertOne(ctx, kv("_id", "kept")); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	dep.Heal()
	if old.RolledBack() == 0 {
		t.Error("nothing was rolled back")
	}
	if n := count(t, connect(t, old.URI()).Database("shop").Collection("orders"), kv("_id", "lost")); n != 0 {
		t.Error("the unacknowledged write survived")
	}
	if n := count(t, coll, kv()); n != 2 {
		t.Errorf("counted %d documents", n)
	}
}

func TestMajorityWriteTimesOutOnALonelyPrimary(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.ElectionTimeout(time.Hour))
	ctx := context10(t)
	dep.Partition(dep.Secondaries()...)
	db := connect(t, dep.Primary().URI()).Database("shop")
	res := db.RunCommand(ctx, kv("insert", "orders", "documents", bson.A{kv("_id", 1)},
		"writeConcern", kv("w", "majority", "wtimeout", 30)))
	var ce mongo.WriteException
	if err := res.Err(); !errors.As(err, &ce) || ce.WriteConcernError == nil || ce.WriteConcernError.Code != 64 {
		t.Fatalf("expected a write concern timeout, got %v", err)
	}
	res = db.RunCommand(ctx, kv("insert", "orders", "documents", bson.A{kv("_id", 2)}, "writeConcern", kv("w", 4)))
	if err := res.Err(); !errors.As(err, &ce) || ce.WriteConcernError == nil || ce.WriteConcernError.Code != 100 {
		t.Fatalf("expected an unsatisfiable write concern, got %v", err)
	}
	majority := options.RunCmd()
	var out struct {
		Cursor struct{ FirstBatch []bson.Raw }
	}
	must(t, db.RunCommand(ctx, kv("find", "orders", "readConcern", kv("level", "majority")), majority).Decode(&out))
	if len(out.Cursor.FirstBatch) != 0 {
		t.Errorf("a majority read saw %d uncommitted documents", len(out.Cursor.FirstBatch))
	}
}

func TestSecondaryReadsByTagAndLag(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Tags(1, "dc", "east"), mgxtest.Tags(2, "dc", "west"))
	ctx := context10(t)
	client := connect(t, dep.URI())
	coll := client.Database("shop").Collection("orders")
	_, err := coll.InsertOne(ctx, kv("_id", 1))
	must(t, err)
	west := dep.Members()[2]
	west.PauseReplication()
	_, err = coll.InsertOne(ctx, kv("_id", 2))
	must(t, err)
	read := func(dc string) int64 {
		pref, err := readpref.New(readpref.SecondaryMode, readpref.WithTags("dc", dc))
		must(t, err)
		return count(t, client.Database("shop").Collection("orders", options.Collection().SetReadPreference(pref)), kv())
	}
	if n := read("east"); n != 2 {
		t.Errorf("east has %d", n)
	}
	if n := read("west"); n != 1 {
		t.Errorf("west, which lags, has %d", n)
	}
	west.ResumeReplication()
	if n := read("west"); n != 2 {
		t.Errorf("west has %d after it caught up", n)
	}
}

func TestHiddenPassiveArbiter(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 5, mgxtest.Hidden(2), mgxtest.Priority(3, 0), mgxtest.Arbiter(4), mgxtest.Priority(1, 5))
	ctx := context10(t)
	if got := dep.Primary(); got != dep.Members()[1] {
		t.Errorf("the primary is %s, not the member of highest priority", got)
	}
	var hello struct {
		Hosts, Passives, Arbiters []string
		Hidden, ArbiterOnly       bool
	}
	must(t, connect(t, dep.Members()[0].URI()).Database("admin").RunCommand(ctx, kv("hello", 1)).Decode(&hello))
	if len(hello.Hosts) != 2 || len(hello.Passives) != 1 || len(hello.Arbiters) != 1 {
		t.Errorf("hello %+v", hello)
	}
	must(t, connect(t, dep.Members()[2].URI()).Database("admin").RunCommand(ctx, kv("hello", 1)).Decode(&hello))
	if !hello.Hidden {
		t.Errorf("hello of the hidden member %+v", hello)
	}
	must(t, connect(t, dep.Members()[4].URI()).Database("admin").RunCommand(ctx, kv("hello", 1)).Decode(&hello))
	if !hello.ArbiterOnly {
		t.Errorf("hello of the arbiter %+v", hello)
	}
}

func TestReadsAndWritesOnASecondaryAreRefused(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 2)
	client := connect(t, dep.Secondaries()[0].URI())
	// A context without a deadline makes the driver retry once, not until the deadline.
	_, err := client.Database("shop").Collection("orders").InsertOne(t.Context(), kv("_id", 1))
	var se mongo.ServerError
	if !errors.As(err, &se) || !se.HasErrorCode(10107) || !se.HasErrorLabel("RetryableWriteError") {
		t.Fatalf("writing to a secondary: %v", err)
	}
}

// TestEveryAcknowledgedWriteIsThereOnce works through elections, crashes and
// partitions.
func TestEveryAcknowledgedWriteIsThereOnce(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.ElectionTimeout(40*time.Millisecond), mgxtest.StalePrimary(90*time.Millisecond))
	client := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetHeartbeatInterval(500 * time.Millisecond) })
	coll := client.Database("shop").Collection("orders")
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	var acked sync.Map
	var n, failed atomic.Int64
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				if _, err := coll.InsertOne(context.Background(), kv("_id", id)); err == nil {
					acked.Store(id, true)
					n.Add(1)
				} else if mongo.IsDuplicateKeyError(err) {
					t.Errorf("%s was inserted twice: %v", id, err)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		p, err := dep.WaitPrimary(ctx)
		if err != nil {
			break
		}
		switch i % 3 {
		case 0:
			_ = dep.StepDown()
		case 1:
			p.Kill()
			time.Sleep(120 * time.Millisecond)
			must(t, p.Restart())
		case 2:
			dep.Partition(p)
			time.Sleep(150 * time.Millisecond)
			dep.Heal()
		}
		time.Sleep(80 * time.Millisecond)
	}
	wg.Wait()
	dep.Heal()
	if _, err := dep.WaitPrimary(context10(t)); err != nil {
		t.Fatal(err)
	}
	cur, err := coll.Find(context10(t), kv())
	must(t, err)
	seen := map[string]bool{}
	for cur.Next(context10(t)) {
		seen[cur.Current.Lookup("_id").StringValue()] = true
	}
	must(t, cur.Err())
	acked.Range(func(id, _ any) bool {
		if !seen[id.(string)] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
		return true
	})
	t.Logf("%d writes acknowledged, %d failed, %d stored", n.Load(), failed.Load(), len(seen))
	if n.Load() == 0 {
		t.Error("no write was acknowledged")
	}
}
