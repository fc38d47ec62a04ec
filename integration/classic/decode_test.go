package classic

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// decoders are the places where documents are decoded into an any. Each returns
// what became of the field sub of a document {_id: 1, sub: …}.
type decoder struct {
	name string
	get  func(ctx context.Context, c *mgx.Collection) (any, error)
}

type sub struct{ Sub any }

func decoders() []decoder {
	one := func(list []sub, err error) (any, error) {
		if err != nil || len(list) != 1 {
			return nil, err
		}
		return list[0].Sub, nil
	}
	return []decoder{
		{"FindOne", func(ctx context.Context, c *mgx.Collection) (any, error) {
			doc, err := mgx.FindOne[sub](ctx, c, nil)
			return doc.Sub, err
		}},
		{"SingleResult", func(ctx context.Context, c *mgx.Collection) (any, error) {
			var doc sub
			err := c.FindOne(ctx, nil).Decode(&doc)
			return doc.Sub, err
		}},
		{"Find", func(ctx context.Context, c *mgx.Collection) (any, error) {
			return one(mgx.Collect[sub](c.Find(ctx, nil)))
		}},
		{"Aggregate", func(ctx context.Context, c *mgx.Collection) (any, error) {
			return one(mgx.Collect[sub](c.Aggregate(ctx, bson.A{})))
		}},
		{"Distinct", func(ctx context.Context, c *mgx.Collection) (any, error) {
			list, err := mgx.Distinct[any](ctx, c, "sub", nil)
			if err != nil || len(list) != 1 {
				return nil, err
			}
			return list[0], nil
		}},
		{"FindOneAndUpdate", func(ctx context.Context, c *mgx.Collection) (any, error) {
			var doc sub
			err := c.FindOneAndUpdate(ctx, nil, bson.D{{"$set", bson.D{{"x", 1}}}}).Decode(&doc)
			return doc.Sub, err
		}},
		{"RunCommand", func(ctx context.Context, c *mgx.Collection) (any, error) {
			var reply struct{ Cursor struct{ FirstBatch []sub } }
			err := c.Database().RunCommand(ctx, bson.D{{"find", c.Name()}}).Decode(&reply)
			return one(reply.Cursor.FirstBatch, err)
		}},
		{"RunCursorCommand", func(ctx context.Context, c *mgx.Collection) (any, error) {
			return one(mgx.Collect[sub](c.Database().RunCursorCommand(ctx, bson.D{{"find", c.Name()}})))
		}},
	}
}

// upserts are what the _id of an upserted document comes back as.
func upserts() []decoder {
	id := bson.D{{"_id", bson.D{{"at", bson.DateTime(0)}}}}
	set := bson.D{{"$set", bson.D{{"x", 1}}}}
	return []decoder{
		{"UpdateOne", func(ctx context.Context, c *mgx.Collection) (any, error) {
			res, err := c.UpdateOne(ctx, id, set, mgx.Upsert())
			return res.UpsertedID, err
		}},
		{"BulkWrite", func(ctx context.Context, c *mgx.Collection) (any, error) {
			res, err := c.BulkWrite(ctx, []mgx.WriteModel{mgx.UpdateOneModel(id, set, mgx.Upsert())})
			return res.UpsertedIDs[0], err
		}},
	}
}

