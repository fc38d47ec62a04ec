package mongo

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Session is a sequence of operations that belong together on the server. Operations are
// part of it whose context NewSessionContext returned.
type Session struct {
	client *Client
	mgx    *mgx.Session
	id     bson.Raw
}

type sessionKey struct{}

// NewSessionContext returns a context whose operations are part of a session.
func NewSessionContext(parent context.Context, sess *Session) context.Context {
	return context.WithValue(parent, sessionKey{}, sess)
}

// SessionFromContext returns the session that operations under ctx are part of, nil if
// there is none.
func SessionFromContext(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// WithSession calls fn with a context whose operations are part of a session.
func WithSession(ctx context.Context, sess *Session, fn func(context.Context) error) error {
	return fn(NewSessionContext(ctx, sess))
}

// StartSession starts a session, which ends with EndSession.
func (c *Client) StartSession(opts ...options.Lister[options.SessionOptions]) (*Session, error) {
	if c.mgx == nil {
		return nil, ErrClientDisconnected
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	o := &mgx.SessionOptions{CausalConsistency: args.CausalConsistency, Snapshot: is(args.Snapshot)}
	set(&o.SnapshotTime, args.SnapshotTime)
	if args.DefaultTransactionOptions != nil {
		tx, err := transactionOptions(args.DefaultTransactionOptions)
		if err != nil {
			return nil, err
		}
		o.Transactions = *tx
	}
	_, inner, err := c.mgx.StartSession(context.Background(), o)
	if err != nil {
		return nil, convert(err)
	}
	c.sessions.Add(1)
	return &Session{client: c, mgx: inner, id: inner.ID()}, nil
}

// UseSession calls fn with a context whose operations are part of a new session, which
// ends when fn returns.
func (c *Client) UseSession(ctx context.Context, fn func(context.Context) error) error {
	return c.UseSessionWithOptions(ctx, options.Session(), fn)
}

// UseSessionWithOptions is UseSession with options.
func (c *Client) UseSessionWithOptions(ctx context.Context, opts *options.SessionOptionsBuilder, fn func(context.Context) error) error {
	s, err := c.StartSession(opts)
	if err != nil {
		return err
	}
	defer s.EndSession(ctx)
	return fn(NewSessionContext(ctx, s))
}

func transactionOptions(opts ...options.Lister[options.TransactionOptions]) (*mgx.TransactionOptions, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	o := &mgx.TransactionOptions{}
	if args.ReadConcern != nil {
		o.ReadConcern = readConcern(args.ReadConcern)
	}
	if args.WriteConcern != nil {
		wc := writeConcern(args.WriteConcern)
		o.WriteConcern = &wc
	}
	if args.ReadPreference != nil {
		rp, err := readPreference(args.ReadPreference)
		if err != nil {
			return nil, err
		}
		o.ReadPreference = &rp
	}
	return o, nil
}

// Client returns the client that the session was started on.
func (s *Session) Client() *Client { return s.client }

// ID returns the document by which the server knows the session.
func (s *Session) ID() bson.Raw { return s.id }

// EndSession ends the session, and aborts its transaction if one is in progress.
func (s *Session) EndSession(ctx context.Context) {
	if s.mgx.Ended() {
		return
	}
	s.client.sessions.Add(-1)
	if ctx == nil {
		ctx = context.Background()
	}
	s.mgx.End(ctx)
}

// WithTransaction calls fn in a transaction, which it commits when fn returns nil, and
// aborts otherwise. fn may be called several times.
func (s *Session) WithTransaction(ctx context.Context, fn func(ctx context.Context) (any, error), opts ...options.Lister[options.TransactionOptions]) (any, error) {
	o, err := transactionOptions(opts...)
	if err != nil {
		return nil, err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	var last any
	_, err = mgx.WithTransaction(s.mgx.Context(ctx), s.client.mgx, func(ctx context.Context) (any, error) {
		var err error
		if last, err = fn(NewSessionContext(ctx, s)); err != nil {
			return nil, &callbackError{err}
		}
		return last, nil
	}, o)
	var own *callbackError
	switch {
	case err == nil:
		return last, nil
	case !errors.As(err, &own):
		return last, convert(err)
	case errors.Is(err, mgx.ErrTimeout) && err != error(own):
		return nil, &failure{err.Error(), err} // of repeating it, which took too long
	}
	return last, own.err
}

// StartTransaction starts a transaction: the session's operations are part of it until
// its commit or abort.
func (s *Session) StartTransaction(opts ...options.Lister[options.TransactionOptions]) error {
	o, err := transactionOptions(opts...)
	if err != nil {
		return err
	}
	return convert(s.mgx.StartTransaction(o))
}

// CommitTransaction commits the session's transaction.
func (s *Session) CommitTransaction(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	return convert(s.mgx.CommitTransaction(ctx))
}

// AbortTransaction gives the session's transaction up.
func (s *Session) AbortTransaction(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	return convert(s.mgx.AbortTransaction(ctx))
}

// TransactionRunning reports whether a transaction was started that is neither committed
// nor aborted.
func (s *Session) TransactionRunning() bool { return s.mgx.InTransaction() }

// ClusterTime returns the latest $clusterTime that the session has seen.
func (s *Session) ClusterTime() bson.Raw { return s.mgx.ClusterTime() }

// AdvanceClusterTime makes a $clusterTime of another session the session's, if it is
// later.
func (s *Session) AdvanceClusterTime(d bson.Raw) error { return convert(s.mgx.AdvanceClusterTime(d)) }

// OperationTime returns when the session's latest operation took place, nil if there was
// none.
func (s *Session) OperationTime() *bson.Timestamp {
	t := s.mgx.OperationTime()
	if t.IsZero() {
		return nil
	}
	return &t
}

// AdvanceOperationTime makes the operation time of another session this one's, if it is
// later.
func (s *Session) AdvanceOperationTime(ts *bson.Timestamp) error {
	if ts == nil {
		return errors.New("the operation time is nil")
	}
	s.mgx.AdvanceOperationTime(*ts)
	return nil
}

// SnapshotTime returns the moment that the reads of a snapshot session see.
func (s *Session) SnapshotTime() bson.Timestamp { return s.mgx.SnapshotTime() }
