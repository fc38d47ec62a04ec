package classic

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// What is handed out for keeping must not change when the buffers that it was read
// into are used again. With the race detector they are overwritten at once.
func TestKeptDocumentsStay(t *testing.T) {
	c := connectTo(t, mgxtest.Standalone(t).URI(), func(o *mgx.Options) { o.MaxPoolSize = new(2) })
	coll := c.Database("buffers").Collection("c")
	const n = 60
	want := make([]bson.Raw, n)
	for i := range want {
		var err error
		want[i], err = bson.Marshal(bson.D{{Key: "_id", Value: int32(i)}, {Key: "text", Value: fmt.Sprintf("%0500d", i)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := coll.InsertMany(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	ways := []struct {
		name string
		get  func(cur *mgx.Cursor) ([]bson.Raw, error)
	}{
		{"Collect", mgx.Collect[bson.Raw]},
		{"Each", func(cur *mgx.Cursor) (list []bson.Raw, err error) {
			for doc, err := range mgx.Each[bson.Raw](cur) {
				if err != nil {
					return nil, err
				}
				list = append(list, doc)
			}
			return list, nil
		}},
		{"All", func(cur *mgx.Cursor) (list []bson.Raw, err error) { return list, cur.All(&list) }},
		{"Decode", func(cur *mgx.Cursor) (list []bson.Raw, err error) {
			for cur.Next() {
				var doc bson.Raw
				if err := cur.Decode(&doc); err != nil {
					return nil, err
				}
				list = append(list, doc)
			}
			return list, cur.Err()
		}},
		{"a part decoded", func(cur *mgx.Cursor) (list []bson.Raw, err error) {
			for cur.Next() {
				var doc struct {
					ID   int32         `bson:"_id"`
					Text bson.RawValue `bson:"text"`
				}
				if err := cur.Decode(&doc); err != nil {
					return nil, err
				}
				whole, err := bson.Marshal(doc)
				if err != nil {
					return nil, err
				}
				list = append(list, whole)
			}
			return list, cur.Err()
		}},
		// Documents of a batch that others were looked at before.
		{"Next, then Collect", func(cur *mgx.Cursor) (list []bson.Raw, err error) {
			for range 13 {
				if !cur.Next() {
					return nil, cur.Err()
				}
				list = append(list, bytes.Clone(cur.Current()))
			}
			rest, err := mgx.Collect[bson.Raw](cur)
			return append(list, rest...), err
		}},
		{"views", func(cur *mgx.Cursor) (list []bson.Raw, err error) {
			for cur.Next() {
				list = append(list, bytes.Clone(cur.Current()))
			}
			return list, cur.Err()
		}},
	}
	for name, options := range map[string][]mgx.FindOption{
		"plain": nil, "prefetch": {mgx.Prefetch()}, "exhaust": {mgx.Exhaust()}, "both": {mgx.Prefetch(), mgx.Exhaust()},
	} {
		for _, way := range ways {
			t.Run(name+"/"+way.name, func(t *testing.T) {
				got, err := way.get(coll.Find(t.Context(), nil, append(options, mgx.Sort("_id"), mgx.BatchSize(10))...))
				if err != nil {
					t.Fatal(err)
				}
				useBuffers(t, coll)
				sameDocuments(t, got, want)
			})
		}
	}
}

// The other calls that give documents away.
func TestKeptRepliesStay(t *testing.T) {
	c := connectTo(t, mgxtest.Standalone(t).URI())
	db := c.Database("buffers")
	coll := db.Collection("c")
	if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "text", Value: "kept"}}); err != nil {
		t.Fatal(err)
	}
	get := map[string]func(ctx context.Context) (bson.Raw, error){
		"FindOne": func(ctx context.Context) (bson.Raw, error) { return mgx.FindOne[bson.Raw](ctx, coll, nil) },
		"SingleResult": func(ctx context.Context) (bson.Raw, error) {
			return coll.FindOne(ctx, nil).Raw()
		},
		"FindOneAndUpdate": func(ctx context.Context) (bson.Raw, error) {
			return coll.FindOneAndUpdate(ctx, nil, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}).Raw()
		},
		"RunCommand": func(ctx context.Context) (bson.Raw, error) {
			return db.RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Raw()
		},
		"ServerInfo": func(ctx context.Context) (bson.Raw, error) {
			info, err := c.ServerInfo(ctx)
			return info.Raw, err
		},
	}
	for name, run := range get {
		t.Run(name, func(t *testing.T) {
			doc, err := run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := doc.Validate(); err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(doc)
			useBuffers(t, coll)
			if !bytes.Equal(doc, before) {
				t.Errorf("%x became %x", before, doc)
			}
		})
	}
}

// useBuffers has other replies read into what buffers are free.
func useBuffers(t *testing.T, coll *mgx.Collection) {
	t.Helper()
	for range 4 {
		list, err := mgx.Collect[bson.D](coll.Find(t.Context(), nil, mgx.Sort("-_id"), mgx.BatchSize(10)))
		if err != nil || len(list) == 0 {
			t.Fatal(len(list), err)
		}
	}
}

func sameDocuments(t *testing.T, got, want []bson.Raw) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("document %d became %x", i, got[i][:min(len(got[i]), 40)])
		}
	}
}
