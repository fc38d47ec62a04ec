package unified

import (
	"fmt"
	"math"

	"github.com/mgxdb/mgx/bson"
)

// lookup finds the value of a key.
func lookup(d bson.D, key string) (any, bool) {
	for _, e := range d {
		if e.Key == key {
			return e.Value, true
		}
	}
	return nil, false
}

// get is lookup for a value of a certain type; the zero value stands for one that
// is not there or of another type.
func get[T any](d bson.D, key string) T {
	v, _ := lookup(d, key)
	t, _ := v.(T)
	return t
}

// integer returns a number without fraction.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n)
	}
	return 0, false
}

// typeName is the server manual's name of a value's BSON type, as $type has it.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case float64:
		return "double"
	case string:
		return "string"
	case bson.D:
		return "object"
	case bson.A:
		return "array"
	case bson.Binary:
		return "binData"
	case bson.Undefined:
		return "undefined"
	case bson.ObjectID:
		return "objectId"
	case bool:
		return "bool"
	case bson.DateTime:
		return "date"
	case bson.Regex:
		return "regex"
	case bson.DBPointer:
		return "dbPointer"
	case bson.JavaScript:
		return "javascript"
	case bson.Symbol:
		return "symbol"
	case bson.CodeWithScope:
		return "javascriptWithScope"
	case int32:
		return "int"
	case bson.Timestamp:
		return "timestamp"
	case int64:
		return "long"
	case bson.Decimal128:
		return "decimal"
	case bson.MinKey:
		return "minKey"
	case bson.MaxKey:
		return "maxKey"
	}
	return fmt.Sprintf("a %T", v)
}

// show is a value in Extended JSON, for messages.
func show(v any) string {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "", Value: v}}, false, false)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	return string(text[len(`{"":`) : len(text)-1])
}

// toD decodes a document as it came.
func toD(raw bson.Raw) (bson.D, error) {
	d := bson.D{}
	if raw == nil {
		return d, nil
	}
	err := bson.Unmarshal(raw, &d)
	return d, err
}

// toValue decodes a value as an any has it; the second result is false for one
// that is not there.
func toValue(raw bson.RawValue) (any, bool, error) {
	if raw.IsZero() {
		return nil, false, nil
	}
	var v any
	err := bson.UnmarshalValue(raw.Type, raw.Value, &v)
	return v, true, err
}
