package mgxtest

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(&command{name: "aggregate", read: true, txn: true, v1: true,
		fields: "comment pipeline cursor explain allowDiskUse bypassDocumentValidation hint collation let@5.0 needsMerge fromMongos requestReshardingResumeToken exchange runtimeConstants isMapReduceCommand collectionUUID needsSortedMerge fromRouter encryptionInformation includeQueryStatsMetrics querySettings",
		run:    cmdAggregate})
}

// pipeline is a parsed aggregate command.
type pipeline struct {
	ns     string
	whole  bool // aggregate: 1
	stages []bson.Raw
	out    bson.Raw // the $out or $merge stage
}

func (r *request) parsePipeline() (*pipeline, error) {
	p := &pipeline{ns: r.db + ".$cmd.aggregate"}
	if n, ok := asInt(r.body.Index(0).Value()); ok && n == 1 {
		p.whole = true
	} else {
		ns, err := r.collection()
		if err != nil {
			return nil, err
		}
		p.ns = ns
	}
	var err error
	if p.stages, err = r.documents("pipeline"); err != nil {
		return nil, err
	}
	if _, ok := r.get("cursor"); !ok && !r.boolean("explain") {
		return nil, failf(codeFailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	for i, st := range p.stages {
		name := firstKey(st)
		if name != "$out" && name != "$merge" {
			continue
		}
		if i != len(p.stages)-1 {
			return nil, failf(40601, "%s can only be the final stage in the pipeline", name)
		}
		p.out, p.stages = st, p.stages[:i]
	}
	return p, nil
}

// checkTxnStages refuses the stages that transactions cannot have.
func (r *request) checkTxnStages(p *pipeline) error {
	stages := p.stages
	if p.out != nil {
		stages = append(slices.Clone(stages), p.out)
	}
	for _, st := range stages {
		switch name := firstKey(st); name {
		case "$changeStream", "$collStats", "$currentOp", "$indexStats", "$listLocalSessions", "$listSessions", "$out", "$merge", "$planCacheStats":
			if r.inTxn {
				return failf(codeOperationNotSupportedInTxn, "Operation not permitted in transaction :: caused by :: Aggregation stage %s cannot run within a multi-document transaction", name)
			}
		}
	}
	return nil
}

func cmdAggregate(d *mongod, r *request) (bson.D, error) {
	p, err := r.parsePipeline()
	if err != nil {
		return nil, err
	}
	if r.boolean("explain") {
		return d.explain(r, r.merged(), "queryPlanner")
	}
	if err := r.checkTxnStages(p); err != nil {
		return nil, err
	}
	if len(p.stages) > 0 && firstKey(p.stages[0]) == "$changeStream" {
		return d.openStream(r, p)
	}
	if p.out != nil {
		if d.role != primary {
			// A secondary runs the pipeline and has the primary write.
			if p := d.primaryOf(); p != nil {
				return cmdAggregate(p, r)
			}
			return nil, failf(codeNotWritablePrimary, "not primary")
		}
		if r.rcLevel == "linearizable" {
			return nil, failf(codeInvalidOptions, "%s cannot be used with a 'linearizable' read concern level", firstKey(p.out))
		}
	}
	view, at, err := d.viewFor(r, p.ns)
	if err != nil {
		return nil, err
	}
	hint, _ := r.get("hint")
	if err := checkHint(view.Collection(p.ns), hint); err != nil {
		return nil, err
	}
	input, rest, err := d.source(r, p, view)
	if err != nil {
		return nil, err
	}
	env := &engine.Environment{Store: view, DB: r.db, Let: r.document("let"), Collation: r.document("collation")}
	found, err := engine.Aggregate(env, rawList(rest), input)
	if err != nil {
		return nil, err
	}
	c := &cursor{ns: p.ns, atTime: at, done: endsInLimit(rest)}
	if p.out != nil {
		if err := d.writeOut(r, p, found); err != nil {
			return nil, err
		}
		return d.openCursor(r, c, -1, true), d.awaitWriteConcern(r)
	}
	for _, raw := range found {
		c.batch = append(c.batch, raw)
	}
	size := int64(-1)
	if n, ok := asInt(r.document("cursor").Lookup("batchSize")); ok {
		size = n
	}
	if view.Collection(p.ns) == nil && !p.whole && len(found) == 0 {
		c.done = true
	}
	return d.openCursor(r, c, size, false), nil
}

func endsInLimit(stages []bson.Raw) bool {
	if len(stages) == 0 {
		return false
	}
	switch firstKey(stages[len(stages)-1]) {
	case "$limit", "$group", "$count":
		return true
	}
	return false
}

// stableFirst tells of the stages that only start a pipeline, and of none,
// whether they belong to the stable API; all others are dealt with elsewhere.
var stableFirst = stableStages()

func stableStages() map[string]bool {
	stable := map[string]bool{"": true, "$documents": true}
	for _, name := range strings.Fields("$match $project $addFields $set $unset $sort $limit $skip $group $count $sortByCount $unwind " +
		"$replaceRoot $replaceWith $lookup $unionWith $facet $sample $changeStream $bucket $bucketAuto $redact $densify $fill $graphLookup") {
		stable[name] = true
	}
	return stable
}

// source returns the documents that a pipeline starts with and the stages
// that are left.
func (d *mongod) source(r *request, p *pipeline, view *engine.Store) ([][]byte, []bson.Raw, error) {
	first := ""
	if len(p.stages) > 0 {
		first = firstKey(p.stages[0])
	}
	if r.boolean("apiStrict") && !stableFirst[first] {
		return nil, nil, failf(codeAPIStrictError, "stage %s is not allowed with 'apiStrict: true' in API Version %s", first, r.apiVersion)
	}
	switch first {
	case "$documents":
		docs, err := engine.Documents(p.stages[0], r.document("let"))
		return docs, p.stages[1:], err
	case "$listLocalSessions", "$listSessions":
		return d.sessionDocs(), p.stages[1:], nil
	case "$currentOp":
		docs, err := d.currentOps()
		return docs, p.stages[1:], err
	case "$collStats":
		docs, err := d.collStats(p.ns, view)
		return docs, p.stages[1:], err
	case "$indexStats":
		docs, err := d.indexStats(p.ns, view)
		return docs, p.stages[1:], err
	case "$listSearchIndexes":
		return nil, nil, errNoAtlas()
	}
	if p.whole {
		return nil, nil, failf(codeInvalidNamespace, "{aggregate: 1} is not valid for '%s'; a collection is required.", first)
	}
	docs, err := view.Documents(p.ns)
	return docs, p.stages, err
}

func (d *mongod) sessionDocs() [][]byte {
	var out [][]byte
	for id, used := range d.live {
		raw, err := bson.Marshal(doc("_id", doc("id", bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte(id)}),
			"lastUse", bson.NewDateTimeFromTime(used)))
		if err == nil {
			out = append(out, raw)
		}
	}
	return out
}

func (d *mongod) collStats(ns string, view *engine.Store) ([][]byte, error) {
	c := view.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "Collection [%s] not found.", ns)
	}
	stats := doc("size", c.Size(), "count", int32(c.Len()), "capped", c.Capped != nil, "nindexes", int32(len(c.Indexes)))
	if c.Capped != nil {
		stats = append(stats, doc("max", c.Capped.Max, "maxSize", c.Capped.Size)...)
	}
	raw, err := bson.Marshal(doc("ns", ns, "host", d.host, "localTime", bson.DateTime(0), "count", int32(c.Len()), "storageStats", stats))
	return [][]byte{raw}, err
}

