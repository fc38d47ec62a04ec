package bson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A decodePlan is how values of one type are decoded.
type decodePlan struct {
	typ reflect.Type
	dec decodeFunc
	// missing is an error if there is no way to decode into the type, whatever the value.
	missing error
	// strings says how many strings a value may hold, roughly. It decides whether they share an allocation.
	strings int
	fields  *structDecoder // of a struct
	target  *decodePlan    // of what a pointer points to
	// arrays are the types of arrays of 1, 2, 4, … values, for a struct that pointers in documents lead to.
	arrays *[slabSizes]atomic.Pointer[reflect.Type]
	// building is whether the compiler is at work on it, and recursive, whether it was when something referred to it.
	building, recursive bool
}

// manyStrings stands for a number of strings that only the document knows.
const manyStrings = 1 << 20

// sharesCopy reports whether to copy a whole document of size bytes, and to make all strings views into the copy. It
// pays if there are several, unless they may be a small part of the document.
func (p *decodePlan) sharesCopy(size int) bool {
	return p.strings > 3 && size/128 <= p.strings
}

var (
	decodePlans   sync.Map // of reflect.Type to *decodePlan
	decodeCompile sync.Mutex
)

func decodePlanFor(t reflect.Type) *decodePlan {
	if p, ok := decodePlans.Load(t); ok {
		return p.(*decodePlan)
	}
	decodeCompile.Lock()
	defer decodeCompile.Unlock()
	c := decodeCompiler{}
	plan := c.plan(t)
	// Plans refer to each other: they are published when all of them are complete.
	for t, p := range c {
		decodePlans.LoadOrStore(t, p)
	}
	return plan
}

// A decodeCompiler makes plans. It holds those that it has made, or is making.
type decodeCompiler map[reflect.Type]*decodePlan

// plan returns the plan for type t, which is incomplete as long as the compiler is at work on it.
func (c decodeCompiler) plan(t reflect.Type) *decodePlan {
	if p, ok := decodePlans.Load(t); ok {
		return p.(*decodePlan)
	}
	if p, ok := c[t]; ok {
		return p
	}
	p := &decodePlan{typ: t, building: true}
	c[t] = p
	defer func() { p.building = false }()
	if exact, ok := exactDecoders[t]; ok {
		p.dec, p.strings = exact.dec, exact.strings
	} else if isCoreDocument(t) {
		p.dec = decodeRaw
	} else if isCoreArray(t) {
		p.dec = decodeCoreArray
	} else if !c.method(p) {
		c.kind(p)
	}
	return p
}

type exactDecoder struct {
	dec     decodeFunc
	strings int
}

// exactDecoders decode the types that BSON knows by name.
var exactDecoders map[reflect.Type]exactDecoder

// The table refers to functions that use plans, which refer to the table: it has to be filled by init.
func init() {
	exactDecoders = map[reflect.Type]exactDecoder{
		reflect.TypeFor[D]():             {decodeD, 0},
		reflect.TypeFor[any]():           {decodeAny, 0},
		reflect.TypeFor[Binary]():        {only(TypeBinary, (*decoder).readBinary), 1},
		reflect.TypeFor[Vector]():        {decodeVector, 0},
		reflect.TypeFor[Undefined]():     {only(TypeUndefined, nothing[Undefined]), 0},
		reflect.TypeFor[Null]():          {only(TypeNull, nothing[Null]), 0},
		reflect.TypeFor[MinKey]():        {only(TypeMinKey, nothing[MinKey]), 0},
		reflect.TypeFor[MaxKey]():        {only(TypeMaxKey, nothing[MaxKey]), 0},
		reflect.TypeFor[DateTime]():      {only(TypeDateTime, (*decoder).readDateTime), 0},
		reflect.TypeFor[Timestamp]():     {only(TypeTimestamp, (*decoder).readTimestamp), 0},
		reflect.TypeFor[Decimal128]():    {only(TypeDecimal128, (*decoder).readDecimal), 0},
		reflect.TypeFor[Regex]():         {only(TypeRegex, (*decoder).readRegex), 2},
		reflect.TypeFor[DBPointer]():     {only(TypeDBPointer, (*decoder).readDBPointer), 1},
		reflect.TypeFor[JavaScript]():    {only(TypeJavaScript, (*decoder).readJavaScript), 1},
		reflect.TypeFor[CodeWithScope](): {only(TypeCodeWithScope, (*decoder).readCodeWithScope), 4}, // the code, and those of the scope
		reflect.TypeFor[Symbol]():        {decodeSymbol, 1},
		reflect.TypeFor[ObjectID]():      {decodeObjectID, 0},
		reflect.TypeFor[time.Time]():     {decodeTime, 0},
		reflect.TypeFor[[]byte]():        {decodeByteSlice, 1},
		reflect.TypeFor[json.Number]():   {decodeJSONNumber, 0},
		reflect.TypeFor[url.URL]():       {decodeURL, 1},
		reflect.TypeFor[Raw]():           {decodeRaw, 1},
		reflect.TypeFor[RawValue]():      {decodeRawValue, 1},
	}
}

