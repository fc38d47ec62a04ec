package exec

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/session"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Session is an explicit session: one that the user has started, and whose operations
// follow each other. The server's counterpart is taken from the pool when it is needed.
type Session struct {
	// Causal has reads and writes see what came before them in the session, Snapshot
	// has reads all see the same moment.
	Causal, Snapshot bool

	x    *Executor
	time session.ClusterTime

	mu         sync.Mutex
	server     *session.ServerSession
	operation  bson.Timestamp // of the latest operation; zero: none
	snapshotAt bson.Timestamp
	state      session.State
	options    TransactionOptions
	number     int64
	token      []byte // the latest recoveryToken
	pinned     pin
	busy       bool         // a command of the transaction is under way
	refused    *ServerError // the transaction's first command that the server refused
}

// TransactionOptions are those of a transaction. The zero value of each leaves it to
// the server.
type TransactionOptions struct {
	ReadConcern    string
	WriteConcern   *WriteConcern
	ReadPreference *sdam.ReadPreference
	MaxCommitTime  time.Duration
	Timeout        time.Duration // timeoutMS: see Op
}

// pin is where all commands of a transaction go: to one mongos, behind a load balancer
// on one connection. The zero value is anywhere.
type pin struct {
	server *Server
	lease  *Lease
}

// NewSession starts a session.
func (x *Executor) NewSession() *Session { return &Session{x: x} }

// acquire returns the server's counterpart.
func (s *Session) acquire() *session.ServerSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acquireLocked()
}

func (s *Session) acquireLocked() *session.ServerSession {
	if s.server == nil {
		s.server = s.x.Sessions.Get(s.x.sessionTimeout(), time.Now())
	}
	return s.server
}

// ID is the document that names the session on the server.
func (s *Session) ID() []byte { return s.acquire().LSID }

// Dirty reports whether the session has met a network error, so that the server may
// still be busy with it.
func (s *Session) Dirty() bool { return s.acquire().Dirty }

// Release gives the server's counterpart back. The session is not used any more.
func (s *Session) Release() {
	s.Unpin()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.x.Sessions.Put(s.server, s.x.sessionTimeout(), time.Now())
		s.server = nil
	}
}

// ClusterTime is the latest $clusterTime that the session has seen, nil if none.
func (s *Session) ClusterTime() []byte { return s.time.Load() }

// AdvanceClusterTime takes over a $clusterTime, if it is later.
func (s *Session) AdvanceClusterTime(doc []byte) { s.time.Advance(doc) }

// OperationTime is when the latest operation took place, by the server's clock.
func (s *Session) OperationTime() bson.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.operation
}

// AdvanceOperationTime takes over an operation time, if it is later.
func (s *Session) AdvanceOperationTime(t bson.Timestamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.After(s.operation) {
		s.operation = t
	}
}

// SnapshotTime is the moment that the reads of a snapshot session see; zero: none is
// known yet.
func (s *Session) SnapshotTime() bson.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshotAt
}

// SetSnapshotTime says which moment reads see.
func (s *Session) SetSnapshotTime(t bson.Timestamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshotAt = t
}

// State is where the session stands in its transactions.
func (s *Session) State() session.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Options are those of the transaction.
func (s *Session) Options() TransactionOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// Start starts a transaction: the session's next command tells the server.
func (s *Session) Start(o TransactionOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.state.Start()
	if err != nil {
		return err
	}
	s.unpinLocked()
	s.state, s.options, s.token, s.refused = next, o, nil, nil
	s.number = s.acquireLocked().NextTxnNumber()
	return nil
}

// Commit decides what is to be done for a commit.
func (s *Session) Commit() (send, again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return false, false, errBusy
	}
	s.state, send, again, err = s.state.Commit()
	return send, again, err
}

// Abort decides what is to be done for an abort.
func (s *Session) Abort() (send bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, send, err = s.state.Abort()
	return send, err
}

// enter precedes a command that is neither commit nor abort, and says where the
// transaction stands. Where the command is part of it, leave follows: the commands of a
// transaction follow each other.
func (s *Session) enter() (session.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Active() {
		if s.busy {
			return s.state, errBusy
		}
		s.busy = true
	}
	return s.state, nil
}

func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
}

// Refused is the transaction's first command that the server refused for good, whole or
// in part; nil: none. The server has aborted the transaction then.
func (s *Session) Refused() *ServerError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// sawRefusal notes what the server says to a command of the transaction, unless the
// transaction may be repeated, or the server has not run the command and may be asked
// again.
func (s *Session) sawRefusal(command, address string, d fault.Document, labels []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Code == fault.ReauthenticationRequired || slices.Contains(labels, fault.LabelOverloaded) {
		return
	}
	if s.refused == nil && !slices.Contains(labels, fault.LabelTransientTransaction) {
		d.Labels = labels
		s.refused = &ServerError{Address: address, Command: command, Document: d}
	}
}

// Used precedes an operation that is neither commit nor abort.
func (s *Session) Used() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next := s.state.Used(); next != s.state {
		s.state, s.token = next, nil
		s.unpinLocked()
	}
}

