package bson

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Marshal returns the BSON encoding of v, which must be something that makes a document: a D, an M or another map, a
// struct, a Raw, a Marshaler, or a pointer to one of these or to an interface that holds one. See the package
// documentation for how Go values become BSON.
func Marshal(v any) ([]byte, error) {
	if raw, ok := v.(Raw); ok {
		n, err := checkRaw(raw)
		if err != nil {
			return nil, err
		}
		doc := make([]byte, n)
		copy(doc, raw)
		return doc, nil
	}
	e := getEncoder()
	e.buf, e.marshal = e.scratch, true
	err := e.document(v)
	var doc []byte
	if err == nil {
		doc = e.detach()
	}
	e.release()
	return doc, err
}

// AppendMarshal appends the BSON encoding of v, as Marshal makes it, to dst and returns it. If dst has the capacity,
// nothing is allocated. After an error it returns dst as it was.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	if cap(dst) == 0 {
		doc, err := Marshal(v)
		if err != nil {
			doc = dst
		}
		return doc, err
	}
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

// Marshal encodes into memory that is used again, up to maxScratch bytes, and copies the document from there: only then
// its size is known. A larger document gets memory of its own, right away as much as the last two large ones had, so
// that among documents of one size it need neither grow nor be copied.
const (
	minScratch = 1 << 10
	maxScratch = 64 << 10
)

// large has the sizes of the last documents that did not fit into maxScratch.
var large struct{ last, before atomic.Int64 }

var encoders = sync.Pool{New: func() any {
	size := minScratch
	if large.last.Load() > 0 {
		size = maxScratch // it would grow, again and again if the garbage collector is busy with large documents
	}
	return &encoder{scratch: make([]byte, size)}
}}

// spare is the encoder that has written a large document last. Programs with large documents keep the garbage collector
// busy, which empties pools; it does not get at this one.
var spare atomic.Pointer[encoder]

func getEncoder() *encoder {
	if spare.Load() != nil {
		if e := spare.Swap(nil); e != nil {
			return e
		}
	}
	return encoders.Get().(*encoder)
}

// An encoder appends values to buf[:n]. Growing a slice would store its pointer again and again, which the garbage
// collector wants to know about each time; a number it does not.
type encoder struct {
	buf     []byte
	n       int
	depth   int
	minSize bool // whether integers are written as int32 if they fit
	marshal bool // whether buf is scratch or larger, as against the caller's
	large   bool // whether the document was

	// These outlive the document.
	scratch []byte
	plans   planCache[encodePlan] // of what Marshal is given
}

// detach returns the document in buf, which Marshal has filled, in memory of its own.
func (e *encoder) detach() []byte {
	if len(e.buf) <= maxScratch {
		e.scratch = e.buf
		doc := make([]byte, e.n)
		copy(doc, e.buf)
		return doc
	}
	large.before.Store(large.last.Swap(int64(e.n)))
	e.large = true
	if len(e.scratch) < maxScratch {
		e.scratch = make([]byte, maxScratch)
	}
	if e.n >= len(e.buf)-len(e.buf)/8 {
		return e.buf[:e.n:e.n]
	}
	return bytes.Clone(e.buf[:e.n])
}

func (e *encoder) release() {
	e.buf, e.n, e.depth, e.minSize, e.marshal = nil, 0, 0, false, false
	if e.large {
		e.large = false
		if e = spare.Swap(e); e == nil {
			return
		}
	}
	encoders.Put(e)
}

// An encodeFunc appends the value at p, of the type that it was made for, and returns its BSON type. The caller has
// written the element's key, with a place for that type in front, and has reserved slack behind it.
type encodeFunc func(e *encoder, p pointer) (byte, error)

// slack is room for every value of a fixed size, and for what surrounds one of a variable size. It is reserved behind
// every key, so that values need not check again.
const slack = 32

