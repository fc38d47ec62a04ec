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

// transactionLifetime is how long a transaction may stay open, as the
// server's transactionLifetimeLimitSeconds.
const transactionLifetime = 60 * time.Second

// txn is a transaction on its primary: a private view of the data as of its
// first statement, the changes made to it, and the documents claimed.
type txn struct {
	lsid   string
	number int64
	state  txnState
	view   *engine.Store
	ops    []*engine.Op
	claims []string
	timer  *time.Timer
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
	t.state, t.view, t.ops = s, nil, nil
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
		t = &txn{lsid: r.lsid, number: r.txnNumber, view: d.store.Snapshot()}
		t.timer = time.AfterFunc(transactionLifetime, func() {
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
	lsid, number := t.lsid, t.number
	t.finish(d, txnCommitted)
	d.commit(&entry{ops: ops, lsid: lsid, txnNumber: number, committed: true})
	return nil
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
			return s.Replace(op.NS, old, op.New.Raw, op.Replaced, true)
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

// view returns the data that a read sees.
func (d *mongod) viewFor(r *request) (*engine.Store, timestamp, error) {
	t, err := d.transaction(r)
	if err != nil {
		return nil, timestamp{}, err
	}
	if t != nil {
		return t.view, timestamp{}, nil
	}
	switch r.rcLevel {
	case "majority":
		if d.majority != nil {
			return d.majority, timestamp{}, nil
		}
	case "snapshot":
		return d.snapshotAt(r.atTime)
	}
	return d.store, timestamp{}, nil
}

// maxHistory is how many past states snapshot reads can go back to.
const maxHistory = 64

// snapshotAt returns the committed data of a point in time that an earlier
// snapshot read was given, or of now.
func (d *mongod) snapshotAt(at timestamp) (*engine.Store, timestamp, error) {
	if d.set.standalone {
		return nil, at, failf(codeIllegalOperation, "node needs to be a replica set member to use readConcern: snapshot")
	}
	now := d.log.last().ts
	if at.zero() || at == now {
		at = now
	} else {
		for _, s := range d.set.members {
			for _, h := range s.history {
				if h.at == at {
					return h.store, at, nil
				}
			}
		}
		if at.before(now) {
			return nil, at, failf(codeSnapshotTooOld, "Read timestamp %v is older than the oldest available timestamp.", at.bson())
		}
	}
	store := d.store
	if d.majority != nil {
		store = d.majority
	}
	store = store.Snapshot()
	d.history = append(d.history, snapshot{at, store})
	if len(d.history) > maxHistory {
		d.history = d.history[1:]
	}
	return store, at, nil
}
