package bson

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// A decodeField is a field of a struct.
type decodeField struct {
	name     string
	number   int // its place among the fields
	op       fieldOp
	truncate bool
	iface    bool       // an interface: what is in it may say what to decode into
	path     *fieldPath // instead of offset, if there are pointers on the way
	offset   uintptr
	plan     *decodePlan
	fields   *structDecoder // for opStruct and opPointer
	typ      reflect.Type
}

// A structDecoder decodes documents into one type of struct.
type structDecoder struct {
	typ    reflect.Type
	fields []decodeField
	index  fieldIndex
	layout atomic.Pointer[layout]
	inline *inlineDecoder
	err    error
}

// An inlineDecoder decodes elements for which there is no field.
type inlineDecoder struct {
	typ    reflect.Type // of the map
	offset uintptr
	plan   *decodePlan // of its values
}

// structPlan makes the plan for a struct. What BSON has no value for stays as it is.
func (c decodeCompiler) structPlan(p *decodePlan) {
	t := p.typ
	s := &structDecoder{typ: t}
	p.dec, p.fields = s.decode, s
	info, err := describeStruct(t)
	if err != nil {
		s.err = structError(err)
		return
	}
	recursive := false
	for _, f := range info.fields {
		if strings.IndexByte(f.name, 0) >= 0 {
			continue // no key is like that
		}
		field := decodeField{
			name: f.name, number: len(s.fields), truncate: f.truncate, iface: f.typ.Kind() == reflect.Interface,
			plan: c.plan(f.typ), typ: f.typ,
		}
		if path := pathOf(t, f.index); len(path.elems) > 0 {
			field.path = &path
		} else {
			field.offset = path.offsets[0]
		}
		if _, exact := exactDecoders[f.typ]; fastPaths && !exact && !f.truncate && !hasDecodeMethod(f.typ) {
			field.op = fieldOps[f.typ.Kind()]
			field.structOp()
		}
		p.strings = min(manyStrings, p.strings+field.plan.strings)
		recursive = recursive || field.plan.recursive || field.plan.building
		s.fields = append(s.fields, field)
	}
	if recursive && p.strings > 0 {
		p.strings = manyStrings
	}
	s.index = newFieldIndex(s.fields)
	s.guessLayout()
	if info.inlineMap >= 0 {
		f := t.Field(info.inlineMap)
		s.inline = &inlineDecoder{typ: f.Type, offset: f.Offset, plan: c.plan(f.Type.Elem())}
		p.strings = manyStrings
	}
}

// structOp lets structs, and pointers to them, be decoded without the way through their plans.
func (f *decodeField) structOp() {
	switch f.typ.Kind() {
	case reflect.Struct:
		f.op, f.fields = opStruct, f.plan.fields
	case reflect.Pointer:
		if target := f.plan.target; target != nil && target.fields != nil {
			f.op, f.fields = opPointer, target.fields
		}
	}
}

func hasDecodeMethod(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(valueUnmarshalerType) || p.Implements(unmarshalerType)
}

func (s *structDecoder) decode(d *decoder, p pointer, t byte, start, end int) error {
	switch Type(t) {
	case 0, TypeEmbeddedDocument:
	case TypeNull, TypeUndefined:
		reflect.NewAt(s.typ, p).Elem().SetZero()
		return nil
	default:
		return errMismatch(t, s.typ)
	}
	return s.document(d, p, start, end)
}

// document decodes the document in src[start:end] into the struct at p.
func (s *structDecoder) document(d *decoder, p pointer, start, end int) error {
	if s.err != nil {
		return s.err
	}
	if s.inline != nil && s.inline.plan.missing != nil {
		return s.inline.plan.missing
	}
	if err := d.enter(); err != nil {
		return err
	}
	if d.src[end-1] != 0 {
		return syntaxError(end-1, "document does not end in a zero byte")
	}
	err := s.elements(d, p, start+4, end-1)
	d.leave()
	return err
}

