package bson_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// Structs of the zoo: what embedding, inlining, shadowing and recursion do.

// zTree refers to itself in every way.
type zTree struct {
	Name     string
	Left     *zTree           `bson:"l,omitempty"`
	Right    *zTree           `bson:"r"`
	Children []zTree          `bson:"c,omitempty"`
	Pointers []*zTree         `bson:"p,omitempty"`
	ByName   map[string]zTree `bson:"m,omitempty"`
	Any      any              `bson:"any,omitempty"`
}

// zPing and zPong refer to each other.
type (
	zPing struct {
		Pong *zPong
		N    int32
	}
	zPong struct {
		Ping []zPing `bson:",omitempty"`
		S    string
	}
)

type zBase struct {
	ID   official.ObjectID `bson:"_id"`
	Name string
	A    int32
}

// Embedded without a tag is a field like any other.
type (
	zEmbeds        struct{ zExported }
	zEmbedsPtr     struct{ *zExported }
	zExported      struct{ A, B int32 }
	ZExported      struct{ A, B int32 }
	zEmbedsPublic  struct{ ZExported }
	zEmbedsPublicP struct{ *ZExported }
)

// Inlined, by value, by pointer, twice over, with what it shadows.
type (
	zInline struct {
		zBase     `bson:",inline"`
		ZExported `bson:",inline"`
		C         string
	}
	zInlinePtr struct {
		*ZExported `bson:",inline"`
		C          string
	}
	zInlineNamed struct {
		Base zBase      `bson:",inline"`
		Ptr  *ZExported `bson:"ignored,inline"`
		Z    int32
	}
	zInlineDeep struct {
		X    int32
		Deep zInlinePtr `bson:",inline"`
		More struct {
			Ptr *struct {
				D int32
				E *int32
			} `bson:",inline"`
		} `bson:",inline"`
	}
	zShadow struct {
		ZExported `bson:",inline"`
		A         string
	}
	zShadowDeep struct {
		Outer struct {
			ZExported `bson:",inline"`
			D         int32
		} `bson:",inline"`
		Inner ZNamesB `bson:",inline"`
	}
	ZNamesB    struct{ B string }
	zInlineMap struct {
		A    int32
		Rest map[string]any `bson:",inline"`
	}
	zInlineM struct {
		A    int32
		Rest official.M `bson:",inline"`
		B    int32
	}
	zInlineInts struct {
		Rest map[string]int32 `bson:",inline"`
		A    string
	}
	zInlineZoo struct {
		V zMarshaler `bson:",inline"`
		W zTree      `bson:",inline"`
	}
)

// What cannot work, and when that is found out.
type (
	zDuplicate struct {
		A, B int32 `bson:"x"`
	}
	zDuplicateIn struct {
		zExported1 `bson:",inline"`
		ZExported  `bson:",inline"`
		ZNamesB    `bson:",inline"`
	}
	zExported1 struct{ A int32 }
	zTwoMaps   struct {
		A, B map[string]any `bson:",inline"`
	}
	zInlineIntKey struct {
		A map[int]any `bson:",inline"`
	}
	zInlineInt struct {
		A int `bson:",inline"`
	}
	zInlineSlice struct {
		A []int `bson:",inline"`
	}
	zInlinePtrInt struct {
		A *int `bson:",inline"`
	}
	zInlineMapNamedKey struct {
		A map[zString]any `bson:",inline"`
	}
	zHidesBad struct {
		Bad  *zDuplicate
		Bads []zTwoMaps
		N    int32
	}
	zUnsupported struct {
		A int32
		C chan int   `bson:",omitempty"`
		F func()     `bson:",omitempty"`
		X complex128 `bson:",omitempty"`
		U uintptr    `bson:",omitempty"`
	}
	zUnsupportedPlain struct {
		C chan int
	}
	zUnsupportedPtr struct {
		C *chan int
		M map[string]func()
		S []complex64
	}
)

