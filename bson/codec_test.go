package bson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// encodable are values to encode, by what they show.
func encodable() map[string]any {
	nilZoo := &Zoo{Vec: bson.NewVector([]float32{1}), Num: "0", Float: "0", RawValue: bson.RawValue{Type: bson.TypeNull},
		Raw: bson.Raw("\x05\x00\x00\x00\x00"), Code: bson.CodeWithScope{Scope: bson.D{}}}
	return map[string]any{
		"all types": allTypes(), "zoo": zoo(), "zoo by value": *zoo(), "empty zoo": nilZoo,
		"M": bson.M{"one": doc("x", 1)}, "nil M": bson.M(nil), "nil D": bson.D(nil), "nil": nil, "nil pointer": (*Zoo)(nil),
		"map": map[string]int{"a": 1}, "int map": map[int64]any{-4: nil}, "nil map": map[string]string(nil), "E": bson.E{Key: "k", Value: "v"},
		"array of E": [1]bson.E{{Key: "k", Value: 1}}, "A": bson.A{1}, "int": 5, "string": "x", "Raw": bson.Raw("\x05\x00\x00\x00\x00"),
		"bad Raw": bson.Raw("\x06\x00\x00\x00\x00"), "nil Raw": bson.Raw(nil), "Raw with more behind": bson.Raw("\x05\x00\x00\x00\x00\x00"),
		"method": docMethod{3}, "pointer to method": &docMethod{3}, "value method": &pointerMethod{}, "pointer to pointer": ptr(ptr(Inner{X: 2})),
		"zero key": doc("a\x00b", 1), "zero key in M": bson.M{"a\x00b": 1}, "zero in regex": doc("r", bson.Regex{Pattern: "\x00"}),
		"chan": doc("c", make(chan int)), "nil chan": struct{ C chan int }{}, "func map": map[string]func(){}, "chan slice": doc("c", []chan int{}),
		"uint64 too large": doc("u", uint64(math.MaxUint64)), "nil scope": doc("c", bson.CodeWithScope{}),
		"uints":           doc("a", uint8(1), "b", uint16(2), "c", uint32(3), "d", uint64(4), "e", uint(5), "f", uint64(math.MaxInt64)),
		"ints":            doc("a", int8(1), "b", int16(2), "c", int32(3), "d", int64(4), "e", 5, "f", int64(1)<<40, "g", int64(-1)<<40),
		"named":           doc("a", namedInt(1), "b", namedString("s"), "c", namedMap{"x": 1}, "d", namedSlice{"a"}, "e", namedBytes{1}, "f", namedTime{testTime}, "g", namedD{}),
		"arrays":          doc("a", [3]int{1, 2}, "b", [0]byte{}, "c", [2]byte{1, 2}, "d", [1]bson.E{}, "e", [2]any{1, nil}, "f", []int32{1}, "g", [][]string{{"a"}, nil}, "h", []byte{}),
		"many":            doc("a", make([]int32, 1234)),
		"pointers":        doc("a", ptr("s"), "b", ptr(5), "c", (*int)(nil), "d", ptr(ptr(1.5)), "e", &bson.D{}, "f", ptr(any("x")), "g", ptr([]string{"y"}), "h", &testTime),
		"not addressable": doc("a", pointerMethod{N: 3}, "b", []pointerMethod{{}}, "c", map[string]pointerMethod{"k": {N: 1}}, "d", [1]pointerMethod{{N: 2}}, "e", struct{ P pointerMethod }{}),
		"nil methods":     doc("a", (*docMethod)(nil), "b", struct{ P *docMethod }{}, "c", struct{ P bson.Marshaler }{}, "d", struct{ P bson.ValueMarshaler }{}),
		"one pointer":     doc("a", struct{ P *int }{ptr(1)}, "b", struct{ M map[string]int }{}, "c", [1]*int{ptr(2)}, "d", struct{ N int64 }{5}),
		"interfaces": struct {
			A interface{ Foo() }
			B error
			C bson.Zeroer
		}{C: bson.Timestamp{T: 1}},
		"minsize": struct {
			A int64             `bson:",minsize"`
			B []int64           `bson:",minsize"`
			C map[string]int64  `bson:",minsize"`
			D any               `bson:",minsize"`
			E struct{ F int64 } `bson:",minsize"`
			G int64
		}{1, []int64{2}, map[string]int64{"x": 3}, bson.D{{Key: "y", Value: int64(4)}}, struct{ F int64 }{5}, 6},
		"omitempty":       omitEmpty{},
		"omitempty, full": omitEmpty{1, -1, math.Copysign(0, -1), "x", true, ptr(0), []int{}, map[string]int{"a": 1}, [0]int{}, [1]int{}, testTime, testID, Inner{}, "", bson.Timestamp{}, ptr(bson.Timestamp{}), bson.Timestamp{T: 1}, zeroer{1}},
		"tags":            tagged().Interface(),
		"duplicate": struct {
			A int
			B int `bson:"a"`
		}{},
		"inline int": struct {
			A int `bson:",inline"`
		}{},
		"two maps": struct {
			A, B map[string]int `bson:",inline"`
		}{},
		"int key map": struct {
			A map[int]int `bson:",inline"`
		}{},
		"inline clash": struct {
			X int
			A map[string]int `bson:",inline"`
		}{A: map[string]int{"x": 1}},
		"nil inline": struct {
			P *Inner `bson:",inline"`
		}{},
		"both inlined": struct {
			A Inner `bson:",inline"`
			B Inner `bson:",inline"`
		}{},
		"bool key": map[bool]int{true: 1}, "float key": map[float64]int{1: 1}, "text key": map[textKey]int{{1, 2}: 3}, "any key": map[any]int{"x": 1},
		"pointer key": map[*textKey]int{nil: 1},
		"time":        doc("a", testTime, "b", time.Time{}, "c", time.UnixMicro(-1500)),
		"bad number":  doc("n", json.Number("x")), "empty number": doc("n", json.Number("")), "numbers": doc("a", json.Number("-5"), "b", json.Number("1e3")),
		"RawValues":     doc("a", bson.RawValue{Type: bson.TypeNull}, "b", bson.RawValue{Type: bson.TypeString, Value: []byte("\x02\x00\x00\x00p\x00")}),
		"zero RawValue": doc("a", bson.RawValue{}),
		"RawArray":      doc("a", bson.RawArray("\x05\x00\x00\x00\x00")),
		"regex options": doc("r", bson.Regex{Pattern: "x", Options: "xmsi"}),
	}
}

