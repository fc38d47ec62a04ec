package bson

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Unmarshal decodes the document data into the value that v, a pointer or a map, points to. Nothing that it decodes
// aliases data. See the package documentation for how BSON becomes Go values.
func Unmarshal(data []byte, v any) error { return defaultOptions.Unmarshal(data, v) }

// UnmarshalValue decodes data, which is exactly one value of type t, into the value that v points to.
func UnmarshalValue(t Type, data []byte, v any) error {
	return defaultOptions.UnmarshalValue(t, data, v)
}

// Validate checks that doc is exactly one valid document, whatever is nested in it included. Unmarshal checks only what
// it decodes. See bsonwire.Validate.
func Validate(doc []byte) error { return bsonwire.Validate(doc) }

// DecodeOptions say how documents are decoded where Go's types leave it open. The zero value decodes as Unmarshal does.
// One value may be used by several goroutines at once, as long as none changes it.
type DecodeOptions struct {
	// DocumentType is the type of documents that are decoded into an any: those of a D, M or A, too. D if it is nil;
	// M, map[string]any, Raw, or any type that a document can be decoded into.
	DocumentType reflect.Type
	// TimeAware decodes datetimes in an any to time.Time instead of DateTime.
	TimeAware bool
	// Location is the time zone of every decoded time.Time. UTC if it is nil. What null becomes, time.Time{}, stays in
	// UTC.
	Location *time.Location
	// StrictUTF8 makes strings and keys that are not UTF-8 an error. They are decoded as they are otherwise: servers
	// store what clients without a check have sent, and one such text should not make all the rest unreadable.
	// strings.ToValidUTF8 replaces what is invalid.
	StrictUTF8 bool
	// DisallowUnknownFields makes an element of a document that becomes a struct an error, if the struct has no field and
	// no inlined map for it. Without it, such elements are skipped.
	DisallowUnknownFields bool
	// ObjectIDAsHexString decodes ObjectIDs into strings, as their 24 hexadecimal digits. Without it, that is an error.
	ObjectIDAsHexString bool
	// ShareInput lets everything decoded (strings, keys, []byte, Binary, Raw, RawValue) be a view into the input, which
	// must not be changed, nor used for something else, for as long as anything decoded from it lives. CopyStrings has
	// no effect then.
	ShareInput bool
	// CopyStrings allocates every string on its own. Without it, the strings of one document may share an allocation, so
	// that one of them that is kept holds the memory of all; strings.Clone detaches it.
	CopyStrings bool
}

var defaultOptions = new(DecodeOptions)

// Unmarshal decodes the document data into the value that v, a pointer or a map, points to.
func (o *DecodeOptions) Unmarshal(data []byte, v any) error {
	n, err := bsonwire.Size(data)
	if err != nil {
		return err
	}
	if n != len(data) {
		return fmt.Errorf("%w: %d bytes follow the document", ErrInvalid, len(data)-n)
	}
	d := decoders.Get().(*decoder)
	if plan := d.plans.get(typeWord(v)); plan != nil {
		if p := dataWord(v); p != nil {
			return o.run(d, plan, p, 0, data)
		}
	}
	decoders.Put(d)
	if u, ok := v.(Unmarshaler); ok {
		return unmarshaler(u, data)
	}
	return o.decode(0, data, v)
}

// unmarshaler lets u, the target at the top, decode a copy of data.
func unmarshaler(u Unmarshaler, data []byte) error {
	if rv := reflect.ValueOf(u); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return ErrDecodeToNil
	}
	return foreignError(u.UnmarshalBSON(append([]byte(nil), data...)))
}

// UnmarshalValue decodes data, which is exactly one value of type t, into the value that v points to.
func (o *DecodeOptions) UnmarshalValue(t Type, data []byte, v any) error {
	n, err := bsonwire.ValueSize(t, data)
	if err != nil {
		return err
	}
	if n != len(data) {
		return fmt.Errorf("%w: %d bytes follow the %s", ErrInvalid, len(data)-n, t)
	}
	// At the top, UnmarshalBSON goes before UnmarshalBSONValue, whatever the type.
	if u, ok := v.(Unmarshaler); ok {
		return unmarshaler(u, data)
	}
	return o.decode(byte(t), data, v)
}

// decode decodes data, a value of type t, or a top-level document if t is 0.
func (o *DecodeOptions) decode(t byte, data []byte, v any) error {
	rt := reflect.TypeOf(v)
	if rt == nil {
		return ErrDecodeToNil
	}
	p := dataWord(v)
	switch rt.Kind() {
	case reflect.Pointer:
		rt = rt.Elem()
	case reflect.Map:
		// The plan wants the address of a map, which may be anywhere: it is the map that is filled.
		m := p
		p = addressOf(&m)
		if m == nil {
			return ErrDecodeToNil
		}
	default:
		return fmt.Errorf("can only decode into a pointer or a map, not a %s", rt)
	}
	if p == nil {
		return ErrDecodeToNil
	}
	d := decoders.Get().(*decoder)
	plan := decodePlanFor(rt)
	if _, own := v.(Unmarshaler); !own && reflect.TypeOf(v).Kind() == reflect.Pointer {
		d.plans.put(typeWord(v), plan)
	}
	return o.run(d, plan, p, t, data)
}

