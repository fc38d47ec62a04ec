package bson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"time"
)

// exactEncoders encode the types that BSON knows by name.
var exactEncoders map[reflect.Type]encodeFunc

// The table refers to functions that use plans, which refer to the table: it has to be filled by init.
func init() {
	exactEncoders = map[reflect.Type]encodeFunc{
		reflect.TypeFor[[]byte](): func(e *encoder, p pointer) (byte, error) {
			if *at[[]byte](p) == nil {
				return byte(TypeNull), nil
			}
			return e.binary(TypeBinaryGeneric, *at[[]byte](p)), nil
		},
		reflect.TypeFor[any]():       func(e *encoder, p pointer) (byte, error) { return e.value(*at[any](p)) },
		reflect.TypeFor[time.Time](): func(e *encoder, p pointer) (byte, error) { return e.time(at[time.Time](p)), nil },
		reflect.TypeFor[ObjectID](): func(e *encoder, p pointer) (byte, error) {
			return e.objectID(at[ObjectID](p)), nil
		},
		reflect.TypeFor[Decimal128]():  func(e *encoder, p pointer) (byte, error) { return e.decimal(*at[Decimal128](p)), nil },
		reflect.TypeFor[json.Number](): func(e *encoder, p pointer) (byte, error) { return e.jsonNumber(*at[json.Number](p)) },
		reflect.TypeFor[url.URL]():     func(e *encoder, p pointer) (byte, error) { return e.url(at[url.URL](p)) },
		reflect.TypeFor[JavaScript](): func(e *encoder, p pointer) (byte, error) {
			return byte(TypeJavaScript), e.string(*at[string](p))
		},
		reflect.TypeFor[Symbol](): func(e *encoder, p pointer) (byte, error) {
			return byte(TypeSymbol), e.string(*at[string](p))
		},
		reflect.TypeFor[Binary](): func(e *encoder, p pointer) (byte, error) {
			b := at[Binary](p)
			return e.binary(b.Subtype, b.Data), nil
		},
		reflect.TypeFor[Vector]():    func(e *encoder, p pointer) (byte, error) { return e.vector(*at[Vector](p)) },
		reflect.TypeFor[Undefined](): func(*encoder, pointer) (byte, error) { return byte(TypeUndefined), nil },
		reflect.TypeFor[Null]():      func(*encoder, pointer) (byte, error) { return byte(TypeNull), nil },
		reflect.TypeFor[MinKey]():    func(*encoder, pointer) (byte, error) { return byte(TypeMinKey), nil },
		reflect.TypeFor[MaxKey]():    func(*encoder, pointer) (byte, error) { return byte(TypeMaxKey), nil },
		reflect.TypeFor[DateTime](): func(e *encoder, p pointer) (byte, error) {
			e.uint64(*at[uint64](p))
			return byte(TypeDateTime), nil
		},
		reflect.TypeFor[Regex]():         func(e *encoder, p pointer) (byte, error) { return e.regex(*at[Regex](p)) },
		reflect.TypeFor[DBPointer]():     func(e *encoder, p pointer) (byte, error) { return e.dbPointer(*at[DBPointer](p)) },
		reflect.TypeFor[Timestamp]():     func(e *encoder, p pointer) (byte, error) { return e.timestamp(*at[Timestamp](p)), nil },
		reflect.TypeFor[CodeWithScope](): func(e *encoder, p pointer) (byte, error) { return e.codeWithScope(*at[CodeWithScope](p)) },
		reflect.TypeFor[Raw]():           func(e *encoder, p pointer) (byte, error) { return e.raw(*at[Raw](p)) },
		reflect.TypeFor[RawValue](): func(e *encoder, p pointer) (byte, error) {
			v := at[RawValue](p)
			if !v.Type.IsValid() {
				return 0, errRawValueType
			}
			return e.rawValue(v.Type, v.Value)
		},
	}
}

// corePackage has the types Document and Array, which the official codec treats like Raw.
const corePackage = "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

func isCoreDocument(t reflect.Type) bool { return t.Name() == "Document" && t.PkgPath() == corePackage }
func isCoreArray(t reflect.Type) bool    { return t.Name() == "Array" && t.PkgPath() == corePackage }

func coreEncoder(t reflect.Type) (encodeFunc, bool) {
	switch {
	case isCoreDocument(t):
		return func(e *encoder, p pointer) (byte, error) { return e.raw(*at[[]byte](p)) }, true
	case isCoreArray(t):
		return func(e *encoder, p pointer) (byte, error) { return e.rawArray(*at[[]byte](p)) }, true
	}
	return nil, false
}

