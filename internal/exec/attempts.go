package exec

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/topology"
)

// maxTurnedAway bounds how often an operation goes on after a pool was cleared
// before it got a connection.
const maxTurnedAway = 16

// outcome is what an attempt came to.
type outcome struct {
	there bool
	res   Result // of a reply with a write concern error
	err   error
}

// mayRetry decides about another attempt, and counts it.
func (r *run) mayRetry(ctx context.Context, f *failedAttempt) bool {
	if ctx.Err() != nil || !r.worthRetrying(f) {
		return false
	}
	if f.overloaded {
		r.overloads++
	}
	if f.turnedAway() {
		// Nobody was asked anything: the one retry is left for what may come.
		r.turnedAway++
		return r.turnedAway <= maxTurnedAway
	}
	r.retries++
	switch {
	case r.overloads > 0:
		return r.retries <= r.x.MaxAdaptiveRetries
	case r.op.Timed:
		return true // as often as time allows
	default:
		return r.retries == 1
	}
}

// worthRetrying reports whether another attempt could do better, and does no harm.
func (r *run) worthRetrying(f *failedAttempt) bool {
	op := r.op
	switch {
	case f.overloaded && f.refused:
		// The server has not looked at the command, whatever it is.
		return op.Ends || r.enabled()
	case r.b.Server != nil, r.inTransaction && !op.Ends:
		return false
	case r.b.Request != nil && !f.turnedAway() && !f.handshake:
		return false // what counts is the order on the connection that was lost
	case f.turnedAway():
		return op.Ends || r.enabled()
	case !op.Retryable:
		return false
	}
	switch op.Access {
	case Write:
		retry, _ := retryableWrite(*f)
		// Before the first attempt got a connection there is no number yet, and
		// none is needed: nothing was sent.
		return retry && (r.x.RetryWrites || op.Ends) && (r.txnNumber != 0 || !f.sent && (f.pool || f.handshake)) && op.WriteConcern.Acknowledged()
	case Read, Other:
		// Of the others, those that list something.
		return r.x.RetryReads && retryableRead(*f)
	}
	return false
}

// enabled reports whether the user lets operations like this one be repeated. Of a
// command of the user's it is not known what it does.
func (r *run) enabled() bool {
	switch op := r.op; {
	case op.Access == Write || op.Access == ReadThenWrite:
		return r.x.RetryWrites
	case op.Access == Read || op.Retryable || op.Name == "getMore":
		return r.x.RetryReads
	default:
		return r.x.RetryReads && r.x.RetryWrites
	}
}

// remember keeps what an attempt came to, unless an earlier one tells more.
func (r *run) remember(res Result, f *failedAttempt, err error) {
	if r.last.there && r.tellsLess(f) {
		drop(&res)
		return
	}
	drop(&r.last.res)
	r.last = outcome{there: true, res: res, err: err}
}

// drop lets go of a reply that is not the result after all.
func drop(res *Result) {
	res.Release()
	if res.lease != nil {
		_ = res.lease.Release()
		res.lease = nil
	}
}

// tellsLess reports whether, of a failed attempt and an earlier one, the caller is to
// hear of the earlier one: nothing reached a server, or the server did nothing. See the
// specification "Retryable Writes".
func (r *run) tellsLess(f *failedAttempt) bool {
	if f == nil {
		return !r.sent
	}
	return !r.sent && !f.handshake || slices.Contains(f.labels, fault.LabelNoWritesPerformed)
}

// settle returns what the operation came to with its last attempt.
func (r *run) settle(ctx context.Context, res Result, f *failedAttempt, err error) (Result, error) {
	last := &r.last
	switch {
	case !last.there:
		return res, err
	case err == nil && f == nil || !r.tellsLess(f):
		drop(&last.res)
	case last.err == nil:
		drop(&res)
		return last.res, nil
	default:
		drop(&res)
		return Result{}, r.bothFailed(ctx, err)
	}
	return res, err
}

// bothFailed is the error of an operation whose retry tells less than an earlier
// attempt. err is nil if the retry got a reply, which told of no effect.
func (r *run) bothFailed(ctx context.Context, err error) error {
	if err == nil {
		return r.last.err
	}
	ended := ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, topology.ErrClosed) || errors.Is(err, pool.ErrPoolClosed)
	return &RetryError{Err: r.last.err, Retry: err, ended: ended}
}

// RetryError is a failed operation whose retry failed before it reached a server,
// or without any effect there. What counts is the first error.
type RetryError struct {
	Err   error
	Retry error
	ended bool // by the context or by Close, which the caller wants to recognize
}

func (e *RetryError) Error() string {
	return e.Err.Error() + "; no luck with the retry: " + e.Retry.Error()
}

// Unwrap returns the first error; also the second, if the caller ended it.
func (e *RetryError) Unwrap() []error {
	if e.ended {
		return []error{e.Err, e.Retry}
	}
	return []error{e.Err}
}

