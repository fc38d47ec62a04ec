package bson_test

import (
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// A type with methods for documents and for values uses the former at the top, and the latter below it.
func TestBothMethodsAtTheTop(t *testing.T) {
	for _, v := range []any{zBoth{7}, &zBoth{7}, zMixed{7}, &zMixed{7}} {
		typ, data, err := bson.MarshalValue(v)
		wantType, want, wantErr := official.MarshalValue(v)
		if err != nil || wantErr != nil || typ != bson.TypeEmbeddedDocument || typ != wantType || string(data) != string(want) {
			t.Errorf("%T: %v %x, %v, not %v %x, %v", v, typ, data, err, wantType, want, wantErr)
		}
	}
	if typ, _, err := bson.MarshalValue((*zBoth)(nil)); err != nil || typ != bson.TypeNull {
		t.Errorf("nil: %v, %v", typ, err)
	}
	for typ, data := range map[bson.Type][]byte{bson.TypeEmbeddedDocument: {5, 0, 0, 0, 0}, bson.TypeInt32: {1, 0, 0, 0}, bson.TypeNull: nil} {
		var got, want zBoth
		err, wantErr := bson.UnmarshalValue(typ, data, &got), official.UnmarshalValue(typ, data, &want)
		if err != nil || wantErr != nil || got != want || got.N != -int32(len(data)) {
			t.Errorf("%v: %v, %v, not %v, %v", typ, got, err, want, wantErr)
		}
	}
	if err := bson.UnmarshalValue(bson.TypeInt32, []byte{1, 0, 0, 0}, (*zBoth)(nil)); err == nil {
		t.Error("a nil pointer can be decoded into")
	}
}
