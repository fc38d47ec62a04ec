// Package bson holds the BSON types that mgx uses and the codec that moves
// them.
package bson

import (
	"bytes"
	"reflect"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Marshal returns the BSON encoding of v, which must be something that makes a document.
func Marshal(v any) ([]byte, error) { return AppendMarshal(nil, v) }

// AppendMarshal appends the BSON encoding of v to dst and returns it. After an error it returns dst as it was.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	b, err := bson.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(dst, b...), nil
}

// MarshalValue returns the type and the BSON encoding of v, which may be any value.
func MarshalValue(v any) (Type, []byte, error) { return AppendMarshalValue(nil, v) }

// AppendMarshalValue appends the BSON encoding of v, without key and type, to dst. After an error it returns dst as it
// was.
func AppendMarshalValue(dst []byte, v any) (Type, []byte, error) {
	t, b, err := bson.MarshalValue(v)
	if err != nil {
		return 0, dst, err
	}
	return t, append(dst, b...), nil
}

// Unmarshal decodes the document data into the value that v points to.
func Unmarshal(data []byte, v any) error { return new(DecodeOptions).Unmarshal(data, v) }

// UnmarshalValue decodes data, a value of type t, into the value that v points to.
func UnmarshalValue(t Type, data []byte, v any) error {
	return new(DecodeOptions).UnmarshalValue(t, data, v)
}

// Validate checks that doc is exactly one valid document, whatever is nested in it included. See bsonwire.Validate.
func Validate(doc []byte) error { return bsonwire.Validate(doc) }

// DecodeOptions say how documents are decoded where Go's types leave it open. The zero value decodes as the official
// package does by default.
type DecodeOptions struct {
	// DocumentType is the type of documents that are decoded into an any. D if it is nil; M, map[string]any, Raw, or any
	// type that a document can be decoded into.
	DocumentType reflect.Type
	// TimeAware decodes datetimes in an any to time.Time instead of DateTime.
	TimeAware bool
	// Location is the time zone of every decoded time.Time. UTC if it is nil.
	Location *time.Location
}

// Unmarshal decodes the document data into the value that v points to.
func (o *DecodeOptions) Unmarshal(data []byte, v any) error {
	return bson.Unmarshal(data, v)
}

// UnmarshalValue decodes data, a value of type t, into the value that v points to.
func (o *DecodeOptions) UnmarshalValue(t Type, data []byte, v any) error {
	return bson.UnmarshalValue(t, bytes.Clone(data), v)
}
