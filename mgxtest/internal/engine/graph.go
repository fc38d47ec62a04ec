package engine

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// stageGraphLookup follows references from document to document.
func stageGraphLookup(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40327, "the $graphLookup stage specification must be an object, but found %s", typeName(arg))
	}
	text := func(name string) string { s, _ := fieldOr(spec, name).(string); return s }
	as, from, to := text("as"), text("connectFromField"), text("connectToField")
	start := fieldOr(spec, "startWith")
	if as == "" || from == "" || to == "" || text("from") == "" || start == bsonkit.Missing {
		return nil, Errorf(40105, "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.")
	}
	depth := int64(-1)
	if d := fieldOr(spec, "maxDepth"); d != bsonkit.Missing {
		if depth, ok = integer(d); !ok || depth < 0 {
			return nil, Errorf(40101, "maxDepth requires a nonnegative argument, found: %s", display(d))
		}
	}
	foreign, err := env.foreign(text("from"))
	if err != nil {
		return nil, err
	}
	if restrict, ok := fieldOr(spec, "restrictSearchWithMatch").(bson.D); ok {
		if foreign, err = stageMatch(env, restrict, foreign, vars); err != nil {
			return nil, err
		}
	}
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		v, err := evaluate(start, &scope{root: d, current: d, vars: vars})
		if err != nil {
			return nil, err
		}
		out[i] = setPath(d, strings.Split(as, "."), reached(v, foreign, from, to, text("depthField"), depth))
	}
	return out, nil
}

// reached are the documents that can be reached from a value, those near first.
func reached(start any, foreign []bson.D, from, to, depthField string, maxDepth int64) bson.A {
	frontier := map[string]bool{}
	push := func(v any) {
		if list, ok := v.(bson.A); ok {
			for _, item := range list {
				frontier[Key(item)] = true
			}
		} else if v != bsonkit.Missing {
			frontier[Key(v)] = true
		}
	}
	push(start)
	taken := make([]bool, len(foreign))
	out := bson.A{}
	for depth := int64(0); len(frontier) > 0 && (maxDepth < 0 || depth <= maxDepth); depth++ {
		wanted := frontier
		frontier = map[string]bool{}
		for i := range foreign {
			if taken[i] || !anyValue(&foreign[i], to, func(v any) bool { return wanted[Key(v)] }) {
				continue
			}
			taken[i] = true
			d := foreign[i]
			push(fieldPath(d, from))
			if depthField != "" {
				d = setPath(d, strings.Split(depthField, "."), depth)
			}
			out = append(out, d)
		}
	}
	return out
}
