package bson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Marshal returns the BSON encoding of v, which must be something that makes a document: a D, an M or another map, a
// struct, a Raw, a Marshaler, or a pointer to one of these or to an interface that holds one. See the package
// documentation for how Go values become BSON.
func Marshal(v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.buf = e.scratch
	err := e.document(v)
	var doc []byte
	if err == nil {
		doc = append([]byte(nil), e.buf[:e.n]...)
	}
	e.scratch = e.buf
	e.release()
	return doc, err
}

// AppendMarshal appends the BSON encoding of v, as Marshal makes it, to dst and returns it. If dst has the capacity,
// nothing is allocated. After an error it returns dst as it was.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.buf, e.n = dst[:cap(dst)], len(dst)
	err := e.document(v)
	if err == nil {
		dst = e.buf[:e.n]
	}
	e.release()
	return dst, err
}

// MarshalValue returns the type and the BSON encoding of v, which may be any value that a field may have.
func MarshalValue(v any) (Type, []byte, error) { return AppendMarshalValue(nil, v) }

// AppendMarshalValue appends the BSON encoding of v, without key and type, to dst. After an error it returns dst as it
// was.
func AppendMarshalValue(dst []byte, v any) (Type, []byte, error) {
	if v == nil {
		return 0, dst, errNoEncoder(nil)
	}
	e := encoders.Get().(*encoder)
	e.buf, e.n = dst[:cap(dst)], len(dst)
	e.reserve(slack)
	var t byte
	var err error
	// At the top, MarshalBSON goes before MarshalBSONValue.
	if m, ok := v.(Marshaler); ok && !nilWithMethods(v, marshalerType) {
		t, err = e.marshaler(m)
	} else {
		t, err = e.value(v)
	}
	if err == nil {
		dst = e.buf[:e.n]
	}
	e.release()
	return Type(t), dst, err
}

// maxScratch is the largest buffer that is kept for the next Marshal: what a document can have at most.
const maxScratch = 16 << 20

var encoders = sync.Pool{New: func() any { return &encoder{scratch: make([]byte, 1024)} }}

// An encoder appends values to buf[:n]. Growing a slice would store its pointer again and again, which the garbage
// collector wants to know about each time; a number it does not.
type encoder struct {
	buf     []byte
	n       int
	depth   int
	minSize bool // whether integers are written as int32 if they fit
	scratch []byte
}

func (e *encoder) release() {
	e.buf, e.n, e.depth, e.minSize = nil, 0, 0, false
	if cap(e.scratch) > maxScratch {
		e.scratch = nil
	}
	encoders.Put(e)
}

// An encodeFunc appends the value at p, of the type that it was made for, and returns its BSON type. The caller has
// written the element's key, with a place for that type in front, and has reserved slack behind it.
type encodeFunc func(e *encoder, p pointer) (byte, error)

// slack is room for every value of a fixed size, and for what surrounds one of a variable size. It is reserved behind
// every key, so that values need not check again.
const slack = 32

// reserve makes room for n bytes.
func (e *encoder) reserve(n int) {
	if len(e.buf)-e.n < n {
		e.grow(n)
	}
}

func (e *encoder) grow(n int) {
	b := slices.Grow(e.buf[:e.n], n)
	e.buf = b[:cap(b)]
}

// append appends b.
func (e *encoder) append(b []byte) {
	e.reserve(len(b) + slack)
	e.n += copy(e.buf[e.n:], b)
}

// begin opens a document or array.
func (e *encoder) begin() (int, error) {
	if e.depth++; e.depth > bsonwire.MaxDepth {
		return 0, errEncodeDepth
	}
	start := e.n
	e.reserve(slack)
	e.n += 4
	return start, nil
}

// end closes the document or array that began at start.
func (e *encoder) end(start int) error {
	e.depth--
	e.reserve(1)
	e.buf[e.n] = 0
	e.n++
	n := e.n - start
	if n > math.MaxInt32 {
		return errTooLarge
	}
	binary.LittleEndian.PutUint32(e.buf[start:], uint32(n))
	return nil
}

const lowBits, highBits = 0x0101010101010101, 0x8080808080808080

