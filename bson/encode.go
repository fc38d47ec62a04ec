package bson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Marshal returns the BSON encoding of v, which must be something that makes a document: a D, an M or another map, a
// struct, a Raw, a Marshaler, or a pointer to one of these. See the package documentation for how Go values become BSON.
func Marshal(v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.buf = e.scratch[:0]
	err := e.document(v)
	var doc []byte
	if err == nil {
		doc = append(make([]byte, 0, len(e.buf)), e.buf...)
	}
	e.scratch = e.buf
	e.release()
	return doc, err
}

// AppendMarshal appends the BSON encoding of v, as Marshal makes it, to dst and returns it. If dst has the capacity,
// nothing is allocated. After an error it returns dst as it was.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.buf = dst
	err := e.document(v)
	if err == nil {
		dst = e.buf
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
	e.buf = dst
	t, err := e.value(v)
	if err == nil {
		dst = e.buf
	}
	e.release()
	return Type(t), dst, err
}

// maxScratch is the largest buffer that is kept for the next Marshal: what a document can have at most.
const maxScratch = 16 << 20

var encoders = sync.Pool{New: func() any { return &encoder{scratch: make([]byte, 0, 1024)} }}

// An encoder appends values to buf.
type encoder struct {
	buf     []byte
	depth   int
	minSize bool // whether integers are written as int32 if they fit
	scratch []byte
}

func (e *encoder) release() {
	e.buf, e.depth, e.minSize = nil, 0, false
	if cap(e.scratch) > maxScratch {
		e.scratch = nil
	}
	encoders.Put(e)
}

// An encodeFunc appends the value at p, of the type that it was made for, and returns its BSON type. The caller has
// written the element's key, with a place for that type in front.
type encodeFunc func(e *encoder, p pointer) (byte, error)

// begin opens a document or array.
func (e *encoder) begin() (int, error) {
	if e.depth++; e.depth > bsonwire.MaxDepth {
		return 0, errEncodeDepth
	}
	start := len(e.buf)
	e.buf = append(e.buf, 0, 0, 0, 0)
	return start, nil
}

// end closes the document or array that began at start.
func (e *encoder) end(start int) error {
	e.depth--
	e.buf = append(e.buf, 0)
	n := len(e.buf) - start
	if n > math.MaxInt32 {
		return errTooLarge
	}
	binary.LittleEndian.PutUint32(e.buf[start:], uint32(n))
	return nil
}

// key opens an element: it appends a place for its type, and its key.
func (e *encoder) key(key string) error {
	ascii := true
	for i := range len(key) {
		if c := key[i]; c == 0 {
			return errKeyZero
		} else if c >= utf8.RuneSelf {
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(key) {
		return errKeyUTF8
	}
	b := append(e.buf, 0)
	b = append(b, key...)
	e.buf = append(b, 0)
	return nil
}

// index opens the element of an array with index i.
func (e *encoder) index(i int) {
	switch {
	case i < 10:
		e.buf = append(e.buf, 0, '0'+byte(i), 0)
	case i < 100:
		e.buf = append(e.buf, 0, '0'+byte(i/10), '0'+byte(i%10), 0)
	default:
		e.buf = append(strconv.AppendInt(append(e.buf, 0), int64(i), 10), 0)
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
		rv := reflect.ValueOf(v)
		if rv.Kind() == reflect.Pointer && rv.IsNil() && rv.Type().Elem().Implements(marshalerType) {
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
	start := len(e.buf)
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
		for plan = plan.elem; p != nil && plan.shape == shapePointer; plan = plan.elem {
			p = *at[pointer](p)
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
	e.buf = append(e.buf[:start], 5, 0, 0, 0, 0)
	return nil
}

func notDocument(v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return fmt.Errorf("cannot encode a nil %T as a document", v)
	}
	return fmt.Errorf("cannot encode a %T as a document: only structs, maps, D, Raw and Marshalers make one", v)
}
