package mgxtest

import (
	"crypto/rand"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// writer is one write command at work.
type writer struct {
	d      *mongod
	r      *request
	t      *txn
	bypass bool
	// hangUp is set by the fail point onPrimaryTransactionalWrite.
	hangUp bool
}

func (d *mongod) newWriter(r *request) (*writer, error) {
	t, err := d.transaction(r)
	if err != nil {
		return nil, err
	}
	if err := d.checkRetryable(r); err != nil {
		return nil, err
	}
	return &writer{d: d, r: r, t: t, bypass: r.boolean("bypassDocumentValidation")}, nil
}

func (w *writer) store() *engine.Store {
	if w.t != nil {
		return w.t.view
	}
	return w.d.store
}

// lockedError says that another transaction holds a document.
type lockedError struct{ key string }

func (*lockedError) Error() string { return "a transaction holds the document" }

// claim makes sure that a document may be written. seen is the record that
// the write is based on, nil for an insert.
func (w *writer) claim(ns, key string, seen *engine.Record) error {
	lock := ns + "\x00" + key
	owner := w.d.locks[lock]
	if w.t == nil {
		if owner != nil {
			return &lockedError{lock}
		}
		return nil
	}
	if owner == w.t {
		return nil
	}
	var current *engine.Record
	if c := w.d.store.Collection(ns); c != nil {
		current = c.Get(key)
	}
	if owner != nil || current != seen {
		return failf(codeWriteConflict, "Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.")
	}
	w.d.locks[lock] = w.t
	w.t.claims = append(w.t.claims, lock)
	return nil
}

// record makes changes that were done part of the history.
func (w *writer) record(ops []*engine.Op, stmt *stmtResult) {
	if w.t != nil {
		w.t.ops = append(w.t.ops, ops...)
		return
	}
	e := &entry{ops: ops}
	if stmt != nil && w.r.hasTxn {
		e.lsid, e.txnNumber, e.stmts = w.r.lsid, w.r.txnNumber, []stmtResult{*stmt}
	}
	if len(ops) > 0 || e.lsid != "" {
		w.d.commit(e)
	}
}

// statement runs one statement of a write, waiting while other transactions
// hold its documents, unless it was done before.
func (w *writer) statement(id int32, run func() (stmtResult, error)) (res stmtResult, again bool, err error) {
	if res, ok := w.d.done(w.r, id); ok {
		return res, true, nil
	}
	if w.r.hasTxn && !w.r.inTxn {
		if err := w.failPoint(); err != nil {
			return res, false, err
		}
	}
	for {
		if w.d.role != primary {
			return res, false, failf(codeInterruptedDueToReplStateChange, "operation was interrupted")
		}
		if w.d.fails.take("WTWriteConflictException", func(*failPoint) bool { return true }) != nil {
			// A statement outside of transactions is tried again until it works.
			if w.t != nil {
				return res, false, failf(codeWriteConflict, "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.")
			}
			if err := w.d.yield(w.r); err != nil {
				return res, false, err
			}
			continue
		}
		res, err = run()
		var locked *lockedError
		if !errors.As(err, &locked) {
			return res, false, err
		}
		if err := w.d.set.wait(w.r.ctx, func() bool { return w.d.locks[locked.key] == nil }); err != nil {
			return res, false, err
		}
	}
}

// yield lets others go on before a statement that met a conflict.
func (d *mongod) yield(r *request) error {
	d.set.mu.Unlock()
	err := sleep(r.ctx, time.Millisecond)
	d.set.mu.Lock()
	if err != nil {
		return interruption(err)
	}
	return nil
}

func (w *writer) failPoint() error {
	p := w.d.fails.take("onPrimaryTransactionalWrite", func(*failPoint) bool { return true })
	if p == nil {
		return nil
	}
	if v, err := p.data.LookupErr("closeConnection"); err != nil || asBool(v) {
		w.hangUp = true
	}
	if code, ok := asInt(p.data.Lookup("failBeforeCommitExceptionCode")); ok {
		if w.hangUp {
			return errHangUp
		}
		return failf(int32(code), "Failing write for session due to failpoint. The write must not be reflected.")
	}
	return nil
}

// ensure makes the collection that a write goes to.
func (w *writer) ensure(ns string) error {
	s := w.store()
	if s.Collection(ns) != nil {
		return nil
	}
	op, err := s.Create(&engine.Definition{NS: ns, UUID: engine.NewUUID()})
	if err != nil {
		return err
	}
	w.record([]*engine.Op{op}, nil)
	return nil
}

// target checks that a namespace can be written to.
func (w *writer) target(ns string) error {
	if c := w.store().Collection(ns); c != nil && c.View != nil {
		return failf(166, "Namespace %s is a view, not a collection", ns)
	}
	db, coll := splitNS(ns)
	if err := checkNames(db, coll); err != nil {
		return err
	}
	return w.checkTxnTarget(ns)
}

func checkNames(db, coll string) error {
	if err := checkCollection(coll); err != nil {
		return err
	}
	if len(db)+len(coll)+1 > 255 {
		return failf(codeInvalidNamespace, "Fully qualified namespace is too long")
	}
	return nil
}

func (w *writer) insert(ns string, raw bson.Raw, stmt int32) (stmtResult, bool, error) {
	return w.statement(stmt, func() (stmtResult, error) {
		res := stmtResult{id: stmt, n: 1}
		if err := raw.Validate(); err != nil {
			return res, failf(codeFailedToParse, "invalid document: %v", err)
		}
		if err := w.r.checkInserted(raw); err != nil {
			return res, err
		}
		withID, err := engine.EnsureID(raw)
		if err != nil {
			return res, err
		}
		if err := w.ensure(ns); err != nil {
			return res, err
		}
		if w.t != nil || len(w.d.locks) > 0 {
			id, err := engine.IDKey(withID)
			if err != nil {
				return res, err
			}
			if err := w.claim(ns, id, w.store().Collection(ns).Get(id)); err != nil {
				return res, err
			}
		}
		op, err := w.store().Insert(ns, withID, w.bypass)
		if err != nil {
			return res, err
		}
		w.record([]*engine.Op{op}, &res)
		return res, nil
	})
}

// updateSpec is one update statement.
type updateSpec struct {
	ns            string
	filter        *engine.Filter
	update        *engine.Update
	multi, upsert bool
	sort          bson.Raw
	stmt          int32
}

// match returns the records that a statement is about.
func (w *writer) match(ns string, f *engine.Filter, sort bson.Raw, multi bool) ([]*engine.Record, error) {
	c := w.store().Collection(ns)
	if c == nil {
		return nil, nil
	}
	q := &engine.Find{Filter: f, Sort: sort}
	if !multi {
		q.Limit = 1
	}
	found, err := q.Run(c)
	if err != nil {
		return nil, err
	}
	for _, rec := range found {
		if err := w.claim(ns, rec.Key, rec); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (w *writer) update(u updateSpec) (stmtResult, bool, error) {
	if u.multi && w.r.hasTxn && !w.r.inTxn {
		return stmtResult{}, false, failf(codeInvalidOptions, "Cannot use (or request) retryable writes with multi=true")
	}
	if u.multi && u.update.IsReplacement() {
		return stmtResult{}, false, failf(codeFailedToParse, "multi update is not supported for replacement-style update")
	}
	return w.statement(u.stmt, func() (stmtResult, error) {
		res := stmtResult{id: u.stmt}
		found, err := w.match(u.ns, u.filter, u.sort, u.multi)
		if err != nil {
			return res, err
		}
		if len(found) == 0 {
			if u.upsert {
				_, err := w.upsert(u, &res)
				return res, err
			}
			w.record(nil, &res)
			return res, nil
		}
		ops, err := w.change(u, found, &res)
		if err != nil && len(ops) > 0 {
			w.record(ops, nil)
		} else if err == nil {
			w.record(ops, &res)
		}
		return res, err
	})
}

// change applies an update to the records it matched.
func (w *writer) change(u updateSpec, found []*engine.Record, res *stmtResult) ([]*engine.Op, error) {
	var ops []*engine.Op
	for _, rec := range found {
		raw, changed, err := u.update.Apply(rec, u.filter)
		if err != nil {
			return ops, err
		}
		if changed {
			if err := w.r.checkStored(raw); err != nil {
				return ops, err
			}
			op, err := w.store().Update(u.ns, rec, raw, u.update, u.filter, w.bypass)
			if err != nil {
				return ops, err
			}
			ops = append(ops, op)
			res.nModified++
		}
		res.n++
	}
	return ops, nil
}

func (w *writer) upsert(u updateSpec, res *stmtResult) (*engine.Op, error) {
	raw, err := u.update.Upsert(u.filter)
	if err != nil {
		return nil, err
	}
	if raw, err = engine.EnsureID(raw); err != nil {
		return nil, err
	}
	if err := w.r.checkStored(raw); err != nil {
		return nil, err
	}
	if err := w.ensure(u.ns); err != nil {
		return nil, err
	}
	key, err := engine.IDKey(raw)
	if err != nil {
		return nil, err
	}
	if err := w.claim(u.ns, key, w.store().Collection(u.ns).Get(key)); err != nil {
		return nil, err
	}
	op, err := w.store().Insert(u.ns, raw, w.bypass)
	if err != nil {
		return nil, err
	}
	res.n = 1
	res.upserted = bson.Raw(raw).Lookup("_id")
	if res.reply == nil {
		w.record([]*engine.Op{op}, res)
	}
	return op, nil
}

func (w *writer) remove(ns string, f *engine.Filter, multi bool, stmt int32) (stmtResult, bool, error) {
	if multi && w.r.hasTxn && !w.r.inTxn {
		return stmtResult{}, false, failf(codeInvalidOptions, "Cannot use (or request) retryable writes with limit=0")
	}
	return w.statement(stmt, func() (stmtResult, error) {
		res := stmtResult{id: stmt}
		found, err := w.match(ns, f, nil, multi)
		if err != nil {
			return res, err
		}
		var ops []*engine.Op
		for _, rec := range found {
			ops = append(ops, w.store().Delete(ns, rec))
		}
		res.n = int32(len(found))
		w.record(ops, &res)
		return res, nil
	})
}

// stopsBatch reports whether an error ends the command instead of one statement:
// the member is no primary any more, or the transaction is over.
func (w *writer) stopsBatch(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errHangUp) || w.t != nil {
		var ee *engine.Error
		return !(w.t != nil && errors.As(err, &ee))
	}
	ce := asCommandError(err)
	return isNotPrimary(ce.code) || isShutdown(ce.code) || ce.code == codeInterrupted || ce.code == codeMaxTimeMSExpired
}

func newUUID() bson.Binary {
	id := engine.NewUUID()
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}
}

func randomID() int64 {
	var b [8]byte
	rand.Read(b[:])
	n := int64(0)
	for _, x := range b {
		n = n<<8 | int64(x)
	}
	return n&(1<<62-1) | 1<<40
}
