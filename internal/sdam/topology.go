package sdam

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Settings are what the user says about a deployment before it is discovered. They
// keep the rules of package setup.
type Settings struct {
	// Seeds are the addresses to start from.
	Seeds []string
	// SetName is the replica set to require; empty accepts any deployment.
	SetName string
	// Direct connects to the one seed, whatever it is.
	Direct bool
	// LoadBalanced says that the one seed is a load balancer.
	LoadBalanced bool
}

// Removal tells why a server is no longer part of a topology.
type Removal struct {
	Address string
	Reason  string
}

// maxRemovals bounds how many removals a topology remembers.
const maxRemovals = 8

// Topology describes a deployment. Like Server it never changes once published;
// every transition makes a new one.
type Topology struct {
	Kind TopologyKind
	// SetName is the replica set's name, as required or as discovered.
	SetName string
	// MaxElectionID and MaxSetVersion are the newest that a primary reported;
	// nil before one did.
	MaxElectionID *bson.ObjectID
	MaxSetVersion *int64
	// Servers are the members, seeds first, in the order they were found.
	Servers []*Server
	// SessionTimeoutMinutes is the lowest of the data-bearing servers; nil if
	// one of them has no sessions, or none is known.
	SessionTimeoutMinutes *int64
	// Incompatible tells which server speaks no wire version of this client; nil
	// when all do. While it is set no operation can run.
	Incompatible error
	// Removed are the latest servers that were dropped, and why.
	Removed []Removal

	oneSeed bool
}

// NewTopology describes a deployment before its first check: each seed Unknown.
func NewTopology(s Settings) *Topology {
	t := &Topology{SetName: s.SetName, oneSeed: len(s.Seeds) == 1}
	switch {
	case s.LoadBalanced:
		t.Kind = LoadBalanced
	case s.Direct:
		t.Kind = Single
	case s.SetName != "":
		t.Kind = ReplicaSetNoPrimary
	}
	for _, seed := range s.Seeds {
		t.add(NormalizeAddress(seed))
	}
	return t
}

// Server returns the description of the server at address; nil if it is not
// part of the topology.
func (t *Topology) Server(address string) *Server {
	if i := t.index(address); i >= 0 {
		return t.Servers[i]
	}
	return nil
}

// Primary returns the replica set's primary, or nil.
func (t *Topology) Primary() *Server {
	for _, s := range t.Servers {
		if s.Kind == RSPrimary {
			return s
		}
	}
	return nil
}

// Closed describes the topology after the client let go of it: Unknown, without
// servers.
func (t *Topology) Closed() *Topology { return &Topology{oneSeed: t.oneSeed} }

// Equal compares by what makes a change worth an event.
func (t *Topology) Equal(o *Topology) bool {
	return t == o || t.Kind == o.Kind && t.SetName == o.SetName &&
		equalPointer(t.MaxElectionID, o.MaxElectionID) && equalPointer(t.MaxSetVersion, o.MaxSetVersion) &&
		equalPointer(t.SessionTimeoutMinutes, o.SessionTimeoutMinutes) && equalError(t.Incompatible, o.Incompatible) &&
		t.sameServers(o)
}

func (t *Topology) sameServers(o *Topology) bool {
	if len(t.Servers) != len(o.Servers) {
		return false
	}
	for i, s := range t.Servers {
		other := o.Servers[i]
		if other.Address != s.Address {
			other = o.Server(s.Address)
		}
		if !s.Equal(other) {
			return false
		}
	}
	return true
}

// String describes the topology in one line, for logs.
func (t *Topology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", t.Kind)
	if t.SetName != "" {
		fmt.Fprintf(&b, " %q", t.SetName)
	}
	b.WriteString(" [")
	for i, s := range t.Servers {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %v", s.Address, s.Kind)
		if s.Err != nil {
			fmt.Fprintf(&b, " (%s)", oneLine(s.Err))
		}
	}
	b.WriteByte(']')
	return b.String()
}

// oneLine flattens an error's text, so that a list of servers stays readable.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (t *Topology) index(address string) int {
	for i, s := range t.Servers {
		if s.Address == address {
			return i
		}
	}
	return -1
}

