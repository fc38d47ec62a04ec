package encryption

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// Algorithm is how a value is encrypted.
type Algorithm string

// The algorithms. The first two are client-side field level encryption's, the others Queryable Encryption's.
const (
	// Deterministic encrypts a value always the same way, so that the encrypted values can be compared for being equal.
	// It gives away which values are equal, and is not for documents, arrays, doubles, decimals and booleans.
	Deterministic Algorithm = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	// Random encrypts a value differently each time.
	Random Algorithm = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
	// Indexed lets the server find equal values.
	Indexed Algorithm = "Indexed"
	// Unindexed values cannot be looked for.
	Unindexed Algorithm = "Unindexed"
	// Range lets the server find values in ranges.
	Range Algorithm = "Range"
	// String lets the server find strings by their beginnings, ends and parts. Of it, substring queries are a preview
	// in MongoDB 8.2: what is encrypted so now may not be readable for later servers' queries.
	String Algorithm = "String"
)

// QueryType is how a value of Queryable Encryption is looked for.
type QueryType string

// The types of queries.
const (
	Equality   QueryType = "equality"
	RangeQuery QueryType = "range"
	Prefix     QueryType = "prefix"
	Suffix     QueryType = "suffix"
	Substring  QueryType = "substring"
	// The same, by the names of their preview.
	PrefixPreview    QueryType = "prefixPreview"
	SuffixPreview    QueryType = "suffixPreview"
	SubstringPreview QueryType = "substringPreview"
)

// EncryptOptions are the key and the algorithm of a value.
type EncryptOptions struct {
	// KeyID is the identifier of the data key, as CreateDataKey returns it; or KeyAltName is one of its alternate names.
	// One of them is required.
	KeyID      bson.Binary
	KeyAltName string
	// Algorithm is required.
	Algorithm Algorithm
	// ContentionFactor is required by Indexed, Range and String, and is the one in the collection's encryptedFields.
	// A larger one makes writes of equal values wait less for each other, and queries slower. Contention makes one.
	ContentionFactor *int64
	// QueryType encrypts a value for looking for it; without it, for storing it. Indexed, Range and String only.
	QueryType QueryType
	// Range are the options of the field, as its encryptedFields have them: required by Range.
	Range *RangeOptions
	// String are the options of the field, as its encryptedFields have them: required by String.
	String *StringOptions
}

// Contention is a contention factor.
func Contention(factor int64) *int64 { return &factor }

// RangeOptions are those of a field with range queries. They must be the same as in the encryptedFields of the
// collection.
type RangeOptions struct {
	// Min and Max are the smallest and the largest value, of the type of the values: int32, int64, a date, or with a
	// Precision a double or Decimal128.
	Min, Max any
	// Sparsity, TrimFactor: see the server's manual. 0 and nil are the defaults, 2 and 6 (or less, for small ranges).
	Sparsity   int64
	TrimFactor *int32
	// Precision is how many decimal digits count behind the point of doubles and Decimal128s. It needs Min and Max, and
	// these need it.
	Precision *int32
}

// StringOptions are those of a field with string queries. They must be the same as in the encryptedFields of the
// collection.
type StringOptions struct {
	CaseSensitive, DiacriticSensitive bool
	// Prefix, Suffix and Substring are the queries that there are: the first two, one of them, or the last.
	Prefix, Suffix, Substring *StringQuery
}

// StringQuery are the limits of one kind of query, in code points.
type StringQuery struct {
	// MaxLength is the length of the longest string that can be stored: Substring only, where it is required.
	MaxLength int32
	// MinQuery and MaxQuery are the lengths of the shortest and longest string to look for.
	MinQuery, MaxQuery int32
}

// Encrypt encrypts a value: anything that can be the value of a field. The result is a binary of subtype 6.
//
// To insert or query with a value encrypted by Indexed, Range or String, the server's part is needed, and a client that
// tells the server about it: one with automatic encryption, whose analysis of queries may be bypassed. Values by
// Deterministic and Random are stored and looked for by any client.
func (c *ClientEncryption) Encrypt(ctx context.Context, value any, options EncryptOptions) (bson.Binary, error) {
	data, err := c.encrypt(ctx, value, &options)
	return bson.Binary{Subtype: bson.TypeBinaryEncrypted, Data: data}, wrap("encrypting a value", err)
}

func (c *ClientEncryption) encrypt(ctx context.Context, value any, o *EncryptOptions) ([]byte, error) {
	p, err := o.placeholder()
	if err != nil {
		return nil, err
	}
	if o.Algorithm == Range && o.QueryType != "" {
		return nil, errors.New("a range is looked for by two values: use EncryptExpression")
	}
	if p.Value, err = valueOf(value); err != nil {
		return nil, err
	}
	data, err := c.keys.cipher.Encrypt(ctx, []placeholder.Placeholder{p})
	if err != nil {
		return nil, err
	}
	return data[0], nil
}

// valueOf encodes a value.
func valueOf(v any) (bsonwire.Value, error) {
	doc, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		return bsonwire.Value{}, errors.New("the value cannot be encoded") // the cause may show it
	}
	value, _ := bsonwire.Lookup(doc, "v")
	return value, nil
}