// kindEncoders encode types that are known by their kind alone.
var kindEncoders = map[reflect.Kind]encodeFunc{
	reflect.Bool:    func(e *encoder, p pointer) (byte, error) { return e.bool(*at[bool](p)), nil },
	reflect.Int:     func(e *encoder, p pointer) (byte, error) { return e.int(*at[int](p)), nil },
	reflect.Int8:    func(e *encoder, p pointer) (byte, error) { return e.int32(int32(*at[int8](p))), nil },
	reflect.Int16:   func(e *encoder, p pointer) (byte, error) { return e.int32(int32(*at[int16](p))), nil },
	reflect.Int32:   func(e *encoder, p pointer) (byte, error) { return e.int32(*at[int32](p)), nil },
	reflect.Int64:   func(e *encoder, p pointer) (byte, error) { return e.int64(*at[int64](p)), nil },
	reflect.Uint:    func(e *encoder, p pointer) (byte, error) { return e.uint(uint64(*at[uint](p))) },
	reflect.Uint8:   func(e *encoder, p pointer) (byte, error) { return e.int32(int32(*at[uint8](p))), nil },
	reflect.Uint16:  func(e *encoder, p pointer) (byte, error) { return e.int32(int32(*at[uint16](p))), nil },
	reflect.Uint32:  func(e *encoder, p pointer) (byte, error) { return e.uint(uint64(*at[uint32](p))) },
	reflect.Uint64:  func(e *encoder, p pointer) (byte, error) { return e.uint(*at[uint64](p)) },
	reflect.Float32: func(e *encoder, p pointer) (byte, error) { return e.double(float64(*at[float32](p))), nil },
	reflect.Float64: func(e *encoder, p pointer) (byte, error) { return e.double(*at[float64](p)), nil },
	reflect.String:  func(e *encoder, p pointer) (byte, error) { return byte(TypeString), e.string(*at[string](p)) },
}

// mapPlan makes the plan for a map.
func (c encodeCompiler) mapPlan(p *encodePlan) {
	t := p.typ
	p.shape, p.document = shapeMap, true
	if t.Key() == reflect.TypeFor[string]() && t.Elem() == reflect.TypeFor[any]() {
		p.value = func(e *encoder, rv reflect.Value) (byte, error) {
			return e.m(rv.Convert(reflect.TypeFor[map[string]any]()).Interface().(map[string]any))
		}
		p.enc = func(e *encoder, q pointer) (byte, error) { return e.m(*at[map[string]any](q)) }
		return
	}
	elem := c.plan(t.Elem(), false)
	p.value = func(e *encoder, rv reflect.Value) (byte, error) { return e.mapValue(rv, elem) }
	p.enc = func(e *encoder, q pointer) (byte, error) { return e.mapValue(reflect.NewAt(t, q).Elem(), elem) }
}

func (e *encoder) mapValue(m reflect.Value, elem *encodePlan) (byte, error) {
	if m.IsNil() {
		return byte(TypeNull), nil
	}
	if elem.missing != nil {
		return 0, elem.missing
	}
	start, err := e.begin()
	if err != nil {
		return 0, err
	}
	key, value := reflect.New(m.Type().Key()).Elem(), reflect.New(elem.typ)
	for iter := m.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		value.Elem().SetIterValue(iter)
		name, err := mapKey(key)
		if err != nil {
			return 0, err
		}
		pos := e.n
		if err := e.key(name); err != nil {
			return 0, encodeErrorAt(name, err)
		}
		t, err := elem.enc(e, value.UnsafePointer())
		if err != nil {
			return 0, encodeErrorAt(name, err)
		}
		e.buf[pos] = t
	}
	return byte(TypeEmbeddedDocument), e.end(start)
}

// mapKey returns the BSON key for a key of a map. Strings are what they are, KeyMarshaler comes before TextMarshaler,
// and then integers are written in decimal. Nil pointers, in an interface or not, are empty keys.
func mapKey(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	held := key
	if key.Kind() == reflect.Interface {
		held = key.Elem()
	}
	isNil := held.Kind() == reflect.Pointer && held.IsNil()
	switch m := key.Interface().(type) {
	case KeyMarshaler:
		if isNil {
			return "", nil
		}
		s, err := m.MarshalKey()
		return s, foreignError(err)
	case encoding.TextMarshaler:
		if isNil {
			return "", nil
		}
		text, err := m.MarshalText()
		return string(text), foreignError(err)
	}
	switch key.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(key.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", fmt.Errorf("cannot use a %s as a BSON key", key.Type())
}
