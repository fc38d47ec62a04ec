package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(&command{name: "bulkWrite", write: true, txn: true, retry: true, admin: true, v1: true, from: wire80,
		fields: "ops nsInfo ordered errorsOnly bypassDocumentValidation let cursor bypassEmptyTsReplacement", run: cmdBulkWrite})
}

// bulk is a bulkWrite command at work.
type bulk struct {
	w          *writer
	namespaces []string
	results    []bson.Raw
	errorsOnly bool
	counts     [6]int32 // errors, inserted, matched, modified, upserted, deleted
	retried    []int32
}

func cmdBulkWrite(d *mongod, r *request) (bson.D, error) {
	ops, err := r.documents("ops")
	if err != nil {
		return nil, err
	}
	infos, err := r.documents("nsInfo")
	if err != nil {
		return nil, err
	}
	if len(ops) == 0 || len(ops) > int(maxWriteBatchSize) {
		return nil, failf(16, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatchSize, len(ops))
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, err
	}
	b := &bulk{w: w, errorsOnly: r.boolean("errorsOnly")}
	for _, info := range infos {
		ns, _ := info.Lookup("ns").StringValueOK()
		if err := w.target(ns); err != nil {
			return nil, err
		}
		b.namespaces = append(b.namespaces, ns)
	}
	for i, op := range ops {
		if _, err := b.namespace(i, op); err != nil {
			return nil, err
		}
	}
	ordered := true
	if v, ok := r.get("ordered"); ok {
		ordered = asBool(v)
	}
	stmt := r.stmtIDs(len(ops))
	for i, op := range ops {
		err := b.run(int32(i), op, stmt(i))
		if w.stopsBatch(err) || badStatement(err) {
			return nil, err
		}
		if err != nil {
			b.fail(int32(i), err)
			if ordered || w.t != nil {
				break
			}
		}
	}
	if w.hangUp {
		return nil, errHangUp
	}
	return b.reply(r)
}

func (b *bulk) reply(r *request) (bson.D, error) {
	size := int64(-1)
	if n, ok := asInt(r.document("cursor").Lookup("batchSize")); ok {
		size = n
	}
	c := &cursor{ns: "admin.$cmd.bulkWrite", batch: b.results}
	out := b.w.d.openCursor(r, c, size, false)
	for i, name := range []string{"nErrors", "nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"} {
		out = append(out, doc(name, b.counts[i])...)
	}
	if len(b.retried) > 0 {
		out = append(out, doc("retriedStmtIds", b.retried)...)
	}
	return out, nil
}

func (b *bulk) push(d bson.D) {
	raw, err := bson.Marshal(d)
	if err == nil {
		b.results = append(b.results, raw)
	}
}

func (b *bulk) fail(i int32, err error) {
	b.counts[0]++
	ce := asCommandError(err)
	d := doc("ok", 0.0, "idx", i, "code", ce.code, "errmsg", ce.msg, "n", int32(0))
	b.push(append(d, ce.extra...))
}

func (b *bulk) ok(i int32, res stmtResult, again, update bool) {
	if again {
		b.retried = append(b.retried, res.id)
	}
	if b.errorsOnly {
		return
	}
	d := doc("ok", 1.0, "idx", i, "n", res.n)
	if update {
		d = append(d, doc("nModified", res.nModified)...)
		if res.upserted.Type != 0 {
			d = append(d, doc("upserted", doc("_id", res.upserted))...)
		}
	}
	b.push(d)
}

// namespace is where an operation goes. Its first field says so, and what it is.
func (b *bulk) namespace(i int, op bson.Raw) (string, error) {
	first, err := op.IndexErr(0)
	if err != nil {
		return "", failf(codeFailedToParse, "an operation of bulkWrite is empty")
	}
	at, ok := asInt(first.Value())
	if !ok || at < 0 || at >= int64(len(b.namespaces)) {
		return "", failf(codeBadValue, "BulkWrite ops entry %d has an invalid nsInfo index.", i)
	}
	return b.namespaces[at], nil
}

func (b *bulk) run(i int32, op bson.Raw, stmt int32) error {
	ns, err := b.namespace(int(i), op)
	if err != nil {
		return err
	}
	switch first := op.Index(0); first.Key() {
	case "insert":
		d, _ := op.Lookup("document").DocumentOK()
		res, again, err := b.w.insert(ns, d, stmt)
		if err != nil {
			return err
		}
		b.counts[1] += res.n
		b.ok(i, res, again, false)
	case "update":
		u, err := b.w.d.parseUpdateStatement(b.w.r, b.w, ns, op, "filter", "updateMods")
		if err != nil {
			return err
		}
		u.stmt = stmt
		res, again, err := b.w.update(u)
		if err != nil {
			return err
		}
		if res.upserted.Type != 0 {
			b.counts[4]++
		} else {
			b.counts[2] += res.n
			b.counts[3] += res.nModified
		}
		b.ok(i, res, again, true)
	case "delete":
		query, ok := op.Lookup("filter").DocumentOK()
		if !ok {
			return failf(codeMissingField, "BSON field 'bulkWrite.ops.filter' is missing but a required field")
		}
		collation, _ := op.Lookup("collation").DocumentOK()
		f, err := engine.ParseFilter(query, b.w.r.document("let"), collation)
		if err != nil {
			return err
		}
		if err := checkHint(b.w.store().Collection(ns), op.Lookup("hint")); err != nil {
			return err
		}
		res, again, err := b.w.remove(ns, f, asBool(op.Lookup("multi")), stmt)
		if err != nil {
			return err
		}
		b.counts[5] += res.n
		b.ok(i, res, again, false)
	default:
		return failf(codeUnknownField, "BSON field 'bulkWrite.ops.%s' is an unknown field.", first.Key())
	}
	return nil
}
