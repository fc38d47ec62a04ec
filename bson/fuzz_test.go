package bson_test

import (
	"bytes"
	"testing"

	"github.com/mgxdb/mgx/bson"
)

func addSeeds(f *testing.F) {
	for _, data := range documents(f) {
		f.Add(data)
	}
	f.Add(nest(40))
	f.Add([]byte("\x05\x00\x00\x00\x00"))
}

// FuzzUnmarshalAny decodes into all that documents without a type become. What can be decoded is valid, and becomes the
// same bytes again.
func FuzzUnmarshalAny(f *testing.F) {
	addSeeds(f)
	options := []bson.DecodeOptions{
		{}, {DocumentType: typeOf[bson.M]()}, {DocumentType: typeOf[bson.Raw]()}, {CopyStrings: true}, {StrictUTF8: true},
		{ShareInput: true, TimeAware: true}, {DocumentType: typeOf[cycle]()},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.Clone(data)
		valid := bson.Validate(data)
		var d bson.D
		err := bson.Unmarshal(in, &d)
		if valid == nil && err != nil {
			t.Fatalf("a valid document cannot be decoded: %v", err)
		}
		clear(in)
		if err == nil {
			again, err := bson.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var e bson.D
			if err := bson.Unmarshal(again, &e); err != nil {
				t.Fatal(err)
			}
			if third, err := bson.Marshal(e); err != nil || !bytes.Equal(third, again) {
				t.Fatalf("%x became %x", again, third)
			}
		}
		for _, o := range options {
			for _, target := range []any{new(any), new(bson.M), new(bson.D)} {
				_ = o.Unmarshal(bytes.Clone(data), target)
			}
		}
	})
}

// FuzzUnmarshalStruct decodes into structs with fields of all types.
func FuzzUnmarshalStruct(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, target := range targets() {
			v := target()
			if err := bson.Unmarshal(bytes.Clone(data), v); err != nil {
				continue
			}
			_, _, _ = bson.MarshalValue(v)
		}
	})
}

// FuzzValidate checks that what Validate accepts is read without an error.
func FuzzValidate(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if bson.Validate(data) != nil {
			return
		}
		for _, target := range []any{new(any), new(bson.D), new(bson.M), new(bson.Raw), new(struct{ X any }), new(map[string]bson.RawValue)} {
			if err := bson.Unmarshal(data, target); err != nil {
				t.Fatalf("%T: %v", target, err)
			}
		}
		if err := bson.Raw(data).Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
