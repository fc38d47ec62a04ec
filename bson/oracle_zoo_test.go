package bson_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// The zoo: types written by hand that have what reflect.StructOf cannot make,
// above all methods. Each is tried alone and as a field of random structs.

// Named types of every kind.
type (
	zBool    bool
	zInt     int
	zInt8    int8
	zInt16   int16
	zInt32   int32
	zInt64   int64
	zUint    uint
	zUint8   uint8
	zUint16  uint16
	zUint32  uint32
	zUint64  uint64
	zFloat32 float32
	zFloat64 float64
	zString  string
	zBytes   []byte
	zBytes2  []zUint8
	zArray   [3]byte
	zArray2  [2]zUint8
	zInts    []int
	zMap     map[string]int
	zMapAny  map[zString]any
	zD       official.D
	zEs      []official.E
	zM       official.M
	zA       official.A
	zRaw     official.Raw
	zTime    time.Time
	zID      official.ObjectID
	zAny     any
	zPointer *int32
	zStrings []string
	zDT      official.DateTime
	zNumber  json.Number
	zURL     url.URL
	zE       official.E
)

// zMarshaler has MarshalBSON and UnmarshalBSON on value and pointer.
type zMarshaler struct{ N int32 }

func (z zMarshaler) MarshalBSON() ([]byte, error) {
	if z.N == -1 {
		return nil, errors.New("minus one")
	}
	return official.Marshal(official.D{{Key: "wrapped", Value: z.N}})
}

func (z *zMarshaler) UnmarshalBSON(data []byte) error {
	v, err := official.Raw(data).LookupErr("wrapped")
	if err != nil {
		return err
	}
	z.N, _ = v.Int32OK()
	return nil
}

// zPtrMarshaler has all of it on the pointer.
type zPtrMarshaler struct{ S string }

func (z *zPtrMarshaler) MarshalBSON() ([]byte, error) {
	if z == nil {
		return nil, errors.New("nil")
	}
	return official.Marshal(official.D{{Key: "p", Value: z.S}})
}

func (z *zPtrMarshaler) UnmarshalBSON(data []byte) error {
	z.S = fmt.Sprintf("%d:%x", len(data), data)
	return nil
}

// zValueMarshaler writes itself as a value, of a type that depends.
type zValueMarshaler struct{ V int64 }

func (z zValueMarshaler) MarshalBSONValue() (byte, []byte, error) {
	if z.V == -1 {
		return 0, nil, errors.New("minus one")
	}
	if z.V == 0 {
		return byte(official.TypeNull), nil, nil
	}
	t, data, err := official.MarshalValue(strconv.FormatInt(z.V, 10))
	return byte(t), data, err
}

func (z *zValueMarshaler) UnmarshalBSONValue(t byte, data []byte) error {
	if t == byte(official.TypeBoolean) {
		return errors.New("no booleans")
	}
	z.V = int64(t)*1000 + int64(len(data))
	return nil
}

// zPtrValueMarshaler has them on the pointer.
type zPtrValueMarshaler struct{ V int32 }

func (z *zPtrValueMarshaler) MarshalBSONValue() (byte, []byte, error) {
	if z == nil {
		return byte(official.TypeMinKey), nil, nil
	}
	t, data, err := official.MarshalValue(official.D{{Key: "v", Value: z.V}})
	return byte(t), data, err
}

func (z *zPtrValueMarshaler) UnmarshalBSONValue(t byte, data []byte) error {
	z.V = int32(t)<<8 + int32(len(data))
	return nil
}

// zBoth implements both kinds; the one for values goes first.
type zBoth struct{ N int32 }

func (z zBoth) MarshalBSON() ([]byte, error) {
	return official.Marshal(official.D{{Key: "doc", Value: z.N}})
}
func (z zBoth) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := official.MarshalValue(z.N)
	return byte(t), data, err
}
func (z *zBoth) UnmarshalBSON(data []byte) error { z.N = -int32(len(data)); return nil }
func (z *zBoth) UnmarshalBSONValue(t byte, data []byte) error {
	z.N = int32(t)
	return nil
}

// zMixed marshals as a value by pointer, as a document by value.
type zMixed struct{ N int32 }

func (z zMixed) MarshalBSON() ([]byte, error) {
	return official.Marshal(official.D{{Key: "doc", Value: z.N}})
}
func (z *zMixed) MarshalBSONValue() (byte, []byte, error) {
	if z == nil {
		return byte(official.TypeMaxKey), nil, nil
	}
	t, data, err := official.MarshalValue(z.N)
	return byte(t), data, err
}

// Types of other kinds with methods.
type (
	zMarshalString string
	zMarshalMap    map[string]int32
	zMarshalSlice  []int32
	zMarshalInt    int64
	zMarshalFunc   func() int32
)

func (z zMarshalString) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := official.MarshalValue("<" + string(z) + ">")
	return byte(t), data, err
}

