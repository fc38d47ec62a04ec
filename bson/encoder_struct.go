package bson

import (
	"fmt"
	"reflect"
	"time"
)

// An encodeField is a field of a struct.
type encodeField struct {
	header  string // a place for the type, the key, a zero byte
	plan    *encodePlan
	offset  uintptr
	path    *fieldPath // instead of offset, if there are pointers on the way
	op      fieldOp
	minSize bool
	empty   func(p pointer) bool // nil without omitempty
	zero    func(p pointer) bool // nil without omitzero
}

// A fieldOp is a kind of field that is encoded without a call of its plan.
type fieldOp uint8

const (
	opPlan fieldOp = iota
	opString
	opInt
	opInt32
	opInt64
	opFloat64
	opBool
	opPointer // to a struct
	opStruct  // decoding only
)

var fieldOps = map[reflect.Kind]fieldOp{
	reflect.String: opString, reflect.Int: opInt, reflect.Int32: opInt32, reflect.Int64: opInt64,
	reflect.Float64: opFloat64, reflect.Bool: opBool,
}

// structPlan makes the plan for a struct that is encoded field by field.
func (c encodeCompiler) structPlan(p *encodePlan, addressable bool) {
	t := p.typ
	info, err := describeStruct(t)
	if err != nil {
		p.cannot(structError(err))
		return
	}
	p.document = true
	fields := make([]encodeField, 0, len(info.fields))
	names := make(map[string]bool, len(info.fields))
	for _, f := range info.fields {
		names[f.name] = true
		fields = append(fields, c.field(t, f, addressable))
	}
	inline := c.inlineMap(t, info, names)
	p.enc = func(e *encoder, q pointer) (byte, error) {
		start, err := e.begin()
		if err != nil {
			return 0, err
		}
		for i := range fields {
			if err := fields[i].encode(e, q); err != nil {
				return 0, err
			}
		}
		if inline != nil {
			if err := inline(e, q); err != nil {
				return 0, err
			}
		}
		return byte(TypeEmbeddedDocument), e.end(start)
	}
}

func (c encodeCompiler) field(t reflect.Type, f structField, addressable bool) encodeField {
	field := encodeField{header: "\x00" + f.name + "\x00", minSize: f.minSize}
	path := pathOf(t, f.index)
	if len(path.elems) > 0 {
		field.path = &path
		addressable = true
	} else {
		field.offset = path.offsets[0]
	}
	field.plan = c.plan(f.typ, addressable)
	if fastPaths && field.plan.shape == shapeData && field.plan.isKind() && !f.minSize {
		field.op = fieldOps[f.typ.Kind()]
	}
	if p := field.plan; fastPaths && p.shape == shapePointer && p.elem != nil && p.elem.typ.Kind() == reflect.Struct && !f.minSize {
		field.op = opPointer
	}
	if f.omitEmpty && field.plan.missing == nil {
		field.empty = emptyFunc(f.typ)
	}
	if f.omitZero {
		field.zero = zeroFunc(f.typ)
	}
	if !validKey(f.name) {
		field.op, field.empty, field.zero = opPlan, nil, nil
		field.plan = &encodePlan{typ: f.typ}
		field.plan.cannot(fmt.Errorf("field with the key %q: %w", f.name, errKeyZero))
	}
	return field
}

// isKind reports whether the plan is that of the type's kind, so that a fieldOp may replace it.
func (p *encodePlan) isKind() bool {
	_, exact := exactEncoders[p.typ]
	return !exact
}

func validKey(key string) bool {
	e := encoder{}
	return e.key(key) == nil
}

// encode appends the field of the struct at p.
func (f *encodeField) encode(e *encoder, p pointer) error {
	if f.path == nil {
		p = add(p, f.offset)
	} else if p = f.path.find(p); p == nil {
		return nil
	}
	if f.empty != nil && f.empty(p) || f.zero != nil && f.zero(p) {
		return nil
	}
	pos := e.n
	e.reserve(len(f.header) + slack)
	e.n += copy(e.buf[e.n:], f.header)
	var (
		t   byte
		err error
	)
	switch f.op {
	case opString:
		t, err = byte(TypeString), e.string(*at[string](p))
	case opInt:
		t = e.int(*at[int](p))
	case opInt32:
		t = e.int32(*at[int32](p))
	case opInt64:
		t = e.int64(*at[int64](p))
	case opFloat64:
		t = e.double(*at[float64](p))
	case opBool:
		t = e.bool(*at[bool](p))
	case opPointer:
		if p = *at[pointer](p); p != nil {
			t, err = f.plan.elem.enc(e, p)
		} else {
			t = byte(TypeNull)
		}
	default:
		outer := e.minSize
		e.minSize = outer || f.minSize
		t, err = f.plan.enc(e, p)
		e.minSize = outer
	}
	if err != nil {
		return encodeErrorAt(f.header[1:len(f.header)-1], err)
	}
	e.buf[pos] = t
	return nil
}

