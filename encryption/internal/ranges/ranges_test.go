package ranges

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
)

func valueOf(t testing.TB, v any) bsonwire.Value {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{"v", v}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := bsonwire.Lookup(doc, "v")
	return got
}

// constants are the names of numbers in the vectors.
var constants = map[string]string{
	"INT32_MIN": "-2147483648", "INT32_MAX": "2147483647", "INT64_MIN": "-9223372036854775808", "INT64_MAX": "9223372036854775807",
	"DBL_MIN": "2.2250738585072014e-308", "DBL_MAX": "1.7976931348623157e308",
	"MC_DEC128_LARGEST_POSITIVE": "9.999999999999999999999999999999999E+6144", "MC_DEC128_LARGEST_NEGATIVE": "-9.999999999999999999999999999999999E+6144",
	"MC_DEC128_SMALLEST_POSITIVE": "1E-6176", "MC_DEC128_SMALLEST_NEGATIVE": "-1E-6176",
}

// number reads a number of the vectors as a value of the kind.
func number(t *testing.T, kind, s string) bsonwire.Value {
	t.Helper()
	if c, ok := constants[s]; ok {
		s = c
	}
	var v any
	var err error
	switch kind {
	case "int32":
		var i int64
		i, err = strconv.ParseInt(s, 0, 32)
		v = int32(i)
	case "int64":
		v, err = strconv.ParseInt(s, 0, 64)
	case "double":
		v, err = strconv.ParseFloat(s, 64)
	case "decimal128":
		v, err = bson.ParseDecimal128(s)
	}
	if err != nil {
		t.Fatalf("%s %q: %v", kind, s, err)
	}
	return valueOf(t, v)
}

type optional struct {
	Set   bool
	Value string
}

type vector struct {
	Value, LowerBound, UpperBound        string
	IncludeLowerBound, IncludeUpperBound bool
	Sparsity                             string
	Min, Max, Precision                  optional
	ExpectEdges, ExpectMincoverStrings   []string
}

// domain is the vector's. Without a precision the bounds of doubles and decimals do not count.
func (v *vector) domain(t *testing.T, kind string) (*Domain, error) {
	t.Helper()
	trim := int32(0)
	o := Options{TrimFactor: &trim}
	o.Sparsity, _ = strconv.ParseInt(v.Sparsity, 10, 64)
	if v.Precision.Set {
		p, err := strconv.Atoi(v.Precision.Value)
		if err != nil {
			t.Fatal(err)
		}
		precision := int32(p)
		o.Precision = &precision
	}
	if v.Min.Set && (v.Precision.Set || strings.HasPrefix(kind, "int")) {
		o.Min, o.Max = number(t, kind, v.Min.Value), number(t, kind, v.Max.Value)
	} else if kind == "int32" {
		o.Min, o.Max = valueOf(t, int32(math.MinInt32)), valueOf(t, int32(math.MaxInt32))
	} else if kind == "int64" {
		o.Min, o.Max = valueOf(t, int64(math.MinInt64)), valueOf(t, int64(math.MaxInt64))
	}
	types := map[string]bson.Type{"int32": bson.TypeInt32, "int64": bson.TypeInt64, "double": bson.TypeDouble, "decimal128": bson.TypeDecimal128}
	return New(types[kind], o)
}

// impossible reports whether the vector's bounds do not go with its precision: that is refused since libmongocrypt
// 1.11, and the vectors still have what earlier versions made of it.
func (v *vector) impossible(kind string) bool {
	if !v.Precision.Set {
		return false
	}
	precision, _ := strconv.Atoi(v.Precision.Value)
	for _, bound := range []string{v.Min.Value, v.Max.Value} {
		f, _ := strconv.ParseFloat(bound, 64)
		f *= math.Pow10(precision)
		if kind == "double" && (f != math.Trunc(f) || f >= 1<<53) || f >= 1<<127 {
			return true
		}
	}
	return false
}

func TestEdgeVectors(t *testing.T) {
	for _, kind := range []string{"int32", "int64", "double", "decimal128"} {
		var vectors []vector
		cryptdata.JSON(t, &vectors, "range-edge-generation", "edges_"+kind+".json")
		if len(vectors) == 0 {
			t.Errorf("%s has no vectors", kind)
		}
		for i, v := range vectors {
			d, err := v.domain(t, kind)
			if err != nil {
				t.Fatal(err)
			}
			edges, leaf, err := d.Edges(number(t, kind, v.Value))
			if err != nil || !slices.Equal(edges, v.ExpectEdges) || leaf != v.ExpectEdges[1] {
				t.Errorf("%s %d: edges of %s: %v\n%q, want\n%q", kind, i, v.Value, err, edges, v.ExpectEdges)
			}
		}
	}
}

