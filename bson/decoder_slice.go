package bson

import (
	"fmt"
	"reflect"
	"strconv"
)

// slicePlan makes the plan for a slice. A slice that is there already is emptied, and its memory reused.
func (c decodeCompiler) slicePlan(p *decodePlan) {
	t := p.typ
	elem := t.Elem()
	if elem == reflect.TypeFor[E]() {
		p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
			if bt == byte(TypeArray) {
				return errMismatch(bt, t)
			}
			return d.d(at[D](q), bt, start, end)
		}
		return
	}
	plan := c.plan(elem)
	if scalars := scalarSlices[elem]; scalars != nil {
		p.strings = min(manyStrings, plan.strings*manyStrings)
		p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
			switch {
			case bt == byte(TypeArray):
				return scalars(d, q, plan, start, end)
			case isNull(bt):
				*at[[]byte](q) = nil
				return nil
			}
			return errMismatch(bt, t)
		}
		return
	}
	if plan.strings > 0 || elem.Kind() == reflect.Struct || elem.Kind() == reflect.Pointer {
		p.strings = manyStrings
	}
	isBytes := elem == reflect.TypeFor[byte]()
	if isBytes {
		p.strings = 1
	}
	p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
		switch Type(bt) {
		case TypeArray:
			return d.slice(reflect.NewAt(t, q).Elem(), plan, start, end)
		case TypeNull, TypeUndefined:
			reflect.NewAt(t, q).Elem().SetZero()
			return nil
		case TypeBinary:
			if isBytes {
				from, err := d.plainBinary(start, end, t)
				if err == nil {
					reuseBytes(d, at[[]byte](q), from, end)
				}
				return err
			}
		case TypeString:
			if isBytes {
				if _, err := d.string(start, end); err != nil {
					return err
				}
				reuseBytes(d, at[[]byte](q), start+4, end-1)
				return nil
			}
		}
		return errMismatch(bt, t)
	}
}

// scalarSlices decode arrays into slices of the types that slices are often made of, without reflection.
var scalarSlices = map[reflect.Type]func(d *decoder, p pointer, plan *decodePlan, start, end int) error{
	reflect.TypeFor[string](): scalarSlice[string], reflect.TypeFor[int](): scalarSlice[int],
	reflect.TypeFor[int32](): scalarSlice[int32], reflect.TypeFor[int64](): scalarSlice[int64],
	reflect.TypeFor[float64](): scalarSlice[float64], reflect.TypeFor[ObjectID](): scalarSlice[ObjectID],
}

func scalarSlice[T any](d *decoder, p pointer, plan *decodePlan, start, end int) error {
	n, err := d.count(start, end)
	if err != nil {
		return err
	}
	s := at[[]T](p)
	if *s == nil || cap(*s) < n {
		*s = make([]T, n)
	} else {
		*s = (*s)[:n]
		clear(*s)
	}
	var zero T
	return d.elements(at[sliceHeader](p).data, sizeOf(zero), plan, start, end)
}

// slice decodes the array in src[start:end] into s.
func (d *decoder) slice(s reflect.Value, plan *decodePlan, start, end int) error {
	if plan.missing != nil && (s.Len() == 0 || plan.typ.Kind() != reflect.Interface) {
		return plan.missing
	}
	n, err := d.count(start, end)
	if err != nil {
		return err
	}
	if s.Type().Elem().Kind() == reflect.Interface && s.Len() > 0 {
		filled, err := d.filledSlice(s, plan, n, start, end)
		if err != nil {
			return err
		}
		if n > s.Cap() {
			s.Set(filled.Convert(s.Type()))
			return nil
		}
		s.SetLen(n)
		reflect.Copy(s, filled)
		return nil
	}
	switch {
	case n > s.Cap():
		s.SetZero()
		s.Grow(n)
		s.SetLen(n)
	case s.IsNil():
		at[sliceHeader](s.Addr().UnsafePointer()).data = emptySlice // not nil
	default:
		s.SetLen(n)
		s.Clear()
	}
	return d.elements(s.UnsafePointer(), s.Type().Elem().Size(), plan, start, end)
}

// elements decodes the array in src[start:end] into as many values, each size bytes behind the one before.
func (d *decoder) elements(p pointer, size uintptr, plan *decodePlan, start, end int) error {
	if err := d.enter(); err != nil {
		return err
	}
	w := d.walk(start, end)
	for i := 0; w.next(); i++ {
		if err := plan.dec(d, add(p, uintptr(i)*size), w.t, w.val, w.end); err != nil {
			return decodeErrorAt(strconv.Itoa(i), err)
		}
	}
	d.leave()
	return w.err
}

