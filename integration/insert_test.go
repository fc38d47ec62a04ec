package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

type order struct {
	ID   bson.ObjectID `bson:"_id,omitempty"`
	Item string        `bson:"item"`
	Qty  int           `bson:"qty"`
}

func TestInsertOne(t *testing.T) {
	c := collection(t)
	oid := bson.NewObjectID()
	raw := must[[]byte](t)(bson.Marshal(bson.D{{"item", "raw"}, {"_id", int64(7)}}))
	tests := []struct {
		name string
		doc  any
		id   any // nil: an ObjectID is made
		want string
	}{
		{"D", bson.D{{"item", "a"}}, nil, `{"_id":%s,"item":"a"}`},
		{"D with id", bson.D{{"item", "a"}, {"_id", "x"}}, "x", `{"_id":"x","item":"a"}`},
		{"M", bson.M{"item": "b"}, nil, `{"_id":%s,"item":"b"}`},
		{"map", map[string]int{"n": 3, "_id": 3}, int32(3), `{"_id":3,"n":3}`},
		{"struct", order{Item: "c", Qty: 2}, nil, `{"_id":%s,"item":"c","qty":2}`},
		{"pointer", &order{ID: oid, Item: "d"}, oid, `{"_id":%s,"item":"d","qty":0}`},
		{"Raw", bson.Raw(raw), int64(7), `{"_id":7,"item":"raw"}`},
		{"document id", bson.D{{"_id", bson.D{{"a", int32(1)}, {"b", "c"}}}}, bson.D{{"a", int32(1)}, {"b", "c"}}, `{"_id":{"a":1,"b":"c"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := c.InsertOne(t.Context(), tt.doc)
			if err != nil {
				t.Fatal(err)
			}
			if !res.Acknowledged {
				t.Error("not acknowledged")
			}
			id := text(bson.D{{"v", res.InsertedID}})
			if made, ok := res.InsertedID.(bson.ObjectID); tt.id == nil && (!ok || made.IsZero()) {
				t.Errorf("the id is %v", res.InsertedID)
			} else if tt.id != nil && id != text(bson.D{{"v", tt.id}}) {
				t.Errorf("the id is %s, want %v", id, tt.id)
			}
			want := tt.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, strings.TrimSuffix(strings.TrimPrefix(id, `{"v":`), "}"))
			}
			expect(t, found(t, c, bson.D{{"_id", res.InsertedID}}), want)
		})
	}
}

func TestInsertOneDuplicate(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}})
	res, err := c.InsertOne(t.Context(), bson.D{{"_id", 1}, {"other", true}})
	var we *mgx.WriteError
	if !errors.Is(err, mgx.ErrDuplicateKey) || !errors.As(err, &we) {
		t.Fatalf("%v (%T)", err, err)
	}
	if we.Code != 11000 || we.Index != 0 || !strings.Contains(err.Error(), "E11000") {
		t.Errorf("%+v", we)
	}
	if res.InsertedID != nil {
		t.Errorf("a refused document has the id %v", res.InsertedID)
	}
	if errors.Is(err, mgx.ErrConnectionFailure) || errors.Is(err, mgx.ErrTimeout) {
		t.Errorf("%v is of a wrong category", err)
	}
}

// What InsertMany takes, in all its forms.
func TestInsertManyForms(t *testing.T) {
	raw := func(d bson.D) bson.Raw { return must[[]byte](t)(bson.Marshal(d)) }
	type doc struct {
		ID int `bson:"_id"`
	}
	for name, docs := range map[string]any{
		"structs":  []doc{{1}, {2}},
		"pointers": []*doc{{1}, {2}},
		"D":        []bson.D{{{"_id", 1}}, {{"_id", 2}}},
		"M":        []bson.M{{"_id": 1}, {"_id": 2}},
		"Raw":      []bson.Raw{raw(bson.D{{"_id", int32(1)}}), raw(bson.D{{"_id", int32(2)}})},
		"any":      []any{doc{1}, bson.M{"_id": 2}},
		"A":        bson.A{&doc{1}, bson.D{{"_id", 2}}},
		"array":    [2]doc{{1}, {2}},
	} {
		t.Run(name, func(t *testing.T) {
			c := collection(t)
			res, err := c.InsertMany(t.Context(), docs)
			if err != nil {
				t.Fatal(err)
			}
			if res.InsertedCount != 2 || len(res.InsertedIDs) != 2 || text(bson.D{{"ids", res.InsertedIDs}}) != `{"ids":[1,2]}` {
				t.Errorf("%+v", res)
			}
			expect(t, found(t, c, nil), `{"_id":1}`, `{"_id":2}`)
		})
	}
}

func TestInsertManyMakesIDs(t *testing.T) {
	c := collection(t)
	res, err := c.InsertMany(t.Context(), []any{order{Item: "a"}, bson.D{{"_id", 5}}, bson.M{"item": "c"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range res.InsertedIDs {
		if n, err := c.CountDocuments(t.Context(), bson.D{{"_id", id}}); err != nil || n != 1 {
			t.Errorf("document %d with the id %v is there %d times: %v", i, id, n, err)
		}
	}
}

// Duplicates in the middle: ordered stops there, unordered goes on.
func TestInsertManyDuplicates(t *testing.T) {
	docs := []bson.D{{{"_id", 1}}, {{"_id", 2}}, {{"_id", 1}, {"again", true}}, {{"_id", 3}}, {{"_id", 2}, {"again", true}}, {{"_id", 4}}}
	tests := []struct {
		name    string
		options []mgx.InsertManyOption
		refused []int
		count   int64
		there   []string
	}{
		{"ordered", nil, []int{2}, 2, []string{`{"_id":1}`, `{"_id":2}`}},
		{"unordered", []mgx.InsertManyOption{mgx.Unordered()}, []int{2, 4}, 4, []string{`{"_id":1}`, `{"_id":2}`, `{"_id":3}`, `{"_id":4}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := collection(t)
			res, err := c.InsertMany(t.Context(), docs, tt.options...)
			var bulk *mgx.BulkWriteError
			if !errors.As(err, &bulk) || !errors.Is(err, mgx.ErrDuplicateKey) {
				t.Fatalf("%v (%T)", err, err)
			}
			if len(bulk.WriteErrors) != len(tt.refused) || bulk.Err != nil {
				t.Fatalf("%v", bulk)
			}
			for i, we := range bulk.WriteErrors {
				if we.Index != tt.refused[i] || we.Code != 11000 {
					t.Errorf("refused: %v, want document %d", we, tt.refused[i])
				}
				if res.InsertedIDs[we.Index] != nil {
					t.Errorf("the refused document %d has the id %v", we.Index, res.InsertedIDs[we.Index])
				}
			}
			if res.InsertedCount != tt.count || len(res.InsertedIDs) != len(docs) {
				t.Errorf("%+v", res)
			}
			expect(t, found(t, c, nil), tt.there...)
		})
	}
}