func (z *zMarshalString) UnmarshalBSONValue(t byte, data []byte) error {
	s, ok := official.RawValue{Type: official.Type(t), Value: data}.StringValueOK()
	if !ok {
		return fmt.Errorf("type %d", t)
	}
	*z = zMarshalString(strings.Trim(s, "<>"))
	return nil
}

func (z zMarshalMap) MarshalBSON() ([]byte, error) {
	return official.Marshal(official.D{{Key: "len", Value: int32(len(z))}})
}

func (z zMarshalMap) UnmarshalBSON(data []byte) error {
	if z == nil {
		return errors.New("nil map")
	}
	z["bytes"] = int32(len(data))
	return nil
}

func (z zMarshalSlice) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := official.MarshalValue(int32(len(z)))
	return byte(t), data, err
}

func (z *zMarshalSlice) UnmarshalBSONValue(t byte, data []byte) error {
	*z = append(*z, int32(t), int32(len(data)))
	return nil
}

func (z *zMarshalInt) MarshalBSONValue() (byte, []byte, error) {
	if z == nil {
		return 0, nil, errors.New("nil")
	}
	t, data, err := official.MarshalValue(float64(*z))
	return byte(t), data, err
}

func (z zMarshalFunc) MarshalBSONValue() (byte, []byte, error) {
	if z == nil {
		return byte(official.TypeNull), nil, nil
	}
	t, data, err := official.MarshalValue(z())
	return byte(t), data, err
}

// zText implements encoding.TextMarshaler, which counts for map keys only.
type zText struct{ X, Y int }

func (z zText) MarshalText() ([]byte, error) {
	if z.X == -1 {
		return nil, errors.New("minus one")
	}
	return fmt.Appendf(nil, "%d/%d", z.X, z.Y), nil
}

func (z *zText) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d/%d", &z.X, &z.Y)
	return err
}

// zTextString is a string with the text methods.
type zTextString string

func (z zTextString) MarshalText() ([]byte, error) { return []byte("text:" + string(z)), nil }
func (z *zTextString) UnmarshalText(b []byte) error {
	*z = zTextString("untext:" + string(b))
	return nil
}

// zKey implements KeyMarshaler and KeyUnmarshaler; zPtrKey on the pointer.
type (
	zKey    struct{ K int32 }
	zKeyInt int
	zPtrKey struct{ K int32 }
)

func (z zKey) MarshalKey() (string, error) {
	if z.K == -1 {
		return "", errors.New("minus one")
	}
	return "k:" + strconv.Itoa(int(z.K)), nil
}

func (z *zKey) UnmarshalKey(key string) error {
	if key == "b" {
		return errors.New("no b")
	}
	z.K = int32(len(key))
	return nil
}
func (z zKeyInt) MarshalKey() (string, error)     { return "i" + strconv.Itoa(int(z)), nil }
func (z *zPtrKey) MarshalKey() (string, error)    { return "p" + strconv.Itoa(int(z.K)), nil }
func (z *zPtrKey) UnmarshalKey(key string) error  { z.K = int32(len(key)); return nil }
func (z zPtrKey) MarshalText() ([]byte, error)    { return fmt.Appendf(nil, "t%d", z.K), nil }
func (z *zKeyInt) UnmarshalText(key []byte) error { *z = zKeyInt(len(key)); return nil }

// Zeroers, on value and pointer, of several kinds.
type (
	zZero       struct{ N int32 }
	zPtrZero    struct{ N int32 }
	zZeroInt    int32
	zZeroSlice  []int32
	zZeroMap    map[string]int32
	zZeroString string
)

func (z zZero) IsZero() bool       { return z.N == 7 }
func (z *zPtrZero) IsZero() bool   { return z == nil || z.N == 7 }
func (z zZeroInt) IsZero() bool    { return z == 7 }
func (z zZeroSlice) IsZero() bool  { return len(z) == 1 }
func (z zZeroMap) IsZero() bool    { return len(z) == 1 }
func (z zZeroString) IsZero() bool { return z == "a" }

// zOmit has a field of each with omitempty.
type zOmit struct {
	Z    zZero               `bson:",omitempty"`
	PZ   *zZero              `bson:",omitempty"`
	ZP   zPtrZero            `bson:",omitempty"`
	PZP  *zPtrZero           `bson:",omitempty"`
	I    zZeroInt            `bson:",omitempty"`
	S    zZeroSlice          `bson:",omitempty"`
	M    zZeroMap            `bson:",omitempty"`
	Str  zZeroString         `bson:",omitempty"`
	T    time.Time           `bson:",omitempty"`
	ID   zID                 `bson:",omitempty"`
	OID  official.ObjectID   `bson:",omitempty"`
	Any  any                 `bson:",omitempty"`
	E    struct{}            `bson:",omitempty"`
	St   struct{ A int }     `bson:",omitempty"`
	Arr  [0]int              `bson:",omitempty"`
	Ar2  [2]int              `bson:",omitempty"`
	D    official.D          `bson:",omitempty"`
	B    []byte              `bson:",omitempty"`
	F    float64             `bson:",omitempty"`
	Bo   bool                `bson:",omitempty"`
	Raw  official.Raw        `bson:",omitempty"`
	RV   official.RawValue   `bson:",omitempty"`
	Str2 fmt.Stringer        `bson:",omitempty"`
	Dec  official.Decimal128 `bson:",omitempty"`
	Min  int64               `bson:",omitempty,minsize"`
}