// filledSlice decodes an array of n elements in the way that s, an array or slice of interfaces, asks for. The elements
// that it has say what types to decode into: pointers are decoded through, other values are replaced by ones of the
// same type.
func (d *decoder) filledSlice(s reflect.Value, plan *decodePlan, n, start, end int) (filled reflect.Value, err error) {
	filled = reflect.MakeSlice(reflect.SliceOf(plan.typ), n, n)
	if err := d.enter(); err != nil {
		return filled, err
	}
	w := d.walk(start, end)
	for i := 0; w.next(); i++ {
		var old reflect.Value
		if i < s.Len() {
			old = s.Index(i)
		}
		if err := d.filled(filled.Index(i), old, plan, &w); err != nil {
			return filled, decodeErrorAt(strconv.Itoa(i), err)
		}
	}
	d.leave()
	return filled, w.err
}

// filled decodes w's element into the interface v, with the type of what is in the interface old.
func (d *decoder) filled(v, old reflect.Value, plan *decodePlan, w *walker) error {
	if !old.IsValid() || old.IsNil() {
		return plan.dec(d, v.Addr().UnsafePointer(), w.t, w.val, w.end)
	}
	old = old.Elem()
	if old.Kind() == reflect.Pointer && !old.IsNil() {
		if w.t == byte(TypeNull) {
			return nil
		}
		v.Set(old)
		return decodePlanFor(old.Type().Elem()).dec(d, old.UnsafePointer(), w.t, w.val, w.end)
	}
	fresh := reflect.New(old.Type())
	if err := decodePlanFor(old.Type()).dec(d, fresh.UnsafePointer(), w.t, w.val, w.end); err != nil {
		return err
	}
	v.Set(fresh.Elem())
	return nil
}

// arrayPlan makes the plan for a Go array. Elements that BSON has none for keep their values.
func (c decodeCompiler) arrayPlan(p *decodePlan) {
	t := p.typ
	elem := t.Elem()
	var plan *decodePlan
	if elem != reflect.TypeFor[E]() {
		plan = c.plan(elem)
		p.strings = min(manyStrings, plan.strings*t.Len())
	}
	p.dec = func(d *decoder, q pointer, bt byte, start, end int) error {
		a := reflect.NewAt(t, q).Elem()
		switch {
		case isNull(bt):
			a.SetZero()
			return nil
		case plan == nil && (bt == 0 || bt == byte(TypeEmbeddedDocument)):
			return d.elementArray(viewSlice[E](q, t.Len()), bt, start, end)
		case plan == nil:
		case bt == byte(TypeArray):
			return d.array(a, plan, start, end)
		case bt == byte(TypeBinary) && elem == reflect.TypeFor[byte]():
			from, err := d.plainBinary(start, end, t)
			if err != nil {
				return err
			}
			if end-from > t.Len() {
				return fmt.Errorf("%d bytes do not fit into a %s", end-from, t)
			}
			copy(viewSlice[byte](q, t.Len()), d.src[from:end])
			return nil
		}
		return errMismatch(bt, t)
	}
}

// array decodes the array in src[start:end] into the Go array a.
func (d *decoder) array(a reflect.Value, plan *decodePlan, start, end int) error {
	if plan.missing != nil && (a.Len() == 0 || plan.typ.Kind() != reflect.Interface) {
		return plan.missing
	}
	n, err := d.count(start, end)
	if err != nil {
		return err
	}
	if n > a.Len() {
		return fmt.Errorf("%d elements do not fit into a %s", n, a.Type())
	}
	if a.Type().Elem().Kind() == reflect.Interface {
		filled, err := d.filledSlice(a, plan, n, start, end)
		if err == nil {
			reflect.Copy(a, filled)
		}
		return err
	}
	a.Slice(0, n).Clear()
	return d.elements(a.Addr().UnsafePointer(), a.Type().Elem().Size(), plan, start, end)
}

func (d *decoder) elementArray(into []E, t byte, start, end int) error {
	var doc D
	if err := d.d(&doc, t, start, end); err != nil {
		return err
	}
	if len(doc) > len(into) {
		return fmt.Errorf("%d elements do not fit into a [%d]bson.E", len(doc), len(into))
	}
	copy(into, doc)
	return nil
}