// RecoveryToken is what leads another mongos to the transaction's outcome; nil: none.
func (s *Session) RecoveryToken() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// Pinned is the mongos that the transaction's commands go to; nil: there is none.
func (s *Session) Pinned() *Server { return s.where().server }

// where is what the transaction is bound to.
func (s *Session) where() pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pinned
}

// Unpin lets the session's commands go anywhere again.
func (s *Session) Unpin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unpinLocked()
}

func (s *Session) unpinLocked() {
	if l := s.pinned.lease; l != nil {
		_ = l.Release()
	}
	s.pinned = pin{}
}

// sent follows a command of the transaction that has gone out: its first one binds the
// others to a mongos.
func (s *Session) sent(kind sdam.TopologyKind, server *Server, lease *Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = s.state.Sent()
	if s.pinned.server != nil {
		return
	}
	switch kind {
	case sdam.Sharded:
		s.pinned.server = server
	case sdam.LoadBalanced:
		lease.SetPurpose(pool.ForTransaction)
		s.pinned = pin{server, lease}
	}
}

// saw takes over what a reply, or an error, says of times and of the transaction.
func (s *Session) saw(h *reply.Head, body []byte, inTransaction bool) {
	if h.ClusterTime != nil {
		s.time.Advance(h.ClusterTime)
	}
	if t, i, ok := h.OperationTime.AsTimestamp(); ok {
		s.AdvanceOperationTime(bson.Timestamp{T: t, I: i})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if inTransaction && h.OK && h.RecoveryToken != nil {
		s.token = bytes.Clone(h.RecoveryToken)
	}
	if s.Snapshot && h.OK && s.snapshotAt == (bson.Timestamp{}) {
		if t, i, ok := reply.SnapshotTime(body); ok {
			s.snapshotAt = bson.Timestamp{T: t, I: i}
		}
	}
}

// laterClusterTime is the later one of two $clusterTime documents.
func laterClusterTime(a, b []byte) []byte {
	if b == nil {
		return a
	}
	var later session.ClusterTime
	later.Advance(a)
	later.Advance(b)
	return later.Load()
}

// Errors of sessions, with the specifications' texts.
var (
	errNoSessions     = fault.New("sessions are not supported by this deployment", fault.ErrUnsupported)
	errNoSnapshots    = fault.New("Snapshot reads require MongoDB 5.0 or later", fault.ErrUnsupported)
	errStandalone     = fault.New("transactions need a replica set or a sharded cluster, and this is a standalone server", fault.ErrUnsupported)
	errBusy           = fault.New("another operation of the transaction is under way: they follow each other, in one goroutine", fault.ErrInvalidArgument)
	errUnacknowledged = fault.New("cannot use unacknowledged write concerns in a session: the server does not say when it is done", fault.ErrInvalidArgument)
)

// prepareExplicit gives the command the user's session.
func (r *run) prepareExplicit(desc *sdam.Server, supported, acknowledged bool) error {
	s := r.b.Session
	switch {
	case !supported:
		return &OperationError{Command: r.op.Name, Err: errNoSessions}
	case r.inTransaction && desc.Kind == sdam.Standalone:
		return &OperationError{Command: r.op.Name, Err: errStandalone}
	case !acknowledged:
		return &OperationError{Command: r.op.Name, Err: errUnacknowledged}
	case s.Snapshot && desc.MaxWireVersion < wireversion.MongoDB50:
		return &OperationError{Command: r.op.Name, Err: errNoSnapshots}
	}
	r.session = s.acquire()
	r.session.Used(time.Now())
	if r.inTransaction {
		r.txnNumber = s.number
	}
	return nil
}

// readConcern is what a command says of the moment that it sees.
type readConcern struct {
	level     string
	after, at bson.Timestamp
}

// readConcern decides on it for the attempt.
func (r *run) readConcern(desc *sdam.Server) (c readConcern) {
	op, s := r.op, r.b.Session
	reads := op.Access == Read || op.Access == ReadThenWrite
	if reads {
		c.level = op.ReadConcern
	}
	if s == nil || op.Name == "getMore" || op.Name == "killCursors" {
		return c
	}
	switch {
	case r.inTransaction:
		c = readConcern{}
		if !r.starts {
			return c
		}
		c.level = s.Options().ReadConcern
	case s.Snapshot:
		return readConcern{level: "snapshot", at: s.SnapshotTime()}
	case op.Access == Other:
		return c
	}
	if s.Causal && gossips(desc.Kind) {
		c.after = s.OperationTime()
	}
	return c
}

func (c *readConcern) append(dst []byte) []byte {
	if *c == (readConcern{}) {
		return dst
	}
	dst, in := bsonwire.BeginDocument(dst, "readConcern")
	if c.level != "" {
		dst = bsonwire.AppendString(dst, "level", c.level)
	}
	if c.after != (bson.Timestamp{}) {
		dst = bsonwire.AppendTimestamp(dst, "afterClusterTime", c.after.T, c.after.I)
	}
	if c.at != (bson.Timestamp{}) {
		dst = bsonwire.AppendTimestamp(dst, "atClusterTime", c.at.T, c.at.I)
	}
	return bsonwire.End(dst, in)
}
