package mgx

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/session"
)

// TransactionOptions are those of a transaction. What is not set comes from the
// session's options, and then from the client's: never from a database's or a
// collection's handle.
type TransactionOptions struct {
	// ReadConcern is what the transaction's reads see: ReadConcernLocal, …Majority or
	// …Snapshot, or ReadConcernServerDefault.
	ReadConcern ReadConcern
	// WriteConcern is what the commit waits for. It cannot be w=0.
	WriteConcern *WriteConcern
	// ReadPreference must be the primary for transactions that read.
	ReadPreference *ReadPreference
	// MaxCommitTime bounds the server's work for a commit (maxTimeMS); 0 does not.
	MaxCommitTime time.Duration
	// Timeout bounds a WithTransaction as a whole, and each commit and abort
	// (timeoutMS), in the place of SessionOptions.Timeout; 0 does not. A negative one is
	// an ErrInvalidArgument.
	Timeout time.Duration
}

// resolve adds what the session and the client say.
func (o TransactionOptions) resolve(s *Session) exec.TransactionOptions {
	c, d := s.client, &s.options.Transactions
	out := exec.TransactionOptions{
		ReadConcern:   cmp.Or(o.ReadConcern, d.ReadConcern, c.options.ReadConcern).level(),
		MaxCommitTime: cmp.Or(o.MaxCommitTime, d.MaxCommitTime), Timeout: o.timeout(s),
		WriteConcern: c.writeConcern.Load(), ReadPreference: c.base.readPreference,
	}
	if w := cmp.Or(o.WriteConcern, d.WriteConcern); w != nil {
		out.WriteConcern = w.internal()
	}
	if p := cmp.Or(o.ReadPreference, d.ReadPreference); p != nil {
		out.ReadPreference = p.internal()
	}
	return out
}

// timeout is what bounds the transaction, beside the client's timeout; 0: nothing.
func (o TransactionOptions) timeout(s *Session) time.Duration {
	return cmp.Or(o.Timeout, s.options.Transactions.Timeout, s.options.Timeout)
}

// StartTransaction starts a transaction: the session's operations are part of it until
// its commit or abort. nil options are the session's. Nothing is sent: the server hears
// of it with the first operation.
//
// Options of a call that are about concerns are errors inside of a transaction, and
// those of handles do not count. A command that fails may have aborted the transaction
// on the server: its error is not to be passed over. Prefer Client.WithTransaction,
// which also repeats what can be repeated. See the server manual, "Transactions".
func (s *Session) StartTransaction(options *TransactionOptions) error {
	if s.ended.Load() {
		return failure(ErrInvalidArgument, "start transaction: the session has ended")
	}
	if s.options.Snapshot {
		return failure(ErrInvalidArgument, "transactions are not supported in snapshot sessions")
	}
	if options == nil {
		options = &TransactionOptions{}
	}
	o := options.resolve(s)
	if o.Timeout < 0 {
		return failure(ErrInvalidArgument, "start transaction: a timeout must not be negative; 0 is none")
	}
	if err := o.WriteConcern.Err; err != nil {
		return err
	}
	if p := o.ReadPreference; p != nil && p.Err != nil {
		return p.Err
	}
	if !o.WriteConcern.Acknowledged() {
		return failure(ErrInvalidArgument, "start transaction: transactions do not support unacknowledged write concerns")
	}
	if err := s.inner.Start(o); err != nil {
		return category(err, ErrInvalidArgument)
	}
	s.endWatch(nil)
	_, s.watched = s.client.exec.Observers.Begin(s.ctx, event.OperationInfo{Name: "transaction", OperationID: s.client.exec.OperationID()})
	return nil
}

// endWatch tells those who watch the transaction that it has ended.
func (s *Session) endWatch(err error) {
	s.watched.End(err)
	s.watched = nil
}

// TransactionState is where a session stands in its transactions: see the specification
// "Transactions", "ClientSession changes".
type TransactionState string