// zTags tries what people write into tags.
type zTags struct {
	JSON      int32            `json:"j"`
	Both      int32            `json:"j2" bson:"b2"`
	Dash      int32            `bson:"-"`
	DashComma int32            `bson:"-,"`
	Empty     int32            `bson:""`
	Spaces    int32            `bson:" sp "`
	Unknown   int32            `bson:"u,unknown,omitempty"`
	Dotted    int32            `bson:"a.b"`
	Dollar    int32            `bson:"$d"`
	Upper     int32            `bson:"UP"`
	MinSize   int64            `bson:",minsize"`
	MinUint   uint64           `bson:"mu,minsize"`
	MinNested map[string]int64 `bson:",minsize"`
	MinAny    any              `bson:",minsize"`
	MinPtr    *int64           `bson:",minsize"`
	MinStruct struct {
		N int64
		P *uint32
	} `bson:",minsize"`
	MinSlice   []uint    `bson:",minsize"`
	Trunc      int8      `bson:",truncate"`
	TruncF     float32   `bson:",truncate"`
	TruncPtr   *int64    `bson:",truncate"`
	TruncUint  uint16    `bson:",truncate"`
	TruncSlice []float32 `bson:",truncate"`
	TruncSt    struct {
		N int32
		F float32
	} `bson:",truncate"`
	NameOmit string `bson:"omitempty"`
	ÜnïCode  string
	_        int32
}

// zAll has a field of every type that BSON knows.
type zAll struct {
	Double    float64
	String    string
	Doc       official.D
	M         official.M
	Array     official.A
	Binary    official.Binary
	Undefined official.Undefined
	ID        official.ObjectID
	Bool      bool
	DateTime  official.DateTime
	Null      official.Null
	Regex     official.Regex
	DBPointer official.DBPointer
	Code      official.JavaScript
	Symbol    official.Symbol
	Scope     official.CodeWithScope
	Int32     int32
	Timestamp official.Timestamp
	Int64     int64
	Decimal   official.Decimal128
	MinKey    official.MinKey
	MaxKey    official.MaxKey
	Raw       official.Raw
	RawValue  official.RawValue
	Any       any
	Time      time.Time
	Bytes     []byte
	Array16   [16]byte
	Number    json.Number
	URL       url.URL
	URLPtr    *url.URL
	Vector    official.Vector
	Elements  []official.E
	TwoE      [2]official.E
	E         official.E
}

// zMeet is decoded from documents that were made with no regard to it: its
// fields have the keys that those use and disagree about the types.
type zMeet struct {
	A    int32
	B    string
	C    *zMeet
	D    []any
	AB   map[string]float64
	ID   official.ObjectID
	ID2  any `bson:"_id"`
	Name []byte
	X1   official.RawValue
	Ünï  time.Time
	Rest map[string]any `bson:",inline"`
}

// zMeet2 wants other types.
type zMeet2 struct {
	A    float32 `bson:",truncate"`
	B    *string
	C    struct{ A, B, C any }
	D    [3]int64
	AB   []official.D
	ID   string
	ID2  official.Binary `bson:"_id"`
	Name fmt.Stringer
	X1   bool
	Ünï  uint8
}

var zooStructs = []reflect.Type{
	reflect.TypeFor[zTree](), reflect.TypeFor[zPing](), reflect.TypeFor[zPong](), reflect.TypeFor[zBase](),
	reflect.TypeFor[zEmbeds](), reflect.TypeFor[zEmbedsPtr](), reflect.TypeFor[zEmbedsPublic](), reflect.TypeFor[zEmbedsPublicP](),
	reflect.TypeFor[zInline](), reflect.TypeFor[zInlinePtr](), reflect.TypeFor[zInlineNamed](), reflect.TypeFor[zInlineDeep](),
	reflect.TypeFor[zShadow](), reflect.TypeFor[zShadowDeep](), reflect.TypeFor[zInlineMap](), reflect.TypeFor[zInlineM](),
	reflect.TypeFor[zInlineInts](), reflect.TypeFor[zInlineZoo](), reflect.TypeFor[zDuplicate](), reflect.TypeFor[zDuplicateIn](),
	reflect.TypeFor[zTwoMaps](), reflect.TypeFor[zInlineIntKey](), reflect.TypeFor[zInlineInt](), reflect.TypeFor[zInlineSlice](),
	reflect.TypeFor[zInlinePtrInt](), reflect.TypeFor[zInlineMapNamedKey](), reflect.TypeFor[zHidesBad](), reflect.TypeFor[zUnsupported](),
	reflect.TypeFor[zUnsupportedPlain](), reflect.TypeFor[zUnsupportedPtr](), reflect.TypeFor[zTags](), reflect.TypeFor[zAll](),
	reflect.TypeFor[zMeet](), reflect.TypeFor[zMeet2](), reflect.TypeFor[zOmit](),
}
