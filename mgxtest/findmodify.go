package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(&command{name: "findAndModify", write: true, txn: true, retry: true, v1: true,
		fields: "query sort remove update new upsert fields collation arrayFilters hint@4.4 let@5.0 bypassDocumentValidation collectionUUID runtimeConstants sampleId encryptionInformation bypassEmptyTsReplacement",
		run:    cmdFindAndModify})
	alias("findandmodify", "findAndModify")
}

func cmdFindAndModify(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	w, err := d.newWriter(r)
	if err != nil {
		return nil, err
	}
	if err := w.target(ns); err != nil {
		return nil, err
	}
	f, err := engine.ParseFilter(r.document("query"), r.document("let"), r.document("collation"))
	if err != nil {
		return nil, err
	}
	proj, err := engine.ParseProjection(r.document("fields"), f)
	if err != nil {
		return nil, err
	}
	hint, _ := r.get("hint")
	if err := checkHint(w.store().Collection(ns), hint); err != nil {
		return nil, err
	}
	u := updateSpec{ns: ns, filter: f, sort: r.document("sort"), upsert: r.boolean("upsert"), stmt: r.stmtIDs(1)(0)}
	mods, hasUpdate := r.get("update")
	removes := r.boolean("remove")
	switch {
	case removes == hasUpdate:
		return nil, failf(codeFailedToParse, "Either an update or remove=true must be specified")
	case removes && (u.upsert || r.boolean("new")):
		return nil, failf(codeFailedToParse, "Cannot specify both upsert=true or new=true and remove=true")
	case hasUpdate:
		var filters []bson.Raw
		if v, ok := r.get("arrayFilters"); ok {
			if filters, err = rawDocuments(v, "arrayFilters"); err != nil {
				return nil, err
			}
		}
		if u.update, err = parseUpdate(mods, filters, r.document("let")); err != nil {
			return nil, err
		}
	}
	res, again, err := w.statement(u.stmt, func() (stmtResult, error) {
		if removes {
			return w.findAndRemove(u, proj)
		}
		return w.findAndUpdate(u, proj, r.boolean("new"))
	})
	if err != nil {
		return nil, err
	}
	if w.hangUp {
		return nil, errHangUp
	}
	out := append(bson.D{}, res.reply...)
	if again {
		out = append(out, doc("retriedStmtId", res.id)...)
	}
	return out, nil
}

func (w *writer) findAndRemove(u updateSpec, proj *engine.Projection) (stmtResult, error) {
	res := stmtResult{id: u.stmt}
	found, err := w.match(u.ns, u.filter, u.sort, false)
	if err != nil {
		return res, err
	}
	if len(found) == 0 {
		res.reply = doc("lastErrorObject", doc("n", int32(0)), "value", nil)
		w.record(nil, &res)
		return res, nil
	}
	value, err := proj.Apply(found[0])
	if err != nil {
		return res, err
	}
	res.reply = doc("lastErrorObject", doc("n", int32(1)), "value", bson.Raw(value))
	w.record([]*engine.Op{w.store().Delete(u.ns, found[0])}, &res)
	return res, nil
}

func (w *writer) findAndUpdate(u updateSpec, proj *engine.Projection, wantNew bool) (stmtResult, error) {
	res := stmtResult{id: u.stmt, reply: bson.D{}}
	found, err := w.match(u.ns, u.filter, u.sort, false)
	if err != nil {
		return res, err
	}
	last := doc("n", int32(0), "updatedExisting", false)
	var ops []*engine.Op
	var shown *engine.Record
	switch {
	case len(found) > 0:
		if ops, err = w.change(u, found, &res); err != nil {
			return res, err
		}
		last = doc("n", int32(1), "updatedExisting", true)
		if shown = found[0]; wantNew && len(ops) > 0 {
			shown = ops[0].New
		}
	case u.upsert:
		op, err := w.upsert(u, &res)
		if err != nil {
			return res, err
		}
		ops = []*engine.Op{op}
		last = doc("n", int32(1), "updatedExisting", false, "upserted", res.upserted)
		if wantNew {
			shown = op.New
		}
	}
	var value any
	if shown != nil {
		raw, err := proj.Apply(shown)
		if err != nil {
			return res, err
		}
		value = bson.Raw(raw)
	}
	res.reply = doc("lastErrorObject", last, "value", value)
	w.record(ops, &res)
	return res, nil
}
