package bson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/spectest"
)

type vectorFile struct {
	Description string
	TestKey     string `json:"test_key"`
	Tests       []vectorCase
}

type vectorCase struct {
	Description   string
	Valid         bool
	Vector        json.RawMessage
	DtypeHex      string `json:"dtype_hex"`
	DtypeAlias    string `json:"dtype_alias"`
	Padding       int
	CanonicalBSON corpusHex `json:"canonical_bson"`
}

var vectorSkips = spectest.Skips{}

func TestBinaryVector(t *testing.T) {
	dir := spectest.Dir(t, "bson-binary-vector")
	tally := spectest.NewTally(t, "bson-binary-vector", vectorSkips)
	for _, name := range spectest.Files(t, dir, "*.json") {
		var file vectorFile
		spectest.Read(t, name, &file)
		for _, c := range file.Tests {
			tally.Run(t, spectest.Name(dir, name)+"/"+c.Description, func(t *testing.T) { runVector(t, file.TestKey, c) })
		}
	}
}

func runVector(t *testing.T, key string, c vectorCase) {
	vector, err := makeVector(c)
	if !c.Valid {
		if c.Vector != nil && err == nil {
			t.Errorf("a vector is made of %s with padding %d: %v", c.Vector, c.Padding, vector)
		}
		if c.CanonicalBSON != nil {
			var m map[string]bson.Vector
			if err := bson.Unmarshal(c.CanonicalBSON, &m); err == nil {
				t.Errorf("%x decodes as %v", []byte(c.CanonicalBSON), m)
			}
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		bson.D{{Key: key, Value: vector}}, map[string]bson.Vector{key: vector}, map[string]*bson.Vector{key: &vector},
		bson.M{key: vector.Binary()},
	} {
		if got, err := bson.Marshal(v); err != nil || !bytes.Equal(got, c.CanonicalBSON) {
			t.Errorf("%T encodes to %x, %v, want %x", v, got, err, []byte(c.CanonicalBSON))
		}
	}
	var m map[string]bson.Vector
	if err := bson.Unmarshal(c.CanonicalBSON, &m); err != nil {
		t.Fatal(err)
	}
	if got := m[key]; vectorText(got) != vectorText(vector) {
		t.Errorf("decodes to %s, want %s", vectorText(got), vectorText(vector))
	}
}

// makeVector builds the vector of a case. What Go's types rule out, an int8 of
// 200 or padding on floats, is an error here.
func makeVector(c vectorCase) (bson.Vector, error) {
	switch c.DtypeHex {
	case "0x03":
		var data []int8
		err := json.Unmarshal(c.Vector, &data)
		return bson.NewVector(data), errors.Join(err, noPadding(c))
	case "0x27":
		data, err := floats(c.Vector)
		return bson.NewVector(data), errors.Join(err, noPadding(c))
	case "0x10":
		var numbers []uint8
		var padding uint8
		err := json.Unmarshal([]byte(fmt.Sprint(c.Padding)), &padding)
		if err == nil {
			var list []json.RawMessage // []uint8 itself is base64 in JSON
			err = json.Unmarshal(c.Vector, &list)
			for _, item := range list {
				var b uint8
				err = errors.Join(err, json.Unmarshal(item, &b))
				numbers = append(numbers, b)
			}
		}
		if err != nil {
			return bson.Vector{}, err
		}
		return bson.NewPackedBitVector(numbers, padding)
	}
	return bson.Vector{}, fmt.Errorf("unknown type %s", c.DtypeHex)
}

func noPadding(c vectorCase) error {
	if c.Padding != 0 {
		return errors.New("only bits have padding")
	}
	return nil
}

func floats(data json.RawMessage) ([]float32, error) {
	var list []any
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	out := make([]float32, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case float64:
			out[i] = float32(v)
		case map[string]any:
			sign := map[any]int{"Infinity": 1, "-Infinity": -1}[v["$numberDouble"]]
			if sign == 0 {
				return nil, fmt.Errorf("unknown number %v", v)
			}
			out[i] = float32(math.Inf(sign))
		default:
			return nil, fmt.Errorf("unknown number %v", v)
		}
	}
	return out, nil
}

func vectorText(v bson.Vector) string {
	switch v.Type() {
	case bson.Int8Vector:
		return fmt.Sprint("int8 ", v.Int8())
	case bson.Float32Vector:
		return fmt.Sprint("float32 ", v.Float32())
	case bson.PackedBitVector:
		bits, padding := v.PackedBit()
		return fmt.Sprint("bits ", bits, " padding ", padding)
	}
	return "no vector"
}

// TestVectorIgnoredBits is the specification's prose test: bits that do not
// count must be zero. The constructor and the reading are the official
// package's, which lets them be and keeps them; the specification allows that
// for what was released before.
func TestVectorIgnoredBits(t *testing.T) {
	v, err := bson.NewPackedBitVector([]byte{0xff}, 7)
	if err != nil {
		return // the preferred way
	}
	doc, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]bson.Vector
	if err := bson.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	if bits, padding := m["v"].PackedBit(); len(bits) != 1 || bits[0] != 0xff || padding != 7 {
		t.Errorf("the ignored bits are not kept: %x, padding %d", bits, padding)
	}
}