func TestInsertManyRefusals(t *testing.T) {
	var r recorder
	c := database(t, r.watch).Collection("c")
	r.reset()
	for name, docs := range map[string]any{
		"nil":           nil,
		"empty":         []bson.D{},
		"one document":  bson.D{{"a", 1}},
		"no slice":      order{},
		"nil at first":  []any{nil, bson.D{{"a", 1}}},
		"no document":   []any{3, bson.D{{"a", 1}}},
		"cannot encode": []any{bson.D{{"a", make(chan int)}}},
	} {
		if _, err := c.InsertMany(t.Context(), docs); !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if sent := r.names(); len(sent) > 0 {
		t.Errorf("%v was sent", sent)
	}
}

// A document above the server's limit is not sent; those before it are, and with
// Unordered those behind it.
func TestDocumentTooLarge(t *testing.T) {
	var r recorder
	c := database(t, r.watch).Collection("c")
	r.reset()
	huge := bson.D{{"_id", 2}, {"text", strings.Repeat("x", 16<<20)}}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, mgx.ErrDocumentTooLarge) {
			t.Fatalf("%s: %.300v", what, err)
		}
		if msg := err.Error(); len(msg) > 300 || !strings.Contains(msg, "16777216") {
			t.Errorf("%s: the error is: %.300s", what, msg)
		}
	}
	_, err := c.InsertOne(t.Context(), huge)
	check("insert one", err)
	if sent := r.names(); len(sent) > 0 {
		t.Errorf("%v was sent", sent)
	}
	res, err := c.InsertMany(t.Context(), []bson.D{{{"_id", 1}}, huge, {{"_id", 3}}})
	check("insert many", err)
	if !strings.Contains(err.Error(), "write 1") || res.InsertedCount != 1 || !slices.Equal(res.InsertedIDs, []any{int32(1), nil, nil}) {
		t.Errorf("%+v, %v", res, err)
	}
	expect(t, found(t, c, nil), `{"_id":1}`)
	res, err = c.InsertMany(t.Context(), []bson.D{{{"_id", 4}}, huge, {{"_id", 5}}}, mgx.Unordered())
	check("insert many, unordered", err)
	if res.InsertedCount != 2 || !slices.Equal(res.InsertedIDs, []any{int32(4), nil, int32(5)}) {
		t.Errorf("%+v, %v", res, err)
	}
	expect(t, found(t, c, nil), `{"_id":1}`, `{"_id":4}`, `{"_id":5}`)
}