func TestDocumentClass(t *testing.T) {
	type object = map[string]any
	if got := connect(t).DocumentType(); got != reflect.TypeFor[bson.D]() {
		t.Errorf("%v by default", got)
	}
	c := connect(t, func(o *mgx.Options) { o.DocumentType = reflect.TypeFor[bson.M]() })
	if c.DocumentType() != reflect.TypeFor[bson.M]() {
		t.Error(c.DocumentType())
	}
	ctx := t.Context()
	db := c.Database("document_class")
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	if _, err := db.Collection("c").InsertOne(ctx, bson.D{{"_id", 1}, {"sub", bson.D{{"a", 1}}}}); err != nil {
		t.Fatal(err)
	}
	ofDatabase := c.Database(db.Name(), mgx.WithDocumentType(reflect.TypeFor[object]()))
	for level, want := range map[string]struct {
		coll *mgx.Collection
		want reflect.Type
	}{
		"client":   {db.Collection("c"), reflect.TypeFor[bson.M]()},
		"database": {ofDatabase.Collection("c"), reflect.TypeFor[object]()},
		"collection": {ofDatabase.Collection("c", mgx.WithDocumentType(reflect.TypeFor[bson.Raw]())),
			reflect.TypeFor[bson.Raw]()},
	} {
		for _, d := range decoders() {
			if level == "collection" && (d.name == "RunCommand" || d.name == "RunCursorCommand") {
				continue // those are the database's
			}
			if got, err := d.get(ctx, want.coll); err != nil || reflect.TypeOf(got) != want.want {
				t.Errorf("%s, %s: a document in an any is a %T, want %v (%v)", level, d.name, got, want.want, err)
			}
		}
		for i, d := range upserts() {
			if got, err := d.get(ctx, db.Collection("upserts"+level+string(rune('a'+i)),
				mgx.WithDocumentType(want.want))); err != nil || reflect.TypeOf(got) != want.want {
				t.Errorf("%s, %s: the _id is a %T, want %v (%v)", level, d.name, got, want.want, err)
			}
		}
	}
	// Of one call, and of whole documents.
	var whole any
	err := db.Collection("c").FindOne(ctx, nil, mgx.WithDocumentType(reflect.TypeFor[object]())).Decode(&whole)
	if doc, ok := whole.(object); err != nil || !ok || reflect.TypeOf(doc["sub"]) != reflect.TypeFor[object]() {
		t.Errorf("%T %v", whole, err)
	}
	err = db.RunCommand(ctx, bson.D{{"ping", 1}}, mgx.WithDocumentType(reflect.TypeFor[object]())).Decode(&whole)
	if _, ok := whole.(object); err != nil || !ok {
		t.Errorf("%T %v", whole, err)
	}
}

func TestTZAware(t *testing.T) {
	if loc := connect(t).TimeLocation(); loc != nil {
		t.Errorf("%v by default", loc)
	}
	if loc := connectTo(t, uri+"?tz_aware=true").TimeLocation(); loc != time.UTC {
		t.Errorf("tz_aware=true is %v", loc)
	}
	zone, other := time.FixedZone("somewhere", 3600), time.FixedZone("elsewhere", -3600)
	c := connect(t, func(o *mgx.Options) { o.TimeLocation = zone })
	if c.TimeLocation() != zone {
		t.Error(c.TimeLocation())
	}
	ctx := t.Context()
	db := c.Database("tz_aware")
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	when := time.Date(2013, 9, 1, 12, 0, 0, 0, time.UTC)
	if _, err := db.Collection("c").InsertOne(ctx, bson.D{{"_id", 1}, {"sub", when}}); err != nil {
		t.Fatal(err)
	}
	ofDatabase := c.Database(db.Name(), mgx.WithTimeLocation(other))
	for level, want := range map[string]struct {
		coll *mgx.Collection
		loc  *time.Location
	}{
		"client":     {db.Collection("c"), zone},
		"database":   {ofDatabase.Collection("c"), other},
		"collection": {ofDatabase.Collection("c", mgx.WithTimeLocation(nil)), nil},
	} {
		for _, d := range decoders() {
			if level == "collection" && (d.name == "RunCommand" || d.name == "RunCursorCommand") {
				continue // those are the database's
			}
			got, err := d.get(ctx, want.coll)
			aware, ok := got.(time.Time)
			if err != nil || ok != (want.loc != nil) || ok && (!aware.Equal(when) || aware.Location() != want.loc) {
				t.Errorf("%s, %s: %T %v (%v)", level, d.name, got, got, err)
			}
			if naive, ok := got.(bson.DateTime); want.loc == nil && (!ok || !naive.Time().Equal(when)) {
				t.Errorf("%s, %s: %T %v", level, d.name, got, got)
			}
		}
	}
	// Of one call.
	one, err := mgx.FindOne[sub](ctx, db.Collection("c"), nil, mgx.WithTimeLocation(time.UTC))
	if at, ok := one.Sub.(time.Time); err != nil || !ok || at.Location() != time.UTC {
		t.Errorf("%v %v", one, err)
	}
	// The two settings do not undo each other.
	both := c.Database(db.Name(), mgx.WithTimeLocation(other)).Collection("c",
		mgx.WithDocumentType(reflect.TypeFor[bson.M]()))
	var whole any
	if err := both.FindOne(ctx, nil).Decode(&whole); err != nil {
		t.Fatal(err)
	}
	if doc, ok := whole.(bson.M); !ok || doc["sub"].(time.Time).Location() != other {
		t.Errorf("%T %v", whole, whole)
	}
}