// elements decodes the elements in src[pos:last] into the struct at p.
func (s *structDecoder) elements(d *decoder, p pointer, pos, last int) error {
	src, expected, begin := d.src[:last], s.layout.Load(), pos
	next, surprises := 0, 0
	strict := d.opts.DisallowUnknownFields && s.inline == nil
	if !fastPaths {
		next = len(expected.steps)
	}
	for pos < last {
		var st *step
		var val, end int
		if st, pos, val, end, next = expected.follow(src, pos, next, strict || s.inline != nil); st != nil {
			if end > last {
				return valueError(src, src[pos], pos+1, val-1)
			}
			if f := st.field; f != nil {
				if err := f.decode(d, p, src[pos], val, end); err != nil {
					return decodeErrorAt(f.name, err)
				}
			} else if s.inline != nil {
				if err := s.inline.decode(d, p, pos+1, src[pos], val, end); err != nil {
					return err
				}
			} else if strict {
				return s.unknown(src[pos+1 : val-1])
			}
			if st.head[0] == 0 {
				surprises++ // its type was not known
			}
			pos = end
			continue
		}
		if pos == last {
			break
		}
		if next < len(expected.steps) || !expected.full {
			surprises++
		}
		f, at, val, end, err := s.find(src, pos, strict || s.inline != nil)
		if err != nil {
			return err
		}
		if pos = at; pos == last {
			break
		}
		if f != nil {
			if places := expected.places; fastPaths && places[f.number] > 0 {
				next = places[f.number]
			}
			if err := f.decode(d, p, src[pos], val, end); err != nil {
				return decodeErrorAt(f.name, err)
			}
		} else if s.inline != nil {
			if err := s.inline.decode(d, p, pos+1, src[pos], val, end); err != nil {
				return err
			}
		} else if strict {
			return s.unknown(src[pos+1 : val-1])
		}
		pos = end
	}
	if surprises > 0 || expected.lessons == 0 {
		s.surprised(d, expected, src, begin)
	}
	return nil
}

// unknown is the error of an element that there is no field for.
func (s *structDecoder) unknown(key []byte) error {
	return decodeErrorAt(string(key), fmt.Errorf("%s has no field for it, and unknown fields are not allowed", s.typ))
}

// valueEnd returns the end of the value of type t at src[val:], which is beyond src if the value does not fit. Types
// change from one value to the next, so that branches on them would be guessed wrong: the rules need none.
func valueEnd(src []byte, t byte, val int) int {
	if r := &lengthRules[t]; len(src)-val >= 4 {
		n := int(int32(binary.LittleEndian.Uint32(src[val:]))&r.mask) + int(r.add)
		if n >= int(r.min) {
			return val + n
		}
	}
	return oddValueEnd(src, t, val)
}

// oddValueEnd is valueEnd for what the rules do not know: regular expressions, the end of a document, and errors.
func oddValueEnd(src []byte, t byte, val int) int {
	if n := bsonwire.ValueLen(t, src[val:]); n >= 0 {
		return val + n
	}
	return len(src) + 1
}

// A lengthRule says how long the values of a type are: add bytes, and as many as the number in their first four says,
// but never less than min.
type lengthRule struct{ mask, add, min int32 }

var lengthRules = func() (rules [256]lengthRule) {
	for t := range rules {
		rules[t].min = math.MaxInt32
	}
	fixed := func(n int32, types ...Type) {
		for _, t := range types {
			rules[t] = lengthRule{0, n, n}
		}
	}
	fixed(0, TypeUndefined, TypeNull, TypeMinKey, TypeMaxKey)
	fixed(1, TypeBoolean)
	fixed(4, TypeInt32)
	fixed(8, TypeDouble, TypeDateTime, TypeTimestamp, TypeInt64)
	fixed(12, TypeObjectID)
	fixed(16, TypeDecimal128)
	text := lengthRule{-1, 4, 5}
	rules[TypeString], rules[TypeSymbol], rules[TypeJavaScript] = text, text, text
	rules[TypeEmbeddedDocument] = lengthRule{-1, 0, 5}
	rules[TypeArray] = rules[TypeEmbeddedDocument]
	rules[TypeBinary] = lengthRule{-1, 5, 5}
	return rules
}()

// findKeyEnd returns the end of the key that starts at src[key], or -1, and whether it is known to be ASCII.
func findKeyEnd(src []byte, key int) (end int, ascii bool) {
	wide := uint64(0)
	for i := key; len(src)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(src[i:])
		if zero := (x - lowBits) &^ x & highBits; zero != 0 {
			wide |= x & (zero - 1) &^ zero // the bits in front of the first zero
			return i + bits.TrailingZeros64(zero)>>3, wide&highBits == 0
		}
		wide |= x
	}
	return bsonwire.KeyEnd(src, key), false
}

