package mgxtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// run executes a command on a mongod, with the set's lock held except where
// the command waits.
func (d *mongod) run(r *request) (bson.D, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.role == down || s.closed {
		return nil, errHangUp
	}
	if d.quiescing {
		return nil, failf(codeShutdownInProgress, "The server is in quiesce mode and will shut down")
	}
	defer d.begin(r)()
	if r.lsid != "" {
		d.live[r.lsid] = time.Now()
	}
	if err := d.admit(r); err != nil {
		return nil, err
	}
	out, err := r.cmd.run(d, r)
	if errors.Is(err, errHangUp) {
		return nil, err
	}
	if r.inTxn && r.name != "commitTransaction" && r.name != "abortTransaction" && (err != nil || lookup(out, "writeErrors") != nil) {
		if t := d.txns[r.lsid]; t != nil && t.number == r.txnNumber {
			t.abort(d)
		}
	}
	if err != nil {
		return nil, err
	}
	if r.cmd.write && (!r.inTxn || r.name == "commitTransaction") {
		if err := d.awaitWriteConcern(r); err != nil {
			return nil, err
		}
	}
	return out, nil
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
	if !r.afterTime.zero() && !s.standalone {
		if s.clock.before(r.afterTime) {
			s.clock = r.afterTime
		}
		if d.role == primary && d.log.last().ts.before(r.afterTime) {
			// What the client has seen elsewhere is here: the clock alone is ahead.
			return nil
		}
		if err := s.wait(r.ctx, func() bool { return !d.log.last().ts.before(r.afterTime) || d.caughtUp() }); err != nil {
			return err
		}
	}
	if r.cmd.write {
		if err := s.wait(r.ctx, func() bool { return d.locked == 0 || r.name == "fsync" }); err != nil {
			return err
		}
		if d.role != primary {
			return failf(codeNotWritablePrimary, "not primary")
		}
		d.keepMajority()
	}
	return nil
}

func (d *mongod) isQuiescing() bool {
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return d.quiescing
}

// caughtUp tells whether a secondary has all that its primary has.
func (d *mongod) caughtUp() bool {
	p := d.primaryOf()
	return p != nil && p.log.last() == d.log.last()
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

// writeConcern is a parsed write concern.
type writeConcern struct {
	given   bool
	w       int64
	mode    string // "majority" or a name
	timeout time.Duration
}

func parseWriteConcern(raw bson.Raw) (writeConcern, error) {
	wc := writeConcern{w: 1}
	elems, err := raw.Elements()
	if err != nil {
		return wc, failf(codeFailedToParse, "%v", err)
	}
	wc.given = len(elems) > 0
	hasW := false
	for _, e := range elems {
		v := e.Value()
		switch e.Key() {
		case "w":
			hasW = true
			if s, ok := v.StringValueOK(); ok {
				wc.mode = s
			} else if n, ok := asInt(v); ok && n >= 0 && n <= 50 {
				wc.w = n
			} else {
				return wc, failf(codeFailedToParse, "w has to be a number >= 0 and <= 50, or a string")
			}
		case "wtimeout":
			n, _ := asInt(v)
			wc.timeout = time.Duration(n) * time.Millisecond
		case "j", "fsync", "provenance":
		default:
			return wc, failf(codeFailedToParse, "unrecognized write concern field: %s", e.Key())
		}
	}
	if wc.given && !hasW {
		wc.mode = "majority"
	}
	return wc, nil
}

// defaultWriteConcern is majority, unless arbiters could make it unreachable
// as soon as one member is down.
func (s *replSet) defaultWriteConcern() writeConcern {
	data := 0
	for _, m := range s.members {
		if !m.cfg.arbiter {
			data += m.cfg.votes
		}
	}
	if data < s.voters() && data <= s.majority() {
		return writeConcern{w: 1}
	}
	return writeConcern{w: 1, mode: "majority"}
}

// awaitWriteConcern waits until the writes of the request are acknowledged as
// asked. What goes wrong becomes the write concern error of the reply.
func (d *mongod) awaitWriteConcern(r *request) error {
	s := d.set
	wc := r.wc
	if !wc.given {
		wc = s.defaultWriteConcern()
	}
	if s.standalone {
		if wc.mode != "" && wc.mode != "majority" || wc.w > 1 {
			return failf(codeBadValue, "cannot use 'w' > 1 when a host is not replicated")
		}
		return nil
	}
	if wc.mode == "" && wc.w <= 1 {
		return nil
	}
	data := 0
	for _, m := range s.members {
		if !m.cfg.arbiter {
			data++
		}
	}
	switch {
	case wc.mode != "" && wc.mode != "majority":
		r.wce = failf(codeUnknownReplWriteConcern, "No write concern mode named '%s' found in replica set configuration", wc.mode)
		return nil
	case wc.mode == "" && wc.w > int64(data):
		r.wce = failf(codeUnsatisfiableWriteConcern, "Not enough data-bearing nodes")
		return nil
	}
	at := d.log.last()
	done := func() bool {
		if wc.mode != "" {
			return s.committed(at)
		}
		return int64(s.holders(at)) >= wc.w
	}
	ctx, stop := r.ctx, func() {}
	if wc.timeout > 0 {
		ctx, stop = withTimeoutCause(ctx, wc.timeout, failf(codeWriteConcernTimeout, "waiting for replication timed out"))
	}
	defer stop()
	err := s.wait(ctx, done)
	if err == nil {
		return nil
	}
	if errors.Is(err, errHangUp) {
		return err
	}
	r.wce = asCommandError(err)
	if r.wce.code == codeWriteConcernTimeout {
		r.wce.extra = doc("errInfo", doc("wtimeout", true))
	}
	return nil
}

func withTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, func()) {
	c, cancel := context.WithTimeoutCause(ctx, d, cause)
	return c, cancel
}

// splitDB returns the database and the collection of a namespace.
func splitNS(ns string) (db, coll string) {
	db, coll, _ = strings.Cut(ns, ".")
	return db, coll
}