var (
	unmarshalerType      = reflect.TypeFor[Unmarshaler]()
	valueUnmarshalerType = reflect.TypeFor[ValueUnmarshaler]()
)

// method makes the plan for a type that decodes itself. The official package looks for UnmarshalBSONValue on the type
// and on a pointer to it, and then for UnmarshalBSON.
func (c decodeCompiler) method(p *decodePlan) bool {
	has := func(i reflect.Type) bool {
		return p.typ.Implements(i) || p.typ.Kind() != reflect.Pointer && reflect.PointerTo(p.typ).Implements(i)
	}
	var call func(v any, t byte, data []byte) error
	switch {
	case has(valueUnmarshalerType):
		call = func(v any, t byte, data []byte) error { return v.(ValueUnmarshaler).UnmarshalBSONValue(t, data) }
	case has(unmarshalerType):
		call = func(v any, _ byte, data []byte) error { return v.(Unmarshaler).UnmarshalBSON(data) }
	default:
		return false
	}
	p.strings = 1
	byValue := has(valueUnmarshalerType)
	switch p.typ.Kind() {
	case reflect.Pointer:
		p.dec = pointerMethod(p.typ, byValue, call)
	case reflect.Interface:
		p.dec = func(d *decoder, q pointer, t byte, start, end int) error {
			v := reflect.NewAt(p.typ, q).Elem()
			switch held := v.Elem(); {
			case v.IsNil():
				return errNoDecoder(p.typ)
			case held.Kind() == reflect.Pointer && held.IsNil():
				// It says what to decode into, but has nothing that a method could be called on.
				fresh, err := d.planned(decodePlanFor(held.Type()), t, start, end)
				if err == nil {
					v.Set(reflect.ValueOf(fresh))
				}
				return err
			}
			return foreignError(call(v.Interface(), t, d.bytes(start, end)))
		}
	default:
		p.dec = func(d *decoder, q pointer, t byte, start, end int) error {
			return foreignError(call(reflect.NewAt(p.typ, q).Interface(), t, d.bytes(start, end)))
		}
	}
	return true
}

// pointerMethod decodes into a pointer, of type rt, that has a method for that. Null makes the pointer nil; one that
// decodes documents only is made nil by everything that has no bytes.
func pointerMethod(rt reflect.Type, byValue bool, call func(any, byte, []byte) error) decodeFunc {
	return func(d *decoder, q pointer, t byte, start, end int) error {
		if byValue && t == byte(TypeNull) || !byValue && start == end {
			*at[pointer](q) = nil
			return nil
		}
		if *at[pointer](q) == nil {
			*at[pointer](q) = reflect.New(rt.Elem()).UnsafePointer()
		}
		return foreignError(call(reflect.NewAt(rt, q).Elem().Interface(), t, d.bytes(start, end)))
	}
}

// kind makes the plan for a type that is known by its kind alone.
func (c decodeCompiler) kind(p *decodePlan) {
	switch t := p.typ; t.Kind() {
	case reflect.Struct:
		c.structPlan(p)
	case reflect.Map:
		c.mapPlan(p)
	case reflect.Slice:
		c.slicePlan(p)
	case reflect.Array:
		c.arrayPlan(p)
	case reflect.Pointer:
		c.pointerPlan(p)
	default:
		if make := kindDecoders[t.Kind()]; make != nil {
			p.dec = make(t)
			if t.Kind() == reflect.String {
				p.strings = 1
			}
			return
		}
		p.missing = errNoDecoder(t)
		p.dec = func(*decoder, pointer, byte, int, int) error { return p.missing }
	}
}

