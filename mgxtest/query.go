package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(
		&command{name: "find", read: true, txn: true, v1: true,
			fields: "comment filter sort projection hint skip limit batchSize singleBatch max min returnKey showRecordId tailable oplogReplay noCursorTimeout awaitData allowPartialResults allowDiskUse@4.4 collation let@5.0 term readOnce allowSpeculativeMajorityRead resumeAfter startAt requestResumeToken runtimeConstants ntoreturn collectionUUID encryptionInformation includeQueryStatsMetrics querySettings",
			run:    cmdFind},
		&command{name: "count", read: true, v1: true,
			fields: "query limit skip hint collation fields queryOptions collectionUUID encryptionInformation includeQueryStatsMetrics", run: cmdCount},
		&command{name: "distinct", read: true, txn: true,
			fields: "key query collation hint@7.1 collectionUUID includeQueryStatsMetrics querySettings", run: cmdDistinct},
	)
}

func cmdFind(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"skip", "limit", "batchSize"} {
		if r.number(key, 0) < 0 {
			return nil, failf(51024, "BSON field '%s' value must be >= 0, actual value '%d'", key, r.number(key, 0))
		}
	}
	view, at, err := d.viewFor(r, ns)
	if err != nil {
		return nil, err
	}
	f, err := engine.ParseFilter(r.document("filter"), r.document("let"), r.document("collation"))
	if err != nil {
		return nil, err
	}
	proj, err := engine.ParseProjection(r.document("projection"), f)
	if err != nil {
		return nil, err
	}
	coll, err := view.Readable(ns)
	if err != nil {
		return nil, err
	}
	hint, _ := r.get("hint")
	if err := checkHint(view.Collection(ns), hint); err != nil {
		return nil, err
	}
	if err := d.pause(r, "waitInFindBeforeMakingBatch", ns); err != nil {
		return nil, err
	}
	c := &cursor{ns: ns, atTime: at, done: true}
	tailable := r.boolean("tailable")
	if tailable && coll != nil && coll.Capped == nil {
		return nil, failf(codeBadValue, "error processing query: ns=%s tailable cursor requested on non capped collection", ns)
	}
	if r.boolean("awaitData") && !tailable {
		return nil, failf(codeFailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	}
	if coll != nil {
		if err := r.runFind(coll, f, proj, c); err != nil {
			return nil, err
		}
		if tailable {
			c.tail = &tail{ns: ns, uuid: coll.UUID, after: coll.LastID(), filter: f, proj: proj}
			c.await = r.boolean("awaitData")
		}
	}
	return d.openCursor(r, c, r.number("batchSize", -1), r.boolean("singleBatch")), nil
}

func (r *request) runFind(coll *engine.Collection, f *engine.Filter, proj *engine.Projection, c *cursor) error {
	q := &engine.Find{Filter: f, Sort: r.document("sort"), Skip: r.number("skip", 0), Limit: r.number("limit", 0)}
	if hint := r.document("hint"); firstKey(hint) == "$natural" {
		n, _ := asInt(hint.Index(0).Value())
		q.Reverse = n < 0
	}
	found, err := q.Run(coll)
	if err != nil {
		return err
	}
	c.done = q.Limit > 0 && int64(len(found)) == q.Limit
	keys := r.returnedKeys(coll)
	for _, rec := range found {
		raw, err := proj.Apply(rec)
		if err != nil {
			return err
		}
		if r.boolean("returnKey") {
			raw = onlyFields(raw, keys)
		} else if r.boolean("showRecordId") {
			raw = replaced(raw, "$recordId", rec.ID)
		}
		c.batch = append(c.batch, raw)
	}
	return nil
}

// returnedKeys are the fields of the index that a find uses, as far as hint and
// sort tell.
func (r *request) returnedKeys(coll *engine.Collection) []string {
	wanted := firstKey(r.document("sort"))
	if hint := r.document("hint"); hint != nil {
		wanted = firstKey(hint)
	}
	for _, ix := range coll.Indexes {
		keys, _ := bson.Raw(ix.Spec).Lookup("key").DocumentOK()
		if firstKey(keys) != wanted && r.text("hint") != bson.Raw(ix.Spec).Lookup("name").StringValue() {
			continue
		}
		var names []string
		elems, _ := keys.Elements()
		for _, e := range elems {
			names = append(names, e.Key())
		}
		return names
	}
	return nil
}

// onlyFields returns the document without its other fields.
func onlyFields(raw bson.Raw, names []string) bson.Raw {
	d := bson.D{}
	for _, name := range names {
		if v, err := raw.LookupErr(name); err == nil {
			d = append(d, bson.E{Key: name, Value: v})
		}
	}
	out, err := bson.Marshal(d)
	if err != nil {
		return raw
	}
	return out
}

// selected returns the records that a query of a command selects.
func (d *mongod) selected(r *request, key string) ([]*engine.Record, *engine.Filter, timestamp, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, nil, timestamp{}, err
	}
	view, at, err := d.viewFor(r, ns)
	if err != nil {
		return nil, nil, at, err
	}
	f, err := engine.ParseFilter(r.document(key), nil, r.document("collation"))
	if err != nil {
		return nil, nil, at, err
	}
	coll, err := view.Readable(ns)
	if coll == nil || err != nil {
		return nil, f, at, err
	}
	hint, _ := r.get("hint")
	if err := checkHint(view.Collection(ns), hint); err != nil {
		return nil, nil, at, err
	}
	q := &engine.Find{Filter: f, Skip: r.number("skip", 0), Limit: r.number("limit", 0)}
	if q.Limit < 0 {
		q.Limit = -q.Limit
	}
	found, err := q.Run(coll)
	return found, f, at, err
}

func cmdCount(d *mongod, r *request) (bson.D, error) {
	found, _, _, err := d.selected(r, "query")
	if err != nil {
		return nil, err
	}
	return doc("n", int32(len(found))), nil
}

func cmdDistinct(d *mongod, r *request) (bson.D, error) {
	key := r.text("key")
	if key == "" {
		return nil, failf(codeMissingField, "BSON field 'distinct.key' is missing but a required field")
	}
	found, f, at, err := d.selected(r, "query")
	if err != nil {
		return nil, err
	}
	raw, err := engine.Distinct(found, key, f.Folds())
	if err != nil {
		return nil, err
	}
	out := doc("values", bson.Raw(raw).Lookup("values"))
	if !at.zero() {
		out = append(out, doc("atClusterTime", at.bson())...)
	}
	return out, nil
}
