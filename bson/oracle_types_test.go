package bson_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

var plainTypes = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
	reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](),
	reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[string](), reflect.TypeFor[any](), reflect.TypeFor[any](),
}

var bsonTypes = []reflect.Type{
	reflect.TypeFor[official.D](), reflect.TypeFor[official.M](), reflect.TypeFor[official.A](), reflect.TypeFor[official.E](),
	reflect.TypeFor[official.Raw](), reflect.TypeFor[official.RawValue](), reflect.TypeFor[official.RawArray](),
	reflect.TypeFor[official.ObjectID](), reflect.TypeFor[official.Decimal128](), reflect.TypeFor[official.DateTime](),
	reflect.TypeFor[official.Timestamp](), reflect.TypeFor[official.Binary](), reflect.TypeFor[official.Regex](),
	reflect.TypeFor[official.JavaScript](), reflect.TypeFor[official.CodeWithScope](), reflect.TypeFor[official.Symbol](),
	reflect.TypeFor[official.DBPointer](), reflect.TypeFor[official.MinKey](), reflect.TypeFor[official.MaxKey](),
	reflect.TypeFor[official.Undefined](), reflect.TypeFor[official.Null](), reflect.TypeFor[official.Vector](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[json.Number](), reflect.TypeFor[url.URL](), reflect.TypeFor[*url.URL](),
	reflect.TypeFor[[]byte](), reflect.TypeFor[[16]byte](), reflect.TypeFor[[]official.E](), reflect.TypeFor[official.RawElement](),
	reflect.TypeFor[time.Duration](), reflect.TypeFor[official.Type](),
}

var unsupportedTypes = []reflect.Type{
	reflect.TypeFor[chan int](), reflect.TypeFor[func()](), reflect.TypeFor[complex128](), reflect.TypeFor[uintptr](),
}

// goType returns a random type.
func (c *choices) goType(depth int) reflect.Type {
	kinds := 20
	if depth <= 0 {
		kinds = 12
	}
	switch c.n(kinds) {
	case 0, 1, 2, 3, 4:
		return pick(c, plainTypes)
	case 5, 6, 7, 8:
		return pick(c, bsonTypes)
	case 9, 10:
		return pick(c, zooTypes)
	case 11:
		if c.oneIn(10) {
			return pick(c, unsupportedTypes)
		}
		return reflect.TypeFor[any]()
	case 12, 13:
		return reflect.SliceOf(c.goType(depth - 1))
	case 14:
		return reflect.ArrayOf(c.n(4), c.goType(depth-1))
	case 15:
		if c.oneIn(4) {
			return reflect.MapOf(pick(c, keyTypes), c.goType(depth-1))
		}
		return reflect.MapOf(reflect.TypeFor[string](), c.goType(depth-1))
	case 16:
		return reflect.PointerTo(c.goType(depth - 1))
	case 17:
		return pick(c, zooStructs)
	default:
		return c.structType(depth - 1)
	}
}

var someTags = []string{
	`bson:"%,omitempty"`, `bson:"%,minsize"`, `bson:"%,truncate"`, `bson:"%,omitempty,minsize,truncate"`,
	`bson:"-"`, `bson:"-,"`, `%`, `%,omitempty`, `json:"%"`, `json:"%" bson:"y,minsize"`, `bson:",unknown"`, `bson:""`,
}

// structType returns a struct with some of the fields that documents are likely
// to have, with all kinds of tags.
func (c *choices) structType(depth int) reflect.Type {
	var fields []reflect.StructField
	used := map[string]bool{}
	for i := range pick(c, []int{0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6}) {
		key := c.key()
		f := reflect.StructField{Name: goName(key), Type: c.goType(depth)}
		if used[f.Name] {
			f.Name = "F" + strconv.Itoa(i)
		}
		used[f.Name] = true
		switch tag := pick(c, someTags); {
		case !tagSafe(key):
		case c.oneIn(2):
			f.Tag = reflect.StructTag(`bson:"` + key + `"`)
		case c.oneIn(2):
			f.Tag = reflect.StructTag(strings.ReplaceAll(tag, "%", key))
		}
		if c.oneIn(8) {
			c.inline(&f, depth)
		}
		if c.oneIn(25) {
			f.Name, f.PkgPath = "hidden"+strconv.Itoa(i), "github.com/mgxdb/mgx/bson_test"
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// inline makes f an inlined field, mostly of a type that can be inlined.
func (c *choices) inline(f *reflect.StructField, depth int) {
	f.Tag = `bson:",inline"`
	switch c.n(6) {
	case 0, 1:
		f.Type = c.structType(depth - 1)
	case 2:
		f.Type = reflect.PointerTo(c.structType(depth - 1))
	case 3:
		f.Type = reflect.MapOf(reflect.TypeFor[string](), c.goType(depth-1))
	case 4:
		f.Type = pick(c, zooStructs)
	}
}

// goName returns the name of a field whose key is this, as far as there is one.
func goName(key string) string {
	var b strings.Builder
	for _, r := range key {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	name := b.String()
	if name == "" || unicode.IsDigit([]rune(name)[0]) {
		return "X" + name
	}
	return string(unicode.ToUpper([]rune(name)[0])) + name[len(string([]rune(name)[:1])):]
}

func tagSafe(key string) bool { return !strings.ContainsAny(key, "\"`\\") }
