package exec

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Access says what a command does to data.
type Access uint8

const (
	// Read commands obey the read preference and read concern.
	Read Access = iota
	// Write commands go to a writable server and carry the write concern.
	Write
	// ReadThenWrite commands (an aggregation with $out or $merge) carry both
	// concerns.
	ReadThenWrite
	// Other commands carry neither concern, and go where the read preference says.
	Other
)

// Op is a command to run. It is a plain value: exec decides when, where, and
// how often.
type Op struct {
	// Name is the command's name, Database where it runs.
	Name     string
	Database string
	// Collection is what it works on; "": nothing that is known.
	Collection string
	// Operation is the name of the user's operation, where it is neither the command's
	// nor one of those that operations are always called by.
	Operation string
	// CursorID is the cursor that the command is about; 0: none.
	CursorID int64
	// Body appends the command's own elements, its name first. It may be called
	// again for a retry.
	Body func(dst []byte) ([]byte, error)
	// Sequence names the argument that Documents appends as a document sequence.
	// Documents, too, may be called again; it must not append more than the
	// limits allow.
	Sequence  string
	Documents func(dst []byte, limits Limits) ([]byte, error)
	// Second names an argument that MoreDocuments appends as another document
	// sequence, once Documents has decided what there is. Documents leaves room for
	// it.
	Second        string
	MoreDocuments func(dst []byte) []byte

	Access Access
	// Retryable is true where the command may be sent twice, as the specifications
	// "Retryable Reads" and "Retryable Writes" list. Documents may clear it: what fits
	// in the message decides.
	Retryable bool

	ReadPreference *sdam.ReadPreference // nil: primary
	ReadConcern    string               // "": the server's default
	// ExplicitReadConcern is true where it was given for this very call.
	ExplicitReadConcern bool
	WriteConcern        *WriteConcern // nil: the server's default
	// ExplicitReadPreference is true where it was given for this very call.
	ExplicitReadPreference bool
	// MaxTime bounds the server's work; 0: nothing does but the deadline.
	MaxTime time.Duration
	// AwaitMS is maxTimeMS for a command that has its own notion of it.
	AwaitMS int64
	// Timeout is for who begins the operation.
	Timeout Timeout
	// Timed is true where a timeoutMS bounds the operation: it is retried as often as
	// the context's deadline allows, and the older timeouts do not count.
	Timed bool
	// Ends is true where the command ends the session's transaction. It is retried
	// whatever the user says of retries, and Again, if any, is called before it is
	// retried for another reason than an overloaded server.
	Ends  bool
	Again func()
	// Untold keeps the deadline from the server: it is that of one call, and the server
	// would take it for that of the whole cursor.
	Untold bool
	// NoSession sends the command outside of any session.
	NoSession bool
	// ID is shared by the commands of one operation, for their events; 0 takes
	// a new one.
	ID int64
	// MinWireVersion is what the command needs; 0: nothing special.
	// MinWireUnacknowledged is what it needs where the server cannot say that it
	// does not know something.
	MinWireVersion, MinWireUnacknowledged int32
	// MinWireReason says why, beside the numbers; "": nothing need be said.
	MinWireReason string
	// Exhaust lets the server send further replies by itself.
	Exhaust bool
	// RawData asks for (or writes) documents as they are stored, where the server
	// knows how to.
	RawData bool
}

// acknowledged reports whether the server answers the command.
func (op *Op) acknowledged() bool {
	return op.Access != Write && op.Access != ReadThenWrite || op.WriteConcern.Acknowledged()
}

// Limits are what the server chosen for a command accepts, in bytes and
// documents. Room is what is left for the documents of the sequence. Target, if it is
// not 0, is what the documents should take together: only a single one may take more.
type Limits struct {
	MaxDocument int
	MaxMessage  int
	MaxBatch    int
	Room        int
	Target      int
}

// WriteConcern is what a write waits for. See the server manual, "Write
// Concern".
type WriteConcern struct {
	// W is an int (number of members), a string (majority, or a custom name), or
	// nil for the server's default.
	W       any
	Timeout time.Duration
	Journal *bool
	Fsync   *bool
	// Explicit is true where it was given for this very call.
	Explicit bool
	// Err is why no server would take it, for the first use to report.
	Err error
}

