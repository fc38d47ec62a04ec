package mongo

import (
	"errors"

	"github.com/mgxdb/mgx"
	mgxbson "github.com/mgxdb/mgx/bson"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// SingleResult is a document, or the error of getting it.
type SingleResult struct {
	raw   bson.Raw
	err   error
	codec codec

	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// NewSingleResultFromDocument returns a result with a document, for tests, or with an
// error.
func NewSingleResultFromDocument(document any, err error, registry *bson.Registry) *SingleResult {
	if document == nil {
		return &SingleResult{err: ErrNilDocument}
	}
	c := codec{registry: registry}
	raw, encodeErr := c.document(document)
	if encodeErr != nil {
		return &SingleResult{err: encodeErr}
	}
	return &SingleResult{raw: raw, err: err, codec: c}
}

// single is the result of an operation of mgx's.
func single(c codec, r *mgx.SingleResult) *SingleResult {
	raw, err := r.Raw()
	return &SingleResult{raw: raw, err: convert(err), codec: c, Acknowledged: true}
}

// Err returns the operation's error; ErrNoDocuments, if nothing matched.
func (r *SingleResult) Err() error {
	if r.err == nil && r.raw == nil {
		return ErrNoDocuments
	}
	return r.err
}

// Raw returns the document as it came.
func (r *SingleResult) Raw() (bson.Raw, error) { return r.raw, r.Err() }

// Decode decodes the document into the value that v points to, or returns the
// operation's error.
func (r *SingleResult) Decode(v any) error {
	if err := r.Err(); err != nil {
		return err
	}
	return r.codec.decode(r.raw, v)
}

// DistinctResult is a list of values, or the error of getting it.
type DistinctResult struct {
	array bson.RawArray
	err   error
	codec codec
}

// Err returns the operation's error.
func (r *DistinctResult) Err() error { return r.err }

// Raw returns the values as they came.
func (r *DistinctResult) Raw() (bson.RawArray, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.array, nil
}

// Decode decodes the values into the slice that v points to, or returns the operation's
// error.
func (r *DistinctResult) Decode(v any) error {
	if r.err != nil {
		return r.err
	}
	if r.codec.official() {
		doc, err := bson.Marshal(bson.D{{Key: "arr", Value: bson.RawValue{Type: bson.TypeArray, Value: r.array}}})
		if err != nil {
			return err
		}
		return r.codec.decode(doc, &struct{ Arr any }{v})
	}
	return mgxbson.UnmarshalValue(bson.TypeArray, r.array, v)
}

// distinctValues makes an array of values.
func distinctValues(c codec, values []bson.RawValue, err error) *DistinctResult {
	if err != nil {
		return &DistinctResult{err: convert(err)}
	}
	if values == nil {
		values = []bson.RawValue{}
	}
	kind, array, err := mgxbson.MarshalValue(values)
	if err == nil && kind != bson.TypeArray {
		err = errors.New("distinct values are no array")
	}
	return &DistinctResult{array: array, err: err, codec: c}
}
