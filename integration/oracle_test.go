package integration

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// everyType has a value of every BSON type, with their corner cases.
func everyType(t *testing.T) []bson.E {
	t.Helper()
	decimal := must[bson.Decimal128](t)(bson.ParseDecimal128("-1.2345E-6000"))
	return []bson.E{
		{"double", 3.25}, {"negative zero", math.Copysign(0, -1)}, {"infinity", math.Inf(1)}, {"largest double", math.MaxFloat64},
		{"string", "tea"}, {"empty string", ""}, {"unicode", "茶 ☕ é"}, {"string with NUL", "a\x00b"},
		{"document", bson.D{{"b", int32(1)}, {"a", bson.D{{"x", "y"}}}}}, {"empty document", bson.D{}},
		{"array", bson.A{int32(1), "two", bson.D{{"three", 3.0}}, bson.A{int32(4)}}}, {"empty array", bson.A{}},
		{"binary", bson.Binary{Data: []byte{1, 2, 3}}}, {"uuid", bson.Binary{Subtype: 4, Data: bytes.Repeat([]byte{7}, 16)}},
		{"old binary", bson.Binary{Subtype: 2, Data: []byte("old")}}, {"empty binary", bson.Binary{Subtype: 0x80, Data: []byte{}}},
		{"undefined", bson.Undefined{}},
		{"object id", bson.NewObjectID()},
		{"true", true}, {"false", false},
		{"date", bson.NewDateTimeFromTime(time.Date(2026, 2, 28, 23, 59, 59, 999e6, time.UTC))}, {"date before 1970", bson.DateTime(-62135596800000)},
		{"null", nil},
		{"regex", bson.Regex{Pattern: "^t.a$", Options: "im"}},
		{"db pointer", bson.DBPointer{DB: "db.c", Pointer: bson.NewObjectID()}},
		{"javascript", bson.JavaScript("function() {}")}, {"symbol", bson.Symbol("sym")},
		{"code with scope", bson.CodeWithScope{Code: "x", Scope: bson.D{{"x", int32(1)}}}},
		{"int32", int32(math.MinInt32)}, {"int64", int64(math.MaxInt64)}, {"small int64", int64(1)},
		{"timestamp", bson.Timestamp{T: 1<<32 - 1, I: 7}},
		{"decimal", decimal},
		{"min key", bson.MinKey{}}, {"max key", bson.MaxKey{}},
	}
}

// What one client writes the other one reads, to the byte, and the other way
// round. Types that the server does not store are told by the server; both
// clients must agree on them.
func TestOracleTypes(t *testing.T) {
	db := database(t)
	theirs := oracle(t).Database(db.Name())
	refused := 0
	for i, e := range everyType(t) {
		t.Run(e.Key, func(t *testing.T) {
			doc := bson.D{{"_id", int32(i)}, {"v", e.Value}}
			_, ours := db.Collection("ours").InsertOne(t.Context(), doc)
			_, other := theirs.Collection("theirs").InsertOne(t.Context(), doc)
			if (ours == nil) != (other == nil) {
				t.Fatalf("mgx: %v; official driver: %v", ours, other)
			}
			if ours != nil {
				refused++
				t.Skipf("the server does not store it: %v", ours)
			}
			id := bson.D{{"_id", int32(i)}}
			var copies []bson.Raw
			for _, name := range []string{"ours", "theirs"} {
				copies = append(copies,
					must[bson.Raw](t)(mgx.FindOne[bson.Raw](t.Context(), db.Collection(name), id)),
					must[bson.Raw](t)(theirs.Collection(name).FindOne(t.Context(), id).Raw()))
			}
			for _, c := range copies[1:] {
				if !bytes.Equal(c, copies[0]) {
					t.Errorf("%x and %x", []byte(copies[0]), []byte(c))
				}
			}
			// A server may change a value (FerretDB drops the sign of a zero), but not
			// make it another one's.
			sent := must[[]byte](t)(bson.Marshal(doc))
			if !bytes.Equal(sent, copies[0]) && e.Key != "negative zero" {
				t.Errorf("sent %x, read %x", sent, []byte(copies[0]))
			}
			// Both codecs make the same of what was read.
			var d1, d2 bson.D
			if err := db.Collection("theirs").FindOne(t.Context(), id).Decode(&d1); err != nil {
				t.Fatal(err)
			}
			if err := theirs.Collection("ours").FindOne(t.Context(), id).Decode(&d2); err != nil {
				t.Fatal(err)
			}
			if a, b := fmt.Sprintf("%#v", d1), fmt.Sprintf("%#v", d2); a != b {
				t.Errorf("mgx decodes %s, the official driver %s", a, b)
			}
		})
	}
	if refused > len(everyType(t))/2 {
		t.Errorf("the server refused %d types", refused)
	}
}

