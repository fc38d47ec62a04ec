package analyse

import (
	"maps"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// expression appends an aggregation expression, and returns what is known of its result.
func (a *analysis) expression(key string, v bsonwire.Value) (*Node, error) {
	switch v.Type {
	case bson.TypeString:
		s, _ := v.AsString()
		n, err := a.fieldPath(s)
		if err != nil {
			return nil, err
		}
		a.value(key, v)
		return n, nil
	case bson.TypeArray:
		result := plain
		err := a.array(key, v.Data, func(key string, v bsonwire.Value) error {
			n, err := a.expression(key, v)
			if n.encrypted() {
				result = unknown
			}
			return err
		})
		return result, err
	case bson.TypeEmbeddedDocument:
		return a.documentExpression(key, v)
	}
	a.value(key, v)
	return plain, nil
}

// fieldPath is what is known of what a string in an expression stands for.
func (a *analysis) fieldPath(s string) (*Node, error) {
	switch {
	case !strings.HasPrefix(s, "$"):
		return plain, nil
	case !strings.HasPrefix(s, "$$"):
		return at(a.root, s[1:])
	}
	name, path, deeper := strings.Cut(s[2:], ".")
	n, known := a.vars[name]
	switch {
	case known:
	case name == "ROOT" || name == "CURRENT":
		n = a.root
	case name == "NOW" || name == "CLUSTER_TIME" || name == "REMOVE" || name == "DESCEND" || name == "PRUNE" || name == "KEEP" ||
		name == "SEARCH_META" || name == "USER_ROLES":
		return plain, nil
	case !a.root.encrypted():
		return plain, nil
	default:
		return nil, refuse("the variable '$$%s' is not known here, and may be of an encrypted field", name)
	}
	if !deeper {
		return n, nil
	}
	return at(n, path)
}

// at is what is known of a path in an expression.
func at(n *Node, path string) (*Node, error) {
	p := n.follow(path)
	switch {
	case p.beyond:
		return nil, refuse("Invalid operation on path '%s' which contains an encrypted path prefix", path)
	case p.inArray:
		return unknown, nil
	}
	return p.node, nil
}

// documentExpression appends an operator, or an expression for each field of a document.
func (a *analysis) documentExpression(key string, v bsonwire.Value) (*Node, error) {
	if doc, ok := operators(v); ok {
		r := bsonwire.NewReader(doc)
		r.Next()
		op, arg := string(r.Key()), r.Value()
		if r.Next() {
			return nil, refuse("an expression has more than one operator: %s and %s", op, r.Key())
		}
		var result *Node
		err := a.document(key, func() (err error) {
			result, err = a.operator(op, arg)
			return err
		})
		return result, err
	}
	result := &Node{}
	err := a.document(key, func() error {
		for r := bsonwire.NewReader(v.Data); r.Next(); {
			name := string(r.Key())
			n, err := a.expression(name, r.Value())
			if err != nil {
				return err
			}
			if n.encrypted() {
				if strings.ContainsAny(name, ".$") {
					return refuse("an encrypted field cannot be given the name '%s'", name)
				}
				result = result.with([]string{name}, n)
			}
		}
		return nil
	})
	return result, err
}

// operator appends an operator of an expression.
func (a *analysis) operator(op string, arg bsonwire.Value) (*Node, error) {
	switch op {
	case "$literal":
		a.value(op, arg)
		return plain, nil
	case "$eq", "$ne":
		return plain, a.equality(op, arg)
	case "$in":
		return plain, a.membership(op, arg)
	case "$gt", "$gte", "$lt", "$lte":
		return plain, a.inequality(op, arg)
	case "$encStrStartsWith", "$encStrEndsWith", "$encStrContains":
		return plain, a.textQuery(op, arg)
	case "$cond", "$ifNull", "$switch":
		return a.choice(op, arg)
	case "$let":
		return a.let(op, arg)
	case "$map", "$filter", "$reduce":
		return plain, a.overArray(op, arg)
	case "$getField", "$setField", "$unsetField":
		return plain, a.byName(op, arg)
	}
	n, err := a.expression(op, arg)
	if err == nil && n.encrypted() {
		err = errReference(op)
	}
	return plain, err
}

func errReference(op string) error {
	return refuse("Invalid reference to an encrypted field within aggregate expression: %s", op)
}

// constant reports whether an expression is a value that is written out, and which.
func constant(v bsonwire.Value) (bsonwire.Value, bool) {
	switch v.Type {
	case bson.TypeString:
		s, _ := v.AsString()
		return v, !strings.HasPrefix(s, "$")
	case bson.TypeArray:
		return v, false
	case bson.TypeEmbeddedDocument:
		if doc, ok := operators(v); ok {
			return bsonwire.Lookup(doc, "$literal")
		}
		return v, false
	}
	return v, true
}

// reference is the encrypted field that an expression is the path of; nil: it is something else.
func (a *analysis) reference(v bsonwire.Value) (path string, f *Field, err error) {
	s, ok := v.AsString()
	if !ok {
		return "", nil, nil
	}
	n, err := a.fieldPath(s)
	if err != nil || n == nil || n.field == nil {
		return "", nil, err
	}
	return strings.TrimLeft(s, "$"), n.field, nil
}

// pair returns the two arguments of an operator.
func pair(arg bsonwire.Value) (list [2]bsonwire.Value, ok bool) {
	array, ok := arg.AsArray()
	if !ok {
		return list, false
	}
	n := 0
	for r := bsonwire.NewReader(array); r.Next(); n++ {
		if n < 2 {
			list[n] = r.Value()
		}
	}
	return list, n == 2
}

// plainly appends an argument in which no encrypted field may be.
func (a *analysis) plainly(op, key string, v bsonwire.Value) error {
	n, err := a.expression(key, v)
	if err == nil && n.encrypted() {
		err = errReference(op)
	}
	return err
}

// equality appends $eq or $ne, of an encrypted field and a constant, of two that are encrypted alike, or of what is not
// encrypted.
func (a *analysis) equality(op string, arg bsonwire.Value) error {
	args, ok := pair(arg)
	if !ok {
		return a.plainly(op, op, arg)
	}
	fields, paths, any := [2]*Field{}, [2]string{}, false
	for i, v := range args {
		var err error
		if paths[i], fields[i], err = a.reference(v); err != nil {
			return err
		}
		any = any || fields[i] != nil
	}
	if !any {
		return a.plainly(op, op, arg)
	}
	for i, f := range fields {
		if f == nil {
			continue
		}
		if err := f.comparable(paths[i]); err != nil {
			return err
		}
		if f.algorithm == placeholder.Range {
			return refuse("%s in an expression is not supported for the encrypted field '%s', which has range queries", op, paths[i])
		}
	}
	if fields[0] != nil && fields[1] != nil {
		if a.schema.Kind != FieldLevel || !fields[0].equal(fields[1]) {
			return refuse("Comparison disallowed between fields where one is encrypted and the other is not, or is otherwise: '%s' and '%s'", paths[0], paths[1])
		}
		a.value(op, arg)
		return nil
	}
	return a.array(op, arg.Data, func(key string, v bsonwire.Value) error {
		i := 0
		if key == "1" {
			i = 1
		}
		if fields[i] != nil {
			a.value(key, v)
			return nil
		}
		return a.comparedWith(key, v, fields[1-i], paths[1-i])
	})
}

// comparedWith appends the constant that an encrypted field is compared with.
func (a *analysis) comparedWith(key string, v bsonwire.Value, f *Field, path string) error {
	c, ok := constant(v)
	if !ok {
		return refuse("Comparison disallowed between fields where one is encrypted and the other is not: '%s' can only be compared with a constant", path)
	}
	if err := a.collated(c, path); err != nil {
		return err
	}
	return a.mark(key, c, f, path, placeholder.Find, nil)
}

// membership appends $in.
func (a *analysis) membership(op string, arg bsonwire.Value) error {
	args, ok := pair(arg)
	if !ok {
		return a.plainly(op, op, arg)
	}
	path, f, err := a.reference(args[0])
	if err != nil {
		return err
	}
	if f == nil {
		return a.plainly(op, op, arg)
	}
	if err := f.comparable(path); err != nil {
		return err
	}
	list, isList := args[1].AsArray()
	if !isList || f.algorithm == placeholder.Range {
		return errReference(op)
	}
	return a.array(op, arg.Data, func(key string, v bsonwire.Value) error {
		if key == "0" {
			a.value(key, v)
			return nil
		}
		return a.array(key, list, func(key string, v bsonwire.Value) error { return a.comparedWith(key, v, f, path) })
	})
}

// mirrored are the operators with the sides changed.
var mirrored = map[string]string{"$gt": "$lt", "$gte": "$lte", "$lt": "$gt", "$lte": "$gte"}

// inequality appends a comparison with a field that has range queries, or of what is not encrypted.
func (a *analysis) inequality(op string, arg bsonwire.Value) error {
	args, ok := pair(arg)
	if !ok {
		return a.plainly(op, op, arg)
	}
	for i, v := range args {
		path, f, err := a.reference(v)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		c, isConstant := constant(args[1-i])
		if f.algorithm != placeholder.Range || !isConstant {
			return errReference(op)
		}
		if err := f.ranges(c, path); err != nil {
			return err
		}
		side := op
		if i == 1 {
			side = mirrored[op]
		}
		return a.array(op, arg.Data, func(key string, v bsonwire.Value) error {
			if key == bsonwire.Index(i) {
				a.value(key, v)
				return nil
			}
			lower, upper := bound{side, c}, bound{}
			if side == "$lt" || side == "$lte" {
				lower, upper = upper, lower
			}
			return a.oneSided(key, f, path, lower, upper)
		})
	}
	return a.plainly(op, op, arg)
}

// oneSided appends the value of a range that is open at one side.
func (a *analysis) oneSided(key string, f *Field, path string, lower, upper bound) error {
	q, err := f.query(path, lower, upper)
	if err != nil {
		return err
	}
	q.PayloadID, q.First = a.payloads, max(comparisons[lower.op], comparisons[upper.op])
	a.payloads++
	a.place(key, placeholder.Placeholder{
		Path: path, Key: f.key, Algorithm: placeholder.Range, Purpose: placeholder.Find, Contention: f.contention, Range: f.ranged, Query: &q,
	})
	return nil
}

// textQuery appends a query on a prefix, a suffix or a substring.
func (a *analysis) textQuery(op string, arg bsonwire.Value) error {
	doc, ok := arg.AsDocument()
	if !ok {
		return refuse("%s needs a document", op)
	}
	input, _ := bsonwire.Lookup(doc, "input")
	path, f, err := a.reference(input)
	if err != nil {
		return err
	}
	if f == nil || f.text == nil {
		return refuse("%s: the input must be the path of an encrypted field with such queries", op)
	}
	options := placeholder.TextOptions{CaseSensitive: f.text.CaseSensitive, DiacriticSensitive: f.text.DiacriticSensitive}
	var name string
	var limits *placeholder.TextLimits
	switch op {
	case "$encStrStartsWith":
		name, limits = "prefix", f.text.Prefix
		options.Prefix = limits
	case "$encStrEndsWith":
		name, limits = "suffix", f.text.Suffix
		options.Suffix = limits
	default:
		name, limits = "substring", f.text.Substring
		options.Substring = limits
	}
	if limits == nil {
		return refuse("%s: the encrypted field '%s' has no %s queries", op, path, name)
	}
	return a.document(op, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			switch key, v := string(r.Key()), r.Value(); key {
			case "input":
				a.value(key, v)
			case name:
				c, ok := constant(v)
				if !ok {
					return refuse("%s: '%s' must be a constant", op, name)
				}
				if err := a.mark(key, c, f, path, placeholder.Find, nil); err != nil {
					return err
				}
				a.places[len(a.places)-1].Text = &options
			default:
				return refuse("%s has no field '%s'", op, key)
			}
		}
		return nil
	})
}

