package bson_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

// doc makes a document of keys and values in turn.
func doc(kv ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]})
	}
	return d
}

func decimal(s string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		panic(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

var (
	testID   = bson.ObjectID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	testTime = time.Date(2020, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
)

// allTypes has a value of every BSON type in it, nested in each other.
func allTypes() bson.D {
	leaf := doc(
		"double", 1.5, "nan", math.NaN(), "string", "héllo\x00x", "empty", "", "binary", bson.Binary{Subtype: 0x80, Data: []byte{1, 2}},
		"old", bson.Binary{Subtype: 2, Data: []byte{3}}, "emptyBinary", bson.Binary{Data: []byte{}},
		"undefined", bson.Undefined{}, "id", testID, "true", true, "false", false, "date", bson.DateTime(1234),
		"null", nil, "regex", bson.Regex{Pattern: "a", Options: "im"}, "pointer", bson.DBPointer{DB: "d", Pointer: testID},
		"js", bson.JavaScript("f()"), "symbol", bson.Symbol("s"),
		"code", bson.CodeWithScope{Code: "g()", Scope: doc("x", int32(1), "y", doc("z", "zz"))},
		"int32", int32(-7), "large32", int32(math.MaxInt32), "timestamp", bson.Timestamp{T: 5, I: 6},
		"int64", int64(math.MinInt64), "small64", int64(5), "decimal", decimal("1.25"), "min", bson.MinKey{}, "max", bson.MaxKey{},
		"", "empty key", "ключ", "key",
	)
	return append(leaf, doc("doc", leaf, "array", bson.A{leaf, "x", bson.A{}, bson.A{int64(1) << 40, bson.A{nil}}}, "emptyDoc", bson.D{})...)
}

type Inner struct {
	X int32
	Y string `bson:"why,omitempty"`
}

type Embedded struct{ Plain int }

type textKey struct{ A, B byte }

func (k textKey) MarshalText() ([]byte, error) { return []byte{k.A, '-', k.B}, nil }
func (k *textKey) UnmarshalText(b []byte) error {
	if len(b) != 3 {
		return errors.New("bad text key")
	}
	k.A, k.B = b[0], b[2]
	return nil
}

type docMethod struct{ n int32 }

func (m docMethod) MarshalBSON() ([]byte, error) { return official.Marshal(doc("method", m.n)) }
func (m *docMethod) UnmarshalBSON(b []byte) error {
	m.n, _ = official.Raw(b).Lookup("method").Int32OK()
	return official.Raw(b).Validate()
}

type pointerMethod struct{ N int32 }

func (m *pointerMethod) MarshalBSONValue() (byte, []byte, error) {
	return byte(bson.TypeString), []byte("\x02\x00\x00\x00p\x00"), nil
}
func (m *pointerMethod) UnmarshalBSONValue(t byte, b []byte) error {
	m.N = int32(t)*1000 + int32(len(b))
	return nil
}

type (
	namedInt    int32
	namedString string
	namedMap    map[string]any
	namedSlice  []string
	namedBytes  []byte
	namedD      []bson.E
	namedTime   struct{ time.Time }
)

// Zoo has fields of all sorts.
type Zoo struct {
	ID       bson.ObjectID `bson:"_id"`
	Int      int
	Int8     int8
	Int16    int16
	Int32    int32
	Int64    int64
	Min64    int64 `bson:",minsize"`
	Uint     uint
	Uint8    uint8
	Uint16   uint16
	Uint32   uint32
	Uint64   uint64
	UMin     uint64 `bson:"umin,minsize"`
	F32      float32
	F64      float64
	Bool     bool
	Str      string `bson:"string"`
	Time     time.Time
	Dur      time.Duration
	Bytes    []byte
	NBytes   namedBytes
	Arr4     [4]byte
	Arr2     [2]int
	Ptr      *Inner
	PtrPtr   **Inner
	NilPtr   *Inner
	Inner    Inner
	Inners   []Inner
	PInners  []*Inner
	Strings  []string
	NStrings namedSlice
	Any      any
	AnyDoc   any
	Anys     []any
	M        bson.M
	NMap     namedMap
	MapInt   map[int]string
	MapUint  map[uint8]Inner
	MapText  map[textKey]bool
	MapStr   map[string]string
	MapIn    map[namedString]*Inner
	D        bson.D
	ND       namedD
	A        bson.A
	E2       [2]bson.E
	Raw      bson.Raw
	RawValue bson.RawValue
	Num      json.Number
	Float    json.Number
	URL      url.URL
	PURL     *url.URL
	Decimal  bson.Decimal128
	Bin      bson.Binary
	Regex    bson.Regex
	TS       bson.Timestamp
	JS       bson.JavaScript
	Sym      bson.Symbol
	Code     bson.CodeWithScope
	DBP      bson.DBPointer
	Min      bson.MinKey
	Max      bson.MaxKey
	Null     bson.Null
	Undef    bson.Undefined
	Vec      bson.Vector
	DateTime bson.DateTime
	NInt     namedInt
	Method   docMethod
	PMethod  *docMethod
	Pointer  pointerMethod
	PPointer *pointerMethod
	Skip     string `bson:"-"`
	hidden   int
	Embedded
	Inlined  Embedded2        `bson:",inline"`
	PInlined *Embedded3       `bson:",inline"`
	Rest     map[string]int64 `bson:",inline"`
}

type Embedded2 struct {
	In2 string
	Int int // hidden by Zoo.Int
}

type Embedded3 struct {
	In3  string
	More *Embedded4 `bson:",inline"`
}

type Embedded4 struct{ In4 string }

func zoo() *Zoo {
	long := int64(1) << 40 // an int cannot hold it on every system
	raw, _ := official.Marshal(doc("r", "aw"))
	u, _ := url.Parse("https://example.com/a?b=c#d")
	in := &Inner{X: 3, Y: "y"}
	return &Zoo{
		ID: testID, Int: int(long), Int8: -8, Int16: -16, Int32: -32, Int64: 64, Min64: 64, Uint: 1, Uint8: 8, Uint16: 16,
		Uint32: 32, Uint64: 64, UMin: 7, F32: 1.5, F64: 2.25, Bool: true, Str: "str", Time: testTime, Dur: time.Second,
		Bytes: []byte{1}, NBytes: namedBytes{2}, Arr4: [4]byte{1, 2, 3, 4}, Arr2: [2]int{5, 6}, Ptr: in, PtrPtr: &in,
		Inner: Inner{X: 1}, Inners: []Inner{{X: 1}, {Y: "z"}}, PInners: []*Inner{nil, in}, Strings: []string{"a", ""},
		NStrings: namedSlice{"n"}, Any: int32(5), AnyDoc: doc("a", doc("b", "c")), Anys: []any{nil, "x", int64(7)},
		M: bson.M{"k": "v"}, NMap: namedMap{"k": int32(1)}, MapInt: map[int]string{-5: "five"},
		MapUint: map[uint8]Inner{5: {X: 5}}, MapText: map[textKey]bool{{'a', 'b'}: true}, MapStr: map[string]string{"a": "b"},
		MapIn: map[namedString]*Inner{"k": in}, D: doc("d", "d"), ND: namedD{{Key: "nd", Value: "x"}}, A: bson.A{true, nil},
		E2: [2]bson.E{{Key: "e", Value: int32(1)}, {Key: "f", Value: "g"}}, Raw: raw,
		RawValue: bson.RawValue{Type: bson.TypeInt32, Value: []byte{1, 0, 0, 0}}, Num: "12", Float: "1.5", URL: *u, PURL: u,
		Decimal: decimal("9.99"), Bin: bson.Binary{Subtype: 4, Data: []byte{9}}, Regex: bson.Regex{Pattern: "p", Options: "xi"},
		TS: bson.Timestamp{T: 1, I: 2}, JS: "js", Sym: "sym", Code: bson.CodeWithScope{Code: "c", Scope: doc("s", "t")},
		DBP: bson.DBPointer{DB: "db", Pointer: testID}, Vec: bson.NewVector([]int8{1, 2}), DateTime: 77, NInt: 9,
		Method: docMethod{4}, PMethod: &docMethod{5}, Pointer: pointerMethod{}, PPointer: &pointerMethod{},
		Embedded: Embedded{3}, Inlined: Embedded2{In2: "in2", Int: 99}, PInlined: &Embedded3{In3: "in3"},
		Rest: map[string]int64{"rest": 8}, hidden: 1,
	}
}
