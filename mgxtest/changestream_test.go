package mgxtest_test

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mgxdb/mgx/mgxtest"
)

// batch is the part of a change stream's reply that counts here.
type batch struct {
	Cursor struct {
		ID    int64
		First []bson.Raw `bson:"firstBatch"`
		Next  []bson.Raw `bson:"nextBatch"`
		Token bson.Raw   `bson:"postBatchResumeToken"`
	}
}

func (b *batch) kinds() []string {
	var kinds []string
	for _, ev := range append(b.Cursor.First, b.Cursor.Next...) {
		kinds = append(kinds, ev.Lookup("operationType").StringValue())
	}
	return kinds
}

func openStream(ctx context.Context, t *testing.T, c *mongo.Collection, size int, spec bson.D) (*batch, error) {
	t.Helper()
	var b batch
	err := c.Database().RunCommand(ctx, kv("aggregate", c.Name(), "pipeline", bson.A{kv("$changeStream", spec)},
		"cursor", kv("batchSize", size))).Decode(&b)
	return &b, err
}

func resumed(ctx context.Context, t *testing.T, c *mongo.Collection, size int, option string, token bson.Raw) *batch {
	t.Helper()
	b, err := openStream(ctx, t, c, size, kv(option, token))
	must(t, err)
	return b
}

// Who resumes from the token of any reply, the opening one included, gets every
// event that the stream has not handed out.
func TestResumeSkipsNothing(t *testing.T) {
	ctx := context10(t)
	coll := connect(t, mgxtest.ReplicaSet(t, 1).URI()).Database("shop").Collection("orders")
	start, err := openStream(ctx, t, coll, 0, bson.D{})
	must(t, err)
	const events = 5
	for i := range events {
		_, err := coll.InsertOne(ctx, kv("_id", i))
		must(t, err)
	}
	for size := range events + 2 {
		token, seen := start.Cursor.Token, 0
		for range 3 * events {
			b := resumed(ctx, t, coll, size, "resumeAfter", token)
			// The first batch, and one more of the same cursor.
			got := append([]bson.Raw{}, b.Cursor.First...)
			if size == 0 {
				if string(b.Cursor.Token) != string(token) {
					t.Fatalf("an empty opening reply moved the token from %s to %s", token, b.Cursor.Token)
				}
				var next batch
				must(t, coll.Database().RunCommand(t.Context(), kv("getMore", b.Cursor.ID, "collection", coll.Name(), "batchSize", 2, "maxTimeMS", 1)).Decode(&next))
				got, b.Cursor.Token = append(got, next.Cursor.Next...), next.Cursor.Token
			}
			for _, ev := range got {
				if id := int(ev.Lookup("documentKey", "_id").AsInt64()); id != seen {
					t.Fatalf("batches of %d: event %d came, %d is next", size, id, seen)
				}
				seen++
			}
			token = b.Cursor.Token
		}
		if seen != events {
			t.Errorf("batches of %d: %d events, want %d", size, seen, events)
		}
	}
}

// What a stream is invalidated by can be resumed from: the invalidation comes
// again, and startAfter goes on behind it.
func TestResumeAroundInvalidation(t *testing.T) {
	ctx := context10(t)
	coll := connect(t, mgxtest.ReplicaSet(t, 1).URI()).Database("shop").Collection("orders")
	_, err := coll.InsertOne(ctx, kv("_id", 1))
	must(t, err)
	start, err := openStream(ctx, t, coll, 0, bson.D{})
	must(t, err)
	must(t, coll.Drop(ctx))
	_, err = coll.InsertOne(ctx, kv("_id", 2))
	must(t, err)

	want := func(name string, b *batch, kinds ...string) {
		t.Helper()
		got := b.kinds()
		if len(got) != len(kinds) {
			t.Fatalf("%s: events %v, want %v", name, got, kinds)
		}
		for i := range kinds {
			if got[i] != kinds[i] {
				t.Fatalf("%s: events %v, want %v", name, got, kinds)
			}
		}
	}
	all := resumed(ctx, t, coll, 10, "resumeAfter", start.Cursor.Token)
	want("from the start", all, "drop", "invalidate")
	drop, invalidate := all.Cursor.First[0].Lookup("_id").Document(), all.Cursor.First[1].Lookup("_id").Document()
	want("after the drop", resumed(ctx, t, coll, 10, "resumeAfter", drop), "invalidate")
	want("after the invalidation", resumed(ctx, t, coll, 10, "startAfter", invalidate), "insert")
	if _, err := openStream(ctx, t, coll, 10, kv("resumeAfter", invalidate)); !hasCode(err, 260) {
		t.Errorf("resumeAfter an invalidation: %v, want code 260", err)
	}
}

func TestStreamNeedsItsTokens(t *testing.T) {
	ctx := context10(t)
	coll := connect(t, mgxtest.ReplicaSet(t, 1).URI()).Database("shop").Collection("orders")
	for name, stage := range map[string]bson.D{
		"removed": kv("$project", kv("_id", 0)),
		"changed": kv("$addFields", kv("_id", 1)),
	} {
		t.Run(name, func(t *testing.T) {
			cs, err := coll.Watch(ctx, bson.A{stage})
			must(t, err)
			defer cs.Close(ctx)
			_, err = coll.InsertOne(ctx, bson.D{})
			must(t, err)
			if cs.Next(ctx) || !hasCode(cs.Err(), 280) {
				t.Errorf("%v, want code 280", cs.Err())
			}
		})
	}
}

func hasCode(err error, code int) bool {
	var se mongo.ServerError
	return errors.As(err, &se) && se.HasErrorCode(code)
}
