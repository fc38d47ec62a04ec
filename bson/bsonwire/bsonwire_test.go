package bsonwire_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

func decimal(t testing.TB, s string) bson.Decimal128 {
	t.Helper()
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var testID = bson.ObjectID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// d makes a document of keys and values in turn.
func d(kv ...any) bson.D {
	doc := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		doc = append(doc, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return doc
}

// everything returns a document with a value of every type, and the same as the official package writes it.
func everything(t testing.TB) (ours []byte, official []byte) {
	t.Helper()
	sub, s := bsonwire.Begin(nil)
	sub = bsonwire.End(bsonwire.AppendInt32(sub, "x", 1), s)

	b, start := bsonwire.Begin(nil)
	b = bsonwire.AppendDouble(b, "double", -1.5)
	b = bsonwire.AppendString(b, "string", "héllo")
	b, sd := bsonwire.BeginDocument(b, "document")
	b = bsonwire.AppendInt32(b, "x", 1)
	b = bsonwire.End(b, sd)
	b, a := bsonwire.BeginArray(b, "array")
	for i := range 120 {
		b = append(bsonwire.AppendIndexHeader(b, bson.TypeBoolean, i), byte(i%2))
	}
	b = bsonwire.End(b, a)
	b = bsonwire.AppendBinary(b, "binary", 0x80, []byte{1, 2})
	b = bsonwire.AppendBinary(b, "old binary", 2, []byte{3, 4})
	b = bsonwire.AppendUndefined(b, "undefined")
	b = bsonwire.AppendObjectID(b, "id", testID)
	b = bsonwire.AppendBoolean(b, "true", true)
	b = bsonwire.AppendBoolean(b, "false", false)
	b = bsonwire.AppendDateTime(b, "date", 1234567890123)
	b = bsonwire.AppendNull(b, "null")
	b = bsonwire.AppendRegex(b, "regex", "^a", "im")
	b = bsonwire.AppendDBPointer(b, "pointer", "db.c", testID)
	b = bsonwire.AppendJavaScript(b, "js", "f()")
	b = bsonwire.AppendSymbol(b, "symbol", "sym")
	b = bsonwire.AppendCodeWithScope(b, "code", "g()", sub)
	b = bsonwire.AppendInt32(b, "int32", -7)
	b = bsonwire.AppendTimestamp(b, "timestamp", 5, 6)
	b = bsonwire.AppendInt64(b, "int64", math.MinInt64)
	b = bsonwire.AppendDecimal128(b, "decimal", decimal(t, "1.25"))
	b = bsonwire.AppendMinKey(b, "min")
	b = bsonwire.AppendMaxKey(b, "max")
	b = bsonwire.AppendDocument(b, "document2", sub)
	b = bsonwire.AppendArray(b, "array2", sub)
	b = bsonwire.AppendValue(b, "value", bsonwire.Value{Type: bson.TypeInt32, Data: []byte{9, 0, 0, 0}})
	b = bsonwire.End(b, start)

	bools := bson.A{}
	for i := range 120 {
		bools = append(bools, i%2 == 1)
	}
	want, err := bson.Marshal(d(
		"double", -1.5, "string", "héllo", "document", d("x", int32(1)), "array", bools,
		"binary", bson.Binary{Subtype: 0x80, Data: []byte{1, 2}},
		"old binary", bson.Binary{Subtype: 2, Data: []byte{3, 4}},
		"undefined", bson.Undefined{}, "id", testID, "true", true, "false", false,
		"date", bson.DateTime(1234567890123), "null", nil, "regex", bson.Regex{Pattern: "^a", Options: "im"},
		"pointer", bson.DBPointer{DB: "db.c", Pointer: testID}, "js", bson.JavaScript("f()"),
		"symbol", bson.Symbol("sym"), "code", bson.CodeWithScope{Code: "g()", Scope: d("x", int32(1))},
		"int32", int32(-7), "timestamp", bson.Timestamp{T: 5, I: 6}, "int64", int64(math.MinInt64),
		"decimal", decimal(t, "1.25"), "min", bson.MinKey{}, "max", bson.MaxKey{},
		"document2", bson.Raw(sub), "array2", bson.RawValue{Type: bson.TypeArray, Value: sub},
		"value", int32(9),
	))
	if err != nil {
		t.Fatal(err)
	}
	return b, want
}

func TestAppendEqualsOfficial(t *testing.T) {
	ours, official := everything(t)
	if !bytes.Equal(ours, official) {
		t.Fatalf("got\n%x\nwant\n%x", ours, official)
	}
	if err := bsonwire.Validate(ours); err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreCutAtZero(t *testing.T) {
	b, s := bsonwire.Begin(nil)
	b = bsonwire.AppendInt32(b, "a\x00b", 1)
	b = bsonwire.AppendRegex(b, "r", "p\x00q", "i\x00x")
	b = bsonwire.End(b, s)
	if err := bsonwire.Validate(b); err != nil {
		t.Fatal(err)
	}
	if got := bson.Raw(b).String(); got != `{"a": {"$numberInt":"1"},"r": {"$regularExpression":{"pattern":"p","options":"i"}}}` {
		t.Error(got)
	}
	if bsonwire.ValidKey("a\x00b") || !bsonwire.ValidKey("ab") {
		t.Error("ValidKey is wrong")
	}
}

func TestReader(t *testing.T) {
	doc, _ := everything(t)
	elems, err := bson.Raw(doc).Elements()
	if err != nil {
		t.Fatal(err)
	}
	r := bsonwire.NewReader(doc)
	for i := 0; r.Next(); i++ {
		want := elems[i].Value()
		if string(r.Key()) != elems[i].Key() || r.Type() != want.Type || !bytes.Equal(r.Value().Data, want.Value) {
			t.Errorf("element %d is %s %v", i, r.Key(), r.Value())
		}
		elems[i] = nil
	}
	if r.Err() != nil {
		t.Error(r.Err())
	}
	if elems[len(elems)-1] != nil {
		t.Error("Reader stopped early")
	}
	if n := testing.AllocsPerRun(10, func() {
		r := bsonwire.NewReader(doc)
		for r.Next() {
			_, _ = r.Key(), r.Value()
		}
	}); n != 0 {
		t.Errorf("Reader allocates %v times", n)
	}
}

func TestLookup(t *testing.T) {
	doc, _ := everything(t)
	for _, c := range []struct {
		path string
		want bool
	}{
		{"int32", true}, {"document.x", true}, {"array.101", true}, {"code.x", false}, {"document.y", false},
		{"string.x", false}, {"array.120", false}, {"nothing", false}, {"", false},
	} {
		v, ok := bsonwire.Lookup(doc, strings.Split(c.path, ".")...)
		if ok != c.want {
			t.Errorf("%s: found %v", c.path, ok)
		}
		if official := bson.Raw(doc).Lookup(strings.Split(c.path, ".")...); !bytes.Equal(official.Value, v.Data) {
			t.Errorf("%s: got %x, want %x", c.path, v.Data, official.Value)
		}
	}
	if _, ok := bsonwire.Lookup(doc); ok {
		t.Error("no path finds something")
	}
}

func TestValues(t *testing.T) {
	doc, _ := everything(t)
	get := func(key string) bsonwire.Value {
		v, ok := bsonwire.Lookup(doc, key)
		if !ok {
			t.Fatalf("no %s", key)
		}
		return v
	}
	check := func(key string, got, want any, ok bool) {
		t.Helper()
		if !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", key, got, ok, want)
		}
	}
	f, ok := get("double").AsDouble()
	check("double", f, -1.5, ok)
	s, ok := get("string").AsString()
	check("string", s, "héllo", ok)
	s, ok = get("js").AsJavaScript()
	check("js", s, "f()", ok)
	s, ok = get("symbol").AsSymbol()
	check("symbol", s, "sym", ok)
	sub, data, ok := get("old binary").AsBinary()
	check("old binary", string([]byte{sub})+string(data), "\x02\x03\x04", ok)
	sub, data, ok = get("binary").AsBinary()
	check("binary", string([]byte{sub})+string(data), "\x80\x01\x02", ok)
	id, ok := get("id").AsObjectID()
	check("id", id, testID, ok)
	b, ok := get("true").AsBool()
	check("true", b, true, ok)
	b, ok = get("false").AsBool()
	check("false", b, false, ok)
	b, ok = get("double").AsBool()
	check("double as bool", b, true, ok)
	ms, ok := get("date").AsDateTime()
	check("date", ms, int64(1234567890123), ok)
	at, ok := get("date").AsTime()
	check("date", at, time.UnixMilli(1234567890123).UTC(), ok)
	pattern, options, ok := get("regex").AsRegex()
	check("regex", pattern+"/"+options, "^a/im", ok)
	ns, id, ok := get("pointer").AsDBPointer()
	check("pointer", ns, "db.c", ok)
	check("pointer", id, testID, ok)
	code, scope, ok := get("code").AsCodeWithScope()
	check("code", code, "g()", ok)
	check("scope", bson.Raw(scope).String(), `{"x": {"$numberInt":"1"}}`, ok)
	i32, ok := get("int32").AsInt32()
	check("int32", i32, int32(-7), ok)
	i64, ok := get("int32").AsInt64()
	check("int32 as int64", i64, int64(-7), ok)
	f, ok = get("int32").AsDouble()
	check("int32 as double", f, -7.0, ok)
	i64, ok = get("int64").AsInt64()
	check("int64", i64, int64(math.MinInt64), ok)
	dec, ok := get("decimal").AsDecimal128()
	check("decimal", dec, decimal(t, "1.25"), ok)
	ts, inc, ok := get("timestamp").AsTimestamp()
	check("timestamp", [2]uint32{ts, inc}, [2]uint32{5, 6}, ok)
	if !get("null").IsNull() || !get("undefined").IsNull() || get("int32").IsNull() {
		t.Error("IsNull is wrong")
	}
	if _, ok := get("double").AsInt64(); ok {
		t.Error("-1.5 is an int64")
	}
	if _, ok := get("int64").AsInt32(); ok {
		t.Error("MinInt64 is an int32")
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1 << 63} {
		doc, start := bsonwire.Begin(nil)
		doc = bsonwire.End(bsonwire.AppendDouble(doc, "f", f), start)
		v, _ := bsonwire.Lookup(doc, "f")
		if i, ok := v.AsInt64(); ok {
			t.Errorf("%v is the int64 %d", f, i)
		}
	}
	// A value of one type is none of the others.
	for _, key := range []string{"string", "js"} {
		v := get(key)
		_, ok1 := v.AsObjectID()
		_, ok2 := v.AsDateTime()
		_, _, ok3 := v.AsBinary()
		_, ok4 := v.AsDocument()
		_, ok5 := v.AsArray()
		_, ok6 := v.AsInt64()
		_, ok7 := v.AsDecimal128()
		if ok1 || ok2 || ok3 || ok4 || ok5 || ok6 || ok7 {
			t.Errorf("%s has other types", key)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	doc := func(elements string) string {
		b, s := bsonwire.Begin(nil)
		return string(bsonwire.End(append(b, elements...), s))
	}
	for name, bad := range map[string]string{
		"nothing":                     "",
		"too short":                   "\x05\x00\x00\x00",
		"length too long":             "\x06\x00\x00\x00\x00",
		"length negative":             "\xff\xff\xff\xff\x00",
		"length below minimum":        "\x04\x00\x00\x00\x00",
		"trailing bytes":              "\x05\x00\x00\x00\x00\x00",
		"no terminator":               "\x05\x00\x00\x00\x01",
		"unknown type":                doc("\x20a\x00"),
		"key without end":             doc("\x0aabc")[:8] + "\x01",
		"end inside":                  doc("\x00"),
		"string length zero":          doc("\x02a\x00\x00\x00\x00\x00"),
		"string length negative":      doc("\x02a\x00\xff\xff\xff\xffx\x00"),
		"string length max":           doc("\x02a\x00\xff\xff\xff\x7fx\x00"),
		"string without end":          doc("\x02a\x00\x02\x00\x00\x00xx"),
		"string not UTF-8":            doc("\x02a\x00\x02\x00\x00\x00\xe9\x00"),
		"key not UTF-8":               doc("\x0a\xe9\x00"),
		"boolean 2":                   doc("\x08a\x00\x02"),
		"binary length negative":      doc("\x05a\x00\xff\xff\xff\xff\x00"),
		"binary 2 without length":     doc("\x05a\x00\x01\x00\x00\x00\x02x"),
		"binary 2 with wrong length":  doc("\x05a\x00\x05\x00\x00\x00\x02\x02\x00\x00\x00x"),
		"document ends in the parent": doc("\x03a\x00\x07\x00\x00\x00\x0a"),
		"document beyond the parent":  doc("\x03a\x00\x7f\x00\x00\x00\x00"),
		"regex without options":       doc("\x0ba\x00x\x00"),
		"regex not UTF-8":             doc("\x0ba\x00\xe9\x00\x00"),
		"code without scope":          doc("\x0fa\x00\x0e\x00\x00\x00\x06\x00\x00\x00abcde\x00"),
		"code too long":               doc("\x0fa\x00\x0e\x00\x00\x00\x20\x00\x00\x00\x00\x05\x00\x00\x00\x00"),
		"int32 cut short":             doc("\x10a\x00\x01\x00\x00"),
		"int64 cut short":             doc("\x12a\x00\x01\x00\x00\x00\x00\x00\x00"),
		"pointer with string too big": doc("\x0ca\x00\x03\x00\x00\x00b\x00123456789012"),
	} {
		err := bsonwire.Validate([]byte(bad))
		if !errors.Is(err, bsonwire.ErrInvalid) {
			t.Errorf("%s: error is %v", name, err)
		}
		// Servers store these.
		stored := strings.Contains(name, "UTF-8") || strings.HasPrefix(name, "binary 2")
		if err := bsonwire.ValidateStructure([]byte(bad)); stored != (err == nil) {
			t.Errorf("%s: error of the structure is %v", name, err)
		}
	}
}

func TestValidateDepth(t *testing.T) {
	nested := func(depth int) []byte {
		var starts []int
		b, s := bsonwire.Begin(nil)
		for range depth - 1 {
			starts = append(starts, s)
			b, s = bsonwire.BeginDocument(b, "d")
		}
		b = bsonwire.End(b, s)
		for i := len(starts) - 1; i >= 0; i-- {
			b = bsonwire.End(b, starts[i])
		}
		return b
	}
	if err := bsonwire.Validate(nested(bsonwire.MaxDepth)); err != nil {
		t.Error(err)
	}
	if err := bsonwire.Validate(nested(bsonwire.MaxDepth + 1)); err == nil {
		t.Error("documents can be nested too deep")
	}
}

func TestValidateDoesNotAllocate(t *testing.T) {
	doc, _ := everything(t)
	if n := testing.AllocsPerRun(10, func() {
		if err := bsonwire.Validate(doc); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Validate allocates %v times", n)
	}
}

func TestKeyEnd(t *testing.T) {
	for n := range 70 {
		b := []byte(strings.Repeat("k", n) + "\x00kk\x00")
		if got := bsonwire.KeyEnd(b, 0); got != n {
			t.Errorf("key of %d bytes ends at %d", n, got)
		}
		if got := bsonwire.KeyEnd(b[:n], 0); got != -1 {
			t.Errorf("key of %d bytes without an end ends at %d", n, got)
		}
		b = []byte(strings.Repeat("\x80\x01\xff", n) + "\x00\x00")
		if got := bsonwire.KeyEnd(b, 0); got != 3*n {
			t.Errorf("key of %d odd bytes ends at %d", 3*n, got)
		}
	}
}

func FuzzValidate(f *testing.F) {
	doc, _ := everything(f)
	f.Add(doc)
	f.Add([]byte("\x05\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := bsonwire.Validate(data)
		walk(t, data, err == nil, 1)
	})
}

// walk reads everything in doc. If doc is valid, nothing in it may fail.
func walk(t *testing.T, doc []byte, valid bool, depth int) {
	if depth > 100 {
		return
	}
	r := bsonwire.NewReader(doc)
	for r.Next() {
		v := r.Value()
		var ok bool
		switch v.Type {
		case bson.TypeString:
			_, ok = v.AsString()
		case bson.TypeJavaScript:
			_, ok = v.AsJavaScript()
		case bson.TypeSymbol:
			_, ok = v.AsSymbol()
		case bson.TypeBinary:
			_, _, ok = v.AsBinary()
		case bson.TypeRegex:
			_, _, ok = v.AsRegex()
		case bson.TypeDBPointer:
			_, _, ok = v.AsDBPointer()
		case bson.TypeCodeWithScope:
			_, _, ok = v.AsCodeWithScope()
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			walk(t, v.Data, valid, depth+1)
			ok = true
		default:
			ok = true
		}
		if valid && !ok {
			t.Fatalf("valid document has a damaged %s", v.Type)
		}
		if valid {
			if err := bsonwire.ValidateValue(v.Type, v.Data); err != nil {
				t.Fatalf("%s of a valid document: %v", v.Type, err)
			}
		}
	}
	if valid && r.Err() != nil {
		t.Fatal(r.Err())
	}
	if valid && bson.Raw(doc).Validate() != nil {
		t.Fatal("the official package finds a document invalid that is valid here")
	}
}
