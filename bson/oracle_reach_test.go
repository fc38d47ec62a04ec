package bson_test

import (
	"fmt"
	"reflect"
	"testing"
	"unsafe"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// held is what could be reached from a target before something was decoded into
// it. A program may hold on to any of it, so that whether the codec decodes into
// what is there or puts something new in its place can be seen.
type held struct {
	path  string
	value reflect.Value // a pointer or a map
}

// reach returns the pointers and maps in v, in an order that depends on v alone.
func reach(v reflect.Value) []held {
	var all []held
	seen := map[unsafe.Pointer]bool{}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.UnsafePointer()] && v.CanInterface() {
				seen[v.UnsafePointer()] = true
				all = append(all, held{path, v})
				walk(path+"*", v.Elem())
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(path, v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(path+"."+v.Type().Field(i).Name, v.Field(i))
				}
			}
		case reflect.Slice, reflect.Array:
			if k := v.Type().Elem().Kind(); k == reflect.Uint8 {
				return
			}
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		case reflect.Map: // not into it: its order is up to chance
			if !v.IsNil() && v.CanInterface() {
				all = append(all, held{path, v})
			}
		}
	}
	walk("", v)
	return all
}

// diffHeld compares what became of what two equal targets had held before.
func diffHeld(a, b []held) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d and %d pointers held; the targets were not equal", len(a), len(b))
	}
	for i := range a {
		if at := diff("what "+a[i].path+" was before", a[i].value, b[i].value); at != "" {
			return at
		}
	}
	return ""
}

func TestReach(t *testing.T) {
	type node struct {
		Next *node
		Any  any
		M    map[string]*node
		S    []any
	}
	n := &node{Any: &node{}, M: map[string]*node{"a": {}}, S: []any{&node{}, official.M{}}}
	n.Next = n
	var paths []string
	for _, h := range reach(reflect.ValueOf(n)) {
		paths = append(paths, h.path)
	}
	if got := fmt.Sprint(paths); got != "[ *.Any *.M *.S[0] *.S[1]]" {
		t.Errorf("paths %s", got)
	}
	replaces := codec{unmarshal: func(data []byte, v any) error {
		if p, ok := v.(**zExported); ok {
			*p = new(zExported)
		}
		return official.Unmarshal(data, v)
	}}
	data := finish(append([]byte{0, 0, 0, 0}, "\x10a\x00\x05\x00\x00\x00"...), 0)
	if compareDecode(replaces, oracle, data, func() any { return ptr(&zExported{1, 2}) }) == nil {
		t.Error("a pointer that is replaced passes")
	}
}
