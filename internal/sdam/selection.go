package sdam

import (
	"slices"
	"time"

	"github.com/mgxdb/mgx/internal/wireversion"
)

// idleWritePeriod is how often an idle primary writes to its oplog.
const idleWritePeriod = 10 * time.Second

// Selection is what an operation asks of a server.
type Selection struct {
	// Write asks for a server that takes writes; ReadPreference is then ignored.
	Write bool
	// ReadPreference says which servers may serve a read; nil is the primary.
	ReadPreference *ReadPreference
	// Writes tells of a read that also writes (an aggregation with $out or $merge):
	// it goes to the primary as long as not all servers can run it elsewhere.
	Writes bool
	// Deprioritized are addresses to avoid as long as another server is suitable:
	// those that failed the operation before.
	Deprioritized []string
	// Preferred are addresses to stay with: where one of them is suitable, the first of
	// those is the only candidate.
	Preferred []string
	// Custom, if set, narrows the suitable servers. It must not keep the slice,
	// nor change the servers.
	Custom func(suitable []*Server) []*Server
	// LocalThreshold is the size of the latency window.
	LocalThreshold time.Duration
	// HeartbeatInterval is the time between checks; it adds to the staleness of
	// a secondary.
	HeartbeatInterval time.Duration
	// Operation and OperationID name the operation in logs and errors. They do
	// not influence the selection, and may be empty.
	Operation   string
	OperationID int64
}

// Candidates appends to buf the servers that suit the selection and are within
// the latency window, and returns it; none if the topology has no such server
// now. An error means that waiting does not help: a server is incompatible, or
// the read preference is not valid for this deployment.
//
// It does not allocate while buf has room and there is no Custom.
func (q *Selection) Candidates(t *Topology, buf []*Server) ([]*Server, error) {
	suitable, err := q.Suitable(t, buf)
	if err != nil || len(suitable) == len(buf) {
		return suitable, err
	}
	return window(suitable, len(buf), q.LocalThreshold), nil
}

// Suitable is Candidates without the latency window.
func (q *Selection) Suitable(t *Topology, buf []*Server) ([]*Server, error) {
	if t.Incompatible != nil {
		return buf, t.Incompatible
	}
	if err := q.validate(t.Kind); err != nil {
		return buf, &PreferenceError{err}
	}
	found := q.find(t, buf, q.Deprioritized)
	if len(found) == len(buf) && len(q.Deprioritized) > 0 {
		found = q.find(t, buf, nil)
	}
	if q.Custom != nil && len(found) > len(buf) {
		// The function gets a copy: what it may keep must not be the caller's buffer.
		narrowed := q.Custom(slices.Clone(found[len(buf):]))
		found = append(found[:len(buf)], narrowed...)
	}
	for _, address := range q.Preferred {
		for _, s := range found[len(buf):] {
			if s.Address == address {
				return append(buf, s), nil
			}
		}
	}
	return found, nil
}

func (q *Selection) validate(kind TopologyKind) error {
	if q.Write || q.ReadPreference == nil {
		return nil
	}
	reads := q.ReadPreference.Rules()
	err := reads.CheckMode()
	if err == nil && (kind == ReplicaSetNoPrimary || kind == ReplicaSetWithPrimary) {
		err = reads.CheckStaleness(q.HeartbeatInterval + idleWritePeriod)
	}
	if err != nil {
		return err
	}
	return nil
}

// find appends the suitable servers that are not in avoid.
func (q *Selection) find(t *Topology, buf []*Server, avoid []string) []*Server {
	switch t.Kind {
	case Single:
		return appendKind(buf, t, avoid, ServerKind.Available)
	case LoadBalanced:
		return appendKind(buf, t, avoid, isLoadBalancer)
	case Sharded:
		return appendKind(buf, t, avoid, isMongos)
	case ReplicaSetNoPrimary, ReplicaSetWithPrimary:
		return q.findMember(t, buf, avoid)
	default:
		return buf
	}
}

// WritesNeedPrimary reports whether aggregations with $out and $merge are for the
// primary alone, whatever the read preference: one of the available servers is too
// old for anything else. See the specification "CRUD".
func (t *Topology) WritesNeedPrimary() bool {
	return t.Kind != LoadBalanced && slices.ContainsFunc(t.Servers, func(s *Server) bool {
		return s.Kind.Available() && s.MaxWireVersion < wireversion.SecondaryWrites
	})
}

func (q *Selection) findMember(t *Topology, buf []*Server, avoid []string) []*Server {
	switch q.mode(t) {
	case Primary:
		return appendKind(buf, t, avoid, isPrimary)
	case PrimaryPreferred:
		if found := appendKind(buf, t, avoid, isPrimary); len(found) > len(buf) {
			return found
		}
		return q.findEligible(t, buf, avoid, isSecondary)
	case SecondaryPreferred:
		if found := q.findEligible(t, buf, avoid, isSecondary); len(found) > len(buf) {
			return found
		}
		return appendKind(buf, t, avoid, isPrimary)
	case Secondary:
		return q.findEligible(t, buf, avoid, isSecondary)
	default:
		return q.findEligible(t, buf, avoid, isReadable)
	}
}

