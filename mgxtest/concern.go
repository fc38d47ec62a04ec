package mgxtest

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// parseReadConcern reads what a command says of the data it wants to see.
func (r *request) parseReadConcern(d bson.Raw) error {
	elems, _ := d.Elements()
	r.rcGiven = len(elems) > 0
	for _, e := range elems {
		var err error
		switch e.Key() {
		case "level":
			r.rcLevel, _ = e.Value().StringValueOK()
			switch r.rcLevel {
			case "local", "available", "majority", "snapshot", "linearizable":
			default:
				return failf(codeFailedToParse, "readConcern.level must be either 'local', 'majority', 'linearizable', 'available', or 'snapshot'")
			}
		case "afterClusterTime":
			r.afterTime, err = readTime(e)
		case "atClusterTime":
			r.atTime, err = readTime(e)
		case "provenance", "afterOpTime", "$readOnce":
		default:
			return failf(codeUnknownField, "BSON field 'readConcern.%s' is an unknown field.", e.Key())
		}
		if err != nil {
			return err
		}
	}
	return r.checkReadTimes()
}

func readTime(e bson.RawElement) (timestamp, error) {
	t, i, ok := e.Value().TimestampOK()
	switch {
	case !ok:
		return timestamp{}, failf(codeTypeMismatch, "BSON field 'readConcern.%s' is the wrong type '%s', expected type 'timestamp'", e.Key(), typeNameOf(e.Value()))
	case t == 0 && i == 0:
		return timestamp{}, failf(codeInvalidOptions, "%s cannot be a null timestamp", e.Key())
	}
	return timestamp{t, i}, nil
}

// checkReadTimes refuses points in time that do not go with the level.
func (r *request) checkReadTimes() error {
	switch {
	case !r.afterTime.zero() && !r.atTime.zero():
		return failf(codeInvalidOptions, "Specifying a timestamp for readConcern snapshot in a causally consistent session is not allowed: afterClusterTime and atClusterTime exclude each other")
	case !r.afterTime.zero() && (r.rcLevel == "linearizable" || r.rcLevel == "available"):
		return failf(codeInvalidOptions, "afterClusterTime field can be set only if level is equal to majority, local, or snapshot")
	case !r.atTime.zero() && r.rcLevel != "snapshot":
		return failf(codeInvalidOptions, "atClusterTime field can be set only if level is equal to snapshot")
	}
	return nil
}

// checkConcerns refuses concerns that a command does not take. A first statement
// carries its transaction's read concern, whatever command it is.
func (r *request) checkConcerns() error {
	if !r.inTxn && !r.cmd.reads(r.rcLevel) {
		return failf(codeInvalidOptions, "Command %s does not support { readConcern: { level: \"%s\", provenance: \"clientSupplied\" } } :: caused by :: read concern not supported", r.name, r.rcLevel)
	}
	if r.wc.given && !r.cmd.write && r.cmd.name != "aggregate" && r.cmd.name != "explain" && !r.cmd.secret {
		return failf(codeInvalidOptions, "Command %s does not support writeConcern", r.name)
	}
	return nil
}

// reads reports whether the command takes a level of read concern.
func (c *command) reads(level string) bool {
	switch c.name {
	case "find", "aggregate", "distinct", "explain":
		return true
	case "count":
		return level != "snapshot"
	}
	return level == "" || level == "local"
}

// awaitRead waits for the data that a request has to see.
func (d *mongod) awaitRead(r *request) error {
	s := d.set
	if s.standalone {
		if r.rcLevel == "snapshot" || r.rcLevel == "linearizable" {
			return failf(codeNotAReplicaSet, "node needs to be a replica set member to use readConcern: %s", r.rcLevel)
		}
		return nil
	}
	if r.rcLevel == "linearizable" && d.role != primary {
		return failf(codeNotWritablePrimary, "cannot satisfy linearizable read concern on non-primary node")
	}
	at, name := r.afterTime, "afterClusterTime"
	if at.zero() {
		at, name = r.atTime, "atClusterTime"
	}
	if at.zero() {
		return nil
	}
	if s.clock.before(at) {
		return failf(codeInvalidOptions, "readConcern %s value must not be greater than the current clusterTime. Requested clusterTime: { ts: Timestamp(%d, %d) }; current clusterTime: { ts: Timestamp(%d, %d) }",
			name, at.t, at.i, s.clock.t, s.clock.i)
	}
	if d.log.last().ts.before(at) {
		// The clock was advanced from elsewhere: a note in the oplog makes the time one
		// that there is data of.
		if p := d.primaryOf(); p != nil && p.log.last().ts.before(at) {
			p.append(&engine.Op{Kind: engine.Noop})
		}
	}
	return s.wait(r.ctx, func() bool {
		if d.log.last().ts.before(at) {
			return false
		}
		if r.inTxn || r.rcLevel != "majority" && r.rcLevel != "snapshot" {
			return true
		}
		point, _ := s.commitPoint(d)
		return !point.ts.before(at)
	})
}

// confirmPrimary makes sure that a linearizable read saw the newest data: a
// majority confirms a note written after it.
func (d *mongod) confirmPrimary(r *request) error {
	if d.role != primary {
		return failf(codeNotWritablePrimary, "cannot satisfy linearizable read concern on non-primary node")
	}
	term := d.term
	at := d.commit(&entry{ops: []*engine.Op{{Kind: engine.Noop}}})
	err := d.set.wait(r.ctx, func() bool { return d.set.committed(at) || d.role != primary || d.term != term })
	if err == nil && !d.set.committed(at) {
		return failf(codeInterruptedDueToReplStateChange, "operation was interrupted")
	}
	return err
}

// writeConcern is a parsed write concern.
type writeConcern struct {
	given   bool
	w       int64
	mode    string // "majority" or a name
	timeout time.Duration
}

// describe is the write concern as errors tell it.
func (wc writeConcern) describe() bson.D {
	var w any = int32(wc.w)
	if wc.mode != "" {
		w = wc.mode
	}
	from := "implicitDefault"
	if wc.given {
		from = "clientSupplied"
	}
	return doc("w", w, "wtimeout", wc.timeout.Milliseconds(), "provenance", from)
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

// defaultWriteConcern is what setDefaultRWConcern has set, or the implicit one.
func (s *replSet) defaultWriteConcern() writeConcern {
	if s.defaults.write != nil {
		return *s.defaults.write
	}
	return s.implicitWriteConcern()
}

// implicitWriteConcern is majority, unless arbiters could make it unreachable
// as soon as one member is down.
func (s *replSet) implicitWriteConcern() writeConcern {
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
		r.wce.extra = doc("errInfo", doc("writeConcern", wc.describe()))
		return nil
	case wc.mode == "" && wc.w > int64(data):
		r.wce = failf(codeUnsatisfiableWriteConcern, "Not enough data-bearing nodes")
		r.wce.extra = doc("errInfo", doc("writeConcern", wc.describe()))
		return nil
	}
	at := d.log.last()
	done := func() bool {
		if wc.mode != "" {
			return s.committed(at)
		}
		return int64(s.holders(at)) >= wc.w
	}
	ctx, stop := r.ctx, context.CancelFunc(func() {})
	if wc.timeout > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, wc.timeout, failf(codeWriteConcernTimeout, "waiting for replication timed out"))
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
		r.wce.extra = doc("errInfo", doc("wtimeout", true, "writeConcern", wc.describe()))
	}
	return nil
}
