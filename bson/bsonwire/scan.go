package bsonwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ErrInvalid is what every error of this package is, in the sense of errors.Is: the bytes are not valid BSON.
var ErrInvalid = errors.New("invalid BSON")

// A SyntaxError says why bytes are not valid BSON, and where.
type SyntaxError struct {
	// Offset counts bytes from the start of the outermost document or value that the failing function was given.
	Offset int
	Reason string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid BSON at byte %d: %s", e.Offset, e.Reason)
}

// Is makes errors.Is(e, ErrInvalid) true.
func (e *SyntaxError) Is(target error) bool { return target == ErrInvalid }

func syntaxError(offset int, format string, args ...any) error {
	return &SyntaxError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

const (
	lengthSize = 4
	minDocSize = 5
)

// Size returns the length of the document at the start of src. It is an error if src is shorter than that, or if the
// document does not end in a zero byte.
func Size(src []byte) (int, error) {
	if len(src) < minDocSize {
		return 0, syntaxError(0, "%d bytes are too few for a document", len(src))
	}
	n := int(int32(binary.LittleEndian.Uint32(src)))
	if n < minDocSize || n > len(src) {
		return 0, syntaxError(0, "document length is %d, but it must be between %d and %d", n, minDocSize, len(src))
	}
	if src[n-1] != 0 {
		return 0, syntaxError(n-1, "document does not end in a zero byte")
	}
	return n, nil
}

// ValueSize returns the length of the value of type t at the start of src. It checks no more than it must to know the
// length, and that the value fits into src.
func ValueSize(t Type, src []byte) (int, error) {
	if n := ValueLen(byte(t), src); n >= 0 {
		return n, nil
	}
	if !t.IsValid() {
		return 0, syntaxError(0, "unknown type 0x%02x", byte(t))
	}
	return 0, syntaxError(0, "the %s is cut short or has a wrong length", t)
}

// sizes holds, by type, the length of values that all have the same one. Other types have a negative number: one of
// the size* constants.
var sizes = func() (s [256]int8) {
	for i := range s {
		s[i] = sizeUnknown
	}
	for t, n := range map[Type]int8{
		bson.TypeDouble: 8, bson.TypeUndefined: 0, bson.TypeObjectID: 12, bson.TypeBoolean: 1, bson.TypeDateTime: 8,
		bson.TypeNull: 0, bson.TypeInt32: 4, bson.TypeTimestamp: 8, bson.TypeInt64: 8, bson.TypeDecimal128: 16,
		bson.TypeMinKey: 0, bson.TypeMaxKey: 0,
		bson.TypeString: sizeString, bson.TypeJavaScript: sizeString, bson.TypeSymbol: sizeString,
		bson.TypeEmbeddedDocument: sizeDocument, bson.TypeArray: sizeDocument,
		bson.TypeBinary: sizeBinary, bson.TypeRegex: sizeRegex, bson.TypeDBPointer: sizeDBPointer,
		bson.TypeCodeWithScope: sizeCodeWithScope,
	} {
		s[t] = n
	}
	return s
}()

const (
	sizeUnknown int8 = -1 - iota
	sizeString
	sizeDocument
	sizeBinary
	sizeRegex
	sizeDBPointer
	sizeCodeWithScope
)

// ValueLen is ValueSize for tight loops: it returns -1 instead of an error.
func ValueLen(t byte, src []byte) int {
	class := sizes[t]
	if class >= 0 {
		if int(class) > len(src) {
			return -1
		}
		return int(class)
	}
	if class == sizeRegex {
		return regexSize(src)
	}
	if class == sizeUnknown || len(src) < lengthSize {
		return -1
	}
	// An int32 length plus a few bytes cannot overflow an int64, and is compared with what there is before use.
	n, shortest := int64(int32(binary.LittleEndian.Uint32(src))), int64(0)
	switch class {
	case sizeString:
		n, shortest = n+4, 5
	case sizeDocument:
		shortest = minDocSize
	case sizeBinary:
		n, shortest = n+5, 5
	case sizeDBPointer:
		n, shortest = n+16, 17
	case sizeCodeWithScope:
		shortest = 4 + 5 + minDocSize
	}
	if n < shortest || n > int64(len(src)) {
		return -1
	}
	return int(n)
}

func regexSize(src []byte) int {
	pattern := bytes.IndexByte(src, 0)
	if pattern < 0 {
		return -1
	}
	options := bytes.IndexByte(src[pattern+1:], 0)
	if options < 0 {
		return -1
	}
	return pattern + options + 2
}

// KeyEnd returns the index of the zero byte that ends the key which starts at b[i], or -1 if there is none.
func KeyEnd(b []byte, i int) int {
	const lows, highs = 0x0101010101010101, 0x8080808080808080
	// Keys are short: eight bytes at a time beat a call of bytes.IndexByte.
	for range 4 {
		if i < 0 || len(b)-i < 8 {
			break
		}
		x := binary.LittleEndian.Uint64(b[i:])
		if z := (x - lows) &^ x & highs; z != 0 {
			return i + bits.TrailingZeros64(z)>>3
		}
		i += 8
	}
	if i < 0 || i > len(b) {
		return -1
	}
	if n := bytes.IndexByte(b[i:], 0); n >= 0 {
		return i + n
	}
	return -1
}

// A Reader walks over the elements of one document or array, without allocating:
//
//	r := bsonwire.NewReader(doc)
//	for r.Next() {
//		use(r.Key(), r.Value())
//	}
//	if err := r.Err(); err != nil { … }
type Reader struct {
	doc      []byte // cut to the document, without its terminator
	pos      int    // of the next element
	keyStart int
	keyEnd   int
	err      error
}

// NewReader returns a Reader over the document at the start of doc. A length that is wrong is the Reader's Err.
func NewReader(doc []byte) Reader {
	n, err := Size(doc)
	if err != nil {
		return Reader{err: err}
	}
	return Reader{doc: doc[:n-1], pos: lengthSize}
}

// Next moves to the next element and reports whether there is one. It is false at the end and at the first error.
func (r *Reader) Next() bool {
	if r.err != nil || r.pos >= len(r.doc) {
		return false
	}
	r.keyStart = r.pos + 1
	r.keyEnd = KeyEnd(r.doc, r.keyStart)
	if r.keyEnd < 0 {
		r.err = syntaxError(r.pos, "key does not end")
		return false
	}
	n := ValueLen(r.doc[r.pos], r.doc[r.keyEnd+1:])
	if n < 0 {
		_, err := ValueSize(Type(r.doc[r.pos]), r.doc[r.keyEnd+1:])
		r.err = syntaxError(r.keyEnd+1, "value of key %q: %s", r.doc[r.keyStart:r.keyEnd], err.(*SyntaxError).Reason)
		return false
	}
	r.pos = r.keyEnd + 1 + n
	return true
}

// Key returns the key of the current element, a view into the document.
func (r *Reader) Key() []byte { return r.doc[r.keyStart:r.keyEnd:r.keyEnd] }

// Type returns the type of the current element.
func (r *Reader) Type() Type { return Type(r.doc[r.keyStart-1]) }

// Value returns the value of the current element, a view into the document.
func (r *Reader) Value() Value {
	return Value{Type: Type(r.doc[r.keyStart-1]), Data: r.doc[r.keyEnd+1 : r.pos : r.pos]}
}

// Err returns the error that stopped Next, or nil if it was the end of the document.
func (r *Reader) Err() error { return r.err }

// Lookup finds the value at path in doc: every further key is looked up in the document or array that the ones before
// it found, arrays by index ("0"). The first of several equal keys counts. Without a path, or when doc is damaged before
// the value is found, there is none.
func Lookup(doc []byte, path ...string) (Value, bool) {
	for i, key := range path {
		v, ok := find(doc, key)
		if !ok {
			return Value{}, false
		}
		if i == len(path)-1 {
			return v, true
		}
		if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
			return Value{}, false
		}
		doc = v.Data
	}
	return Value{}, false
}

func find(doc []byte, key string) (Value, bool) {
	r := NewReader(doc)
	for r.Next() {
		if string(r.Key()) == key {
			return r.Value(), true
		}
	}
	return Value{}, false
}
