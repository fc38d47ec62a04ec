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
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return fmt.Sprintf("%s: %s and %s", path, typeName(a), typeName(b))
	}
	if !a.IsValid() {
		return ""
	}
	if same, known := diffSpecial(a, b); known {
		return unless(same, path)
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return unless(math.Float64bits(a.Float()) == math.Float64bits(b.Float()), path)
	case reflect.Complex64, reflect.Complex128:
		return unless(a.Complex() == b.Complex(), path)
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return unless(a.IsNil() == b.IsNil(), path+": nil")
		}
		return diff(path, a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if at := diff(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i)); at != "" {
				return at
			}
		}
		return ""
	case reflect.Slice:
		if a.IsNil() != b.IsNil() {
			return path + ": nil"
		}
		return diffElements(path, a, b)
	case reflect.Array:
		return diffElements(path, a, b)
	case reflect.Map:
		return diffMap(path, a, b)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return unless(a.IsNil() == b.IsNil(), path+": nil") // nothing else can come of decoding
	}
	return unless(a.Equal(b), path)
}

func typeName(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	return v.Type().String()
}

func unless(same bool, path string) string {
	switch {
	case same:
		return ""
	case path == "":
		return "the top"
	}
	return path
}

func diffElements(path string, a, b reflect.Value) string {
	if a.Len() != b.Len() {
		return fmt.Sprintf("%s: %d and %d elements", path, a.Len(), b.Len())
	}
	for i := range a.Len() {
		if at := diff(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); at != "" {
			return at
		}
	}
	return ""
}

// diffMap takes keys that are pointers or NaN by what they print as, since no
// two of them are equal.
func diffMap(path string, a, b reflect.Value) string {
	if a.IsNil() != b.IsNil() {
		return path + ": nil"
	}
	if a.Len() != b.Len() {
		return fmt.Sprintf("%s: %d and %d keys", path, a.Len(), b.Len())
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
			at = diff("["+name+"]", it.Value(), other)
			return at == ""
		})
		if i < 0 {
			return path + at
		}
		others[name] = slices.Delete(others[name], i, i+1)
	}
	return ""
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