// tagged returns a struct with tags that vet does not like.
func tagged() reflect.Value {
	field := func(name string, tag reflect.StructTag) reflect.StructField {
		return reflect.StructField{Name: name, Type: reflect.TypeFor[int](), Tag: tag}
	}
	v := reflect.New(reflect.StructOf([]reflect.StructField{
		field("A", "plain"), field("B", `json:"no"`), field("C", `bson:"omitempty"`), field("D", `bson:",omitempty"`),
		field("ABC", ""), field("E", "-"), field("F", ",omitempty"),
	})).Elem()
	for i := range v.NumField() - 1 {
		v.Field(i).SetInt(int64(i))
	}
	return v
}

type zeroer struct{ n int }

func (z zeroer) IsZero() bool { return z.n == 1 }

type omitEmpty struct {
	A int             `bson:",omitempty"`
	B int8            `bson:",omitempty"`
	C float64         `bson:",omitempty"`
	D string          `bson:",omitempty"`
	E bool            `bson:",omitempty"`
	F *int            `bson:",omitempty"`
	G []int           `bson:",omitempty"`
	H map[string]int  `bson:",omitempty"`
	I [0]int          `bson:",omitempty"`
	J [1]int          `bson:",omitempty"`
	K time.Time       `bson:",omitempty"`
	L bson.ObjectID   `bson:",omitempty"`
	M Inner           `bson:",omitempty"`
	N any             `bson:",omitempty"`
	O bson.Timestamp  `bson:",omitempty"`
	P *bson.Timestamp `bson:",omitempty"`
	Q bson.Zeroer     `bson:",omitempty"`
	R zeroer          `bson:",omitempty"`
}

func TestMarshalEqualsOfficial(t *testing.T) {
	for name, v := range encodable() {
		t.Run(name, func(t *testing.T) {
			want, wantErr := official.Marshal(v)
			got, err := bson.Marshal(v)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("error is %v, the official package's %v", err, wantErr)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("got\n%v\nwant\n%v", bson.Raw(got), bson.Raw(want))
			}
			got, err = bson.AppendMarshal([]byte("prefix"), v)
			if !bytes.Equal(got, append([]byte("prefix"), want...)) || (err != nil) != (wantErr != nil) {
				t.Fatalf("AppendMarshal returns %x, %v", got, err)
			}
			wantType, want, wantErr := official.MarshalValue(v)
			gotType, got, err := bson.MarshalValue(v)
			if (err != nil) != (wantErr != nil) {
				t.Fatalf("MarshalValue: error is %v, the official package's %v", err, wantErr)
			}
			if gotType != wantType || !bytes.Equal(got, want) {
				t.Fatalf("MarshalValue: got %s %x, want %s %x", gotType, got, wantType, want)
			}
		})
	}
}

