package mgx

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/session"
)

// SessionOptions are those of a session. The zero value is a causally consistent one.
type SessionOptions struct {
	// CausalConsistency has each operation see what those before it in the session saw
	// and did, on whichever member it runs: nil is true, unless Snapshot is set.
	CausalConsistency *bool
	// Snapshot has all reads of the session see the same moment: that of the first one,
	// or SnapshotTime. It needs server 5.0, allows only Find, Aggregate and Distinct, and
	// excludes CausalConsistency and transactions.
	Snapshot bool
	// SnapshotTime is the moment that reads see; the zero Timestamp is that of the first
	// read. It needs Snapshot.
	SnapshotTime bson.Timestamp
	// Transactions are the options of the session's transactions, where these do not say
	// otherwise.
	Transactions TransactionOptions
	// Timeout bounds each commit and each abort of the session's transactions, and
	// WithTransaction as a whole (defaultTimeoutMS); 0 is that of the client, a negative
	// one an ErrInvalidArgument. See the option Timeout.
	Timeout time.Duration
}

// Session is a sequence of operations that belong together on the server: causally
// consistent, reading one snapshot, or in transactions. It travels in the context:
// operations are part of it whose context StartSession, or Context, returned.
//
// A session is for one goroutine at a time. In a transaction, an operation while another
// one is under way is an ErrInvalidArgument, and is not sent. See the specification
// "Driver Sessions".
type Session struct {
	client  *Client
	options SessionOptions
	inner   *exec.Session
	binding exec.Binding
	ctx     context.Context // that it was started in, for the observers of transactions
	watched *exec.Watched   // the transaction
	ended   atomic.Bool
	limit   atomic.Pointer[time.Time] // the end of a WithTransaction that has a timeout
}

// sessionKey finds the session in a context.
type sessionKey struct{}

// anySession is true once a session was started: until then nobody looks for one.
var anySession atomic.Bool

// StartSession returns a context whose operations on this client are part of a new
// session, until its End. nil options are those of the zero value. Nothing is sent.
//
// A context is part of one session: in one that has another already, which has not
// ended, the error is an ErrInvalidArgument, as it is for options that exclude each
// other. Under such a context, operations of another client are ErrInvalidArgument too:
// WithoutSession keeps an operation out of the session. Operations with a write concern
// of w=0 cannot be part of a session.
func (c *Client) StartSession(ctx context.Context, options *SessionOptions) (context.Context, *Session, error) {
	if ctx == nil {
		return nil, nil, nilContext("start session")
	}
	if other, _ := ctx.Value(sessionKey{}).(*Session); other != nil && !other.ended.Load() {
		return ctx, nil, failure(ErrInvalidArgument, "start session: the context has a session already; use it, or one of WithoutSession")
	}
	s := &Session{client: c, inner: c.exec.NewSession(), ctx: ctx}
	if options != nil {
		s.options = *options
	}
	o := &s.options
	if o.Snapshot && o.CausalConsistency != nil && *o.CausalConsistency {
		return ctx, nil, failure(ErrInvalidArgument, "start session: causal consistency and snapshot exclude each other")
	}
	if o.Timeout < 0 {
		return ctx, nil, failure(ErrInvalidArgument, "start session: a timeout must not be negative; 0 is that of the client")
	}
	if !o.Snapshot && !o.SnapshotTime.IsZero() {
		return ctx, nil, failure(ErrInvalidArgument, "start session: a snapshot time needs Snapshot")
	}
	s.inner.Snapshot = o.Snapshot
	s.inner.Causal = !o.Snapshot && (o.CausalConsistency == nil || *o.CausalConsistency)
	s.inner.SetSnapshotTime(o.SnapshotTime)
	s.binding.Session = s.inner
	anySession.Store(true)
	return s.Context(ctx), s, nil
}

// Context returns a context like ctx whose operations are part of the session.
func (s *Session) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// WithoutSession returns a context like ctx whose operations are part of no session.
func WithoutSession(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, (*Session)(nil))
}

// SessionFromContext returns the session that operations under ctx are part of, nil if
// there is none.
func SessionFromContext(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// sessionOf returns the session that an operation of the client is part of.
func (c *Client) sessionOf(ctx context.Context, command string) (*Session, error) {
	if !anySession.Load() {
		return nil, nil
	}
	s := SessionFromContext(ctx)
	switch {
	case s == nil:
		return nil, nil
	case s.client != c:
		return nil, failure(ErrInvalidArgument, "%s: the context's session is another client's; use WithoutSession to stay out of it", command)
	case !s.ended.Load():
		return s, nil
	case command == "killCursors":
		return nil, nil // of a cursor that was open when it ended
	}
	return nil, failure(ErrInvalidArgument, "%s: the context's session has ended", command)
}

// endTimeout bounds the abort of a transaction whose context is over.
const endTimeout = time.Second

// End ends the session, and aborts its transaction if one is in progress. More calls
// are harmless. The context bounds the abort, and may be over already: then it is given
// a second.
func (s *Session) End(ctx context.Context) {
	if s.ended.Load() {
		return
	}
	if s.inner.State() == session.InProgress {
		_ = s.AbortTransaction(ctx) // the server aborts it by itself, later
	}
	if s.ended.Swap(true) {
		return
	}
	s.endWatch(nil)
	s.inner.Release()
}

// Client returns the client that the session was started on.
func (s *Session) Client() *Client { return s.client }

// Options returns what the session was started with.
func (s *Session) Options() SessionOptions { return s.options }

// ID returns the document by which the server knows the session (lsid). Later sessions
// may have the same one, but never at the same time. It is nil once the session has
// ended.
func (s *Session) ID() bson.Raw {
	if s.ended.Load() {
		return nil
	}
	return bytes.Clone(s.inner.ID())
}

// Ended reports whether the session has ended.
func (s *Session) Ended() bool { return s.ended.Load() }

// ClusterTime returns the latest $clusterTime that the session has seen; nil before its
// first operation, and on a standalone server.
func (s *Session) ClusterTime() bson.Raw { return bytes.Clone(s.inner.ClusterTime()) }

// AdvanceClusterTime makes a $clusterTime of another session, or of another client, the
// session's, if it is later. What is none is an ErrInvalidArgument.
func (s *Session) AdvanceClusterTime(clusterTime bson.Raw) error {
	if v, ok := bsonwire.Lookup(clusterTime, "clusterTime"); !ok || v.Type != bson.TypeTimestamp {
		return failure(ErrInvalidArgument, "advance the cluster time: the document has no timestamp clusterTime")
	}
	s.inner.AdvanceClusterTime(clusterTime)
	return nil
}

// OperationTime returns when the session's latest operation took place, by the server's
// clock; the zero Timestamp before the first one, and on a standalone server.
func (s *Session) OperationTime() bson.Timestamp { return s.inner.OperationTime() }

// AdvanceOperationTime makes the operation time of another session this one's, if it is
// later: with AdvanceClusterTime, its operations see what the other one's have seen.
func (s *Session) AdvanceOperationTime(t bson.Timestamp) { s.inner.AdvanceOperationTime(t) }

// SnapshotTime returns the moment that the reads of a snapshot session see: the zero
// Timestamp before the first one, unless it was set.
func (s *Session) SnapshotTime() bson.Timestamp { return s.inner.SnapshotTime() }

// Dirty reports whether the session has met a network error. The server may still be
// busy with what came before it: no later session gets the same ID.
func (s *Session) Dirty() bool { return !s.ended.Load() && s.inner.Dirty() }