// choice appends $cond, $ifNull or $switch: what it results in is one of several.
func (a *analysis) choice(op string, arg bsonwire.Value) (*Node, error) {
	var result *Node
	take := func(n *Node, err error) error {
		switch {
		case err != nil:
			return err
		case result == nil:
			result = n
		case !result.equal(n):
			result = unknown
		}
		return nil
	}
	var err error
	switch list, isList := arg.AsArray(); {
	case isList:
		err = a.array(op, list, func(key string, v bsonwire.Value) error {
			if op == "$cond" && key == "0" {
				return a.plainly(op, key, v)
			}
			return take(a.expression(key, v))
		})
	case arg.Type == bson.TypeEmbeddedDocument:
		err = a.document(op, func() error { return a.branches(op, arg.Data, take) })
	default:
		return plain, a.plainly(op, op, arg)
	}
	if result == nil {
		result = plain
	}
	return result, err
}

func (a *analysis) branches(op string, doc []byte, take func(*Node, error) error) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		var err error
		switch list, isList := v.AsArray(); {
		case key == "if" || key == "case":
			err = a.plainly(op, key, v)
		case key == "branches" && isList:
			err = a.array(key, list, func(key string, v bsonwire.Value) error {
				if v.Type != bson.TypeEmbeddedDocument {
					return refuse("%s: a branch must be a document", op)
				}
				return a.document(key, func() error { return a.branches(op, v.Data, take) })
			})
		default:
			err = take(a.expression(key, v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scoped runs f with variables beside those that are known.
func (a *analysis) scoped(f func() error) error {
	before := a.vars
	a.vars = maps.Clone(before)
	if a.vars == nil {
		a.vars = map[string]*Node{}
	}
	err := f()
	a.vars = before
	return err
}

func (a *analysis) let(op string, arg bsonwire.Value) (result *Node, err error) {
	doc, ok := arg.AsDocument()
	vars, _ := bsonwire.Lookup(doc, "vars")
	in, hasIn := bsonwire.Lookup(doc, "in")
	if !ok || !hasIn || vars.Type != bson.TypeEmbeddedDocument {
		return nil, refuse("$let needs vars and in")
	}
	err = a.document(op, func() error {
		values := map[string]*Node{}
		err := a.document("vars", func() error { return a.variables(vars.Data, values) })
		if err != nil {
			return err
		}
		return a.scoped(func() (err error) {
			maps.Copy(a.vars, values)
			result, err = a.expression("in", in)
			return err
		})
	})
	return result, err
}

// variables appends the values of variables.
func (a *analysis) variables(doc []byte, into map[string]*Node) error {
	for r := bsonwire.NewReader(doc); r.Next(); {
		name := string(r.Key())
		n, err := a.expression(name, r.Value())
		if err != nil {
			return err
		}
		into[name] = n
	}
	return nil
}

// overArray appends an operator that goes through an array, with variables for its elements. There is nothing encrypted
// in arrays, nor may there be in what is made of them.
func (a *analysis) overArray(op string, arg bsonwire.Value) error {
	doc, ok := arg.AsDocument()
	if !ok {
		return refuse("%s needs a document", op)
	}
	return a.document(op, func() error {
		for _, inner := range []bool{false, true} {
			err := a.scoped(func() error {
				if inner {
					a.vars["this"], a.vars["value"] = plain, plain
					if v, ok := bsonwire.Lookup(doc, "as"); ok {
						name, _ := v.AsString()
						a.vars[name] = plain
					}
				}
				for r := bsonwire.NewReader(doc); r.Next(); {
					key := string(r.Key())
					if slices.Contains([]string{"in", "cond"}, key) != inner {
						continue
					}
					if err := a.plainly(op, key, r.Value()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// byName appends an operator that names a field by an expression.
func (a *analysis) byName(op string, arg bsonwire.Value) error {
	if a.root.encrypted() {
		doc, ok := arg.AsDocument()
		if _, has := bsonwire.Lookup(doc, "input"); !ok || !has {
			return errReference(op) // it is a field of the document
		}
	}
	return a.plainly(op, op, arg)
}
