package bson_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// read is what both codecs made of one document.
type read struct {
	data                []byte
	target              func() any
	mgxErr, officialErr error
	differ              string // where the values differ if neither returned an error
}

// written is what both codecs made of one value.
type written struct {
	mgxErr, officialErr error
	official            []byte
}

// difference is a case that mgx treats otherwise than the official package, on
// purpose. The comparisons of this package know of no other; docs/bson.md tells
// users, and the test that is pinned shows it.
type difference struct {
	name   string
	decode func(read) bool
	encode func(written) bool
	pinned func(*testing.T)
}

var differences = []difference{
	{
		// The official package reads over wrong lengths, missing terminators
		// and bytes that are not UTF-8 in many places.
		name:   "damaged documents are refused",
		decode: func(d read) bool { return d.mgxErr != nil && d.officialErr == nil && wellFormed(d.data) != nil },
		pinned: TestDamagedDocuments,
	},
	{
		name:   "documents that would be damaged are not written",
		encode: func(e written) bool { return e.mgxErr != nil && e.officialErr == nil && wellFormed(e.official) != nil },
		pinned: TestDamagedDocuments,
	},
	{
		// What the official package makes of them depends on the processor.
		name: "doubles that no int64 holds are no integers",
		decode: func(d read) bool {
			return d.mgxErr != nil && d.officialErr == nil && holds(d.data, isNoInt64)
		},
		pinned: TestDoublesOutOfRange,
	},
	{
		name: "an empty binary of subtype 2 is empty",
		decode: func(d read) bool {
			// Four bytes too many may not fit, or decode to what they should not.
			return (d.differ != "" || d.mgxErr == nil && d.officialErr != nil) && holds(d.data, func(v official.RawValue) bool {
				return v.Type == official.TypeBinary && len(v.Value) == 9 && v.Value[4] == official.TypeBinaryBinaryOld
			})
		},
		pinned: TestEmptyOldBinary,
	},
	{
		// The official package looks for an encoder before it looks at the
		// value, and has none for pointers to interfaces with methods, nor for
		// scopes that write themselves.
		name: "what has no encoder and needs none is written",
		encode: func(e written) bool {
			return e.mgxErr == nil && e.officialErr != nil && (strings.HasPrefix(e.officialErr.Error(), "no encoder found for ") ||
				strings.HasPrefix(e.officialErr.Error(), "WriteValueBytes can only write while positioned on "))
		},
		pinned: testNoEncoderNeeded,
	},
	{
		// The official package goes on with the decoder of what the interface
		// pointed to.
		name: "an inlined map works after an interface that holds a pointer",
		decode: func(d read) bool {
			return d.mgxErr == nil && inlinesAfterPointer(reflect.ValueOf(d.target()))
		},
		pinned: testInlinedMapAfterPointer,
	},
}

func isNoInt64(v official.RawValue) bool {
	f, ok := v.DoubleOK()
	return ok && !(f >= math.MinInt64 && f < math.MaxInt64)
}

func allowedDecode(d read) bool {
	for _, row := range differences {
		if row.decode != nil && row.decode(d) {
			return true
		}
	}
	return false
}

func allowedEncode(e written) bool {
	for _, row := range differences {
		if row.encode != nil && row.encode(e) {
			return true
		}
	}
	return false
}

// holds reports whether a value like that is in the document, at any depth.
func holds(doc []byte, like func(official.RawValue) bool) bool {
	values, _ := official.Raw(doc).Values()
	for _, v := range values {
		if like(v) {
			return true
		}
		switch v.Type {
		case official.TypeEmbeddedDocument, official.TypeArray:
			if holds(v.Value, like) {
				return true
			}
		case official.TypeCodeWithScope:
			if _, scope, ok := v.CodeWithScopeOK(); ok && holds(scope, like) {
				return true
			}
		}
	}
	return false
}

func testNoEncoderNeeded(t *testing.T) {
	var text fmt.Stringer = official.ObjectID{1}
	for _, v := range []any{
		map[string]*fmt.Stringer{"id": &text},
		official.M{"code": official.CodeWithScope{Scope: zMarshaler{1}}},
	} {
		if data, err := oracle.encode(v); err == nil {
			t.Errorf("the official package encodes %#v to %x by now", v, data)
		}
		if data, err := mgx.encode(v); err != nil || wellFormed(data) != nil {
			t.Errorf("%#v: %x, %v", v, data, err)
		}
	}
}

// inlinesAfterPointer reports whether v has an inlined map somewhere, and an
// interface that holds a pointer.
func inlinesAfterPointer(v reflect.Value) bool {
	inlined, pointer := false, false
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			pointer = pointer || v.Elem().Kind() == reflect.Pointer
			walk(v.Elem())
		case reflect.Pointer:
			walk(v.Elem())
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				tag := v.Type().Field(i).Tag.Get("bson")
				inlined = inlined || v.Field(i).Kind() == reflect.Map && strings.Contains(tag, ",inline")
				walk(v.Field(i))
			}
		}
	}
	walk(v)
	return inlined && pointer
}

func testInlinedMapAfterPointer(t *testing.T) {
	type target struct {
		P    any
		Rest map[string]any `bson:",inline"`
	}
	data, err := official.Marshal(official.D{{Key: "p", Value: official.A{"x"}}, {Key: "more", Value: "y"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.decode(data, &target{P: &[]string{}}); err == nil {
		t.Error("the official package decodes it by now")
	}
	v := target{P: &[]string{}}
	if err := mgx.decode(data, &v); err != nil || (*v.P.(*[]string))[0] != "x" || v.Rest["more"] != "y" {
		t.Errorf("%v, %v", v, err)
	}
}

func TestDifferences(t *testing.T) {
	for _, d := range differences {
		if d.decode == nil && d.encode == nil || d.pinned == nil {
			t.Errorf("%q says nothing, or no test shows it", d.name)
			continue
		}
		t.Run(d.name, d.pinned)
	}
}

// TestDifferencesAreDocumented sees that every row of the table in docs/bson.md names tests that there are, and that
// every test of differences is in the table.
func TestDifferencesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/bson.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(doc), "| what | official | here | pinned by |")
	if !ok {
		t.Fatal("no table")
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(table, -1)
	if len(named) < 10 {
		t.Errorf("only %d tests in the table", len(named))
	}
	for _, n := range named {
		if !strings.Contains(source.String(), "func "+n[1]+"(") {
			t.Errorf("the table names %s, which is not there", n[1])
		}
	}
	pins, err := os.ReadFile("differences_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range regexp.MustCompile(`func (Test\w+)\(`).FindAllStringSubmatch(string(pins), -1) {
		if !strings.Contains(table, "`"+n[1]+"`") {
			t.Errorf("the table does not name %s", n[1])
		}
	}
}
