package integration

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

func TestCount(t *testing.T) {
	c := collection(t, numbered(25)...)
	for _, tt := range []struct {
		name    string
		filter  any
		options []mgx.CountOption
		want    int64
	}{
		{"all", nil, nil, 25},
		{"filter", bson.D{{"a", 3}}, nil, 3},
		{"none", bson.D{{"a", 33}}, nil, 0},
		{"limit", nil, []mgx.CountOption{mgx.Limit(4)}, 4},
		{"skip", nil, []mgx.CountOption{mgx.Skip(20)}, 5},
		{"skip and limit", nil, []mgx.CountOption{mgx.Skip(22), mgx.Limit(10)}, 3},
		{"others", bson.D{{"a", 3}}, []mgx.CountOption{mgx.MaxTime(time.Minute), mgx.Comment("c"), mgx.WithReadConcern("local")}, 3},
	} {
		if n, err := c.CountDocuments(t.Context(), tt.filter, tt.options...); err != nil || n != tt.want {
			t.Errorf("%s: %d, want %d: %v", tt.name, n, tt.want, err)
		}
	}
	if n, err := c.EstimatedDocumentCount(t.Context(), mgx.Comment("c"), mgx.MaxTime(time.Minute)); err != nil || n != 25 {
		t.Errorf("estimated %d: %v", n, err)
	}
	missing := c.Database().Collection("missing")
	if n, err := missing.CountDocuments(t.Context(), nil); err != nil || n != 0 {
		t.Errorf("of a collection that is not there: %d: %v", n, err)
	}
	if n, err := missing.EstimatedDocumentCount(t.Context()); err != nil || n != 0 {
		t.Errorf("estimated of a collection that is not there: %d: %v", n, err)
	}
}

func TestDistinct(t *testing.T) {
	c := collection(t, numbered(25)...)
	ints, err := mgx.Distinct[int](t.Context(), c, "a", bson.D{{"a", bson.D{{"$lt", 3}}}})
	slices.Sort(ints)
	if err != nil || !slices.Equal(ints, []int{0, 1, 2}) {
		t.Errorf("%v: %v", ints, err)
	}
	values, err := c.Distinct(t.Context(), "a", bson.D{{"_id", 7}}, mgx.Comment("c"))
	if err != nil || len(values) != 1 || values[0] != int32(7) {
		t.Errorf("%v: %v", values, err)
	}
	if values, err = c.Distinct(t.Context(), "nope", nil); err != nil || values == nil || len(values) != 0 {
		t.Errorf("no such field: %v: %v", values, err)
	}
	if _, err := mgx.Distinct[string](t.Context(), c, "a", nil); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("numbers as strings: %v", err)
	}
	insert(t, c, bson.D{{"_id", "mixed"}, {"a", "text"}}, bson.D{{"_id", "sub"}, {"a", bson.D{{"x", int32(1)}}}})
	values, err = c.Distinct(t.Context(), "a", bson.D{{"_id", bson.D{{"$type", "string"}}}})
	if err != nil || len(values) != 2 {
		t.Errorf("mixed: %v: %v", values, err)
	}
	t.Run("hint", func(t *testing.T) {
		needs(t, "distinct hint")
		if values, err := c.Distinct(t.Context(), "a", bson.D{{"_id", 7}}, mgx.Hint("_id_")); err != nil || len(values) != 1 {
			t.Errorf("%v: %v", values, err)
		}
	})
	t.Run("time", func(t *testing.T) {
		needs(t, "distinct time")
		if values, err := c.Distinct(t.Context(), "a", bson.D{{"_id", 7}}, mgx.MaxTime(time.Minute)); err != nil || len(values) != 1 {
			t.Errorf("%v: %v", values, err)
		}
	})
}