// find returns the next element, from src[pos] on, that has to be looked at, and its field, nil if there is none: where it
// is, its value, and its end. At the end of src, there is no such element. With all, every element has to be looked at.
func (s *structDecoder) find(src []byte, pos int, all bool) (f *decodeField, at, val, end int, err error) {
	keyEnd := 0
	if !all {
		pos, keyEnd = s.index.skip(src, pos)
	}
	if pos == len(src) {
		return nil, pos, 0, 0, nil
	}
	if keyEnd <= 0 {
		if keyEnd = bsonwire.KeyEnd(src, pos+1); keyEnd < 0 {
			return nil, pos, 0, 0, errKeyEnd(pos)
		}
	}
	if end = valueEnd(src, src[pos], keyEnd+1); end > len(src) {
		return nil, pos, 0, 0, valueError(src, src[pos], pos+1, keyEnd)
	}
	return s.index.find(s.fields, src[pos+1:keyEnd]), pos, keyEnd + 1, end, nil
}

// decode decodes the value of type t in src[start:end] into the field of the struct at p.
func (f *decodeField) decode(d *decoder, p pointer, t byte, start, end int) error {
	if f.path == nil {
		p = add(p, f.offset)
	} else {
		p = f.path.make(p)
	}
	// The usual types; what needs a conversion goes to the plan.
	switch f.op {
	case opString:
		if t == byte(TypeString) {
			s, err := d.string(start, end)
			if err == nil {
				*at[string](p) = s
			}
			return err
		}
	case opInt:
		if t == byte(TypeInt32) {
			*at[int](p) = int(int32(d.uint32(start)))
			return nil
		}
	case opInt32:
		if t == byte(TypeInt32) {
			*at[int32](p) = int32(d.uint32(start))
			return nil
		}
	case opInt64:
		if t == byte(TypeInt64) {
			*at[int64](p) = int64(d.uint64(start))
			return nil
		}
	case opFloat64:
		if t == byte(TypeDouble) {
			*at[float64](p) = d.double(start)
			return nil
		}
	case opBool:
		if t == byte(TypeBoolean) && d.src[start] <= 1 {
			*at[bool](p) = d.src[start] == 1
			return nil
		}
	case opStruct:
		if t == byte(TypeEmbeddedDocument) {
			return f.fields.document(d, p, start, end)
		}
	case opPointer:
		if t == byte(TypeEmbeddedDocument) {
			v := at[pointer](p)
			if *v == nil {
				*v = d.new(f.plan.target)
			}
			return f.fields.document(d, *v, start, end)
		}
	case opPlan:
		if f.iface {
			return f.decodeInterface(d, p, t, start, end)
		}
		if f.truncate {
			outer := d.truncate
			d.truncate = true
			err := f.plan.dec(d, p, t, start, end)
			d.truncate = outer
			return err
		}
	}
	return f.plan.dec(d, p, t, start, end)
}

// decodeInterface decodes into an interface. If a pointer is in it, into what that points to, for which the field's
// truncate does not count, as in the official package.
func (f *decodeField) decodeInterface(d *decoder, p pointer, t byte, start, end int) error {
	if v := reflect.ValueOf(dynamic(f.typ, p)); v.Kind() == reflect.Pointer && !v.IsNil() {
		return decodePlanFor(v.Type().Elem()).dec(d, v.UnsafePointer(), t, start, end)
	}
	outer := d.truncate
	d.truncate = outer || f.truncate
	err := f.plan.dec(d, p, t, start, end)
	d.truncate = outer
	return err
}

// decode adds the element to the inlined map of the struct at p. Its key starts at src[key], its value of type t is
// src[start:end].
func (m *inlineDecoder) decode(d *decoder, p pointer, key int, t byte, start, end int) error {
	name, err := d.text(key, start-1)
	if err != nil {
		return decodeErrorAt(string(d.src[key:start-1]), err)
	}
	v := reflect.New(m.typ.Elem())
	if err := m.plan.dec(d, v.UnsafePointer(), t, start, end); err != nil {
		return decodeErrorAt(name, err)
	}
	mv := reflect.NewAt(m.typ, add(p, m.offset)).Elem()
	if mv.IsNil() {
		mv.Set(reflect.MakeMap(m.typ))
	}
	mv.SetMapIndex(reflect.ValueOf(name), v.Elem())
	return nil
}

