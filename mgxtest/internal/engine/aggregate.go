package engine

import (
	"math/rand/v2"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

// Environment is what the stages of a pipeline see beyond their input.
type Environment struct {
	Store *Store
	DB    string
	Let   []byte
	// Collation is a collation document or nil.
	Collation []byte

	depth int // of the view whose pipeline this is
}

// Aggregate runs a pipeline without its $out, $merge and source stages over
// raw documents.
func Aggregate(env *Environment, pipeline, input [][]byte) ([][]byte, error) {
	docs := make([]bson.D, len(input))
	for i, raw := range input {
		d, err := decode(raw)
		if err != nil {
			return nil, err
		}
		docs[i] = d
	}
	vars, err := parseLet(env.Let)
	if err != nil {
		return nil, err
	}
	for _, raw := range pipeline {
		st, err := decode(raw)
		if err != nil {
			return nil, err
		}
		if docs, err = runStage(env, st, docs, vars); err != nil {
			return nil, err
		}
	}
	out := make([][]byte, len(docs))
	for i, d := range docs {
		if out[i], err = encode(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Documents evaluates the array of a $documents stage.
func Documents(stage, let []byte) ([][]byte, error) {
	st, err := decode(stage)
	if err != nil {
		return nil, err
	}
	vars, err := parseLet(let)
	if err != nil {
		return nil, err
	}
	v, err := evaluate(st[0].Value, &scope{root: bson.D{}, vars: vars})
	if err != nil {
		return nil, err
	}
	list, ok := v.(bson.A)
	if !ok {
		return nil, Errorf(5858203, "an array is expected in a $documents stage")
	}
	var out [][]byte
	for _, item := range list {
		d, ok := item.(bson.D)
		if !ok {
			return nil, Errorf(40228, "documents in $documents must be objects")
		}
		raw, err := encode(d)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// stageFunc runs one stage over all documents.
type stageFunc func(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error)

// stages are the stages by name.
var stages map[string]stageFunc

func init() {
	stages = map[string]stageFunc{
		"$match":       stageMatch,
		"$project":     stageProject,
		"$addFields":   stageSet,
		"$set":         stageSet,
		"$unset":       stageUnset,
		"$sort":        stageSort,
		"$limit":       stageLimit,
		"$skip":        stageSkip,
		"$group":       stageGroup,
		"$count":       stageCount,
		"$sortByCount": stageSortByCount,
		"$unwind":      stageUnwind,
		"$replaceRoot": stageReplaceRoot,
		"$replaceWith": stageReplaceWith,
		"$lookup":      stageLookup,
		"$unionWith":   stageUnion,
		"$facet":       stageFacet,
		"$sample":      stageSample,
		"$bucket":      stageBucket,
		"$bucketAuto":  stageBucketAuto,
		"$redact":      stageRedact,
		"$densify":     stageDensify,
		"$fill":        stageFill,
		"$graphLookup": stageGraphLookup,
	}
}

// elsewhere are the stages that only begin or end a pipeline, which Aggregate does not
// run.
var elsewhere = map[string]bool{
	"$changeStream": true, "$collStats": true, "$currentOp": true, "$documents": true, "$indexStats": true,
	"$listLocalSessions": true, "$listSessions": true, "$out": true, "$merge": true, "$listSearchIndexes": true,
}

// IsStage reports whether there is a stage of this name.
func IsStage(name string) bool { return stages[name] != nil || elsewhere[name] }

func runStage(env *Environment, st bson.D, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	if len(st) != 1 {
		return nil, Errorf(40323, "A pipeline stage specification object must contain exactly one field.")
	}
	name := st[0].Key
	switch fn := stages[name]; {
	case fn != nil:
		return fn(env, st[0].Value, docs, vars)
	case name == "$changeStreamSplitLargeEvent":
		return nil, Errorf(CodeIllegalOperation, "$changeStreamSplitLargeEvent can only be used in a $changeStream pipeline")
	case elsewhere[name]:
		return nil, Errorf(40602, "%s is only valid as the first stage in a pipeline", name)
	}
	return nil, Errorf(CodeUnrecognizedStage, "Unrecognized pipeline stage name: '%s'", name)
}

func stageCount(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	name, ok := arg.(string)
	if !ok || name == "" {
		return nil, Errorf(40156, "the count field must be a non-empty string")
	}
	if len(docs) == 0 {
		return nil, nil
	}
	return []bson.D{{{Key: name, Value: int32(len(docs))}}}, nil
}

func stageSortByCount(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec := bson.D{{Key: "_id", Value: arg}, {Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}}
	grouped, err := stageGroup(env, spec, docs, vars)
	if err != nil {
		return nil, err
	}
	return stageSort(env, bson.D{{Key: "count", Value: int32(-1)}}, grouped, vars)
}

func stageSample(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	d, _ := arg.(bson.D)
	v, _ := field(d, "size")
	n, ok := integer(v)
	if !ok || n < 0 {
		return nil, Errorf(28747, "size argument to $sample must be a positive number")
	}
	out := append([]bson.D{}, docs...)
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, int64(len(out)))], nil
}

func stageMatch(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	query, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(15959, "the match filter must be an expression in an object")
	}
	raw, err := encode(query)
	if err != nil {
		return nil, err
	}
	var collation []byte
	if env != nil {
		collation = env.Collation
	}
	f, err := ParseFilter(raw, nil, collation)
	if err != nil {
		if len(vars) == 0 {
			return nil, err
		}
		f = &Filter{doc: joinRegexes(query).(bson.D)}
	}
	f.vars = vars
	var out []bson.D
	for i := range docs {
		ok, err := f.matchDoc(&docs[i])
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, docs[i])
		}
	}
	return out, nil
}

func stageProject(_ *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok || len(spec) == 0 {
		return nil, Errorf(51272, "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	p, err := parseProjection(spec)
	if err != nil {
		return nil, err
	}
	p.vars = vars
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		if out[i], err = p.apply(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func stageSet(_ *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40272, "$addFields specification stage must be an object")
	}
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		res := d
		for _, e := range spec {
			v, err := evaluate(e.Value, &scope{root: d, current: d, vars: vars})
			if err != nil {
				return nil, err
			}
			res = setPath(res, strings.Split(e.Key, "."), v)
		}
		out[i] = res
	}
	return out, nil
}

func stageUnset(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	paths, ok := arg.(bson.A)
	if !ok {
		paths = bson.A{arg}
	}
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		for _, p := range paths {
			path, ok := p.(string)
			if !ok {
				return nil, Errorf(31002, "$unset specification must be a string or an array")
			}
			d = setPath(d, strings.Split(path, "."), bsonkit.Missing)
		}
		out[i] = d
	}
	return out, nil
}

func stageSort(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok || len(spec) == 0 {
		return nil, Errorf(15976, "$sort stage must have at least one sort key")
	}
	list := make(bsonkit.List, len(docs))
	for i := range docs {
		list[i] = &docs[i]
	}
	sorted, err := mongokit.Sort(list, &spec)
	if err != nil {
		return nil, Errorf(15975, "$sort key ordering must be specified using a number: %v", err)
	}
	out := make([]bson.D, len(docs))
	for i, d := range sorted {
		out[i] = *d
	}
	return out, nil
}

func stageLimit(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	return stageSlice("$limit", arg, docs)
}

func stageSkip(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	return stageSlice("$skip", arg, docs)
}

func stageSlice(op string, arg any, docs []bson.D) ([]bson.D, error) {
	n, ok := integer(arg)
	if !ok || n < 0 || n == 0 && op == "$limit" {
		return nil, Errorf(15958, "the %s must be a positive number", op[1:])
	}
	n = min(n, int64(len(docs)))
	if op == "$limit" {
		return docs[:n], nil
	}
	return docs[n:], nil
}

func stageUnwind(_ *Environment, arg any, docs []bson.D, _ map[string]any) ([]bson.D, error) {
	path, index, keep := "", "", false
	switch t := arg.(type) {
	case string:
		path = t
	case bson.D:
		p, _ := field(t, "path")
		path, _ = p.(string)
		ix, _ := field(t, "includeArrayIndex")
		index, _ = ix.(string)
		k, _ := field(t, "preserveNullAndEmptyArrays")
		keep = truthy(k)
	}
	if !strings.HasPrefix(path, "$") {
		return nil, Errorf(28818, "path option to $unwind stage should be prefixed with a '$': %s", path)
	}
	steps := strings.Split(path[1:], ".")
	var out []bson.D
	emit := func(d bson.D, v, at any) {
		d = setPath(d, steps, v)
		if index != "" {
			d = setPath(d, strings.Split(index, "."), at)
		}
		out = append(out, d)
	}
	for _, d := range docs {
		v := bsonkit.Get(&d, path[1:])
		list, isList := v.(bson.A)
		switch {
		case isList && len(list) > 0:
			for i, item := range list {
				emit(d, item, int64(i))
			}
		case isList && keep:
			emit(d, bsonkit.Missing, nil)
		case !isList && (!isNull(v) || keep):
			emit(d, v, nil)
		}
	}
	return out, nil
}

func stageReplaceRoot(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	d, _ := arg.(bson.D)
	v, ok := field(d, "newRoot")
	if !ok {
		return nil, Errorf(40231, "no newRoot specified for the $replaceRoot stage")
	}
	return stageReplaceWith(env, v, docs, vars)
}

func stageReplaceWith(_ *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		v, err := evaluate(arg, &scope{root: d, current: d, vars: vars})
		if err != nil {
			return nil, err
		}
		root, ok := v.(bson.D)
		if !ok {
			return nil, Errorf(40228, "'newRoot' expression must evaluate to an object, but resulting value was of type %s", typeName(v))
		}
		out[i] = root
	}
	return out, nil
}
