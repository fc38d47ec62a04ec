package engine

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// scope is what an aggregation expression sees.
type scope struct {
	root, current bson.D
	vars          map[string]any
}

func (s *scope) with(name string, v any) *scope {
	vars := make(map[string]any, len(s.vars)+1)
	for k, x := range s.vars {
		vars[k] = x
	}
	vars[name] = v
	return &scope{root: s.root, current: s.current, vars: vars}
}

// evaluate computes an aggregation expression.
func evaluate(expr any, s *scope) (any, error) {
	switch e := expr.(type) {
	case string:
		if strings.HasPrefix(e, "$$") {
			return s.variable(e[2:])
		}
		if strings.HasPrefix(e, "$") {
			return fieldPath(s.currentDoc(), e[1:]), nil
		}
		return e, nil
	case bson.A:
		out := make(bson.A, len(e))
		for i, item := range e {
			v, err := evaluate(item, s)
			if err != nil {
				return nil, err
			}
			out[i] = nullIfMissing(v)
		}
		return out, nil
	case bson.D:
		if len(e) > 0 && strings.HasPrefix(e[0].Key, "$") {
			if len(e) != 1 {
				return nil, Errorf(15983, "An object representing an expression must have exactly one field")
			}
			return call(e[0].Key, e[0].Value, s)
		}
		out := make(bson.D, 0, len(e))
		for _, f := range e {
			v, err := evaluate(f.Value, s)
			if err != nil {
				return nil, err
			}
			if v != bsonkit.Missing {
				out = append(out, bson.E{Key: f.Key, Value: v})
			}
		}
		return out, nil
	}
	return expr, nil
}

func (s *scope) currentDoc() bson.D {
	if s.current != nil {
		return s.current
	}
	return s.root
}

func (s *scope) variable(path string) (any, error) {
	name, rest, nested := strings.Cut(path, ".")
	var v any
	switch name {
	case "ROOT", "CURRENT":
		v = s.root
	case "REMOVE":
		v = bsonkit.Missing
	case "DESCEND", "PRUNE", "KEEP":
		v = redaction(name)
	case "NOW":
		if v = s.vars["NOW"]; v == nil {
			v = now()
		}
	default:
		var ok bool
		if v, ok = s.vars[name]; !ok {
			return nil, Errorf(17276, "Use of undefined variable: %s", name)
		}
	}
	if nested {
		return fieldPath(v, rest), nil
	}
	return v, nil
}

// fieldPath follows a path as expressions do: through arrays, which give
// arrays, and never by index.
func fieldPath(v any, path string) any {
	key, rest, nested := strings.Cut(path, ".")
	switch t := v.(type) {
	case bson.D:
		got, ok := field(t, key)
		if !ok {
			return bsonkit.Missing
		}
		if nested {
			return fieldPath(got, rest)
		}
		return got
	case bson.A:
		out := bson.A{}
		for _, item := range t {
			if w := fieldPath(item, path); w != bsonkit.Missing {
				out = append(out, w)
			}
		}
		return out
	}
	return bsonkit.Missing
}

func nullIfMissing(v any) any {
	if v == bsonkit.Missing {
		return nil
	}
	return v
}

func isNull(v any) bool { return v == nil || v == bsonkit.Missing }

// call evaluates an operator. Those that do not evaluate all their arguments
// first are here, the others in the table of functions.
func call(op string, arg any, s *scope) (any, error) {
	switch op {
	case "$literal", "$const":
		return arg, nil
	case "$cond":
		return callCond(arg, s)
	case "$switch":
		return callSwitch(arg, s)
	case "$and", "$or":
		return callLogic(op, arg, s)
	case "$let":
		return callLet(arg, s)
	case "$map", "$filter", "$reduce":
		return callEach(op, arg, s)
	case "$setField", "$getField", "$unsetField":
		return callField(op, arg, s)
	}
	fn := functions[op]
	if fn == nil {
		return nil, Errorf(CodeInvalidPipelineOperator, "Unrecognized expression '%s'", op)
	}
	var args []any
	if list, ok := arg.(bson.A); ok {
		for _, item := range list {
			v, err := evaluate(item, s)
			if err != nil {
				return nil, err
			}
			args = append(args, v)
		}
	} else {
		v, err := evaluate(arg, s)
		if err != nil {
			return nil, err
		}
		args = []any{v}
	}
	if len(args) < fn.min || fn.max >= 0 && len(args) > fn.max {
		return nil, Errorf(16020, "Expression %s takes a different number of arguments. %d were passed in.", op, len(args))
	}
	return fn.run(args)
}

func argument(arg any, name string, s *scope) (any, error) {
	d, _ := arg.(bson.D)
	v, ok := field(d, name)
	if !ok {
		return bsonkit.Missing, nil
	}
	return evaluate(v, s)
}

