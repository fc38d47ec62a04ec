package mgx

import (
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// A write that the server is too old for is refused without anybody hearing of it, if
// its write concern is w=0: so mgx refuses it. With an answer, that is the server's
// business.
func TestUnacknowledgedWritesOfOldServers(t *testing.T) {
	set, one := bson.D{{"$set", bson.D{{"a", 1}}}}, bson.D{{"a", 1}}
	none := WithWriteConcern(Unacknowledged())
	all := WithWriteConcern(WriteConcern{W: 1})
	for name, tt := range map[string]struct {
		before int // the first wire version that knows it
		call   func(c *Collection, w WriteConcernOption) error
	}{
		"insert, comment": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.InsertOne(t.Context(), one, w, Comment("c")))
		}},
		"insert many, comment": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.InsertMany(t.Context(), []bson.D{one}, w, Comment("c")))
		}},
		"update, sort": {25, func(c *Collection, w WriteConcernOption) error {
			return second(c.UpdateOne(t.Context(), one, set, w, Sort("a")))
		}},
		"replace, sort": {25, func(c *Collection, w WriteConcernOption) error {
			return second(c.ReplaceOne(t.Context(), one, one, w, Sort("a")))
		}},
		"update many, let": {13, func(c *Collection, w WriteConcernOption) error {
			return second(c.UpdateMany(t.Context(), one, set, w, Let(one)))
		}},
		"update, hint": {0, func(c *Collection, w WriteConcernOption) error {
			return second(c.UpdateOne(t.Context(), one, set, w, Hint("h")))
		}},
		"delete, hint": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.DeleteOne(t.Context(), one, w, Hint("h")))
		}},
		"delete many, let": {13, func(c *Collection, w WriteConcernOption) error {
			return second(c.DeleteMany(t.Context(), one, w, Let(one)))
		}},
		"find and update, hint": {9, func(c *Collection, w WriteConcernOption) error {
			return ignored(c.FindOneAndUpdate(t.Context(), one, set, w, Hint("h")).Err())
		}},
		"find and delete, sort": {0, func(c *Collection, w WriteConcernOption) error {
			return ignored(c.FindOneAndDelete(t.Context(), one, w, Sort("a")).Err())
		}},
		"find and replace, let": {13, func(c *Collection, w WriteConcernOption) error {
			return ignored(c.FindOneAndReplace(t.Context(), one, one, w, Let(one)).Err())
		}},
		"bulk, comment": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.BulkWrite(t.Context(), []WriteModel{InsertOneModel(one)}, w, Comment("c")))
		}},
		"bulk, sort": {25, func(c *Collection, w WriteConcernOption) error {
			return second(c.BulkWrite(t.Context(), []WriteModel{UpdateOneModel(one, set, Sort("a"))}, w))
		}},
		"bulk, hint of a delete": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.BulkWrite(t.Context(), []WriteModel{DeleteOneModel(one), DeleteOneModel(one, Hint("h"))}, w))
		}},
		"bulk, let of inserts": {0, func(c *Collection, w WriteConcernOption) error {
			return second(c.BulkWrite(t.Context(), []WriteModel{InsertOneModel(one)}, w, Let(one)))
		}},
		"drop, comment": {9, func(c *Collection, w WriteConcernOption) error { return c.Drop(t.Context(), w, Comment("c")) }},
		"index, comment": {9, func(c *Collection, w WriteConcernOption) error {
			return second(c.CreateIndex(t.Context(), Index{Keys: Keys("a")}, w, Comment("c")))
		}},
		"out, let": {13, func(c *Collection, w WriteConcernOption) error {
			return second(Collect[bson.D](c.Aggregate(t.Context(), bson.A{bson.D{{"$out", "o"}}}, w, Let(one))))
		}},
	} {
		for _, version := range []int{8, 9, 13, 21, 25} {
			var mu sync.Mutex
			sent := 0
			s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "maxWireVersion", Value: version}), func(p *scripted.Peer, r scripted.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				if r.Name != "ping" {
					sent++
				}
				return unacknowledged(r) || p.Answer(r, bulkReply(0, 1, nil, bson.E{Key: "n", Value: 1})) == nil
			}))
			client := openClient(t, s, func(o *Options) { o.MaxPoolSize = ptr(1) })
			c := client.Database("d").Collection("c")
			err, known := tt.call(c, none), version >= tt.before
			if known && err != nil {
				t.Errorf("%s, wire version %d: %v", name, version, err)
			}
			if !known {
				is(t, err, []error{ErrUnsupported})
			}
			if err := client.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			if (sent > 0) != known {
				t.Errorf("%s, wire version %d: %d commands were sent", name, version, sent)
			}
			mu.Unlock()
			if err := tt.call(c, all); err != nil {
				t.Errorf("%s with w=1, wire version %d: %v", name, version, err)
			}
		}
	}
}

// ignored is no error where nothing was found.
func ignored(err error) error {
	if err == ErrNoDocuments {
		return nil
	}
	return err
}
