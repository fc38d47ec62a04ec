package mgxtest

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(
		&command{name: "insert", write: true, txn: true, retry: true, v1: true,
			fields: "documents ordered bypassDocumentValidation collectionUUID encryptionInformation bypassEmptyTsReplacement let", run: cmdInsert},
		&command{name: "update", write: true, txn: true, retry: true, v1: true,
			fields: "updates ordered bypassDocumentValidation let@5.0 collectionUUID encryptionInformation bypassEmptyTsReplacement", run: cmdUpdate},
		&command{name: "delete", write: true, txn: true, retry: true, v1: true,
			fields: "deletes ordered let@5.0 collectionUUID encryptionInformation", run: cmdDelete},
	)
}

// batch collects the outcome of a batch of statements.
type batch struct {
	w            *writer
	ordered      bool
	n, nModified int32
	upserted     bson.A
	errs         bson.A
	retried      []int32
}

func newBatch(w *writer) *batch {
	b := &batch{w: w, ordered: true}
	if v, ok := w.r.get("ordered"); ok {
		b.ordered = asBool(v)
	}
	return b
}

// add takes the outcome of statement i and reports whether to go on.
func (b *batch) add(i int, res stmtResult, again bool, err error) (bool, error) {
	if b.w.stopsBatch(err) {
		return false, err
	}
	if err != nil {
		b.errs = append(b.errs, writeError(i, err))
		return !b.ordered && b.w.t == nil, nil
	}
	if again {
		b.retried = append(b.retried, res.id)
	}
	b.n += res.n
	b.nModified += res.nModified
	if res.upserted.Type != 0 {
		b.upserted = append(b.upserted, doc("index", int32(i), "_id", res.upserted))
	}
	return true, nil
}

func (b *batch) reply(update bool) (bson.D, error) {
	if b.w.hangUp {
		return nil, errHangUp
	}
	d := doc("n", b.n)
	if update {
		d = append(d, doc("nModified", b.nModified)...)
		if len(b.upserted) > 0 {
			d = append(d, doc("upserted", b.upserted)...)
		}
	}
	if len(b.errs) > 0 {
		d = append(d, doc("writeErrors", b.errs)...)
	}
	if len(b.retried) > 0 {
		d = append(d, doc("retriedStmtIds", b.retried)...)
	}
	return d, nil
}

// stmtIDs returns the statement numbers of a batch.
func (r *request) stmtIDs(n int) func(i int) int32 {
	if v, ok := r.get("stmtIds"); ok {
		arr, _ := v.ArrayOK()
		values, _ := arr.Values()
		if len(values) == n {
			return func(i int) int32 { id, _ := asInt(values[i]); return int32(id) }
		}
	}
	first := int32(r.number("stmtId", 0))
	return func(i int) int32 { return first + int32(i) }
}

// startBatch prepares a command that is a list of statements.
func startBatch(d *mongod, r *request, list string) (*batch, string, []bson.Raw, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, "", nil, err
	}
	items, err := r.documents(list)
	if err != nil {
		return nil, "", nil, err
	}
	if len(items) == 0 || len(items) > int(maxWriteBatchSize) {
		return nil, "", nil, failf(16, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatchSize, len(items))
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, "", nil, err
	}
	if err := w.target(ns); err != nil {
		return nil, "", nil, err
	}
	return newBatch(w), ns, items, nil
}