// Acknowledged reports whether the server answers the write.
func (w *WriteConcern) Acknowledged() bool {
	if w == nil {
		return true
	}
	n, ok := w.W.(int)
	return !ok || n != 0 || w.Journal != nil && *w.Journal
}

// IsDefault reports whether there is nothing to send.
func (w *WriteConcern) IsDefault() bool {
	return w == nil || w.W == nil && w.Timeout == 0 && w.Journal == nil && w.Fsync == nil
}

// append appends it, without its timeout where a timeoutMS counts instead.
func (w *WriteConcern) append(dst []byte, timed bool) []byte {
	if w.IsDefault() || timed && w.W == nil && w.Journal == nil && w.Fsync == nil {
		return dst
	}
	dst, at := bsonwire.BeginDocument(dst, "writeConcern")
	switch v := w.W.(type) {
	case int:
		dst = bsonwire.AppendInt32(dst, "w", int32(v))
	case string:
		dst = bsonwire.AppendString(dst, "w", v)
	}
	if w.Journal != nil {
		dst = bsonwire.AppendBoolean(dst, "j", *w.Journal)
	}
	if w.Fsync != nil {
		dst = bsonwire.AppendBoolean(dst, "fsync", *w.Fsync)
	}
	if w.Timeout > 0 && !timed {
		dst = bsonwire.AppendInt64(dst, "wtimeout", max(w.Timeout.Milliseconds(), 1)) // 0 is no limit
	}
	return bsonwire.End(dst, at)
}

// frame is one encoded command.
type frame struct {
	buf       *wire.Buffer
	requestID int32
	body      [2]int // the command document
	sequence  [2]int // the documents of the sequence
	second    [2]int // those of the second one
	ack       bool
}

// envelope is what an attempt adds to a command.
type envelope struct {
	desc        *sdam.Server
	topology    sdam.TopologyKind
	needPrimary bool // for commands that read, then write
	api         *conn.API
	lsid        []byte
	txnNumber   int64 // 0: none
	txnAt       int   // where it is in the frame
	transaction bool  // the command is part of one
	starts      bool  // it is its first
	read        readConcern
	clusterTime []byte
	comment     string    // for a command without one; "": none
	deadline    time.Time // for maxTimeMS; zero: none
	minRTT      time.Duration
}

// roomHint remembers how large recent messages with documents were, so that a large
// one is not moved again and again while it grows. It follows up at once, to a
// bound, and down by half with each message, so that small ones after a large one
// soon use small buffers again.
type roomHint struct{ size atomic.Int64 }

const largestHint = 16 << 20

func (h *roomHint) get() int { return int(h.size.Load()) }

func (h *roomHint) saw(size int) {
	old := h.size.Load()
	if now := min(max(int64(size), old/2), largestHint); now != old {
		h.size.Store(now)
	}
}

// encode writes the whole message into a pooled frame.
func (op *Op) encode(env *envelope, hint *roomHint) (frame, error) {
	f := frame{requestID: wire.NextRequestID(), ack: op.acknowledged()}
	writes := op.Access == Write || op.Access == ReadThenWrite
	var flags wire.Flags
	if !f.ack {
		flags |= wire.MoreToCome
	}
	if op.Exhaust {
		flags |= wire.ExhaustAllowed
	}
	room := 0
	if op.Documents != nil {
		room = hint.get()
	}
	f.buf = wire.GetBuffer(room)
	b, start := wire.BeginMsg(f.buf.B, f.requestID, 0, flags)
	b = wire.BeginBody(b)
	f.body[0] = len(b)
	b, at := bsonwire.Begin(b)
	b, err := op.Body(b)
	if err != nil {
		f.buf.Release()
		return frame{}, err
	}
	b = op.appendEnvelope(b, at, env, writes)
	b = bsonwire.End(b, at)
	f.body[1] = len(b)
	if op.Documents != nil {
		if b, err = op.appendSequence(b, start, &f, env.desc); err != nil {
			f.buf.B = b
			f.buf.Release()
			return frame{}, err
		}
		if env.txnNumber != 0 && !env.transaction && !op.Retryable {
			b = f.dropTxnNumber(b, env)
		}
	}
	f.buf.B = wire.End(b, start)
	if op.Documents != nil {
		hint.saw(len(f.buf.B))
	}
	if n := len(f.buf.B) - start; n > int(env.desc.MaxMessageSizeBytes) {
		f.buf.Release()
		return frame{}, fmt.Errorf("%w: %s takes %d bytes, the server accepts %d", ErrTooLarge, op.Name, n, env.desc.MaxMessageSizeBytes)
	}
	return f, nil
}