// clone copies the topology for changing it; its lists are its own.
func (t *Topology) clone() *Topology {
	c := *t
	c.Servers = slices.Clone(t.Servers)
	return &c
}

func (t *Topology) add(address string) {
	if t.index(address) >= 0 {
		return
	}
	t.Servers = append(t.Servers, DefaultServer(address, nil))
	if slices.ContainsFunc(t.Removed, func(r Removal) bool { return r.Address == address }) {
		t.Removed = slices.DeleteFunc(slices.Clone(t.Removed), func(r Removal) bool { return r.Address == address })
	}
}

func (t *Topology) remove(address, reason string) {
	i := t.index(address)
	if i < 0 {
		return
	}
	t.Servers = slices.Delete(t.Servers, i, i+1)
	removed := slices.DeleteFunc(slices.Clone(t.Removed), func(r Removal) bool { return r.Address == address })
	removed = append(removed, Removal{address, reason})
	t.Removed = removed[max(0, len(removed)-maxRemovals):]
}

// summarize sets what follows from the servers as a whole.
func (t *Topology) summarize() {
	t.Incompatible = nil
	t.SessionTimeoutMinutes = nil
	known, sessions := 0, 0
	for _, s := range t.Servers {
		if t.Incompatible == nil && !s.compatible() {
			t.Incompatible = incompatibility(s)
		}
		if !s.DataBearing() {
			continue
		}
		known++
		if s.SessionTimeoutMinutes == nil {
			continue
		}
		sessions++
		if t.SessionTimeoutMinutes == nil || *s.SessionTimeoutMinutes < *t.SessionTimeoutMinutes {
			t.SessionTimeoutMinutes = s.SessionTimeoutMinutes
		}
	}
	if sessions < known {
		t.SessionTimeoutMinutes = nil
	}
}

func incompatibility(s *Server) error {
	if s.MinWireVersion > wireversion.Max {
		return fmt.Errorf("server at %s requires wire version %d, but this version of mgx only supports up to %d: upgrade mgx",
			s.Address, s.MinWireVersion, wireversion.Max)
	}
	return fmt.Errorf("server at %s reports wire version %d, but this version of mgx requires at least %d (MongoDB %s): upgrade the server",
		s.Address, s.MaxWireVersion, wireversion.Min, wireversion.MinRelease)
}

// Change is a server whose description another replaced.
type Change struct {
	Previous, New *Server
}

// Difference is what happened between two descriptions of one topology.
type Difference struct {
	// Changed are servers in both whose descriptions are not equal.
	Changed []Change
	// Opened are servers that only the newer one has, Closed those that only the
	// older one has.
	Opened []*Server
	Closed []*Server
	// Topology reports whether the descriptions as a whole differ.
	Topology bool
}

// Compare tells what changed from old to t, in the order of the servers.
func (t *Topology) Compare(old *Topology) Difference {
	d := Difference{Topology: !t.Equal(old)}
	if !d.Topology {
		return d
	}
	for _, s := range t.Servers {
		switch prev := old.Server(s.Address); {
		case prev == nil:
			d.Opened = append(d.Opened, s)
		case !prev.Equal(s):
			d.Changed = append(d.Changed, Change{prev, s})
		}
	}
	for _, s := range old.Servers {
		if t.index(s.Address) < 0 {
			d.Closed = append(d.Closed, s)
		}
	}
	return d
}

// compareElection orders by election, then by configuration version, absent
// ones first.
func compareElection(id *bson.ObjectID, version *int64, maxID *bson.ObjectID, maxVersion *int64) int {
	if c := compareObjectID(id, maxID); c != 0 {
		return c
	}
	return compareInt64(version, maxVersion)
}

func compareObjectID(a, b *bson.ObjectID) int {
	if a == nil || b == nil {
		return compareNil(a == nil, b == nil)
	}
	return slices.Compare(a[:], b[:])
}

func compareInt64(a, b *int64) int {
	if a == nil || b == nil {
		return compareNil(a == nil, b == nil)
	}
	return cmp.Compare(*a, *b)
}

func compareNil(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}
