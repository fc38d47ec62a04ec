package engine

import (
	"slices"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

// accumulator gathers the values of one group.
type accumulator struct {
	op    string
	value any
	count int64
	seen  map[string]bool
	list  bson.A
	// n and sort are what the accumulators of several documents want.
	n    any
	sort bson.D
}

var accumulators = map[string]bool{
	"$sum": true, "$avg": true, "$min": true, "$max": true, "$first": true, "$last": true,
	"$push": true, "$addToSet": true, "$count": true, "$mergeObjects": true, "$stdDevPop": true, "$stdDevSamp": true,
	"$firstN": true, "$lastN": true, "$minN": true, "$maxN": true, "$top": true, "$bottom": true, "$topN": true, "$bottomN": true,
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
	case "$stdDevPop", "$stdDevSamp":
		if isNumber(v) {
			a.list = append(a.list, v)
		}
	case "$firstN", "$lastN", "$minN", "$maxN":
		d, _ := v.(bson.D)
		a.n = fieldOr(d, "n")
		if _, err := someOf(a.op, a.n, nil); err != nil {
			return err
		}
		a.list = append(a.list, nullIfMissing(fieldOr(d, "input")))
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
	case "$stdDevPop", "$stdDevSamp":
		return deviation(a.list, a.op == "$stdDevSamp")
	case "$firstN", "$lastN", "$minN", "$maxN":
		out, err := someOf(a.op, a.n, a.list)
		if err != nil {
			return bson.A{}
		}
		return out
	case "$top", "$bottom", "$topN", "$bottomN":
		return a.ranked()
	case "$push", "$addToSet":
		if a.list == nil {
			return bson.A{}
		}
		return a.list
	}
	return a.value
}

// addDocument takes what an accumulator's expression gives for a document.
func (a *accumulator) addDocument(expr any, s *scope) error {
	switch a.op {
	case "$top", "$bottom", "$topN", "$bottomN":
		return a.rank(expr, s)
	}
	v, err := evaluate(expr, s)
	if err != nil {
		return err
	}
	return a.add(v)
}

// rank keeps a document's sort key and what is to be shown of it.
func (a *accumulator) rank(expr any, s *scope) error {
	d, _ := expr.(bson.D)
	spec, ok := fieldOr(d, "sortBy").(bson.D)
	if !ok {
		return Errorf(5788005, "%s requires 'sortBy' to be an object", a.op)
	}
	output, err := argument(d, "output", s)
	if err != nil {
		return err
	}
	n, err := argument(d, "n", s)
	if err != nil {
		return err
	}
	a.sort, a.n = spec, n
	a.list = append(a.list, bson.D{{Key: "key", Value: s.currentDoc()}, {Key: "output", Value: nullIfMissing(output)}})
	return nil
}

func (a *accumulator) ranked() any {
	columns, err := mongokit.Columns(&a.sort)
	if err != nil {
		return nil
	}
	slices.SortStableFunc(a.list, func(x, y any) int {
		p, _ := fieldOr(x, "key").(bson.D)
		q, _ := fieldOr(y, "key").(bson.D)
		return bsonkit.Order(&p, &q, columns, false)
	})
	out := bson.A{}
	for _, v := range a.list {
		out = append(out, fieldOr(v, "output"))
	}
	count := int64(1)
	if n, ok := integer(a.n); ok {
		count = n
	}
	count = min(count, int64(len(out)))
	if strings.HasPrefix(a.op, "$bottom") {
		out = out[int64(len(out))-count:]
	} else {
		out = out[:count]
	}
	if !strings.HasSuffix(a.op, "N") && len(out) > 0 {
		return out[0]
	}
	return out
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
			if err := g.accs[i].addDocument(o.expr, s); err != nil {
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
