package mgx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

// Mode says which members of a replica set may answer a read.
type Mode uint8

// The modes of the specification "Server Selection".
const (
	// Primary reads from the primary alone: the default.
	Primary Mode = iota
	// PrimaryPreferred reads from a secondary only while there is no primary.
	PrimaryPreferred
	// Secondary reads from secondaries alone.
	Secondary
	// SecondaryPreferred reads from the primary only while no secondary is there.
	SecondaryPreferred
	// Nearest reads from any member within the latency window.
	Nearest
)

// String returns the mode's name in URIs.
func (m Mode) String() string { return sdam.Mode(m).String() }

// ParseMode returns the mode of a name as URIs have it.
func ParseMode(name string) (Mode, error) {
	for m := Primary; m <= Nearest; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, failure(ErrConfiguration, "unknown read preference %q: use primary, primaryPreferred, secondary, secondaryPreferred or nearest", name)
}

// ReadPreference says which servers may answer reads. The zero value is the
// primary alone. See the server manual, "Read Preference".
type ReadPreference struct {
	Mode Mode
	// TagSets are tried in order until one matches a member; an empty one matches
	// any. None at all is the same as one empty one.
	TagSets []map[string]string
	// MaxStaleness leaves out secondaries that lag further behind, by an estimate;
	// at least 90 seconds, 0 is no limit.
	MaxStaleness time.Duration
	// Hedge asks a mongos to send the read to two members and take the first answer
	// (true), or not to (false); nil leaves it to the mongos. Servers deprecate it from
	// 8.0 on.
	Hedge *bool
}

// String describes the preference.
func (p ReadPreference) String() string { return p.internal().String() }

// clone copies the preference as far as it could be changed.
func (p ReadPreference) clone() ReadPreference {
	p.TagSets = slices.Clone(p.TagSets)
	for i, t := range p.TagSets {
		p.TagSets[i] = maps.Clone(t)
	}
	p.Hedge = clonePointer(p.Hedge)
	return p
}

// internal leaves the tags shared.
func (p ReadPreference) internal() *sdam.ReadPreference {
	rp := &sdam.ReadPreference{Mode: sdam.Mode(p.Mode), MaxStaleness: p.MaxStaleness, Hedge: clonePointer(p.Hedge)}
	for _, t := range p.TagSets {
		rp.TagSets = append(rp.TagSets, sdam.TagSet(t))
	}
	rp.Err = validReads(rp.Rules())
	return rp
}

// validReads reports a read preference that no deployment accepts.
func validReads(rules setup.Reads) error {
	err := rules.Check()
	if err == nil {
		return nil
	}
	return category(fmt.Errorf("read preference: %w", err), ErrConfiguration)
}

func (p ReadPreference) isDefault() bool {
	return p.Mode == Primary && len(p.TagSets) == 0 && p.MaxStaleness == 0 && p.Hedge == nil
}

// ReadConcern says how durable what is read must be: one of the levels below, or another
// one that the server has. "" says nothing, so that what is above counts: the session's,
// the client's, the server's default. See the server manual, "Read Concern".
type ReadConcern string

const (
	// ReadConcernServerDefault leaves it to the server, whatever the session's options,
	// the client's or a handle's say: nothing is sent.
	ReadConcernServerDefault ReadConcern = "the server's default"
	// ReadConcernLocal reads what the member has, be it on a majority or not.
	ReadConcernLocal ReadConcern = "local"
	// ReadConcernAvailable is local, and in sharded clusters may also find documents that
	// are moving between shards twice.
	ReadConcernAvailable ReadConcern = "available"
	// ReadConcernMajority reads what a majority of the members has acknowledged, which
	// is never rolled back.
	ReadConcernMajority ReadConcern = "majority"
	// ReadConcernLinearizable reads from the primary what all writes acknowledged by a
	// majority before it have left.
	ReadConcernLinearizable ReadConcern = "linearizable"
	// ReadConcernSnapshot reads everything as of one moment: in transactions, and with
	// server 5.0 in Find, Aggregate and Distinct.
	ReadConcernSnapshot ReadConcern = "snapshot"
)

// level is what the server is told; "": nothing.
func (r ReadConcern) level() string {
	if r == ReadConcernServerDefault {
		return ""
	}
	return string(r)
}

// WriteConcern says what a write waits for before it counts as done. The zero
// value is the server's default. See the server manual, "Write Concern".
type WriteConcern struct {
	// W is the number of members (an int), "majority", or a name from the replica
	// set's configuration; nil is the server's default, 0 asks for no answer at
	// all.
	W any
	// Timeout bounds the wait for W (the server's wtimeout); 0 is no limit. When
	// it passes, the write stays applied and the operation returns an
	// ErrWriteConcern beside its result.
	Timeout time.Duration
	// Journal waits for (true), or does not wait for (false) the journal.
	Journal *bool
	// Fsync is the classic fsync: it waits for a flush to disk on servers without
	// journal. Current servers treat it like Journal.
	Fsync *bool
}

// String describes the concern.
func (w WriteConcern) String() string {
	var parts []string
	if w.W != nil {
		parts = append(parts, fmt.Sprintf("w: %v", w.W))
	}
	if w.Timeout != 0 {
		parts = append(parts, fmt.Sprintf("timeout: %v", w.Timeout))
	}
	if w.Journal != nil {
		parts = append(parts, fmt.Sprintf("journal: %v", *w.Journal))
	}
	if w.Fsync != nil {
		parts = append(parts, fmt.Sprintf("fsync: %v", *w.Fsync))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Majority waits for a majority of the voting members.
func Majority() WriteConcern { return WriteConcern{W: "majority"} }

// Unacknowledged waits for nothing: errors are not reported.
func Unacknowledged() WriteConcern { return WriteConcern{W: 0} }

// internal copies the concern: nobody can change it any more.
func (w WriteConcern) internal() *exec.WriteConcern {
	return &exec.WriteConcern{
		W: w.W, Timeout: w.Timeout, Journal: clonePointer(w.Journal), Fsync: clonePointer(w.Fsync),
		Err: w.validate(),
	}
}

// publicConcern is a copy that its receiver may change.
func publicConcern(w *exec.WriteConcern) WriteConcern {
	return WriteConcern{W: w.W, Timeout: w.Timeout, Journal: clonePointer(w.Journal), Fsync: clonePointer(w.Fsync)}
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// validate reports a write concern that no server accepts.
func (w WriteConcern) validate() error {
	if err := w.rules().Check(); err != nil {
		return category(fmt.Errorf("write concern: %w", err), ErrConfiguration)
	}
	return nil
}

func (w WriteConcern) rules() *setup.Writes {
	return &setup.Writes{W: w.W, Journal: w.Journal, Fsync: w.Fsync, Timeout: w.Timeout}
}
