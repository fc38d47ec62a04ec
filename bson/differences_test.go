package bson_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// The tests in this file pin the differences from the official package that docs/bson.md lists.

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := official.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDoublesOutOfRange(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1 << 63, -(1 << 63) * 1.5} {
		data := mustMarshal(t, doc("i", f))
		var i struct {
			I int64 `bson:",truncate"`
		}
		if err := bson.Unmarshal(data, &i); err == nil || !strings.Contains(err.Error(), "overflows int64") {
			t.Errorf("%v: error is %v", f, err)
		}
	}
	var i struct{ I int64 }
	if err := bson.Unmarshal(mustMarshal(t, doc("i", -float64(1<<63))), &i); err != nil || i.I != math.MinInt64 {
		t.Error(i, err)
	}
}

func TestEmptyOldBinary(t *testing.T) {
	data := mustMarshal(t, doc("b", bson.Binary{Subtype: 2, Data: []byte{}}))
	var d bson.D
	if err := bson.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if b := d[0].Value.(bson.Binary); b.Subtype != 2 || b.Data == nil || len(b.Data) != 0 {
		t.Errorf("got %v", b)
	}
}

func TestDamagedDocuments(t *testing.T) {
	wrap := func(elements string) []byte {
		b, s := bsonwire.Begin(nil)
		return bsonwire.End(append(b, elements...), s)
	}
	for name, data := range map[string][]byte{
		"binary 2 with wrong length": wrap("\x05a\x00\x05\x00\x00\x00\x02\x02\x00\x00\x00x"),
		"string without end":         wrap("\x02a\x00\x02\x00\x00\x00xx"),
		"code without end":           wrap("\x0fa\x00\x0e\x00\x00\x00\x01\x00\x00\x00x\x05\x00\x00\x00\x00"),
		"boolean 2":                  wrap("\x08a\x00\x02"),
		"document too short":         wrap("\x03a\x00\x04\x00\x00\x00"),
		"document without end":       wrap("\x03a\x00\x05\x00\x00\x00\x01"),
		"unknown type":               wrap("\x20a\x00"),
		"no end":                     []byte("\x05\x00\x00\x00\x01"),
		"too long":                   []byte("\x06\x00\x00\x00\x00"),
		"negative":                   []byte("\xff\xff\xff\xff\x00"),
		"nothing":                    nil,
	} {
		for _, target := range []any{new(bson.D), new(bson.M), new(any), new(map[string]any), new(struct{ A any })} {
			if err := bson.Unmarshal(data, target); !errors.Is(err, bson.ErrInvalid) {
				t.Errorf("%s into %T: error is %v", name, target, err)
			}
		}
	}
	if _, err := bson.Marshal(doc("a", bson.RawValue{Type: bson.TypeInt32, Value: []byte{1}})); !errors.Is(err, bson.ErrInvalid) {
		t.Errorf("short RawValue: error is %v", err)
	}
	if _, err := bson.Marshal(doc("a", badMethod{})); !errors.Is(err, bson.ErrInvalid) {
		t.Errorf("MarshalBSON with too much: error is %v", err)
	}
}

type badMethod struct{}

func (badMethod) MarshalBSON() ([]byte, error) { return []byte("\x05\x00\x00\x00\x00more"), nil }

type cycle struct{ Next any }

type inlinesItself struct {
	N    int
	Next *inlinesItself `bson:",inline"`
}

type pointerToItself *pointerToItself

