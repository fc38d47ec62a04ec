package bson_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func TestDocumentType(t *testing.T) {
	data := mustMarshal(t, doc("x", int32(1), "sub", doc("x", int32(2)), "list", bson.A{doc("x", int32(3)), bson.A{doc()}}))
	for _, c := range []struct {
		typ       reflect.Type
		sub, last any
	}{
		{nil, doc("x", int32(2)), doc()},
		{typeOf[bson.D](), doc("x", int32(2)), doc()},
		{typeOf[bson.M](), bson.M{"x": int32(2)}, bson.M{}},
		{typeOf[map[string]any](), map[string]any{"x": int32(2)}, map[string]any{}},
		{typeOf[bson.Raw](), bson.Raw(mustMarshal(t, doc("x", int32(2)))), bson.Raw(mustMarshal(t, doc()))},
		{typeOf[Inner](), Inner{X: 2}, Inner{}},
		{typeOf[*Inner](), &Inner{X: 2}, &Inner{}},
		{typeOf[map[string]int](), map[string]int{"x": 2}, map[string]int{}},
		{typeOf[namedMap](), namedMap{"x": int32(2)}, namedMap{}},
	} {
		o := bson.DecodeOptions{DocumentType: c.typ}
		var d bson.D
		if err := o.Unmarshal(data, &d); err != nil {
			t.Errorf("%v: %v", c.typ, err)
			continue
		}
		if !reflect.DeepEqual(d[1].Value, c.sub) || !reflect.DeepEqual(d[2].Value.(bson.A)[1], bson.A{c.last}) {
			t.Errorf("%v: got %#v", c.typ, d)
		}
		var m map[string]any
		if err := o.Unmarshal(data, &m); err != nil || !reflect.DeepEqual(m["sub"], c.sub) {
			t.Errorf("%v: got %#v, %v", c.typ, m, err)
		}
		var s struct{ Sub any }
		if err := o.Unmarshal(data, &s); err != nil || !reflect.DeepEqual(s.Sub, c.sub) {
			t.Errorf("%v: got %#v, %v", c.typ, s, err)
		}
		var top any
		if err := o.Unmarshal(mustMarshal(t, doc("x", int32(2))), &top); err != nil || !reflect.DeepEqual(top, c.sub) {
			t.Errorf("%v: got %#v, %v", c.typ, top, err)
		}
	}
	o := bson.DecodeOptions{DocumentType: typeOf[string]()}
	if err := o.Unmarshal(data, new(bson.D)); err == nil {
		t.Error("documents can be decoded into a string")
	}
}

func TestTimes(t *testing.T) {
	data := mustMarshal(t, doc("t", testTime, "list", bson.A{testTime}))
	zone := time.FixedZone("somewhere", 3600)
	for _, loc := range []*time.Location{nil, zone} {
		o := bson.DecodeOptions{TimeAware: true, Location: loc}
		want := testTime
		if loc != nil {
			want = testTime.In(loc)
		}
		var d bson.D
		if err := o.Unmarshal(data, &d); err != nil || d[0].Value != want || d[1].Value.(bson.A)[0] != want {
			t.Errorf("got %v, %v", d, err)
		}
		var s struct{ T any }
		if err := o.Unmarshal(data, &s); err != nil || s.T != want {
			t.Errorf("got %v, %v", s, err)
		}
		var v struct{ T time.Time }
		if err := o.Unmarshal(data, &v); err != nil || v.T != want {
			t.Errorf("got %v, %v", v, err)
		}
	}
	o := bson.DecodeOptions{Location: zone}
	var d bson.D
	if err := o.Unmarshal(data, &d); err != nil || d[0].Value != bson.NewDateTimeFromTime(testTime) {
		t.Errorf("got %v, %v", d, err)
	}
}

// Null is the zero time, which is equal to time.Time{} in every zone.
func TestNullTimeIsZero(t *testing.T) {
	o := bson.DecodeOptions{Location: time.FixedZone("somewhere", 3600)}
	for _, null := range []any{bson.Null{}, bson.Undefined{}} {
		v := struct{ T time.Time }{testTime}
		if err := o.Unmarshal(mustMarshal(t, doc("t", null)), &v); err != nil || v.T != (time.Time{}) {
			t.Errorf("%T: got %v, %v", null, v.T, err)
		}
	}
}

