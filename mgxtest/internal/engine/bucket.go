package engine

import (
	"slices"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// bucketOutput is what $bucket and $bucketAuto give for each bucket by default.
var bucketOutput = bson.D{{Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}}

// stageBucket groups documents by the boundaries that a value lies between.
func stageBucket(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40201, "Argument to $bucket stage must be an object, but found type: %s.", typeName(arg))
	}
	bounds, ok := fieldOr(spec, "boundaries").(bson.A)
	by := fieldOr(spec, "groupBy")
	if !ok || by == bsonkit.Missing {
		return nil, Errorf(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
	}
	if len(bounds) < 2 {
		return nil, Errorf(40192, "The $bucket 'boundaries' field must have at least 2 values, but found %d value(s).", len(bounds))
	}
	for i := 1; i < len(bounds); i++ {
		if bsonkit.Compare(bounds[i-1], bounds[i]) >= 0 {
			return nil, Errorf(40194, "The 'boundaries' option to $bucket must be sorted in ascending order.")
		}
	}
	other, hasOther := field(spec, "default")
	buckets := map[string][]bson.D{}
	var ids bson.A
	for _, d := range docs {
		v, err := evaluate(by, &scope{root: d, current: d, vars: vars})
		if err != nil {
			return nil, err
		}
		id := any(bsonkit.Missing)
		for i := range len(bounds) - 1 {
			if bsonkit.Compare(v, bounds[i]) >= 0 && bsonkit.Compare(v, bounds[i+1]) < 0 {
				id = bounds[i]
			}
		}
		if id == bsonkit.Missing {
			if !hasOther {
				return nil, Errorf(40066, "$switch could not find a matching branch for an input, and no default was specified.")
			}
			id = other
		}
		if buckets[Key(id)] == nil {
			ids = append(ids, id)
		}
		buckets[Key(id)] = append(buckets[Key(id)], d)
	}
	slices.SortFunc(ids, bsonkit.Compare)
	var out []bson.D
	for _, id := range ids {
		res, err := filled(env, id, spec, buckets[Key(id)], vars)
		if err != nil {
			return nil, err
		}
		out = append(out, res)
	}
	return out, nil
}

// filled is one bucket with its outputs.
func filled(env *Environment, id any, spec bson.D, docs []bson.D, vars map[string]any) (bson.D, error) {
	output, ok := fieldOr(spec, "output").(bson.D)
	if !ok {
		output = bucketOutput
	}
	grouped, err := stageGroup(env, append(bson.D{{Key: "_id", Value: nil}}, output...), docs, vars)
	if err != nil {
		return nil, err
	}
	res := bson.D{{Key: "_id", Value: id}}
	if len(grouped) > 0 {
		res = append(res, grouped[0][1:]...)
	}
	return res, nil
}

// stageBucketAuto spreads documents evenly over a number of buckets.
func stageBucketAuto(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40240, "The argument to $bucketAuto must be an object, but found type: %s.", typeName(arg))
	}
	by := fieldOr(spec, "groupBy")
	count, ok := integer(fieldOr(spec, "buckets"))
	if !ok || count <= 0 || by == bsonkit.Missing {
		return nil, Errorf(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified.")
	}
	if g := fieldOr(spec, "granularity"); g != bsonkit.Missing {
		return nil, Errorf(CodeBadValue, "the granularity of $bucketAuto is not simulated")
	}
	type entry struct {
		v any
		d bson.D
	}
	var list []entry
	for _, d := range docs {
		v, err := evaluate(by, &scope{root: d, current: d, vars: vars})
		if err != nil {
			return nil, err
		}
		list = append(list, entry{nullIfMissing(v), d})
	}
	slices.SortStableFunc(list, func(a, b entry) int { return bsonkit.Compare(a.v, b.v) })
	size := max(1, (int64(len(list))*2+count)/(count*2))
	var out []bson.D
	for start, n := 0, int64(1); start < len(list); n++ {
		end := min(start+int(size), len(list))
		if n == count {
			end = len(list)
		}
		// Equal values stay together.
		for end < len(list) && bsonkit.Compare(list[end].v, list[end-1].v) == 0 {
			end++
		}
		upper := list[len(list)-1].v
		if end < len(list) {
			upper = list[end].v
		}
		var in []bson.D
		for _, e := range list[start:end] {
			in = append(in, e.d)
		}
		res, err := filled(env, bson.D{{Key: "min", Value: list[start].v}, {Key: "max", Value: upper}}, spec, in, vars)
		if err != nil {
			return nil, err
		}
		out, start = append(out, res), end
	}
	return out, nil
}