// placeholder checks the options, and makes all of a placeholder but its value.
func (o *EncryptOptions) placeholder() (placeholder.Placeholder, error) {
	p := placeholder.Placeholder{Purpose: placeholder.Insert, Key: placeholder.Key{AltName: o.KeyAltName}}
	var err error
	switch {
	case len(o.KeyID.Data) == 0 && o.KeyAltName == "":
		return p, errors.New("KeyID or KeyAltName is needed")
	case len(o.KeyID.Data) > 0 && o.KeyAltName != "":
		return p, errors.New("KeyID and KeyAltName cannot be used together")
	case o.KeyAltName == "":
		if p.Key.ID, err = idOf(o.KeyID); err != nil {
			return p, err
		}
	}
	if err := o.check(); err != nil {
		return p, err
	}
	p.Algorithm = algorithms[o.Algorithm]
	if o.ContentionFactor != nil {
		p.Contention = *o.ContentionFactor
	}
	if o.QueryType != "" {
		p.Purpose = placeholder.Find
	}
	if o.Range != nil {
		if p.Range, err = o.Range.internal(); err != nil {
			return p, err
		}
	}
	if o.String != nil {
		p.Text = o.String.internal(o.QueryType)
	}
	return p, nil
}

var algorithms = map[Algorithm]placeholder.Algorithm{
	Deterministic: placeholder.Deterministic, Random: placeholder.Random, Indexed: placeholder.Indexed,
	Unindexed: placeholder.Unindexed, Range: placeholder.Range, String: placeholder.TextPreview,
}

// queries are the types of queries of the algorithms that have any.
var queries = map[Algorithm][]QueryType{
	Indexed: {Equality}, Range: {RangeQuery}, String: {Equality, Prefix, Suffix, Substring, PrefixPreview, SuffixPreview, SubstringPreview},
}

// check refuses options that do not go with the algorithm.
func (o *EncryptOptions) check() error {
	if _, ok := algorithms[o.Algorithm]; !ok {
		return fmt.Errorf("the algorithm %q is unknown", o.Algorithm)
	}
	types, queryable := queries[o.Algorithm]
	for _, c := range []struct {
		name             string
		given, belonging bool
	}{
		{"ContentionFactor", o.ContentionFactor != nil, queryable}, {"QueryType", o.QueryType != "", queryable},
		{"Range", o.Range != nil, o.Algorithm == Range}, {"String", o.String != nil, o.Algorithm == String},
	} {
		switch {
		case c.given && !c.belonging:
			return fmt.Errorf("%s does not go with the algorithm %s", c.name, o.Algorithm)
		case !c.given && c.belonging && c.name != "QueryType":
			return fmt.Errorf("%s is needed by the algorithm %s", c.name, o.Algorithm)
		}
	}
	if o.QueryType == "" {
		return nil
	}
	for _, t := range types {
		if t == o.QueryType {
			return nil
		}
	}
	return fmt.Errorf("the query type %q does not go with the algorithm %s", o.QueryType, o.Algorithm)
}

// internal checks the options as far as they can be without a value.
func (r *RangeOptions) internal() (*placeholder.RangeOptions, error) {
	o := &placeholder.RangeOptions{Sparsity: r.Sparsity, TrimFactor: r.TrimFactor, Precision: r.Precision}
	for _, bound := range []struct {
		name  string
		given any
		to    *bsonwire.Value
	}{{"Min", r.Min, &o.Min}, {"Max", r.Max, &o.Max}} {
		if bound.given == nil {
			continue
		}
		v, err := valueOf(bound.given)
		if err != nil {
			return nil, fmt.Errorf("%s of the range: %w", bound.name, err)
		}
		*bound.to = v
		fraction := v.Type == bson.TypeDouble || v.Type == bson.TypeDecimal128
		switch {
		case r.Precision != nil && !fraction:
			return nil, fmt.Errorf("Precision of the range is for doubles and decimals, not for values of type %s", v.Type)
		case r.Precision == nil && fraction:
			return nil, fmt.Errorf("%s of a range of doubles or decimals needs a Precision", bound.name)
		}
	}
	switch {
	case r.Precision != nil && (r.Min == nil || r.Max == nil):
		return nil, errors.New("Precision of the range needs Min and Max")
	case r.Precision != nil && *r.Precision < 0, r.Sparsity < 0, r.TrimFactor != nil && *r.TrimFactor < 0:
		return nil, errors.New("Precision, Sparsity and TrimFactor of the range must not be negative")
	}
	return o, nil
}

// internal returns the options for storing a string, or for one type of query.
func (s *StringOptions) internal(q QueryType) *placeholder.TextOptions {
	limits := func(l *StringQuery, types ...QueryType) *placeholder.TextLimits {
		if l == nil || q != "" && q != types[0] && q != types[1] {
			return nil
		}
		return &placeholder.TextLimits{MaxLength: l.MaxLength, MinQuery: l.MinQuery, MaxQuery: l.MaxQuery}
	}
	return &placeholder.TextOptions{
		CaseSensitive: s.CaseSensitive, DiacriticSensitive: s.DiacriticSensitive,
		Prefix: limits(s.Prefix, Prefix, PrefixPreview), Suffix: limits(s.Suffix, Suffix, SuffixPreview),
		Substring: limits(s.Substring, Substring, SubstringPreview),
	}
}

// Decrypt decrypts a value that was encrypted: a binary of subtype 6. It finds the key by itself.
func (c *ClientEncryption) Decrypt(ctx context.Context, value bson.Binary) (bson.RawValue, error) {
	if value.Subtype != bson.TypeBinaryEncrypted {
		return bson.RawValue{}, wrap("decrypting a value", fmt.Errorf("it is a binary of subtype %d, not %d", value.Subtype, bson.TypeBinaryEncrypted))
	}
	v, err := c.keys.cipher.DecryptValue(ctx, value.Data)
	return v.Raw(), wrap("decrypting a value", err)
}

// DecryptDocument returns a document with all values decrypted that are encrypted in it, at any depth. A document without
// any is returned as it is, not copied.
func (c *ClientEncryption) DecryptDocument(ctx context.Context, doc bson.Raw) (bson.Raw, error) {
	out, err := c.keys.cipher.Decrypt(ctx, doc)
	return out, wrap("decrypting a document", err)
}
