package bson_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// codec is what gets compared: mgx, the official package, or a copy of either
// that was broken to see that the comparison finds out.
type codec struct {
	marshal   func(v any) ([]byte, error)
	unmarshal func(data []byte, v any) error
}

var (
	mgx    = codec{marshal: appendMarshal, unmarshal: bson.Unmarshal}
	oracle = codec{marshal: official.Marshal, unmarshal: officialUnmarshal}
)

// appendMarshal encodes behind bytes that are there already, which must not
// matter and must stay, and once more into a buffer that has room.
func appendMarshal(v any) ([]byte, error) {
	prefix := []byte("before")
	out, err := bson.AppendMarshal(prefix, v)
	if !bytes.HasPrefix(out, prefix) || err != nil && len(out) != len(prefix) {
		return nil, &panicked{value: fmt.Sprintf("AppendMarshal returned %q with error %v", out, err)}
	}
	if err != nil {
		return nil, err
	}
	again, err := bson.Marshal(v)
	if err != nil || len(again) != len(out)-len(prefix) {
		return nil, &panicked{value: fmt.Sprintf("Marshal returns %x, %v, AppendMarshal %x", again, err, out[len(prefix):])}
	}
	return out[len(prefix):], nil
}

// errNever stands for what the official package would do: go on for ever.
var errNever = errors.New("the official package might not return")

// officialUnmarshal keeps away from documents that make the official package go
// back and around for ever: it takes a negative length at its word when it skips
// a value for which a struct has no field.
func officialUnmarshal(data []byte, v any) error {
	switch v.(type) {
	case *any, *official.D, *official.M, *map[string]any, *official.Raw, *[]official.E, *map[string]official.RawValue:
	default:
		if wellFormed(data) != nil && goesBack(data) {
			return errNever
		}
	}
	return official.Unmarshal(data, v)
}

// goesBack reports whether four bytes somewhere could be a length that leads
// back into the document.
func goesBack(data []byte) bool {
	for i := range max(0, len(data)-3) {
		if n := int(int32(le.Uint32(data[i:]))); n < 0 && n >= -len(data)-32 {
			return true
		}
	}
	return false
}

// mgxValue and oracleValue are the same for single values: the documents that
// they write and read have one element.
var (
	mgxValue = codec{
		marshal: func(v any) ([]byte, error) { return element(bson.MarshalValue(v)) },
		unmarshal: func(data []byte, v any) error {
			only := bson.Raw(data).Index(0).Value()
			return bson.UnmarshalValue(only.Type, only.Value, v)
		},
	}
	oracleValue = codec{
		marshal: func(v any) ([]byte, error) { return element(official.MarshalValue(v)) },
		unmarshal: func(data []byte, v any) error {
			only := official.Raw(data).Index(0).Value()
			return official.UnmarshalValue(only.Type, only.Value, v)
		},
	}
)

func element(t bson.Type, data []byte, err error) ([]byte, error) {
	doc := append([]byte{0, 0, 0, 0, byte(t), 'v', 0}, data...)
	return finish(doc, 0), err
}

// panicked is the error of a codec that panicked.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

func guard(err *error) {
	if p := recover(); p != nil {
		*err = &panicked{p, debug.Stack()}
	}
}

func (c codec) encode(v any) (data []byte, err error) {
	defer guard(&err)
	return c.marshal(v)
}

// decode hands the codec bytes of its own and spoils them afterwards, so that a
// value which still points into them differs.
func (c codec) decode(data []byte, v any) (err error) {
	defer guard(&err)
	own := bytes.Clone(data)
	defer func() {
		for i := range own {
			own[i] = 0xa5
		}
	}()
	return c.unmarshal(own, v)
}

