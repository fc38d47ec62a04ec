package integration

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

func TestFind(t *testing.T) {
	c := collection(t, numbered(30)...)
	tests := []struct {
		name    string
		filter  any
		options []mgx.FindOption
		want    []string
	}{
		{"filter", bson.D{{"a", 3}}, nil, []string{`{"_id":3,"a":3}`, `{"_id":13,"a":3}`, `{"_id":23,"a":3}`}},
		{"struct filter", struct {
			A int `bson:"a"`
		}{3}, []mgx.FindOption{mgx.Limit(1)}, []string{`{"_id":3,"a":3}`}},
		{"map filter", bson.M{"_id": bson.M{"$lt": 2}}, nil, []string{`{"_id":0,"a":0}`, `{"_id":1,"a":1}`}},
		{"nothing", bson.D{{"a", 77}}, nil, nil},
		{"sort", nil, []mgx.FindOption{mgx.Sort("-a", "_id"), mgx.Limit(4)},
			[]string{`{"_id":9,"a":9}`, `{"_id":19,"a":9}`, `{"_id":29,"a":9}`, `{"_id":8,"a":8}`}},
		{"sort by document", nil, []mgx.FindOption{mgx.SortBy(bson.D{{"_id", -1}}), mgx.Limit(1)}, []string{`{"_id":29,"a":9}`}},
		{"skip and limit", nil, []mgx.FindOption{mgx.Sort("_id"), mgx.Skip(2), mgx.Limit(2)}, []string{`{"_id":2,"a":2}`, `{"_id":3,"a":3}`}},
		{"negative limit", nil, []mgx.FindOption{mgx.Sort("_id"), mgx.Limit(-2)}, []string{`{"_id":0,"a":0}`, `{"_id":1,"a":1}`}},
		{"projection", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.Projection(bson.D{{"a", 1}, {"_id", 0}})}, []string{`{"a":4}`}},
		{"without a field", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.Projection(bson.D{{"a", 0}})}, []string{`{"_id":4}`}},
		{"hint", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.Hint("_id_")}, []string{`{"_id":4,"a":4}`}},
		{"hint by keys", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.Hint(mgx.Keys("_id"))}, []string{`{"_id":4,"a":4}`}},
		{"last option wins", nil, []mgx.FindOption{mgx.Sort("_id"), mgx.Sort("-_id"), mgx.Limit(3), mgx.Limit(1)}, []string{`{"_id":29,"a":9}`}},
		{"disk use, comment, time", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.AllowDiskUse(true), mgx.Comment("hello"), mgx.MaxTime(time.Minute)}, []string{`{"_id":4,"a":4}`}},
		{"read concern", bson.D{{"_id", 4}}, []mgx.FindOption{mgx.WithReadConcern("local"), mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Nearest})}, []string{`{"_id":4,"a":4}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := mgx.Collect[bson.Raw](c.Find(t.Context(), tt.filter, tt.options...))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, texts(list), tt.want...)
		})
	}
}

// Options that not every server has reach the server all the same.
func TestFindOptionsOfServers(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}, {"s", "Tea"}, {"l", bson.A{1, 2}}}, bson.D{{"_id", 2}, {"s", "coffee"}})
	tests := []struct {
		needs   string
		filter  any
		options []mgx.FindOption
		want    []string
	}{
		{"collation", bson.D{{"s", "tEA"}}, []mgx.FindOption{mgx.WithCollation(mgx.Collation{Locale: "en", Strength: 2}), mgx.Projection(bson.D{{"s", 1}})}, []string{`{"_id":1,"s":"Tea"}`}},
		{"$slice", bson.D{{"_id", 1}}, []mgx.FindOption{mgx.Projection(bson.D{{"l", bson.D{{"$slice", 1}}}})}, []string{`{"_id":1,"s":"Tea","l":[1]}`}},
		{"returnKey", bson.D{{"_id", 1}}, []mgx.FindOption{mgx.ReturnKey(), mgx.Hint("_id_")}, []string{`{"_id":1}`}},
		{"min", nil, []mgx.FindOption{mgx.Min(bson.D{{"_id", 2}}), mgx.Max(bson.D{{"_id", 9}}), mgx.Hint("_id_")}, []string{`{"_id":2,"s":"coffee"}`}},
		{"noCursorTimeout", bson.D{{"_id", 2}}, []mgx.FindOption{mgx.NoCursorTimeout()}, []string{`{"_id":2,"s":"coffee"}`}},
		{"allowPartialResults", bson.D{{"_id", 2}}, []mgx.FindOption{mgx.AllowPartialResults()}, []string{`{"_id":2,"s":"coffee"}`}},
		{"let", bson.D{{"$expr", bson.D{{"$eq", bson.A{"$_id", "$$x"}}}}}, []mgx.FindOption{mgx.Let(bson.D{{"x", 2}})}, []string{`{"_id":2,"s":"coffee"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.needs, func(t *testing.T) {
			needs(t, tt.needs)
			list, err := mgx.Collect[bson.Raw](c.Find(t.Context(), tt.filter, tt.options...))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, texts(list), tt.want...)
		})
	}
	t.Run("showRecordId", func(t *testing.T) {
		needs(t, "showRecordId")
		doc, err := mgx.FindOne[bson.Raw](t.Context(), c, nil, mgx.ShowRecordID())
		if _, there := doc.LookupErr("$recordId"); err != nil || there != nil {
			t.Errorf("%v: %v", doc, err)
		}
	})
	t.Run("hint", func(t *testing.T) {
		needs(t, "hint")
		_, err := mgx.Collect[bson.Raw](c.Find(t.Context(), nil, mgx.Hint("no_such_index")))
		var se *mgx.ServerError
		if !errors.As(err, &se) {
			t.Errorf("a hint of an index that is not there: %v", err)
		}
	})
}

