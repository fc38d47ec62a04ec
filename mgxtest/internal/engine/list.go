package engine

import (
	"math"
	"slices"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

func init() {
	functions["$setEquals"] = &function{2, -1, func(a []any) (any, error) {
		sets, null, err := setsOf("$setEquals", a)
		if err != nil || null {
			return nil, err
		}
		for _, s := range sets[1:] {
			if !subset(sets[0], s) || !subset(s, sets[0]) {
				return false, nil
			}
		}
		return true, nil
	}}
	functions["$setIsSubset"] = &function{2, 2, func(a []any) (any, error) {
		sets, null, err := setsOf("$setIsSubset", a)
		if err != nil || null {
			return nil, err
		}
		return subset(sets[0], sets[1]), nil
	}}
	functions["$setUnion"] = &function{0, -1, combined("$setUnion", func(acc, s bson.A) bson.A { return append(slices.Clone(acc), s...) })}
	functions["$setIntersection"] = &function{0, -1, combined("$setIntersection", func(acc, s bson.A) bson.A { return kept(acc, s, true) })}
	functions["$setDifference"] = &function{2, 2, combined("$setDifference", func(acc, s bson.A) bson.A { return kept(acc, s, false) })}
	functions["$anyElementTrue"] = &function{1, 1, func(a []any) (any, error) { return elementsTrue("$anyElementTrue", a[0], true) }}
	functions["$allElementsTrue"] = &function{1, 1, func(a []any) (any, error) { return elementsTrue("$allElementsTrue", a[0], false) }}
	functions["$indexOfArray"] = &function{2, 4, indexOfArray}
	functions["$zip"] = namedFunction("$zip", zipped)
	functions["$sortArray"] = namedFunction("$sortArray", sortedArray)
	for _, op := range []string{"$firstN", "$lastN", "$minN", "$maxN"} {
		functions[op] = namedFunction(op, func(n named) (any, error) {
			v := n.get("input")
			list, ok := v.(bson.A)
			if !ok {
				return nil, Errorf(5788200, "Input must be an array, but is %s", typeName(v))
			}
			return someOf(op, n.get("n"), list)
		})
	}
	functions["$stdDevPop"] = &function{0, -1, accumulateArgs("$stdDevPop")}
	functions["$stdDevSamp"] = &function{0, -1, accumulateArgs("$stdDevSamp")}
	functions["$bsonSize"] = &function{1, 1, func(a []any) (any, error) {
		if isNull(a[0]) {
			return nil, nil
		}
		d, ok := a[0].(bson.D)
		if !ok {
			return nil, Errorf(31393, "$bsonSize requires a document input, found: %s", typeName(a[0]))
		}
		raw, err := encode(d)
		return int32(len(raw)), err
	}}
	functions["$binarySize"] = &function{1, 1, func(a []any) (any, error) {
		switch t := a[0].(type) {
		case string:
			return int32(len(t)), nil
		case primitive.Binary:
			return int32(len(t.Data)), nil
		case nil, bsonkit.MissingType:
			return nil, nil
		}
		return nil, Errorf(51276, "$binarySize requires a string or BinData argument, found: %s", typeName(a[0]))
	}}
	functions["$tsSecond"] = &function{1, 1, func(a []any) (any, error) {
		return ofTimestamp(a[0], func(t primitive.Timestamp) uint32 { return t.T })
	}}
	functions["$tsIncrement"] = &function{1, 1, func(a []any) (any, error) {
		return ofTimestamp(a[0], func(t primitive.Timestamp) uint32 { return t.I })
	}}
}

func ofTimestamp(v any, fn func(primitive.Timestamp) uint32) (any, error) {
	if isNull(v) {
		return nil, nil
	}
	t, ok := v.(primitive.Timestamp)
	if !ok {
		return nil, Errorf(5687301, "argument must be a timestamp, but is %s", typeName(v))
	}
	return int64(fn(t)), nil
}

// setsOf reads arguments that are sets. null means that one is.
func setsOf(op string, args []any) (sets []bson.A, null bool, err error) {
	for _, v := range args {
		if isNull(v) {
			if op == "$setEquals" || op == "$setIsSubset" {
				return nil, false, Errorf(17044, "All operands of %s must be arrays. One argument is of type: %s", op, typeName(v))
			}
			return nil, true, nil
		}
		list, ok := v.(bson.A)
		if !ok {
			return nil, false, Errorf(17044, "All operands of %s must be arrays. One argument is of type: %s", op, typeName(v))
		}
		sets = append(sets, list)
	}
	return sets, false, nil
}

func keysOf(list bson.A) map[string]bool {
	keys := map[string]bool{}
	for _, v := range list {
		keys[Key(v)] = true
	}
	return keys
}

func subset(a, b bson.A) bool {
	keys := keysOf(b)
	return !slices.ContainsFunc(a, func(v any) bool { return !keys[Key(v)] })
}

// kept returns the elements of a that are in b, or are not.
func kept(a, b bson.A, in bool) bson.A {
	keys := keysOf(b)
	out := bson.A{}
	for _, v := range a {
		if keys[Key(v)] == in {
			out = append(out, v)
		}
	}
	return out
}

func distinct(list bson.A) bson.A {
	seen := map[string]bool{}
	out := bson.A{}
	for _, v := range list {
		if k := Key(v); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}

func combined(op string, fn func(acc, s bson.A) bson.A) func([]any) (any, error) {
	return func(args []any) (any, error) {
		sets, null, err := setsOf(op, args)
		if err != nil || null {
			return nil, err
		}
		acc := bson.A{}
		for i, s := range sets {
			if i == 0 {
				acc = s
			} else {
				acc = fn(acc, s)
			}
		}
		acc = distinct(acc)
		if op != "$setDifference" {
			slices.SortStableFunc(acc, bsonkit.Compare)
		}
		return acc, nil
	}
}

func elementsTrue(op string, v any, anyOf bool) (any, error) {
	list, ok := v.(bson.A)
	if !ok {
		return nil, Errorf(17041, "%s's argument must be an array, but is %s", op, typeName(v))
	}
	return slices.ContainsFunc(list, func(v any) bool { return truthy(v) == anyOf }) == anyOf, nil
}

func indexOfArray(a []any) (any, error) {
	if isNull(a[0]) {
		return nil, nil
	}
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, Errorf(40090, "$indexOfArray requires an array as a first argument, found: %s", typeName(a[0]))
	}
	bounds := []int64{0, int64(len(list))}
	for i, v := range a[2:] {
		n, ok := integer(v)
		if !ok || n < 0 {
			return nil, Errorf(40096, "$indexOfArray requires non-negative integral indexes, found %s", display(v))
		}
		bounds[i] = min(n, int64(len(list)))
	}
	for i := bounds[0]; i < bounds[1]; i++ {
		if bsonkit.Compare(list[i], a[1]) == 0 {
			return int32(i), nil
		}
	}
	return int32(-1), nil
}

func zipped(n named) (any, error) {
	inputs, ok := n.get("inputs").(bson.A)
	if !ok || len(inputs) == 0 {
		return nil, Errorf(34461, "inputs must be an array of expressions, found %s", typeName(n.get("inputs")))
	}
	defaults, _ := n.get("defaults").(bson.A)
	shortest, longest := math.MaxInt, 0
	for _, in := range inputs {
		if isNull(in) {
			return nil, nil
		}
		list, ok := in.(bson.A)
		if !ok {
			return nil, Errorf(34468, "$zip found a non-array expression in input: %s", display(in))
		}
		shortest, longest = min(shortest, len(list)), max(longest, len(list))
	}
	length := shortest
	if truthy(n.get("useLongestLength")) {
		length = longest
	}
	out := bson.A{}
	for i := range length {
		row := bson.A{}
		for k, in := range inputs {
			v := elementOr(in.(bson.A), i)
			if v == bsonkit.Missing {
				v = nullIfMissing(elementOr(defaults, k))
			}
			row = append(row, v)
		}
		out = append(out, row)
	}
	return out, nil
}

func sortedArray(n named) (any, error) {
	v := n.get("input")
	if isNull(v) {
		return nil, nil
	}
	list, ok := v.(bson.A)
	if !ok {
		return nil, Errorf(2942504, "The input argument to $sortArray must be an array, but was of type: %s", typeName(v))
	}
	out := slices.Clone(list)
	by := n.get("sortBy")
	if spec, ok := by.(bson.D); ok {
		columns, err := mongokit.Columns(&spec)
		if err != nil {
			return nil, Errorf(CodeBadValue, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		slices.SortStableFunc(out, func(a, b any) int {
			x, _ := a.(bson.D)
			y, _ := b.(bson.D)
			return bsonkit.Order(&x, &y, columns, false)
		})
		return out, nil
	}
	dir, ok := integer(by)
	if !ok || dir != 1 && dir != -1 {
		return nil, Errorf(2942507, "$sortArray's sortBy must be 1, -1 or a document")
	}
	slices.SortStableFunc(out, func(a, b any) int { return int(dir) * bsonkit.Compare(a, b) })
	return out, nil
}

// someOf returns the first, last, least or greatest n elements.
func someOf(op string, count any, list bson.A) (any, error) {
	n, ok := integer(count)
	if !ok || n <= 0 {
		return nil, Errorf(5787908, "'n' must be greater than 0, found %s", display(count))
	}
	switch op {
	case "$firstN":
		return list[:min(n, int64(len(list)))], nil
	case "$lastN":
		return list[max(0, int64(len(list))-n):], nil
	}
	values := bson.A{}
	for _, v := range list {
		if !isNull(v) {
			values = append(values, v)
		}
	}
	slices.SortStableFunc(values, func(a, b any) int {
		if op == "$maxN" {
			a, b = b, a
		}
		return bsonkit.Compare(a, b)
	})
	return values[:min(n, int64(len(values)))], nil
}

// deviation is the standard deviation of a population or a sample.
func deviation(values bson.A, sample bool) any {
	n := float64(len(values))
	if n == 0 || sample && n == 1 {
		return nil
	}
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += toFloat(v) / n
	}
	for _, v := range values {
		sum += (toFloat(v) - mean) * (toFloat(v) - mean)
	}
	if sample {
		n--
	}
	return math.Sqrt(sum / n)
}
