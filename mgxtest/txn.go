package mgxtest

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

type txnState int

const (
	txnActive txnState = iota
	txnCommitted
	txnAborted
)

// txn is a transaction on its primary: a private view of the data as of its
// first statement, the changes made to it, and the documents claimed.
type txn struct {
	lsid   string
	number int64
	user   string
	state  txnState
	view   *engine.Store
	ops    []*engine.Op
	claims []string
	// touched are the collections that it has read or written, and so holds locks of.
	touched map[string]bool
	timer   *time.Timer
}

func (t *txn) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// abort ends an open transaction and lets those go on who wait for its
// documents.
func (t *txn) abort(d *mongod) {
	if t.state == txnActive {
		t.finish(d, txnAborted)
	}
}

func (t *txn) finish(d *mongod, s txnState) {
	t.stop()
	t.state, t.view, t.ops, t.touched = s, nil, nil, nil
	for _, key := range t.claims {
		delete(d.locks, key)
	}
	t.claims = nil
	d.set.wake()
}

// transaction returns the transaction that a request belongs to, or nil.
func (d *mongod) transaction(r *request) (*txn, error) {
	if !r.inTxn {
		return nil, nil
	}
	t, rec := d.txns[r.lsid], d.sessions[r.lsid]
	newest := int64(-1)
	if t != nil {
		newest = t.number
	}
	if rec != nil {
		newest = max(newest, rec.txnNumber)
	}
	if r.txnNumber < newest {
		return nil, failf(codeTransactionTooOld, "Cannot start transaction with { txnNumber: %d } on session because a newer transaction with txnNumber %d has already started on this session.", r.txnNumber, newest)
	}
	if r.startTxn {
		if r.txnNumber == newest {
			return nil, failf(50911, "Cannot start a transaction at given transaction number %d: a transaction with the same number exists", r.txnNumber)
		}
		if t != nil {
			t.abort(d)
		}
		view := d.store.Snapshot()
		if !r.atTime.zero() {
			var err error
			if view, err = d.storeAt(r.atTime); err != nil {
				return nil, err
			}
		}
		t = &txn{lsid: r.lsid, number: r.txnNumber, user: r.userName(), view: view, touched: map[string]bool{}}
		lifetime := time.Duration(d.params.number("transactionLifetimeLimitSeconds")) * time.Second
		t.timer = time.AfterFunc(lifetime, func() {
			d.set.mu.Lock()
			defer d.set.mu.Unlock()
			t.abort(d)
		})
		d.txns[r.lsid] = t
		r.startTxn = false
		return t, nil
	}
	switch {
	case rec != nil && rec.committed && rec.txnNumber == r.txnNumber:
		return nil, failf(codeTransactionCommitted, "Transaction with { txnNumber: %d } has been committed.", r.txnNumber)
	case t == nil || t.number != r.txnNumber:
		return nil, failf(codeNoSuchTransaction, "Given transaction number %d does not match any in-progress transactions. The active transaction number is %d", r.txnNumber, newest)
	case t.state == txnAborted:
		return nil, failf(codeNoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", r.txnNumber)
	case t.state == txnCommitted:
		return nil, failf(codeTransactionCommitted, "Transaction with { txnNumber: %d } has been committed.", r.txnNumber)
	}
	return t, nil
}

// commitTxn makes the changes of a transaction one entry of the oplog.
func (d *mongod) commitTxn(t *txn) error {
	if len(t.ops) == 0 {
		d.sessions[t.lsid] = &sessionRecord{txnNumber: t.number, isTxn: true, committed: true}
		t.finish(d, txnCommitted)
		return nil
	}
	next := d.store.Snapshot()
	var ops []*engine.Op
	for _, op := range t.ops {
		done, err := repeat(next, op)
		if err != nil {
			t.abort(d)
			return failf(codeWriteConflict, "Caused by :: %v :: Please retry your operation or multi-document transaction.", err)
		}
		if done != nil {
			ops = append(ops, done)
		}
	}
	d.store = next
	lsid, number, user := t.lsid, t.number, t.user
	t.finish(d, txnCommitted)
	d.commit(&entry{ops: ops, lsid: lsid, txnNumber: number, committed: true, user: user})
	return nil
}

// wroteIn reports whether the transaction of a request has changed anything.
func (d *mongod) wroteIn(r *request) bool {
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	t := d.txns[r.lsid]
	return t != nil && t.number == r.txnNumber && len(t.ops) > 0
}

// repeat does on the data as it is now what a transaction did on its view.
func repeat(s *engine.Store, op *engine.Op) (*engine.Op, error) {
	c := s.Collection(op.NS)
	switch op.Kind {
	case engine.Create:
		if c != nil {
			return nil, nil
		}
		return s.Create(op.Def)
	case engine.CreateIndex:
		return s.CreateIndex(op.NS, op.Index)
	}
	if c == nil {
		return nil, engine.Errorf(codeNamespaceNotFound, "collection %s is gone", op.NS)
	}
	switch op.Kind {
	case engine.Insert:
		return s.Insert(op.NS, op.New.Raw, true)
	case engine.Replace:
		if old := c.Get(op.Old.Key); old != nil {
			return s.Repeat(op, old)
		}
	case engine.Delete:
		if old := c.Get(op.Old.Key); old != nil {
			return s.Delete(op.NS, old), nil
		}
	}
	return nil, engine.Errorf(codeWriteConflict, "a document of %s has changed", op.NS)
}

func init() {
	register(
		&command{name: "commitTransaction", write: true, txn: true, admin: true, v1: true,
			fields: "recoveryToken", run: cmdCommitTransaction},
		&command{name: "abortTransaction", write: true, txn: true, admin: true, v1: true,
			fields: "recoveryToken", run: cmdAbortTransaction},
	)
}

func cmdCommitTransaction(d *mongod, r *request) (bson.D, error) {
	if r.recovers {
		return doc(), d.recoverDecision(r)
	}
	if rec := d.sessions[r.lsid]; rec != nil && rec.committed && rec.txnNumber == r.txnNumber {
		return doc(), nil
	}
	t, err := d.transaction(r)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, failf(codeInvalidOptions, "commitTransaction must be run within a transaction")
	}
	return doc(), d.commitTxn(t)
}

