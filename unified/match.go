package unified

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/mgxdb/mgx/bson"
)

// matcher compares what came with what a test expects, by the rules of the
// specification's section "Evaluating Matches".
type matcher struct {
	// entity returns a value that the test saved, session the identifier of a
	// session.
	entity  func(name string) (any, error)
	session func(name string) (bson.D, error)
}

// actual is a value that may not be there.
type actual struct {
	value any
	found bool
}

func there(v any) actual { return actual{v, true} }

// match compares; root allows a document to have more keys than expected.
func (m *matcher) match(path string, expected any, got actual, root bool) error {
	if d, ok := expected.(bson.D); ok {
		if name, arg, ok := operator(d); ok {
			return m.operator(path, name, arg, got, root)
		}
		return m.document(path, d, got, root)
	}
	if !got.found {
		return fmt.Errorf("%s: nothing there, expected %s", path, show(expected))
	}
	if list, ok := expected.(bson.A); ok {
		return m.array(path, list, got.value)
	}
	if !equal(expected, got.value) {
		return fmt.Errorf("%s: got %s (%s), expected %s (%s)", path, show(got.value), typeName(got.value), show(expected), typeName(expected))
	}
	return nil
}

// operator reports whether a document is an assertion: one key that starts with $$.
func operator(d bson.D) (name string, arg any, ok bool) {
	if len(d) == 1 && strings.HasPrefix(d[0].Key, "$$") {
		return d[0].Key, d[0].Value, true
	}
	return "", nil, false
}

func (m *matcher) document(path string, expected bson.D, got actual, root bool) error {
	d, ok := got.value.(bson.D)
	if !ok {
		return fmt.Errorf("%s: got %s, expected the document %s", path, describe(got), show(expected))
	}
	for _, e := range expected {
		v, found := lookup(d, e.Key)
		if err := m.match(joinPath(path, e.Key), e.Value, actual{v, found}, false); err != nil {
			return err
		}
	}
	if root {
		return nil
	}
	for _, e := range d {
		if _, known := lookup(expected, e.Key); !known {
			return fmt.Errorf("%s: %q is there unexpectedly: %s", path, e.Key, show(d))
		}
	}
	return nil
}

func (m *matcher) array(path string, expected bson.A, got any) error {
	list, ok := got.(bson.A)
	if !ok {
		return fmt.Errorf("%s: got %s, expected the array %s", path, show(got), show(expected))
	}
	return m.list(path, expected, list, false)
}

// list compares lists element by element; root is about the elements.
func (m *matcher) list(path string, expected, got bson.A, root bool) error {
	if len(got) != len(expected) {
		return fmt.Errorf("%s: got %d elements, expected %d: %s", path, len(got), len(expected), show(got))
	}
	for i := range expected {
		if err := m.match(joinPath(path, strconv.Itoa(i)), expected[i], there(got[i]), root); err != nil {
			return err
		}
	}
	return nil
}

// operator runs an assertion.
func (m *matcher) operator(path, name string, arg any, got actual, root bool) error {
	switch name {
	case "$$exists":
		if want, ok := arg.(bool); !ok {
			return malformedf("%s: $$exists needs a boolean", path)
		} else if want != got.found {
			return fmt.Errorf("%s: got %s, expected $$exists: %v", path, describe(got), want)
		}
		return nil
	case "$$unsetOrMatches":
		if !got.found {
			return nil
		}
		return m.match(path, arg, got, root)
	}
	if !got.found {
		return fmt.Errorf("%s: nothing there, expected %s: %s", path, name, show(arg))
	}
	switch name {
	case "$$type":
		return matchType(path, arg, got.value)
	case "$$matchesEntity":
		return m.matchEntity(path, arg, got, root)
	case "$$matchesHexBytes":
		return matchHexBytes(path, arg, got.value)
	case "$$sessionLsid":
		return m.matchSession(path, arg, got)
	case "$$lte":
		return matchAtMost(path, arg, got.value)
	case "$$matchAsDocument":
		return m.matchText(path, arg, got.value)
	case "$$matchAsRoot":
		return m.match(path, arg, got, true)
	}
	return malformedf("%s: unknown operator %s", path, name)
}

// typeNumbers are the older names of types.
var typeNumbers = map[int64]string{
	1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 6: "undefined", 7: "objectId", 8: "bool", 9: "date",
	10: "null", 11: "regex", 12: "dbPointer", 13: "javascript", 14: "symbol", 15: "javascriptWithScope", 16: "int",
	17: "timestamp", 18: "long", 19: "decimal", -1: "minKey", 127: "maxKey",
}

