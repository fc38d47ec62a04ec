package bson_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// diff returns the path of the first difference between two decoded values, or
// "". It is stricter than == where bits tell values apart (NaN payloads, -0, nil
// and empty), and looks at unexported fields too; it looks past how a time.Time,
// a Vector and a RawValue are kept inside.
func diff(path string, a, b reflect.Value) string {
	at, same := differ(a, b)
	switch {
	case same:
		return ""
	case path+at == "":
		return "the top"
	}
	return path + at
}

// differ is diff below a path, which is put together only where there is a difference.
func differ(a, b reflect.Value) (at string, same bool) {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return fmt.Sprintf(": %s and %s", typeName(a), typeName(b)), false
	}
	if !a.IsValid() {
		return "", true
	}
	if same, known := diffSpecial(a, b); known {
		return "", same
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return "", math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Complex64, reflect.Complex128:
		return "", a.Complex() == b.Complex()
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return ": nil", a.IsNil() == b.IsNil()
		}
		return differ(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if at, same := differ(a.Field(i), b.Field(i)); !same {
				return "." + a.Type().Field(i).Name + at, false
			}
		}
		return "", true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() {
			return ": nil", false
		}
		return differElements(a, b)
	case reflect.Array:
		return differElements(a, b)
	case reflect.Map:
		return differMap(a, b)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return ": nil", a.IsNil() == b.IsNil() // nothing else can come of decoding
	}
	return "", a.Equal(b)
}

func typeName(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	return v.Type().String()
}

func differElements(a, b reflect.Value) (at string, same bool) {
	if a.Len() != b.Len() {
		return fmt.Sprintf(": %d and %d elements", a.Len(), b.Len()), false
	}
	for i := range a.Len() {
		if at, same := differ(a.Index(i), b.Index(i)); !same {
			return fmt.Sprintf("[%d]%s", i, at), false
		}
	}
	return "", true
}

// differMap takes keys that are pointers or NaN by what they print as, since no
// two of them are equal.
func differMap(a, b reflect.Value) (at string, same bool) {
	if a.IsNil() != b.IsNil() {
		return ": nil", false
	}
	if a.Len() != b.Len() {
		return fmt.Sprintf(": %d and %d keys", a.Len(), b.Len()), false
	}
	others := make(map[string][]reflect.Value, b.Len())
	for it := b.MapRange(); it.Next(); {
		name := keyName(it.Key())
		others[name] = append(others[name], it.Value())
	}
	for it := a.MapRange(); it.Next(); {
		name := keyName(it.Key())
		at := ": key " + name + " on one side only"
		i := slices.IndexFunc(others[name], func(other reflect.Value) bool {
			below, same := differ(it.Value(), other)
			at = "[" + name + "]" + below
			return same
		})
		if i < 0 {
			return at, false
		}
		others[name] = slices.Delete(others[name], i, i+1)
	}
	return "", true
}

// address is what pointers and channels in a key print as, which tells nothing.
var address = regexp.MustCompile("0x[0-9a-f]+")

func keyName(k reflect.Value) string {
	for k.Kind() == reflect.Pointer || k.Kind() == reflect.Interface {
		if k.IsNil() {
			return "nil"
		}
		k = k.Elem()
	}
	if k.Type() == reflect.TypeFor[string]() { // which does not need to be printed
		return "string " + k.String()
	}
	return k.Type().String() + " " + address.ReplaceAllString(fmt.Sprintf("%+v", k), "0x…")
}

var (
	typeTime     = reflect.TypeFor[time.Time]()
	typeVector   = reflect.TypeFor[official.Vector]()
	typeRawValue = reflect.TypeFor[official.RawValue]()
)

func diffSpecial(a, b reflect.Value) (same, known bool) {
	if !a.CanInterface() || !b.CanInterface() {
		return false, false
	}
	switch a.Type() {
	case typeTime:
		x, y := a.Interface().(time.Time), b.Interface().(time.Time)
		return x.Equal(y) && x.Location().String() == y.Location().String() && x.IsZero() == y.IsZero(), true
	case typeVector:
		x, y := a.Interface().(official.Vector), b.Interface().(official.Vector)
		if x.Type() == 0 || y.Type() == 0 {
			return x.Type() == y.Type(), true
		}
		return bytes.Equal(x.Binary().Data, y.Binary().Data), true
	case typeRawValue:
		x, y := a.Interface().(official.RawValue), b.Interface().(official.RawValue)
		return x.Type == y.Type && bytes.Equal(x.Value, y.Value) && (x.Value == nil) == (y.Value == nil), true
	}
	return false, false
}
