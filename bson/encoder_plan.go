package bson

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// An encodePlan is how values of one type are encoded.
type encodePlan struct {
	typ reflect.Type
	// enc appends a value that a pointer points to.
	enc encodeFunc
	// document is whether the type makes a document by itself, so that it can be given to Marshal.
	document bool
	// missing is an error if there is no way to encode the type, whatever its value.
	missing error

	shape shape
	elem  *encodePlan                                      // for shapePointer
	any   func(e *encoder, v any) (byte, error)            // for shapeAny
	value func(e *encoder, rv reflect.Value) (byte, error) // for shapeMap
}

// The shape of a type says how a plan gets at a value that is in an any.
type shape uint8

const (
	shapeData    shape = iota // the any holds a pointer to it
	shapePointer              // it is a pointer without methods of interest: the any holds it
	shapeMap                  // it is a map: through reflection
	shapeAny                  // it has methods: the any itself is what is needed
	shapeCopy                 // the any might hold it or a pointer to it: through a copy
)

// boxed appends v, a value of the plan's type.
func (plan *encodePlan) boxed(e *encoder, v any) (byte, error) {
	switch plan.shape {
	case shapeData:
		return plan.enc(e, dataWord(v))
	case shapePointer:
		return plan.elem.pointee(e, dataWord(v))
	case shapeMap:
		return plan.value(e, reflect.ValueOf(v))
	case shapeAny:
		return plan.any(e, v)
	}
	c := reflect.New(plan.typ)
	c.Elem().Set(reflect.ValueOf(v))
	return plan.enc(e, c.UnsafePointer())
}

// pointee appends the value that p, which may be nil, points to.
func (plan *encodePlan) pointee(e *encoder, p pointer) (byte, error) {
	if p == nil {
		return byte(TypeNull), nil
	}
	switch plan.typ.Kind() {
	case reflect.Pointer, reflect.Interface:
		// Here a cycle needs no document to go round, so that nobody else would notice it.
		if e.depth++; e.depth > bsonwire.MaxDepth {
			return 0, errEncodeDepth
		}
		t, err := plan.enc(e, p)
		e.depth--
		return t, err
	}
	return plan.enc(e, p)
}

// Pointer methods can be called on values that have an address: those behind a pointer and in slices, but not those in
// an any or a map. So types have up to two plans.
type encodeKey struct {
	typ         reflect.Type
	addressable bool
}

var (
	encodePlans   sync.Map // of encodeKey or, for values in an any, of reflect.Type; to *encodePlan
	encodeCompile sync.Mutex
)

// encodePlanFor returns the plan for values of type t that are in an any.
func encodePlanFor(t reflect.Type) *encodePlan {
	if p, ok := encodePlans.Load(t); ok {
		return p.(*encodePlan)
	}
	encodeCompile.Lock()
	defer encodeCompile.Unlock()
	c := encodeCompiler{}
	plan := c.plan(t, false)
	// Plans refer to each other: they are published when all of them are complete.
	for key, p := range c {
		encodePlans.LoadOrStore(key, p)
	}
	encodePlans.Store(t, plan)
	return plan
}

// An encodeCompiler makes plans. It holds those that it has made, or is making.
type encodeCompiler map[encodeKey]*encodePlan

var (
	marshalerType      = reflect.TypeFor[Marshaler]()
	valueMarshalerType = reflect.TypeFor[ValueMarshaler]()
)

// plan returns the plan for values of type t, which is incomplete as long as the compiler is at work on it.
func (c encodeCompiler) plan(t reflect.Type, addressable bool) *encodePlan {
	key := encodeKey{t, addressable}
	if p, ok := encodePlans.Load(key); ok {
		return p.(*encodePlan)
	}
	if p, ok := c[key]; ok {
		return p
	}
	p := &encodePlan{typ: t}
	c[key] = p
	switch {
	case c.exact(p):
	case c.method(p, addressable):
	default:
		c.kind(p, addressable)
	}
	return p
}

// exact makes the plan for a type that BSON knows by name.
func (c encodeCompiler) exact(p *encodePlan) bool {
	enc, ok := exactEncoders[p.typ]
	if !ok {
		if enc, ok = coreEncoder(p.typ); !ok {
			return false
		}
	}
	p.enc = enc
	p.document = p.typ == reflect.TypeFor[Raw]() || isCoreDocument(p.typ)
	if storedDirectly(p.typ) {
		p.shape = shapeCopy
	}
	return true
}

// method makes the plan for a type that encodes itself. The official package looks for MarshalBSONValue on the type and
// on a pointer to it, and then for MarshalBSON.
func (c encodeCompiler) method(p *encodePlan, addressable bool) bool {
	t := p.typ
	hasPointer := addressable && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface
	for _, i := range []reflect.Type{valueMarshalerType, marshalerType} {
		value := t.Implements(i)
		if !value && !(hasPointer && reflect.PointerTo(t).Implements(i)) {
			continue
		}
		p.shape = shapeAny
		p.any = encodeMethod(t, i == valueMarshalerType)
		if value && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface) {
			p.enc = func(e *encoder, q pointer) (byte, error) { return p.any(e, reflect.NewAt(t, q).Elem().Interface()) }
		} else {
			// A pointer has the methods of the value, and putting it into an interface does not allocate.
			p.enc = func(e *encoder, q pointer) (byte, error) { return p.any(e, reflect.NewAt(t, q).Interface()) }
		}
		return true
	}
	return false
}