// recoverDecision answers a commit by recovery token: a transaction that was
// committed stays so, and one that is still open is aborted, since nobody knows
// whether all its statements arrived.
func (d *mongod) recoverDecision(r *request) error {
	if rec := d.sessions[r.lsid]; rec != nil && rec.committed && rec.txnNumber == r.txnNumber {
		return nil
	}
	switch t := d.txns[r.lsid]; {
	case t == nil || t.number < r.txnNumber:
		if t != nil {
			t.abort(d)
		}
		d.txns[r.lsid] = &txn{lsid: r.lsid, number: r.txnNumber, state: txnAborted}
	case t.number > r.txnNumber:
		return failf(codeTransactionTooOld, "Cannot recover the outcome of transaction %d because transaction %d has already started on this session.", r.txnNumber, t.number)
	default:
		t.abort(d)
	}
	return failf(codeNoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", r.txnNumber)
}

func cmdAbortTransaction(d *mongod, r *request) (bson.D, error) {
	t, err := d.transaction(r)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, failf(codeInvalidOptions, "abortTransaction must be run within a transaction")
	}
	t.abort(d)
	return doc(), nil
}

// viewFor returns the data of a namespace that a read sees.
func (d *mongod) viewFor(r *request, ns string) (*engine.Store, timestamp, error) {
	t, err := d.transaction(r)
	if err != nil {
		return nil, timestamp{}, err
	}
	if t != nil {
		return t.view, timestamp{}, d.touch(r, t, ns)
	}
	if system, err := d.systemStore(ns); system != nil || err != nil {
		return system, timestamp{}, err
	}
	switch r.rcLevel {
	case "majority":
		view, err := d.committedStore()
		return view, timestamp{}, err
	case "snapshot":
		at := r.atTime
		if at.zero() {
			point, _ := d.set.commitPoint(d)
			at = point.ts
		}
		view, err := d.storeAt(at)
		return view, at, err
	}
	return d.store, timestamp{}, nil
}

// committedStore returns the data that a majority has.
func (d *mongod) committedStore() (*engine.Store, error) {
	point, _ := d.set.commitPoint(d)
	if d.set.standalone || point == d.log.last() {
		return d.store, nil
	}
	return d.storeAt(point.ts)
}

// storeAt returns the data as of a point in time: that of now with all later
// entries undone. A server keeps minSnapshotHistoryWindowInSeconds of the past.
func (d *mongod) storeAt(at timestamp) (*engine.Store, error) {
	es := d.log.entries
	point, _ := d.set.commitPoint(d)
	window := uint32(d.params.number("minSnapshotHistoryWindowInSeconds"))
	if len(es) == 0 || at.before(es[0].ts) || at.t+window < point.ts.t {
		return nil, failf(codeSnapshotTooOld, "Read timestamp Timestamp(%d, %d) is older than the oldest available timestamp.", at.t, at.i)
	}
	view := d.store.Snapshot()
	for i := len(es) - 1; i >= 0 && at.before(es[i].ts); i-- {
		for k := len(es[i].ops) - 1; k >= 0; k-- {
			view.Revert(es[i].ops[k])
		}
	}
	return view, nil
}
