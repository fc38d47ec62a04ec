package engine

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// opaqueSubtype marks values of types that bsonkit cannot hold. They travel
// inside the engine as binaries and leave it as they came.
const opaqueSubtype = 0xf7

// decode turns raw BSON into the form that bsonkit works on.
func decode(raw []byte) (bson.D, error) {
	if len(raw) == 0 {
		return bson.D{}, nil
	}
	var d bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return nil, Errorf(CodeFailedToParse, "invalid BSON: %v", err)
	}
	if d == nil {
		d = bson.D{}
	}
	for i := range d {
		d[i].Value = hide(d[i].Value)
	}
	return d, nil
}

// encode is the inverse of decode.
func encode(d bson.D) ([]byte, error) {
	raw, err := bson.Marshal(reveal(d))
	if err != nil {
		return nil, Errorf(CodeBadValue, "cannot encode document: %v", err)
	}
	return raw, nil
}

func hide(v any) any {
	switch t := v.(type) {
	case bson.D:
		for i := range t {
			t[i].Value = hide(t[i].Value)
		}
	case bson.A:
		for i := range t {
			t[i] = hide(t[i])
		}
	case primitive.MinKey, primitive.MaxKey, primitive.Undefined, primitive.JavaScript,
		primitive.Symbol, primitive.DBPointer, primitive.CodeWithScope:
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
		if err != nil {
			return nil
		}
		return primitive.Binary{Subtype: opaqueSubtype, Data: raw}
	case primitive.Null:
		return nil
	}
	return v
}

// reveal returns v with opaque values restored. It copies only what holds some.
func reveal(v any) any {
	switch t := v.(type) {
	case bson.D:
		var out bson.D
		for i := range t {
			if w, changed := revealed(t[i].Value); changed {
				if out == nil {
					out = append(bson.D{}, t...)
				}
				out[i].Value = w
			}
		}
		if out != nil {
			return out
		}
	case bson.A:
		var out bson.A
		for i := range t {
			if w, changed := revealed(t[i]); changed {
				if out == nil {
					out = append(bson.A{}, t...)
				}
				out[i] = w
			}
		}
		if out != nil {
			return out
		}
	}
	return v
}

func revealed(v any) (any, bool) {
	switch t := v.(type) {
	case bson.D:
		if len(t) == 0 {
			return v, false
		}
		w := reveal(t).(bson.D)
		return w, &w[0] != &t[0]
	case bson.A:
		if len(t) == 0 {
			return v, false
		}
		w := reveal(t).(bson.A)
		return w, &w[0] != &t[0]
	case primitive.Binary:
		if t.Subtype == opaqueSubtype {
			var d bson.D
			if bson.Unmarshal(t.Data, &d) == nil && len(d) == 1 {
				return d[0].Value, true
			}
		}
	case bsonkit.MissingType:
		return nil, true
	}
	return v, false
}

// Key returns a string that two values share exactly when the server holds
// them equal: 1, 1.0 and NumberLong(1) have the same one.
func Key(v any) string { return string(appendKey(nil, v)) }

func appendKey(b []byte, v any) []byte {
	sized := func(kind byte, s string) []byte {
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(len(s)))
		return append(b, s...)
	}
	switch t := v.(type) {
	case nil, bsonkit.MissingType:
		return append(b, 'n')
	case int32:
		return sized('d', strconv.FormatInt(int64(t), 10))
	case int64:
		return sized('d', strconv.FormatInt(t, 10))
	case float64:
		return sized('d', floatKey(t))
	case primitive.Decimal128:
		return sized('d', decimalKey(t))
	case string:
		return sized('s', t)
	case bool:
		if t {
			return append(b, 'T')
		}
		return append(b, 'F')
	case primitive.ObjectID:
		return sized('i', string(t[:]))
	case primitive.DateTime:
		return sized('t', strconv.FormatInt(int64(t), 10))
	case primitive.Timestamp:
		return sized('m', strconv.FormatUint(uint64(t.T)<<32|uint64(t.I), 10))
	case primitive.Binary:
		return sized('b', string(append([]byte{t.Subtype}, t.Data...)))
	case primitive.Regex:
		return sized('r', t.Pattern+"\x00"+t.Options)
	case bson.D:
		b = append(b, 'o')
		b = binary.AppendUvarint(b, uint64(len(t)))
		for _, e := range t {
			b = append(append(b, e.Key...), 0)
			b = appendKey(b, e.Value)
		}
		return b
	case bson.A:
		b = append(b, 'a')
		b = binary.AppendUvarint(b, uint64(len(t)))
		for _, e := range t {
			b = appendKey(b, e)
		}
		return b
	}
	return append(b, '?')
}