// encodeMethod returns a function that appends what a t, or a pointer to one, encodes itself as.
func encodeMethod(t reflect.Type, asValue bool) func(*encoder, any) (byte, error) {
	i := marshalerType
	if asValue {
		i = valueMarshalerType
	}
	check := t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer && nilIsNull(t, i)
	return func(e *encoder, v any) (byte, error) {
		if v == nil {
			return byte(TypeNull), nil
		}
		if check && nilWithMethods(v, i) {
			return byte(TypeNull), nil
		}
		if asValue {
			return e.valueMarshaler(v.(ValueMarshaler))
		}
		return e.marshaler(v.(Marshaler))
	}
}

// nilIsNull reports whether the pointer type t has interface i from what it points to: the methods of a value cannot be
// called through a nil pointer to it.
func nilIsNull(t, i reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Implements(i)
}

// nilWithMethods reports whether v is a nil pointer for which nilIsNull.
func nilWithMethods(v any, i reflect.Type) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil() && nilIsNull(rv.Type(), i)
}

// kind makes the plan for a type that is known by its kind alone.
func (c encodeCompiler) kind(p *encodePlan, addressable bool) {
	t := p.typ
	switch t.Kind() {
	case reflect.Struct:
		c.structPlan(p, addressable)
	case reflect.Map:
		c.mapPlan(p)
	case reflect.Slice:
		c.slicePlan(p)
	case reflect.Array:
		c.arrayPlan(p, addressable)
	case reflect.Pointer:
		p.shape = shapePointer
		p.elem = c.plan(t.Elem(), true)
		p.enc = func(e *encoder, q pointer) (byte, error) { return p.elem.pointee(e, *at[pointer](q)) }
	case reflect.Interface:
		p.shape = shapeAny
		p.any = (*encoder).value
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.value(dynamic(t, q)) }
	default:
		if p.enc = kindEncoders[t.Kind()]; p.enc == nil {
			p.missing = errNoEncoder(t)
			p.cannot(p.missing)
		}
	}
	if p.shape == shapeData && storedDirectly(t) {
		p.shape = shapeCopy
	}
}

// dynamic returns the value in the interface of type t at p.
func dynamic(t reflect.Type, p pointer) any {
	if t.NumMethod() == 0 {
		return *at[any](p)
	}
	return reflect.NewAt(t, p).Elem().Interface()
}

// cannot makes p a plan that returns err.
func (p *encodePlan) cannot(err error) {
	p.shape = shapeAny
	p.any = func(*encoder, any) (byte, error) { return 0, err }
	p.enc = func(*encoder, pointer) (byte, error) { return 0, err }
	p.document = true // so that Marshal reports err too
}

func (c encodeCompiler) slicePlan(p *encodePlan) {
	elem := p.typ.Elem()
	switch elem {
	case reflect.TypeFor[byte]():
		p.enc = func(e *encoder, q pointer) (byte, error) {
			b := *at[[]byte](q)
			if b == nil {
				return byte(TypeNull), nil
			}
			return e.binary(TypeBinaryGeneric, b), nil
		}
		return
	case reflect.TypeFor[E]():
		p.document = true
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.d(*at[[]E](q)) }
		return
	case reflect.TypeFor[any]():
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.a(*at[[]any](q)) }
		return
	case reflect.TypeFor[string]():
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.strings(*at[[]string](q)) }
		return
	}
	plan, size := c.plan(elem, true), elem.Size()
	p.enc = func(e *encoder, q pointer) (byte, error) {
		s := at[sliceHeader](q)
		if s.data == nil {
			return byte(TypeNull), nil
		}
		return e.elements(plan, s.data, s.len, size)
	}
}

func (c encodeCompiler) arrayPlan(p *encodePlan, addressable bool) {
	elem, n := p.typ.Elem(), p.typ.Len()
	switch elem {
	case reflect.TypeFor[byte]():
		p.enc = func(e *encoder, q pointer) (byte, error) {
			return e.binary(TypeBinaryGeneric, viewSlice[byte](q, n)), nil
		}
		return
	case reflect.TypeFor[E]():
		p.document = true
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.d(viewSlice[E](q, n)) }
		return
	}
	plan, size := c.plan(elem, addressable), elem.Size()
	p.enc = func(e *encoder, q pointer) (byte, error) { return e.elements(plan, q, n, size) }
}

// elements appends n values, each size bytes behind the one before, as an array.
func (e *encoder) elements(plan *encodePlan, p pointer, n int, size uintptr) (byte, error) {
	if plan.missing != nil {
		return 0, plan.missing
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	for i := range n {
		pos := e.n
		e.index(i)
		t, err := plan.enc(e, add(p, uintptr(i)*size))
		if err != nil {
			return 0, encodeErrorAt(bsonwire.Index(i), err)
		}
		e.buf[pos] = t
	}
	return byte(TypeArray), e.end(start)
}

// structError is why a struct cannot be encoded or decoded.
func structError(err error) error { return fmt.Errorf("cannot use this type with BSON: %w", err) }
