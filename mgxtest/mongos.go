package mgxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// NewSharded is Sharded outside of tests. The caller must call Close.
func NewSharded(opts ...Option) (*Deployment, error) {
	d, err := build(3, opts, nil)
	if err != nil {
		return nil, err
	}
	if err := d.addRouters(); err != nil {
		d.Close()
		return nil, err
	}
	for _, m := range d.routers {
		d.hosts = append(d.hosts, m.host)
	}
	return d, nil
}

func (d *Deployment) addRouters() error {
	for i := range d.cfg.mongoses {
		m, ln, err := d.newMember(fmt.Sprintf("mongos %d", i))
		if err != nil {
			return err
		}
		r := &router{Member: m, shard: d.sets[0], serviceID: bson.NewObjectID()}
		r.forget()
		m.backend = r
		d.routers = append(d.routers, m)
		m.start(ln)
	}
	return nil
}

// router is a mongos. All data lives in one shard, which it reaches within the
// process.
type router struct {
	*Member
	shard     *replSet
	serviceID bson.ObjectID

	mu      sync.Mutex
	cursors map[int64]routedCursor
	txns    map[string]*routedTxn
}

// routedCursor is a cursor that was opened through this router. streams is set for that
// of a change stream: the router knows, whether or not the member answers.
type routedCursor struct {
	target  *mongod
	streams bool
}

// routedTxn is a transaction that was begun through this router.
type routedTxn struct {
	number int64
	target *mongod
	// wrote is set once a statement has written: the shard then knows how the
	// transaction ended.
	wrote bool
}

func (m *router) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursors, m.txns = map[int64]routedCursor{}, map[string]*routedTxn{}
}

func (m *router) died()              { m.forget() }
func (m *router) born()              {}
func (m *router) gossip(t timestamp) { m.shard.members[0].gossip(t) }

func (m *router) hello(r *request) (bson.D, error) {
	if err := r.greet(); err != nil {
		return nil, err
	}
	if err := m.awaitTopology(r); err != nil {
		return nil, err
	}
	out := append(m.helloCommon(r, true), doc("msg", "isdbgrid")...)
	if r.conn != nil && r.conn.balanced && r.boolean("loadBalanced") {
		out = append(out, doc("serviceId", m.serviceID)...)
	}
	return append(out, m.helloLimits(r)...), nil
}

func (m *router) finish(r *request, out bson.D, err error) (bson.D, error) {
	if errors.Is(err, errHangUp) || context.Cause(r.ctx) == errHangUp {
		return nil, errHangUp
	}
	if err != nil {
		ce := asCommandError(err)
		out = errorReply(r, ce)
	} else {
		if lookup(out, "ok") == nil {
			out = append(out, doc("ok", 1.0)...)
		}
		m.fails.writeConcernError(r)
		out = addWriteConcernError(r, out)
	}
	if r.inTxn && r.name != "abortTransaction" {
		out = append(out, doc("recoveryToken", m.recoveryToken(r))...)
	}
	s := m.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.clock
	if p := s.primary(); p != nil {
		at = p.log.last().ts
	}
	return append(out, doc("$clusterTime", s.clusterTime(), "operationTime", at.bson())...), nil
}

