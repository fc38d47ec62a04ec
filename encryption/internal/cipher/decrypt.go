package cipher

import (
	"context"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/encryption/internal/token"
)

// DecryptValue decrypts the data of one binary of subtype 6.
func (c *Cipher) DecryptValue(ctx context.Context, data []byte) (bsonwire.Value, error) {
	v, err := payload.Parse(data)
	if err != nil {
		return bsonwire.Value{}, err
	}
	r := reader{cipher: c, known: make(map[[16]byte]*Key, 1)}
	defer r.wipe()
	if err := r.want(ctx, &v); err != nil {
		return bsonwire.Value{}, err
	}
	return r.open(v)
}

// A reader decrypts the values of one document, and has the keys that it needs.
type reader struct {
	cipher *Cipher
	known  map[[16]byte]*Key
}

func (r *reader) wipe() {
	for _, k := range r.known {
		k.Material.Wipe()
	}
}

// need notes that a key is wanted.
func (r *reader) need(missing []placeholder.Key, id [16]byte) []placeholder.Key {
	if r.known[id] != nil {
		return missing
	}
	return want(missing, placeholder.Key{ID: id})
}

// fetch gets keys.
func (r *reader) fetch(ctx context.Context, missing []placeholder.Key) error {
	if len(missing) == 0 {
		return nil
	}
	keys, err := r.cipher.keys(ctx, missing)
	if err != nil {
		return err
	}
	for i, k := range keys {
		r.known[missing[i].ID] = k
	}
	return nil
}

// want gets the keys for values, and opens their outer encryption, if they have one.
func (r *reader) want(ctx context.Context, values ...*payload.Value) error {
	var missing []placeholder.Key
	for _, v := range values {
		missing = r.need(missing, v.Key)
	}
	if err := r.fetch(ctx, missing); err != nil {
		return err
	}
	missing = missing[:0]
	for _, v := range values {
		if !v.Type.Outer() {
			continue
		}
		key := token.ServerEncryption(r.known[v.Key].Material.TokenKey())
		plain, err := aead.DecryptCTR(nil, (*[32]byte)(&key), v.Sealed)
		if err == nil {
			err = v.Inner(plain)
		}
		if err != nil {
			return err
		}
		missing = r.need(missing, v.Key)
	}
	return r.fetch(ctx, missing)
}

// open decrypts a value, whose keys are there.
func (r *reader) open(v payload.Value) (bsonwire.Value, error) {
	suite := aead.Queryable
	switch v.Type {
	case payload.Deterministic, payload.Random:
		suite = aead.FieldLevel
	case payload.InsertUpdateV1, payload.UnindexedV1, payload.IndexedEqualityV1, payload.IndexedRangeV1:
		suite = aead.QueryableV1
	}
	plain, err := suite.Open(nil, &r.known[v.Key].Material, v.Sealed, v.AAD)
	if err != nil {
		return bsonwire.Value{}, fmt.Errorf("decrypting with the key %s: %w", UUID(v.Key), err)
	}
	return v.Check(plain)
}

// Decrypt is placeholder.Decrypter's.
func (c *Cipher) Decrypt(ctx context.Context, doc bson.Raw) (bson.Raw, error) {
	var found []payload.Value
	if err := collect(doc, 0, func(data []byte) error {
		v, err := payload.Parse(data)
		found = append(found, v)
		return err
	}); err != nil || len(found) == 0 {
		return doc, err
	}
	r := reader{cipher: c, known: make(map[[16]byte]*Key)}
	defer r.wipe()
	pointers := make([]*payload.Value, len(found))
	for i := range found {
		pointers[i] = &found[i]
	}
	if err := r.want(ctx, pointers...); err != nil {
		return nil, err
	}
	w := rewriter{next: func() (bsonwire.Value, error) {
		v := found[0]
		found = found[1:]
		return r.open(v)
	}}
	return w.document(make([]byte, 0, len(doc)), doc)
}

// encrypted returns the data of a binary of subtype 6 that holds an encrypted value.
func encrypted(v bsonwire.Value) ([]byte, bool) {
	// The length has four bytes, the subtype is behind.
	if v.Type != bson.TypeBinary || len(v.Data) < 6 || v.Data[4] != bson.TypeBinaryEncrypted {
		return nil, false
	}
	_, data, ok := v.AsBinary()
	return data, ok && len(data) > 0 && payload.Type(data[0]).Readable()
}

// collect calls found for each encrypted value in a document, at any depth.
func collect(doc []byte, depth int, found func(data []byte) error) error {
	if depth > bsonwire.MaxDepth {
		return fmt.Errorf("the document is nested more than %d deep", bsonwire.MaxDepth)
	}
	r := bsonwire.NewReader(doc)
	for r.Next() {
		switch v := r.Value(); v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if err := collect(v.Data, depth+1, found); err != nil {
				return err
			}
		case bson.TypeBinary:
			if data, ok := encrypted(v); ok {
				if err := found(data); err != nil {
					return fmt.Errorf("the field %q: %w", r.Key(), err)
				}
			}
		}
	}
	return r.Err()
}

// A rewriter copies documents, with other values in place of the encrypted ones.
type rewriter struct {
	next func() (bsonwire.Value, error)
}

// document appends a copy of doc.
func (w *rewriter) document(dst, doc []byte) ([]byte, error) {
	dst, start := bsonwire.Begin(dst)
	r := bsonwire.NewReader(doc)
	for r.Next() {
		v := r.Value()
		var err error
		switch _, hidden := encrypted(v); {
		case hidden:
			if v, err = w.next(); err == nil {
				dst = append(appendHeader(dst, v.Type, r.Key()), v.Data...)
			}
		case v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray:
			dst, err = w.document(appendHeader(dst, v.Type, r.Key()), v.Data)
		default:
			dst = append(appendHeader(dst, v.Type, r.Key()), v.Data...)
		}
		if err != nil {
			return nil, fmt.Errorf("the field %q: %w", r.Key(), err)
		}
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return bsonwire.End(dst, start), nil
}

func appendHeader(dst []byte, t bson.Type, key []byte) []byte {
	dst = append(slices.Grow(dst, len(key)+2), byte(t))
	return append(append(dst, key...), 0)
}

// UUID is an identifier in the usual form.
type UUID [16]byte

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