func TestSharing(t *testing.T) {
	data := mustMarshal(t, zoo())
	for _, o := range []bson.DecodeOptions{{}, {CopyStrings: true}, {ShareInput: true}, {ShareInput: true, CopyStrings: true}} {
		for _, target := range targets() {
			want, got := target(), target()
			wantErr := bson.Unmarshal(data, want)
			in := bytes.Clone(data)
			err := o.Unmarshal(in, got)
			if (err != nil) != (wantErr != nil) || err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: got %v, %v", o, got, err)
			}
			if !o.ShareInput {
				clear(in)
				if err == nil && !reflect.DeepEqual(got, want) {
					t.Errorf("%+v: %T shares its input", o, got)
				}
			}
		}
	}
	// A view ends where its value ends: appending to it must not overwrite its neighbour.
	var d bson.D
	if err := bson.Unmarshal(mustMarshal(t, doc("a", []byte{1}, "b", "neighbour", "c", bson.D{}, "d", bson.A{1}, "e", "x")), &d); err != nil {
		t.Fatal(err)
	}
	_ = append(d[0].Value.(bson.Binary).Data, "overwritten by append"...)
	_ = append(d[2].Value.(bson.D), bson.E{Key: "k", Value: "v"})
	_ = append(d[3].Value.(bson.A), "overwritten")
	_ = append(d, bson.E{})
	if d[1].Value != "neighbour" || len(d[3].Value.(bson.A)) != 1 || d[4].Value != "x" {
		t.Errorf("got %v", d)
	}
}

func TestAppendMarshalReusesMemory(t *testing.T) {
	small := struct {
		ID   bson.ObjectID `bson:"_id"`
		Name string
		Tags []string
		Sub  *Inner
		At   time.Time
		D    bson.D
	}{testID, "name", []string{"a", "b"}, &Inner{X: 1}, testTime, doc("a", int32(1), "b", "c")}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if buf, err = bson.AppendMarshal(buf[:0], &small); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("AppendMarshal allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := bson.Marshal(&small); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("Marshal allocates %v times", n)
	}
}

// Keys find their fields whatever their length, case and script, wherever they are in the document.
func TestFieldLookup(t *testing.T) {
	type target struct {
		K, Key, KeyKey int32
		Straße         int32
		Äpfel          int32
		Empty          int32 `bson:"empty,omitempty"`
		Camel          int32 `bson:"camelCase"`
		Long           int32 `bson:"a_key_that_is_longer_than_sixteen_and_even_longer_than_thirty-two_bytes"`
		Eight          int32 `bson:"exactly8"`
		Seven          int32 `bson:"seven_7"`
		Last           int32
	}
	keys := []string{
		"", "k", "K", "\u212a", "key", "KEY", "kEy", "\u212aey", "keykey", "KeyKey", "keyKe", "keykeyk", "straße", "STRASSE", "STRAßE",
		"äpfel", "Äpfel", "ÄPFEL", "empty", "Empty", "camelCase", "camelcase", "CAMELCASE", "exactly8", "Exactly8", "seven_7", "SEVEN_7",
		"a_key_that_is_longer_than_sixteen_and_even_longer_than_thirty-two_bytes", "A_KEY_that_is_longer_than_sixteen_and_even_longer_than_thirty-two_bytes",
		"last", "x", "İ", "unknown", "Unknown", "some_unknown_key_of_a_length", "_id", "a.b", "\x01\x02",
	}
	for first := range keys {
		for _, step := range []int{1, 7, 31} {
			var d bson.D
			for i := range keys {
				d = append(d, bson.E{Key: keys[(first+i*step)%len(keys)], Value: int32(i + 1)})
			}
			data := mustMarshal(t, d)
			for range 4 {
				compareUnmarshal(t, data, func() any { return new(target) })
				compareUnmarshal(t, data, func() any { return new(struct{ Last int32 }) })
				compareUnmarshal(t, data, func() any {
					return new(struct {
						Last int32
						Rest map[string]int32 `bson:",inline"`
					})
				})
				d = d[:len(d)*2/3]
				data = mustMarshal(t, d)
			}
		}
	}
}