func (d *mongod) indexStats(ns string, view *engine.Store) ([][]byte, error) {
	var out [][]byte
	c := view.Collection(ns)
	if c == nil {
		return nil, nil
	}
	for _, ix := range c.Indexes {
		spec := bson.Raw(ix.Spec)
		raw, err := bson.Marshal(doc("name", ix.Name, "key", spec.Lookup("key"), "host", d.host,
			"accesses", doc("ops", int64(0), "since", bson.DateTime(0)), "spec", spec))
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// outTarget returns where $out or $merge writes to.
func outTarget(db string, v bson.RawValue) string {
	if s, ok := v.StringValueOK(); ok {
		return db + "." + s
	}
	d, _ := v.DocumentOK()
	if into, err := d.LookupErr("into"); err == nil {
		return outTarget(db, into)
	}
	if s, ok := d.Lookup("db").StringValueOK(); ok {
		db = s
	}
	coll, _ := d.Lookup("coll").StringValueOK()
	return db + "." + coll
}

func (d *mongod) writeOut(r *request, p *pipeline, docs [][]byte) error {
	spec := p.out.Index(0).Value()
	target := outTarget(r.db, spec)
	w := &writer{d: d, r: r, bypass: r.boolean("bypassDocumentValidation")}
	if err := w.target(target); err != nil {
		return err
	}
	if firstKey(p.out) == "$merge" {
		m, _ := spec.DocumentOK()
		return w.merge(target, m, docs)
	}
	return w.replaceCollection(target, docs)
}

// replaceCollection is $out: the documents go into a new collection, which then takes
// the place of the target with its options and indexes. Change streams on the target
// see a rename (jstests/change_streams/metadata_notifications.js).
func (w *writer) replaceCollection(target string, docs [][]byte) error {
	d := w.d
	def := &engine.Definition{UUID: engine.NewUUID()}
	var indexes []*engine.Index
	if c := d.store.Collection(target); c != nil {
		if c.Capped != nil {
			return failf(17152, "namespace '%s' is capped so it can't be used for $out", target)
		}
		def.Options, indexes = c.Options, c.Indexes
	}
	db, _ := splitNS(target)
	temp := fmt.Sprintf("%s.tmp.agg_out.%x", db, def.UUID)
	def.NS = temp
	op, err := d.store.Create(def)
	if err != nil {
		return err
	}
	ops := []*engine.Op{op}
	fail := func(err error) error {
		if op := d.store.Drop(temp); op != nil {
			ops = append(ops, op)
		}
		w.record(ops, nil)
		return err
	}
	for _, ix := range indexes {
		op, err := d.store.CreateIndex(temp, ix)
		if err != nil {
			return fail(err)
		}
		if op != nil {
			ops = append(ops, op)
		}
	}
	for _, raw := range docs {
		withID, err := engine.EnsureID(raw)
		if err != nil {
			return fail(err)
		}
		op, err := d.store.Insert(temp, withID, w.bypass)
		if err != nil {
			return fail(err)
		}
		ops = append(ops, op)
	}
	w.record(ops, nil)
	ops = nil
	if err := d.exclusively(w.r, target); err != nil {
		return fail(err)
	}
	if op, err = d.store.Rename(temp, target, true); err != nil {
		return fail(err)
	}
	w.record([]*engine.Op{op}, nil)
	return nil
}

// merge writes documents into a collection by _id or the fields of "on".
func (w *writer) merge(target string, spec bson.Raw, docs [][]byte) error {
	on := []string{"_id"}
	if v, err := spec.LookupErr("on"); err == nil {
		if s, ok := v.StringValueOK(); ok {
			on = []string{s}
		} else {
			on = stringList(v)
		}
	}
	matched, notMatched := "merge", "insert"
	if s, ok := spec.Lookup("whenMatched").StringValueOK(); ok {
		matched = s
	}
	if s, ok := spec.Lookup("whenNotMatched").StringValueOK(); ok {
		notMatched = s
	}
	stages, _ := spec.Lookup("whenMatched").ArrayOK()
	if err := w.ensure(target); err != nil {
		return err
	}
	for _, raw := range docs {
		raw, err := engine.EnsureID(raw)
		if err != nil {
			return err
		}
		query := bson.D{}
		for _, key := range on {
			query = append(query, bson.E{Key: key, Value: bson.Raw(raw).Lookup(strings.Split(key, ".")...)})
		}
		if err := w.mergeOne(target, query, bson.Raw(raw), matched, notMatched, stages != nil, spec); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) mergeOne(target string, query bson.D, raw bson.Raw, matched, notMatched string, isPipeline bool, spec bson.Raw) error {
	q, err := bson.Marshal(query)
	if err != nil {
		return err
	}
	f, err := engine.ParseFilter(q, nil, nil)
	if err != nil {
		return err
	}
	var u *engine.Update
	switch {
	case isPipeline:
		let, merr := bson.Marshal(doc("new", doc("$literal", raw)))
		if merr != nil {
			return merr
		}
		u, err = parseUpdate(spec.Lookup("whenMatched"), nil, let)
	case matched == "replace":
		u, err = engine.ParseUpdate(raw, nil, nil)
	case matched == "merge":
		var set []byte
		if set, err = bson.Marshal(doc("$set", raw)); err == nil {
			u, err = engine.ParseUpdate(set, nil, nil)
		}
	case matched == "fail" || matched == "keepExisting":
	default:
		err = failf(codeBadValue, "Enumeration value '%s' for field '$merge.whenMatched' is not a valid value.", matched)
	}
	if err != nil {
		return err
	}
	found, err := w.match(target, f, nil, false)
	if err != nil {
		return err
	}
	switch {
	case len(found) > 0 && matched == "fail":
		pattern := bson.D{}
		for _, e := range query {
			pattern = append(pattern, bson.E{Key: e.Key, Value: int32(1)})
		}
		dup := failf(11000, "$merge with whenMatched: fail found an existing document with the same values for the 'on' fields")
		dup.extra = doc("keyPattern", pattern, "keyValue", query)
		return dup
	case len(found) > 0 && matched == "keepExisting":
		return nil
	case len(found) > 0:
		_, _, err := w.update(updateSpec{ns: target, filter: f, update: u})
		return err
	case notMatched == "discard":
		return nil
	case notMatched == "fail":
		return failf(13113, "$merge could not find a matching document in the target collection for at least one document in the source collection")
	}
	_, _, err = w.insert(target, raw, -1)
	return err
}