const (
	// TransactionNone: none was started since the session's last operation outside of one.
	TransactionNone TransactionState = "none"
	// TransactionStarting: one is started, which the server has not heard of.
	TransactionStarting TransactionState = "starting"
	// TransactionInProgress: the server has got a command of it.
	TransactionInProgress TransactionState = "in_progress"
	// TransactionCommitted: CommitTransaction was called, whatever came of it.
	TransactionCommitted TransactionState = "committed"
	// TransactionAborted: AbortTransaction was called.
	TransactionAborted TransactionState = "aborted"
)

// TransactionState returns where the session stands in its transactions.
func (s *Session) TransactionState() TransactionState {
	switch s.inner.State() {
	case session.Starting:
		return TransactionStarting
	case session.InProgress:
		return TransactionInProgress
	case session.Committed, session.CommittedEmpty:
		return TransactionCommitted
	case session.Aborted:
		return TransactionAborted
	}
	return TransactionNone
}

// TransactionServer returns the address that all commands of the transaction go to: that
// of one mongos, or of the load balancer; "" while they may go to any.
func (s *Session) TransactionServer() string {
	if server := s.inner.Pinned(); server != nil {
		return server.Address()
	}
	return ""
}

// InTransaction reports whether a transaction was started that is neither committed nor
// aborted.
func (s *Session) InTransaction() bool { return s.inner.State().Active() }

// CommitTransaction commits the session's transaction. It is tried a second time where
// it is not known whether the first one took effect. An error with the label
// UnknownTransactionCommitResult leaves that open still: it may be called again, which
// never commits twice. One with the label TransientTransactionError says that the
// transaction came to nothing, and can be repeated as a whole. Both are asked for by
// HasErrorLabel.
func (s *Session) CommitTransaction(ctx context.Context) error {
	if s.ended.Load() {
		return failure(ErrInvalidArgument, "commit: the session has ended")
	}
	send, again, err := s.inner.Commit()
	if err != nil {
		return category(err, ErrInvalidArgument)
	}
	if !send {
		s.endWatch(nil)
		return nil
	}
	options := s.inner.Options()
	op := exec.Op{Name: "commitTransaction", WriteConcern: options.WriteConcern, MaxTime: options.MaxCommitTime}
	op.Again = func() { op.WriteConcern = surely(options.WriteConcern) }
	if again {
		op.Again()
	}
	begun, _, err := s.finish(ctx, &op)
	if begun || again || ctx.Err() != nil {
		err = labelCommit(err)
	}
	if HasErrorLabel(err, fault.LabelTransientTransaction) || HasErrorLabel(err, fault.LabelUnknownTransactionCommit) {
		s.inner.Unpin()
	}
	s.endWatch(err)
	return err
}

// AbortTransaction gives the session's transaction up. What the server says does not
// matter, as it aborts what nobody commits: the error is only about a session without a
// transaction. The context bounds the wait; if it is over already, there is a second.
func (s *Session) AbortTransaction(ctx context.Context) error {
	if s.ended.Load() {
		return failure(ErrInvalidArgument, "abort: the session has ended")
	}
	send, err := s.inner.Abort()
	if err != nil {
		return category(err, ErrInvalidArgument)
	}
	if send {
		s.abort(ctx)
	}
	s.inner.Unpin()
	s.endWatch(nil)
	return nil
}

