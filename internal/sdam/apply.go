package sdam

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/internal/wireversion"
)

// Why a primary's claim was not believed, or no longer is.
var (
	errStalePrimary = errors.New("primary marked stale due to electionId/setVersion mismatch: another primary was elected since")
	errNewerPrimary = errors.New("primary marked stale due to discovery of newer primary")
)

// Apply returns the topology after a check of one server, successful or not. It
// returns t itself when the outcome says nothing new: the server is no longer
// part of the topology, or t already has a newer description of it.
func (t *Topology) Apply(s *Server) *Topology {
	i := t.index(s.Address)
	if i < 0 || t.Servers[i].TopologyVersion.Compare(s.TopologyVersion) > 0 {
		return t
	}
	n := t.clone()
	n.Servers[i] = s
	switch n.Kind {
	case Single:
		n.applySingle(i)
	case LoadBalanced:
		// The load balancer stays what it is, whatever happens behind it.
	case Sharded:
		if s.Kind.Available() && s.Kind != Mongos {
			n.remove(s.Address, fmt.Sprintf("it is a %v in a sharded cluster", s.Kind))
		}
	case TopologyUnknown:
		n.applyUnknown(s)
	default:
		n.applyReplicaSet(s)
	}
	n.summarize()
	return n
}

func (t *Topology) applySingle(i int) {
	s := t.Servers[i]
	if t.SetName == "" || !s.Kind.Available() || s.SetName == t.SetName {
		return
	}
	err := fmt.Errorf("the server belongs to replica set %q, not to %q as the replicaSet option asks", s.SetName, t.SetName)
	if s.SetName == "" {
		err = fmt.Errorf("the server is a %v, not a member of replica set %q as the replicaSet option asks", s.Kind, t.SetName)
	}
	t.Servers[i] = DefaultServer(s.Address, err)
}

func (t *Topology) applyUnknown(s *Server) {
	switch s.Kind {
	case Unknown, PossiblePrimary, RSGhost:
	case Standalone:
		if t.oneSeed {
			t.Kind = Single
		} else {
			t.remove(s.Address, "it is a Standalone, one of several seeds")
		}
	case Mongos:
		t.Kind = Sharded
	case RSPrimary:
		t.applyPrimary(s)
	default:
		t.Kind = ReplicaSetNoPrimary
		t.applyWithoutPrimary(s)
	}
}

func (t *Topology) applyReplicaSet(s *Server) {
	switch s.Kind {
	case Unknown, PossiblePrimary, RSGhost:
		t.checkPrimary()
	case Standalone, Mongos, LoadBalancer:
		t.remove(s.Address, fmt.Sprintf("it is a %v, not a member of a replica set", s.Kind))
		t.checkPrimary()
	case RSPrimary:
		t.applyPrimary(s)
	default:
		if t.Kind == ReplicaSetWithPrimary {
			t.applyWithPrimary(s)
		} else {
			t.applyWithoutPrimary(s)
		}
	}
}

// checkPrimary sets the topology's kind by whether there is a primary.
func (t *Topology) checkPrimary() {
	t.Kind = ReplicaSetNoPrimary
	if t.Primary() != nil {
		t.Kind = ReplicaSetWithPrimary
	}
}

// wrongSet removes a member of another replica set. It returns true if it did.
func (t *Topology) wrongSet(s *Server) bool {
	if s.SetName == t.SetName {
		return false
	}
	t.remove(s.Address, fmt.Sprintf("it belongs to replica set %q, not to %q", s.SetName, t.SetName))
	return true
}

// wrongName removes a member that knows itself by another address: its own
// hosts list has the right one. It returns true if it did.
func (t *Topology) wrongName(s *Server) bool {
	if s.CanonicalAddress == "" || s.CanonicalAddress == s.Address {
		return false
	}
	t.remove(s.Address, fmt.Sprintf("the replica set's configuration knows it as %s", s.CanonicalAddress))
	return true
}

// addMembers adds the servers that a member lists.
func (t *Topology) addMembers(s *Server) {
	for _, list := range [...][]string{s.Hosts, s.Passives, s.Arbiters} {
		for _, address := range list {
			t.add(address)
		}
	}
}

