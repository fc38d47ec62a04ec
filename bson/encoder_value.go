package bson

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// value appends v and returns its BSON type. Types that documents are often made of have a case here; others have
// plans.
func (e *encoder) value(v any) (byte, error) {
	switch v := v.(type) {
	case nil:
		return byte(TypeNull), nil
	case string:
		return byte(TypeString), e.string(v)
	case int32:
		return e.int32(v), nil
	case int64:
		return e.int64(v), nil
	case int:
		return e.int(v), nil
	case float64:
		return e.double(v), nil
	case bool:
		return e.bool(v), nil
	case ObjectID:
		return e.objectID(&v), nil
	case DateTime:
		e.uint64(uint64(v))
		return byte(TypeDateTime), nil
	case time.Time:
		return e.time(&v), nil
	case D:
		return e.d(v)
	case M:
		return e.m(v)
	case map[string]any:
		return e.m(v)
	case A:
		return e.a(v)
	case []any:
		return e.a(v)
	case Raw:
		return e.raw(v)
	case Binary:
		return e.binary(v.Subtype, v.Data), nil
	case Decimal128:
		return e.decimal(v), nil
	case Timestamp:
		return e.timestamp(v), nil
	case Regex:
		return e.regex(v)
	case []string:
		return e.strings(v)
	}
	return encodePlanFor(reflect.TypeOf(v)).boxed(e, v)
}

func (e *encoder) uint32(i uint32) {
	binary.LittleEndian.PutUint32(e.buf[e.n:], i)
	e.n += 4
}

func (e *encoder) uint64(i uint64) {
	binary.LittleEndian.PutUint64(e.buf[e.n:], i)
	e.n += 8
}

func (e *encoder) objectID(id *ObjectID) byte {
	copy(e.buf[e.n:e.n+len(id)], id[:])
	e.n += len(id)
	return byte(TypeObjectID)
}

func (e *encoder) int32(i int32) byte {
	e.uint32(uint32(i))
	return byte(TypeInt32)
}

func (e *encoder) int64(i int64) byte {
	if e.minSize && i == int64(int32(i)) {
		return e.int32(int32(i))
	}
	e.uint64(uint64(i))
	return byte(TypeInt64)
}

// int appends an int, which is always written as an int32 if it fits.
func (e *encoder) int(i int) byte {
	if i == int(int32(i)) {
		return e.int32(int32(i))
	}
	e.uint64(uint64(i))
	return byte(TypeInt64)
}

// uint appends a uint, uint32 or uint64.
func (e *encoder) uint(i uint64) (byte, error) {
	if e.minSize && i <= math.MaxInt32 {
		return e.int32(int32(i)), nil
	}
	if i > math.MaxInt64 {
		return 0, errOverflow(i, "int64")
	}
	e.uint64(i)
	return byte(TypeInt64), nil
}

func (e *encoder) double(f float64) byte {
	e.uint64(math.Float64bits(f))
	return byte(TypeDouble)
}

func (e *encoder) bool(b bool) byte {
	var i byte
	if b {
		i = 1
	}
	e.buf[e.n] = i
	e.n++
	return byte(TypeBoolean)
}

func (e *encoder) time(t *time.Time) byte {
	e.uint64(uint64(t.UnixMilli()))
	return byte(TypeDateTime)
}

func (e *encoder) string(s string) error {
	e.reserve(len(s) + 5 + slack)
	b := e.buf[e.n:]
	if copyText(b[4:], s)&highBits != 0 {
		return e.wideString(s)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(s)+1))
	e.n += len(s) + 5
	return nil
}

// wideString is string for strings that are not ASCII.
func (e *encoder) wideString(s string) error {
	b := e.buf[e.n+4:]
	b[copy(b, s)] = 0
	binary.LittleEndian.PutUint32(e.buf[e.n:], uint32(len(s)+1))
	e.n += len(s) + 5
	return nil
}

func (e *encoder) binary(subtype byte, data []byte) byte {
	e.reserve(len(data) + 9 + slack)
	e.n = len(bsonwire.AppendBinaryValue(e.buf[:e.n], subtype, data))
	return byte(TypeBinary)
}

