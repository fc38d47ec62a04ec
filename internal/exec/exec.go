// Package exec is the one way in which a command runs: it selects a server,
// checks a connection out, adds what every command carries, sends it, tells the
// topology of failures, and retries where the specifications allow it.
package exec

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/session"
	"github.com/mgxdb/mgx/internal/topology"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// ErrTooLarge is returned for a command that the server would not accept for
// its size.
var ErrTooLarge = fault.New("too large", fault.ErrDocumentTooLarge)

// The layers below, with the connections that this client has.
type (
	// Topology is the deployment.
	Topology = topology.Topology[*conn.Conn]
	// Server is one of its servers.
	Server = topology.Server[*conn.Conn]
	// Pool is a server's pool.
	Pool = pool.Pool[*conn.Conn]
	// Lease is a connection while it is checked out.
	Lease = pool.Lease[*conn.Conn]
)

// Executor runs the commands of one client.
type Executor struct {
	Topology *Topology
	API      *conn.API
	Sessions session.Pool
	Time     session.ClusterTime

	RetryReads  bool
	RetryWrites bool
	// MaxAdaptiveRetries is how often an operation is tried again that an
	// overloaded server turned away; Retarget, whether on another server.
	MaxAdaptiveRetries int
	Retarget           bool
	// Jitter spreads the pauses before such attempts: from 0 to 1, nil is random.
	Jitter func() float64

	LocalThreshold time.Duration
	Heartbeat      time.Duration
	// SelectionTimeout is serverSelectionTimeoutMS.
	SelectionTimeout time.Duration
	Observers        *Observers // nil: nobody watches
	Cipher           Cipher     // nil: nothing is encrypted
	// Comment returns the comment of commands that have none of their own, which run in
	// a context; "": none. nil: none have.
	Comment func(context.Context) string

	timeout atomic.Int64 // of sessions, as last seen
	room    roomHint
}

// Result is a reply, with who gave it. Release it when its bytes are done with.
type Result struct {
	conn.Reply
	Server *Server
	Desc   *sdam.Server
	// Unacknowledged is true where the server was asked not to answer.
	Unacknowledged bool
	// Sent, beside an error, is true where a server may have got the command.
	Sent bool

	lease *Lease // still checked out, for the binding
}

// Answered reports whether a server gave a reply.
func (r *Result) Answered() bool { return r.Server != nil && !r.Unacknowledged }

var lastOperationID atomic.Int64

// OperationID returns an identifier for the events of an operation, 0 while nobody
// wants to know.
func (x *Executor) OperationID() int64 {
	if !x.Observers.watches() {
		return 0
	}
	return lastOperationID.Add(1)
}

// Run runs a command, a second time if it fails in a way that allows it. b is what it
// is bound to; nil: nothing.
func (x *Executor) Run(ctx context.Context, op *Op, b *Binding) (Result, error) {
	if b == nil {
		b = &free
	}
	if x.Cipher != nil {
		return x.runEncrypted(ctx, op, b)
	}
	return x.send(ctx, op, b)
}

// send runs a command as it is.
func (x *Executor) send(ctx context.Context, op *Op, b *Binding) (Result, error) {
	if b.Request != nil {
		if err := b.Request.take(ctx); err != nil {
			return Result{}, err
		}
		defer b.Request.give()
	}
	r := run{x: x, op: op, b: b}
	if s := b.Session; s != nil && op.Ends {
		r.inTransaction = true
	} else if s != nil {
		state, err := s.enter()
		if err != nil {
			return Result{}, &OperationError{Command: op.Name, Err: err}
		}
		if r.inTransaction, r.starts = state.Active(), state == session.Starting; r.inTransaction {
			defer s.leave()
		}
	}
	defer r.end()
	res, err := r.attempts(ctx)
	if res.Sent = r.asked; err == nil {
		r.bind(&res)
	}
	return res, err
}

// attempts makes as many attempts as it takes, and as are allowed.
func (r *run) attempts(ctx context.Context) (Result, error) {
	for {
		res, f, err := r.attempt(ctx)
		if f == nil || !r.mayRetry(ctx, f) {
			res, err = r.settle(ctx, res, f, err)
			return res, r.late(ctx, err)
		}
		r.remember(res, f, err)
		r.again(f)
		if f.overloaded && !r.backOff(ctx, err) {
			return r.last.res, r.late(ctx, r.last.err)
		}
	}
}

