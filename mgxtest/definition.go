package mgxtest

import (
	"context"
	"strings"
	"time"
)

// Changes of definitions want collections for themselves: they wait for the open
// transactions that have touched them, and whoever comes later waits for the change
// (manual: Production Considerations, Pending DDL Operations).

// exclusively waits until no transaction holds a namespace, or one that begins with
// it and a dot.
func (d *mongod) exclusively(r *request, ns string) error {
	d.pending[ns]++
	err := d.set.wait(r.ctx, func() bool {
		for _, t := range d.txns {
			for held := range t.touched {
				if held == ns || strings.HasPrefix(held, ns+".") {
					return false
				}
			}
		}
		return true
	})
	if d.pending[ns]--; d.pending[ns] <= 0 {
		delete(d.pending, ns)
		d.set.wake()
	}
	if err == nil && d.role != primary {
		return failf(codeInterruptedDueToReplStateChange, "operation was interrupted")
	}
	return err
}

// changing reports whether a change of a namespace's definition waits.
func (d *mongod) changing(ns string) bool {
	db, _ := splitNS(ns)
	return d.pending[ns] > 0 || d.pending[db] > 0
}

// awaitDefinitions holds a write outside of transactions up behind such a change.
func (d *mongod) awaitDefinitions(r *request) error {
	coll, ok := r.body.Index(0).Value().StringValueOK()
	if !ok || r.inTxn || len(d.pending) == 0 {
		return nil
	}
	err := d.set.wait(r.ctx, func() bool { return !d.changing(r.db + "." + coll) })
	if err == nil && d.role != primary {
		return failf(codeNotWritablePrimary, "not primary")
	}
	return err
}

// touch makes a transaction hold a namespace. It does not wait long for one that a
// change of its definition wants.
func (d *mongod) touch(r *request, t *txn, ns string) error {
	if t.touched[ns] {
		return nil
	}
	if err := checkTouch(ns); err != nil {
		return err
	}
	patience := time.Duration(d.params.number("maxTransactionLockRequestTimeoutMillis")) * time.Millisecond
	late := failf(codeLockTimeout, "Unable to acquire lock '%s' within %v during query execution", ns, patience)
	ctx, stop := context.WithTimeoutCause(r.ctx, patience, late)
	defer stop()
	if err := d.set.wait(ctx, func() bool { return !d.changing(ns) }); err != nil {
		return err
	}
	if t.state != txnActive {
		return failf(codeNoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", t.number)
	}
	t.touched[ns] = true
	return nil
}

// checkTouch refuses what transactions cannot reach (manual: Transactions and
// Operations).
func checkTouch(ns string) error {
	db, coll := splitNS(ns)
	switch {
	case db == "admin" || db == "config" || db == "local":
		return failf(codeOperationNotSupportedInTxn, "Cannot run command against the '%s' database in a transaction.", db)
	case coll == "system.profile" || coll == "system.views":
		return failf(codeOperationNotSupportedInTxn, "Cannot run command against the '%s' collection in a transaction.", ns)
	}
	return nil
}

// checkTxnTarget refuses collections that a transaction cannot write to: capped
// ones, and those that were created or changed after its point in time.
func (w *writer) checkTxnTarget(ns string) error {
	if w.t == nil {
		return nil
	}
	if err := w.d.touch(w.r, w.t, ns); err != nil {
		return err
	}
	seen, now := w.t.view.Collection(ns), w.d.store.Collection(ns)
	switch {
	case seen != nil && seen.Capped != nil:
		return failf(codeOperationNotSupportedInTxn, "Collection '%s' is a capped collection. Writes in transactions are not allowed on capped collections.", ns)
	case now == nil:
		return nil
	case seen == nil || seen.UUID != now.UUID || len(seen.Indexes) < len(now.Indexes):
		return failf(codeWriteConflict, "Unable to write to collection '%s' due to catalog changes; please retry the operation. Snapshot timestamp is older than the collection's.", ns)
	}
	return nil
}
