package bson

import (
	"bytes"
	"io"
	"math/big"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The types of go.mongodb.org/mongo-driver/v2/bson, under the same names.
//
// Methods of these types are the official package's: RawValue.Unmarshal, for one, decodes with its codec. Unmarshal and
// UnmarshalValue of this package decode the same, faster.
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

// The interfaces through which a type decides itself how it is encoded and decoded.
type (
	Marshaler        = bson.Marshaler
	Unmarshaler      = bson.Unmarshaler
	ValueMarshaler   = bson.ValueMarshaler
	ValueUnmarshaler = bson.ValueUnmarshaler
	KeyMarshaler     = bson.KeyMarshaler
	KeyUnmarshaler   = bson.KeyUnmarshaler
	Zeroer           = bson.Zeroer
)

// The types of BSON elements.
const (
	TypeDouble           = bson.TypeDouble
	TypeString           = bson.TypeString
	TypeEmbeddedDocument = bson.TypeEmbeddedDocument
	TypeArray            = bson.TypeArray
	TypeBinary           = bson.TypeBinary
	TypeUndefined        = bson.TypeUndefined
	TypeObjectID         = bson.TypeObjectID
	TypeBoolean          = bson.TypeBoolean
	TypeDateTime         = bson.TypeDateTime
	TypeNull             = bson.TypeNull
	TypeRegex            = bson.TypeRegex
	TypeDBPointer        = bson.TypeDBPointer
	TypeJavaScript       = bson.TypeJavaScript
	TypeSymbol           = bson.TypeSymbol
	TypeCodeWithScope    = bson.TypeCodeWithScope
	TypeInt32            = bson.TypeInt32
	TypeTimestamp        = bson.TypeTimestamp
	TypeInt64            = bson.TypeInt64
	TypeDecimal128       = bson.TypeDecimal128
	TypeMinKey           = bson.TypeMinKey
	TypeMaxKey           = bson.TypeMaxKey
)

// The subtypes of binary values.
const (
	TypeBinaryGeneric     = bson.TypeBinaryGeneric
	TypeBinaryFunction    = bson.TypeBinaryFunction
	TypeBinaryBinaryOld   = bson.TypeBinaryBinaryOld
	TypeBinaryUUIDOld     = bson.TypeBinaryUUIDOld
	TypeBinaryUUID        = bson.TypeBinaryUUID
	TypeBinaryMD5         = bson.TypeBinaryMD5
	TypeBinaryEncrypted   = bson.TypeBinaryEncrypted
	TypeBinaryColumn      = bson.TypeBinaryColumn
	TypeBinarySensitive   = bson.TypeBinarySensitive
	TypeBinaryVector      = bson.TypeBinaryVector
	TypeBinaryUserDefined = bson.TypeBinaryUserDefined
)

// The kinds of Vector.
const (
	Int8Vector      = bson.Int8Vector
	Float32Vector   = bson.Float32Vector
	PackedBitVector = bson.PackedBitVector
)

// The range of a Decimal128's exponent.
const (
	MaxDecimal128Exp = bson.MaxDecimal128Exp
	MinDecimal128Exp = bson.MinDecimal128Exp
)

// NilObjectID is the zero ObjectID.
var NilObjectID = bson.NilObjectID

// Errors of the constructors and of Extended JSON, the official package's own.
var (
	ErrInvalidHex  = bson.ErrInvalidHex
	ErrInvalidJSON = bson.ErrInvalidJSON
	ErrParseNaN    = bson.ErrParseNaN
	ErrParseInf    = bson.ErrParseInf
	ErrParseNegInf = bson.ErrParseNegInf
	ErrDecodeToNil = bson.ErrDecodeToNil
)

// NewObjectID returns a new ObjectID, unique among all machines, with the current time in its first bytes.
func NewObjectID() ObjectID { return bson.NewObjectID() }

// NewObjectIDFromTimestamp is NewObjectID for another time.
func NewObjectIDFromTimestamp(t time.Time) ObjectID { return bson.NewObjectIDFromTimestamp(t) }

// ObjectIDFromHex parses the 24 hexadecimal digits of an ObjectID.
func ObjectIDFromHex(s string) (ObjectID, error) { return bson.ObjectIDFromHex(s) }

// NewDateTimeFromTime returns t as a DateTime, cut to milliseconds.
func NewDateTimeFromTime(t time.Time) DateTime { return bson.NewDateTimeFromTime(t) }

// NewDecimal128 returns the decimal with the high and low 64 bits h and l.
func NewDecimal128(h, l uint64) Decimal128 { return bson.NewDecimal128(h, l) }

// ParseDecimal128 parses a decimal, "NaN" or "Infinity".
func ParseDecimal128(s string) (Decimal128, error) { return bson.ParseDecimal128(s) }

// ParseDecimal128FromBigInt returns i times ten to the power of exp, and false if a decimal cannot hold that.
func ParseDecimal128FromBigInt(i *big.Int, exp int) (Decimal128, bool) {
	return bson.ParseDecimal128FromBigInt(i, exp)
}

// NewVector returns a vector of int8 or float32.
func NewVector[T int8 | float32](data []T) Vector { return bson.NewVector(data) }

// NewPackedBitVector returns a vector of bits, of which the last padding bits of the last byte do not count.
func NewPackedBitVector(bits []byte, padding uint8) (Vector, error) {
	return bson.NewPackedBitVector(bits, padding)
}

// NewVectorFromBinary reads a vector from binary data of subtype 9.
func NewVectorFromBinary(b Binary) (Vector, error) { return bson.NewVectorFromBinary(b) }

// ReadDocument reads one document from r.
func ReadDocument(r io.Reader) (Raw, error) { return bson.ReadDocument(r) }

// ReadArray reads one array from r.
func ReadArray(r io.Reader) (RawArray, error) { return bson.ReadArray(r) }

// MarshalExtJSON returns v in Extended JSON, canonical or relaxed.
func MarshalExtJSON(v any, canonical, escapeHTML bool) ([]byte, error) {
	return bson.MarshalExtJSON(v, canonical, escapeHTML)
}

// MarshalExtJSONIndent is MarshalExtJSON with every element on a line of its own.
func MarshalExtJSONIndent(v any, canonical, escapeHTML bool, prefix, indent string) ([]byte, error) {
	return bson.MarshalExtJSONIndent(v, canonical, escapeHTML, prefix, indent)
}

// IndentExtJSON appends src, which is Extended JSON, to dst with every element on a line of its own.
func IndentExtJSON(dst *bytes.Buffer, src []byte, prefix, indent string) error {
	return bson.IndentExtJSON(dst, src, prefix, indent)
}

// UnmarshalExtJSON decodes Extended JSON into the value that v points to. If canonicalOnly, relaxed Extended JSON is an
// error.
func UnmarshalExtJSON(data []byte, canonicalOnly bool, v any) error {
	return bson.UnmarshalExtJSON(data, canonicalOnly, v)
}
