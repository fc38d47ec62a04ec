package engine

import (
	"slices"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Projection is a parsed projection document.
type Projection struct {
	tree      *projNode
	inclusion bool
	omitID    bool
	filter    *Filter
	vars      map[string]any
}

type projNode struct {
	children map[string]*projNode
	order    []string
	// expr computes the field; plain marks a field taken or left as it is.
	expr  any
	plain bool
	op    string
}

// ParseProjection reads the projection of a find. An empty one returns nil.
func ParseProjection(raw []byte, f *Filter) (*Projection, error) {
	d, err := decode(raw)
	if err != nil || len(d) == 0 {
		return nil, err
	}
	p, err := parseProjection(d)
	if err != nil {
		return nil, err
	}
	if f != nil {
		p.filter, p.vars = f, f.vars
	}
	return p, nil
}

func parseProjection(d bson.D) (*Projection, error) {
	p := &Projection{tree: &projNode{children: map[string]*projNode{}}}
	var include, exclude bool
	var add func(prefix string, d bson.D) error
	add = func(prefix string, d bson.D) error {
		for _, e := range d {
			path := prefix + e.Key
			node := &projNode{children: map[string]*projNode{}}
			switch v := e.Value.(type) {
			case bool, int32, int64, float64, primitive.Decimal128:
				on := truthy(v)
				if path == "_id" {
					if !on {
						p.omitID = true
						continue
					}
				} else if on {
					include = true
				} else {
					exclude = true
				}
				node.plain = true
			case bson.D:
				if len(v) > 0 && !strings.HasPrefix(v[0].Key, "$") {
					if err := add(path+".", v); err != nil {
						return err
					}
					continue
				}
				if len(v) == 1 && isProjectionOperator(v[0]) {
					node.op, node.expr = v[0].Key, v[0].Value
					if v[0].Key == "$elemMatch" {
						include = true
					}
				} else {
					node.expr, include = v, true
				}
			default:
				node.expr, include = v, true
			}
			if strings.HasSuffix(path, ".$") {
				path, node.op, node.plain = strings.TrimSuffix(path, ".$"), "$", false
			}
			if err := p.tree.put(strings.Split(path, "."), node); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add("", d); err != nil {
		return nil, err
	}
	if include && exclude {
		return nil, Errorf(31254, "Cannot do exclusion in inclusion projection")
	}
	idNode := p.tree.children["_id"]
	p.inclusion = include || !exclude && idNode != nil && idNode.op == ""
	return p, nil
}

// isProjectionOperator tells the operators of projections from expressions.
// $slice is both: a projection's takes numbers alone.
func isProjectionOperator(e bson.E) bool {
	switch e.Key {
	case "$elemMatch", "$meta":
		return true
	case "$slice":
		list, ok := e.Value.(bson.A)
		return !ok || !slices.ContainsFunc(list, func(v any) bool { return !isNumber(v) })
	}
	return false
}

func (n *projNode) put(path []string, leaf *projNode) error {
	for i, key := range path {
		child := n.children[key]
		if i == len(path)-1 {
			if child != nil {
				return Errorf(31250, "Path collision at %s", strings.Join(path, "."))
			}
			n.children[key] = leaf
			n.order = append(n.order, key)
			return nil
		}
		if child == nil {
			child = &projNode{children: map[string]*projNode{}}
			n.children[key] = child
			n.order = append(n.order, key)
		} else if len(child.children) == 0 {
			return Errorf(31249, "Path collision at %s", strings.Join(path, "."))
		}
		n = child
	}
	return nil
}

// Apply projects one record.
func (p *Projection) Apply(r *Record) ([]byte, error) {
	if p == nil {
		return r.Raw, nil
	}
	d, err := p.apply(*r.doc())
	if err != nil {
		return nil, err
	}
	return encode(d)
}

func (p *Projection) apply(d bson.D) (bson.D, error) {
	out, err := p.walk(p.tree, d, d, "")
	if err != nil {
		return nil, err
	}
	if p.omitID {
		return without(out, "_id"), nil
	}
	return idFirst(out), nil
}

func (p *Projection) walk(n *projNode, d, root bson.D, prefix string) (bson.D, error) {
	out := make(bson.D, 0, len(d))
	seen := map[string]bool{}
	for _, e := range d {
		child := n.children[e.Key]
		if child == nil {
			if !p.inclusion || prefix == "" && e.Key == "_id" {
				out = append(out, e)
			}
			continue
		}
		seen[e.Key] = true
		v, keep, err := p.value(child, e.Value, root, prefix+e.Key)
		if err != nil {
			return nil, err
		}
		if keep {
			out = append(out, bson.E{Key: e.Key, Value: v})
		}
	}
	for _, key := range n.order {
		child := n.children[key]
		if seen[key] || child.plain || child.op != "" {
			continue
		}
		if !child.computes() {
			continue
		}
		v, keep, err := p.value(child, bsonkit.Missing, root, prefix+key)
		if err != nil {
			return nil, err
		}
		if keep && v != bsonkit.Missing {
			out = append(out, bson.E{Key: key, Value: v})
		}
	}
	return out, nil
}

func (n *projNode) computes() bool {
	if n.expr != nil && n.op == "" {
		return true
	}
	for _, c := range n.children {
		if c.computes() {
			return true
		}
	}
	return false
}

func (p *Projection) value(n *projNode, v any, root bson.D, path string) (any, bool, error) {
	switch {
	case n.plain:
		return v, p.inclusion, nil
	case n.op == "$slice":
		s, err := sliceValue(v, n.expr)
		return s, true, err
	case n.op == "$elemMatch", n.op == "$":
		return p.element(n, v, root, path)
	case n.op != "":
		return nil, false, Errorf(CodeBadValue, "projection operator %s is not simulated", n.op)
	case len(n.children) == 0:
		res, err := evaluate(n.expr, &scope{root: root, current: root, vars: p.vars})
		return res, res != bsonkit.Missing, err
	}
	switch t := v.(type) {
	case bson.D:
		d, err := p.walk(n, t, root, path+".")
		return d, true, err
	case bson.A:
		out := make(bson.A, 0, len(t))
		for _, item := range t {
			w, keep, err := p.value(n, item, root, path)
			if err != nil {
				return nil, false, err
			}
			if keep {
				out = append(out, w)
			}
		}
		return out, true, nil
	}
	if n.computes() {
		d, err := p.walk(n, bson.D{}, root, path+".")
		return d, true, err
	}
	return v, !p.inclusion, nil
}

// element keeps the first array element that matches: the condition of
// $elemMatch, or what the query asks of the array for the positional operator.
func (p *Projection) element(n *projNode, v any, root bson.D, path string) (any, bool, error) {
	list, ok := v.(bson.A)
	if !ok {
		return v, n.op == "$", nil
	}
	var query bson.D
	if n.op == "$elemMatch" {
		query = bson.D{{Key: path, Value: bson.D{{Key: "$elemMatch", Value: n.expr}}}}
	} else if p.filter != nil {
		for _, e := range p.filter.doc {
			if e.Key == path || strings.HasPrefix(e.Key, path+".") {
				query = append(query, e)
			}
		}
	}
	for _, item := range list {
		probe := setPath(root, strings.Split(path, "."), bson.A{item})
		ok, err := match(&probe, query, p.vars)
		if err != nil {
			return nil, false, err
		}
		if ok {
			return bson.A{item}, true, nil
		}
	}
	return nil, false, nil
}

func sliceValue(v, arg any) (any, error) {
	list, ok := v.(bson.A)
	if !ok {
		return v, nil
	}
	var skip, limit int64
	if pair, ok := arg.(bson.A); ok {
		if len(pair) != 2 {
			return nil, Errorf(28724, "First argument to $slice must be an array of two numbers")
		}
		skip, _ = integer(pair[0])
		limit, _ = integer(pair[1])
	} else if limit, ok = integer(arg); !ok {
		return nil, Errorf(28724, "$slice needs a number")
	} else if limit < 0 {
		skip, limit = limit, -limit
	}
	if limit < 0 {
		return nil, Errorf(28724, "$slice limit must be positive")
	}
	if skip < 0 {
		skip = max(0, int64(len(list))+skip)
	}
	rest := list[min(skip, int64(len(list))):]
	return append(bson.A{}, rest[:min(limit, int64(len(rest)))]...), nil
}

func without(d bson.D, key string) bson.D {
	out := make(bson.D, 0, len(d))
	for _, e := range d {
		if e.Key != key {
			out = append(out, e)
		}
	}
	return out
}

// setPath returns d with the value at path replaced or added, sharing all that
// the path does not touch. A missing value removes the field.
func setPath(d bson.D, path []string, v any) bson.D {
	out := make(bson.D, 0, len(d)+1)
	found := false
	for _, e := range d {
		if e.Key != path[0] {
			out = append(out, e)
			continue
		}
		found = true
		if w := setIn(e.Value, path[1:], v); w != bsonkit.Missing {
			out = append(out, bson.E{Key: e.Key, Value: w})
		}
	}
	if !found && v != bsonkit.Missing {
		out = append(out, bson.E{Key: path[0], Value: setIn(bson.D{}, path[1:], v)})
	}
	return out
}

func setIn(old any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	switch t := old.(type) {
	case bson.D:
		return setPath(t, path, v)
	case bson.A:
		out := make(bson.A, len(t))
		for i, item := range t {
			out[i] = setIn(item, path, v)
		}
		return out
	}
	if v == bsonkit.Missing {
		return old
	}
	return setPath(bson.D{}, path, v)
}
