package bson

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// validUTF8 reports whether b is UTF-8. Short ASCII is what it sees most.
func validUTF8(b []byte) bool {
	n := len(b)
	if n < 8 {
		for _, c := range b {
			if c >= utf8.RuneSelf {
				return utf8.Valid(b)
			}
		}
		return true
	}
	wide := binary.LittleEndian.Uint64(b[n-8:])
	for i := 0; i < n-8; i += 8 {
		wide |= binary.LittleEndian.Uint64(b[i:])
	}
	return wide&highBits == 0 || utf8.Valid(b)
}

func (d *decoder) uint32(i int) uint32  { return binary.LittleEndian.Uint32(d.src[i:]) }
func (d *decoder) uint64(i int) uint64  { return binary.LittleEndian.Uint64(d.src[i:]) }
func (d *decoder) double(i int) float64 { return math.Float64frombits(d.uint64(i)) }
func isNull(t byte) bool                { return t == byte(TypeNull) || t == byte(TypeUndefined) }

func (d *decoder) bool(i int) (bool, error) {
	if d.src[i] > 1 {
		return false, syntaxError(i, fmt.Sprintf("boolean is %d", d.src[i]))
	}
	return d.src[i] == 1, nil
}

func (d *decoder) time(ms int64) time.Time { return d.in(time.UnixMilli(ms)) }

func (d *decoder) in(t time.Time) time.Time {
	if d.opts.Location == nil {
		return t.UTC()
	}
	return t.In(d.opts.Location)
}

func (d *decoder) decimal(i int) Decimal128 { return NewDecimal128(d.uint64(i+8), d.uint64(i)) }

// binary returns the subtype and bounds of binary data.
func (d *decoder) binary(start, end int) (subtype byte, from int, err error) {
	subtype, from = d.src[start+4], start+5
	// The old binary has a second length. Very old drivers left it out: what cannot hold one is taken as it is.
	if subtype == TypeBinaryBinaryOld && end-from >= 4 {
		if int64(int32(d.uint32(from))) != int64(end-from-4) {
			return 0, 0, syntaxError(from, "binary of subtype 2 has a wrong second length")
		}
		from += 4
	}
	return subtype, from, nil
}

// plainBinary returns the bounds of binary data that stands for bytes without a meaning.
func (d *decoder) plainBinary(start, end int, into any) (from int, err error) {
	subtype, from, err := d.binary(start, end)
	if err == nil && subtype != TypeBinaryGeneric && subtype != TypeBinaryBinaryOld {
		err = fmt.Errorf("only binary of subtype 0 or 2 can be decoded into a %v, but this has subtype %d", into, subtype)
	}
	return from, err
}

// data returns binary data, which is not nil even if it is empty.
func (d *decoder) data(from, end int) []byte {
	if b := d.bytes(from, end); b != nil {
		return b
	}
	return []byte{}
}

// int reads what can be decoded into an integer.
func (d *decoder) int(t byte, start int, into reflect.Type) (int64, error) {
	switch Type(t) {
	case TypeInt32:
		return int64(int32(d.uint32(start))), nil
	case TypeInt64:
		return int64(d.uint64(start)), nil
	case TypeDouble:
		f := d.double(start)
		if math.Floor(f) != f && !d.truncate {
			return 0, errTruncate
		}
		// NaN fails both comparisons.
		if f >= -(1<<63) && f < 1<<63 {
			return int64(f), nil
		}
		return 0, errOverflow(f, "int64")
	case TypeBoolean:
		b, err := d.bool(start)
		if b {
			return 1, err
		}
		return 0, err
	case TypeNull, TypeUndefined:
		return 0, nil
	}
	return 0, errMismatch(t, into)
}

func decodeInt[T int | int8 | int16 | int32 | int64](rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, _ int) error {
		i, err := d.int(t, start, rt)
		if err != nil {
			return err
		}
		if int64(T(i)) != i {
			return errOverflow(i, rt)
		}
		*at[T](p) = T(i)
		return nil
	}
}

