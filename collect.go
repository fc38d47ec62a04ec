package mgx

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// All decodes the remaining documents into the slice that v points to, replacing
// what it held, and closes the cursor.
func (c *Cursor) All(v any) error {
	defer c.finish(c.ctx)
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Slice {
		return failure(ErrInvalidArgument, "all: a %T is no pointer to a slice", v)
	}
	slice := p.Elem()
	slice.SetLen(0)
	for c.Next() {
		n := slice.Len()
		if n == slice.Cap() {
			slice.Grow(1)
		}
		slice.SetLen(n + 1)
		item := slice.Index(n)
		item.SetZero()
		if err := c.decodeCurrent(item.Addr().Interface()); err != nil {
			slice.SetLen(n)
			return err
		}
	}
	return c.err
}

// Collect returns the cursor's remaining documents, and closes it. After an
// error it returns nil. Documents as bson.Raw share the memory of their batch, which
// stays as long as one of them is held.
func Collect[T any](c *Cursor) ([]T, error) {
	defer c.finish(c.ctx)
	list := []T{}
	for c.Next() {
		var zero T
		list = append(list, zero)
		if err := c.decodeCurrent(&list[len(list)-1]); err != nil {
			return nil, err
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return list, nil
}

// Each goes through the cursor's remaining documents, and closes it, however
// the loop ends. An error comes as the last value. Documents as bson.Raw may be kept,
// and share the memory of their batch; a loop that only looks at each saves the copy
// with Next and Current.
func Each[T any](c *Cursor) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer c.finish(c.ctx)
		for c.Next() {
			var v T
			if err := c.decodeCurrent(&v); err != nil {
				yield(v, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if c.err != nil {
			var zero T
			yield(zero, c.err)
		}
	}
}

// decodeCurrent decodes the current document into a value that is the caller's to
// keep.
func (c *Cursor) decodeCurrent(v any) error {
	if raw, ok := v.(*bson.Raw); ok {
		*raw = c.batches.Keep()
		return nil
	}
	return decodeDocument(c.dec, c.batches.Current(), v)
}

// decodeDocument decodes with the options of the handle or the call.
func decodeDocument(dec *bson.DecodeOptions, doc []byte, v any) error {
	if err := dec.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("decode%s into a %T: %w", whichDocument(doc), v, err)
	}
	return nil
}

// whichDocument names a document by its _id, if that is an ObjectID or an integer:
// a text may be a secret, such as the token of a session.
func whichDocument(doc []byte) string {
	id, _ := bsonwire.Lookup(doc, "_id")
	if oid, ok := id.AsObjectID(); ok {
		return " the document with _id " + oid.Hex()
	}
	if n, ok := id.AsInt64(); ok {
		return fmt.Sprintf(" the document with _id %d", n)
	}
	return ""
}
