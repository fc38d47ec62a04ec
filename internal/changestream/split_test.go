package changestream

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

func marshal(t testing.TB, d bson.D) []byte {
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func part(t testing.TB, n, of int32, fields ...bson.E) []byte {
	d := bson.D{{Key: "_id", Value: bson.D{{Key: "t", Value: n}}}}
	d = append(d, fields...)
	return marshal(t, append(d, bson.E{Key: "splitEvent", Value: bson.D{{Key: "fragment", Value: n}, {Key: "of", Value: of}}}))
}

func TestFragments(t *testing.T) {
	var f Fragments
	whole := marshal(t, bson.D{{Key: "_id", Value: bson.D{}}, {Key: "a", Value: 1}})
	for range 2 {
		if got, err := f.Add(whole); err != nil || string(got) != string(whole) {
			t.Errorf("an event that is whole: %v, %v", bson.Raw(got), err)
		}
		for n := int32(1); n < 3; n++ {
			if got, err := f.Add(part(t, n, 3, bson.E{Key: string('a' + n), Value: n})); got != nil || err != nil || !f.Open() {
				t.Errorf("fragment %d: %v, %v", n, bson.Raw(got), err)
			}
		}
		got, err := f.Add(part(t, 3, 3, bson.E{Key: "z", Value: "end"}))
		if err != nil || f.Open() {
			t.Fatal(err)
		}
		if want := `{"b":1,"c":2,"_id":{"t":3},"z":"end"}`; plain(t, got) != want {
			t.Errorf("the event is %s, expected %s", plain(t, got), want)
		}
	}
}

func plain(t *testing.T, doc []byte) string {
	t.Helper()
	json, err := bson.MarshalExtJSON(bson.Raw(doc), false, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(json)
}

// Fragments that do not belong together are an error, not an event.
func TestFragmentsThatAreMissing(t *testing.T) {
	whole := marshal(t, bson.D{{Key: "_id", Value: bson.D{}}})
	for name, list := range map[string][][]byte{
		"the first":          {part(t, 2, 3)},
		"the second":         {part(t, 1, 3), part(t, 3, 3)},
		"the last":           {part(t, 1, 2), whole},
		"of another":         {part(t, 1, 2), part(t, 2, 3)},
		"more than there is": {part(t, 1, 0)},
		"without an _id":     {part(t, 1, 2), marshal(t, bson.D{{Key: "splitEvent", Value: bson.D{{Key: "fragment", Value: 2}, {Key: "of", Value: 2}}}})},
	} {
		var f Fragments
		var err error
		var got []byte
		for _, doc := range list {
			got, err = f.Add(doc)
		}
		if err == nil || got != nil {
			t.Errorf("%s: %v", name, bson.Raw(got))
		}
	}
	var f Fragments
	if _, err := f.Add(part(t, 1, 2)); err != nil {
		t.Fatal(err)
	}
	f.Forget()
	if got, err := f.Add(whole); err != nil || got == nil {
		t.Errorf("after Forget: %v", err)
	}
}

// FuzzFragments: what is put together is well-formed, whatever the server sends.
func FuzzFragments(f *testing.F) {
	f.Add(part(f, 1, 2, bson.E{Key: "a", Value: 1}), part(f, 2, 2, bson.E{Key: "b", Value: "x"}))
	f.Add(marshal(f, bson.D{{Key: "_id", Value: 1}}), part(f, 1, 1))
	f.Add([]byte{5, 0, 0, 0, 0}, []byte{6, 0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var fragments Fragments
		for _, doc := range [][]byte{first, second} {
			if bsonwire.Validate(doc) != nil {
				continue // the batch's reader has seen to that
			}
			got, err := fragments.Add(doc)
			if err == nil && got != nil && bsonwire.Validate(got) != nil {
				t.Errorf("%x is not well-formed", got)
			}
		}
	})
}