// late makes an error of an operation whose time is over one that says so.
func (r *run) late(ctx context.Context, err error) error {
	if err == nil || !r.op.Timed || ctx.Err() != context.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &ExpiredError{Err: err}
}

// run is the state of one Run.
type run struct {
	x  *Executor
	op *Op
	b  *Binding

	// retries are the attempts after the first; turnedAway those, not among them,
	// that got no connection because the pool was cleared.
	retries, turnedAway int
	overloads           int       // attempts that an overloaded server turned away
	began               time.Time // the attempt at hand, if the operation is timed
	sent                bool      // the attempt at hand got as far as sending
	asked               bool      // any attempt did
	last                outcome   // of the attempts so far

	avoided   []string // addresses to avoid
	session   *session.ServerSession
	taken     time.Time // when the session was
	implicit  bool
	txnNumber int64
	opID      int64

	// inTransaction is true where the command is part of the session's transaction, or
	// ends it; starts, that the server first hears of it with this command.
	inTransaction, starts bool
}

func (r *run) end() {
	if r.implicit && r.session != nil {
		// Whether it has expired by now is looked at when it is taken again.
		r.x.Sessions.Put(r.session, r.x.sessionTimeout(), r.taken)
	}
}

// operationID is what the events and log messages of all attempts share. It is 0
// while nobody wants to know.
func (r *run) operationID() int64 {
	if r.opID == 0 {
		if r.opID = r.op.ID; r.opID == 0 {
			r.opID = r.x.OperationID()
		}
	}
	return r.opID
}

// errNoRetrySupport ends a retry on a server that cannot tell a repeated write
// from a new one.
var errNoRetrySupport = errors.New("the server does not support retryable writes")

// sessionTimeout is how long servers keep idle sessions, as last seen.
func (x *Executor) sessionTimeout() time.Duration { return time.Duration(x.timeout.Load()) }

// attempt runs the command once. A failure comes with the facts for the retry
// decision, where a retry could be thought of.
func (r *run) attempt(ctx context.Context) (Result, *failedAttempt, error) {
	r.sent = false
	if r.op.Timed {
		r.began = time.Now()
	}
	server, err := r.selectServer(ctx)
	if err != nil {
		return Result{}, nil, r.label(nil, err)
	}
	lease, err := r.checkOut(ctx, server)
	if err != nil {
		f := r.checkOutFailure(server, err)
		return Result{}, f, r.label(f, err)
	}
	desc := lease.Conn().Description()
	if err := r.prepare(desc); err != nil {
		r.release(server, lease)
		return Result{}, nil, err
	}
	if f, err := r.writable(server); err != nil {
		r.release(server, lease)
		return Result{}, f, err
	}
	res, h, err := r.exchange(ctx, server, lease)
	if expired(err) && lease.Conn().Authenticated() {
		// Whether the operation may be repeated does not matter: the server has not
		// run it.
		if err = lease.Conn().Reauthenticate(ctx); err == nil {
			res, h, err = r.exchange(ctx, server, lease)
		}
	}
	if err != nil {
		f := r.commandFailure(server, lease, desc, err)
		if cut := lease.Interrupted(); cut != nil {
			err = cut
		}
		r.release(server, lease)
		if r.sent {
			err = r.label(f, err)
		}
		if errors.Is(err, topology.ErrClosed) {
			f = nil // there is no second attempt, not even if the client is open again
		}
		return Result{}, f, err
	}
	f := r.replyFailure(server, lease, desc, &h)
	if r.attaches(f) {
		res.Body = reply.WithLabel(res.Body, fault.LabelRetryableWrite)
	}
	r.keepOrReturn(&res, server, lease)
	return res, f, nil
}

func (r *run) selectServer(ctx context.Context) (*Server, error) {
	if r.b.Server != nil {
		return r.b.Server, nil
	}
	if r.inTransaction {
		if s := r.b.Session.Pinned(); s != nil {
			return s, nil
		}
	}
	sel := r.x.Selection(r.op)
	sel.Deprioritized, sel.OperationID = r.avoided, r.operationID()
	if q := r.b.Request; q != nil {
		sel.Preferred = q.used
	}
	return r.x.Topology.Select(ctx, &sel)
}