func TestFindOne(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}, {"item", "tea"}, {"qty", 2}}, bson.D{{"_id", 2}, {"item", "rum"}, {"qty", 9}})
	type item struct {
		ID   int    `bson:"_id"`
		Item string `bson:"item"`
	}
	one, err := mgx.FindOne[item](t.Context(), c, bson.D{{"_id", 1}})
	if err != nil || one != (item{1, "tea"}) {
		t.Errorf("%+v: %v", one, err)
	}
	if one, err = mgx.FindOne[item](t.Context(), c, nil, mgx.Sort("-qty")); err != nil || one != (item{2, "rum"}) {
		t.Errorf("sorted: %+v: %v", one, err)
	}
	pointer, err := mgx.FindOne[*item](t.Context(), c, nil, mgx.Sort("_id"), mgx.Skip(1))
	if err != nil || pointer == nil || *pointer != (item{2, "rum"}) {
		t.Errorf("skipped: %+v: %v", pointer, err)
	}
	m, err := mgx.FindOne[bson.M](t.Context(), c, bson.D{{"_id", 1}}, mgx.Projection(bson.D{{"item", 1}, {"_id", 0}}))
	if err != nil || len(m) != 1 || m["item"] != "tea" {
		t.Errorf("%v: %v", m, err)
	}
	if _, err := mgx.FindOne[item](t.Context(), c, bson.D{{"_id", 3}}); !errors.Is(err, mgx.ErrNoDocuments) {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := mgx.FindOne[struct{ Item int }](t.Context(), c, bson.D{{"_id", 1}}); err == nil {
		t.Error("a string decodes into an int")
	}

	r := c.FindOne(t.Context(), bson.D{{"_id", 1}})
	var got item
	if err := r.Decode(&got); err != nil || got != (item{1, "tea"}) || r.Err() != nil {
		t.Errorf("%+v: %v", got, err)
	}
	if raw, err := r.Raw(); err != nil || text(raw) != `{"_id":1,"item":"tea","qty":2}` {
		t.Errorf("%v: %v", raw, err)
	}
	r = c.FindOne(t.Context(), bson.D{{"_id", 3}})
	if err := r.Decode(&got); !errors.Is(err, mgx.ErrNoDocuments) || !errors.Is(r.Err(), mgx.ErrNoDocuments) {
		t.Errorf("nothing there: %v", err)
	}
}

// A document that was returned does not change when later replies come.
func TestDocumentsAreKept(t *testing.T) {
	c := collection(t)
	var docs []bson.D
	for i := range 50 {
		docs = append(docs, bson.D{{"_id", i}, {"s", fmt.Sprintf("text %02d", i)}, {"b", []byte{byte(i)}}, {"d", bson.D{{"i", i}}}})
	}
	insert(t, c, docs...)
	type kept struct {
		ID  int            `bson:"_id"`
		S   string         `bson:"s"`
		B   []byte         `bson:"b"`
		D   bson.Raw       `bson:"d"`
		Raw bson.RawValue  `bson:"-"`
		V   map[string]any `bson:",inline"`
	}
	var ones []kept
	var raws []bson.Raw
	for i := range 50 {
		ones = append(ones, must[kept](t)(mgx.FindOne[kept](t.Context(), c, bson.D{{"_id", i}})))
		raws = append(raws, must[bson.Raw](t)(mgx.FindOne[bson.Raw](t.Context(), c, bson.D{{"_id", i}})))
	}
	views, err := mgx.Collect[bson.Raw](c.Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(7)))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := mgx.Collect[kept](c.Find(t.Context(), nil, mgx.Sort("_id"), mgx.BatchSize(7)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		for _, k := range []kept{ones[i], decoded[i]} {
			if k.ID != i || k.S != fmt.Sprintf("text %02d", i) || k.B[0] != byte(i) || text(k.D) != fmt.Sprintf(`{"i":%d}`, i) {
				t.Errorf("document %d is now %+v", i, k)
			}
		}
		want := fmt.Sprintf(`{"_id":%d,"s":"text %02d","b":{"$binary":{"base64":`, i, i)
		for _, raw := range []bson.Raw{raws[i], views[i]} {
			if got := text(raw); len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("document %d is now %s", i, got)
			}
		}
	}
}