// applyWithoutPrimary takes what a non-primary says while there is no primary:
// it may add members, and remove none but itself.
func (t *Topology) applyWithoutPrimary(s *Server) {
	if t.SetName == "" {
		t.SetName = s.SetName
	} else if t.wrongSet(s) {
		return
	}
	t.addMembers(s)
	t.wrongName(s)
}

// applyWithPrimary takes what a non-primary says while there is a primary.
func (t *Topology) applyWithPrimary(s *Server) {
	if !t.wrongSet(s) {
		t.wrongName(s)
	}
	t.checkPrimary()
}

// applyPrimary takes a primary's word: its list of members is the topology,
// unless a later election is known of.
func (t *Topology) applyPrimary(s *Server) {
	if t.SetName == "" {
		t.SetName = s.SetName
	} else if t.wrongSet(s) {
		t.checkPrimary()
		return
	}
	if !t.acceptElection(s) {
		t.Servers[t.index(s.Address)] = DefaultServer(s.Address, errStalePrimary)
		t.checkPrimary()
		return
	}
	for i, other := range t.Servers {
		if other.Kind == RSPrimary && other.Address != s.Address {
			t.Servers[i] = DefaultServer(other.Address, errNewerPrimary)
		}
	}
	t.addMembers(s)
	for i := len(t.Servers) - 1; i >= 0; i-- {
		if address := t.Servers[i].Address; !s.HasMember(address) {
			t.remove(address, fmt.Sprintf("the primary %s does not list it as a member", s.Address))
		}
	}
	t.checkPrimary()
}

// acceptElection compares a primary's election with the latest known one. It
// records the newer and reports whether to believe the primary.
func (t *Topology) acceptElection(s *Server) bool {
	if s.MaxWireVersion >= wireversion.ElectionIDFirst {
		if compareElection(s.ElectionID, s.SetVersion, t.MaxElectionID, t.MaxSetVersion) < 0 {
			return false
		}
		t.MaxElectionID, t.MaxSetVersion = s.ElectionID, s.SetVersion
		return true
	}
	// Before MongoDB 6.0 the configuration version came first, and a primary
	// that reports only one of the two is not compared.
	if s.SetVersion != nil && s.ElectionID != nil {
		if t.MaxSetVersion != nil && t.MaxElectionID != nil {
			c := compareInt64(s.SetVersion, t.MaxSetVersion)
			if c < 0 || c == 0 && compareObjectID(s.ElectionID, t.MaxElectionID) < 0 {
				return false
			}
		}
		t.MaxElectionID = s.ElectionID
	}
	if compareInt64(s.SetVersion, t.MaxSetVersion) > 0 {
		t.MaxSetVersion = s.SetVersion
	}
	return true
}

// WithHosts returns the topology after an SRV lookup found hosts: servers that
// are not among them leave, new ones join as Unknown, up to limit servers (0 is
// no limit); shuffle, with the contract of math/rand's Shuffle, picks which. It
// returns t itself when nothing changes, and for topologies that do not follow
// SRV records (only Unknown and Sharded do).
func (t *Topology) WithHosts(hosts []string, limit int, shuffle func(n int, swap func(i, j int))) *Topology {
	if len(hosts) == 0 || t.Kind != TopologyUnknown && t.Kind != Sharded {
		return t
	}
	found := make(map[string]bool, len(hosts))
	var added []string
	for _, host := range hosts {
		host = NormalizeAddress(host)
		if !found[host] && t.index(host) < 0 {
			added = append(added, host)
		}
		found[host] = true
	}
	n := t.clone()
	for _, s := range t.Servers {
		if !found[s.Address] {
			n.remove(s.Address, "the SRV records no longer list it")
		}
	}
	if limit > 0 && limit < len(found) {
		added = SampleHosts(added, max(0, limit-len(n.Servers)), shuffle)
	}
	for _, host := range added {
		n.add(host)
	}
	if len(added) == 0 && len(n.Servers) == len(t.Servers) {
		return t
	}
	n.summarize()
	return n
}

// SampleHosts picks at most n of hosts at random, in random order. The given
// slice is reordered. It is what srvMaxHosts does to a seed list.
func SampleHosts(hosts []string, n int, shuffle func(n int, swap func(i, j int))) []string {
	if n >= len(hosts) {
		return hosts
	}
	shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	return hosts[:n]
}
