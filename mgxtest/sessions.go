package mgxtest

import (
	"maps"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stmtResult is the outcome of one statement of a retryable write.
type stmtResult struct {
	id           int32
	n, nModified int32
	upserted     bson.RawValue
	// reply is the whole reply of a findAndModify.
	reply bson.D
}

// sessionRecord is what a set remembers of a session's writes. It moves with
// the oplog, so a new primary knows what the old one did.
type sessionRecord struct {
	txnNumber int64
	stmts     map[int32]stmtResult
	isTxn     bool
	committed bool
	// at and wall are when the session wrote last.
	at   opTime
	wall time.Time
}

func (s *sessionRecord) clone() *sessionRecord {
	c := *s
	c.stmts = maps.Clone(s.stmts)
	return &c
}

// remember keeps what an entry says about its session.
func (d *mongod) remember(e *entry) {
	if e.lsid == "" {
		return
	}
	rec := d.sessions[e.lsid]
	if rec == nil || rec.txnNumber < e.txnNumber {
		rec = &sessionRecord{txnNumber: e.txnNumber, stmts: map[int32]stmtResult{}}
		d.sessions[e.lsid] = rec
	}
	for _, st := range e.stmts {
		rec.stmts[st.id] = st
	}
	rec.at, rec.wall = e.opTime, e.wall
	if e.committed {
		rec.isTxn, rec.committed = true, true
	}
}

// checkRetryable compares the transaction number of a retryable write with
// what the session did last.
func (d *mongod) checkRetryable(r *request) error {
	if !r.hasTxn || r.inTxn {
		return nil
	}
	newest := int64(-1)
	rec, t := d.sessions[r.lsid], d.txns[r.lsid]
	if rec != nil {
		newest = rec.txnNumber
	}
	if t != nil {
		newest = max(newest, t.number)
	}
	if r.txnNumber < newest {
		return failf(codeTransactionTooOld, "Retryable write with txnNumber %d is prohibited on session because a newer retryable write with txnNumber %d has already started on this session.", r.txnNumber, newest)
	}
	if t != nil {
		if t.number == r.txnNumber {
			return failf(50911, "Cannot retry a transaction statement as a retryable write")
		}
		t.abort(d)
	}
	return nil
}

// done returns the outcome of a statement that was executed before.
func (d *mongod) done(r *request, stmt int32) (stmtResult, bool) {
	if !r.hasTxn || r.inTxn {
		return stmtResult{}, false
	}
	rec := d.sessions[r.lsid]
	if rec == nil || rec.txnNumber != r.txnNumber {
		return stmtResult{}, false
	}
	res, ok := rec.stmts[stmt]
	return res, ok
}

func init() {
	register(
		&command{name: "startSession", v1: false, run: func(d *mongod, r *request) (bson.D, error) {
			id := newUUID()
			d.live[string(id.Data)] = time.Now()
			return doc("id", doc("id", id), "timeoutMinutes", d.dep.cfg.sessionMinutes), nil
		}},
		&command{name: "endSessions", v1: true, run: eachSession(func(d *mongod, id string) { d.endSession(id) })},
		&command{name: "killSessions", v1: true, run: eachSession(func(d *mongod, id string) { d.endSession(id) })},
		&command{name: "killAllSessions", run: func(d *mongod, r *request) (bson.D, error) {
			for id := range maps.Clone(d.live) {
				d.endSession(id)
			}
			for id := range maps.Clone(d.txns) {
				d.endSession(id)
			}
			return doc(), nil
		}},
		&command{name: "refreshSessions", v1: true, run: eachSession(func(d *mongod, id string) { d.live[id] = time.Now() })},
	)
}

func eachSession(fn func(d *mongod, id string)) func(*mongod, *request) (bson.D, error) {
	return func(d *mongod, r *request) (bson.D, error) {
		list, err := r.documents(r.name)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			_, id, ok := s.Lookup("id").BinaryOK()
			if !ok {
				return nil, failf(codeMissingField, "BSON field '%s.id' is missing but a required field", r.name)
			}
			fn(d, string(id))
		}
		return doc(), nil
	}
}

// endSession forgets a session with its cursors and open transaction.
func (d *mongod) endSession(id string) {
	delete(d.live, id)
	if t := d.txns[id]; t != nil {
		t.abort(d)
	}
	for cid, c := range d.cursors {
		if c.lsid == id {
			delete(d.cursors, cid)
		}
	}
	for _, op := range d.ops {
		if op.r.lsid == id && op.r.name != "endSessions" && op.r.name != "killSessions" {
			op.cancel(failf(codeInterrupted, "operation was interrupted"))
		}
	}
}
