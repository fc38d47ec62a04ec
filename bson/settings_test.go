package bson_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	official "go.mongodb.org/mongo-driver/v2/bson"
)

type inner struct {
	A int
	B string
}

type outer struct {
	ID    int `bson:"_id"`
	Name  string
	Inner inner
	List  []inner
	Map   map[string]inner
	Ptr   *inner
	Any   any
}

// TestDisallowUnknownFields decodes documents with an element too many at every place where a struct is, both as the
// first document of its kind, and after many, when its layout is known.
func TestDisallowUnknownFields(t *testing.T) {
	more := doc("a", 1, "b", "x", "c", true)
	known := doc("a", 1, "b", "x")
	good := doc("_id", 1, "name", "n", "inner", known, "list", bson.A{known, known}, "map", doc("k", known), "ptr", known, "any", more)
	strict := bson.DecodeOptions{DisallowUnknownFields: true}
	for _, c := range []struct {
		doc  bson.D
		path string
	}{
		{doc("_id", 1, "extra", 1, "name", "n"), "extra"},
		{doc("extra", 1), "extra"},
		{doc("_id", 1, "name", "n", "z", 1), "z"},
		{doc("_id", 1, "inner", more), "inner.c"},
		{doc("list", bson.A{known, more}), "list.1.c"},
		{doc("map", doc("k", more)), "map.k.c"},
		{doc("ptr", more), "ptr.c"},
		{doc("a key that is longer than what layouts learn, by far, as it has more than sixty-four bytes", 1), "a key"},
	} {
		data, all := mustMarshal(t, c.doc), mustMarshal(t, good)
		for range 10 {
			var o outer
			if err := strict.Unmarshal(all, &o); err != nil || o.Inner.B != "x" {
				t.Fatal(err)
			}
			err := strict.Unmarshal(data, &o)
			var at *bson.DecodeError
			if !errors.As(err, &at) || !strings.HasPrefix(strings.Join(at.Keys(), "."), c.path) || !strings.Contains(err.Error(), "unknown fields") {
				t.Fatalf("%v: %v", c.doc, err)
			}
			if err := bson.Unmarshal(data, &o); err != nil { // teaches the layout
				t.Fatal(err)
			}
		}
	}
	var inlined struct {
		A    int
		Rest map[string]any `bson:",inline"`
	}
	if err := strict.Unmarshal(mustMarshal(t, more), &inlined); err != nil || len(inlined.Rest) != 2 {
		t.Error(inlined, err)
	}
	for _, v := range []any{&bson.D{}, &bson.M{}, &bson.Raw{}} {
		if err := strict.Unmarshal(mustMarshal(t, more), v); err != nil {
			t.Error(err)
		}
	}
}

// TestObjectIDAsHexString compares with the option of that name of the official package.
func TestObjectIDAsHexString(t *testing.T) {
	type named string
	id := bson.NewObjectID()
	data := mustMarshal(t, doc("id", id, "any", id, "list", bson.A{id}, "map", doc("k", id)))
	type target struct {
		ID   named
		Any  any
		List []string
		Map  map[string]string
	}
	var got, want target
	hex := bson.DecodeOptions{ObjectIDAsHexString: true}
	if err := hex.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	dec := official.NewDecoder(official.NewDocumentReader(bytes.NewReader(data)))
	dec.ObjectIDAsHexString()
	if err := dec.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || got.ID != named(id.Hex()) || got.Any != id {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := bson.Unmarshal(data, &got); err == nil || !strings.Contains(err.Error(), "ObjectIDAsHexString") {
		t.Error(err)
	}
}

type zeroByMethod struct{ N int }

func (z zeroByMethod) IsZero() bool { return z.N == 7 }

type zeroByPointer struct{ N int }

func (z *zeroByPointer) IsZero() bool { return z.N == 7 }

type saysZero interface{ IsZero() bool }

func TestOmitZero(t *testing.T) {
	type zeros struct {
		Int     int            `bson:"int,omitzero"`
		Text    string         `bson:",omitzero"`
		Time    time.Time      `bson:",omitzero"`
		ID      bson.ObjectID  `bson:"_id,omitzero"`
		Struct  inner          `bson:",omitzero"`
		Array   [2]int         `bson:",omitzero"`
		Slice   []int          `bson:",omitzero"`
		Map     map[string]int `bson:",omitzero"`
		Ptr     *int           `bson:",omitzero"`
		Any     any            `bson:",omitzero"`
		Method  zeroByMethod   `bson:",omitzero"`
		Pointer zeroByPointer  `bson:",omitzero"`
		Zeroer  saysZero       `bson:",omitzero"`
		MPtr    *zeroByMethod  `bson:",omitzero"`
		Both    []int          `bson:",omitempty,omitzero"`
		Keep    int
	}
	keys := func(v any) string {
		var names []string
		data, err := bson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		elements, err := bson.Raw(data).Elements()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range elements {
			names = append(names, e.Key())
		}
		return strings.Join(names, " ")
	}
	// A zero value whose method says that it is not zero stays.
	if got := keys(zeros{}); got != "method pointer keep" {
		t.Error(got)
	}
	seven := zeros{Method: zeroByMethod{7}, Pointer: zeroByPointer{7}, Zeroer: zeroByMethod{7}, MPtr: &zeroByMethod{7}, Both: []int{}}
	if got := keys(&seven); got != "keep" {
		t.Error(got)
	}
	var nilPointer *zeroByPointer
	if got := keys(zeros{Zeroer: nilPointer, Slice: []int{}, Map: map[string]int{}, Ptr: new(int), Any: 0, Struct: inner{A: 1}}); got != "struct slice map ptr any method pointer keep" {
		t.Error(got)
	}
}