// targets make values to decode into.
func targets() map[string]func() any {
	return map[string]func() any{
		"any": func() any { return new(any) }, "D": func() any { return new(bson.D) }, "M": func() any { return new(bson.M) },
		"map": func() any { return new(map[string]any) }, "Raw": func() any { return new(bson.Raw) }, "zoo": func() any { return new(Zoo) },
		"full zoo": func() any { return zoo() }, "RawValue": func() any { return new(bson.RawValue) }, "[]E": func() any { return new([]bson.E) },
		"namedD": func() any { return new(namedD) }, "[2]E": func() any { return new([2]bson.E) }, "map of Raw": func() any { return new(map[string]bson.RawValue) },
		"M by value": func() any { return bson.M{"old": 1} }, "nil": func() any { return nil }, "nil M": func() any { return bson.M(nil) },
		"nil pointer": func() any { return (*bson.D)(nil) }, "no pointer": func() any { return bson.D{} }, "string": func() any { return new(string) },
		"pointer to pointer": func() any { return new(*Zoo) }, "method": func() any { return new(docMethod) }, "value method": func() any { return new(pointerMethod) },
		"[]any": func() any { return new([]any) }, "int keys": func() any { return new(map[int]any) }, "text keys": func() any { return new(map[textKey]any) },
		"nil any map": func() any { return new(map[string]int) }, "D with capacity": func() any { d := make(bson.D, 1, 1000); return &d },
		"Raw with capacity": func() any { r := make(bson.Raw, 1, 100000); return &r }, "bool keys": func() any { return new(map[bool]any) },
		"structs": func() any { return new(map[string]Inner) }, "pointers": func() any { return new(map[string]*Inner) },
		"chans": func() any { return new(map[string]chan int) }, "inner": func() any { return &Inner{X: 9, Y: "kept"} },
		"bad struct": func() any {
			return new(struct {
				A int
				B int `bson:"a"`
			})
		},
		"[]byte": func() any { return new([]byte) }, "time": func() any { return new(time.Time) },
	}
}

// documents are what is decoded into every target.
func documents(t testing.TB) map[string][]byte {
	docs := map[string][]byte{}
	for name, v := range encodable() {
		if b, err := official.Marshal(v); err == nil {
			docs[name] = b
		}
	}
	for name, v := range map[string]any{
		"case":  doc("INT", int32(1), "String", "x", "STRING", "y", "innEr", doc("WHY", "upper")),
		"twice": doc("int", int32(1), "int", int32(2), "strings", bson.A{"a", "b"}, "strings", bson.A{"c"}, "m", doc("a", 1), "m", doc("b", 2)),
		"nulls": func() (d bson.D) {
			rt := reflect.TypeFor[Zoo]()
			for i := range rt.NumField() {
				d = append(d, bson.E{Key: lower(rt.Field(i).Name)})
			}
			return d
		}(),
		"numbers keys": doc("1", 2, "-3", 4), "text keys": doc("a-b", true), "bad text keys": doc("ab", true), "large key": doc("300", 1),
	} {
		b, err := official.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		docs[name] = b
	}
	return docs
}

func lower(s string) string { return string(bytes.ToLower([]byte(s))) }

// same compares values, NaN being itself.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, y := show(a), show(b)
	return x == y && strings.Contains(x, "NaN")
}

// show shows v, and what it points to if there is an any behind it.
func show(v any) string {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer || rv.Kind() == reflect.Struct && rv.NumField() == 1 {
		if rv.Kind() == reflect.Pointer && rv.IsNil() {
			break
		}
		if rv.Kind() == reflect.Struct {
			rv = rv.Field(0)
		} else {
			rv = rv.Elem()
		}
	}
	return fmt.Sprintf("%#v", rv)
}

func compareUnmarshal(t *testing.T, data []byte, target func() any) {
	t.Helper()
	want, got := target(), target()
	wantErr := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				t.Skipf("the official package panics: %v", r)
			}
		}()
		return official.Unmarshal(data, want)
	}()
	in := bytes.Clone(data)
	err := bson.Unmarshal(in, got)
	if wantErr == nil && err != nil && strings.Contains(err.Error(), "NaN overflows int64") {
		return // a difference on purpose: TestDoublesOutOfRange
	}
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("error is %v, the official package's %v", err, wantErr)
	}
	if !bytes.Equal(in, data) {
		t.Fatal("the input was changed")
	}
	for i := range in {
		in[i] = 0xee // nothing may alias it
	}
	if err == nil && !same(got, want) {
		t.Fatalf("got\n%#v\nwant\n%#v", got, want)
	}
	var theirs *official.DecodeError
	if errors.As(wantErr, &theirs) {
		var ours *bson.DecodeError
		if !errors.As(err, &ours) {
			t.Fatalf("error is %v, the official package's %v", err, wantErr)
		}
	}
}

