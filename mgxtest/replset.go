package mgxtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// replSet is a replica set, a shard, or the single server of a standalone.
// Its lock covers all data and roles of its members.
type replSet struct {
	dep        *Deployment
	name       string
	standalone bool
	id         bson.ObjectID

	mu       sync.Mutex
	members  []*mongod
	closed   bool
	term     int64
	version  int32 // of the configuration
	defaults rwDefaults
	clock    timestamp
	progress chan struct{}
	timers   map[string]*time.Timer
	nextOp   int64
}

type role int

const (
	secondary role = iota
	primary
	arbiter
	recovering
	down
)

func (r role) String() string {
	return [...]string{"SECONDARY", "PRIMARY", "ARBITER", "RECOVERING", "DOWN"}[r]
}

// state returns the number that replSetGetStatus uses.
func (r role) state() int32 { return [...]int32{2, 1, 7, 3, 8}[r] }

// mongod is a data-bearing member or arbiter. All fields below the first
// group belong to the set's lock.
type mongod struct {
	*Member
	set   *replSet
	index int
	cfg   memberConfig

	role      role
	term      int64
	electedAt opTime
	group     int
	paused    bool
	// pausedByPoint means that a fail point did it.
	pausedByPoint bool
	noElect       time.Time
	shunned       bool // stays out of the next election
	view          string
	quiescing     bool
	// quiesced is when the process ends that is shutting down.
	quiesced time.Time
	locked   int // fsyncLock depth

	store    *engine.Store
	log      oplog
	sessions map[string]*sessionRecord

	txns  map[string]*txn
	locks map[string]*txn
	// pending counts the changes of definitions that wait for transactions, by what
	// they are to.
	pending map[string]int
	cursors map[int64]*cursor
	lastCur int64
	ops     map[int64]*operation
	live    map[string]time.Time // sessions in use
	// rolledBack counts the entries that were lost to roll-backs.
	rolledBack int
}

func newReplSet(d *Deployment, name string) *replSet {
	return &replSet{dep: d, name: name, version: 1, id: bson.NewObjectID(), progress: make(chan struct{}), timers: map[string]*time.Timer{}}
}

func (s *replSet) add(m *Member, cfg memberConfig) *mongod {
	d := &mongod{
		Member: m, set: s, index: len(s.members), cfg: cfg, role: secondary,
		store: engine.NewStore(), log: oplog{limit: s.dep.cfg.oplogSize}, sessions: map[string]*sessionRecord{},
	}
	if cfg.arbiter {
		d.role = arbiter
	}
	d.forgetVolatile()
	m.backend = d
	s.members = append(s.members, d)
	return d
}

// forgetVolatile drops what a process loses when it ends.
func (d *mongod) forgetVolatile() {
	for _, t := range d.txns {
		t.stop()
	}
	d.txns, d.locks = map[string]*txn{}, map[string]*txn{}
	d.cursors, d.live = map[int64]*cursor{}, map[string]time.Time{}
	d.ops, d.pending, d.locked, d.quiescing = map[int64]*operation{}, map[string]int{}, 0, false
}

// tick returns a new timestamp, later than all before.
func (s *replSet) tick() timestamp {
	now := uint32(time.Now().Unix())
	if now > s.clock.t {
		s.clock = timestamp{now, 1}
	} else {
		s.clock.i++
	}
	return s.clock
}

func (d *mongod) gossip(t timestamp) {
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	if d.set.clock.before(t) && t.t < uint32(time.Now().Unix())+365*24*3600 {
		d.set.clock = t
	}
}

// commit writes an entry on the primary d and replicates it.
func (d *mongod) commit(e *entry) opTime {
	s := d.set
	e.opTime = opTime{s.tick(), d.term}
	e.wall = time.Now()
	if s.standalone {
		d.remember(e)
		s.wake()
		return e.opTime
	}
	d.log.append(e)
	d.remember(e)
	s.replicate()
	return e.opTime
}

// linked reports whether two members can talk.
func (s *replSet) linked(a, b *mongod) bool {
	return a.role != down && b.role != down && a.group == b.group
}

// replicate brings every member that can hear its primary up to date.
func (s *replSet) replicate() {
	for _, p := range s.members {
		if p.role != primary {
			continue
		}
		for _, m := range s.members {
			if m != p && m.role != primary && !m.cfg.arbiter && !m.paused && s.linked(p, m) && m.term <= p.term {
				m.syncFrom(p)
			}
		}
	}
	s.wake()
}