func decodeUint[T uint | uint8 | uint16 | uint32 | uint64](rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, _ int) error {
		i, err := d.int(t, start, rt)
		if err != nil {
			return err
		}
		if i < 0 || uint64(T(i)) != uint64(i) {
			return errOverflow(i, rt)
		}
		*at[T](p) = T(i)
		return nil
	}
}

// float reads what can be decoded into a floating-point number.
func (d *decoder) float(t byte, start int, into reflect.Type) (float64, error) {
	switch Type(t) {
	case TypeDouble:
		return d.double(start), nil
	case TypeInt32:
		return float64(int32(d.uint32(start))), nil
	case TypeInt64:
		return float64(int64(d.uint64(start))), nil
	case TypeBoolean:
		b, err := d.bool(start)
		if b {
			return 1, err
		}
		return 0, err
	case TypeNull, TypeUndefined:
		return 0, nil
	}
	return 0, errMismatch(t, into)
}

func decodeFloat64(rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, _ int) error {
		f, err := d.float(t, start, rt)
		if err == nil {
			*at[float64](p) = f
		}
		return err
	}
}

func decodeFloat32(rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, _ int) error {
		f, err := d.float(t, start, rt)
		if err != nil {
			return err
		}
		if float64(float32(f)) != f && !d.truncate {
			return errTruncate
		}
		*at[float32](p) = float32(f)
		return nil
	}
}

func decodeBool(rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, _ int) error {
		var b bool
		var err error
		switch Type(t) {
		case TypeBoolean:
			b, err = d.bool(start)
		case TypeInt32:
			b = d.uint32(start) != 0
		case TypeInt64:
			b = d.uint64(start) != 0
		case TypeDouble:
			b = d.double(start) != 0
		case TypeNull, TypeUndefined:
		default:
			err = errMismatch(t, rt)
		}
		if err == nil {
			*at[bool](p) = b
		}
		return err
	}
}

func decodeString(rt reflect.Type) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, end int) error {
		var s string
		var err error
		switch Type(t) {
		case TypeString, TypeSymbol:
			s, err = d.string(start, end)
		case TypeBinary:
			var from int
			if from, err = d.plainBinary(start, end, rt); err == nil {
				s = d.view(from, end)
			}
		case TypeNull, TypeUndefined:
		case TypeObjectID:
			if !d.opts.ObjectIDAsHexString {
				err = fmt.Errorf("cannot decode objectID into a %v (use bson.ObjectID, or the option ObjectIDAsHexString)", rt)
				break
			}
			s = ObjectID(d.src[start:end]).Hex()
		default:
			err = errMismatch(t, rt)
		}
		if err == nil {
			*at[string](p) = s
		}
		return err
	}
}

// kindDecoders make decoders for the types that are known by their kind alone.
var kindDecoders = map[reflect.Kind]func(reflect.Type) decodeFunc{
	reflect.Bool: decodeBool, reflect.String: decodeString,
	reflect.Int: decodeInt[int], reflect.Int8: decodeInt[int8], reflect.Int16: decodeInt[int16],
	reflect.Int32: decodeInt[int32], reflect.Int64: decodeInt[int64],
	reflect.Uint: decodeUint[uint], reflect.Uint8: decodeUint[uint8], reflect.Uint16: decodeUint[uint16],
	reflect.Uint32: decodeUint[uint32], reflect.Uint64: decodeUint[uint64],
	reflect.Float32: decodeFloat32, reflect.Float64: decodeFloat64,
}

// only makes a decoder for a T that takes values of one BSON type, and null for the zero value.
func only[T any](want Type, read func(d *decoder, start, end int) (T, error)) decodeFunc {
	return func(d *decoder, p pointer, t byte, start, end int) error {
		var v T
		if t == byte(want) {
			var err error
			if v, err = read(d, start, end); err != nil {
				return err
			}
		} else if !isNull(t) {
			return errMismatch(t, reflect.TypeFor[T]())
		}
		*at[T](p) = v
		return nil
	}
}

