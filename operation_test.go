package mgx

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// timeoutMS bounds the whole of an operation: each command of a bulk write has what
// those before it left.
func TestTimeoutOnceForTheOperation(t *testing.T) {
	const (
		timeout = 400 * time.Millisecond
		each    = 150 * time.Millisecond
	)
	var inserts atomic.Int32
	hello := scripted.Hello(bson.E{Key: "maxWriteBatchSize", Value: 1})
	s := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "insert" || r.Name == "update" || r.Name == "bulkWrite" {
			inserts.Add(1)
			time.Sleep(each)
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}, {"nModified", 1}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s, func(o *Options) { o.Timeout = timeout })
	coll := c.Database("db").Collection("c")
	docs := make([]bson.D, 10)
	models := make([]WriteModel, len(docs))
	for i := range docs {
		docs[i] = bson.D{{"_id", i}}
		models[i] = InsertOneModel(docs[i])
		if i%2 == 1 {
			models[i] = UpdateOneModel(docs[i], bson.D{{"$set", bson.D{{"a", 1}}}})
		}
	}
	for name, write := range map[string]func() error{
		"insert many": func() error { _, err := coll.InsertMany(t.Context(), docs); return err },
		"bulk write":  func() error { _, err := coll.BulkWrite(t.Context(), models); return err },
	} {
		inserts.Store(0)
		err := write()
		is(t, err, []error{ErrTimeout})
		if n := int(inserts.Load()); n < 1 || n > 3 {
			t.Errorf("%s: %d commands of %v within a timeout of %v", name, n, each, timeout)
		}
	}
}

// No operation takes a nil context; it says which one it was.
func TestNilContextEverywhere(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s)
	coll := c.Database("db").Collection("c")
	var none context.Context
	for name, call := range map[string]func() error{
		"ping":        func() error { return c.Ping(none) },
		"insert one":  func() error { _, err := coll.InsertOne(none, bson.D{}); return err },
		"insert many": func() error { _, err := coll.InsertMany(none, []bson.D{{}}); return err },
		"bulk write":  func() error { _, err := coll.BulkWrite(none, []WriteModel{InsertOneModel(bson.D{})}); return err },
		"client bulk write": func() error {
			_, err := c.BulkWrite(none, []ClientWrite{{Collection: coll, Model: InsertOneModel(bson.D{})}})
			return err
		},
		"find":      func() error { cur := coll.Find(none, nil); cur.Next(); return cur.Err() },
		"aggregate": func() error { cur := coll.Aggregate(none, bson.A{bson.D{{"$out", "x"}}}); return cur.Err() },
		"explain":   func() error { _, err := coll.Find(none, nil).Explain(""); return err },
	} {
		t.Run(name, func(t *testing.T) { is(t, call(), []error{ErrInvalidArgument}) })
	}
	if c.Alive(none) {
		t.Error("a server is alive for no context")
	}
}
