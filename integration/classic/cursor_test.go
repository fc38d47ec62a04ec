package classic

import (
	"context"
	"errors"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// narrow returns a collection with a hundred documents, of a client that has one
// connection: what one operation does not give back, the next one lacks.
func narrow(t *testing.T, dep *mgxtest.Deployment) (*mgx.Client, *mgx.Collection) {
	t.Helper()
	c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.MaxPoolSize = new(1) })
	coll := c.Database("cursors").Collection("c")
	docs := make([]bson.D, 100)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}}
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return c, coll
}

func TestExhaustInRequest(t *testing.T) {
	c, coll := narrow(t, mgxtest.Standalone(t))
	ctx, request := c.StartRequest(t.Context())
	defer request.End()
	list, err := mgx.Collect[bson.D](coll.Find(ctx, nil, mgx.Exhaust(), mgx.BatchSize(10)))
	if err != nil || len(list) != 100 {
		t.Errorf("%d documents, %v", len(list), err)
	}
}

func TestExhaustWithPrefetchClosedEarly(t *testing.T) {
	c, coll := narrow(t, mgxtest.Standalone(t))
	for range 20 {
		cur := coll.Find(t.Context(), nil, mgx.Exhaust(), mgx.Prefetch(), mgx.BatchSize(10))
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
		if err := cur.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Fatalf("the connection was not given back: %v", err)
		}
	}
}

// The bytes of a batch are reused after Close, so there is no document any more.
func TestDecodeAfterClose(t *testing.T) {
	_, coll := narrow(t, mgxtest.Standalone(t))
	cur := coll.Find(t.Context(), nil, mgx.BatchSize(10))
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	if err := cur.Close(); err != nil {
		t.Fatal(err)
	}
	var doc bson.D
	if err := cur.Decode(&doc); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("%v, decoded %v", err, doc)
	}
	if cur.Current() != nil {
		t.Errorf("the current document is %v", cur.Current())
	}
}

// An output that was not confirmed as asked for fails the cursor, which behind a
// load balancer holds a connection by then.
func TestUnconfirmedOutputGivesConnectionBack(t *testing.T) {
	dep := mgxtest.LoadBalanced(t)
	c, coll := narrow(t, dep)
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"aggregate"}, Times: 1,
		WriteConcernError: &mgxtest.WriteConcernError{Code: 64, Message: "waiting for replication timed out"}})
	_, err := mgx.Collect[bson.D](coll.Aggregate(t.Context(), bson.A{bson.D{{Key: "$out", Value: "copy"}}}))
	var wce *mgx.WriteConcernError
	if !errors.As(err, &wce) {
		t.Errorf("%v", err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("the connection was not given back: %v", err)
	}
}

func TestUnacknowledgedOutput(t *testing.T) {
	_, coll := narrow(t, mgxtest.Standalone(t))
	coll = coll.Database().Collection("c", mgx.WithWriteConcern(mgx.WriteConcern{W: 0}))
	list, err := mgx.Collect[bson.D](coll.Aggregate(t.Context(), bson.A{bson.D{{Key: "$out", Value: "copy"}}}))
	if err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// What an ordered bulk write did not come to is told, also where the last of its
// group was refused.
func TestBulkUnsentGroups(t *testing.T) {
	_, coll := narrow(t, mgxtest.Standalone(t))
	_, err := coll.BulkWrite(context.Background(), []mgx.WriteModel{
		mgx.InsertOneModel(bson.D{{Key: "_id", Value: 1}}),
		mgx.DeleteOneModel(bson.D{{Key: "_id", Value: 2}}),
		mgx.InsertOneModel(bson.D{{Key: "_id", Value: 200}}),
	})
	var bulk *mgx.BulkWriteError
	if !errors.As(err, &bulk) || bulk.Unsent != 1 {
		t.Errorf("%+v", bulk)
	}
}
