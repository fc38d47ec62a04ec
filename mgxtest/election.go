package mgxtest

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// evaluate looks at who can see whom and what follows from it: primaries that
// must go, elections that are due, data that can flow. It is called after
// every change, with the set's lock held. An election that becomes necessary
// takes place after the delay.
func (s *replSet) evaluate(delay time.Duration) {
	if s.closed || s.standalone {
		s.refreshViews()
		return
	}
	s.spreadTerms()
	for _, p := range s.members {
		key := "lonely " + p.host
		switch {
		case p.role != primary:
			s.unschedule(key)
		case s.votesAround(p) >= s.majority():
			s.unschedule(key)
		default:
			s.schedule(key, max(s.dep.cfg.staleFor, s.dep.cfg.electionTimeout), func() {
				if p.role == primary && s.votesAround(p) < s.majority() {
					s.deposed(p)
				}
				s.evaluate(s.dep.cfg.electionTimeout)
			})
		}
	}
	if s.electorate() == nil {
		s.unschedule("election")
	} else {
		s.schedule("election", delay, s.elect)
	}
	s.replicate()
	s.scheduleTakeover()
	s.refreshViews()
}

// spreadTerms makes members that can talk agree on the newest term. A primary
// of an older term steps down.
func (s *replSet) spreadTerms() {
	for _, m := range s.members {
		for _, o := range s.members {
			if m != o && s.linked(m, o) && o.term > m.term {
				if m.role == primary {
					s.deposed(m)
				}
				m.term = o.term
			}
		}
	}
}

func (s *replSet) votesAround(m *mongod) int {
	n := 0
	for _, o := range s.members {
		if o == m || s.linked(m, o) {
			n += o.cfg.votes
		}
	}
	return n
}

// electorate returns the members of the part of the set that has a majority
// and no primary.
func (s *replSet) electorate() []*mongod {
	for _, m := range s.members {
		if m.role == down || s.votesAround(m) < s.majority() {
			continue
		}
		var group []*mongod
		for _, o := range s.members {
			if o == m || s.linked(m, o) {
				if o.role == primary {
					return nil
				}
				group = append(group, o)
			}
		}
		return group
	}
	return nil
}

// elect makes the best candidate primary: as up to date as any voter, then by
// priority, then by position.
func (s *replSet) elect() {
	group := s.electorate()
	if group == nil {
		return
	}
	var newest *mongod
	for _, m := range group {
		if !m.cfg.arbiter && (newest == nil || newest.log.last().before(m.log.last())) {
			newest = m
		}
	}
	var best *mongod
	var wait time.Duration
	for _, m := range group {
		if m.cfg.priority == 0 || m.role != secondary || m.quiescing {
			continue
		}
		if left := time.Until(m.noElect); left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		// A member that does not replicate cannot catch up to be elected.
		if m.paused && m.log.last().before(newest.log.last()) {
			continue
		}
		if best == nil || m.preferredTo(best) {
			best = m
		}
	}
	if best == nil {
		if wait > 0 {
			s.schedule("election", wait, s.elect)
		}
		return
	}
	if newest != best && best.log.last() != newest.log.last() {
		best.syncFrom(newest)
	}
	s.promote(best)
}

func (d *mongod) preferredTo(o *mongod) bool {
	if d.shunned != o.shunned {
		return o.shunned
	}
	if d.cfg.priority != o.cfg.priority {
		return d.cfg.priority > o.cfg.priority
	}
	return o.log.last().before(d.log.last())
}

// promote makes a member primary of a new term.
func (s *replSet) promote(m *mongod) {
	s.term++
	m.role, m.term, m.noElect = primary, s.term, time.Time{}
	m.paused = false
	for _, o := range s.members {
		o.shunned = false
		if s.linked(m, o) {
			o.term = s.term
		}
	}
	m.electedAt = m.commit(&entry{ops: []*engine.Op{{Kind: engine.Noop}}})
	s.evaluate(s.dep.cfg.electionTimeout)
}

