package engine

import (
	"strings"
	"time"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// partitions splits documents by the fields or the expression of a stage, in the order
// in which the parts come first.
func partitions(spec bson.D, docs []bson.D, vars map[string]any) ([][]bson.D, error) {
	by := fieldOr(spec, "partitionBy")
	fields, byFields := fieldOr(spec, "partitionByFields").(bson.A)
	index := map[string]int{}
	var out [][]bson.D
	for _, d := range docs {
		var key any
		switch {
		case byFields:
			var list bson.A
			for _, f := range fields {
				name, _ := f.(string)
				list = append(list, nullIfMissing(fieldPath(d, name)))
			}
			key = list
		case by != bsonkit.Missing:
			v, err := evaluate(by, &scope{root: d, current: d, vars: vars})
			if err != nil {
				return nil, err
			}
			key = nullIfMissing(v)
		}
		k := Key(key)
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k], out = i, append(out, nil)
		}
		out[i] = append(out[i], d)
	}
	return out, nil
}

// stageFill fills null and missing fields: with a value, the last one before, or one on
// the line between its neighbours.
func stageFill(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, _ := arg.(bson.D)
	output, ok := fieldOr(spec, "output").(bson.D)
	if !ok {
		return nil, Errorf(40414, "BSON field '$fill.output' is missing but a required field")
	}
	sortBy, sorts := fieldOr(spec, "sortBy").(bson.D)
	parts, err := partitions(spec, docs, vars)
	if err != nil {
		return nil, err
	}
	var out []bson.D
	for _, part := range parts {
		if sorts {
			if part, err = stageSort(env, sortBy, part, vars); err != nil {
				return nil, err
			}
		}
		for _, e := range output {
			how, _ := e.Value.(bson.D)
			if part, err = fillField(e.Key, how, sortBy, part, vars); err != nil {
				return nil, err
			}
		}
		out = append(out, part...)
	}
	return out, nil
}

func fillField(name string, how, sortBy bson.D, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	path := strings.Split(name, ".")
	out := make([]bson.D, len(docs))
	if expr, ok := field(how, "value"); ok {
		for i, d := range docs {
			out[i] = d
			if !isNull(fieldPath(d, name)) {
				continue
			}
			v, err := evaluate(expr, &scope{root: d, current: d, vars: vars})
			if err != nil {
				return nil, err
			}
			out[i] = setPath(d, path, v)
		}
		return out, nil
	}
	method, _ := fieldOr(how, "method").(string)
	switch {
	case method == "locf":
		var last any
		for i, d := range docs {
			if v := fieldPath(d, name); !isNull(v) {
				last = v
			}
			out[i] = setPath(d, path, last)
		}
		return out, nil
	case method != "linear":
		return nil, Errorf(6050202, "Method must be either 'locf' or 'linear'")
	case len(sortBy) != 1:
		return nil, Errorf(605001, "$linearFill must be specified with a top level sortBy expression with exactly one element")
	}
	return fillLinear(name, sortBy[0].Key, docs), nil
}

func fillLinear(name, by string, docs []bson.D) []bson.D {
	path := strings.Split(name, ".")
	out := append([]bson.D{}, docs...)
	last := -1
	for i, d := range docs {
		y := fieldPath(d, name)
		if isNull(y) {
			if fieldPath(d, name) == bsonkit.Missing {
				out[i] = setPath(d, path, nil)
			}
			continue
		}
		if last >= 0 {
			x0, y0 := axis(fieldPath(docs[last], by)), toFloat(fieldPath(docs[last], name))
			x1, y1 := axis(fieldPath(d, by)), toFloat(y)
			for k := last + 1; k < i; k++ {
				out[k] = setPath(docs[k], path, y0+(y1-y0)*(axis(fieldPath(docs[k], by))-x0)/(x1-x0))
			}
		}
		last = i
	}
	return out
}