// run decodes data as plan says, and gives d back.
func (o *DecodeOptions) run(d *decoder, plan *decodePlan, p pointer, t byte, data []byte) error {
	d.src, d.opts = data, o
	if o.ShareInput {
		d.own = data
	} else if plan.sharesCopy(len(data)) && !o.CopyStrings {
		d.own = bytes.Clone(data)
	}
	err := plan.dec(d, p, t, 0, len(data))
	d.release()
	return err
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// A decoder decodes one document.
type decoder struct {
	src      []byte
	own      []byte // src[base:], or a copy, of which views are handed out; nil if each gets its own
	base     int
	opts     *DecodeOptions
	depth    int
	truncate bool // whether numbers may lose their fraction
	building bool // whether tree is in use
	tree     tree
	slabs    []slab

	// These outlive the document.
	plans     planCache[decodePlan] // of pointers to what the plans are for
	surprises uint                  // documents that were not as a layout has them
}

func (d *decoder) release() {
	d.src, d.own, d.base, d.opts = nil, nil, 0, nil
	d.depth, d.truncate, d.building = 0, false, false
	d.tree.reset()
	clear(d.slabs)
	d.slabs = d.slabs[:0]
	decoders.Put(d)
}

// A decodeFunc decodes the value of type t in d.src[start:end] into the value at p, of the type that it was made for.
// The value's length is right, but nothing in it has been checked. A type of 0 means a document at the top.
type decodeFunc func(d *decoder, p pointer, t byte, start, end int) error

// enter and leave surround what is inside a document or array.
func (d *decoder) enter() error {
	if d.depth++; d.depth > bsonwire.MaxDepth {
		return &bsonwire.SyntaxError{Reason: errEncodeDepth.Error()}
	}
	return nil
}

func (d *decoder) leave() { d.depth-- }

// text returns src[start:end] as a string, which is UTF-8 where that is asked for.
func (d *decoder) text(start, end int) (string, error) {
	if d.opts.StrictUTF8 && !validUTF8(d.src[start:end]) {
		return "", syntaxError(start, "string is not valid UTF-8")
	}
	return d.view(start, end), nil
}

// view returns src[start:end] as a string.
func (d *decoder) view(start, end int) string {
	if d.own != nil {
		return viewString(d.own[start-d.base : end-d.base])
	}
	return string(d.src[start:end])
}

// bytes returns src[start:end] for the caller to keep. It is nil if it is empty.
func (d *decoder) bytes(start, end int) []byte {
	switch {
	case start == end:
		return nil
	case d.own != nil:
		return d.own[start-d.base : end-d.base : end-d.base]
	}
	return append([]byte(nil), d.src[start:end]...)
}

// string returns the string, JavaScript or symbol in src[start:end].
func (d *decoder) string(start, end int) (string, error) {
	if d.src[end-1] != 0 {
		return "", syntaxError(end-1, "string does not end in a zero byte")
	}
	start, end = start+4, end-1
	if d.opts.StrictUTF8 && !validUTF8(d.src[start:end]) {
		return "", syntaxError(start, "string is not valid UTF-8")
	}
	return d.view(start, end), nil
}

func syntaxError(offset int, reason string) error {
	return &bsonwire.SyntaxError{Offset: offset, Reason: reason}
}

// A walker walks over the elements of the document in src[start:end].
type walker struct {
	src         []byte // up to the terminator
	pos         int
	t           byte
	key, keyEnd int
	val, end    int
	err         error
}

func (d *decoder) walk(start, end int) walker {
	if d.src[end-1] != 0 {
		return walker{err: syntaxError(end-1, "document does not end in a zero byte")}
	}
	return walker{src: d.src[:end-1], pos: start + 4}
}

func (w *walker) next() bool {
	if w.err != nil || w.pos >= len(w.src) {
		return false
	}
	w.t = w.src[w.pos]
	w.key = w.pos + 1
	w.keyEnd = bsonwire.KeyEnd(w.src, w.key)
	if w.keyEnd < 0 {
		w.err = errKeyEnd(w.pos)
		return false
	}
	w.val = w.keyEnd + 1
	if w.end = valueEnd(w.src, w.t, w.val); w.end > len(w.src) {
		w.err = valueError(w.src, w.t, w.key, w.keyEnd)
		return false
	}
	w.pos = w.end
	return true
}

func errKeyEnd(pos int) error { return syntaxError(pos, "key does not end") }

// valueError explains why there is no value of type t behind the key.
func valueError(src []byte, t byte, key, keyEnd int) error {
	_, err := bsonwire.ValueSize(Type(t), src[keyEnd+1:])
	var syntax *bsonwire.SyntaxError
	if errors.As(err, &syntax) {
		syntax.Offset += keyEnd + 1
	}
	return decodeErrorAt(string(src[key:keyEnd]), err)
}