func floatKey(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == math.Trunc(f) && math.Abs(f) < 1<<63:
		return strconv.FormatInt(int64(f), 10)
	}
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exp)
	if i := strings.IndexByte(mantissa, '.'); i >= 0 {
		e -= len(mantissa) - i - 1
		mantissa = mantissa[:i] + mantissa[i+1:]
	}
	n, _ := new(big.Int).SetString(mantissa, 10)
	return scaledKey(n, e)
}

func decimalKey(d primitive.Decimal128) string {
	n, exp, err := d.BigInt()
	if err != nil {
		switch {
		case d.IsNaN():
			return "nan"
		case d.IsInf() > 0:
			return "inf"
		default:
			return "-inf"
		}
	}
	return scaledKey(n, exp)
}

// scaledKey writes n*10^exp in one form per value.
func scaledKey(n *big.Int, exp int) string {
	if n.Sign() == 0 {
		return "0"
	}
	s := n.String()
	trimmed := strings.TrimRight(s, "0")
	exp += len(s) - len(trimmed)
	if exp >= 0 && exp < 40 {
		return trimmed + strings.Repeat("0", exp)
	}
	return trimmed + "e" + strconv.Itoa(exp)
}

// truthy is the server's idea of a true value.
func truthy(v any) bool {
	switch t := v.(type) {
	case nil, bsonkit.MissingType:
		return false
	case bool:
		return t
	case int32:
		return t != 0
	case int64:
		return t != 0
	case float64:
		return t != 0
	case primitive.Decimal128:
		return decimalKey(t) != "0"
	}
	return true
}

// integer returns an integral number of any numeric type.
func integer(v any) (int64, bool) {
	switch t := v.(type) {
	case int32:
		return int64(t), true
	case int64:
		return t, true
	case float64:
		if t == math.Trunc(t) && math.Abs(t) < 1<<63 {
			return int64(t), true
		}
	case primitive.Decimal128:
		n, err := strconv.ParseInt(decimalKey(t), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int32, int64, float64, primitive.Decimal128:
		return true
	}
	return false
}

func toFloat(v any) float64 {
	switch t := v.(type) {
	case int32:
		return float64(t)
	case int64:
		return float64(t)
	case float64:
		return t
	case primitive.Decimal128:
		f, _ := strconv.ParseFloat(t.String(), 64)
		return f
	}
	return math.NaN()
}

func field(d bson.D, key string) (any, bool) {
	for _, e := range d {
		if e.Key == key {
			return e.Value, true
		}
	}
	return nil, false
}

// fold lowers the case of all strings in v: how comparisons under a collation
// of strength 1 or 2 see it.
func fold(v any) any {
	switch t := v.(type) {
	case string:
		return strings.ToLower(t)
	case bson.D:
		out := make(bson.D, len(t))
		for i, e := range t {
			out[i] = bson.E{Key: e.Key, Value: fold(e.Value)}
		}
		return out
	case bson.A:
		out := make(bson.A, len(t))
		for i, e := range t {
			out[i] = fold(e)
		}
		return out
	}
	return v
}