// compareEncode returns how the subject's encoding of v differs from the
// reference's.
func compareEncode(subject, reference codec, v any) error {
	got, gotErr := subject.encode(v)
	want, wantErr := reference.encode(v)
	var p *panicked
	switch {
	case errors.As(gotErr, &p):
		return fmt.Errorf("encode: %w\nofficial error: %v", gotErr, wantErr)
	case errors.As(wantErr, &p): // whatever is not a panic is better
		return nil
	case allowedEncode(written{gotErr, wantErr, want}):
		return nil
	case wantErr != nil && gotErr == nil:
		return fmt.Errorf("encode: no error, official: %v\ngot %x", wantErr, got)
	case wantErr == nil && gotErr != nil:
		return fmt.Errorf("encode: %w\nofficial: no error, %x", gotErr, want)
	case wantErr != nil || bytes.Equal(got, want):
		return nil
	}
	if unordered(reflect.ValueOf(v)) && bytes.Equal(sorted(got), sorted(want)) {
		return nil
	}
	return fmt.Errorf("encode: different bytes\nmgx:      %x\n          %v\nofficial: %x\n          %v", got, official.Raw(got), want, official.Raw(want))
}

// compareDecode decodes data with both and returns how the results differ. Each
// call of target returns a new pointer, or map, to decode into, with equal
// content.
func compareDecode(subject, reference codec, data []byte, target func() any) error {
	got, want := target(), target()
	gotHeld, wantHeld := reach(reflect.ValueOf(got)), reach(reflect.ValueOf(want))
	gotErr, wantErr := subject.decode(data, got), reference.decode(data, want)
	differ := ""
	if gotErr == nil && wantErr == nil {
		if differ = diff("", reflect.ValueOf(got), reflect.ValueOf(want)); differ == "" {
			differ = diffHeld(gotHeld, wantHeld)
		}
	}
	var p *panicked
	switch {
	case errors.As(gotErr, &p):
		return fmt.Errorf("decode into %T: %w\nofficial error: %v", got, gotErr, wantErr)
	case errors.As(wantErr, &p) || errors.Is(wantErr, errNever) || gotErr != nil && wantErr != nil:
		return nil
	case allowedDecode(read{data, target, gotErr, wantErr, differ}):
		return nil
	case wantErr != nil:
		return fmt.Errorf("decode into %T: no error, official: %v\ngot %s", got, wantErr, printed(got))
	case gotErr != nil:
		return fmt.Errorf("decode into %T: %w\nofficial: no error, %s", got, gotErr, printed(want))
	case differ != "":
		return fmt.Errorf("decode into %T: differ at %s\nmgx:      %s\nofficial: %s", got, differ, printed(got), printed(want))
	}
	return nil
}

// printed prints a value for a failure, with what its pointers point to.
func printed(v any) string {
	s := fmt.Sprintf("%#v", v)
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && !rv.IsNil() {
		s = fmt.Sprintf("&%#v", rv.Elem())
	}
	if len(s) > 2000 {
		s = s[:2000] + "…"
	}
	return s
}

// unordered reports whether v holds a map of two or more keys, whose order in
// the bytes is up to chance.
func unordered(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map:
		if v.Len() > 1 {
			return true
		}
		for it := v.MapRange(); it.Next(); {
			if unordered(it.Value()) {
				return true
			}
		}
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && unordered(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if unordered(v.Field(i)) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		for i := range v.Len() {
			if unordered(v.Index(i)) {
				return true
			}
		}
	}
	return false
}

// sorted returns the document with the elements of every document in it in the
// order of their keys. What it cannot read it returns as it is.
func sorted(doc []byte) []byte {
	raws, err := official.Raw(doc).Elements()
	if err != nil {
		return doc
	}
	elements := make([][]byte, len(raws))
	for i, e := range raws {
		v, err := e.ValueErr()
		if err != nil {
			return doc
		}
		data := v.Value
		switch v.Type {
		case official.TypeEmbeddedDocument, official.TypeArray:
			data = sorted(data)
		case official.TypeCodeWithScope:
			if code, scope, ok := v.CodeWithScopeOK(); ok {
				data = append(data[:4:4], appendString(nil, code)...)
				data = append(data, sorted(scope)...)
			}
		}
		elements[i] = slices.Concat([]byte{byte(v.Type)}, []byte(e.Key()), []byte{0}, data)
	}
	slices.SortFunc(elements, func(a, b []byte) int {
		keyA, _, _ := bytes.Cut(a[1:], []byte{0})
		keyB, _, _ := bytes.Cut(b[1:], []byte{0})
		return cmp.Or(bytes.Compare(keyA, keyB), bytes.Compare(a, b))
	})
	out := append([]byte(nil), 0, 0, 0, 0)
	for _, e := range elements {
		out = append(out, e...)
	}
	return finish(out, 0)
}