// abort tells the server. Where the context has no time left for that, it gets some of
// its own: the server would keep the transaction's locks for a minute.
func (s *Session) abort(ctx context.Context) {
	tell := func(ctx context.Context) (sent bool, err error) {
		_, sent, err = s.finish(ctx, &exec.Op{Name: "abortTransaction", WriteConcern: s.inner.Options().WriteConcern})
		return sent, err
	}
	if ctx.Err() == nil {
		if sent, err := tell(ctx); sent || !errors.Is(err, ErrTimeout) && ctx.Err() == nil {
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_, _ = tell(ctx) // servers abort by themselves what nobody ends
}

// finish runs a command that ends the transaction. It also reports whether the operation
// began, which an interceptor may refuse, and whether a server may have got the command.
func (s *Session) finish(ctx context.Context, op *exec.Op) (begun, sent bool, err error) {
	op.Timeout = exec.Timeout{Limit: s.inner.Options().Timeout}
	op.Database, op.Access, op.Retryable, op.Ends = "admin", exec.Write, true, true
	name := op.Name
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendInt32(dst, name, 1)
		if token := s.inner.RecoveryToken(); token != nil {
			dst = bsonwire.AppendDocument(dst, "recoveryToken", token)
		}
		return dst, nil
	}
	o, err := s.client.beginIn(ctx, op, s)
	if err != nil {
		return false, false, err
	}
	defer func() { err = o.end(err) }()
	res, err := o.run(op)
	if err != nil {
		return true, res.Sent, err
	}
	defer res.Release()
	return true, true, writeConcernErrorIn(res.Body)
}

// commitTimeout is how long a repeated commit waits for its majority, unless the write
// concern says.
const commitTimeout = 10 * time.Second

// surely is the write concern of a commit that may have taken effect already: only a
// majority tells.
func surely(w *exec.WriteConcern) *exec.WriteConcern {
	sure := exec.WriteConcern{}
	if w != nil {
		sure = *w
	}
	sure.W = "majority"
	if sure.Timeout == 0 {
		sure.Timeout = commitTimeout
	}
	return &sure
}

// labelled is an error that mgx attaches a label to.
type labelled struct {
	error
	label string
}

func (e *labelled) Unwrap() error { return e.error }

func (e *labelled) HasLabel(label string) bool { return label == e.label }

// labelCommit attaches UnknownTransactionCommitResult to the error of a commit that may
// have taken effect.
func labelCommit(err error) error {
	if err == nil || HasErrorLabel(err, fault.LabelUnknownTransactionCommit) {
		return err
	}
	var concern *WriteConcernError
	var server *ServerError
	var unknown bool
	switch {
	case errors.As(err, &concern):
		unknown = concern.Code != fault.UnsatisfiableWriteConcern && concern.Code != fault.UnknownReplWriteConcern
	case errors.As(err, &server) && !errors.Is(err, ErrConnectionFailure):
		unknown = server.Code == fault.MaxTimeMSExpired || server.HasLabel(fault.LabelRetryableWrite)
	default:
		unknown = !errors.Is(err, ErrInvalidArgument) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrConfiguration)
	}
	if !unknown {
		return err
	}
	return &labelled{err, fault.LabelUnknownTransactionCommit}
}

// fit makes a command one of the session's transaction: concerns and preference are the
// transaction's, and commands leave them out.
func (s *Session) fit(op *exec.Op) error {
	if op.Ends || !s.inner.State().Active() {
		return nil
	}
	switch {
	case op.ExplicitReadConcern:
		return failure(ErrInvalidArgument, "%s: Cannot set read concern after starting a transaction", op.Name)
	case op.WriteConcern != nil && op.WriteConcern.Explicit:
		return failure(ErrInvalidArgument, "%s: Cannot set write concern after starting a transaction", op.Name)
	}
	// All that is neither a write nor about a cursor is a read to the specification.
	reads := op.Access != exec.Write && !slices.Contains([]string{"getMore", "killCursors"}, op.Name)
	preference := s.inner.Options().ReadPreference
	if op.ExplicitReadPreference {
		preference = op.ReadPreference
	}
	if reads && preference != nil && preference.Mode != sdam.Primary {
		return failure(ErrInvalidArgument, "%s: read preference in a transaction must be primary, not %v", op.Name, preference)
	}
	op.ReadConcern, op.WriteConcern, op.ReadPreference = "", &exec.WriteConcern{}, nil
	return nil
}

// inTransaction reports whether operations under ctx are part of a transaction.
func (c *Client) inTransaction(ctx context.Context) bool {
	if ctx == nil || !anySession.Load() {
		return false
	}
	s := SessionFromContext(ctx)
	return s != nil && s.client == c && s.inner.State().Active()
}

// limited reports whether operations under ctx are part of a WithTransaction that has a
// timeout.
func (c *Client) limited(ctx context.Context) bool {
	if ctx == nil || !anySession.Load() {
		return false
	}
	s := SessionFromContext(ctx)
	return s != nil && s.client == c && s.limit.Load() != nil
}
