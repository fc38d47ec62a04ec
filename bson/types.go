// Package bson holds the BSON types that mgx uses and the codec that moves
// them.
package bson

import "go.mongodb.org/mongo-driver/v2/bson"

// The types of go.mongodb.org/mongo-driver/v2/bson, under the same names.
type (
	A             = bson.A
	Binary        = bson.Binary
	CodeWithScope = bson.CodeWithScope
	D             = bson.D
	DateTime      = bson.DateTime
	DBPointer     = bson.DBPointer
	Decimal128    = bson.Decimal128
	E             = bson.E
	JavaScript    = bson.JavaScript
	M             = bson.M
	MaxKey        = bson.MaxKey
	MinKey        = bson.MinKey
	Null          = bson.Null
	ObjectID      = bson.ObjectID
	Raw           = bson.Raw
	RawArray      = bson.RawArray
	RawElement    = bson.RawElement
	RawValue      = bson.RawValue
	Regex         = bson.Regex
	Symbol        = bson.Symbol
	Timestamp     = bson.Timestamp
	Type          = bson.Type
	Undefined     = bson.Undefined
	Vector        = bson.Vector
)
