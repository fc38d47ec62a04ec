// Package cipher encrypts and decrypts values with data keys: it turns placeholders into the data of binaries of
// subtype 6, and documents with such binaries into documents without.
package cipher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/payload"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
	"github.com/mgxdb/mgx/encryption/internal/token"
)

// A Key is a data key, decrypted.
type Key struct {
	ID       [16]byte
	Material aead.Key
}

// Keys finds data keys: one for each that is wanted, in order, and fails if one is missing. What it returns are copies,
// which the caller wipes.
type Keys func(ctx context.Context, wanted []placeholder.Key) ([]*Key, error)

// A Cipher encrypts and decrypts with the keys of a key vault. It is a placeholder.Encrypter and a
// placeholder.Decrypter, and safe for concurrent use.
type Cipher struct {
	keys Keys
	// contention chooses a contention factor from 0 to most.
	contention func(most int64) int64
}

// New returns a Cipher with these keys.
func New(keys Keys) *Cipher {
	return &Cipher{keys: keys, contention: func(most int64) int64 { return int64(rand.Uint64N(uint64(most) + 1)) }}
}

var (
	_ placeholder.Encrypter = (*Cipher)(nil)
	_ placeholder.Decrypter = (*Cipher)(nil)
)

func wipe(keys []*Key) {
	for _, k := range keys {
		k.Material.Wipe()
	}
}

// Encrypt is placeholder.Encrypter's.
func (c *Cipher) Encrypt(ctx context.Context, places []placeholder.Placeholder) ([][]byte, error) {
	var wanted []placeholder.Key
	for i := range places {
		if err := permitted(&places[i]); err != nil {
			return nil, placed(&places[i], err)
		}
		wanted = want(want(wanted, places[i].Key), indexKey(&places[i]))
	}
	keys, err := c.keys(ctx, wanted)
	if err != nil {
		return nil, err
	}
	defer wipe(keys)
	find := func(k placeholder.Key) *Key { return keys[slices.Index(wanted, k)] }
	out := make([][]byte, len(places))
	for i := range places {
		p := &places[i]
		if out[i], err = c.encrypt(p, find(p.Key), find(indexKey(p))); err != nil {
			return nil, placed(p, err)
		}
	}
	return out, nil
}

// placed says of which field an error is.
func placed(p *placeholder.Placeholder, err error) error {
	if p.Path == "" {
		return fmt.Errorf("encrypting: %w", err)
	}
	return fmt.Errorf("encrypting the field %q: %w", p.Path, err)
}

func indexKey(p *placeholder.Placeholder) placeholder.Key {
	if p.IndexKey == (placeholder.Key{}) {
		return p.Key
	}
	return p.IndexKey
}

func want(list []placeholder.Key, k placeholder.Key) []placeholder.Key {
	if slices.Contains(list, k) {
		return list
	}
	return append(list, k)
}

// permitted refuses values that are never encrypted, or not so.
func permitted(p *placeholder.Placeholder) error {
	if p.Algorithm == placeholder.Range && p.Purpose == placeholder.Find {
		return nil // its bounds are looked at with the range
	}
	switch p.Value.Type {
	case 0:
		return fmt.Errorf("there is no value")
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return fmt.Errorf("a value of type %s is the same as no value, and cannot be encrypted", p.Value.Type)
	case bson.TypeBinary:
		if subtype, _, ok := p.Value.AsBinary(); ok && subtype == bson.TypeBinaryEncrypted {
			return fmt.Errorf("the value is encrypted already (binary subtype 6)")
		}
	case bson.TypeDouble, bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope, bson.TypeBoolean, bson.TypeDecimal128:
		if p.Algorithm == placeholder.Deterministic {
			return fmt.Errorf("a value of type %s cannot be encrypted deterministically, only with the random algorithm", p.Value.Type)
		}
	}
	return nil
}