func TestCoverVectors(t *testing.T) {
	for _, file := range []string{"int32", "int64", "double", "double_precision", "decimal128", "decimal128_precision"} {
		kind, _, _ := strings.Cut(file, "_")
		var vectors []vector
		cryptdata.JSON(t, &vectors, "range-min-cover", "mincover_"+file+".json")
		if len(vectors) == 0 {
			t.Errorf("%s has no vectors", kind)
		}
		for i, v := range vectors {
			d, err := v.domain(t, kind)
			if v.impossible(kind) != (err != nil) {
				t.Errorf("%s %d: %v", file, i, err)
			}
			if err != nil {
				continue
			}
			got, err := d.Cover(number(t, kind, v.LowerBound), number(t, kind, v.UpperBound), v.IncludeLowerBound, v.IncludeUpperBound)
			if err != nil || !slices.Equal(got, v.ExpectMincoverStrings) {
				t.Errorf("%s %d: cover of %s to %s: %v\n%q, want\n%q", file, i, v.LowerBound, v.UpperBound, err, got, v.ExpectMincoverStrings)
			}
		}
	}
}

// TestCoverMeetsEdges is what it is all for: a value has an edge in the cover of a query exactly if it is in the range.
func TestCoverMeetsEdges(t *testing.T) {
	for _, sparsity := range []int64{1, 2, 3, 5} {
		for trim := range int32(6) {
			d, err := New(bson.TypeInt32, Options{Min: valueOf(t, int32(-20)), Max: valueOf(t, int32(25)), Sparsity: sparsity, TrimFactor: &trim})
			if err != nil {
				t.Fatal(err)
			}
			for from := int32(-20); from <= 25; from++ {
				for to := from; to <= 25; to += 3 {
					cover, err := d.Cover(valueOf(t, from), valueOf(t, to), true, true)
					if err != nil {
						t.Fatal(err)
					}
					for v := int32(-20); v <= 25; v++ {
						edges, _, err := d.Edges(valueOf(t, v))
						if err != nil {
							t.Fatal(err)
						}
						met := slices.ContainsFunc(edges, func(e string) bool { return slices.Contains(cover, e) })
						if met != (from <= v && v <= to) {
							t.Fatalf("sparsity %d, trim %d: %d in [%d, %d]: %v", sparsity, trim, v, from, to, met)
						}
					}
				}
			}
		}
	}
}