// key opens an element: it appends a place for its type, and its key.
func (e *encoder) key(key string) error {
	e.reserve(len(key) + 2 + slack)
	b := e.buf[e.n+1:]
	odd := uint64(0) // gets a high bit if there is a zero byte, or one that is not ASCII
	if last := len(key) - 8; last >= 0 {
		for i := 0; i < last; i += 8 {
			x := load64(key, i)
			odd |= (x-lowBits)&^x | x
			binary.LittleEndian.PutUint64(b[i:], x)
		}
		x := load64(key, last) // overlaps what is copied already
		odd |= (x-lowBits)&^x | x
		binary.LittleEndian.PutUint64(b[last:], x)
	} else {
		for i := range len(key) {
			c := key[i]
			odd |= uint64(c) | uint64(c-1)
			b[i] = c
		}
	}
	if odd&highBits != 0 {
		return e.oddKey(key)
	}
	b[len(key)] = 0
	e.n += len(key) + 2
	return nil
}

// oddKey is key for keys with bytes that are zero or not ASCII.
func (e *encoder) oddKey(key string) error {
	if strings.IndexByte(key, 0) >= 0 {
		return errKeyZero
	}
	if !utf8.ValidString(key) {
		return errKeyUTF8
	}
	b := e.buf[e.n+1:]
	b[copy(b, key)] = 0
	e.n += len(key) + 2
	return nil
}

// load64 returns the eight bytes at s[i].
func load64(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// index opens the element of an array with index i.
func (e *encoder) index(i int) {
	e.reserve(24 + slack)
	b := e.buf[e.n:]
	switch {
	case i < 10:
		b[1], b[2] = '0'+byte(i), 0
		e.n += 3
	case i < 100:
		b[1], b[2], b[3] = '0'+byte(i/10), '0'+byte(i%10), 0
		e.n += 4
	default:
		k := strconv.AppendInt(b[1:1], int64(i), 10)
		b[1+len(k)] = 0
		e.n += len(k) + 2
	}
}

// document appends v as a document of its own.
func (e *encoder) document(v any) error {
	switch v := v.(type) {
	case D:
		if v == nil {
			return errors.New("cannot encode a nil D as a document")
		}
		_, err := e.d(v)
		return err
	case M:
		return e.topMap(v)
	case map[string]any:
		return e.topMap(v)
	case Raw:
		_, err := e.raw(v)
		return err
	case Marshaler:
		// A nil pointer has the methods of what it points to, but they would panic. Its own ones may know what to do.
		if nilWithMethods(v, marshalerType) {
			return notDocument(v)
		}
		doc, err := v.MarshalBSON()
		if err != nil {
			return foreignError(err)
		}
		_, err = e.raw(doc)
		return err
	case nil:
		return errNoEncoder(nil)
	}
	return e.planned(v)
}

func (e *encoder) topMap(m map[string]any) error {
	if m == nil {
		m = M{}
	}
	_, err := e.m(m)
	return err
}

// planned is document for types that need a plan.
func (e *encoder) planned(v any) error {
	plan := encodePlanFor(reflect.TypeOf(v))
	start := e.n
	var (
		t   byte
		err error
	)
	if plan.shape != shapePointer {
		if !plan.document {
			return notDocument(v)
		}
		t, err = plan.boxed(e, v)
	} else {
		p := dataWord(v)
		hops := 0
		for plan = plan.elem; p != nil && plan.shape == shapePointer; plan = plan.elem {
			if hops++; hops > bsonwire.MaxDepth {
				return errEncodeDepth // it leads to itself
			}
			p = *at[pointer](p)
		}
		if p != nil && plan.typ.Kind() == reflect.Interface {
			return e.held(dynamic(plan.typ, p))
		}
		if p == nil || !plan.document {
			return notDocument(v)
		}
		t, err = plan.enc(e, p)
	}
	if err != nil || t == byte(TypeEmbeddedDocument) {
		return err
	}
	if plan.typ.Kind() != reflect.Map {
		return notDocument(v)
	}
	// A nil map is null inside a document, but has to be a document here.
	e.n = start
	e.append([]byte{5, 0, 0, 0, 0})
	return nil
}

// held is document for what is in an interface that a pointer points to.
func (e *encoder) held(v any) error {
	if e.depth++; e.depth > bsonwire.MaxDepth {
		return errEncodeDepth
	}
	err := e.document(v)
	e.depth--
	return err
}

func notDocument(v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return fmt.Errorf("cannot encode a nil %T as a document", v)
	}
	return fmt.Errorf("cannot encode a %T as a document: only structs, maps, D, Raw and Marshalers make one", v)
}
