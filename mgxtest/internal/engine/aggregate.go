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

func runStage(env *Environment, st bson.D, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	if len(st) != 1 {
		return nil, Errorf(40323, "A pipeline stage specification object must contain exactly one field.")
	}
	arg := st[0].Value
	switch st[0].Key {
	case "$match":
		return stageMatch(env, arg, docs, vars)
	case "$project":
		return stageProject(arg, docs, vars)
	case "$addFields", "$set":
		return stageSet(arg, docs, vars)
	case "$unset":
		return stageUnset(arg, docs)
	case "$sort":
		return stageSort(arg, docs)
	case "$limit", "$skip":
		return stageSlice(st[0].Key, arg, docs)
	case "$group":
		return stageGroup(arg, docs, vars)
	case "$count":
		name, ok := arg.(string)
		if !ok || name == "" {
			return nil, Errorf(40156, "the count field must be a non-empty string")
		}
		if len(docs) == 0 {
			return nil, nil
		}
		return []bson.D{{{Key: name, Value: int32(len(docs))}}}, nil
	case "$sortByCount":
		grouped, err := stageGroup(bson.D{{Key: "_id", Value: arg}, {Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}}, docs, vars)
		if err != nil {
			return nil, err
		}
		return stageSort(bson.D{{Key: "count", Value: int32(-1)}}, grouped)
	case "$unwind":
		return stageUnwind(arg, docs)
	case "$replaceRoot", "$replaceWith":
		return stageReplace(st[0].Key, arg, docs, vars)
	case "$lookup":
		return stageLookup(env, arg, docs, vars)
	case "$unionWith":
		return stageUnion(env, arg, docs, vars)
	case "$facet":
		return stageFacet(env, arg, docs, vars)
	case "$sample":
		d, _ := arg.(bson.D)
		v, _ := field(d, "size")
		n, _ := integer(v)
		out := append([]bson.D{}, docs...)
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out[:min(max(n, 0), int64(len(out)))], nil
	}
	return nil, Errorf(CodeUnrecognizedStage, "Unrecognized pipeline stage name: '%s'", st[0].Key)
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

func stageProject(arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
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

func stageSet(arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
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

func stageUnset(arg any, docs []bson.D) ([]bson.D, error) {
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

func stageSort(arg any, docs []bson.D) ([]bson.D, error) {
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

func stageUnwind(arg any, docs []bson.D) ([]bson.D, error) {
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

func stageReplace(op string, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	if op == "$replaceRoot" {
		d, _ := arg.(bson.D)
		v, ok := field(d, "newRoot")
		if !ok {
			return nil, Errorf(40231, "no newRoot specified for the $replaceRoot stage")
		}
		arg = v
	}
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