// Ended reports whether the caller ended the retry: by its context, or by closing the
// client.
func (e *RetryError) Ended() bool { return e.ended }

// The pauses before attempts at an overloaded server. See the specification
// "Client Backpressure".
const (
	defaultBackoff = 100 * time.Millisecond
	maxBackoff     = 10 * time.Second
)

// backoff is the pause before the retry of a number, from 1: a random part of
// min(maxBackoff, base × 2^retry).
func backoff(base time.Duration, retry int, jitter float64) time.Duration {
	for ; retry > 0 && base < maxBackoff; retry-- {
		base *= 2
	}
	return time.Duration(jitter * float64(min(base, maxBackoff)))
}

// Random is what spreads pauses: from 0 to 1.
func (x *Executor) Random() float64 {
	if x.Jitter != nil {
		return x.Jitter()
	}
	return rand.Float64()
}

// backOff waits before an overloaded server is asked again. It returns false if
// there is no time for that.
func (r *run) backOff(ctx context.Context, err error) bool {
	pause := backoff(baseBackoff(err), max(r.retries, 1), r.x.Random())
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return false
	}
	return r.x.Pause(ctx, pause)
}

// Pause waits before something is done again. It returns false if the context ends
// first. Closing the client ends a pause early: what comes next finds it closed.
func (x *Executor) Pause(ctx context.Context, d time.Duration) bool {
	return d <= 0 || pause(ctx, d, x.Topology.Done())
}

func pause(ctx context.Context, d time.Duration, closed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closed:
	case <-ctx.Done():
		return false
	}
	return true
}

// baseBackoff is half of the longest first pause, which servers may set.
func baseBackoff(err error) time.Duration {
	var se *ServerError
	if errors.As(err, &se) {
		if v, ok := bsonwire.Lookup(se.Raw, "baseBackoffMS"); ok {
			if ms, ok := v.AsInt64(); ok && ms > 0 {
				return time.Duration(min(ms, maxBackoff.Milliseconds())) * time.Millisecond
			}
		}
	}
	return defaultBackoff
}

// avoid keeps a retry off a server while there is another: in a sharded cluster
// always. The members of a replica set differ, so there only what is overloaded is
// avoided, and only if the user wants that. See the specifications "Retryable Reads"
// and "Client Backpressure".
func (r *run) avoid(server *Server, f *failedAttempt) {
	if r.x.Topology.Kind() != sdam.Sharded && !(f.overloaded && r.x.Retarget) {
		return
	}
	if !slices.Contains(r.avoided, server.Address()) {
		r.avoided = append(r.avoided, server.Address())
	}
}

// attaches reports whether the failure is one that a newer server would have labelled.
func (r *run) attaches(f *failedAttempt) bool {
	if f == nil || r.op.Access != Write || !r.op.Retryable || !r.op.Ends && (!r.x.RetryWrites || r.inTransaction) {
		return false
	}
	_, attach := retryableWrite(*f)
	return attach
}

// again prepares another attempt.
func (r *run) again(f *failedAttempt) {
	if !r.op.Ends {
		return
	}
	r.b.Session.Unpin() // another mongos may know the outcome
	if r.op.Again != nil && !f.overloaded {
		r.op.Again()
	}
}

// label attaches the labels that the driver is to attach.
func (r *run) label(f *failedAttempt, err error) error {
	if r.inTransaction && r.op.Name != "commitTransaction" {
		err = r.labelTransient(err)
	}
	return r.labelRetryable(f, err)
}

// labelTransient attaches TransientTransactionError to a failure of the network or of
// the selection. A transaction that has met one is over, and bound to nobody.
func (r *run) labelTransient(err error) error {
	var se *ServerError
	var cleared *pool.PoolClearedError
	switch answered := errors.As(err, &se) && !errors.As(err, &cleared); {
	case answered && se.HasLabel(fault.LabelTransientTransaction):
	case answered, errors.Is(err, topology.ErrClosed):
		return err
	default:
		err = &OperationError{Command: r.op.Name, Labels: []string{fault.LabelTransientTransaction}, Err: err}
	}
	r.b.Session.Unpin()
	return err
}

// labelRetryable attaches RetryableWriteError where the driver is to do so.
func (r *run) labelRetryable(f *failedAttempt, err error) error {
	if !r.attaches(f) {
		return err
	}
	var se *ServerError
	if !f.pool && errors.As(err, &se) {
		if !se.HasLabel(fault.LabelRetryableWrite) {
			se.Labels = append(slices.Clone(se.Labels), fault.LabelRetryableWrite)
		}
		return err
	}
	if r.txnNumber == 0 && (f.sent || !f.pool && !f.handshake) {
		return err
	}
	return &OperationError{Command: r.op.Name, Labels: []string{fault.LabelRetryableWrite}, Err: err}
}