func TestUnmarshalEqualsOfficial(t *testing.T) {
	for name, data := range documents(t) {
		for into, target := range targets() {
			t.Run(name+" into "+into, func(t *testing.T) { compareUnmarshal(t, data, target) })
		}
	}
}

// values are values of all BSON types, with the borders of their ranges.
func values() bson.A {
	a := bson.A{
		"", "x", "12 bytes str.", "0102030405060708090a0b0c", "123456789012", "2020-01-02T03:04:05.678Z", "https://x.y", "%zz",
		int32(0), int32(1), int32(-1), int32(127), int32(128), int32(255), int32(256), int32(-129), int32(40000), int32(70000), int32(math.MaxInt32),
		int64(0), int64(1), int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxUint32), int64(math.MaxUint32 + 1), int64(1) << 53, int64(1)<<53 + 1,
		0.0, 1.0, 1.5, -1.5, math.NaN(), math.Inf(1), 1e300, 3e9, math.MaxFloat32, 0.1, -9.2e18,
		true, false, nil, bson.Undefined{}, testID, bson.DateTime(5), bson.DateTime(-5), bson.Timestamp{T: 5, I: 6}, bson.Regex{Pattern: "x", Options: "i"},
		bson.JavaScript("js"), bson.Symbol("sym"), bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.DBPointer{DB: "d", Pointer: testID},
		decimal("1.5"), decimal("NaN"), bson.MinKey{}, bson.MaxKey{},
		bson.Binary{Data: []byte{1, 2, 3}}, bson.Binary{Data: []byte{}}, bson.Binary{Subtype: 2, Data: []byte{1, 2, 3}}, bson.Binary{Subtype: 4, Data: testID[:]},
		bson.Binary{Data: []byte{1, 2, 3, 4, 5}}, bson.NewVector([]int8{1}), bson.NewVector([]float32{1}),
		bson.D{}, doc("x", int32(1)), doc("x", "no"), doc("a", doc("x", int32(5)), "b", doc()), doc("1", 2, "300", "x"), doc("key", "k", "value", "v"),
		bson.A{}, bson.A{int32(1), int32(2)}, bson.A{"a", "b", "c"}, bson.A{nil, nil}, bson.A{1.5}, bson.A{doc("x", int32(1)), nil, doc("why", "s")}, bson.A{bson.A{int32(1)}, bson.A{}},
	}
	return a
}

