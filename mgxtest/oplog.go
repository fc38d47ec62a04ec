package mgxtest

import (
	"slices"
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

// timestamp is a point of cluster time.
type timestamp struct{ t, i uint32 }

func (a timestamp) before(b timestamp) bool { return a.t < b.t || a.t == b.t && a.i < b.i }

func (a timestamp) zero() bool { return a == timestamp{} }

func (a timestamp) bson() bson.Timestamp { return bson.Timestamp{T: a.t, I: a.i} }

// opTime names an entry of the oplog: when it was written, and in whose term.
type opTime struct {
	ts   timestamp
	term int64
}

func (a opTime) before(b opTime) bool {
	return a.term < b.term || a.term == b.term && a.ts.before(b.ts)
}

func (a opTime) bson() bson.D { return doc("ts", a.ts.bson(), "t", a.term) }

// entry is one change of a replica set. Members share entries, which never
// change after they were written.
type entry struct {
	opTime
	wall time.Time
	ops  []*engine.Op

	// For writes of a session: what they were, so that any member can answer
	// the same write again.
	lsid      string
	user      string
	txnNumber int64
	stmts     []stmtResult
	committed bool
}

// oplog is one member's list of entries. Timestamps are unique in a set, so
// two oplogs agree up to the last entry that both hold.
type oplog struct {
	entries []*entry
	limit   int
}

func (l *oplog) last() opTime {
	if len(l.entries) == 0 {
		return opTime{}
	}
	return l.entries[len(l.entries)-1].opTime
}

func (l *oplog) lastWall() time.Time {
	if len(l.entries) == 0 {
		return time.Time{}
	}
	return l.entries[len(l.entries)-1].wall
}

// search returns the position of the first entry at or after ts.
func (l *oplog) search(ts timestamp) int {
	return sort.Search(len(l.entries), func(i int) bool { return !l.entries[i].ts.before(ts) })
}

// holds reports whether the very entry named by t is in the log. An empty log's
// position is in every log.
func (l *oplog) holds(t opTime) bool {
	if t == (opTime{}) {
		return true
	}
	i := l.search(t.ts)
	return i < len(l.entries) && l.entries[i].opTime == t
}

// after returns the entries that follow t.
func (l *oplog) after(t opTime) []*entry {
	i := l.search(t.ts)
	if i < len(l.entries) && l.entries[i].ts == t.ts {
		i++
	}
	return l.entries[i:]
}

func (l *oplog) append(e *entry) {
	l.entries = append(l.entries, e)
	if len(l.entries) > l.limit+l.limit/4 {
		l.entries = slices.Clone(l.entries[len(l.entries)-l.limit:])
	}
}

func (l *oplog) clone() oplog {
	return oplog{entries: slices.Clone(l.entries), limit: l.limit}
}

// trimmedPast reports whether entries after t have already been given up.
func (l *oplog) trimmedPast(t opTime) bool {
	return len(l.entries) > 0 && t != (opTime{}) && t.ts.before(l.entries[0].ts)
}

// apply repeats an entry of the primary on this member.
func (d *mongod) apply(e *entry) {
	for _, op := range e.ops {
		d.store.Apply(op)
	}
	d.log.append(e)
	d.remember(e)
}
