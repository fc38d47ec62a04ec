package mgxtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx/mgxtest"
)

func TestBulkWrite(t *testing.T) {
	eachKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		ctx := context10(t)
		client := connect(t, dep.URI())
		res, err := client.BulkWrite(ctx, []mongo.ClientBulkWrite{
			{Database: "shop", Collection: "a", Model: mongo.NewClientInsertOneModel().SetDocument(kv("_id", 1))},
			{Database: "shop", Collection: "b", Model: mongo.NewClientInsertOneModel().SetDocument(kv("_id", 1))},
			{Database: "shop", Collection: "a", Model: mongo.NewClientUpdateOneModel().SetFilter(kv("_id", 1)).SetUpdate(kv("$set", kv("x", 1)))},
			{Database: "shop", Collection: "b", Model: mongo.NewClientReplaceOneModel().SetFilter(kv("_id", 7)).SetReplacement(kv("x", 1)).SetUpsert(true)},
			{Database: "shop", Collection: "b", Model: mongo.NewClientUpdateManyModel().SetFilter(kv()).SetUpdate(kv("$set", kv("x", 1)))},
			{Database: "shop", Collection: "b", Model: mongo.NewClientDeleteManyModel().SetFilter(kv("x", 1))},
		}, options.ClientBulkWrite().SetVerboseResults(true))
		must(t, err)
		if res.InsertedCount != 2 || res.MatchedCount != 3 || res.ModifiedCount != 2 || res.UpsertedCount != 1 || res.DeletedCount != 2 {
			t.Errorf("%+v", res)
		}
		if u := res.UpdateResults; len(res.InsertResults) != 2 || len(res.DeleteResults) != 1 || len(u) != 3 || u[3].UpsertedID != int32(7) || u[4].MatchedCount != 2 || u[4].ModifiedCount != 1 {
			t.Errorf("%+v", res)
		}
		if n := count(t, client.Database("shop").Collection("a"), kv("x", 1)); n != 1 {
			t.Errorf("%d documents", n)
		}
	})
}

func TestBulkWriteErrors(t *testing.T) {
	client := connect(t, mgxtest.ReplicaSet(t, 1).URI())
	coll := client.Database("shop").Collection("a")
	for ordered, want := range map[bool]struct {
		failed   []int
		inserted int64
	}{true: {[]int{1}, 1}, false: {[]int{1, 3}, 3}} {
		must(t, coll.Drop(context10(t)))
		var writes []mongo.ClientBulkWrite
		for _, id := range []int{1, 1, 2, 2, 3} {
			writes = append(writes, mongo.ClientBulkWrite{Database: "shop", Collection: "a", Model: mongo.NewClientInsertOneModel().SetDocument(kv("_id", id))})
		}
		_, err := client.BulkWrite(context10(t), writes, options.ClientBulkWrite().SetOrdered(ordered))
		var e mongo.ClientBulkWriteException
		if !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		var failed []int
		for i, we := range e.WriteErrors {
			failed = append(failed, i)
			if we.Code != 11000 {
				t.Errorf("%+v", we)
			}
		}
		slices.Sort(failed)
		if !slices.Equal(failed, want.failed) || e.PartialResult == nil || e.PartialResult.InsertedCount != want.inserted {
			t.Errorf("ordered %v: %v failed, %+v", ordered, failed, e.PartialResult)
		}
	}
}

// Results come in batches of the size that is asked for; with errorsOnly, those
// that are not errors do not come.
func TestBulkWriteCursor(t *testing.T) {
	eachKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		client := connect(t, dep.URI())
		admin := client.Database("admin")
		ops := bson.A{}
		for _, id := range []int{1, 2, 2, 3} {
			ops = append(ops, kv("insert", 0, "document", kv("_id", id)))
		}
		for errorsOnly, want := range map[bool][]int32{false: {0, 1, 2, 3}, true: {2}} {
			must(t, client.Database("shop").Drop(context10(t)))
			cur, err := admin.RunCommandCursor(context10(t), kv(
				"bulkWrite", 1, "ops", ops, "nsInfo", bson.A{kv("ns", "shop.a")}, "ordered", false, "errorsOnly", errorsOnly, "cursor", kv("batchSize", 1)))
			must(t, err)
			var got []int32
			for cur.Next(context10(t)) {
				idx := cur.Current.Lookup("idx").Int32()
				got = append(got, idx)
				if ok := cur.Current.Lookup("ok").Double(); (ok == 1) == (idx == 2) {
					t.Errorf("%s", cur.Current)
				}
			}
			must(t, cur.Err())
			if !slices.Equal(got, want) {
				t.Errorf("errorsOnly %v: results of %v, want %v", errorsOnly, got, want)
			}
		}
	})
}

// A bulkWrite that comes again does nothing again, and says of which statements.
func TestBulkWriteAgain(t *testing.T) {
	client := connect(t, mgxtest.ReplicaSet(t, 1).URI())
	session, err := client.StartSession()
	must(t, err)
	defer session.EndSession(context.Background())
	ctx := mongo.NewSessionContext(context10(t), session)
	command := func(n int) bson.Raw {
		ops := bson.A{kv("insert", 0, "document", kv("_id", 1)), kv("update", 0, "filter", kv("_id", 1), "updateMods", kv("$inc", kv("n", 1)), "multi", false)}
		raw, err := client.Database("admin").RunCommand(ctx, kv(
			"bulkWrite", 1, "ops", ops[:n], "nsInfo", bson.A{kv("ns", "shop.a")}, "txnNumber", int64(1))).Raw()
		must(t, err)
		return raw
	}
	command(1)
	raw := command(2)
	again, _ := raw.Lookup("retriedStmtIds").Array().Values()
	if len(again) != 1 || again[0].Int32() != 0 || raw.Lookup("nInserted").Int32() != 1 || raw.Lookup("nModified").Int32() != 1 {
		t.Errorf("%s", raw)
	}
	if n := count(t, client.Database("shop").Collection("a"), kv("n", 1)); n != 1 {
		t.Errorf("%d documents", n)
	}
}

func TestBulkWriteRefusals(t *testing.T) {
	client := connect(t, mgxtest.Standalone(t).URI())
	insert := kv("insert", 0, "document", kv("_id", 1))
	ns := bson.A{kv("ns", "shop.a")}
	for name, tt := range map[string]struct {
		db      string
		command bson.D
		code    int32
	}{
		"not on admin":     {"shop", kv("bulkWrite", 1, "ops", bson.A{insert}, "nsInfo", ns), 13},
		"no operations":    {"admin", kv("bulkWrite", 1, "ops", bson.A{}, "nsInfo", ns), 16},
		"unknown argument": {"admin", kv("bulkWrite", 1, "ops", bson.A{insert}, "nsInfo", ns, "colour", 1), 40415},
		"bad index":        {"admin", kv("bulkWrite", 1, "ops", bson.A{kv("insert", 1, "document", kv())}, "nsInfo", ns), 2},
		"bad namespace":    {"admin", kv("bulkWrite", 1, "ops", bson.A{insert}, "nsInfo", bson.A{kv("ns", "shop.")}), 73},
	} {
		err := client.Database(tt.db).RunCommand(context10(t), tt.command).Err()
		var ce mongo.CommandError
		if !errors.As(err, &ce) || ce.Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}