func matchType(path string, arg, got any) error {
	wanted, ok := arg.(bson.A)
	if !ok {
		wanted = bson.A{arg}
	}
	have := typeName(got)
	for _, w := range wanted {
		name, ok := w.(string)
		if n, isNumber := integer(w); isNumber {
			name, ok = typeNumbers[n], true
		}
		if !ok {
			return malformedf("%s: $$type: %s is no type", path, show(w))
		}
		if name == have || name == "number" && isNumber(have) {
			return nil
		}
	}
	return fmt.Errorf("%s: got %s (%s), expected $$type: %s", path, show(got), have, show(arg))
}

func isNumber(typeName string) bool {
	return slices.Contains([]string{"int", "long", "double", "decimal"}, typeName)
}

func (m *matcher) matchEntity(path string, arg any, got actual, root bool) error {
	name, ok := arg.(string)
	if !ok {
		return malformedf("%s: $$matchesEntity needs a name", path)
	}
	v, err := m.entity(name)
	if err != nil {
		return err
	}
	return m.match(path, v, got, root)
}

func (m *matcher) matchSession(path string, arg any, got actual) error {
	name, ok := arg.(string)
	if !ok {
		return malformedf("%s: $$sessionLsid needs a name", path)
	}
	lsid, err := m.session(name)
	if err != nil {
		return err
	}
	if text, ok := got.value.(string); ok { // of a span's attribute
		got.value = lsidOf(text)
	}
	return m.document(path, lsid, got, false)
}

func matchHexBytes(path string, arg, got any) error {
	text, ok := arg.(string)
	want, err := hex.DecodeString(text)
	if !ok || err != nil {
		return malformedf("%s: $$matchesHexBytes: %s are no hexadecimal bytes", path, show(arg))
	}
	have, ok := got.(string)
	if !ok || have != string(want) {
		return fmt.Errorf("%s: got %s, expected the bytes %x", path, show(got), want)
	}
	return nil
}

func matchAtMost(path string, arg, got any) error {
	limit, ok := number(arg)
	if !ok {
		return malformedf("%s: $$lte: %s is no number", path, show(arg))
	}
	if n, ok := number(got); !ok || n > limit {
		return fmt.Errorf("%s: got %s, expected at most %s", path, show(got), show(arg))
	}
	return nil
}

// matchText matches a text in Extended JSON as the document that it stands for.
func (m *matcher) matchText(path string, expected, got any) error {
	text, ok := got.(string)
	if !ok {
		return fmt.Errorf("%s: got %s, expected a document in Extended JSON", path, show(got))
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
		return fmt.Errorf("%s: %q is no document in Extended JSON: %w", path, text, err)
	}
	return m.match(path, expected, there(d), false)
}

// number returns the value of a number that is not decimal.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// equal compares values that are neither documents nor arrays. Numbers of
// different types are equal if their values are.
func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		if i, isInt := integer(a); isInt && ok {
			j, isInt := integer(b)
			return isInt && i == j
		}
		return ok && (x == y || math.IsNaN(x) && math.IsNaN(y))
	}
	switch a := a.(type) {
	case bson.Binary:
		b, ok := b.(bson.Binary)
		return ok && a.Subtype == b.Subtype && bytes.Equal(a.Data, b.Data)
	case bson.CodeWithScope:
		b, ok := b.(bson.CodeWithScope)
		return ok && a.Code == b.Code && same(a.Scope, b.Scope) == nil
	}
	return reflect.DeepEqual(a, b)
}

// same compares values strictly, but for the order of keys.
func same(want, got any) error {
	switch want := want.(type) {
	case bson.D:
		d, ok := got.(bson.D)
		if !ok || len(d) != len(want) {
			return fmt.Errorf("got %s, expected %s", show(got), show(want))
		}
		for _, e := range want {
			v, found := lookup(d, e.Key)
			if !found {
				return fmt.Errorf("%q is missing in %s", e.Key, show(got))
			}
			if err := same(e.Value, v); err != nil {
				return fmt.Errorf("%s: %w", e.Key, err)
			}
		}
		return nil
	case bson.A:
		list, ok := got.(bson.A)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("got %s, expected %s", show(got), show(want))
		}
		for i := range want {
			if err := same(want[i], list[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	}
	if typeName(want) != typeName(got) || !equal(want, got) {
		return fmt.Errorf("got %s (%s), expected %s (%s)", show(got), typeName(got), show(want), typeName(want))
	}
	return nil
}

func describe(a actual) string {
	if !a.found {
		return "nothing"
	}
	return show(a.value)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