func (m *router) run(r *request) (bson.D, error) {
	if out, done, err := m.sharding(r); done {
		return out, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	if out, done, err := r.runAuth(); done {
		return out, err
	}
	switch r.name {
	case "configureFailPoint":
		return m.configure(r)
	case "getParameter":
		return m.getParameter(r)
	case "setParameter":
		return m.setParameter(r)
	case "serverStatus":
		s := m.Stats()
		return doc("host", m.host, "version", m.dep.cfg.version, "process", "mongos", "pid", int64(1),
			"localTime", bson.NewDateTimeFromTime(time.Now()), "uptime", 1.0,
			"connections", doc("current", int32(s.Open), "available", int32(1<<15), "totalCreated", int32(s.Opened))), nil
	case "getMore":
		return m.getMore(r)
	case "killCursors":
		return m.killCursors(r)
	case "shutdown":
		m.dep.background(m.Kill)
		return nil, errHangUp
	}
	if strings.HasPrefix(r.name, "replSet") {
		return nil, failf(76, "%s is not supported through mongos", r.name)
	}
	if r.inTxn {
		return m.runTxn(r)
	}
	return m.route(r)
}

// findTimeout is how long a mongos looks for a server of its shard.
const findTimeout = 5 * time.Second

// find waits for the member that a request goes to.
func (m *router) find(r *request) (*mongod, error) {
	s := m.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, stop := context.WithTimeout(r.ctx, findTimeout)
	defer stop()
	var target *mongod
	err := s.wait(ctx, func() bool {
		target = m.choose(r)
		return target != nil || s.closed
	})
	if s.closed {
		return nil, errHangUp
	}
	if err != nil {
		if context.Cause(r.ctx) != nil {
			return nil, interruption(context.Cause(r.ctx))
		}
		mode := r.readPref
		if mode == "" {
			mode = "primary"
		}
		return nil, failf(codeFailedToSatisfyReadPreference, "Could not find host matching read preference { mode: %q } for set %s", mode, s.name)
	}
	return target, nil
}

// choose picks the member for a request as the shard is now.
func (m *router) choose(r *request) *mongod {
	s := m.shard
	first := s.primary()
	if r.cmd == nil || !r.cmd.read || r.inTxn || r.readPref == "" || r.readPref == "primary" ||
		r.readPref == "primaryPreferred" && first != nil {
		return first
	}
	tags := r.tagSets()
	for _, set := range tags {
		for _, d := range s.members {
			if d.role == secondary && !d.cfg.hidden && d.tagged(set) {
				return d
			}
		}
	}
	if r.readPref == "secondary" {
		return nil
	}
	return first
}

// tagSets returns the tag sets of the read preference, at least the empty one.
func (r *request) tagSets() []bson.Raw {
	pref := r.document("$readPreference")
	if v, err := pref.LookupErr("tags"); err == nil {
		if list, err := rawDocuments(v, "tags"); err == nil && len(list) > 0 {
			return list
		}
	}
	empty, _ := bson.Marshal(bson.D{})
	return []bson.Raw{empty}
}

func (d *mongod) tagged(set bson.Raw) bool {
	elems, _ := set.Elements()
	for _, e := range elems {
		want, _ := e.Value().StringValueOK()
		found := false
		for _, t := range d.cfg.tags {
			found = found || t == [2]string{e.Key(), want}
		}
		if !found {
			return false
		}
	}
	return true
}

// call runs a copy of the request on a member.
func (d *mongod) call(r *request) (bson.D, error) {
	sub := *r
	sub.internal = true
	out, err := bson.D(nil), d.fails.apply(&sub)
	if err == nil {
		out, err = d.run(&sub)
	}
	if err == nil {
		d.fails.writeConcernError(&sub)
	}
	r.wce, r.streams = sub.wce, sub.streams
	if errors.Is(err, errHangUp) && context.Cause(r.ctx) == nil {
		return nil, failf(codeHostUnreachable, "connection to %s was closed", d.host)
	}
	return out, err
}

// route sends a request to the shard. What certainly did not run is tried
// again on the member that can, and so is what may run twice.
func (m *router) route(r *request) (bson.D, error) {
	for attempt := 0; ; attempt++ {
		d, err := m.find(r)
		if err != nil {
			return nil, err
		}
		out, err := d.call(r)
		if err == nil && (r.name == "explain" || r.name == "aggregate" && r.boolean("explain")) {
			return m.explained(out), nil
		}
		if err == nil {
			m.keep(out, routedCursor{d, r.opensStream()})
			return out, nil
		}
		ce := asCommandError(err)
		repeatable := r.hasTxn && r.cmd.retry || r.cmd.read
		notRun := ce.code == codeNotWritablePrimary
		if attempt >= 3 || !notRun && !(repeatable && isRetryable(ce.code) && attempt == 0) {
			return nil, err
		}
	}
}

// keep notes which member an open cursor is on.
func (m *router) keep(out bson.D, c routedCursor) {
	cur, _ := lookup(out, "cursor").(bson.D)
	if id, _ := lookup(cur, "id").(int64); id != 0 {
		m.mu.Lock()
		m.cursors[id] = c
		m.mu.Unlock()
	}
}

func (m *router) getMore(r *request) (bson.D, error) {
	v, _ := r.get("getMore")
	id, _ := v.Int64OK()
	m.mu.Lock()
	c, ok := m.cursors[id]
	m.mu.Unlock()
	if !ok {
		return nil, failf(codeCursorNotFound, "cursor id %d not found", id)
	}
	out, err := c.target.call(r)
	r.streams = c.streams
	cur, _ := lookup(out, "cursor").(bson.D)
	if left, _ := lookup(cur, "id").(int64); err == nil && left == 0 {
		m.mu.Lock()
		delete(m.cursors, id)
		m.mu.Unlock()
	}
	return out, err
}

func (m *router) killCursors(r *request) (bson.D, error) {
	v, _ := r.get("cursors")
	arr, ok := v.ArrayOK()
	if !ok {
		return nil, failf(codeMissingField, "BSON field 'killCursors.cursors' is missing but a required field")
	}
	values, _ := arr.Values()
	killed, missing := bson.A{}, bson.A{}
	for _, item := range values {
		id, _ := asInt(item)
		m.mu.Lock()
		c, ok := m.cursors[id]
		delete(m.cursors, id)
		m.mu.Unlock()
		if !ok {
			missing = append(missing, id)
			continue
		}
		sub := *r
		sub.body = replaced(r.body, "cursors", bson.A{id})
		if _, err := c.target.call(&sub); err != nil {
			return nil, err
		}
		killed = append(killed, id)
	}
	return doc("cursorsKilled", killed, "cursorsNotFound", missing, "cursorsAlive", bson.A{}, "cursorsUnknown", bson.A{}), nil
}

// recoveryToken names the shard that knows how a transaction ended. One that only
// read needs none: it can be run again.
func (m *router) recoveryToken(r *request) bson.D {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.txns[r.lsid]; t != nil && t.number == r.txnNumber && t.wrote {
		return doc("recoveryShardId", m.shard.name)
	}
	return doc()
}

// routed returns the transaction that a request belongs to, nil where this router
// has not begun it.
func (m *router) routed(r *request) (*routedTxn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.txns[r.lsid]
	switch {
	case t == nil || t.number < r.txnNumber:
		return nil, nil
	case t.number > r.txnNumber:
		return nil, failf(codeTransactionTooOld, "txnNumber %d is less than last txnNumber %d seen in session", r.txnNumber, t.number)
	}
	return t, nil
}

// runTxn sends a statement of a transaction to the member where the
// transaction runs. Only the router that began a transaction knows it; others
// can find out how it ended by its recovery token.
func (m *router) runTxn(r *request) (bson.D, error) {
	t, err := m.routed(r)
	if err != nil {
		return nil, err
	}
	switch {
	case r.startTxn:
		d, err := m.find(r)
		if err != nil {
			return nil, err
		}
		t = &routedTxn{number: r.txnNumber, target: d}
		m.mu.Lock()
		m.txns[r.lsid] = t
		m.mu.Unlock()
	case t == nil && r.name == "commitTransaction":
		return m.recoverCommit(r)
	case t == nil:
		return nil, failf(codeNoSuchTransaction, "cannot continue txnId %d for session with txnRetryCounter 0: the transaction was not begun here", r.txnNumber)
	}
	if r.name == "commitTransaction" {
		// The decision survives the member that took it.
		return m.route(r)
	}
	out, err := t.target.call(r)
	if err == nil {
		m.keep(out, routedCursor{target: t.target})
		if t.target.wroteIn(r) {
			m.mu.Lock()
			t.wrote = true
			m.mu.Unlock()
		}
	}
	return out, err
}

// recoverCommit asks the shard how a transaction that was begun through another
// router ended (manual: recoverable commits; server: a recovering commit never
// commits what is still open).
func (m *router) recoverCommit(r *request) (bson.D, error) {
	token, ok := r.get("recoveryToken")
	if !ok {
		return nil, failf(50940, "cannot recover the transaction decision without a recoveryToken")
	}
	d, _ := token.DocumentOK()
	if shard, ok := d.Lookup("recoveryShardId").StringValueOK(); !ok {
		return nil, failf(codeNoSuchTransaction, "Recovery token is empty, meaning the transaction only performed reads and can be safely retried")
	} else if shard != m.shard.name {
		return nil, failf(codeShardNotFound, "Shard %s not found", shard)
	}
	sub := *r
	sub.recovers = true
	out, err := m.route(&sub)
	r.wce = sub.wce
	return out, err
}