// inlineMap returns a function that appends the elements of the inlined map of a struct, nil if it has none.
func (c encodeCompiler) inlineMap(t reflect.Type, info *structInfo, names map[string]bool) encodeFuncNoType {
	if info.inlineMap < 0 {
		return nil
	}
	f := t.Field(info.inlineMap)
	plan := c.plan(f.Type.Elem(), false)
	return func(e *encoder, p pointer) error {
		if plan.missing != nil {
			return plan.missing
		}
		iter := reflect.NewAt(f.Type, add(p, f.Offset)).Elem().MapRange()
		value := reflect.New(f.Type.Elem())
		for iter.Next() {
			key := iter.Key().String()
			if names[key] {
				return fmt.Errorf("key %q of an inlined map is also the key of a field", key)
			}
			value.Elem().SetIterValue(iter)
			pos := e.n
			if err := e.key(key); err != nil {
				return encodeErrorAt(key, err)
			}
			t, err := plan.enc(e, value.UnsafePointer())
			if err != nil {
				return encodeErrorAt(key, err)
			}
			e.buf[pos] = t
		}
		return nil
	}
}

type encodeFuncNoType func(e *encoder, p pointer) error

// zeroFunc returns a function that reports whether omitzero leaves out the value of type t at p, by the rules of
// encoding/json: where the type or a pointer to it has a method IsZero, that says so; otherwise it is the zero value.
func zeroFunc(t reflect.Type) func(p pointer) bool {
	switch {
	case t.Kind() == reflect.Interface && t.Implements(zeroerType):
		return func(p pointer) bool {
			v := reflect.NewAt(t, p).Elem()
			return v.IsNil() || v.Elem().Kind() == reflect.Pointer && v.Elem().IsNil() || v.Interface().(Zeroer).IsZero()
		}
	case t.Kind() == reflect.Pointer && t.Implements(zeroerType):
		return func(p pointer) bool {
			return *at[pointer](p) == nil || reflect.NewAt(t, p).Elem().Interface().(Zeroer).IsZero()
		}
	case reflect.PointerTo(t).Implements(zeroerType) && t.Kind() != reflect.Interface:
		return func(p pointer) bool { return reflect.NewAt(t, p).Interface().(Zeroer).IsZero() }
	}
	return func(p pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() }
}

var zeroerType = reflect.TypeFor[Zeroer]()

// emptyFunc returns a function that reports whether omitempty leaves out the value of type t at p.
func emptyFunc(t reflect.Type) func(p pointer) bool {
	switch t {
	case reflect.TypeFor[time.Time]():
		return func(p pointer) bool { return at[time.Time](p).IsZero() }
	case reflect.TypeFor[ObjectID]():
		return func(p pointer) bool { return *at[ObjectID](p) == ObjectID{} }
	}
	kind := t.Kind()
	if kind == reflect.Interface {
		return emptyInterface(t)
	}
	if t.Implements(zeroerType) {
		if kind == reflect.Pointer {
			return func(p pointer) bool {
				return *at[pointer](p) == nil || reflect.NewAt(t, p).Elem().Interface().(Zeroer).IsZero()
			}
		}
		return func(p pointer) bool { return reflect.NewAt(t, p).Interface().(Zeroer).IsZero() }
	}
	switch kind {
	case reflect.String:
		return func(p pointer) bool { return *at[string](p) == "" }
	case reflect.Slice:
		return func(p pointer) bool { return at[sliceHeader](p).len == 0 }
	case reflect.Pointer:
		return func(p pointer) bool { return *at[pointer](p) == nil }
	case reflect.Array:
		return func(pointer) bool { return t.Len() == 0 }
	case reflect.Struct:
		return func(pointer) bool { return false }
	case reflect.Map:
		return func(p pointer) bool { return reflect.NewAt(t, p).Elem().Len() == 0 }
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		if t.Size() == 8 {
			return func(p pointer) bool { return *at[uint64](p) == 0 }
		}
	case reflect.Float64:
		return func(p pointer) bool { return *at[float64](p) == 0 }
	case reflect.Int32, reflect.Uint32:
		return func(p pointer) bool { return *at[uint32](p) == 0 }
	case reflect.Bool:
		return func(p pointer) bool { return !*at[bool](p) }
	}
	return func(p pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() }
}

// emptyInterface is emptyFunc for interfaces. An any is empty if it is nil. Of an interface with methods, what is in it
// counts.
func emptyInterface(t reflect.Type) func(p pointer) bool {
	if t.NumMethod() == 0 && t == reflect.TypeFor[any]() || t.Implements(valueMarshalerType) || t.Implements(marshalerType) {
		return func(p pointer) bool { return reflect.NewAt(t, p).Elem().IsNil() }
	}
	return func(p pointer) bool {
		rv := reflect.NewAt(t, p).Elem().Elem()
		if !rv.IsValid() {
			return true
		}
		c := reflect.New(rv.Type())
		c.Elem().Set(rv)
		return emptyFunc(rv.Type())(c.UnsafePointer())
	}
}
