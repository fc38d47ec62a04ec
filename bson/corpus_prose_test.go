package bson_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// The prose tests of the BSON corpus.

// TestNulInCStrings is prose test 1: what ends at a NUL may not hold one.
func TestNulInCStrings(t *testing.T) {
	type inner struct {
		M map[string]any
	}
	for name, v := range map[string]any{
		"key of a root document":          bson.D{{Key: "a\x00b", Value: 1}},
		"key of a root map":               bson.M{"a\x00b": 1},
		"key of a root map of ints":       map[string]int{"\x00": 1},
		"key of a subdocument":            bson.D{{Key: "a", Value: bson.D{{Key: "a\x00b", Value: 1}}}},
		"key of a map in a struct":        inner{M: map[string]any{"b\x00": 1}},
		"key in an array":                 bson.D{{Key: "a", Value: bson.A{bson.M{"b\x00": 1}}}},
		"key of a scope":                  bson.D{{Key: "a", Value: bson.CodeWithScope{Scope: bson.D{{Key: "a\x00", Value: 1}}}}},
		"pattern of a regular expression": bson.D{{Key: "a", Value: bson.Regex{Pattern: "b\x00"}}},
		"options of a regular expression": bson.D{{Key: "a", Value: bson.Regex{Options: "i\x00"}}},
		"regular expression in a struct":  struct{ R bson.Regex }{bson.Regex{Pattern: "\x00"}},
		"regular expression in an array":  bson.D{{Key: "a", Value: []bson.Regex{{Pattern: "\x00"}}}},
	} {
		if data, err := bson.Marshal(v); err == nil {
			t.Errorf("%s: no error, %x", name, data)
		}
	}
	for name, v := range map[string]any{
		"string": bson.D{{Key: "a", Value: "b\x00c"}}, "symbol": bson.D{{Key: "a", Value: bson.Symbol("b\x00c")}},
		"code": bson.D{{Key: "a", Value: bson.JavaScript("b\x00c")}},
	} {
		data, err := bson.Marshal(v)
		if err != nil {
			t.Errorf("%s with a NUL: %v", name, err)
			continue
		}
		var back bson.D
		if err := bson.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(any(back), v) {
			t.Errorf("%s with a NUL comes back as %v, %v", name, back, err)
		}
	}
}

// TestDuplicateKeys is prose test 2. D and the readers keep both; a map and a
// struct keep the last; a lookup finds the first.
func TestDuplicateKeys(t *testing.T) {
	data := []byte("\x17\x00\x00\x00\x10foo\x00\x01\x00\x00\x00\x10foo\x00\x02\x00\x00\x00\x00")
	both := bson.D{{Key: "foo", Value: int32(1)}, {Key: "foo", Value: int32(2)}}

	if got, err := bson.Marshal(both); err != nil || !bytes.Equal(got, data) {
		t.Errorf("D encodes to %x, %v, want %x", got, err, data)
	}
	var values []int64
	r := bsonwire.NewReader(data)
	for r.Next() {
		i, _ := r.Value().AsInt64()
		if string(r.Key()) != "foo" {
			t.Errorf("key %q", r.Key())
		}
		values = append(values, i)
	}
	if r.Err() != nil || !reflect.DeepEqual(values, []int64{1, 2}) {
		t.Errorf("reading gives %v, %v", values, r.Err())
	}
	if v, ok := bsonwire.Lookup(data, "foo"); !ok || !bytes.Equal(v.Data, []byte{1, 0, 0, 0}) {
		t.Errorf("a lookup finds %v", v)
	}
	if v := bson.Raw(data).Lookup("foo").Int32(); v != 1 {
		t.Errorf("a lookup in Raw finds %d", v)
	}
	for _, c := range []struct{ target, want any }{
		{new(bson.D), both},
		{new(any), both},
		{new(bson.M), bson.M{"foo": int32(2)}},
		{new(map[string]any), map[string]any{"foo": int32(2)}},
		{new(struct{ Foo int }), struct{ Foo int }{2}},
		{new(bson.Raw), bson.Raw(data)},
	} {
		if err := bson.Unmarshal(data, c.target); err != nil {
			t.Error(err)
		} else if got := reflect.ValueOf(c.target).Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("decodes to %#v, want %#v", got, c.want)
		}
	}
	if got, err := bson.MarshalExtJSON(both, false, false); err != nil || string(got) != `{"foo":1,"foo":2}` {
		t.Errorf("Extended JSON %s, %v", got, err)
	}
	var parsed bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"foo": 1, "foo": 2}`), false, &parsed); err != nil || !reflect.DeepEqual(parsed, both) {
		t.Errorf("Extended JSON parses to %v, %v", parsed, err)
	}
}
