package bson_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"
)

// newValue returns a pointer to a random value of the type.
func (c *choices) newValue(t reflect.Type, depth int) reflect.Value {
	p := reflect.New(t)
	c.fill(p.Elem(), depth)
	return p
}

// fill sets v, which can be set, to a random value.
func (c *choices) fill(v reflect.Value, depth int) {
	if c.fillKnown(v, depth) {
		return
	}
	switch t := v.Type(); t.Kind() {
	case reflect.Bool:
		v.SetBool(c.oneIn(2))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(c.int64())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		u := uint64(c.int64())
		if c.n(16) > 0 {
			u &= math.MaxInt64
		}
		v.SetUint(u)
	case reflect.Float32:
		v.SetFloat(float64(float32(c.float64())))
	case reflect.Float64:
		v.SetFloat(c.float64())
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(1, float64(c.n(3))))
	case reflect.String:
		v.SetString(c.string())
	case reflect.Pointer:
		if depth > 0 && !c.oneIn(4) {
			v.Set(reflect.New(t.Elem()))
			c.fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		c.fillSlice(v, depth)
	case reflect.Array:
		for i := range v.Len() {
			c.fill(v.Index(i), depth-1)
		}
	case reflect.Map:
		c.fillMap(v, depth)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				c.fill(f, depth-1)
			}
		}
	case reflect.Interface:
		c.fillInterface(v, depth)
	case reflect.Chan:
		if c.oneIn(2) {
			v.Set(reflect.MakeChan(t, 0))
		}
	}
}

func (c *choices) fillSlice(v reflect.Value, depth int) {
	switch n := c.n(5); {
	case n == 4:
		v.SetZero()
	case depth <= 0:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	default:
		v.Set(reflect.MakeSlice(v.Type(), n, n+c.n(3)))
		for i := range n {
			c.fill(v.Index(i), depth-1)
		}
	}
}

func (c *choices) fillMap(v reflect.Value, depth int) {
	n := pick(c, []int{0, 1, 1, 1, 1, 2, 3, -1})
	if n < 0 {
		v.SetZero()
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	if depth <= 0 {
		return
	}
	for range n {
		key := reflect.New(v.Type().Key()).Elem()
		switch {
		case key.Kind() == reflect.String:
			key.SetString(c.key())
			if c.oneIn(60) {
				key.SetString("nul\x00here")
			}
		case key.Type() == reflect.TypeFor[encoding.TextMarshaler]():
			key.Set(reflect.ValueOf(official.ObjectID{1, byte(c.n(3))}))
		default:
			c.fill(key, 2)
		}
		if key.Kind() == reflect.Interface && !key.IsNil() && !(key.Elem().Type().Comparable() && key.Elem().Comparable()) {
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		c.fill(value, depth-1)
		v.SetMapIndex(key, value)
	}
}

// fillInterface puts something into v that implements its type, typed nil
// pointers included.
func (c *choices) fillInterface(v reflect.Value, depth int) {
	if c.oneIn(6) {
		return
	}
	for range 8 {
		t := c.goType(min(depth-1, 1))
		p := c.newValue(t, depth-1)
		switch {
		case t.Implements(v.Type()):
			v.Set(p.Elem())
			return
		case p.Type().Implements(v.Type()):
			v.Set(p)
			return
		}
	}
}

// fillKnown fills the types whose insides random values do not fit.
func (c *choices) fillKnown(v reflect.Value, depth int) bool {
	if !v.CanAddr() {
		return false
	}
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = c.time()
	case *zTime:
		*p = zTime(c.time())
	case *url.URL:
		*p = c.url()
	case *zURL:
		*p = zURL(c.url())
	case *json.Number:
		*p = json.Number(pick(c, []string{"", "0", "-1", "2147483648", "1.5", "1e400", "1e3", "9223372036854775808", "17", "18", "-2.25", "NaN", "x"}))
	case *official.Raw:
		*p = c.raw(depth)
	case *zRaw:
		*p = zRaw(c.raw(depth))
	case *official.RawArray:
		*p = c.array(nil, depth-1)
	case *official.RawValue:
		typ := pick(c, everyType)
		*p = official.RawValue{Type: typ, Value: c.payload(nil, typ, 1)}
		if c.oneIn(60) {
			*p = official.RawValue{}
		}
	case *official.Binary:
		*p = official.Binary{Subtype: pick(c, []byte{0, 2, 2, 3, 4, 9, 0x80}), Data: c.bytes(20)}
	case *official.Vector:
		*p = c.vector()
	case *official.Regex:
		*p = official.Regex{Pattern: pick(c, []string{"", "^a.*b$", "ü+", "a", "b", "c", "d", "a\x00b"}), Options: pick(c, []string{"", "i", "mi", "xsmi", "", "i", "mi", "xsmi", "", "z\x00"})}
	case *official.D:
		*p = c.d(depth)
	case *official.E:
		*p = c.e(depth)
	case *official.Decimal128:
		*p = official.NewDecimal128(c.uint64(), c.uint64())
	case *[]byte:
		*p = c.bytes(20)
	case *zMarshalFunc:
		if c.oneIn(2) {
			*p = func() int32 { return 5 }
		}
	case *func():
		if c.oneIn(2) {
			*p = func() {}
		}
	case *zMarshaler: // its error often enough, yet not always
		p.N = pick(c, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, -1})
	case *zValueMarshaler:
		p.V = pick(c, []int64{0, 1, 2, 3, 4, 5, 1 << 40, -1})
	default:
		return false
	}
	return true
}