// Selection is what an operation asks of its server.
func (x *Executor) Selection(op *Op) sdam.Selection {
	return sdam.Selection{
		Write:             op.Access == Write,
		ReadPreference:    op.ReadPreference,
		Writes:            op.Access == ReadThenWrite,
		LocalThreshold:    x.LocalThreshold,
		HeartbeatInterval: x.Heartbeat,
		Operation:         op.Name,
		OperationID:       op.ID,
	}
}

// checkOut borrows a connection, or takes the one that the operation is bound to.
// With a timeoutMS, what selection has left of serverSelectionTimeoutMS bounds the wait.
func (r *run) checkOut(ctx context.Context, server *Server) (*Lease, error) {
	if !r.op.Timed || r.b.Lease != nil {
		return r.borrow(ctx, server)
	}
	if limit := r.x.SelectionTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, r.began.Add(limit))
		defer cancel()
	}
	return r.borrow(ctx, server)
}

func (r *run) borrow(ctx context.Context, server *Server) (*Lease, error) {
	l := r.b.Lease
	if l == nil && r.inTransaction {
		l = r.b.Session.where().lease
	}
	if l != nil {
		if !l.Unpark() {
			return server.CheckOut(ctx) // the pool is closed, and says so
		}
		if c := l.Conn(); c.Pending() && !r.b.streaming { // of a call that was cut off
			if err := c.Drain(ctx); err != nil {
				l.Park()
				return nil, err
			}
		}
		return l, nil
	}
	if r.b.Request != nil {
		return r.b.Request.lease(ctx, server)
	}
	return server.CheckOut(ctx)
}

// release gives the connection back, unless the operation is bound to it.
func (r *run) release(server *Server, lease *Lease) {
	switch b := r.b; {
	case b.Lease == lease, r.inTransaction && b.Session.where().lease == lease:
		lease.Park()
	case b.Request != nil:
		b.Request.settle(server, lease)
	default:
		_ = lease.Release()
	}
}

// keepOrReturn keeps the connection of a cursor if no other leads to it, or if the
// reply promises more.
func (r *run) keepOrReturn(res *Result, server *Server, lease *Lease) {
	b := r.b
	kept := b.Lease != nil || r.inTransaction && b.Session.where().lease != nil
	if b.Cursor && !kept && b.Request == nil && !res.Unacknowledged && (res.More || res.Desc.ServiceID != nil) {
		res.lease = lease
		return
	}
	r.release(server, lease)
}

// prepare decides on session and transaction number for the server at hand.
func (r *run) prepare(desc *sdam.Server) error {
	op := r.op
	acknowledged := op.acknowledged()
	least := op.MinWireVersion
	if !acknowledged {
		least = max(least, op.MinWireUnacknowledged)
	}
	if least > desc.MaxWireVersion {
		err := fmt.Errorf("%w: its wire version is %d, %d is needed", ErrUnsupported, desc.MaxWireVersion, least)
		if op.MinWireReason != "" {
			err = fmt.Errorf("%s: %w", op.MinWireReason, err)
		}
		return &OperationError{Command: op.Name, Err: err}
	}
	sessions := desc.SessionTimeoutMinutes != nil || desc.ServiceID != nil
	if m := desc.SessionTimeoutMinutes; m != nil {
		if t := *m * int64(time.Minute); r.x.timeout.Load() != t {
			r.x.timeout.Store(t)
		}
	}
	if r.session == nil {
		switch {
		case r.b.Session != nil && !op.NoSession:
			if err := r.prepareExplicit(desc, sessions, acknowledged); err != nil {
				return err
			}
		case r.b.session != nil:
			r.session = r.b.session
			r.session.Used(time.Now())
		case sessions && acknowledged && !op.NoSession && !r.b.opened:
			r.taken = time.Now()
			r.session, r.implicit = r.x.Sessions.Get(r.x.sessionTimeout(), r.taken), true
		}
	}
	if r.inTransaction || op.Access != Write || !op.Retryable || !r.x.RetryWrites || !acknowledged || r.session == nil {
		return nil
	}
	supported := sessions && desc.Kind != sdam.Standalone && desc.MaxWireVersion >= wireversion.Sessions
	switch {
	case supported && r.txnNumber == 0:
		// Not necessarily at the first attempt: it may have got no connection.
		r.txnNumber = r.session.NextTxnNumber()
	case !supported && r.txnNumber != 0:
		return errNoRetrySupport
	}
	return nil
}
