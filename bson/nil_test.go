package bson_test

import (
	"encoding"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// decodesDocument and decodesValue have methods that need something to be called on.
type decodesDocument struct{ size int }

func (v *decodesDocument) UnmarshalBSON(data []byte) error { v.size = len(data); return nil }

type decodesValue struct{ typ bson.Type }

func (v *decodesValue) UnmarshalBSONValue(t byte, _ []byte) error { v.typ = bson.Type(t); return nil }

// A nil pointer in an interface says what to decode into: null leaves it, anything else is decoded into a new value.
func TestDecodeIntoNilPointerInInterface(t *testing.T) {
	null, one := mustMarshal(t, doc("v", nil)), mustMarshal(t, doc("v", doc()))
	var d struct{ V bson.Unmarshaler }
	d.V = (*decodesDocument)(nil)
	if err := bson.Unmarshal(null, &d); err != nil || d.V != (*decodesDocument)(nil) {
		t.Errorf("null: %#v, %v", d.V, err)
	}
	if err := bson.Unmarshal(one, &d); err != nil || d.V.(*decodesDocument) == nil || d.V.(*decodesDocument).size != 5 {
		t.Errorf("document: %#v, %v", d.V, err)
	}
	var v struct{ V bson.ValueUnmarshaler }
	v.V = (*decodesValue)(nil)
	if err := bson.Unmarshal(null, &v); err != nil || v.V != (*decodesValue)(nil) {
		t.Errorf("null as a value: %#v, %v", v.V, err)
	}
	if err := bson.Unmarshal(one, &v); err != nil || v.V.(*decodesValue) == nil || v.V.(*decodesValue).typ != bson.TypeEmbeddedDocument {
		t.Errorf("document as a value: %#v, %v", v.V, err)
	}
	for _, target := range []any{&[]bson.Unmarshaler{(*decodesDocument)(nil)}, &[1]bson.Unmarshaler{(*decodesDocument)(nil)}} {
		if err := bson.UnmarshalValue(bson.TypeArray, mustMarshal(t, doc("0", doc())), target); err != nil {
			t.Errorf("%T: %v", target, err)
		}
	}
	var top bson.ValueUnmarshaler = (*decodesValue)(nil)
	if err := bson.UnmarshalValue(bson.TypeInt32, []byte{1, 0, 0, 0}, &top); err != nil || top.(*decodesValue) == nil || top.(*decodesValue).typ != bson.TypeInt32 {
		t.Errorf("at the top: %#v, %v", top, err)
	}
}

// Nil pointers whose methods are those of what they point to are null where they are values, and empty keys.
func TestEncodeNilPointerInInterface(t *testing.T) {
	for name, c := range map[string]struct{ value, want any }{
		"key in an any":            {map[any]int{(*time.Time)(nil): 1}, doc("", 1)},
		"key in a TextMarshaler":   {map[encoding.TextMarshaler]int{(*time.Time)(nil): 1}, doc("", 1)},
		"key that is a pointer":    {map[*time.Time]int{nil: 1}, doc("", 1)},
		"value in a Marshaler":     {struct{ V bson.Marshaler }{(*docMethod)(nil)}, doc("v", nil)},
		"values in []Marshaler":    {doc("v", []bson.Marshaler{(*docMethod)(nil)}), doc("v", bson.A{nil})},
		"value in a map":           {map[string]bson.Marshaler{"v": (*docMethod)(nil)}, doc("v", nil)},
		"value in an any":          {doc("v", (*docMethod)(nil)), doc("v", nil)},
		"pointer to the interface": {doc("v", ptr(bson.Marshaler((*docMethod)(nil)))), doc("v", nil)},
	} {
		got, err := bson.Marshal(c.value)
		if err != nil || string(got) != string(mustMarshal(t, c.want)) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}
