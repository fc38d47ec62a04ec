package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(&command{name: "explain", read: true, v1: true, run: cmdExplain})
}

func cmdExplain(d *mongod, r *request) (bson.D, error) {
	inner := r.document("explain")
	if inner == nil {
		return nil, failf(codeTypeMismatch, "BSON field 'explain.explain' is the wrong type, expected type 'object'")
	}
	name := firstKey(inner)
	if commands[name] == nil {
		return nil, failf(codeCommandNotFound, "Explain failed due to unknown command: %s", name)
	}
	verbosity := "allPlansExecution"
	if v, ok := r.get("verbosity"); ok {
		verbosity, _ = v.StringValueOK()
	}
	switch verbosity {
	case "queryPlanner", "executionStats", "allPlansExecution":
	default:
		return nil, failf(codeBadValue, "Enumeration value '%s' for field 'explain.verbosity' is not a valid value.", verbosity)
	}
	return d.explain(r, inner, verbosity)
}

// explained is what a plan needs of a command.
type explained struct {
	filter, sort, hint bson.Raw
	hintName           string
}

func explaining(inner bson.Raw) explained {
	document := func(path ...string) bson.Raw { raw, _ := inner.Lookup(path...).DocumentOK(); return raw }
	e := explained{sort: document("sort"), hint: document("hint")}
	e.hintName, _ = inner.Lookup("hint").StringValueOK()
	for _, path := range [][]string{{"filter"}, {"query"}, {"updates", "0", "q"}, {"deletes", "0", "q"}, {"pipeline", "0", "$match"}} {
		if raw := document(path...); raw != nil {
			e.filter = raw
		}
	}
	return e
}

func (d *mongod) explain(r *request, inner bson.Raw, verbosity string) (bson.D, error) {
	coll, _ := inner.Index(0).Value().StringValueOK()
	ns := r.db + "." + coll
	e := explaining(inner)
	c := d.store.Collection(ns)
	plan, indexed := d.plan(c, e)
	if firstKey(inner) == "count" {
		plan = doc("stage", "COUNT", "inputStage", plan)
	}
	planner := doc("namespace", ns, "parsedQuery", orEmpty(e.filter), "indexFilterSet", false, "winningPlan", plan, "rejectedPlans", bson.A{})
	server := doc("host", d.host, "port", int32(0), "version", d.dep.cfg.version, "gitVersion", "mgxtest")
	if firstKey(inner) == "aggregate" {
		stages := bson.A{doc("$cursor", doc("queryPlanner", planner))}
		list, _ := inner.Lookup("pipeline").ArrayOK()
		values, _ := list.Values()
		for i, v := range values {
			if st := v.Document(); i > 0 || firstKey(st) != "$match" {
				stages = append(stages, st)
			}
		}
		return doc("explainVersion", "1", "stages", stages, "queryPlanner", planner, "serverInfo", server, "command", inner), nil
	}
	out := doc("explainVersion", "1", "queryPlanner", planner, "command", inner, "serverInfo", server)
	if verbosity != "queryPlanner" {
		stats, err := executionStats(c, e, plan, indexed)
		if err != nil {
			return nil, err
		}
		out = append(out, doc("executionStats", stats)...)
	}
	return out, nil
}

// plan is how a server would go about a query, by the first field of its filter, its
// sort or its hint. All queries scan here, in fact.
func (d *mongod) plan(c *engine.Collection, e explained) (plan bson.D, indexed bool) {
	if c == nil {
		return doc("stage", "EOF"), false
	}
	scan := doc("stage", "COLLSCAN", "direction", "forward")
	if len(e.filter) > 5 {
		scan = doc("stage", "COLLSCAN", "filter", e.filter, "direction", "forward")
	}
	sorted := func(p bson.D) bson.D {
		if len(e.sort) > 5 && firstKey(e.sort) != "$natural" {
			return doc("stage", "SORT", "sortPattern", e.sort, "memLimit", int32(100<<20), "type", "simple", "inputStage", p)
		}
		return p
	}
	wanted := firstKey(e.filter)
	bySort := wanted == "" && e.hint == nil
	if bySort {
		wanted = firstKey(e.sort)
	}
	for _, ix := range c.Indexes {
		spec := bson.Raw(ix.Spec)
		key, _ := spec.Lookup("key").DocumentOK()
		switch {
		case e.hintName != "" && ix.Name != e.hintName, e.hint != nil && !ix.SameKey(e.hint), e.hintName == "" && e.hint == nil && firstKey(key) != wanted:
			continue
		}
		if ix.Name == "_id_" && wanted == "_id" && !bySort && e.filter.Lookup("_id").Type != bson.TypeEmbeddedDocument {
			if d.dep.cfg.release >= wire80 {
				return doc("stage", "EXPRESS_IXSCAN", "keyPattern", "{ _id: 1 }", "indexName", "_id_"), true
			}
			return doc("stage", "IDHACK"), true
		}
		walk := doc("stage", "IXSCAN", "keyPattern", key, "indexName", ix.Name, "isMultiKey", false, "isUnique", ix.Unique,
			"isSparse", asBool(spec.Lookup("sparse")), "isPartial", !spec.Lookup("partialFilterExpression").IsZero(), "indexVersion", int32(2), "direction", "forward")
		p := doc("stage", "FETCH", "inputStage", walk)
		if bySort {
			return p, true
		}
		return sorted(p), true
	}
	return sorted(scan), false
}

func executionStats(c *engine.Collection, e explained, plan bson.D, indexed bool) (bson.D, error) {
	returned, examined := 0, 0
	if c != nil {
		f, err := engine.ParseFilter(e.filter, nil, nil)
		if err != nil {
			return nil, err
		}
		found, err := (&engine.Find{Filter: f}).Run(c)
		if err != nil {
			return nil, err
		}
		returned, examined = len(found), c.Len()
	}
	keys := 0
	if indexed {
		keys, examined = returned, returned
	}
	return doc("executionSuccess", true, "nReturned", int32(returned), "executionTimeMillis", int32(0), "totalKeysExamined", int32(keys),
		"totalDocsExamined", int32(examined), "executionStages", append(append(bson.D{}, plan...), doc("nReturned", int32(returned), "works", int32(examined+1))...)), nil
}

// explained wraps a shard's plan in that of a router.
func (m *router) explained(out bson.D) bson.D {
	shard := m.shard.shard()
	server := lookup(out, "serverInfo")
	if lookup(out, "stages") != nil {
		return doc("serverInfo", server, "splitPipeline", nil, "shards", bson.D{{Key: m.shard.name, Value: remove(out, "command")}}, "command", lookup(out, "command"))
	}
	one := append(doc("shardName", m.shard.name, "connectionString", lookup(shard, "host"), "serverInfo", server), lookup(out, "queryPlanner").(bson.D)...)
	wrapped := doc("queryPlanner", doc("winningPlan", doc("stage", "SINGLE_SHARD", "shards", bson.A{one})))
	if stats, ok := lookup(out, "executionStats").(bson.D); ok {
		part := append(doc("shardName", m.shard.name), stats...)
		total := append(remove(stats, "executionStages"), doc("executionStages", doc("stage", "SINGLE_SHARD", "nReturned", lookup(stats, "nReturned"), "shards", bson.A{part}))...)
		wrapped = append(wrapped, doc("executionStats", total)...)
	}
	return append(wrapped, doc("serverInfo", server, "command", lookup(out, "command"))...)
}
