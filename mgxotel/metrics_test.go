package mgxotel

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

var (
	idle = attribute.String("db.client.connection.state", "idle")
	used = attribute.String("db.client.connection.state", "used")
)

// Each operation is measured once, with what became of it.
func TestOperationDuration(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{})
	coll := r.Database("shop").Collection("tea")
	for range 3 {
		if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := coll.InsertMany(t.Context(), []bson.D{{{Key: "_id", Value: 1}}, {{Key: "_id", Value: 1}}}); err == nil {
		t.Fatal("no error")
	}
	_ = r.WithTransaction(t.Context(), func(ctx context.Context) error {
		_, err := coll.DeleteMany(ctx, nil)
		return err
	})
	const name = "db.client.operation.duration"
	insert := attribute.String("db.operation.name", "insert")
	for _, test := range []struct {
		with []attribute.KeyValue
		want int64
	}{
		{[]attribute.KeyValue{insert}, 4},
		{[]attribute.KeyValue{insert, attribute.String("error.type", "11000"), attribute.String("db.response.status_code", "11000")}, 1},
		{[]attribute.KeyValue{insert, attribute.String("db.namespace", "shop"), attribute.String("db.collection.name", "tea"), attribute.String("server.address", "127.0.0.1")}, 4},
		{[]attribute.KeyValue{attribute.String("db.operation.name", "commitTransaction")}, 1},
		{[]attribute.KeyValue{attribute.String("db.operation.name", "transaction")}, 0},
	} {
		if got := r.point(t, name, test.with...); got != test.want {
			t.Errorf("%v: %d, want %d", test.with, got, test.want)
		}
	}
}

// Connections are counted by what they do, and no more once the client is closed.
func TestConnections(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{}, func(o *mgx.Options) {
		o.MaxPoolSize, o.WaitQueueTimeout = new(int), 30*time.Millisecond
		*o.MaxPoolSize = 2
	})
	const count = "db.client.connection.count"
	check := func(when string, want map[string]int64) {
		t.Helper()
		got := map[string]int64{
			"idle": r.point(t, count, idle), "used": r.point(t, count, used),
			"waiting": r.point(t, "db.client.connection.pending_requests"), "max": r.point(t, "db.client.connection.max"),
			"timeouts": r.point(t, "db.client.connection.timeouts"),
		}
		for name, n := range got {
			if n != want[name] {
				t.Errorf("%s, %d are %s, want %d", when, n, name, want[name])
			}
		}
	}
	check("after one operation", map[string]int64{"idle": 1, "max": 2})
	first, one := r.StartRequest(t.Context())
	second, two := r.StartRequest(t.Context())
	for _, ctx := range []context.Context{first, second} {
		if err := r.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	check("in two requests", map[string]int64{"used": 2, "max": 2})
	if err := r.Ping(t.Context()); !errors.Is(err, mgx.ErrWaitQueueTimeout) {
		t.Fatal(err)
	}
	check("after a timeout", map[string]int64{"used": 2, "max": 2, "timeouts": 1})
	one.End()
	check("after one request", map[string]int64{"used": 1, "idle": 1, "max": 2, "timeouts": 1})
	two.End()
	for _, name := range []string{"db.client.connection.create_time", "db.client.connection.use_time", "db.client.connection.wait_time"} {
		if n := r.point(t, name); n < 2 {
			t.Errorf("%s has %d measurements", name, n)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after Close", map[string]int64{"timeouts": 1})
}