// zText and its like are named here so that nobody doubts what they implement.
var (
	_ official.Marshaler        = zMarshaler{}
	_ official.Unmarshaler      = (*zMarshaler)(nil)
	_ official.ValueMarshaler   = (*zPtrValueMarshaler)(nil)
	_ official.ValueUnmarshaler = (*zBoth)(nil)
	_ official.KeyMarshaler     = zKey{}
	_ official.KeyUnmarshaler   = (*zKey)(nil)
	_ official.Zeroer           = zZero{}
	_ encoding.TextMarshaler    = zText{}
)

var zooTypes = []reflect.Type{
	reflect.TypeFor[zBool](), reflect.TypeFor[zInt](), reflect.TypeFor[zInt8](), reflect.TypeFor[zInt16](),
	reflect.TypeFor[zInt32](), reflect.TypeFor[zInt64](), reflect.TypeFor[zUint](), reflect.TypeFor[zUint8](),
	reflect.TypeFor[zUint16](), reflect.TypeFor[zUint32](), reflect.TypeFor[zUint64](), reflect.TypeFor[zFloat32](),
	reflect.TypeFor[zFloat64](), reflect.TypeFor[zString](), reflect.TypeFor[zBytes](), reflect.TypeFor[zBytes2](),
	reflect.TypeFor[zArray](), reflect.TypeFor[zArray2](), reflect.TypeFor[zInts](), reflect.TypeFor[zMap](),
	reflect.TypeFor[zMapAny](), reflect.TypeFor[zD](), reflect.TypeFor[zEs](), reflect.TypeFor[zM](),
	reflect.TypeFor[zA](), reflect.TypeFor[zRaw](), reflect.TypeFor[zTime](), reflect.TypeFor[zID](),
	reflect.TypeFor[zAny](), reflect.TypeFor[zPointer](), reflect.TypeFor[zStrings](), reflect.TypeFor[zDT](),
	reflect.TypeFor[zNumber](), reflect.TypeFor[zURL](), reflect.TypeFor[zE](),
	reflect.TypeFor[zMarshaler](), reflect.TypeFor[zPtrMarshaler](), reflect.TypeFor[zValueMarshaler](),
	reflect.TypeFor[zPtrValueMarshaler](), reflect.TypeFor[zBoth](), reflect.TypeFor[zMixed](),
	reflect.TypeFor[zMarshalString](), reflect.TypeFor[zMarshalMap](), reflect.TypeFor[zMarshalSlice](),
	reflect.TypeFor[zMarshalInt](), reflect.TypeFor[zMarshalFunc](), reflect.TypeFor[zText](), reflect.TypeFor[zTextString](),
	reflect.TypeFor[zKey](), reflect.TypeFor[zZero](), reflect.TypeFor[zPtrZero](), reflect.TypeFor[zZeroInt](),
	reflect.TypeFor[zZeroSlice](), reflect.TypeFor[zZeroMap](), reflect.TypeFor[zZeroString](), reflect.TypeFor[zOmit](),
	reflect.TypeFor[official.Marshaler](), reflect.TypeFor[official.ValueMarshaler](), reflect.TypeFor[official.Unmarshaler](),
	reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[error](),
}

// keyTypes are what maps are keyed by; some of them nobody can encode.
var keyTypes = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[zString](),
	reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
	reflect.TypeFor[uintptr](), reflect.TypeFor[zInt](), reflect.TypeFor[zUint8](), reflect.TypeFor[bool](), reflect.TypeFor[float64](),
	reflect.TypeFor[official.ObjectID](), reflect.TypeFor[zID](), reflect.TypeFor[zText](), reflect.TypeFor[*zText](), reflect.TypeFor[zTextString](),
	reflect.TypeFor[zKey](), reflect.TypeFor[*zKey](), reflect.TypeFor[zKeyInt](), reflect.TypeFor[zPtrKey](), reflect.TypeFor[*zPtrKey](),
	reflect.TypeFor[[2]int](), reflect.TypeFor[any](), reflect.TypeFor[time.Time](), reflect.TypeFor[encoding.TextMarshaler](),
	reflect.TypeFor[official.DateTime](), reflect.TypeFor[official.Symbol](), reflect.TypeFor[zZeroString](), reflect.TypeFor[struct{ A int }](),
}
