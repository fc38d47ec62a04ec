package engine

import (
	"maps"
	"regexp"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Filter is a parsed query document.
type Filter struct {
	doc  bson.D
	fold bool
	vars map[string]any
	// ids holds the keys of the only _id values that can match, when the
	// query says so at its top level.
	ids []string
}

// ParseFilter reads a query document. let holds the variables of the command,
// collation its collation document; both may be nil.
func ParseFilter(query, let, collation []byte) (*Filter, error) {
	doc, err := decode(query)
	if err != nil {
		return nil, err
	}
	f := &Filter{doc: joinRegexes(doc).(bson.D)}
	if len(collation) > 0 {
		c, err := decode(collation)
		if err != nil {
			return nil, err
		}
		if s, ok := field(c, "strength"); ok {
			n, _ := integer(s)
			f.fold = n == 1 || n == 2
		}
	}
	if f.vars, err = parseLet(let); err != nil {
		return nil, err
	}
	if f.fold {
		f.doc = fold(f.doc).(bson.D)
	} else {
		f.ids = idKeys(f.doc)
	}
	// A query that cannot be read fails even where there is nothing to match.
	if _, err := f.matchDoc(&bson.D{}); err != nil {
		return nil, err
	}
	return f, nil
}

func parseLet(let []byte) (map[string]any, error) {
	if len(let) == 0 {
		return nil, nil
	}
	d, err := decode(let)
	if err != nil {
		return nil, err
	}
	vars := make(map[string]any, len(d))
	for _, e := range d {
		v, err := evaluate(e.Value, &scope{root: bson.D{}})
		if err != nil {
			return nil, err
		}
		vars[e.Key] = v
	}
	return vars, nil
}

func idKeys(query bson.D) []string {
	for _, e := range query {
		if e.Key != "_id" {
			continue
		}
		switch v := e.Value.(type) {
		case primitive.Regex, bson.A:
			return nil
		case bson.D:
			if len(v) == 0 || !strings.HasPrefix(v[0].Key, "$") {
				return []string{Key(v)}
			}
			if len(v) != 1 {
				return nil
			}
			switch arg := v[0].Value.(type) {
			case bson.A:
				if v[0].Key != "$in" {
					return nil
				}
				keys := make([]string, 0, len(arg))
				for _, item := range arg {
					switch item.(type) {
					case primitive.Regex, bson.A:
						return nil
					}
					keys = append(keys, Key(item))
				}
				return keys
			case primitive.Regex:
				return nil
			default:
				if v[0].Key != "$eq" {
					return nil
				}
				return []string{Key(arg)}
			}
		default:
			return []string{Key(v)}
		}
	}
	return nil
}

// Match reports whether a record matches.
func (f *Filter) Match(r *Record) (bool, error) {
	if len(f.doc) == 0 {
		return true, nil
	}
	return f.matchDoc(r.doc())
}

func (f *Filter) matchDoc(doc bsonkit.Doc) (bool, error) {
	if f.fold {
		d := fold(*doc).(bson.D)
		doc = &d
	}
	return match(doc, f.doc, f.vars)
}

var topLevel, expression = operatorTables()

func operatorTables() (map[string]mongokit.Operator, map[string]mongokit.Operator) {
	top, expr := maps.Clone(mongokit.TopLevelQueryOperators), maps.Clone(mongokit.ExpressionQueryOperators)
	top["$comment"] = ignoreOperator
	top["$expr"] = matchExpr
	top["$where"] = matchWhere
	top["$alwaysTrue"] = ignoreOperator
	top["$alwaysFalse"] = func(mongokit.Context, bsonkit.Doc, string, string, any) error {
		return mongokit.ErrNotMatched
	}
	comp := expr["$eq"]
	equals := func(ctx mongokit.Context, doc bsonkit.Doc, name, path string, v any) error {
		if re, ok := v.(primitive.Regex); ok {
			return matchRegex(doc, path, re)
		}
		return comp(ctx, doc, "$eq", path, v)
	}
	in := func(ctx mongokit.Context, doc bsonkit.Doc, name, path string, v any) error {
		list, ok := v.(bson.A)
		if !ok {
			return Errorf(CodeBadValue, "%s needs an array", name)
		}
		for _, item := range list {
			if err := equals(ctx, doc, name, path, item); err != mongokit.ErrNotMatched {
				return err
			}
		}
		return mongokit.ErrNotMatched
	}
	expr[""], expr["$eq"] = equals, equals
	expr["$in"] = in
	expr["$nin"] = negated(in)
	expr["$comment"], expr["$options"] = ignoreOperator, ignoreOperator
	expr["$regex"] = func(_ mongokit.Context, doc bsonkit.Doc, _, path string, v any) error {
		switch re := v.(type) {
		case primitive.Regex:
			return matchRegex(doc, path, re)
		case string:
			return matchRegex(doc, path, primitive.Regex{Pattern: re})
		}
		return Errorf(CodeBadValue, "$regex has to be a string")
	}
	not := expr["$not"]
	expr["$not"] = func(ctx mongokit.Context, doc bsonkit.Doc, name, path string, v any) error {
		if re, ok := v.(primitive.Regex); ok {
			return negate(matchRegex(doc, path, re))
		}
		if d, ok := v.(bson.D); ok {
			return negate(mongokit.Process(ctx, doc, bson.D{{Key: path, Value: d}}, "", true))
		}
		return not(ctx, doc, name, path, v)
	}
	return top, expr
}

func ignoreOperator(mongokit.Context, bsonkit.Doc, string, string, any) error { return nil }

func negated(op mongokit.Operator) mongokit.Operator {
	return func(ctx mongokit.Context, doc bsonkit.Doc, name, path string, v any) error {
		return negate(op(ctx, doc, name, path, v))
	}
}

func negate(err error) error {
	switch err {
	case nil:
		return mongokit.ErrNotMatched
	case mongokit.ErrNotMatched:
		return nil
	}
	return err
}

func match(doc bsonkit.Doc, query bson.D, vars map[string]any) (bool, error) {
	ctx := mongokit.Context{TopLevel: topLevel, Expression: expression, Value: vars}
	for _, e := range query {
		err := mongokit.ProcessExpression(ctx, doc, "", e, true)
		if err == mongokit.ErrNotMatched {
			return false, nil
		}
		if err != nil {
			return false, wrapError(err)
		}
	}
	return true, nil
}

// joinRegexes folds the options of {$regex: …, $options: …} into the pattern,
// since operators are looked at one by one. It changes v in place.
func joinRegexes(v any) any {
	switch t := v.(type) {
	case bson.D:
		for i := range t {
			t[i].Value = joinRegexes(t[i].Value)
		}
		return joinRegex(t)
	case bson.A:
		for i := range t {
			t[i] = joinRegexes(t[i])
		}
	}
	return v
}

func joinRegex(d bson.D) bson.D {
	re, ok := field(d, "$regex")
	if !ok {
		return d
	}
	opts, _ := field(d, "$options")
	o, _ := opts.(string)
	pattern := primitive.Regex{Options: o}
	switch t := re.(type) {
	case string:
		pattern.Pattern = t
	case primitive.Regex:
		pattern.Pattern = t.Pattern
		if o == "" {
			pattern.Options = t.Options
		}
	default:
		return d
	}
	out := make(bson.D, 0, len(d))
	for _, e := range d {
		switch e.Key {
		case "$regex":
			out = append(out, bson.E{Key: "$regex", Value: pattern})
		case "$options":
		default:
			out = append(out, e)
		}
	}
	return out
}

func matchExpr(ctx mongokit.Context, doc bsonkit.Doc, _, _ string, v any) error {
	vars, _ := ctx.Value.(map[string]any)
	res, err := evaluate(v, &scope{root: *doc, current: *doc, vars: vars})
	if err != nil {
		return err
	}
	if !truthy(res) {
		return mongokit.ErrNotMatched
	}
	return nil
}

func matchRegex(doc bsonkit.Doc, path string, re primitive.Regex) error {
	compiled, err := compileRegex(re)
	if err != nil {
		return err
	}
	found := anyValue(doc, path, func(v any) bool {
		switch t := v.(type) {
		case string:
			return compiled.MatchString(t)
		case primitive.Regex:
			return t == re
		}
		return false
	})
	if !found {
		return mongokit.ErrNotMatched
	}
	return nil
}

func compileRegex(re primitive.Regex) (*regexp.Regexp, error) {
	var flags strings.Builder
	for _, c := range re.Options {
		switch c {
		case 'i', 'm', 's':
			flags.WriteRune(c)
		case 'u':
		case 'x':
			return nil, Errorf(CodeBadValue, "the x option of regular expressions is not simulated")
		default:
			return nil, Errorf(51108, "invalid flag in regex options: %c", c)
		}
	}
	pattern := re.Pattern
	if flags.Len() > 0 {
		pattern = "(?" + flags.String() + ")" + pattern
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, Errorf(51091, "Regular expression is invalid: %v", err)
	}
	return compiled, nil
}

// anyValue calls fn for the value at path and, where that is an array or the
// path crosses one, for each of its elements.
func anyValue(doc bsonkit.Doc, path string, fn func(any) bool) bool {
	value, multi := bsonkit.All(doc, path, true, true)
	if list, ok := value.(bson.A); ok {
		for _, item := range list {
			if fn(item) {
				return true
			}
		}
	}
	return !multi && fn(value)
}