// A fieldIndex finds fields by key: a hash table with open addressing, at most half full, of field numbers plus one.
type fieldIndex struct {
	slots  []uint32
	filter uint64 // has bit filterBit for every name
	folds  bool   // whether keys with capitals can match: some name has no capitals
}

// filterBit returns a number below 64 from what a key and its lower-case form have in common.
func filterBit(first byte, n int) uint { return (uint(first|0x20) + uint(n)*11) & 63 }

// skip returns where, from src[pos] on, the first element is whose key may be that of a field, or which is damaged; the
// end of src if there is none. Most keys without a field are told by their length and first byte. A key that is not
// ASCII may be of another length in lower case. skip also returns the end of the key, or 0 if it has not seen it.
func (x *fieldIndex) skip(src []byte, pos int) (at, keyEnd int) {
	wide := uint64(0)
	for i := pos + 1; len(src)-i >= 8; {
		w := binary.LittleEndian.Uint64(src[i:])
		zero := (w - lowBits) &^ w & highBits
		if zero == 0 {
			wide |= w
			i += 8
			continue
		}
		wide |= w & (zero - 1) &^ zero // what is in front of the zero byte
		end := i + bits.TrailingZeros64(zero)>>3
		if wide&highBits != 0 || x.filter>>filterBit(src[pos+1], end-pos-1)&1 != 0 {
			return pos, end
		}
		after := valueEnd(src, src[pos], end+1)
		if after > len(src) {
			return pos, end
		}
		pos, i, wide = after, after+1, 0
	}
	return pos, 0 // too near to the end
}

func newFieldIndex(fields []decodeField) fieldIndex {
	size := 4
	for size < 2*len(fields) {
		size *= 2
	}
	x := fieldIndex{slots: make([]uint32, size)}
	for i := range fields {
		name := fields[i].name
		h := hashKey([]byte(name)) & uint32(size-1)
		for x.slots[h] != 0 {
			h = (h + 1) & uint32(size-1)
		}
		x.slots[h] = uint32(i + 1)
		if name != "" {
			x.filter |= 1 << filterBit(name[0], len(name))
		} else {
			x.filter = ^uint64(0) // an empty key has no first byte
		}
		x.folds = x.folds || name == strings.ToLower(name)
	}
	return x
}

// hashKey hashes the length and the first and last eight bytes of key.
func hashKey(key []byte) uint32 {
	n := len(key)
	h := uint64(n)
	switch {
	case n >= 8:
		h ^= binary.LittleEndian.Uint64(key) ^ binary.LittleEndian.Uint64(key[n-8:])<<1
	case n >= 4:
		h ^= uint64(binary.LittleEndian.Uint32(key)) | uint64(binary.LittleEndian.Uint32(key[n-4:]))<<32
	case n > 0:
		h ^= uint64(key[0])<<8 | uint64(key[n/2])<<16 | uint64(key[n-1])<<24
	}
	h *= 0x9E3779B97F4A7C15
	return uint32(h >> 40)
}

// find returns the field for key: the one with that name or, failing that, with that name in lower case.
func (x *fieldIndex) find(fields []decodeField, key []byte) *decodeField {
	if f := x.exact(fields, key); f != nil || !x.folds {
		return f
	}
	upper := false
	for _, c := range key {
		if c >= utf8.RuneSelf {
			return x.exact(fields, []byte(strings.ToLower(string(key))))
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	var lower [64]byte
	if !upper || len(key) > len(lower) {
		if upper {
			return x.exact(fields, []byte(strings.ToLower(string(key))))
		}
		return nil
	}
	for i, c := range key {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return x.exact(fields, lower[:len(key)])
}

func (x *fieldIndex) exact(fields []decodeField, key []byte) *decodeField {
	mask := uint32(len(x.slots) - 1)
	for h := hashKey(key) & mask; x.slots[h] != 0; h = (h + 1) & mask {
		if f := &fields[x.slots[h]-1]; f.name == string(key) {
			return f
		}
	}
	return nil
}