// The same documents through many batches, both ways.
func TestOracleBatches(t *testing.T) {
	db := database(t)
	theirs := oracle(t).Database(db.Name())
	type row struct {
		ID    int               `bson:"_id"`
		Name  string            `bson:"name"`
		Tags  []string          `bson:"tags"`
		Price *float64          `bson:"price"`
		Attrs map[string]string `bson:"attrs,omitempty"`
		When  time.Time         `bson:"when"`
	}
	rows := make([]row, 300)
	for i := range rows {
		price := float64(i) / 4
		rows[i] = row{ID: i, Name: fmt.Sprint("row ", i), Tags: []string{"a", fmt.Sprint(i)}, Price: &price, When: time.UnixMilli(int64(i) * 1e9).UTC()}
		if i%3 == 0 {
			rows[i].Price, rows[i].Attrs = nil, map[string]string{"k": "v"}
		}
	}
	if _, err := db.Collection("ours").InsertMany(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Collection("theirs").InsertMany(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	var all [][]bson.Raw
	for _, name := range []string{"ours", "theirs"} {
		all = append(all, must[[]bson.Raw](t)(mgx.Collect[bson.Raw](db.Collection(name).Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(37)))))
		all = append(all, readAll(t, theirs.Collection(name)))
	}
	for i, list := range all {
		if len(list) != len(rows) {
			t.Fatalf("reading %d: %d documents", i, len(list))
		}
		for j := range list {
			if !bytes.Equal(list[j], all[0][j]) {
				t.Fatalf("reading %d, document %d: %v, not %v", i, j, list[j], all[0][j])
			}
		}
	}
	decoded, err := mgx.Collect[row](db.Collection("theirs").Find(t.Context(), nil, mgx.Sort("_id")))
	if err != nil || fmt.Sprint(deref(decoded[7].Price), decoded[7].Tags, decoded[9].Attrs, decoded[7].When) != fmt.Sprint(1.75, []string{"a", "7"}, map[string]string{"k": "v"}, rows[7].When) {
		t.Errorf("%+v: %v", decoded[7], err)
	}
}

func deref(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

func readAll(t *testing.T, c *driver.Collection) []bson.Raw {
	t.Helper()
	cur, err := c.Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{"_id", 1}}).SetBatchSize(41))
	if err != nil {
		t.Fatal(err)
	}
	var list []bson.Raw
	for cur.Next(t.Context()) {
		list = append(list, bytes.Clone(cur.Current))
	}
	if err := cur.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// The same operations have the same outcome.
func TestOracleOperations(t *testing.T) {
	db := database(t)
	theirs := oracle(t).Database(db.Name())
	a, b := db.Collection("ours"), theirs.Collection("theirs")
	insert(t, a, numbered(10)...)
	if _, err := b.InsertMany(t.Context(), numbered(10)); err != nil {
		t.Fatal(err)
	}
	inc := bson.D{{"$inc", bson.D{{"n", 1}}}}
	three := bson.D{{"a", bson.D{{"$lt", 3}}}}
	ctx := t.Context()
	steps := []struct {
		name         string
		ours, theirs func() (any, error)
	}{
		{"update one", func() (any, error) { return counts(a.UpdateOne(ctx, three, inc)) },
			func() (any, error) { return theirCounts(b.UpdateOne(ctx, three, inc)) }},
		{"update many", func() (any, error) { return counts(a.UpdateMany(ctx, three, inc)) },
			func() (any, error) { return theirCounts(b.UpdateMany(ctx, three, inc)) }},
		{"upsert", func() (any, error) { return counts(a.UpdateOne(ctx, bson.D{{"_id", 50}}, inc, mgx.Upsert())) },
			func() (any, error) {
				return theirCounts(b.UpdateOne(ctx, bson.D{{"_id", 50}}, inc, options.UpdateOne().SetUpsert(true)))
			}},
		{"replace", func() (any, error) { return counts(a.ReplaceOne(ctx, bson.D{{"_id", 4}}, bson.D{{"new", 1}})) },
			func() (any, error) {
				return theirCounts(b.ReplaceOne(ctx, bson.D{{"_id", 4}}, bson.D{{"new", 1}}))
			}},
		{"delete one", func() (any, error) { r, err := a.DeleteOne(ctx, bson.D{{"_id", 5}}); return r.DeletedCount, err },
			func() (any, error) { r, err := b.DeleteOne(ctx, bson.D{{"_id", 5}}); return r.DeletedCount, err }},
		{"find and update", func() (any, error) {
			return raw(a.FindOneAndUpdate(ctx, bson.D{{"_id", 6}}, inc, mgx.ReturnAfter()).Raw())
		},
			func() (any, error) {
				return raw(b.FindOneAndUpdate(ctx, bson.D{{"_id", 6}}, inc, options.FindOneAndUpdate().SetReturnDocument(options.After)).Raw())
			}},
		{"find and delete", func() (any, error) { return raw(a.FindOneAndDelete(ctx, bson.D{{"_id", 7}}).Raw()) },
			func() (any, error) { return raw(b.FindOneAndDelete(ctx, bson.D{{"_id", 7}}).Raw()) }},
		{"count", func() (any, error) { return a.CountDocuments(ctx, three, mgx.Skip(1)) },
			func() (any, error) { return b.CountDocuments(ctx, three, options.Count().SetSkip(1)) }},
		{"estimated count", func() (any, error) { return a.EstimatedDocumentCount(ctx) },
			func() (any, error) { return b.EstimatedDocumentCount(ctx) }},
		{"index", func() (any, error) { return a.CreateIndex(ctx, mgx.Index{Keys: bson.D{{"a", 1}, {"b.c", -1}}}) },
			func() (any, error) {
				return b.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{"a", 1}, {"b.c", -1}}})
			}},
	}
	for _, s := range steps {
		x, err1 := s.ours()
		y, err2 := s.theirs()
		if err1 != nil || err2 != nil || fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("%s: mgx %v (%v), official driver %v (%v)", s.name, x, err1, y, err2)
		}
	}
	expect(t, found(t, a, nil), texts(readAll(t, b))...)
}

func raw(doc bson.Raw, err error) (any, error) { return text(doc), err }

func counts(r mgx.UpdateResult, err error) (any, error) {
	return fmt.Sprint(r.MatchedCount, r.ModifiedCount, r.UpsertedCount, r.UpsertedID), err
}

func theirCounts(r *driver.UpdateResult, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(r.MatchedCount, r.ModifiedCount, r.UpsertedCount, r.UpsertedID), nil
}
