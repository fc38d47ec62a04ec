package mgx

import (
	"reflect"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// sortKeys makes a sort or index document from fields with an optional minus.
func sortKeys(fields []string) bson.D {
	d := make(bson.D, len(fields))
	for i, f := range fields {
		if name, ok := strings.CutPrefix(f, "-"); ok {
			d[i] = bson.E{Key: name, Value: int32(-1)}
		} else {
			d[i] = bson.E{Key: strings.TrimPrefix(f, "+"), Value: int32(1)}
		}
	}
	return d
}

var emptyDocument = []byte{5, 0, 0, 0, 0}

// appendDocument appends v as a BSON document; nil is the empty one. what names
// it in errors.
func appendDocument(dst []byte, what string, v any) ([]byte, error) {
	if v == nil {
		return append(dst, emptyDocument...), nil
	}
	if err := checkElement(what, v); err != nil {
		return dst, err
	}
	out, err := bson.AppendMarshal(dst, v)
	if err != nil {
		return dst, failure(ErrInvalidArgument, "%s: %w", what, err)
	}
	return out, nil
}

// checkElement refuses an element where a document belongs: as a struct it would be one
// with the fields key and value, which nobody means.
func checkElement(what string, v any) error {
	switch v.(type) {
	case bson.E, *bson.E:
		return failure(ErrInvalidArgument, "%s: a bson.E is an element of a document; use bson.D{{…}}", what)
	}
	return nil
}

// appendField appends a document as an element.
func appendField(dst []byte, key string, v any) ([]byte, error) {
	return appendDocument(bsonwire.AppendHeader(dst, bson.TypeEmbeddedDocument, key), key, v)
}

// appendOptional appends any value as an element, unless it is nil.
func appendOptional(dst []byte, key string, v any) ([]byte, error) {
	if v == nil {
		return dst, nil
	}
	return appendAny(dst, key, v)
}

// appendOrdered is appendAll for documents whose order matters, such as a sort, or an
// index's keys. A hint may also be a name.
func appendOrdered(dst []byte, fields ...field) ([]byte, error) {
	var err error
	for _, f := range fields {
		if err = checkOrdered(f.key, f.value); err != nil {
			return dst, err
		}
		if dst, err = appendOptional(dst, f.key, f.value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// checkOrdered refuses a map of several fields: each time it is encoded, they may
// come in another order.
func checkOrdered(key string, v any) error {
	if m := reflect.ValueOf(v); m.Kind() == reflect.Map && m.Len() > 1 {
		return failure(ErrInvalidArgument, "%s: the fields of a %T have no order; use a bson.D", key, v)
	}
	return nil
}

// appendAny appends any value as an element.
func appendAny(dst []byte, key string, v any) ([]byte, error) {
	if err := checkElement(key, v); err != nil {
		return dst, err
	}
	at := len(dst)
	dst = bsonwire.AppendHeader(dst, 0, key)
	t, out, err := bson.AppendMarshalValue(dst, v)
	if err != nil {
		return dst[:at], failure(ErrInvalidArgument, "%s: %w", key, err)
	}
	out[at] = byte(t)
	return out, nil
}

// appendPipeline appends stages as an array; nil is the empty one.
func appendPipeline(dst []byte, key string, pipeline any) ([]byte, error) {
	if pipeline == nil {
		return bsonwire.AppendArray(dst, key, emptyDocument), nil
	}
	at := len(dst)
	out, err := appendAny(dst, key, pipeline)
	if err != nil {
		return dst, err
	}
	if bsonwire.Type(out[at]) != bson.TypeArray {
		return dst, failure(ErrInvalidArgument, "%s: a %T is not a list of stages", key, pipeline)
	}
	return out, nil
}

// appendUpdate appends an update: a document of operators, or a pipeline.
func appendUpdate(dst []byte, key string, update any) ([]byte, error) {
	if update == nil {
		return dst, failure(ErrInvalidArgument, "update: nil updates nothing")
	}
	at := len(dst)
	out, err := appendAny(dst, key, update)
	if err != nil {
		return dst, err
	}
	switch t, doc := bsonwire.Type(out[at]), out[at+len(key)+2:]; t {
	case bson.TypeArray:
		if len(doc) <= len(emptyDocument) {
			return dst, failure(ErrInvalidArgument, "update: the pipeline has no stages")
		}
	case bson.TypeEmbeddedDocument:
		first, ok := firstKey(doc)
		if !ok {
			return dst, failure(ErrInvalidArgument, "update: the document is empty")
		}
		if first == "" || first[0] != '$' {
			return dst, failure(ErrInvalidArgument, "update: %q is no operator such as $set; use ReplaceOne to replace a whole document", first)
		}
	default:
		return dst, failure(ErrInvalidArgument, "update: a %T is neither a document nor a pipeline", update)
	}
	return out, nil
}

// appendReplacement appends a document without operators.
func appendReplacement(dst []byte, key string, replacement any) ([]byte, error) {
	if replacement == nil {
		return dst, failure(ErrInvalidArgument, "replacement: nil is no document")
	}
	out, err := appendDocument(bsonwire.AppendHeader(dst, bson.TypeEmbeddedDocument, key), "replacement", replacement)
	if err != nil {
		return dst, err
	}
	if first, ok := firstKey(out[len(dst)+len(key)+2:]); ok && first != "" && first[0] == '$' {
		return dst, failure(ErrInvalidArgument, "replacement: %q is an operator; use UpdateOne to change fields", first)
	}
	return out, nil
}

func firstKey(doc []byte) (string, bool) {
	r := bsonwire.NewReader(doc)
	if !r.Next() {
		return "", false
	}
	return string(r.Key()), true
}

// decodeValue returns a value as decoding into an any does by default.
func decodeValue(v bsonwire.Value) (any, error) {
	var out any
	err := bson.UnmarshalValue(v.Type, v.Data, &out)
	return out, err
}

// decodeID returns the _id of a reply as the call's documents are decoded, or, if
// a document type does not fit it, as it is by default.
func decodeID(v bsonwire.Value, dec *bson.DecodeOptions) any {
	var out any
	if dec.UnmarshalValue(v.Type, v.Data, &out) != nil {
		out, _ = decodeValue(v)
	}
	return out
}

// elements gives access to a slice of documents of any type.
type elements struct {
	list []any
	raw  []bson.Raw
	v    reflect.Value
}

func elementsOf(docs any) (elements, error) {
	switch list := docs.(type) {
	case []any:
		return elements{list: list}, nil
	case []bson.Raw:
		return elements{raw: list}, nil
	}
	v := reflect.ValueOf(docs)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return elements{}, failure(ErrInvalidArgument, "a %T is no slice of documents", docs)
	}
	// A document can itself be a slice: D and Raw are, and one element too few
	// is easily written.
	switch docs.(type) {
	case bson.D, bson.Raw, []byte:
		return elements{}, failure(ErrInvalidArgument, "a %T is one document, not a slice of documents", docs)
	}
	return elements{v: v}, nil
}

func (e elements) len() int {
	if e.v.IsValid() {
		return e.v.Len()
	}
	return len(e.list) + len(e.raw)
}

// at returns a document, by pointer where the slice holds values.
func (e elements) at(i int) any {
	switch {
	case e.list != nil:
		return e.list[i]
	case e.raw != nil:
		return &e.raw[i]
	}
	v := e.v.Index(i)
	if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer && v.CanAddr() {
		return v.Addr().Interface()
	}
	return v.Interface()
}
