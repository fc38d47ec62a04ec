package bson

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A structField is a field of a struct as BSON sees it: with the fields of inlined structs beside its own.
type structField struct {
	name      string
	index     []int // path from the outer struct
	typ       reflect.Type
	omitEmpty bool
	omitZero  bool
	minSize   bool
	truncate  bool
}

// A structInfo lists the fields of a struct in the order in which they are encoded.
type structInfo struct {
	fields    []structField
	inlineMap int // index of the inlined map, -1 if there is none
}

// tagOptions are what a struct tag says.
type tagOptions struct {
	name                      string
	omitEmpty, omitZero       bool
	minSize, truncate, inline bool
	skip                      bool
}

// parseTag reads a field's bson tag, or the whole tag if it is written without keys.
func parseTag(f reflect.StructField) tagOptions {
	tag, ok := f.Tag.Lookup("bson")
	if !ok && !strings.Contains(string(f.Tag), ":") {
		tag = string(f.Tag)
	}
	if tag == "-" {
		return tagOptions{skip: true}
	}
	o := tagOptions{name: strings.ToLower(f.Name)}
	for i, part := range strings.Split(tag, ",") {
		if i == 0 && part != "" {
			o.name = part
		}
		// A name that is also the name of an option is both, as in the official package.
		switch part {
		case "omitempty":
			o.omitEmpty = true
		case "omitzero":
			o.omitZero = true
		case "minsize":
			o.minSize = true
		case "truncate":
			o.truncate = true
		case "inline":
			o.inline = true
		}
	}
	return o
}

// describeStruct lists the fields of struct type t. outer holds the structs that t is being inlined into.
func describeStruct(t reflect.Type, outer ...reflect.Type) (*structInfo, error) {
	if slices.Contains(outer, t) {
		return nil, fmt.Errorf("struct %s is inlined into itself", t)
	}
	info := &structInfo{inlineMap: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		tag := parseTag(f)
		switch {
		case tag.skip:
		case tag.inline:
			if err := info.inline(t, f, append(outer, t)); err != nil {
				return nil, err
			}
		default:
			info.fields = append(info.fields, structField{
				name: tag.name, index: []int{i}, typ: f.Type,
				omitEmpty: tag.omitEmpty, omitZero: tag.omitZero, minSize: tag.minSize, truncate: tag.truncate,
			})
		}
	}
	return info, info.resolveDuplicates(t)
}

// inline adds the fields of f, an inlined field of t.
func (info *structInfo) inline(t reflect.Type, f reflect.StructField, outer []reflect.Type) error {
	ft := f.Type
	if ft.Kind() == reflect.Map {
		if info.inlineMap >= 0 {
			return fmt.Errorf("struct %s has several inlined maps", t)
		}
		if ft.Key() != reflect.TypeFor[string]() {
			return fmt.Errorf("struct %s: the keys of an inlined map must be strings", t)
		}
		info.inlineMap = f.Index[0]
		return nil
	}
	if ft.Kind() == reflect.Pointer {
		ft = ft.Elem()
	}
	if ft.Kind() != reflect.Struct {
		return fmt.Errorf("struct %s: only a struct, a pointer to a struct or a map can be inlined, not a %s", t, f.Type)
	}
	inner, err := describeStruct(ft, outer...)
	if err != nil {
		return err
	}
	for _, field := range inner.fields {
		field.index = append([]int{f.Index[0]}, field.index...)
		info.fields = append(info.fields, field)
	}
	return nil
}

// resolveDuplicates keeps, of fields with the same name, the one that is inlined least deep, as Go does with embedded
// fields. Two equally deep ones are an error.
func (info *structInfo) resolveDuplicates(t reflect.Type) error {
	fields := info.fields
	slices.SortStableFunc(fields, func(a, b structField) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(len(a.index), len(b.index)))
	})
	kept := fields[:0]
	for i := 0; i < len(fields); {
		next := i + 1
		for next < len(fields) && fields[next].name == fields[i].name {
			next++
		}
		if next-i > 1 && len(fields[i].index) == len(fields[i+1].index) {
			return fmt.Errorf("struct %s has two fields with the key %q", t, fields[i].name)
		}
		kept = append(kept, fields[i])
		i = next
	}
	slices.SortFunc(kept, func(a, b structField) int { return slices.Compare(a.index, b.index) })
	info.fields = kept
	return nil
}

// A fieldPath leads from a struct to a field of it: from offset to offset, following a pointer between two of them.
type fieldPath struct {
	offsets []uintptr
	elems   []reflect.Type // what the pointers point to
}

func pathOf(t reflect.Type, index []int) fieldPath {
	p := fieldPath{offsets: []uintptr{0}}
	for i, x := range index {
		if i > 0 && t.Kind() == reflect.Pointer {
			t = t.Elem()
			p.elems = append(p.elems, t)
			p.offsets = append(p.offsets, 0)
		}
		f := t.Field(x)
		p.offsets[len(p.offsets)-1] += f.Offset
		t = f.Type
	}
	return p
}

// find follows the path from p. It returns nil if one of the pointers is nil.
func (f *fieldPath) find(p pointer) pointer {
	p = add(p, f.offsets[0])
	for _, offset := range f.offsets[1:] {
		if p = *at[pointer](p); p == nil {
			return nil
		}
		p = add(p, offset)
	}
	return p
}

// make follows the path from p and allocates what is missing on it.
func (f *fieldPath) make(p pointer) pointer {
	p = add(p, f.offsets[0])
	for i, offset := range f.offsets[1:] {
		next := at[pointer](p)
		if *next == nil {
			*next = reflect.New(f.elems[i]).UnsafePointer()
		}
		p = add(*next, offset)
	}
	return p
}
