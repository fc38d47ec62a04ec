package mgxtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx/mgxtest"
)

func kv(pairs ...any) bson.D {
	out := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return out
}

// connect opens a client of the official driver, which judges the simulation.
func connect(t testing.TB, uri string, more ...func(*options.ClientOptions)) *mongo.Client {
	t.Helper()
	opts := options.Client().ApplyURI(uri).SetServerSelectionTimeout(10 * time.Second).SetHeartbeatInterval(500 * time.Millisecond)
	for _, fn := range more {
		fn(opts)
	}
	c, err := mongo.Connect(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Disconnect(ctx)
	})
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func context10(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func count(t testing.TB, c *mongo.Collection, filter any) int64 {
	t.Helper()
	n, err := c.CountDocuments(context10(t), filter)
	must(t, err)
	return n
}

// eachKind runs a test against every kind of deployment.
func eachKind(t *testing.T, run func(t *testing.T, dep *mgxtest.Deployment)) {
	t.Run("standalone", func(t *testing.T) { run(t, mgxtest.Standalone(t)) })
	t.Run("replica set", func(t *testing.T) { run(t, mgxtest.ReplicaSet(t, 3)) })
	t.Run("sharded", func(t *testing.T) { run(t, mgxtest.Sharded(t)) })
	t.Run("load balanced", func(t *testing.T) { run(t, mgxtest.LoadBalanced(t)) })
}

func TestCRUD(t *testing.T) {
	eachKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		ctx := context10(t)
		coll := connect(t, dep.URI()).Database("shop").Collection("orders")
		var docs []any
		for i := range 250 {
			docs = append(docs, kv("_id", i, "qty", i%10, "item", kv("name", "tea")))
		}
		if _, err := coll.InsertMany(ctx, docs); err != nil {
			t.Fatal(err)
		}
		cur, err := coll.Find(ctx, kv("qty", kv("$gte", 5)), options.Find().SetBatchSize(10).SetSort(kv("_id", -1)))
		must(t, err)
		var found []bson.M
		must(t, cur.All(ctx, &found))
		if len(found) != 125 || found[0]["_id"] != int32(249) {
			t.Fatalf("found %d documents, first %v", len(found), found[0])
		}
		up, err := coll.UpdateMany(ctx, kv("qty", 3), kv("$inc", kv("qty", 100), "$set", kv("item.name", "coffee")))
		must(t, err)
		if up.ModifiedCount != 25 {
			t.Fatalf("modified %d", up.ModifiedCount)
		}
		one, err := coll.UpdateOne(ctx, kv("_id", "new"), kv("$set", kv("a", 1)), options.UpdateOne().SetUpsert(true))
		must(t, err)
		if one.UpsertedID != "new" {
			t.Fatalf("upserted %v", one.UpsertedID)
		}
		var got bson.M
		must(t, coll.FindOneAndUpdate(ctx, kv("_id", 3), kv("$set", kv("x", true)), options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&got))
		if got["x"] != true || got["qty"] != int32(103) {
			t.Fatalf("findAndModify returned %v", got)
		}
		del, err := coll.DeleteMany(ctx, kv("qty", kv("$lt", 5)))
		must(t, err)
		if del.DeletedCount != 100 {
			t.Fatalf("deleted %d", del.DeletedCount)
		}
		if n := count(t, coll, kv()); n != 151 {
			t.Fatalf("counted %d", n)
		}
		agg, err := coll.Aggregate(ctx, bson.A{
			kv("$match", kv("qty", kv("$exists", true))),
			kv("$group", kv("_id", "$item.name", "n", kv("$sum", 1))),
			kv("$sort", kv("_id", 1)),
		})
		must(t, err)
		var groups []bson.M
		must(t, agg.All(ctx, &groups))
		if len(groups) != 2 || groups[0]["_id"] != "coffee" || groups[0]["n"] != int32(25) || groups[1]["n"] != int32(125) {
			t.Fatalf("groups %v", groups)
		}
		_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: kv("code", 1), Options: options.Index().SetUnique(true).SetSparse(true)})
		must(t, err)
		_, err = coll.InsertMany(ctx, []any{kv("code", 1), kv("code", 2)})
		must(t, err)
		_, err = coll.InsertOne(ctx, kv("code", 2.0))
		if !mongo.IsDuplicateKeyError(err) {
			t.Fatalf("inserting a duplicate: %v", err)
		}
	})
}

func TestBulkAndClientBulk(t *testing.T) {
	eachKind(t, func(t *testing.T, dep *mgxtest.Deployment) {
		ctx := context10(t)
		client := connect(t, dep.URI())
		coll := client.Database("shop").Collection("bulk")
		res, err := coll.BulkWrite(ctx, []mongo.WriteModel{
			mongo.NewInsertOneModel().SetDocument(kv("_id", 1)),
			mongo.NewInsertOneModel().SetDocument(kv("_id", 2)),
			mongo.NewUpdateOneModel().SetFilter(kv("_id", 1)).SetUpdate(kv("$set", kv("a", 1))),
			mongo.NewReplaceOneModel().SetFilter(kv("_id", 9)).SetReplacement(kv("b", 1)).SetUpsert(true),
			mongo.NewDeleteOneModel().SetFilter(kv("_id", 2)),
		})
		must(t, err)
		if res.InsertedCount != 2 || res.ModifiedCount != 1 || res.UpsertedCount != 1 || res.DeletedCount != 1 {
			t.Fatalf("bulk %+v", res)
		}
		_, err = coll.BulkWrite(ctx, []mongo.WriteModel{
			mongo.NewInsertOneModel().SetDocument(kv("_id", 1)),
			mongo.NewInsertOneModel().SetDocument(kv("_id", 3)),
		}, options.BulkWrite().SetOrdered(false))
		var we mongo.BulkWriteException
		if !errors.As(err, &we) || len(we.WriteErrors) != 1 || we.WriteErrors[0].Code != 11000 {
			t.Fatalf("unordered bulk with a duplicate: %v", err)
		}
		if n := count(t, coll, kv()); n != 3 {
			t.Fatalf("counted %d", n)
		}
		cres, err := client.BulkWrite(ctx, []mongo.ClientBulkWrite{
			{Database: "shop", Collection: "bulk", Model: mongo.NewClientInsertOneModel().SetDocument(kv("_id", 10))},
			{Database: "shop", Collection: "other", Model: mongo.NewClientUpdateOneModel().SetFilter(kv("_id", 1)).SetUpdate(kv("$set", kv("x", 1))).SetUpsert(true)},
			{Database: "shop", Collection: "bulk", Model: mongo.NewClientDeleteManyModel().SetFilter(kv("_id", kv("$lt", 3)))},
		}, options.ClientBulkWrite().SetVerboseResults(true))
		must(t, err)
		if cres.InsertedCount != 1 || cres.UpsertedCount != 1 || cres.DeletedCount != 1 || cres.UpdateResults[1].UpsertedID != int32(1) {
			t.Fatalf("client bulk %+v", cres)
		}
	})
}