// TestOrder compares the places of numbers with the order of the numbers.
func TestOrder(t *testing.T) {
	place := func(d *Domain, v any) uint128 {
		p, err := d.place(valueOf(t, v))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	doubles, _ := New(bson.TypeDouble, Options{})
	list := []float64{-math.MaxFloat64, -1e9, -2, -1.5, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 1.5, 2, 1e9, math.MaxFloat64}
	for i := 1; i < len(list); i++ {
		if !place(doubles, list[i-1]).less(place(doubles, list[i])) {
			t.Errorf("%v is not before %v", list[i-1], list[i])
		}
	}
	if place(doubles, 0.0) != place(doubles, math.Copysign(0, -1)) {
		t.Error("0 and -0 have different places")
	}
	decimals, _ := New(bson.TypeDecimal128, Options{})
	names := []string{"-9.999999999999999999999999999999999E+6144", "-1E+10", "-2", "-1.5", "-1E-6176", "0", "1E-6176", "10E-6176", "1", "1.5", "2", "1E+10", "1E+6144"}
	dec := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for i := 1; i < len(names); i++ {
		if !place(decimals, dec(names[i-1])).less(place(decimals, dec(names[i]))) {
			t.Errorf("%s is not before %s", names[i-1], names[i])
		}
	}
	for _, equal := range [][2]string{{"1", "1.000"}, {"10E+3", "1E+4"}, {"0", "-0E+5"}} {
		if place(decimals, dec(equal[0])) != place(decimals, dec(equal[1])) {
			t.Errorf("%s and %s have different places", equal[0], equal[1])
		}
	}
}

func TestRefuses(t *testing.T) {
	dec := func(s string) bsonwire.Value {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return valueOf(t, d)
	}
	two, negative := new(int32(2)), new(int32(-1))
	for name, c := range map[string]struct {
		kind bson.Type
		o    Options
	}{
		"strings":                  {bson.TypeString, Options{}},
		"no bounds":                {bson.TypeInt32, Options{}},
		"one bound":                {bson.TypeInt32, Options{Min: valueOf(t, int32(1))}},
		"another type":             {bson.TypeInt32, Options{Min: valueOf(t, int64(1)), Max: valueOf(t, int64(2))}},
		"min above max":            {bson.TypeInt64, Options{Min: valueOf(t, int64(2)), Max: valueOf(t, int64(1))}},
		"min is max":               {bson.TypeInt64, Options{Min: valueOf(t, int64(2)), Max: valueOf(t, int64(2))}},
		"sparsity below 0":         {bson.TypeDouble, Options{Sparsity: -1}},
		"trim factor below 0":      {bson.TypeDouble, Options{TrimFactor: negative}},
		"trim factor too large":    {bson.TypeInt32, Options{Min: valueOf(t, int32(0)), Max: valueOf(t, int32(3)), TrimFactor: two}},
		"double without precision": {bson.TypeDouble, Options{Min: valueOf(t, 1.0), Max: valueOf(t, 2.0)}},
		"precision without bounds": {bson.TypeDouble, Options{Precision: two}},
		"too precise bounds":       {bson.TypeDouble, Options{Min: valueOf(t, 1.234), Max: valueOf(t, 2.0), Precision: two}},
		"too large doubles":        {bson.TypeDouble, Options{Min: valueOf(t, 0.0), Max: valueOf(t, 1e15), Precision: two}},
		"infinite doubles":         {bson.TypeDouble, Options{Min: valueOf(t, 0.0), Max: valueOf(t, math.Inf(1)), Precision: two}},
		"NaN":                      {bson.TypeDouble, Options{Min: valueOf(t, math.NaN()), Max: valueOf(t, 1.0), Precision: two}},
		"decimal min above max":    {bson.TypeDecimal128, Options{Min: dec("2"), Max: dec("1"), Precision: two}},
		"too precise decimals":     {bson.TypeDecimal128, Options{Min: dec("1.234"), Max: dec("2"), Precision: two}},
		"too large decimals":       {bson.TypeDecimal128, Options{Min: dec("1"), Max: dec("1E+6000"), Precision: two}},
		"infinite decimals":        {bson.TypeDecimal128, Options{Min: dec("1"), Max: dec("Infinity"), Precision: two}},
	} {
		if _, err := New(c.kind, c.o); err == nil {
			t.Errorf("%s: taken for a range", name)
		}
	}
	d, err := New(bson.TypeInt32, Options{Min: valueOf(t, int32(0)), Max: valueOf(t, int32(7))})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{int32(-1), int32(8), int64(1), "1"} {
		if _, _, err := d.Edges(valueOf(t, v)); err == nil {
			t.Errorf("%v has edges", v)
		}
	}
	for _, c := range []struct {
		from, to int32
		in1, in2 bool
	}{{7, 7, false, true}, {0, 0, true, false}, {3, 3, false, false}, {4, 3, true, true}} {
		if cover, err := d.Cover(valueOf(t, c.from), valueOf(t, c.to), c.in1, c.in2); err == nil {
			t.Errorf("%+v has a cover: %q", c, cover)
		}
	}
}

// FuzzPlaces looks for values whose edges do not meet the cover of just them.
func FuzzPlaces(f *testing.F) {
	f.Add(int64(5), 1.5, uint64(0), uint64(1), int32(0), int64(1))
	f.Fuzz(func(t *testing.T, i int64, x float64, h, l uint64, trim int32, sparsity int64) {
		for _, v := range []any{i, x, bson.NewDecimal128(h, l), bson.DateTime(i)} {
			value := valueOf(t, v)
			o := Options{Sparsity: sparsity, TrimFactor: &trim}
			if _, ok := v.(int64); ok {
				o.Min, o.Max = valueOf(t, int64(math.MinInt64)), valueOf(t, int64(math.MaxInt64))
			}
			d, err := New(value.Type, o)
			if err != nil {
				continue
			}
			edges, _, err := d.Edges(value)
			if err != nil {
				continue
			}
			cover, err := d.Cover(value, value, true, true)
			if err != nil || len(cover) != 1 || !slices.Contains(edges, cover[0]) {
				t.Fatal(fmt.Sprint(v, edges, cover, err))
			}
		}
	})
}