// What makes the official package panic, or run out of stack, is an error or has a meaning.
func TestNoPanics(t *testing.T) {
	c := &cycle{}
	c.Next = c
	var self any
	self = &self
	var p pointerToItself
	p = &p
	m := bson.M{}
	m["m"] = m
	for name, v := range map[string]any{
		"cycle of structs": c, "cycle of anys": doc("c", self), "cycle of pointers": doc("c", p), "cycle of maps": m,
		"zero Vector": doc("v", bson.Vector{}), "nil Marshaler": (*docMethod)(nil), "inlined into itself": inlinesItself{},
	} {
		if _, err := bson.Marshal(v); err == nil {
			t.Errorf("%s can be encoded", name)
		}
	}
	data := mustMarshal(t, doc("v", bson.A{"x"}))
	filled := struct{ V []any }{[]any{nil}}
	if err := bson.Unmarshal(data, &filled); err != nil || !same(filled.V, []any{"x"}) {
		t.Error(filled, err)
	}
	field := struct{ V any }{(*Inner)(nil)}
	if err := bson.Unmarshal(data, &field); err != nil || !same(field.V, bson.A{"x"}) {
		t.Error(field, err)
	}
	if err := bson.Unmarshal(data, (*docMethod)(nil)); !errors.Is(err, bson.ErrDecodeToNil) {
		t.Error(err)
	}
	if err := bson.Unmarshal(data, new(inlinesItself)); err == nil {
		t.Error("a struct that is inlined into itself can be decoded")
	}
}

func nest(depth int) []byte {
	var starts []int
	b, s := bsonwire.Begin(nil)
	for i := range depth - 1 {
		starts = append(starts, s)
		if i%2 == 0 {
			b, s = bsonwire.BeginDocument(b, "next")
		} else {
			b, s = bsonwire.BeginArray(b, "next")
		}
	}
	b = bsonwire.End(b, s)
	for i := len(starts) - 1; i >= 0; i-- {
		b = bsonwire.End(b, starts[i])
	}
	return b
}

func TestDepth(t *testing.T) {
	for _, o := range []bson.DecodeOptions{{}, {DocumentType: typeOf[bson.M]()}, {DocumentType: typeOf[cycle]()}} {
		for _, target := range []func() any{func() any { return new(bson.D) }, func() any { return new(any) }, func() any { return new(cycle) }, func() any { return new(bson.M) }} {
			v := target()
			if err := o.Unmarshal(nest(bsonwire.MaxDepth), v); err != nil {
				t.Errorf("%T: %v", v, err)
			}
			if err := o.Unmarshal(nest(bsonwire.MaxDepth+1), v); !errors.Is(err, bson.ErrInvalid) {
				t.Errorf("%T: error is %v", v, err)
			}
		}
	}
	var d bson.D
	if err := bson.Unmarshal(nest(bsonwire.MaxDepth), &d); err != nil {
		t.Fatal(err)
	}
	if got, err := bson.Marshal(d); err != nil || bson.Validate(got) != nil {
		t.Error(err)
	}
	if _, err := bson.Marshal(doc("one", bson.A{d})); err == nil {
		t.Error("deeper documents than can be decoded can be encoded")
	}
}

// The path of keys is in all errors, and the types of errors are this package's.
func TestErrorPaths(t *testing.T) {
	bad := bson.Raw("\x0c\x00\x00\x00\x08x\x00\x02\x00")
	bad[0] = byte(len(bad))
	inner := struct{ A []map[string]Inner }{}
	err := bson.Unmarshal(mustMarshal(t, doc("a", bson.A{doc(), doc("k", doc("x", "no number"))})), &inner)
	check := func(err error, want string) {
		t.Helper()
		var e *bson.DecodeError
		if !errors.As(err, &e) || strings.Join(e.Keys(), ".") != want || !strings.Contains(err.Error(), "key "+want+": ") {
			t.Errorf("error is %v, want one at %s", err, want)
		}
	}
	check(err, "a.1.k.x")
	data := mustMarshal(t, doc("a", bson.A{doc(), doc("k", bad)}))
	for _, target := range []any{new(bson.D), new(bson.M), new(any), new(struct{ A any }), new(map[string]bson.A)} {
		check(bson.Unmarshal(data, target), "a.1.k.x")
	}
	_, err = bson.Marshal(doc("a", bson.A{doc(), bson.M{"k": struct{ C chan int }{}}}))
	var e *bson.EncodeError
	if !errors.As(err, &e) || strings.Join(e.Keys(), ".") != "a.1.k.c" {
		t.Errorf("error is %v", err)
	}
}
