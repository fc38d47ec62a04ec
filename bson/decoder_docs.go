package bson

import "reflect"

// decodeD decodes a document into the D at p.
func decodeD(d *decoder, p pointer, t byte, start, end int) error {
	return d.d(at[D](p), t, start, end)
}

// d decodes a document into doc, in the memory that it has if that is large enough.
func (d *decoder) d(doc *D, t byte, start, end int) error {
	switch Type(t) {
	case 0, TypeEmbeddedDocument:
	case TypeNull, TypeUndefined:
		*doc = nil
		return nil
	default:
		return errMismatch(t, "D")
	}
	b, n, err := d.open(start, end, kindD, false)
	if err != nil {
		return err
	}
	elements := *doc
	if reuse := elements != nil && cap(elements) >= n; reuse {
		b.tree.counts.elements -= n
		b.tree.begin()
		elements = elements[:n]
		clear(elements)
	} else {
		b.tree.begin()
		elements = take(&b.tree.elements, n)
	}
	if err := b.d(elements); err != nil {
		return err
	}
	b.end()
	*doc = elements
	return nil
}

// m decodes a document into m, a map of type into, to which it adds if it is there already.
func (d *decoder) m(m *map[string]any, t byte, start, end int, into reflect.Type) error {
	switch Type(t) {
	case 0, TypeEmbeddedDocument:
	case TypeNull, TypeUndefined:
		*m = nil
		return nil
	default:
		return errMismatch(t, into)
	}
	b, n, err := d.open(start, end, kindM, false)
	if err != nil {
		return err
	}
	b.tree.begin()
	if *m == nil {
		*m = make(map[string]any, n)
	}
	if err := b.m(*m, n); err != nil {
		return err
	}
	b.end()
	return nil
}

// a decodes an array into a new A.
func (d *decoder) a(start, end int) (A, error) {
	b, n, err := d.open(start, end, kindD, true)
	if err != nil {
		return nil, err
	}
	b.tree.begin()
	a := take(&b.tree.values, n)
	if err := b.array(a); err != nil {
		return nil, err
	}
	b.end()
	return a, nil
}

// decodeAny decodes any value into the any at p, which it replaces.
func decodeAny(d *decoder, p pointer, t byte, start, end int) error {
	v, err := d.any(t, start, end)
	if err == nil {
		*at[any](p) = v
	}
	return err
}

// any decodes the value of type t in src[start:end] into the Go type that stands for t.
func (d *decoder) any(t byte, start, end int) (any, error) {
	switch Type(t) {
	case 0, TypeEmbeddedDocument:
		return d.anyDocument(t, start, end)
	case TypeArray:
		return asAny(d.a(start, end))
	case TypeString:
		return asAny(d.string(start, end))
	case TypeSymbol:
		return asAny(d.readSymbol(start, end))
	case TypeJavaScript:
		return asAny(d.readJavaScript(start, end))
	case TypeBinary:
		return asAny(d.readBinary(start, end))
	case TypeBoolean:
		return asAny(d.bool(start))
	case TypeNull:
		return nil, nil
	case TypeInt32:
		return int32(d.uint32(start)), nil
	case TypeInt64:
		return int64(d.uint64(start)), nil
	case TypeDouble:
		return d.double(start), nil
	case TypeObjectID:
		return ObjectID(d.src[start:]), nil
	case TypeDateTime:
		if d.opts.TimeAware {
			return d.time(int64(d.uint64(start))), nil
		}
		return DateTime(d.uint64(start)), nil
	}
	return d.rare(t, start, end)
}

// asAny returns v, or the error.
func asAny[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (d *decoder) anyDocument(t byte, start, end int) (any, error) {
	switch d.opts.documentKind() {
	case kindD:
		var doc D
		err := d.d(&doc, t, start, end)
		return doc, err
	case kindM:
		var m map[string]any
		err := d.m(&m, t, start, end, reflect.TypeFor[M]())
		return M(m), err
	case kindMap:
		var m map[string]any
		err := d.m(&m, t, start, end, reflect.TypeFor[M]())
		return m, err
	}
	return d.planned(decodePlanFor(d.opts.DocumentType), t, start, end)
}