// txnNumberSize is that of the element txnNumber.
const txnNumberSize = 1 + len("txnNumber\x00") + 8

// dropTxnNumber takes the transaction number out of a frame whose documents turned out
// not to be retryable.
func (f *frame) dropTxnNumber(b []byte, env *envelope) []byte {
	b = slices.Delete(b, env.txnAt, env.txnAt+txnNumberSize)
	env.txnNumber = 0
	f.body[1] -= txnNumberSize
	binary.LittleEndian.PutUint32(b[f.body[0]:], uint32(f.body[1]-f.body[0]))
	for _, at := range []*int{&f.sequence[0], &f.sequence[1], &f.second[0], &f.second[1]} {
		*at = max(*at-txnNumberSize, 0)
	}
	return b
}

func (op *Op) appendSequence(b []byte, start int, f *frame, desc *sdam.Server) ([]byte, error) {
	b, at := wire.BeginSequence(b, op.Sequence)
	f.sequence[0] = len(b)
	limits := Limits{
		MaxDocument: int(desc.MaxBSONObjectSize),
		MaxMessage:  int(desc.MaxMessageSizeBytes),
		MaxBatch:    int(desc.MaxWriteBatchSize),
	}
	limits.Room = limits.MaxMessage - (len(b) - start)
	// A failing callback may return nil; keep the buffer then.
	out, err := op.Documents(b, limits)
	if err != nil {
		return b, err
	}
	f.sequence[1] = len(out)
	b = wire.EndSequence(out, at)
	if op.MoreDocuments == nil {
		return b, nil
	}
	b, at = wire.BeginSequence(b, op.Second)
	f.second[0] = len(b)
	b = op.MoreDocuments(b)
	f.second[1] = len(b)
	return wire.EndSequence(b, at), nil
}

// sequences are the document sequences of the frame.
func (f *frame) sequences(op *Op) []wire.Sequence {
	var list []wire.Sequence
	if docs := f.buf.B[f.sequence[0]:f.sequence[1]]; len(docs) > 0 {
		list = append(list, wire.Sequence{Identifier: op.Sequence, Documents: docs})
	}
	if docs := f.buf.B[f.second[0]:f.second[1]]; len(docs) > 0 {
		list = append(list, wire.Sequence{Identifier: op.Second, Documents: docs})
	}
	return list
}

// appendEnvelope appends what every command carries, to the document that begins at
// at.
func (op *Op) appendEnvelope(b []byte, at int, env *envelope, writes bool) []byte {
	if env.comment != "" {
		b = addComment(b, at, env.comment)
	}
	b = env.read.append(b)
	if writes {
		b = op.WriteConcern.append(b, op.Timed)
	}
	if op.RawData && env.desc.MaxWireVersion >= wireversion.RawData {
		b = bsonwire.AppendBoolean(b, "rawData", true)
	}
	if env.lsid != nil {
		b = bsonwire.AppendDocument(b, "lsid", env.lsid)
		if env.txnNumber != 0 {
			env.txnAt = len(b)
			b = bsonwire.AppendInt64(b, "txnNumber", env.txnNumber)
		}
		if env.transaction {
			b = appendTrue(b, "startTransaction", env.starts)
			b = bsonwire.AppendBoolean(b, "autocommit", false)
		}
	}
	if env.clusterTime != nil {
		b = bsonwire.AppendDocument(b, "$clusterTime", env.clusterTime)
	}
	if ms := op.maxTimeMS(env); ms > 0 {
		b = boundTime(b, at, ms)
	}
	b = op.appendReadPreference(b, env)
	b = env.api.Append(b)
	return bsonwire.AppendString(b, "$db", op.Database)
}

// addComment gives the command that begins at at a comment, unless it has one.
func addComment(b []byte, at int, comment string) []byte {
	b = bsonwire.End(b, at) // for Lookup
	_, has := bsonwire.Lookup(b[at:], "comment")
	b = b[:len(b)-1]
	if has {
		return b
	}
	return bsonwire.AppendString(b, "comment", comment)
}