func (e *encoder) decimal(d Decimal128) byte {
	h, l := d.GetBytes()
	e.uint64(l)
	e.uint64(h)
	return byte(TypeDecimal128)
}

func (e *encoder) timestamp(t Timestamp) byte {
	e.uint32(t.I)
	e.uint32(t.T)
	return byte(TypeTimestamp)
}

func (e *encoder) regex(r Regex) (byte, error) {
	options := r.Options
	if strings.IndexByte(r.Pattern, 0) >= 0 || strings.IndexByte(options, 0) >= 0 {
		return 0, errRegexZero
	}
	if runes := []rune(options); utf8.ValidString(options) && !slices.IsSorted(runes) {
		slices.Sort(runes)
		options = string(runes)
	}
	e.reserve(len(r.Pattern) + len(options) + 2 + slack)
	b := append(e.buf[:e.n], r.Pattern...)
	b = append(b, 0)
	b = append(b, options...)
	e.n = len(append(b, 0))
	return byte(TypeRegex), nil
}

func (e *encoder) dbPointer(p DBPointer) (byte, error) {
	if err := e.string(p.DB); err != nil {
		return 0, err
	}
	e.objectID(&p.Pointer)
	return byte(TypeDBPointer), nil
}

func (e *encoder) codeWithScope(c CodeWithScope) (byte, error) {
	if c.Scope == nil {
		return 0, errNoEncoder(nil)
	}
	start := e.n
	e.uint32(0)
	if err := e.string(string(c.Code)); err != nil {
		return 0, err
	}
	if e.depth++; e.depth > bsonwire.MaxDepth {
		return 0, errEncodeDepth
	}
	if err := e.document(c.Scope); err != nil {
		return 0, err
	}
	e.depth--
	if e.n-start > math.MaxInt32 {
		return 0, errTooLarge
	}
	binary.LittleEndian.PutUint32(e.buf[start:], uint32(e.n-start))
	return byte(TypeCodeWithScope), nil
}

func (e *encoder) vector(v Vector) (byte, error) {
	switch v.Type() {
	case Int8Vector, Float32Vector, PackedBitVector:
		b := v.Binary()
		return e.binary(b.Subtype, b.Data), nil
	}
	return 0, fmt.Errorf("cannot encode a Vector of the unknown type 0x%02x", v.Type())
}

func (e *encoder) jsonNumber(n json.Number) (byte, error) {
	if i, err := n.Int64(); err == nil {
		return e.int64(i), nil
	}
	f, err := n.Float64()
	if err != nil {
		return 0, err
	}
	return e.double(f), nil
}

func (e *encoder) url(u *url.URL) (byte, error) { return byte(TypeString), e.string(u.String()) }

// raw appends the document at the start of doc.
func (e *encoder) raw(doc []byte) (byte, error) {
	n, err := checkRaw(doc)
	if err != nil {
		return 0, err
	}
	e.append(doc[:n])
	return byte(TypeEmbeddedDocument), nil
}

// checkRaw returns the size of the document at the start of doc. Its elements must have lengths that fit; their values
// are not looked into.
func checkRaw(doc []byte) (int, error) {
	n, err := bsonwire.Size(doc)
	if err != nil {
		return 0, err
	}
	src := doc[:n-1] // without the terminator
	for pos := 4; pos < len(src); {
		keyEnd, _ := findKeyEnd(src, pos+1)
		if keyEnd < 0 {
			return 0, errKeyEnd(pos)
		}
		after := valueEnd(src, src[pos], keyEnd+1)
		if after > len(src) {
			return 0, valueError(src, src[pos], pos+1, keyEnd)
		}
		pos = after
	}
	return n, nil
}

// rawValue appends data, which must be exactly a value of type t.
func (e *encoder) rawValue(t Type, data []byte) (byte, error) {
	n, err := bsonwire.ValueSize(t, data)
	if err != nil {
		return 0, err
	}
	if n != len(data) {
		return 0, fmt.Errorf("%w: %d bytes follow the %s", ErrInvalid, len(data)-n, t)
	}
	e.append(data)
	return byte(t), nil
}