func (c decodeCompiler) pointerPlan(p *decodePlan) {
	elem := p.typ.Elem()
	plan := c.plan(elem)
	p.target = plan
	p.strings = plan.strings
	p.recursive = plan.building
	if elem.Kind() == reflect.Struct && plan.arrays == nil { // else others may be using it
		plan.arrays = new([slabSizes]atomic.Pointer[reflect.Type])
	}
	p.dec = func(d *decoder, q pointer, t byte, start, end int) error {
		v := at[pointer](q)
		if isNull(t) {
			*v = nil
			return nil
		}
		if *v == nil {
			*v = d.new(plan)
		}
		return plan.dec(d, *v, t, start, end)
	}
}

// mapPlan makes the plan for a map. Elements are added to a map that is there already.
func (c decodeCompiler) mapPlan(p *decodePlan) {
	t := p.typ
	if t.Key() == reflect.TypeFor[string]() && t.Elem() == reflect.TypeFor[any]() {
		p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
			return d.m(at[map[string]any](q), bt, start, end, t)
		}
		return
	}
	elem, key := c.plan(t.Elem()), decodeKeyFunc(t.Key())
	p.strings = manyStrings
	p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
		m := reflect.NewAt(t, q).Elem()
		if isNull(bt) {
			m.SetZero()
			return nil
		}
		if bt != 0 && bt != byte(TypeEmbeddedDocument) {
			return errMismatch(bt, t)
		}
		if elem.missing != nil {
			return elem.missing
		}
		if err := d.enter(); err != nil {
			return err
		}
		if m.IsNil() {
			m.Set(reflect.MakeMap(t))
		}
		k, v := reflect.New(t.Key()).Elem(), reflect.New(t.Elem())
		w := d.walk(start, end)
		for w.next() {
			if err := key(d, k, w.key, w.keyEnd); err != nil {
				return decodeErrorAt(string(w.src[w.key:w.keyEnd]), err)
			}
			v.Elem().SetZero()
			if err := elem.dec(d, v.UnsafePointer(), w.t, w.val, w.end); err != nil {
				return decodeErrorAt(string(w.src[w.key:w.keyEnd]), err)
			}
			m.SetMapIndex(k, v.Elem())
		}
		d.leave()
		return w.err
	}
}

// decodeKeyFunc returns a function that sets k, of type t, to the BSON key in src[start:end]. KeyUnmarshaler comes before
// TextUnmarshaler, and then strings and integers.
func decodeKeyFunc(t reflect.Type) func(d *decoder, k reflect.Value, start, end int) error {
	pt := reflect.PointerTo(t)
	text := func(set func(k reflect.Value, s string) error) func(*decoder, reflect.Value, int, int) error {
		return func(d *decoder, k reflect.Value, start, end int) error {
			s, err := d.text(start, end)
			if err != nil {
				return err
			}
			return set(k, s)
		}
	}
	badNumber := func(s string) error { return fmt.Errorf("key %q cannot be a %s", s, t) }
	switch {
	case pt.Implements(reflect.TypeFor[KeyUnmarshaler]()):
		return text(func(k reflect.Value, s string) error {
			v := reflect.New(t)
			err := v.Interface().(KeyUnmarshaler).UnmarshalKey(s)
			k.Set(v.Elem())
			return foreignError(err)
		})
	case pt.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return text(func(k reflect.Value, s string) error {
			v := reflect.New(t)
			err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
			k.Set(v.Elem())
			return foreignError(err)
		})
	}
	switch t.Kind() {
	case reflect.String:
		return text(func(k reflect.Value, s string) error { k.SetString(s); return nil })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return text(func(k reflect.Value, s string) error {
			i, err := strconv.ParseInt(s, 10, 64)
			if err != nil || k.OverflowInt(i) {
				return badNumber(s)
			}
			k.SetInt(i)
			return nil
		})
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return text(func(k reflect.Value, s string) error {
			i, err := strconv.ParseUint(s, 10, 64)
			if err != nil || k.OverflowUint(i) {
				return badNumber(s)
			}
			k.SetUint(i)
			return nil
		})
	}
	return text(func(reflect.Value, string) error { return fmt.Errorf("a %s cannot be a BSON key", t) })
}

// count returns the number of elements of the array in src[start:end].
func (d *decoder) count(start, end int) (int, error) {
	n := 0
	w := d.walk(start, end)
	for w.next() {
		n++
	}
	return n, w.err
}