func appendTrue(dst []byte, key string, v bool) []byte {
	if !v {
		return dst
	}
	return bsonwire.AppendBoolean(dst, key, true)
}

// maxTimeMS is how long the server may work, by the operation's own bound and by the
// deadline, whichever is nearer; 0: as long as it likes.
func (op *Op) maxTimeMS(env *envelope) int64 {
	if op.AwaitMS != 0 || op.Name == "getMore" {
		if op.AwaitMS == 0 || !op.Timed || env.deadline.IsZero() {
			return 0 // servers refuse it in a getMore, but to wait for data
		}
		// Nobody would have what the server waited for longer.
		return max(time.Until(env.deadline)-env.minRTT, time.Millisecond).Milliseconds()
	}
	own := max(op.MaxTime, 0)
	if op.Timed {
		own = 0
	}
	if own > 0 && own < time.Millisecond {
		own = time.Millisecond // 0 would be no limit
	}
	if env.deadline.IsZero() || !op.tells() {
		return own.Milliseconds()
	}
	// The server should give up a little before the client does.
	left := max(time.Until(env.deadline)-env.minRTT, time.Millisecond)
	if own == 0 || left < own {
		own = left
	}
	return own.Milliseconds()
}

// Timeout is the timeoutMS of a call or of its handle.
type Timeout struct {
	// Limit is 0 where there is none, so that the client's counts.
	Limit time.Duration
	// Explicit is true where it was given for this very call.
	Explicit bool
}

// NoTimeout is a limit of 0 that was said: there is no limit.
const NoTimeout time.Duration = -1

// tells reports whether the server is told by when the command must be over. What
// tidies up has a deadline of its own, which is nobody's wish.
func (op *Op) tells() bool {
	return !op.Untold && (op.Timed || op.Name != "killCursors" && op.Name != "endSessions")
}

// boundTime gives the command that begins at at a maxTimeMS, or makes its own one
// that short: servers refuse two.
func boundTime(b []byte, at int, ms int64) []byte {
	b = bsonwire.End(b, at) // for Lookup
	own, has := bsonwire.Lookup(b[at:], "maxTimeMS")
	b = b[:len(b)-1]
	if !has {
		return bsonwire.AppendInt64(b, "maxTimeMS", ms)
	}
	if n, ok := own.AsInt64(); !ok || n != 0 && n <= ms {
		return b // the server judges what is no number, or negative
	}
	switch own.Type {
	case bson.TypeInt64:
		binary.LittleEndian.PutUint64(own.Data, uint64(ms))
	case bson.TypeInt32:
		binary.LittleEndian.PutUint32(own.Data, uint32(min(ms, math.MaxInt32)))
	}
	return b
}

// appendReadPreference appends $readPreference where the specification "Server
// Selection" asks for it.
func (op *Op) appendReadPreference(b []byte, env *envelope) []byte {
	if op.Access == Write || op.Access == ReadThenWrite && env.needPrimary {
		return b
	}
	rp := op.ReadPreference.ToSend(env.topology, env.desc.Kind)
	if rp == nil {
		return b
	}
	b, at := bsonwire.BeginDocument(b, "$readPreference")
	b = bsonwire.AppendString(b, "mode", rp.Mode.String())
	if len(rp.TagSets) > 0 {
		var tags int
		b, tags = bsonwire.BeginArray(b, "tags")
		for i, set := range rp.TagSets {
			var in int
			b, in = bsonwire.BeginDocument(b, bsonwire.Index(i))
			for _, name := range set.Names() {
				b = bsonwire.AppendString(b, name, set[name])
			}
			b = bsonwire.End(b, in)
		}
		b = bsonwire.End(b, tags)
	}
	if rp.MaxStaleness > 0 {
		b = bsonwire.AppendInt32(b, "maxStalenessSeconds", int32(rp.MaxStaleness/time.Second))
	}
	if rp.Hedge != nil {
		var in int
		b, in = bsonwire.BeginDocument(b, "hedge")
		b = bsonwire.AppendBoolean(b, "enabled", *rp.Hedge)
		b = bsonwire.End(b, in)
	}
	return bsonwire.End(b, at)
}