// syncFrom takes over what the source has and this member lacks. Entries that
// the source never had are rolled back.
func (d *mongod) syncFrom(src *mongod) {
	last := d.log.last()
	if src.log.holds(last) {
		for _, e := range src.log.after(last) {
			d.apply(e)
		}
		return
	}
	if !src.log.trimmedPast(last) {
		for _, e := range d.log.entries {
			if !src.log.holds(e.opTime) && !src.log.trimmedPast(e.opTime) {
				d.rolledBack++
			}
		}
	}
	d.store, d.log = src.store.Snapshot(), src.log.clone()
	d.sessions = make(map[string]*sessionRecord, len(src.sessions))
	for id, rec := range src.sessions {
		d.sessions[id] = rec.clone()
	}
	// A roll-back interrupts all that runs, ends all cursors, and forgets how transactions
	// ended: what was committed here is not.
	for _, t := range d.txns {
		t.abort(d)
	}
	d.txns = map[string]*txn{}
	d.cursors = map[int64]*cursor{}
	for _, op := range d.ops {
		op.cancel(failf(codeInterruptedDueToReplStateChange, "operation was interrupted"))
	}
}

// voters counts the members that vote; majority is more than half of them.
func (s *replSet) majority() int { return s.voters()/2 + 1 }

func (s *replSet) voters() int {
	n := 0
	for _, m := range s.members {
		n += m.cfg.votes
	}
	return n
}

// committed reports whether a majority of the voters holds an entry.
func (s *replSet) committed(t opTime) bool {
	n := 0
	for _, m := range s.members {
		if !m.cfg.arbiter && m.log.holds(t) {
			n += m.cfg.votes
		}
	}
	return n >= s.majority()
}

func (s *replSet) holders(t opTime) int {
	n := 0
	for _, m := range s.members {
		if !m.cfg.arbiter && m.log.holds(t) {
			n++
		}
	}
	return n
}

// commitPoint returns the newest entry of d's log that a majority holds.
func (s *replSet) commitPoint(d *mongod) (opTime, time.Time) {
	es := d.log.entries
	for i := len(es) - 1; i >= 0; i-- {
		if s.committed(es[i].opTime) {
			return es[i].opTime, es[i].wall
		}
	}
	return opTime{}, time.Time{}
}

// wake lets all who wait look again.
func (s *replSet) wake() {
	close(s.progress)
	s.progress = make(chan struct{})
}

// wait gives the lock up until done returns true or the context ends.
func (s *replSet) wait(ctx context.Context, done func() bool) error {
	for !done() {
		ch := s.progress
		s.mu.Unlock()
		select {
		case <-ch:
			s.mu.Lock()
		case <-ctx.Done():
			s.mu.Lock()
			return interruption(context.Cause(ctx))
		}
	}
	return nil
}

// interruption says as a command error why a context ended.
func interruption(cause error) error {
	var ce *commandError
	switch {
	case errors.As(cause, &ce):
		return ce
	case errors.Is(cause, context.DeadlineExceeded):
		return failf(codeMaxTimeMSExpired, "operation exceeded time limit")
	case errors.Is(cause, errHangUp), errors.Is(cause, errClientGone):
		return errHangUp
	}
	return failf(codeInterrupted, "operation was interrupted")
}

// operation is a running command.
type operation struct {
	id      int64
	r       *request
	cancel  context.CancelCauseFunc
	started time.Time
}

// begin registers a request as a running operation and gives it a context
// that ends with the client, the deadline, or an interruption.
func (d *mongod) begin(r *request) (end func()) {
	d.set.nextOp++
	outer := r.ctx
	ctx, cancel := context.WithCancelCause(r.ctx)
	op := &operation{id: d.set.nextOp, r: r, cancel: cancel, started: time.Now()}
	r.ctx = ctx
	var stop func()
	if r.maxTime > 0 && r.name != "getMore" {
		limit := r.maxTime
		if d.fails.take("maxTimeAlwaysTimeOut", func(*failPoint) bool { return true }) != nil {
			limit = 0
		}
		r.ctx, stop = context.WithTimeout(ctx, limit)
	}
	d.ops[op.id] = op
	return func() {
		delete(d.ops, op.id)
		if stop != nil {
			stop()
		}
		cancel(nil)
		r.ctx = outer
	}
}

// deadline returns a context that also ends with the request's maxTimeMS. That of a
// getMore only says how long to wait for documents.
func (r *request) deadline() (context.Context, func()) {
	if r.maxTime <= 0 || r.name == "getMore" {
		return r.ctx, func() {}
	}
	return context.WithTimeout(r.ctx, r.maxTime)
}

// died marks the process as gone.
func (d *mongod) died() {
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	d.role = down
	for _, op := range d.ops {
		op.cancel(errHangUp)
	}
	d.forgetVolatile()
	s.evaluate(s.dep.cfg.electionTimeout)
}

func (d *mongod) born() {
	s := d.set
	s.mu.Lock()
	defer s.mu.Unlock()
	d.role = secondary
	if d.cfg.arbiter {
		d.role = arbiter
	}
	if s.standalone {
		d.role = primary
	}
	d.view = ""
	s.evaluate(s.dep.cfg.electionTimeout)
}

func (s *replSet) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, t := range s.timers {
		t.Stop()
	}
	for _, m := range s.members {
		m.forgetVolatile()
	}
}

func (s *replSet) primary() *mongod {
	var found *mongod
	for _, m := range s.members {
		if m.role == primary && (found == nil || m.term > found.term) {
			found = m
		}
	}
	return found
}