func (c *choices) raw(depth int) official.Raw {
	switch {
	case c.oneIn(40):
		return nil
	case c.oneIn(40):
		return official.Raw(c.bytes(6))
	}
	return c.document(nil, min(depth-1, 2))
}

func (c *choices) e(depth int) official.E {
	e := official.E{Key: c.key()}
	if c.oneIn(60) {
		e.Key = "nul\x00here"
	}
	if depth > 0 {
		c.fill(reflect.ValueOf(&e.Value).Elem(), depth-1)
	}
	return e
}

func (c *choices) d(depth int) official.D {
	n := c.n(5)
	if n == 4 {
		return nil
	}
	d := make(official.D, n, n+c.n(2))
	for i := range d {
		d[i] = c.e(depth)
	}
	return d
}

var zones = []*time.Location{time.UTC, time.FixedZone("east", 3600), time.FixedZone("", -5*3600-30)}

func (c *choices) time() time.Time {
	switch c.n(6) {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(0, 0)
	}
	return time.Unix(c.int64()%(1<<33), int64(c.n(1e9))).In(pick(c, zones))
}

func (c *choices) url() url.URL {
	u, err := url.Parse(pick(c, []string{
		"", "http://example.com/a?b=c#d", "mongodb://u:p@h:1/db", "/just/a/path", "mailto:a@b.c", "http://[::1]:80/%7Efoo",
	}))
	if err != nil {
		panic(fmt.Sprint("a URL of this table does not parse: ", err))
	}
	return *u
}

func (c *choices) vector() official.Vector {
	switch c.n(4) {
	case 0:
		data := make([]int8, c.n(4))
		for i := range data {
			data[i] = int8(c.n(256))
		}
		return official.NewVector(data)
	case 1:
		data := make([]float32, c.n(4))
		for i := range data {
			data[i] = float32(c.float64())
		}
		return official.NewVector(data)
	case 2:
		bits := []byte{byte(c.n(256)), byte(c.n(256)) &^ 7}
		v, err := official.NewPackedBitVector(bits, uint8(c.n(4)))
		if err != nil {
			panic(fmt.Sprint("a vector of bits with little padding is refused: ", err))
		}
		return v
	}
	v, _ := official.NewPackedBitVector(nil, 0)
	return v
}