func (d *decoder) readDateTime(start, _ int) (DateTime, error) { return DateTime(d.uint64(start)), nil }
func (d *decoder) readDecimal(start, _ int) (Decimal128, error) {
	return d.decimal(start), nil
}

func (d *decoder) readTimestamp(start, _ int) (Timestamp, error) {
	return Timestamp{T: d.uint32(start + 4), I: d.uint32(start)}, nil
}

func (d *decoder) readBinary(start, end int) (Binary, error) {
	subtype, from, err := d.binary(start, end)
	if err != nil {
		return Binary{}, err
	}
	return Binary{Subtype: subtype, Data: d.data(from, end)}, nil
}

func (d *decoder) readRegex(start, end int) (Regex, error) {
	i := bsonwire.KeyEnd(d.src, start)
	pattern, err := d.text(start, i)
	if err != nil {
		return Regex{}, err
	}
	options, err := d.text(i+1, end-1)
	return Regex{Pattern: pattern, Options: options}, err
}

func (d *decoder) readDBPointer(start, end int) (DBPointer, error) {
	ns, err := d.string(start, end-12)
	return DBPointer{DB: ns, Pointer: ObjectID(d.src[end-12:])}, err
}

func (d *decoder) readJavaScript(start, end int) (JavaScript, error) {
	s, err := d.string(start, end)
	return JavaScript(s), err
}

func (d *decoder) readSymbol(start, end int) (Symbol, error) {
	s, err := d.string(start, end)
	return Symbol(s), err
}

func (d *decoder) readCodeWithScope(start, end int) (CodeWithScope, error) {
	n := bsonwire.ValueLen(byte(TypeString), d.src[start+4:end])
	scope := start + 4 + n
	if n < 0 || bsonwire.ValueLen(byte(TypeEmbeddedDocument), d.src[scope:end]) != end-scope {
		return CodeWithScope{}, syntaxError(start, "code and scope do not fill their length")
	}
	code, err := d.string(start+4, scope)
	if err != nil {
		return CodeWithScope{}, err
	}
	// The scope is a D, whatever the type of other documents.
	var doc D
	err = d.d(&doc, byte(TypeEmbeddedDocument), scope, end)
	return CodeWithScope{Code: JavaScript(code), Scope: doc}, err
}

func nothing[T any](*decoder, int, int) (v T, err error) { return v, nil }

func decodeObjectID(d *decoder, p pointer, t byte, start, end int) error {
	id := at[ObjectID](p)
	switch Type(t) {
	case TypeObjectID:
		*id = ObjectID(d.src[start:])
	case TypeString:
		s, err := d.string(start, end)
		if err != nil {
			return err
		}
		if parsed, err := ObjectIDFromHex(s); err == nil {
			*id = parsed
		} else if len(s) == len(id) {
			*id = ObjectID([]byte(s))
		} else {
			return fmt.Errorf("an ObjectID in a string must have 24 hexadecimal digits or 12 bytes, not %d", len(s))
		}
	case TypeNull, TypeUndefined:
		*id = ObjectID{}
	default:
		return errMismatch(t, "ObjectID")
	}
	return nil
}

// timeFormat is the format of times in strings.
const timeFormat = "2006-01-02T15:04:05.999Z07:00"

func decodeTime(d *decoder, p pointer, t byte, start, end int) error {
	var v time.Time
	switch Type(t) {
	case TypeDateTime, TypeInt64:
		v = time.UnixMilli(int64(d.uint64(start)))
	case TypeTimestamp:
		v = time.Unix(int64(d.uint32(start+4)), 0)
	case TypeString:
		s, err := d.string(start, end)
		if err != nil {
			return err
		}
		if v, err = time.Parse(timeFormat, s); err != nil {
			return err
		}
	case TypeNull, TypeUndefined:
		*at[time.Time](p) = v // the zero time, as is, wherever the other ones are
		return nil
	default:
		return errMismatch(t, "time.Time")
	}
	*at[time.Time](p) = d.in(v)
	return nil
}