// reserve makes room for n bytes. It is small enough to be inlined as long as grow is not.
func (e *encoder) reserve(n int) {
	if len(e.buf)-e.n < n {
		e.grow(n)
	}
}

//go:noinline
func (e *encoder) grow(n int) {
	need := e.n + n
	size := max(need, 2*len(e.buf))
	switch {
	case need <= maxScratch:
		size = min(size, maxScratch)
	case e.marshal && len(e.buf) <= maxScratch:
		// What the last element reserves and does not need comes on top.
		size = max(size, int(min(large.last.Load(), large.before.Load()))+4*slack)
	}
	b := make([]byte, size)
	copy(b, e.buf[:e.n])
	e.buf = b
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
	if copyKey(e.buf[e.n+1:], key)&highBits != 0 {
		if err := e.oddKey(key); err != nil {
			return err
		}
	}
	e.n += len(key) + 2
	return nil
}

// copyKey copies key, and a zero byte behind it, to b, which has room for slack more. What it returns has one of the
// highBits if key has a zero byte, or one that is not ASCII.
func copyKey(b []byte, key string) (odd uint64) {
	n := len(key)
	if n < 8 {
		x := loadShort(key)
		binary.LittleEndian.PutUint64(b, x)
		x |= lowBits << (8 * n & 63) // no zero bytes behind the key
		return x | (x - lowBits)
	}
	b = b[:n+1]
	b[n] = 0
	for i := 8; i < n-8; i += 8 {
		x := load64(key[i:])
		odd |= x | (x - lowBits)
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	x, y := load64(key), load64(key[n-8:]) // which may overlap
	binary.LittleEndian.PutUint64(b, x)
	binary.LittleEndian.PutUint64(b[n-8:], y)
	return odd | x | (x - lowBits) | y | (y - lowBits)
}

// copyText copies s, and a zero byte behind it, to b, which has room for slack more. What it returns has one of the
// highBits if s has a byte that is not ASCII.
func copyText(b []byte, s string) (wide uint64) {
	n := len(s)
	if n < 8 {
		x := loadShort(s)
		binary.LittleEndian.PutUint64(b, x)
		return x
	}
	b = b[:n+1]
	b[n] = 0
	i := 8
	for ; i < n-16; i += 16 {
		x, y := load64(s[i:]), load64(s[i+8:])
		wide |= x | y
		binary.LittleEndian.PutUint64(b[i:], x)
		binary.LittleEndian.PutUint64(b[i+8:], y)
	}
	if i < n-8 {
		x := load64(s[i:])
		wide |= x
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	x, y := load64(s), load64(s[n-8:]) // which may overlap
	binary.LittleEndian.PutUint64(b, x)
	binary.LittleEndian.PutUint64(b[n-8:], y)
	return wide | x | y
}

// oddKey is copyKey for keys with bytes that are zero or not ASCII.
func (e *encoder) oddKey(key string) error {
	if strings.IndexByte(key, 0) >= 0 {
		return errKeyZero
	}
	b := e.buf[e.n+1:]
	b[copy(b, key)] = 0
	return nil
}

// load64 returns the first eight bytes of s.
func load64(s string) uint64 {
	s = s[:8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// loadShort returns s, which has less than eight bytes, with zero bytes behind it.
func loadShort(s string) uint64 {
	n := len(s)
	switch {
	case n >= 4:
		low := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
		s = s[n-4:]
		return low | (uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24)<<(8*(n-4)&63)
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<(8*(n/2)&63) | uint64(s[n-1])<<(8*(n-1)&63)
	}
	return 0
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
	if plan := e.plans.get(typeWord(v)); plan != nil && v != nil {
		return e.withPlan(plan, v)
	}
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
	e.plans.put(typeWord(v), plan)
	return e.withPlan(plan, v)
}

func (e *encoder) withPlan(plan *encodePlan, v any) error {
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
	return fmt.Errorf("cannot encode a value of type %T as a document: only structs, maps, D, Raw and Marshalers make one", v)
}
