package mgx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/fault"
)

// The limits of WithTransaction: see the specification "Convenient API for
// Transactions".
const (
	transactionLimit    = 120 * time.Second
	transactionBackoff  = 5 * time.Millisecond
	transactionMaxPause = 500 * time.Millisecond
	transactionGrowth   = 1.5
)

// WithTransaction calls f in a transaction, which it commits when f returns nil, and
// aborts otherwise. Operations with the context that f gets are part of it. In a context
// that has a session of the client, the transaction is that session's; one inside of
// another transaction is an ErrInvalidArgument.
//
// f may be called several times: where the transaction came to nothing for a reason that
// may pass, all of it is repeated, after a pause of up to 500 ms; only the commit, where
// it is not known whether it took effect. So f should do nothing beside that cannot be
// done twice. f may itself commit or abort the transaction by SessionFromContext.
//
// f must return the errors of its operations: a server that refuses one, for a duplicate
// key, say, aborts the transaction. Where f goes on all the same, nothing is repeated,
// and the error is what the server said to the refused operation. To handle such errors
// and go on, use StartTransaction.
//
// Repeating ends at the context's deadline, or when the timeout of the options, the session
// or the client has passed, or without both after 120 seconds: the error is then an ErrTimeout
// that wraps the last one. Such a timeout bounds all operations with the session, in the
// place of those of handles; the option Timeout of one is an ErrInvalidArgument. After f
// has failed, the abort has the timeout anew. At most one of options counts.
func (c *Client) WithTransaction(ctx context.Context, f func(ctx context.Context) error, options ...*TransactionOptions) (err error) {
	switch {
	case ctx == nil:
		return nilContext("with transaction")
	case f == nil:
		return failure(ErrInvalidArgument, "with transaction: the function is nil")
	}
	s, err := c.sessionOf(ctx, "with transaction")
	if err != nil {
		return err
	}
	if s == nil {
		if ctx, s, err = c.StartSession(ctx, nil); err != nil {
			return err
		}
		defer s.End(ctx)
	}
	t := transacting{s: s, f: f, began: time.Now(), outer: ctx}
	if len(options) > 0 {
		t.options = options[len(options)-1]
	}
	own := TransactionOptions{}.timeout(s)
	if t.options != nil {
		own = t.options.timeout(s)
	}
	if limit := cmp.Or(own, c.options.Timeout); limit > 0 {
		if _, ok := ctx.Deadline(); !ok || own > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		end, _ := ctx.Deadline()
		defer s.limit.Store(s.limit.Swap(&end))
	}
	ctx, watched := c.exec.Observers.Begin(ctx, event.OperationInfo{Name: "withTransaction", OperationID: c.exec.OperationID()})
	defer func() { watched.End(err) }()
	return t.run(ctx)
}