func TestAggregate(t *testing.T) {
	c := collection(t, numbered(25)...)
	match := bson.D{{"$match", bson.D{{"_id", bson.D{{"$lt", 3}}}}}}
	sort := bson.D{{"$sort", bson.D{{"_id", -1}}}}
	for name, pipeline := range map[string]any{
		"D":   []bson.D{match, sort},
		"A":   bson.A{match, sort},
		"any": []any{bson.M{"$match": bson.M{"_id": bson.M{"$lt": 3}}}, sort},
	} {
		list, err := mgx.Collect[bson.Raw](c.Aggregate(t.Context(), pipeline))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		expect(t, texts(list), `{"_id":2,"a":2}`, `{"_id":1,"a":1}`, `{"_id":0,"a":0}`)
	}
	type group struct {
		ID    int `bson:"_id"`
		Count int `bson:"count"`
	}
	groups, err := mgx.Collect[group](c.Aggregate(t.Context(), bson.A{
		bson.D{{"$group", bson.D{{"_id", "$a"}, {"count", bson.D{{"$sum", 1}}}}}},
		bson.D{{"$sort", bson.D{{"_id", 1}}}},
	}, mgx.AllowDiskUse(true), mgx.MaxTime(time.Minute), mgx.Comment("groups")))
	if err != nil || len(groups) != 10 || groups[0] != (group{0, 3}) || groups[9] != (group{9, 2}) {
		t.Errorf("%v: %v", groups, err)
	}
	all, err := mgx.Collect[bson.Raw](c.Aggregate(t.Context(), nil))
	if err != nil || len(all) != 25 {
		t.Errorf("without stages: %d documents: %v", len(all), err)
	}
}

func TestAggregateBatches(t *testing.T) {
	c, r := watched(t, 25)
	cur := c.Aggregate(t.Context(), []bson.D{{{"$sort", bson.D{{"_id", 1}}}}}, mgx.BatchSize(10))
	if len(r.names()) > 0 {
		t.Error("Aggregate sent something before the first document was asked for")
	}
	list, err := mgx.Collect[bson.Raw](cur)
	if err != nil || len(list) != 25 {
		t.Fatalf("%d documents: %v", len(list), err)
	}
	if got := r.names(); !slices.Equal(got, []string{"aggregate", "getMore", "getMore"}) {
		t.Errorf("%v was sent", got)
	}
}

func TestAggregateErrors(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}})
	for name, pipeline := range map[string]any{
		"a document": bson.D{{"$match", bson.D{}}}, "a number": 3, "a stage that cannot encode": []any{make(chan int)},
	} {
		if _, err := mgx.Collect[bson.Raw](c.Aggregate(t.Context(), pipeline)); !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var se *mgx.ServerError
	if _, err := mgx.Collect[bson.Raw](c.Aggregate(t.Context(), []bson.D{{{"$nonsense", 1}}})); !errors.As(err, &se) || se.Command != "aggregate" {
		t.Errorf("a stage that no server has: %v", err)
	}
}

func TestAggregateOut(t *testing.T) {
	needs(t, "$out")
	c, r := watched(t, 5)
	cur := c.Aggregate(t.Context(), []bson.D{{{"$match", bson.D{{"_id", bson.D{{"$lt", 2}}}}}}, {{"$out", "copy"}}}, mgx.BatchSize(3))
	if len(r.names()) != 1 {
		t.Errorf("%v was sent before the first document was asked for", r.names())
	}
	if list, err := mgx.Collect[bson.Raw](cur); err != nil || len(list) != 0 {
		t.Errorf("%v: %v", list, err)
	}
	expect(t, found(t, c.Database().Collection("copy"), nil), `{"_id":0,"a":0}`, `{"_id":1,"a":1}`)
}

func TestAggregateLookup(t *testing.T) {
	needs(t, "$lookup")
	c := collection(t, bson.D{{"_id", 1}, {"b", 2}}, bson.D{{"_id", 2}})
	list, err := mgx.Collect[bson.Raw](c.Aggregate(t.Context(), []bson.D{
		{{"$match", bson.D{{"_id", 1}}}},
		{{"$lookup", bson.D{{"from", "c"}, {"localField", "b"}, {"foreignField", "_id"}, {"as", "found"}}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, texts(list), `{"_id":1,"b":2,"found":[{"_id":2}]}`)
}

func TestDatabaseAggregate(t *testing.T) {
	needs(t, "$documents")
	list, err := mgx.Collect[bson.Raw](database(t).Aggregate(t.Context(), []bson.D{{{"$documents", bson.A{bson.D{{"a", 1}}, bson.D{{"a", 2}}}}}}, mgx.BatchSize(1)))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, texts(list), `{"a":1}`, `{"a":2}`)
}
