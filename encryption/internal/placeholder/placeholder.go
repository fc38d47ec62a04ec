// Package placeholder is what the analysis of commands and the cryptography agree on: the analysis names the values of
// a command that must be encrypted, and how; an Encrypter returns what takes their places.
//
// It has the facts that query analysis writes into its markings (binary subtype 6, "intent to encrypt": the documents
// of blob types 0 and 3), as Go values.
package placeholder

import (
	"context"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// A Placeholder is one value of a command, and how it has to be encrypted.
type Placeholder struct {
	// Path is the dotted path of the field that the value belongs to. It only says in errors where something is wrong.
	Path string
	// Value is what must be encrypted. It may alias the command. A range query has none: its bounds are in Query.
	Value bsonwire.Value
	// Key is the data key: of field level encryption, or of Queryable Encryption's field.
	Key Key
	// IndexKey is the key from which the tokens of an indexed value are derived. The zero Key stands for Key, which
	// both are in all encryptedFields.
	IndexKey Key

	Algorithm Algorithm
	// Purpose is what the value is for. Of field level encryption it does not matter.
	Purpose Purpose
	// Contention is the field's contention factor: Queryable Encryption's indexed algorithms only.
	Contention int64
	// Range are the options of a field with range queries: needed with the algorithm Range.
	Range *RangeOptions
	// Query are the bounds of a range query: needed with the algorithm Range and the purpose Find.
	Query *RangeQuery
	// Text are the options of a field with text queries: needed with the algorithm TextPreview.
	Text *TextOptions
}

// A Key says which data key: by its identifier, or, if AltName is not empty, by one of its alternate names.
type Key struct {
	ID      [16]byte
	AltName string
}

// Algorithm is how a value is encrypted.
type Algorithm uint8

// The algorithms: the first two are client-side field level encryption's, the others Queryable Encryption's.
const (
	Deterministic Algorithm = iota + 1
	Random
	Unindexed
	Indexed
	Range
	TextPreview
)

// Purpose is what a value of Queryable Encryption is for.
type Purpose uint8

// A value is stored (by inserts, updates and replacements), or looked for (in filters).
const (
	Insert Purpose = iota + 1
	Find
)

// RangeOptions are the properties of a field that range queries go over.
type RangeOptions struct {
	// Min and Max are the field's bounds, of the field's type. The zero Value is a bound that was not given: the type's
	// own then counts.
	Min, Max bsonwire.Value
	// Sparsity is how many levels lie between two edges. 0 was not given: it is 2 then.
	Sparsity int64
	// TrimFactor is how many levels at the top have no edges; nil was not given.
	TrimFactor *int32
	// Precision is the number of decimal digits behind the point that count; nil was not given. Doubles and decimals
	// only.
	Precision *int32
}

// A RangeQuery is the bounds of a query over a range. Where a query bounds a field from two sides, by $gt and $lt, each
// of the two values has a placeholder of its own: the first with the bounds of both, the second a Stub, and both with the
// same PayloadID and operators.
type RangeQuery struct {
	// Lower and Upper are the bounds, of the field's type. A query that is open at one side has the field's own bound
	// there, or the infinity of a double or a decimal.
	Lower, Upper                 bsonwire.Value
	LowerIncluded, UpperIncluded bool
	// Stub reports that the bounds are in the other placeholder with this PayloadID.
	Stub bool
	// PayloadID ties the two values of one query together; no two queries of a command have the same.
	PayloadID int32
	// First is the operator that the value stands behind; Second the other value's, if there are two.
	First, Second Operator
}

// Operator is a comparison in a query, numbered as the server does.
type Operator int32

// The operators that bound a range. None is the second of a query with one bound.
const (
	None Operator = iota
	GreaterThan
	GreaterOrEqual
	LessThan
	LessOrEqual
)

// TextOptions are the properties of a field with text queries. Queries on prefixes, suffixes and substrings each have
// their own limits; nil says that the field has no such queries. A query (purpose Find) has the one that it asks.
type TextOptions struct {
	Prefix, Suffix, Substring         *TextLimits
	CaseSensitive, DiacriticSensitive bool
}

// TextLimits are the limits of the lengths of what is looked for, in Unicode code points.
type TextLimits struct {
	// MaxLength is the most that a value may have: substring queries only.
	MaxLength int32
	// MinQuery and MaxQuery are the fewest and most that a query may look for.
	MinQuery, MaxQuery int32
}

// An Encrypter turns values into the data of binaries of subtype 6 that stand for them.
type Encrypter interface {
	// Encrypt returns for each placeholder the data, blob type first, of the binary of subtype 6 that takes its value's
	// place: for all, or, with an error, for none. Keys that are not at hand come from the key vault and their key
	// management services, all of one call in one query. What is returned is the caller's.
	Encrypt(ctx context.Context, places []Placeholder) ([][]byte, error)

	// KeyID returns the identifier of a key. It reads the key vault if the key is named by an alternate name that is
	// not at hand.
	KeyID(ctx context.Context, key Key) ([16]byte, error)

	// CompactionTokens returns the document that compactStructuredEncryptionData has as compactionTokens, and
	// cleanupStructuredEncryptionData as cleanupTokens, for the fields of a collection's encryptedFields, indexed or not.
	CompactionTokens(ctx context.Context, fields []TokenField) (bson.Raw, error)
}

// A TokenField is what compaction needs of a field in encryptedFields.
type TokenField struct {
	Path string
	Key  Key
	// Padded reports that the field has range or text queries, whose compaction also needs the token of its anchors.
	Padded bool
}

// A Decrypter reads what was encrypted.
type Decrypter interface {
	// Decrypt returns doc with every binary of subtype 6 in it, at any depth, replaced by its value. Without any it
	// returns doc itself, not a copy; otherwise the document is new, and the caller's.
	Decrypt(ctx context.Context, doc bson.Raw) (bson.Raw, error)
}
