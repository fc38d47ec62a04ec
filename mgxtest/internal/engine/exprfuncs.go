package engine

import (
	"math"
	"strings"
	"time"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// function is an operator that works on evaluated arguments. A negative max
// is no limit.
type function struct {
	min, max int
	run      func(args []any) (any, error)
}

func now() primitive.DateTime { return primitive.NewDateTimeFromTime(time.Now()) }

var functions = map[string]*function{
	"$add":         {0, -1, addAll},
	"$subtract":    {2, 2, subtract},
	"$multiply":    {0, -1, multiplyAll},
	"$divide":      {2, 2, divide},
	"$mod":         {2, 2, modulo},
	"$abs":         {1, 1, rounding(math.Abs)},
	"$ceil":        {1, 1, rounding(math.Ceil)},
	"$floor":       {1, 1, rounding(math.Floor)},
	"$cmp":         {2, 2, func(a []any) (any, error) { return int32(bsonkit.Compare(a[0], a[1])), nil }},
	"$eq":          comparison(func(n int) bool { return n == 0 }),
	"$ne":          comparison(func(n int) bool { return n != 0 }),
	"$gt":          comparison(func(n int) bool { return n > 0 }),
	"$gte":         comparison(func(n int) bool { return n >= 0 }),
	"$lt":          comparison(func(n int) bool { return n < 0 }),
	"$lte":         comparison(func(n int) bool { return n <= 0 }),
	"$not":         {1, 1, func(a []any) (any, error) { return !truthy(a[0]), nil }},
	"$ifNull":      {2, -1, ifNull},
	"$in":          {2, 2, inArray},
	"$concat":      {0, -1, concat},
	"$toUpper":     {1, 1, onString(strings.ToUpper)},
	"$toLower":     {1, 1, onString(strings.ToLower)},
	"$strLenBytes": {1, 1, func(a []any) (any, error) { s, _ := a[0].(string); return int32(len(s)), nil }},
	"$strLenCP":    {1, 1, func(a []any) (any, error) { s, _ := a[0].(string); return int32(len([]rune(s))), nil }},
	"$substr":      {3, 3, substring},
	"$substrBytes": {3, 3, substring},
	"$substrCP":    {3, 3, substring},
	"$split":       {2, 2, split},
	"$size":        {1, 1, size},
	"$isArray":     {1, 1, func(a []any) (any, error) { _, ok := a[0].(bson.A); return ok, nil }},
	"$isNumber":    {1, 1, func(a []any) (any, error) { return isNumber(a[0]), nil }},
	"$arrayElemAt": {2, 2, func(a []any) (any, error) { return elementAt(a[0], a[1]) }},
	"$first":       {1, 1, func(a []any) (any, error) { return elementAt(a[0], int32(0)) }},
	"$last":        {1, 1, func(a []any) (any, error) { return elementAt(a[0], int32(-1)) }},
	"$concatArrays": {0, -1, func(a []any) (any, error) {
		out := bson.A{}
		for _, v := range a {
			list, ok := v.(bson.A)
			if !ok {
				return nil, nil
			}
			out = append(out, list...)
		}
		return out, nil
	}},
	"$slice": {2, 3, func(a []any) (any, error) {
		if len(a) == 3 {
			return sliceValue(a[0], bson.A{a[1], a[2]})
		}
		return sliceValue(a[0], a[1])
	}},
	"$reverseArray":  {1, 1, reverseArray},
	"$range":         {2, 3, rangeOf},
	"$mergeObjects":  {0, -1, mergeObjects},
	"$objectToArray": {1, 1, objectToArray},
	"$arrayToObject": {1, 1, arrayToObject},
	"$type":          {1, 1, func(a []any) (any, error) { return typeName(a[0]), nil }},
	"$sum":           {0, -1, accumulateArgs("$sum")},
	"$avg":           {0, -1, accumulateArgs("$avg")},
	"$min":           {0, -1, accumulateArgs("$min")},
	"$max":           {0, -1, accumulateArgs("$max")},
}

func comparison(ok func(int) bool) *function {
	return &function{2, 2, func(a []any) (any, error) {
		// A missing value sorts before null.
		if (a[0] == bsonkit.Missing) != (a[1] == bsonkit.Missing) && isNull(a[0]) && isNull(a[1]) {
			if a[0] == bsonkit.Missing {
				return ok(-1), nil
			}
			return ok(1), nil
		}
		return ok(bsonkit.Compare(a[0], a[1])), nil
	}}
}

func arithmetic(args []any, fn func(a, b any) any) (any, error) {
	var acc any
	for i, v := range args {
		if isNull(v) {
			return nil, nil
		}
		if !isNumber(v) {
			return nil, Errorf(16554, "arithmetic only supports numeric types, not %s", typeName(v))
		}
		if i == 0 {
			acc = v
			continue
		}
		if acc = fn(acc, v); acc == bsonkit.Missing {
			return nil, Errorf(16608, "arithmetic failed")
		}
	}
	return acc, nil
}

func addAll(args []any) (any, error) {
	for i, v := range args {
		if t, ok := v.(primitive.DateTime); ok {
			rest, err := arithmetic(append(append([]any{}, args[:i]...), args[i+1:]...), bsonkit.Add)
			if err != nil || rest == nil {
				return t, err
			}
			return t + primitive.DateTime(toFloat(rest)), nil
		}
	}
	if len(args) == 0 {
		return int32(0), nil
	}
	return arithmetic(args, bsonkit.Add)
}

func multiplyAll(args []any) (any, error) {
	if len(args) == 0 {
		return int32(1), nil
	}
	return arithmetic(args, bsonkit.Mul)
}

func subtract(a []any) (any, error) {
	if l, ok := a[0].(primitive.DateTime); ok {
		if r, ok := a[1].(primitive.DateTime); ok {
			return int64(l - r), nil
		}
		return l - primitive.DateTime(toFloat(a[1])), nil
	}
	if isNull(a[0]) || isNull(a[1]) {
		return nil, nil
	}
	return arithmetic([]any{a[0], bsonkit.Mul(a[1], int32(-1))}, bsonkit.Add)
}

func divide(a []any) (any, error) {
	if isNull(a[0]) || isNull(a[1]) {
		return nil, nil
	}
	if !isNumber(a[0]) || !isNumber(a[1]) {
		return nil, Errorf(16609, "$divide only supports numeric types, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	if toFloat(a[1]) == 0 {
		return nil, Errorf(CodeBadValue, "can't $divide by zero")
	}
	return toFloat(a[0]) / toFloat(a[1]), nil
}

func modulo(a []any) (any, error) {
	if isNumber(a[1]) && toFloat(a[1]) == 0 {
		return nil, Errorf(16610, "can't $mod by zero")
	}
	return arithmetic(a, bsonkit.Mod)
}

func rounding(fn func(float64) float64) func([]any) (any, error) {
	return func(a []any) (any, error) {
		switch t := a[0].(type) {
		case nil, bsonkit.MissingType:
			return nil, nil
		case float64:
			return fn(t), nil
		case int32:
			return int32(fn(float64(t))), nil
		case int64:
			return int64(fn(float64(t))), nil
		}
		return a[0], nil
	}
}

func ifNull(a []any) (any, error) {
	for _, v := range a[:len(a)-1] {
		if !isNull(v) {
			return v, nil
		}
	}
	return a[len(a)-1], nil
}

func inArray(a []any) (any, error) {
	list, ok := a[1].(bson.A)
	if !ok {
		return nil, Errorf(40081, "$in requires an array as a second argument, found: %s", typeName(a[1]))
	}
	for _, item := range list {
		if bsonkit.Compare(item, a[0]) == 0 {
			return true, nil
		}
	}
	return false, nil
}

func concat(a []any) (any, error) {
	var b strings.Builder
	for _, v := range a {
		if isNull(v) {
			return nil, nil
		}
		s, ok := v.(string)
		if !ok {
			return nil, Errorf(16702, "$concat only supports strings, not %s", typeName(v))
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func onString(fn func(string) string) func([]any) (any, error) {
	return func(a []any) (any, error) { s, _ := a[0].(string); return fn(s), nil }
}

func substring(a []any) (any, error) {
	s, _ := a[0].(string)
	start, _ := integer(a[1])
	length, _ := integer(a[2])
	r := []rune(s)
	start = max(0, min(start, int64(len(r))))
	end := int64(len(r))
	if length >= 0 && length < end-start {
		end = start + length
	}
	return string(r[start:end]), nil
}

func split(a []any) (any, error) {
	if isNull(a[0]) {
		return nil, nil
	}
	s, _ := a[0].(string)
	sep, _ := a[1].(string)
	out := bson.A{}
	for _, p := range strings.Split(s, sep) {
		out = append(out, p)
	}
	return out, nil
}

func size(a []any) (any, error) {
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, Errorf(17124, "The argument to $size must be an array, but was of type: %s", typeName(a[0]))
	}
	return int32(len(list)), nil
}

func elementAt(v, at any) (any, error) {
	if isNull(v) || isNull(at) {
		return nil, nil
	}
	list, ok := v.(bson.A)
	n, okN := integer(at)
	if !ok || !okN {
		return nil, Errorf(28689, "$arrayElemAt's first argument must be an array, but is %s", typeName(v))
	}
	if n < 0 {
		n += int64(len(list))
	}
	if n < 0 || n >= int64(len(list)) {
		return bsonkit.Missing, nil
	}
	return list[n], nil
}

func reverseArray(a []any) (any, error) {
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, nil
	}
	out := make(bson.A, len(list))
	for i, v := range list {
		out[len(list)-1-i] = v
	}
	return out, nil
}

// maxRange bounds how long an array $range makes.
const maxRange = 1 << 20

func rangeOf(a []any) (any, error) {
	bounds := [3]int64{2: 1}
	for i, v := range a {
		n, ok := integer(v)
		if !ok || n != int64(int32(n)) {
			return nil, Errorf(34444, "$range requires values that can be represented as a 32-bit integer, found %v", display(v))
		}
		bounds[i] = n
	}
	start, end, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return nil, Errorf(34449, "$range requires a non-zero step value")
	}
	if (end-start)/step > maxRange {
		return nil, Errorf(CodeBadValue, "$range is too long")
	}
	out := bson.A{}
	for i := start; step > 0 && i < end || step < 0 && i > end; i += step {
		out = append(out, int32(i))
	}
	return out, nil
}

func mergeObjects(a []any) (any, error) {
	if len(a) == 1 {
		if list, ok := a[0].(bson.A); ok {
			a = list
		}
	}
	out := bson.D{}
	for _, v := range a {
		if isNull(v) {
			continue
		}
		d, ok := v.(bson.D)
		if !ok {
			return nil, Errorf(40400, "$mergeObjects requires object inputs, but input is of type %s", typeName(v))
		}
		for _, e := range d {
			out = setPath(out, []string{e.Key}, e.Value)
		}
	}
	return out, nil
}

func objectToArray(a []any) (any, error) {
	d, ok := a[0].(bson.D)
	if !ok {
		return nil, nil
	}
	out := bson.A{}
	for _, e := range d {
		out = append(out, bson.D{{Key: "k", Value: e.Key}, {Key: "v", Value: e.Value}})
	}
	return out, nil
}

func arrayToObject(a []any) (any, error) {
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, nil
	}
	out := bson.D{}
	for _, item := range list {
		switch t := item.(type) {
		case bson.D:
			k, _ := field(t, "k")
			v, _ := field(t, "v")
			name, _ := k.(string)
			out = setPath(out, []string{name}, v)
		case bson.A:
			if len(t) != 2 {
				return nil, Errorf(40396, "$arrayToObject needs pairs")
			}
			name, _ := t[0].(string)
			out = setPath(out, []string{name}, t[1])
		}
	}
	return out, nil
}