// WithTransaction is Client.WithTransaction for functions that return a value: the one
// of the call that was committed.
func WithTransaction[T any](ctx context.Context, c *Client, f func(ctx context.Context) (T, error), options ...*TransactionOptions) (T, error) {
	var v T
	if f == nil {
		return v, failure(ErrInvalidArgument, "with transaction: the function is nil")
	}
	err := c.WithTransaction(ctx, func(ctx context.Context) (err error) {
		v, err = f(ctx)
		return err
	}, options...)
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// transacting is a WithTransaction under way.
type transacting struct {
	s       *Session
	f       func(context.Context) error
	options *TransactionOptions
	began   time.Time
	outer   context.Context // without the timeout
}

func (t *transacting) run(ctx context.Context) error {
	var err error
	for attempt := 0; ; attempt++ {
		if attempt > 0 && !t.pause(ctx, attempt) {
			return t.timedOut(ctx, err)
		}
		outer := t.s.ctx
		t.s.ctx = ctx // what watches the transaction is below what watches this
		started := t.s.StartTransaction(t.options)
		t.s.ctx = outer
		if started != nil {
			return started
		}
		if err = t.call(ctx); err == nil {
			if !t.s.InTransaction() {
				return nil // f has ended it on purpose
			}
			if err = t.commit(ctx); err == nil {
				return nil
			}
			t.abort() // where there was no commit: operations are under way
		}
		if !HasErrorLabel(err, fault.LabelTransientTransaction) {
			return err
		}
		if refused := t.refused(err); refused != nil {
			return refused
		}
		if t.over(ctx, 0) {
			return t.timedOut(ctx, err)
		}
	}
}

// refused is the error of a transaction that the server does not have any more because
// it refused one of its operations, which nobody told of; nil: that is not so.
func (t *transacting) refused(err error) error {
	var last *ServerError
	first := t.s.inner.Refused()
	if first == nil || !errors.As(err, &last) || last.Code != fault.NoSuchTransaction {
		return nil
	}
	return &refusedTransaction{error: toPublic(first.Command, first), last: last}
}

// refusedTransaction is the error of an operation that the server refused, and which the
// function of a WithTransaction did not return.
type refusedTransaction struct {
	error
	last *ServerError
}

func (e *refusedTransaction) Error() string {
	return "with transaction: the server refused an operation, and aborted the transaction with that, but the function did not return the error: " +
		e.error.Error() + "; after it: " + e.last.Error()
}

func (e *refusedTransaction) Unwrap() error { return e.error }

// call calls f, and aborts the transaction unless f returns nil.
func (t *transacting) call(ctx context.Context) error {
	done := false
	defer func() {
		if !done { // f panics, or ends its goroutine
			t.abort()
		}
	}()
	err := t.f(t.s.Context(ctx))
	done = true
	if err != nil {
		t.abort()
	}
	return err
}

// abort aborts the transaction if there is one. It has the timeout anew.
func (t *transacting) abort() {
	if t.s.InTransaction() {
		_ = t.s.AbortTransaction(t.outer)
	}
}

// commit commits, again and again while it is not known whether it took effect.
func (t *transacting) commit(ctx context.Context) error {
	for {
		err := t.s.CommitTransaction(ctx)
		switch {
		case err == nil:
			return nil
		case !HasErrorLabel(err, fault.LabelUnknownTransactionCommit) || isMaxTimeExpired(err):
			return err
		case errors.Is(err, ErrClosed):
			return err
		case t.over(ctx, 0):
			return t.timedOut(ctx, err)
		}
	}
}

func isMaxTimeExpired(err error) bool {
	var server *ServerError
	var concern *WriteConcernError
	return errors.As(err, &server) && server.Code == fault.MaxTimeMSExpired ||
		errors.As(err, &concern) && concern.Code == fault.MaxTimeMSExpired
}

// over reports whether there is no time for another attempt after a pause.
func (t *transacting) over(ctx context.Context, pause time.Duration) bool {
	if ctx.Err() != nil {
		return true
	}
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline) <= pause
	}
	return time.Since(t.began)+pause >= transactionLimit
}

// pauseBefore is the pause before a retry, from 1.
func pauseBefore(retry int, jitter float64) time.Duration {
	pause, most := float64(transactionBackoff), float64(transactionMaxPause)
	for ; retry > 0 && pause < most; retry-- {
		pause *= transactionGrowth
	}
	return time.Duration(jitter * min(pause, most))
}

// pause waits before an attempt. It returns false if there is no time for that.
func (t *transacting) pause(ctx context.Context, attempt int) bool {
	wait := pauseBefore(attempt, t.s.client.exec.Random())
	if t.over(ctx, wait) {
		return false
	}
	return t.s.client.exec.Pause(ctx, wait)
}

// timedOut is the error of a transaction for which time ran out.
func (t *transacting) timedOut(ctx context.Context, last error) error {
	switch canceled := errors.Is(last, context.Canceled); {
	case canceled:
		return last
	case ctx.Err() == context.Canceled:
		return fmt.Errorf("with transaction: %w while it was to be repeated, after: %w", context.Canceled, last)
	}
	return &transactionTimeout{last, time.Since(t.began)}
}

// transactionTimeout is the last error of a transaction that there was no time to
// repeat.
type transactionTimeout struct {
	error
	took time.Duration
}

func (e *transactionTimeout) Error() string {
	return "with transaction: no time is left to repeat it after " + e.took.Round(time.Millisecond).String() + ": " + e.error.Error()
}

func (e *transactionTimeout) Unwrap() error { return e.error }

func (e *transactionTimeout) Is(target error) bool { return target == ErrTimeout }

// Timeout implements net.Error's method.
func (e *transactionTimeout) Timeout() bool { return true }