// deposed makes a primary a secondary: its running writes are interrupted and
// its transactions aborted. Connections and cursors stay.
func (s *replSet) deposed(p *mongod) {
	p.role = secondary
	for _, t := range p.txns {
		t.abort(p)
	}
	for _, op := range p.ops {
		if op.r.cmd != nil && op.r.cmd.write {
			op.cancel(failf(codeInterruptedDueToReplStateChange, "operation was interrupted"))
		}
	}
	s.wake()
}

// stepDown runs a step-down that was asked for: p refuses to be elected for
// the time given.
func (s *replSet) stepDown(p *mongod, refuse time.Duration, force bool) error {
	if p.role != primary {
		return failf(codeNotWritablePrimary, "not primary so can't step down")
	}
	if !force && !s.hasHeir(p) {
		return failf(codeExceededTimeLimit, "No electable secondaries caught up as of %s. Please use the replSetStepDown command with the argument {force: true} to force node to step down.", time.Now().UTC().Format(time.RFC3339))
	}
	s.deposed(p)
	p.noElect = time.Now().Add(refuse)
	s.evaluate(s.dep.cfg.handoff)
	return nil
}

func (s *replSet) hasHeir(p *mongod) bool {
	for _, m := range s.members {
		if m != p && m.role == secondary && m.cfg.priority > 0 && s.linked(m, p) && m.log.last() == p.log.last() &&
			!time.Now().Before(m.noElect) {
			return true
		}
	}
	return false
}

// scheduleTakeover lets a member of higher priority that has caught up follow
// a primary of lower priority.
func (s *replSet) scheduleTakeover() {
	p := s.primary()
	var heir *mongod
	if p != nil {
		for _, m := range s.members {
			if m.role == secondary && m.cfg.priority > p.cfg.priority && s.linked(m, p) && !m.paused && !m.quiescing && !m.shunned &&
				time.Now().After(m.noElect) && s.votesAround(m) >= s.majority() {
				heir = m
			}
		}
	}
	if heir == nil {
		s.unschedule("takeover")
		return
	}
	s.schedule("takeover", s.dep.cfg.electionTimeout, func() {
		if p.role == primary && heir.role == secondary && s.linked(p, heir) {
			heir.syncFrom(p)
			s.deposed(p)
			s.promote(heir)
		}
	})
}

// schedule runs fn with the lock held after d, unless something of the same
// name is already waiting.
func (s *replSet) schedule(name string, d time.Duration, fn func()) {
	if s.timers[name] != nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed || s.timers[name] != t {
			return
		}
		delete(s.timers, name)
		fn()
	})
	s.timers[name] = t
}

func (s *replSet) unschedule(name string) {
	if t := s.timers[name]; t != nil {
		t.Stop()
		delete(s.timers, name)
	}
}

// primaryOf returns the primary that m knows of.
func (d *mongod) primaryOf() *mongod {
	var found *mongod
	for _, o := range d.set.members {
		if o.role == primary && (o == d || d.set.linked(d, o)) && (found == nil || o.term > found.term) {
			found = o
		}
	}
	return found
}

// refreshViews lets streaming hellos answer on members whose answer changed.
func (s *replSet) refreshViews() {
	for _, m := range s.members {
		view := fmt.Sprint(m.role, m.quiescing)
		if p := m.primaryOf(); p != nil {
			view += " " + p.host
			if p == m {
				view += fmt.Sprint(m.term)
			}
		}
		if m.view != view {
			if m.view != "" {
				m.topo.bump()
			}
			m.view = view
		}
	}
}

// electionID is the identifier of the term in which d was elected.
func (d *mongod) electionID() bson.ObjectID {
	var id bson.ObjectID
	copy(id[:], []byte{0x7f, 0xff, 0xff, 0xff})
	for i := range 8 {
		id[11-i] = byte(d.term >> (8 * i))
	}
	return id
}

// freeze lists why a member may not be elected, for messages.
func (s *replSet) describe() string {
	var b strings.Builder
	for _, m := range s.members {
		fmt.Fprintf(&b, "%s %s term %d; ", m.host, m.role, m.term)
	}
	return b.String()
}