// holders are structs whose field V is decoded into, filled and empty.
func holders() map[string]func() any {
	h := map[string]func() any{}
	add := func(name string, v any, filled ...any) {
		rt := reflect.StructOf([]reflect.StructField{{Name: "V", Type: reflect.TypeOf(v).Elem(), Tag: `bson:"v"`}})
		h[name] = func() any { return reflect.New(rt).Interface() }
		for i, f := range filled {
			h[name+" filled "+string(rune('0'+i))] = func() any {
				p := reflect.New(rt)
				p.Elem().Field(0).Set(reflect.ValueOf(f))
				return p.Interface()
			}
		}
		truncate := reflect.StructOf([]reflect.StructField{{Name: "V", Type: reflect.TypeOf(v).Elem(), Tag: `bson:"v,truncate"`}})
		h[name+" truncated"] = func() any { return reflect.New(truncate).Interface() }
	}
	add("int", new(int))
	add("int8", new(int8))
	add("int16", new(int16))
	add("int32", new(int32))
	add("int64", new(int64))
	add("uint", new(uint))
	add("uint8", new(uint8))
	add("uint16", new(uint16))
	add("uint32", new(uint32))
	add("uint64", new(uint64))
	add("float32", new(float32))
	add("float64", new(float64))
	add("bool", new(bool))
	add("string", new(string))
	add("namedInt", new(namedInt))
	add("namedString", new(namedString))
	add("time", new(time.Time))
	add("duration", new(time.Duration))
	add("[]byte", new([]byte), []byte("filled"))
	add("namedBytes", new(namedBytes), namedBytes("filled"))
	add("[2]byte", new([2]byte))
	add("[4]byte", new([4]byte), [4]byte{9, 9, 9, 9})
	add("[3]int", new([3]int), [3]int{7, 8, 9})
	add("[]int", new([]int), []int{1, 2, 3, 4})
	add("[]string", new([]string), []string{"old"})
	add("[]any", new([]any), []any{int32(1), "x"}, []any{&Inner{X: 4}, new(int)}, []any{(*int)(nil)})
	add("A", new(bson.A), bson.A{1.5})
	add("[2]any", new([2]any), [2]any{int32(1), new(string)})
	add("any", new(any))
	add("D", new(bson.D), doc("old", 1))
	add("M", new(bson.M), bson.M{"old": 1})
	add("namedMap", new(namedMap))
	add("[]E", new([]bson.E))
	add("namedD", new(namedD), namedD{{Key: "old"}})
	add("E", new(bson.E))
	add("[1]E", new([1]bson.E))
	add("[]D", new([]bson.D))
	add("[]M", new([]bson.M))
	add("Raw", new(bson.Raw), bson.Raw("filled with something long enough to hold it all"))
	add("RawValue", new(bson.RawValue))
	add("RawArray", new(bson.RawArray))
	add("[]Raw", new([]bson.Raw))
	add("ObjectID", new(bson.ObjectID))
	add("Decimal128", new(bson.Decimal128))
	add("Binary", new(bson.Binary))
	add("Vector", new(bson.Vector))
	add("Regex", new(bson.Regex))
	add("DBPointer", new(bson.DBPointer))
	add("Timestamp", new(bson.Timestamp))
	add("MinKey", new(bson.MinKey))
	add("MaxKey", new(bson.MaxKey))
	add("JavaScript", new(bson.JavaScript))
	add("Symbol", new(bson.Symbol))
	add("CodeWithScope", new(bson.CodeWithScope))
	add("DateTime", new(bson.DateTime))
	add("Null", new(bson.Null))
	add("Undefined", new(bson.Undefined))
	add("json.Number", new(json.Number))
	add("url", new(url.URL))
	add("*url", new(*url.URL))
	add("*int", new(*int), ptr(5))
	add("**int", new(**int))
	add("*Inner", new(*Inner), &Inner{X: 4, Y: "old"})
	add("Inner", new(Inner), Inner{X: 4, Y: "old"})
	add("[]Inner", new([]Inner), []Inner{{X: 1, Y: "a"}, {X: 2, Y: "b"}})
	add("[]*Inner", new([]*Inner), []*Inner{{X: 1}})
	add("*any", new(*any))
	add("*[]int", new(*[]int))
	add("map[string]int", new(map[string]int), map[string]int{"old": 1})
	add("map[string]Inner", new(map[string]Inner))
	add("map[int]any", new(map[int]any))
	add("map[uint8]int", new(map[uint8]int))
	add("map[namedString]string", new(map[namedString]string))
	add("map[bool]int", new(map[bool]int))
	add("map[string]any", new(map[string]any))
	add("map[string]chan", new(map[string]chan int))
	add("docMethod", new(docMethod))
	add("*docMethod", new(*docMethod), &docMethod{1})
	add("pointerMethod", new(pointerMethod))
	add("*pointerMethod", new(*pointerMethod), &pointerMethod{1})
	add("chan", new(chan int))
	add("func", new(func()))
	add("complex", new(complex128))
	add("uintptr", new(uintptr))
	add("[]chan", new([]chan int))
	add("textKey", new(textKey))
	add("[][]int", new([][]int))
	add("[]namedString", new([]namedString))
	add("[]pointerMethod", new([]pointerMethod))
	add("map[string]*docMethod", new(map[string]*docMethod))
	for i, f := range []any{&Inner{X: 4}, new(string), Inner{}, 5, new(any)} {
		h["any filled "+string(rune('0'+i))] = func() any { return &struct{ V any }{f} }
	}
	h["Zeroer filled"] = func() any { return &struct{ V bson.Zeroer }{&bson.Timestamp{}} }
	h["Zeroer"] = func() any { return &struct{ V bson.Zeroer }{} }
	h["Unmarshaler filled"] = func() any { return &struct{ V bson.Unmarshaler }{&docMethod{}} }
	h["inlined map"] = func() any {
		return &struct {
			V map[string]int `bson:",inline"`
		}{}
	}
	h["inlined any map"] = func() any {
		return &struct {
			V map[string]any `bson:",inline"`
		}{map[string]any{"old": 1}}
	}
	return h
}

func TestUnmarshalValuesEqualOfficial(t *testing.T) {
	for _, v := range values() {
		data, err := official.Marshal(doc("v", v))
		if err != nil {
			t.Fatal(err)
		}
		for name, target := range holders() {
			t.Run(bson.Raw(data).String()+" "+"into "+name, func(t *testing.T) { compareUnmarshal(t, data, target) })
		}
	}
}
