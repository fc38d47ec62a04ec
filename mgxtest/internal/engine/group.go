package engine

import (
	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// accumulator gathers the values of one group.
type accumulator struct {
	op    string
	value any
	count int64
	seen  map[string]bool
	list  bson.A
}

var accumulators = map[string]bool{
	"$sum": true, "$avg": true, "$min": true, "$max": true, "$first": true, "$last": true,
	"$push": true, "$addToSet": true, "$count": true, "$mergeObjects": true,
}

func (a *accumulator) add(v any) error {
	switch a.op {
	case "$count":
		a.count++
	case "$sum", "$avg":
		if !isNumber(v) {
			return nil
		}
		a.count++
		if a.value == nil {
			a.value = v
		} else {
			a.value = bsonkit.Add(a.value, v)
		}
	case "$min", "$max":
		if isNull(v) {
			return nil
		}
		if a.value != nil {
			c := bsonkit.Compare(v, a.value)
			if a.op == "$min" && c >= 0 || a.op == "$max" && c <= 0 {
				return nil
			}
		}
		a.value = v
	case "$first":
		if a.count++; a.count == 1 {
			a.value = nullIfMissing(v)
		}
	case "$last":
		a.value = nullIfMissing(v)
	case "$push":
		if v != bsonkit.Missing {
			a.list = append(a.list, v)
		}
	case "$addToSet":
		if k := Key(v); v != bsonkit.Missing && !a.seen[k] {
			if a.seen == nil {
				a.seen = map[string]bool{}
			}
			a.seen[k] = true
			a.list = append(a.list, v)
		}
	case "$mergeObjects":
		merged, err := mergeObjects([]any{a.value, v})
		if err != nil {
			return err
		}
		a.value = merged
	}
	return nil
}

func (a *accumulator) result() any {
	switch a.op {
	case "$count":
		return int32(a.count)
	case "$sum":
		if a.value == nil {
			return int32(0)
		}
	case "$avg":
		if a.count == 0 {
			return nil
		}
		return toFloat(a.value) / float64(a.count)
	case "$push", "$addToSet":
		if a.list == nil {
			return bson.A{}
		}
		return a.list
	}
	return a.value
}

// accumulateArgs makes the expression form of an accumulator.
func accumulateArgs(op string) func([]any) (any, error) {
	return func(args []any) (any, error) {
		if len(args) == 1 {
			if list, ok := args[0].(bson.A); ok {
				args = list
			}
		}
		acc := &accumulator{op: op}
		for _, v := range args {
			if err := acc.add(v); err != nil {
				return nil, err
			}
		}
		return acc.result(), nil
	}
}

func stageGroup(_ *Environment, spec any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	d, ok := spec.(bson.D)
	if !ok {
		return nil, Errorf(15947, "a group's fields must be specified in an object")
	}
	idExpr, ok := field(d, "_id")
	if !ok {
		return nil, Errorf(15955, "a group specification must include an _id")
	}
	type output struct {
		name, op string
		expr     any
	}
	var outputs []output
	for _, e := range d {
		if e.Key == "_id" {
			continue
		}
		acc, ok := e.Value.(bson.D)
		if !ok || len(acc) != 1 {
			return nil, Errorf(40234, "The field '%s' must be an accumulator object", e.Key)
		}
		if !accumulators[acc[0].Key] {
			return nil, Errorf(15952, "unknown group operator '%s'", acc[0].Key)
		}
		outputs = append(outputs, output{e.Key, acc[0].Key, acc[0].Value})
	}
	type group struct {
		id   any
		accs []*accumulator
	}
	var groups []*group
	byKey := map[string]*group{}
	for _, doc := range docs {
		s := &scope{root: doc, current: doc, vars: vars}
		id, err := evaluate(idExpr, s)
		if err != nil {
			return nil, err
		}
		g := byKey[Key(id)]
		if g == nil {
			g = &group{id: nullIfMissing(id)}
			for _, o := range outputs {
				g.accs = append(g.accs, &accumulator{op: o.op})
			}
			byKey[Key(id)] = g
			groups = append(groups, g)
		}
		for i, o := range outputs {
			v, err := evaluate(o.expr, s)
			if err != nil {
				return nil, err
			}
			if err := g.accs[i].add(v); err != nil {
				return nil, err
			}
		}
	}
	out := make([]bson.D, 0, len(groups))
	for _, g := range groups {
		res := bson.D{{Key: "_id", Value: g.id}}
		for i, o := range outputs {
			res = append(res, bson.E{Key: o.name, Value: g.accs[i].result()})
		}
		out = append(out, res)
	}
	return out, nil
}
