package engine

import (
	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// foreign returns the documents of another collection or view.
func (env *Environment) foreign(name string) ([]bson.D, error) {
	if env == nil || env.Store == nil {
		return nil, Errorf(CodeInvalidOptions, "other collections cannot be read here")
	}
	raws, err := env.Store.documents(env.DB+"."+name, env.depth)
	if err != nil {
		return nil, err
	}
	docs := make([]bson.D, len(raws))
	for i, raw := range raws {
		if docs[i], err = decode(raw); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// maxViewDepth is how many views may lie over each other.
const maxViewDepth = 20

// Documents returns all documents of a collection, or what a view shows.
func (s *Store) Documents(ns string) ([][]byte, error) { return s.documents(ns, 0) }

// documents is Documents for a view that depth others lie over.
func (s *Store) documents(ns string, depth int) ([][]byte, error) {
	c := s.colls[ns]
	if c == nil {
		return nil, nil
	}
	if c.View != nil {
		if depth++; depth > maxViewDepth {
			return nil, Errorf(CodeViewDepthLimitExceeded, "View depth limit exceeded; maximum depth is %d", maxViewDepth)
		}
		db, _ := SplitNS(ns)
		in, err := s.documents(db+"."+c.View.On, depth)
		if err != nil {
			return nil, err
		}
		return Aggregate(&Environment{Store: s, DB: db, depth: depth}, c.View.Pipeline, in)
	}
	var out [][]byte
	c.records.Scan(func(_ int64, r *Record) bool {
		out = append(out, r.Raw)
		return true
	})
	return out, nil
}

func subPipeline(env *Environment, v any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	stages, _ := v.(bson.A)
	for _, item := range stages {
		st, ok := item.(bson.D)
		if !ok {
			return nil, Errorf(CodeTypeMismatch, "each element of the 'pipeline' array must be an object")
		}
		var err error
		if docs, err = runStage(env, st, docs, vars); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func stageLookup(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40319, "the $lookup specification must be an object")
	}
	text := func(name string) string { v, _ := field(spec, name); s, _ := v.(string); return s }
	as, local, remote := text("as"), text("localField"), text("foreignField")
	if as == "" {
		return nil, Errorf(CodeFailedToParse, "must specify 'as' field for a $lookup")
	}
	foreign, err := env.foreign(text("from"))
	if err != nil {
		return nil, err
	}
	let, _ := field(spec, "let")
	letDoc, _ := let.(bson.D)
	pipeline, _ := field(spec, "pipeline")
	out := make([]bson.D, len(docs))
	for i, d := range docs {
		var matched []bson.D
		if local == "" {
			matched = foreign
		} else {
			matched = equalOn(d, local, foreign, remote)
		}
		inner := &scope{root: d, current: d, vars: vars}
		for _, e := range letDoc {
			v, err := evaluate(e.Value, inner)
			if err != nil {
				return nil, err
			}
			inner = inner.with(e.Key, v)
		}
		if matched, err = subPipeline(env, pipeline, matched, inner.vars); err != nil {
			return nil, err
		}
		list := make(bson.A, len(matched))
		for j, m := range matched {
			list[j] = m
		}
		out[i] = setPath(d, []string{as}, list)
	}
	return out, nil
}

func equalOn(d bson.D, local string, foreign []bson.D, remote string) []bson.D {
	want := map[string]bool{}
	anyValue(&d, local, func(v any) bool { want[Key(v)] = true; return false })
	var out []bson.D
	for _, f := range foreign {
		if anyValue(&f, remote, func(v any) bool { return want[Key(v)] }) {
			out = append(out, f)
		}
	}
	return out
}

func stageUnion(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	name, _ := arg.(string)
	var pipeline any
	if d, ok := arg.(bson.D); ok {
		v, _ := field(d, "coll")
		name, _ = v.(string)
		pipeline, _ = field(d, "pipeline")
	}
	more, err := env.foreign(name)
	if err != nil {
		return nil, err
	}
	if more, err = subPipeline(env, pipeline, more, vars); err != nil {
		return nil, err
	}
	return append(append([]bson.D{}, docs...), more...), nil
}

func stageFacet(env *Environment, arg any, docs []bson.D, vars map[string]any) ([]bson.D, error) {
	spec, ok := arg.(bson.D)
	if !ok {
		return nil, Errorf(40169, "the $facet specification must be a non-empty object")
	}
	out := bson.D{}
	for _, e := range spec {
		res, err := subPipeline(env, e.Value, docs, vars)
		if err != nil {
			return nil, err
		}
		list := make(bson.A, len(res))
		for i, d := range res {
			list[i] = d
		}
		out = append(out, bson.E{Key: e.Key, Value: list})
	}
	return []bson.D{out}, nil
}

// Find is a parsed find.
type Find struct {
	Filter      *Filter
	Projection  *Projection
	Sort        []byte
	Skip, Limit int64
	// Reverse walks backwards through natural order.
	Reverse bool
}

// Run returns the records that a find selects, unprojected.
func (q *Find) Run(c *Collection) ([]*Record, error) {
	sort, err := decode(q.Sort)
	if err != nil {
		return nil, err
	}
	if len(sort) == 1 && sort[0].Key == "$natural" {
		n, _ := integer(sort[0].Value)
		sort, q.Reverse = nil, n < 0
	}
	var found []*Record
	enough := func() bool {
		return len(sort) == 0 && !q.Reverse && q.Limit > 0 && int64(len(found)) >= q.Skip+q.Limit
	}
	err = c.Scan(q.Filter, func(r *Record) bool {
		found = append(found, r)
		return !enough()
	})
	if err != nil {
		return nil, err
	}
	if q.Reverse {
		for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
			found[i], found[j] = found[j], found[i]
		}
	}
	if len(sort) > 0 {
		if err := sortRecords(found, sort); err != nil {
			return nil, err
		}
	}
	found = found[min(q.Skip, int64(len(found))):]
	if q.Limit > 0 {
		found = found[:min(q.Limit, int64(len(found)))]
	}
	return found, nil
}

// Distinct returns the different values of a field, as a document that holds
// them in the array "values".
func Distinct(records []*Record, path string, ignoreCase bool) ([]byte, error) {
	values := bson.A{}
	seen := map[string]bool{}
	for _, r := range records {
		v, multi := bsonkit.All(r.doc(), path, true, true)
		list, ok := v.(bson.A)
		if !ok {
			if v == bsonkit.Missing || multi {
				continue
			}
			list = bson.A{v}
		}
		for _, item := range list {
			k := Key(item)
			if ignoreCase {
				k = Key(fold(item))
			}
			if !seen[k] {
				seen[k] = true
				values = append(values, item)
			}
		}
	}
	return encode(bson.D{{Key: "values", Value: values}})
}

// Folds reports whether the filter's collation ignores case.
func (f *Filter) Folds() bool { return f.fold }