func callCond(arg any, s *scope) (any, error) {
	var parts bson.A
	switch t := arg.(type) {
	case bson.A:
		parts = t
	case bson.D:
		for _, name := range []string{"if", "then", "else"} {
			v, ok := field(t, name)
			if !ok {
				return nil, Errorf(17080, "Missing '%s' parameter to $cond", name)
			}
			parts = append(parts, v)
		}
	}
	if len(parts) != 3 {
		return nil, Errorf(16020, "Expression $cond takes exactly 3 arguments. %d were passed in.", len(parts))
	}
	c, err := evaluate(parts[0], s)
	if err != nil {
		return nil, err
	}
	if truthy(c) {
		return evaluate(parts[1], s)
	}
	return evaluate(parts[2], s)
}

func callSwitch(arg any, s *scope) (any, error) {
	d, _ := arg.(bson.D)
	branches, _ := field(d, "branches")
	list, _ := branches.(bson.A)
	for _, b := range list {
		c, err := argument(b, "case", s)
		if err != nil {
			return nil, err
		}
		if truthy(c) {
			return argument(b, "then", s)
		}
	}
	if _, ok := field(d, "default"); !ok {
		return nil, Errorf(40066, "$switch could not find a matching branch for an input, and no default was specified.")
	}
	return argument(d, "default", s)
}

func callLogic(op string, arg any, s *scope) (any, error) {
	list, ok := arg.(bson.A)
	if !ok {
		list = bson.A{arg}
	}
	for _, item := range list {
		v, err := evaluate(item, s)
		if err != nil {
			return nil, err
		}
		if truthy(v) == (op == "$or") {
			return op == "$or", nil
		}
	}
	return op == "$and", nil
}

func callLet(arg any, s *scope) (any, error) {
	d, _ := arg.(bson.D)
	vars, _ := field(d, "vars")
	list, _ := vars.(bson.D)
	inner := s
	for _, e := range list {
		v, err := evaluate(e.Value, s)
		if err != nil {
			return nil, err
		}
		inner = inner.with(e.Key, v)
	}
	return argument(d, "in", inner)
}

func callEach(op string, arg any, s *scope) (any, error) {
	in, err := argument(arg, "input", s)
	if err != nil || isNull(in) {
		return nil, err
	}
	list, ok := in.(bson.A)
	if !ok {
		return nil, Errorf(16883, "input to %s must be an array", op)
	}
	d := arg.(bson.D)
	name := "this"
	if as, ok := field(d, "as"); ok {
		name, _ = as.(string)
	}
	out := bson.A{}
	if op == "$reduce" {
		acc, err := argument(d, "initialValue", s)
		for _, item := range list {
			if err != nil {
				return nil, err
			}
			acc, err = argument(d, "in", s.with("this", item).with("value", acc))
		}
		return acc, err
	}
	for _, item := range list {
		part := "in"
		if op == "$filter" {
			part = "cond"
		}
		v, err := argument(d, part, s.with(name, item))
		if err != nil {
			return nil, err
		}
		switch {
		case op == "$map":
			out = append(out, nullIfMissing(v))
		case truthy(v):
			out = append(out, item)
		}
	}
	return out, nil
}

func callField(op string, arg any, s *scope) (any, error) {
	name, input := arg, any(s.currentDoc())
	d, isDoc := arg.(bson.D)
	if isDoc {
		if n, ok := field(d, "field"); ok {
			name = n
		}
		if _, ok := field(d, "input"); ok {
			v, err := argument(d, "input", s)
			if err != nil {
				return nil, err
			}
			input = v
		}
	}
	if n, ok := name.(bson.D); ok {
		v, err := evaluate(n, s)
		if err != nil {
			return nil, err
		}
		name = v
	}
	key, ok := name.(string)
	if !ok {
		return nil, Errorf(5654602, "%s requires 'field' to evaluate to a constant string", op)
	}
	if isNull(input) {
		return nil, nil
	}
	doc, ok := input.(bson.D)
	if !ok {
		return bsonkit.Missing, nil
	}
	switch op {
	case "$getField":
		if v, ok := field(doc, key); ok {
			return v, nil
		}
		return bsonkit.Missing, nil
	case "$unsetField":
		return without(doc, key), nil
	}
	v, err := argument(d, "value", s)
	if err != nil {
		return nil, err
	}
	if v == bsonkit.Missing {
		return without(doc, key), nil
	}
	return setPath(doc, []string{key}, v), nil
}

func typeName(v any) string {
	if v == bsonkit.Missing {
		return "missing"
	}
	if b, ok := v.(primitive.Binary); ok && b.Subtype == opaqueSubtype {
		return "undefined"
	}
	_, t := bsonkit.Inspect(v)
	return bsonkit.Type2Alias[t]
}