// mode is which members are wanted.
func (q *Selection) mode(t *Topology) Mode {
	if q.Write || q.ReadPreference == nil || q.Writes && t.WritesNeedPrimary() {
		return Primary
	}
	return q.ReadPreference.Mode
}

// findEligible appends the members of the wanted kind that are fresh enough and
// match the first tag set that any of them matches.
func (q *Selection) findEligible(t *Topology, buf []*Server, avoid []string, wanted func(ServerKind) bool) []*Server {
	found := appendKind(buf, t, avoid, wanted)
	if limit := q.ReadPreference.MaxStaleness; limit > 0 {
		reference := freshest(t)
		found = keep(found, len(buf), func(s *Server) bool {
			return staleness(s, reference, q.HeartbeatInterval) <= limit
		})
	}
	if len(q.ReadPreference.TagSets) == 0 {
		return found
	}
	for _, tags := range q.ReadPreference.TagSets {
		for _, s := range found[len(buf):] {
			if tags.matches(s.Tags) {
				return keep(found, len(buf), func(s *Server) bool { return tags.matches(s.Tags) })
			}
		}
	}
	return buf
}

func isPrimary(k ServerKind) bool      { return k == RSPrimary }
func isSecondary(k ServerKind) bool    { return k == RSSecondary }
func isReadable(k ServerKind) bool     { return k == RSPrimary || k == RSSecondary }
func isMongos(k ServerKind) bool       { return k == Mongos }
func isLoadBalancer(k ServerKind) bool { return k == LoadBalancer }

func appendKind(buf []*Server, t *Topology, avoid []string, wanted func(ServerKind) bool) []*Server {
	for _, s := range t.Servers {
		if wanted(s.Kind) && !slices.Contains(avoid, s.Address) {
			buf = append(buf, s)
		}
	}
	return buf
}

// keep drops from list[from:] what does not pass, in place.
func keep(list []*Server, from int, pass func(*Server) bool) []*Server {
	n := from
	for _, s := range list[from:] {
		if pass(s) {
			list[n] = s
			n++
		}
	}
	return list[:n]
}

// freshest returns what staleness is measured against: the primary or, without
// one, the secondary with the latest write; nil if there is neither.
func freshest(t *Topology) *Server {
	if primary := t.Primary(); primary != nil {
		return primary
	}
	var latest *Server
	for _, s := range t.Servers {
		if s.Kind == RSSecondary && (latest == nil || s.LastWrite.After(latest.LastWrite)) {
			latest = s
		}
	}
	return latest
}

// staleness estimates how far a member may lag behind at its next check. Clock
// differences between client and servers cancel out.
func staleness(s, reference *Server, heartbeat time.Duration) time.Duration {
	if s.Kind != RSSecondary || reference == nil {
		return 0
	}
	lag := reference.LastWrite.Sub(s.LastWrite)
	if reference.Kind == RSPrimary {
		lag += s.LastUpdate.Sub(reference.LastUpdate)
	}
	return lag + heartbeat
}

// window keeps of list[from:] the servers whose round trip time is at most
// threshold above the lowest.
func window(list []*Server, from int, threshold time.Duration) []*Server {
	if len(list)-from < 2 {
		return list
	}
	lowest := list[from].RTT
	for _, s := range list[from+1:] {
		lowest = min(lowest, s.RTT)
	}
	return keep(list, from, func(s *Server) bool { return s.RTT <= lowest+threshold })
}

// Choose picks one of candidates: of two at random, the one with fewer
// operations under way. rnd(n) is a random number below n, load the number of
// operations. It returns nil if there are no candidates.
func Choose(candidates []*Server, rnd func(n int) int, load func(*Server) int64) *Server {
	switch len(candidates) {
	case 0:
		return nil
	case 1:
		return candidates[0]
	}
	i := rnd(len(candidates))
	j := rnd(len(candidates) - 1)
	if j >= i {
		j++
	}
	a, b := candidates[i], candidates[j]
	if load(b) < load(a) {
		return b
	}
	return a
}

// ToSend returns the $readPreference that a read on server must carry; nil if it
// must carry none.
func (p *ReadPreference) ToSend(topology TopologyKind, server ServerKind) *ReadPreference {
	primary := p == nil || p.Mode == Primary
	switch {
	case server == Standalone:
		return nil
	case topology == Single && server != Mongos && server != LoadBalancer && primary:
		// Whatever the member is, it shall answer.
		return &primaryPreferred
	case primary:
		return nil
	default:
		return p
	}
}

var primaryPreferred = ReadPreference{Mode: PrimaryPreferred}