func decodeByteSlice(d *decoder, p pointer, t byte, start, end int) error {
	var b []byte
	switch Type(t) {
	case TypeBinary:
		from, err := d.plainBinary(start, end, "[]byte")
		if err != nil {
			return err
		}
		b = d.data(from, end)
	case TypeString, TypeSymbol:
		if _, err := d.string(start, end); err != nil {
			return err
		}
		b = d.data(start+4, end-1)
	case TypeNull, TypeUndefined:
	default:
		return errMismatch(t, "[]byte")
	}
	*at[[]byte](p) = b
	return nil
}

func decodeSymbol(d *decoder, p pointer, t byte, start, end int) error {
	switch Type(t) {
	case TypeString, TypeSymbol, TypeBinary, TypeNull, TypeUndefined:
		return symbolDecoder(d, p, t, start, end)
	}
	return errMismatch(t, "Symbol")
}

var symbolDecoder = decodeString(reflect.TypeFor[Symbol]())

func decodeVector(d *decoder, p pointer, t byte, start, end int) error {
	if t != byte(TypeBinary) {
		return errMismatch(t, "Vector")
	}
	subtype, from, err := d.binary(start, end)
	if err != nil {
		return err
	}
	v, err := NewVectorFromBinary(Binary{Subtype: subtype, Data: d.src[from:end]})
	if err == nil {
		*at[Vector](p) = v
	}
	return err
}

func decodeJSONNumber(d *decoder, p pointer, t byte, start, _ int) error {
	var n string
	switch Type(t) {
	case TypeDouble:
		n = strconv.FormatFloat(d.double(start), 'f', -1, 64)
	case TypeInt32:
		n = strconv.FormatInt(int64(int32(d.uint32(start))), 10)
	case TypeInt64:
		n = strconv.FormatInt(int64(d.uint64(start)), 10)
	case TypeNull, TypeUndefined:
	default:
		return errMismatch(t, "json.Number")
	}
	*at[json.Number](p) = json.Number(n)
	return nil
}

func decodeURL(d *decoder, p pointer, t byte, start, end int) error {
	u := &url.URL{}
	switch Type(t) {
	case TypeString:
		s, err := d.string(start, end)
		if err != nil {
			return err
		}
		if u, err = url.Parse(s); err != nil {
			return err
		}
	case TypeNull, TypeUndefined:
	default:
		return errMismatch(t, "url.URL")
	}
	*at[url.URL](p) = *u
	return nil
}

// decodeRaw decodes a document or array, without looking into it.
func decodeRaw(d *decoder, p pointer, t byte, start, end int) error {
	switch Type(t) {
	case 0, TypeEmbeddedDocument, TypeArray:
		if d.src[end-1] != 0 {
			return syntaxError(end-1, "document does not end in a zero byte")
		}
		reuseBytes(d, at[[]byte](p), start, end)
	case TypeNull, TypeUndefined:
		*at[Raw](p) = nil
	default:
		return errMismatch(t, "Raw")
	}
	return nil
}

// reuseBytes stores src[start:end] in *b, in the memory that it has if that is large enough.
func reuseBytes(d *decoder, b *[]byte, start, end int) {
	if *b != nil && cap(*b) >= end-start && !d.opts.ShareInput {
		*b = append((*b)[:0], d.src[start:end]...)
		return
	}
	*b = d.data(start, end)
}

func decodeRawValue(d *decoder, p pointer, t byte, start, end int) error {
	*at[RawValue](p) = RawValue{Type: Type(t), Value: d.bytes(start, end)}
	return nil
}

// decodeCoreArray decodes an array into a bsoncore.Array.
func decodeCoreArray(d *decoder, p pointer, t byte, start, end int) error {
	if t != byte(TypeArray) && !isNull(t) {
		return errMismatch(t, "bsoncore.Array")
	}
	return decodeRaw(d, p, t, start, end)
}
