package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/fault"
)

// ErrPoolClosed is what [ClosedError] is, for errors.Is.
var ErrPoolClosed = fault.New("the connection pool is closed", fault.ErrClosed, fault.ErrConnectionFailure)

// ErrNotCheckedOut is returned by [Pool.CheckIn] for a connection that is not
// out, or that another pool has lent. It is a mistake of the caller.
var ErrNotCheckedOut = errors.New("the connection is not checked out of this pool")

// ClosedError is a check-out from a closed pool.
type ClosedError struct {
	Address string
}

func (e *ClosedError) Error() string {
	return fmt.Sprintf("no connection to %s: the client is closed", e.Address)
}

// Categories implements fault.Categorized.
func (e *ClosedError) Categories() []error { return fault.Categories(ErrPoolClosed) }

// Is reports whether target is [ErrPoolClosed].
func (e *ClosedError) Is(target error) bool { return target == ErrPoolClosed }

// PoolClearedError is a check-out from a paused pool, or a connection that was
// cut off because the pool was cleared. The operation may be tried again; the
// error says nothing new about the server.
type PoolClearedError struct {
	Address string
	// Cause is what the pool was cleared for, nil if it never was ready.
	Cause error
	// Interrupted tells that a connection in use was cut off.
	Interrupted bool
}

func (e *PoolClearedError) Error() string {
	switch {
	case e.Interrupted:
		return fmt.Sprintf("connection to %s interrupted due to server monitor timeout", e.Address)
	case e.Cause == nil:
		return fmt.Sprintf("no connection to %s: the server has not answered a check yet", e.Address)
	default:
		return fmt.Sprintf("no connection to %s: its pool was cleared because another operation failed: %v", e.Address, e.Cause)
	}
}

// Categories implements fault.Categorized: what the pool was cleared for did not
// happen to this operation.
func (e *PoolClearedError) Categories() []error {
	return []error{fault.ErrConnectionFailure, fault.ErrAutoReconnect}
}

// Unwrap returns what the pool was cleared for.
func (e *PoolClearedError) Unwrap() error { return e.Cause }

// Usage is what the connections of a pool were doing when a caller gave up.
type Usage struct {
	MaxSize      int // 0 is no limit
	InUse        int
	Cursors      int // of those in use, held by cursors
	Transactions int // of those in use, held by transactions
	Pending      int // being established
	Draining     int // waiting for a late reply
	Waiting      int // callers that still wait
}

func (u Usage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "maxPoolSize %d, connections in use by cursors %d, by transactions %d, by other operations %d",
		u.MaxSize, u.Cursors, u.Transactions, max(u.InUse-u.Cursors-u.Transactions, 0))
	if u.Pending > 0 {
		fmt.Fprintf(&b, ", being established %d", u.Pending)
	}
	if u.Draining > 0 {
		fmt.Fprintf(&b, ", waiting for a late reply %d", u.Draining)
	}
	fmt.Fprintf(&b, "; operations still waiting %d", u.Waiting)
	return b.String()
}

// WaitQueueTimeoutError is a caller that got no connection in time.
type WaitQueueTimeoutError struct {
	Address string
	Waited  time.Duration
	Usage   Usage
	// Cause is the error of the caller's context when its deadline has passed,
	// nil when WaitQueueTimeout has.
	Cause error
}

func (e *WaitQueueTimeoutError) Error() string {
	what := "raise maxPoolSize or hold connections for less long"
	if e.Usage.MaxSize == 0 || e.Usage.InUse < e.Usage.MaxSize {
		what = "the server is slow to accept connections"
	}
	return fmt.Sprintf("timed out after %v waiting for a connection to %s (%v): %s", e.Waited, e.Address, e.Usage, what)
}

func (e *WaitQueueTimeoutError) Unwrap() error { return e.Cause }

// Categories implements fault.Categorized.
func (e *WaitQueueTimeoutError) Categories() []error {
	return []error{fault.ErrWaitQueueTimeout, fault.ErrConnectionFailure, fault.ErrTimeout}
}

// Timeout implements net.Error's method.
func (e *WaitQueueTimeoutError) Timeout() bool { return true }

// WaitCanceledError is a caller whose context was cancelled while it waited.
type WaitCanceledError struct {
	Address string
	Waited  time.Duration
	Cause   error // the error of the context
}

func (e *WaitCanceledError) Error() string {
	return fmt.Sprintf("gave up after %v waiting for a connection to %s: %v", e.Waited, e.Address, e.Cause)
}

func (e *WaitCanceledError) Unwrap() error { return e.Cause }

// TooManyWaitersError is a caller that was not let into the queue.
type TooManyWaitersError struct {
	Address    string
	MaxWaiters int
	Usage      Usage
}

func (e *TooManyWaitersError) Error() string {
	return fmt.Sprintf("%d operations are waiting for a connection to %s already (%v): raise waitQueueMultiple or maxPoolSize",
		e.MaxWaiters, e.Address, e.Usage)
}

// Categories implements fault.Categorized.
func (e *TooManyWaitersError) Categories() []error {
	return []error{fault.ErrExceededMaxWaiters, fault.ErrConnectionFailure}
}

// contextError is what a caller is told whose context is done.
func contextError(ctx context.Context, address string, waited time.Duration, usage Usage) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &WaitQueueTimeoutError{Address: address, Waited: waited, Usage: usage, Cause: err}
	}
	return &WaitCanceledError{Address: address, Waited: waited, Cause: err}
}

// failReason is the specification's word for a failed check-out.
func failReason(err error) event.CheckOutFailReason {
	switch err.(type) {
	case *ClosedError:
		return event.CheckOutPoolClosed
	case *WaitQueueTimeoutError, *WaitCanceledError, *TooManyWaitersError:
		return event.CheckOutTimeout
	}
	return event.CheckOutConnectionError
}