func cmdInsert(d *mongod, r *request) (bson.D, error) {
	b, ns, docs, err := startBatch(d, r, "documents")
	if err != nil {
		return nil, err
	}
	stmt := r.stmtIDs(len(docs))
	for i, raw := range docs {
		res, again, err := b.w.insert(ns, raw, stmt(i))
		more, err := b.add(i, res, again, err)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return b.reply(false)
}

func cmdUpdate(d *mongod, r *request) (bson.D, error) {
	b, ns, updates, err := startBatch(d, r, "updates")
	if err != nil {
		return nil, err
	}
	stmt := r.stmtIDs(len(updates))
	for i, raw := range updates {
		u, err := d.parseUpdateStatement(r, b.w, ns, raw, "q", "u")
		var res stmtResult
		again := false
		if err == nil {
			u.stmt = stmt(i)
			res, again, err = b.w.update(u)
		}
		if badStatement(err) {
			return nil, err
		}
		more, err := b.add(i, res, again, err)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return b.reply(true)
}

// badStatement tells the errors of parsing that fail the whole command.
func badStatement(err error) bool {
	var ee *engine.Error
	if errors.As(err, &ee) && ee.Code == engine.CodeUnrecognizedStage {
		return true
	}
	var ce *commandError
	return errors.As(err, &ce) && (ce.code == codeUnknownField || ce.code == codeMissingField)
}

// updateFields are what an update statement may have, by the releases that they
// came with.
var updateFields = map[string]int32{
	"q": 0, "u": 0, "c": 0, "multi": 0, "upsert": 0, "collation": 0, "arrayFilters": 0, "hint": 0, "sort": wire80,
	"upsertSupplied": 0, "sampleId": 0,
	// The names that bulkWrite uses.
	"update": 0, "filter": 0, "updateMods": 0, "constants": 0,
}

func (d *mongod) parseUpdateStatement(r *request, w *writer, ns string, raw bson.Raw, q, u string) (updateSpec, error) {
	spec := updateSpec{ns: ns}
	elems, err := raw.Elements()
	if err != nil {
		return spec, failf(codeFailedToParse, "%v", err)
	}
	for _, e := range elems {
		if wire, ok := updateFields[e.Key()]; !ok || !r.since(wire) {
			return spec, failf(codeUnknownField, "BSON field 'update.updates.%s' is an unknown field.", e.Key())
		}
	}
	query, ok := raw.Lookup(q).DocumentOK()
	if !ok {
		return spec, failf(codeMissingField, "BSON field 'update.updates.%s' is missing but a required field", q)
	}
	mods, err := raw.LookupErr(u)
	if err != nil {
		return spec, failf(codeMissingField, "BSON field 'update.updates.%s' is missing but a required field", u)
	}
	let := r.document("let")
	collation, _ := raw.Lookup("collation").DocumentOK()
	if spec.filter, err = engine.ParseFilter(query, let, collation); err != nil {
		return spec, err
	}
	var filters []bson.Raw
	if v, err := raw.LookupErr("arrayFilters"); err == nil {
		if filters, err = rawDocuments(v, "arrayFilters"); err != nil {
			return spec, err
		}
	}
	if c, ok := raw.Lookup("c").DocumentOK(); ok {
		let = c
	}
	if spec.update, err = parseUpdate(mods, filters, let); err != nil {
		return spec, err
	}
	spec.multi = asBool(raw.Lookup("multi"))
	spec.upsert = asBool(raw.Lookup("upsert"))
	spec.sort, _ = raw.Lookup("sort").DocumentOK()
	if spec.multi && spec.sort != nil {
		return spec, failf(codeFailedToParse, "Cannot specify sort with multi=true")
	}
	return spec, checkHint(w.store().Collection(ns), raw.Lookup("hint"))
}

func parseUpdate(mods bson.RawValue, filters []bson.Raw, let bson.Raw) (*engine.Update, error) {
	if mods.Type == bson.TypeArray {
		stages, err := rawDocuments(mods, "update")
		if err != nil {
			return nil, err
		}
		if len(filters) > 0 {
			return nil, failf(codeFailedToParse, "arrayFilters may not be specified for pipeline-syle updates")
		}
		return engine.ParsePipelineUpdate(rawList(stages), let)
	}
	d, ok := mods.DocumentOK()
	if !ok {
		return nil, failf(codeFailedToParse, "Update argument must be either an object or an array")
	}
	return engine.ParseUpdate(d, rawList(filters), let)
}

func rawList(list []bson.Raw) [][]byte {
	out := make([][]byte, len(list))
	for i, d := range list {
		out[i] = d
	}
	return out
}

// checkHint refuses hints that name no index.
func checkHint(c *engine.Collection, hint bson.RawValue) error {
	if c == nil || hint.Type == 0 || c.View != nil {
		return nil
	}
	if name, ok := hint.StringValueOK(); ok {
		for _, ix := range c.Indexes {
			if ix.Name == name {
				return nil
			}
		}
	} else if d, ok := hint.DocumentOK(); ok {
		if len(d) <= 5 || firstKey(d) == "$natural" {
			return nil
		}
		for _, ix := range c.Indexes {
			if ix.SameKey(d) {
				return nil
			}
		}
	}
	return failf(codeBadValue, "error processing query: ns=%s planner returned error :: caused by :: hint provided does not correspond to an existing index", c.NS)
}

func cmdDelete(d *mongod, r *request) (bson.D, error) {
	b, ns, deletes, err := startBatch(d, r, "deletes")
	if err != nil {
		return nil, err
	}
	stmt := r.stmtIDs(len(deletes))
	for i, raw := range deletes {
		f, multi, err := d.parseDelete(r, b.w, ns, raw)
		if badStatement(err) {
			return nil, err
		}
		var res stmtResult
		again := false
		if err == nil {
			res, again, err = b.w.remove(ns, f, multi, stmt(i))
		}
		more, err := b.add(i, res, again, err)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return b.reply(false)
}

func (d *mongod) parseDelete(r *request, w *writer, ns string, raw bson.Raw) (*engine.Filter, bool, error) {
	query, ok := raw.Lookup("q").DocumentOK()
	if !ok {
		return nil, false, failf(codeMissingField, "BSON field 'delete.deletes.q' is missing but a required field")
	}
	limit, ok := asInt(raw.Lookup("limit"))
	if !ok {
		return nil, false, failf(codeMissingField, "BSON field 'delete.deletes.limit' is missing but a required field")
	}
	if _, err := raw.LookupErr("hint"); err == nil && !r.since(wire44) {
		return nil, false, failf(codeUnknownField, "BSON field 'delete.deletes.hint' is an unknown field.")
	}
	if limit != 0 && limit != 1 {
		return nil, false, failf(codeFailedToParse, "The limit field in delete objects must be 0 or 1. Got %d", limit)
	}
	collation, _ := raw.Lookup("collation").DocumentOK()
	f, err := engine.ParseFilter(query, r.document("let"), collation)
	if err != nil {
		return nil, false, err
	}
	return f, limit == 0, checkHint(w.store().Collection(ns), raw.Lookup("hint"))
}