func (c *Cipher) encrypt(p *placeholder.Placeholder, key, index *Key) ([]byte, error) {
	switch p.Algorithm {
	case placeholder.Deterministic, placeholder.Random:
		return fieldLevel(p, key), nil
	case placeholder.Unindexed:
		if p.Purpose == placeholder.Find {
			return nil, fmt.Errorf("an unindexed field cannot be looked for")
		}
		out := make([]byte, 0, 18+aead.Queryable.SealedLen(len(p.Value.Data)))
		out = payload.AppendHeader(out, payload.Unindexed, key.ID, p.Value.Type)
		return aead.Queryable.Seal(out, &key.Material, p.Value.Data, out), nil
	}
	if p.Contention < 0 {
		return nil, fmt.Errorf("the contention factor is 0 or more, not %d", p.Contention)
	}
	level1 := token.Derive(index.Material.TokenKey())
	defer level1.Wipe()
	w := writer{cipher: c, p: p, key: key, index: index, level1: level1}
	switch {
	case p.Purpose != placeholder.Insert && p.Purpose != placeholder.Find:
		return nil, fmt.Errorf("it is not said whether the value is stored or looked for")
	case p.Algorithm == placeholder.Indexed && p.Purpose == placeholder.Insert:
		return w.insertEquality(), nil
	case p.Algorithm == placeholder.Indexed:
		return w.findEquality(), nil
	case p.Algorithm == placeholder.Range && p.Purpose == placeholder.Insert:
		return w.insertRange()
	case p.Algorithm == placeholder.Range:
		return w.findRange()
	case p.Algorithm == placeholder.TextPreview && p.Purpose == placeholder.Insert:
		return w.insertText()
	case p.Algorithm == placeholder.TextPreview:
		return w.findText()
	}
	return nil, fmt.Errorf("algorithm %d is unknown", p.Algorithm)
}

// fieldLevel encrypts for client-side field level encryption.
func fieldLevel(p *placeholder.Placeholder, key *Key) []byte {
	t := payload.Random
	if p.Algorithm == placeholder.Deterministic {
		t = payload.Deterministic
	}
	out := make([]byte, 0, 18+aead.FieldLevel.SealedLen(len(p.Value.Data)))
	out = payload.AppendHeader(out, t, key.ID, p.Value.Type)
	if t == payload.Deterministic {
		return aead.FieldLevel.SealDeterministic(out, &key.Material, p.Value.Data, out)
	}
	return aead.FieldLevel.Seal(out, &key.Material, p.Value.Data, out)
}

// KeyID is placeholder.Encrypter's.
func (c *Cipher) KeyID(ctx context.Context, key placeholder.Key) ([16]byte, error) {
	if key.AltName == "" {
		return key.ID, nil
	}
	keys, err := c.keys(ctx, []placeholder.Key{key})
	if err != nil {
		return [16]byte{}, err
	}
	defer wipe(keys)
	return keys[0].ID, nil
}

// CompactionTokens is placeholder.Encrypter's.
func (c *Cipher) CompactionTokens(ctx context.Context, fields []placeholder.TokenField) (bson.Raw, error) {
	wanted := make([]placeholder.Key, len(fields))
	for i, f := range fields {
		wanted[i] = f.Key
	}
	keys, err := c.keys(ctx, wanted)
	if err != nil {
		return nil, err
	}
	defer wipe(keys)
	doc, start := bsonwire.Begin(nil)
	for i, f := range fields {
		ecoc := token.ECOC(keys[i].Material.TokenKey())
		if !f.Padded {
			doc = bsonwire.AppendBinary(doc, f.Path, 0, ecoc[:])
			continue
		}
		padding := token.AnchorPadding(keys[i].Material.TokenKey())
		var inner int
		doc, inner = bsonwire.BeginDocument(doc, f.Path)
		doc = bsonwire.AppendBinary(doc, "ecoc", 0, ecoc[:])
		doc = bsonwire.AppendBinary(doc, "anchorPaddingToken", 0, padding[:])
		doc = bsonwire.End(doc, inner)
	}
	return bsonwire.End(doc, start), nil
}