// rawArray appends the elements of arr as an array, with the keys of one.
func (e *encoder) rawArray(arr []byte) (byte, error) {
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	r := bsonwire.NewReader(arr)
	for i := 0; r.Next(); i++ {
		v := r.Value()
		pos := e.n
		e.index(i)
		e.buf[pos] = byte(v.Type)
		e.append(v.Data)
	}
	if r.Err() != nil {
		return 0, r.Err()
	}
	return byte(TypeArray), e.end(start)
}

func (e *encoder) d(d []E) (byte, error) {
	if d == nil {
		return byte(TypeNull), nil
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	for i := range d {
		if err := e.element(d[i].Key, d[i].Value); err != nil {
			return 0, err
		}
	}
	return byte(TypeEmbeddedDocument), e.end(start)
}

func (e *encoder) m(m map[string]any) (byte, error) {
	if m == nil {
		return byte(TypeNull), nil
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	for k, v := range m {
		if err := e.element(k, v); err != nil {
			return 0, err
		}
	}
	return byte(TypeEmbeddedDocument), e.end(start)
}

// element appends key and v. The usual types are written in one go with their keys.
func (e *encoder) element(key string, v any) error {
	start := e.n
	e.reserve(len(key) + 2 + slack)
	b := e.buf[start:]
	if copyKey(b[1:], key)&highBits != 0 {
		if err := e.oddKey(key); err != nil {
			return encodeErrorAt(key, err)
		}
	}
	n := len(key) + 2
	p := dataWord(v)
	switch typeWord(v) {
	case stringWord:
		s := *at[string](p)
		if len(b) < n+len(s)+5+slack {
			break
		}
		if copyText(b[n+4:], s)&highBits != 0 {
			break
		}
		b[0] = byte(TypeString)
		binary.LittleEndian.PutUint32(b[n:], uint32(len(s)+1))
		e.n = start + n + len(s) + 5
		return nil
	case int32Word:
		b[0] = byte(TypeInt32)
		binary.LittleEndian.PutUint32(b[n:], *at[uint32](p))
		e.n = start + n + 4
		return nil
	case boolWord:
		b[0], b[n] = byte(TypeBoolean), *at[byte](p)
		e.n = start + n + 1
		return nil
	case doubleWord:
		b[0] = byte(TypeDouble)
		binary.LittleEndian.PutUint64(b[n:], *at[uint64](p))
		e.n = start + n + 8
		return nil
	case nil:
		b[0] = byte(TypeNull)
		e.n = start + n
		return nil
	}
	e.n = start + n
	var (
		t   byte
		err error
	)
	if typeWord(v) == dWord {
		t, err = e.d(*at[D](p))
	} else {
		t, err = e.value(v)
	}
	if err != nil {
		return encodeErrorAt(key, err)
	}
	e.buf[start] = t
	return nil
}

func (e *encoder) a(a []any) (byte, error) {
	if a == nil {
		return byte(TypeNull), nil
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	for i, v := range a {
		pos := e.n
		e.index(i)
		t, err := e.value(v)
		if err != nil {
			return 0, encodeErrorAt(bsonwire.Index(i), err)
		}
		e.buf[pos] = t
	}
	return byte(TypeArray), e.end(start)
}

func (e *encoder) strings(a []string) (byte, error) {
	if a == nil {
		return byte(TypeNull), nil
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	for i, s := range a {
		pos := e.n
		e.index(i)
		if err := e.string(s); err != nil {
			return 0, encodeErrorAt(bsonwire.Index(i), err)
		}
		e.buf[pos] = byte(TypeString)
	}
	return byte(TypeArray), e.end(start)
}

// marshaler appends what m makes of itself.
func (e *encoder) marshaler(m Marshaler) (byte, error) {
	doc, err := m.MarshalBSON()
	if err != nil {
		return 0, foreignError(err)
	}
	return e.rawValue(TypeEmbeddedDocument, doc)
}

// valueMarshaler appends what m makes of itself.
func (e *encoder) valueMarshaler(m ValueMarshaler) (byte, error) {
	t, data, err := m.MarshalBSONValue()
	if err != nil {
		return 0, foreignError(err)
	}
	return e.rawValue(Type(t), data)
}

var errRawValueType = errors.New("a RawValue needs a valid Type")
