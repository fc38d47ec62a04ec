package bson_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// Text that is not UTF-8 is read and written as it is, as the official package does, but
// where StrictUTF8 asks for an error.
func TestInvalidUTF8(t *testing.T) {
	for name, v := range map[string]any{
		"string": doc("s", "\xff"), "key": doc("\xff", 1), "key of M": bson.M{"\xff": 1}, "key of map": map[string]int{"\xff": 1},
		"field": struct{ S string }{"\xff"}, "slice": doc("s", []string{"\xff"}), "JavaScript": doc("s", bson.JavaScript("\xff")),
		"Symbol": doc("s", bson.Symbol("\xff")), "regex": doc("s", bson.Regex{Pattern: "\xff"}), "code": doc("s", bson.CodeWithScope{Code: "\xff", Scope: bson.D{}}),
		"pointer": doc("s", bson.DBPointer{DB: "\xff"}),
	} {
		data := mustMarshal(t, v)
		if got, err := bson.Marshal(v); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: Marshal returns %x, %v", name, got, err)
		}
		if err := bson.Validate(data); !errors.Is(err, bson.ErrInvalid) {
			t.Errorf("%s: Validate returns %v", name, err)
		}
		strict := bson.DecodeOptions{StrictUTF8: true}
		for _, target := range []any{new(bson.D), new(bson.M), new(any), new(map[string]any)} {
			if err := strict.Unmarshal(data, target); !errors.Is(err, bson.ErrInvalid) {
				t.Errorf("%s into %T: error is %v", name, target, err)
			}
			want := reflect.New(reflect.TypeOf(target).Elem()).Interface()
			if err := official.Unmarshal(data, want); err != nil {
				t.Fatal(err)
			}
			if err := bson.Unmarshal(data, target); err != nil || !same(target, want) {
				t.Errorf("%s: got %v, want %v: %v", name, target, want, err)
			}
		}
	}
	var s struct{ S string }
	data := mustMarshal(t, doc("s", "a\xffb"))
	if err := bson.Unmarshal(data, &s); err != nil || s.S != "a\xffb" {
		t.Errorf("into a field: %q, %v", s.S, err)
	}
	strict := bson.DecodeOptions{StrictUTF8: true}
	if err := strict.Unmarshal(data, &s); !errors.Is(err, bson.ErrInvalid) {
		t.Errorf("into a field: error is %v", err)
	}
}