// axis is a number or a date as a coordinate.
func axis(v any) float64 {
	if t, ok := v.(primitive.DateTime); ok {
		return float64(t)
	}
	return toFloat(v)
}

// maxDensified is how many documents one $densify makes at most.
const maxDensified = 500_000

// stageDensify adds the documents that are missing in a sequence of values.
func stageDensify(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, _ := arg.(bson.D)
	name, _ := fieldOr(spec, "field").(string)
	rang, ok := fieldOr(spec, "range").(bson.D)
	if name == "" || !ok {
		return nil, Errorf(40414, "BSON field '$densify.field' is missing but a required field")
	}
	s := &sequence{field: name, fields: fieldOr(spec, "partitionByFields")}
	s.unit, _ = fieldOr(rang, "unit").(string)
	step := fieldOr(rang, "step")
	if s.step = toFloat(step); !isNumber(step) || s.step <= 0 {
		return nil, Errorf(5733401, "The step parameter in a range statement must be a strictly positive numeric value")
	}
	bounds := fieldOr(rang, "bounds")
	list, explicit := bounds.(bson.A)
	if explicit && len(list) != 2 || !explicit && bounds != "full" && bounds != "partition" {
		return nil, Errorf(5733403, "Bounds must be 'full', 'partition' or an array of two values")
	}
	docs, err := stageSort(env, bson.D{{Key: name, Value: int32(1)}}, docs, vars)
	if err != nil {
		return nil, err
	}
	parts, err := partitions(spec, docs, vars)
	if err != nil {
		return nil, err
	}
	var out []bson.D
	for _, part := range parts {
		var lower, upper any
		if explicit {
			lower, upper = list[0], list[1]
		} else {
			whole := part
			if bounds == "full" {
				whole = docs
			}
			lower, upper = fieldPath(whole[0], name), fieldPath(whole[len(whole)-1], name)
		}
		if part, err = s.complete(part, lower, upper, !explicit); err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// sequence is how $densify goes on from one value to the next.
type sequence struct {
	field  string
	fields any
	step   float64
	unit   string
}

func (s *sequence) at(lower any, n int) (any, error) {
	if t, ok := lower.(primitive.DateTime); ok {
		next, err := addUnits(t.Time().UTC(), s.unit, n*int(s.step))
		return primitive.NewDateTimeFromTime(next.Round(time.Millisecond)), err
	}
	v := toFloat(lower) + float64(n)*s.step
	if whole, ok := integer(v); ok {
		if _, isDouble := lower.(float64); !isDouble {
			if _, isLong := lower.(int64); isLong {
				return whole, nil
			}
			return int32(whole), nil
		}
	}
	return v, nil
}

// complete merges the sequence from lower to upper into sorted documents.
func (s *sequence) complete(docs []bson.D, lower, upper any, inclusive bool) ([]bson.D, error) {
	var out []bson.D
	next := 0
	for n := 0; ; n++ {
		v, err := s.at(lower, n)
		if err != nil {
			return nil, err
		}
		if c := bsonkit.Compare(v, upper); c > 0 || c == 0 && !inclusive {
			break
		}
		if n > maxDensified {
			return nil, Errorf(5897900, "Generated %d documents in $densify, which is over the limit of %d.", n, maxDensified)
		}
		for next < len(docs) && bsonkit.Compare(fieldPath(docs[next], s.field), v) < 0 {
			out = append(out, docs[next])
			next++
		}
		if next < len(docs) && bsonkit.Compare(fieldPath(docs[next], s.field), v) == 0 {
			continue
		}
		added := bson.D{}
		if list, ok := s.fields.(bson.A); ok && len(docs) > 0 {
			for _, f := range list {
				name, _ := f.(string)
				if part := fieldPath(docs[0], name); part != bsonkit.Missing {
					added = setPath(added, strings.Split(name, "."), part)
				}
			}
		}
		out = append(out, setPath(added, strings.Split(s.field, "."), v))
	}
	return append(out, docs[next:]...), nil
}
