package mgxtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// run executes a command on a mongod, with the set's lock held except where
// the command waits.
func (d *mongod) run(r *request) (bson.D, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if pause := r.pause(); pause > 0 && sleep(r.ctx, pause) != nil {
		return nil, interruption(context.Cause(r.ctx))
	}
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.role == down || s.closed {
		return nil, errHangUp
	}
	defer d.begin(r)()
	if r.lsid != "" {
		d.live[r.lsid] = time.Now()
	}
	if !r.rcGiven && !r.inTxn && r.cmd.reads("majority") {
		r.rcLevel = s.defaults.read
	}
	if err := d.admit(r); err != nil {
		return nil, err
	}
	if r.ctx.Err() != nil {
		return nil, interruption(context.Cause(r.ctx))
	}
	out, err := r.cmd.run(d, r)
	if errors.Is(err, errHangUp) {
		return nil, err
	}
	if r.inTxn && r.name != "commitTransaction" && r.name != "abortTransaction" && (err != nil || refusedWrite(out)) {
		if t := d.txns[r.lsid]; t != nil && t.number == r.txnNumber {
			t.abort(d)
		}
	}
	if err != nil {
		return nil, err
	}
	if r.rcLevel == "linearizable" {
		if err := d.confirmPrimary(r); err != nil {
			return nil, err
		}
	}
	if r.cmd.write && (!r.inTxn || r.name == "commitTransaction") {
		if err := d.awaitWriteConcern(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pause is how long the JavaScript of the command's queries sleeps.
func (r *request) pause() time.Duration {
	total := engine.Pause(r.body)
	for _, list := range r.seqs {
		for _, d := range list {
			total += engine.Pause(d)
		}
	}
	return total
}

// admit refuses what this member does not do in its state, and waits for the
// data that the request has to see.
func (d *mongod) admit(r *request) error {
	s := d.set
	if s.standalone && r.hasTxn {
		return failf(codeIllegalOperation, "Transaction numbers are only allowed on a replica set member or mongos")
	}
	if r.cmd.write || r.inTxn {
		if d.role != primary {
			return failf(codeNotWritablePrimary, "not primary")
		}
	} else if r.cmd.read && d.role != primary {
		switch {
		case d.role != secondary:
			return failf(codeNotPrimaryOrSecondary, "node is not in primary or recovering state")
		case r.readPref == "" || r.readPref == "primary":
			return failf(codeNotPrimaryNoSecondaryOk, "not primary and secondaryOk=false")
		}
	}
	if err := d.awaitRead(r); err != nil {
		return err
	}
	if r.cmd.write {
		if err := s.wait(r.ctx, func() bool { return d.locked == 0 || r.name == "fsync" }); err != nil {
			return err
		}
		if d.role != primary {
			return failf(codeNotWritablePrimary, "not primary")
		}
		if err := d.awaitDefinitions(r); err != nil {
			return err
		}
	}
	return nil
}

func (d *mongod) isQuiescing() bool {
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return d.quiescing
}

// finish gives a reply what every reply of a mongod has.
func (d *mongod) finish(r *request, out bson.D, err error) (bson.D, error) {
	if errors.Is(err, errHangUp) || context.Cause(r.ctx) == errHangUp {
		return nil, errHangUp
	}
	if err != nil {
		ce := asCommandError(err)
		out = errorReply(r, ce)
		// Shutting down counts as a change of state only once it is announced.
		if !d.set.standalone && r.since(wire44) && (isNotPrimary(ce.code) || isShutdown(ce.code) && d.isQuiescing()) {
			out = append(out, doc("topologyVersion", d.topologyVersion())...)
		}
	} else {
		if lookup(out, "ok") == nil {
			out = append(out, doc("ok", 1.0)...)
		}
		d.fails.writeConcernError(r)
		out = addWriteConcernError(r, out)
	}
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standalone || d.cfg.arbiter || s.clock.zero() {
		return out, nil
	}
	return append(out, doc("$clusterTime", s.clusterTime(), "operationTime", d.log.last().ts.bson())...), nil
}

// clusterTime is the set's clock as gossiped, with the signature of a server
// that does not sign.
func (s *replSet) clusterTime() bson.D {
	return doc("clusterTime", s.clock.bson(),
		"signature", doc("hash", bson.Binary{Data: make([]byte, 20)}, "keyId", int64(0)))
}

// splitDB returns the database and the collection of a namespace.
func splitNS(ns string) (db, coll string) {
	db, coll, _ = strings.Cut(ns, ".")
	return db, coll
}

// refusedWrite reports whether a reply with "ok: 1" tells of a write that was refused.
func refusedWrite(reply bson.D) bool {
	n, _ := lookup(reply, "nErrors").(int32)
	return n > 0 || lookup(reply, "writeErrors") != nil
}
