package sdam

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// Mode says which members of a replica set may serve a read.
type Mode uint8

// The read preference modes, in the order of setup.ReadModes.
const (
	// Primary reads from the primary only.
	Primary Mode = iota
	// PrimaryPreferred reads from the primary, or from a secondary while there
	// is none.
	PrimaryPreferred
	// Secondary reads from secondaries only.
	Secondary
	// SecondaryPreferred reads from a secondary, or from the primary while no
	// secondary is eligible.
	SecondaryPreferred
	// Nearest reads from any member within the latency window.
	Nearest
)

// String returns the mode's name as it goes over the wire.
func (m Mode) String() string {
	if int(m) < len(setup.ReadModes) {
		return setup.ReadModes[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// TagSet is a set of tags, name to value: those of a member, or those that a
// read preference asks for.
type TagSet map[string]string

// Names returns the tag names, sorted: the order in which they go over the wire.
func (t TagSet) Names() []string {
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// matches reports whether member has all the tags of t.
func (t TagSet) matches(member TagSet) bool {
	for name, want := range t {
		if got, ok := member[name]; !ok || got != want {
			return false
		}
	}
	return true
}

// String returns the tags as {name: value, …}, sorted by name.
func (t TagSet) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range t.Names() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + ": " + t[name])
	}
	b.WriteByte('}')
	return b.String()
}

// ReadPreference says which servers may serve a read. The zero value is the
// default: the primary.
type ReadPreference struct {
	Mode Mode
	// TagSets are tried in order; the first that matches a member decides. No
	// tag sets match every member, as does an empty one.
	TagSets []TagSet
	// MaxStaleness is how far a secondary may lag behind; zero or less is no
	// limit. It takes whole seconds, and at least 90 seconds.
	MaxStaleness time.Duration
	// Hedge asks mongos to send the read to two members (true), or not to
	// (false); nil leaves it to the server. MongoDB 8.0 deprecates it.
	Hedge *bool
	// Err, if not nil, says why the preference cannot be. What made it knows.
	Err error
}

// hasTags reports whether any tag set asks for something.
func (p *ReadPreference) hasTags() bool {
	for _, t := range p.TagSets {
		if len(t) > 0 {
			return true
		}
	}
	return false
}

// Rules returns the preference for the rules that it has to keep.
func (p *ReadPreference) Rules() setup.Reads {
	return setup.Reads{Mode: p.Mode.String(), Tagged: p.hasTags(), MaxStaleness: p.MaxStaleness, Hedged: p.Hedge != nil}
}

// String returns the preference in a form for logs and errors.
func (p *ReadPreference) String() string {
	if p == nil {
		return "{mode: primary}"
	}
	var b strings.Builder
	b.WriteString("{mode: " + p.Mode.String())
	if len(p.TagSets) > 0 {
		b.WriteString(", tagSets: [")
		for i, t := range p.TagSets {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(t.String())
		}
		b.WriteByte(']')
	}
	if p.MaxStaleness > 0 {
		fmt.Fprintf(&b, ", maxStalenessSeconds: %d", p.MaxStaleness/time.Second)
	}
	if p.Hedge != nil {
		fmt.Fprintf(&b, ", hedge: {enabled: %v}", *p.Hedge)
	}
	b.WriteByte('}')
	return b.String()
}
