package pool

import (
	"context"
	"errors"
	"fmt"
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
	return fmt.Sprintf("Attempted to check out a connection from closed connection pool of %s: the client is closed", e.Address)
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
	// Interrupted reports that a connection in use was cut off.
	Interrupted bool
	// Left reports that the server is no longer part of the deployment.
	Left bool
}

func (e *PoolClearedError) Error() string {
	switch {
	case e.Interrupted:
		return fmt.Sprintf("connection to %s interrupted due to server monitor timeout", e.Address)
	case e.Left:
		return fmt.Sprintf("Connection pool for %s was closed because the server has left the deployment", e.Address)
	case e.Cause == nil:
		return fmt.Sprintf("Connection pool for %s is paused: the server has not answered a check yet", e.Address)
	default:
		return fmt.Sprintf("Connection pool for %s was cleared because another operation failed with: %v", e.Address, e.Cause)
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
	Requests     int // of those in use, held by requests
	Pending      int // being established
	Draining     int // waiting for a late reply
	Waiting      int // callers that still wait
}

// String lists what the specification "Load Balancer Support" wants to be told, in
// its words, and then what it does not know of.
func (u Usage) String() string {
	other := max(u.InUse-u.Cursors-u.Transactions-u.Requests, 0)
	return fmt.Sprintf("maxPoolSize: %d, connections in use by cursors: %d, connections in use by transactions: %d, "+
		"connections in use by other operations: %d, connections in use by requests: %d, "+
		"connections being established: %d, connections waiting for a late reply: %d, operations still waiting: %d",
		u.MaxSize, u.Cursors, u.Transactions, other, u.Requests, u.Pending, u.Draining, u.Waiting)
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
	return fmt.Sprintf("Timed out while checking out a connection from connection pool of %s after %v: "+
		"Timeout waiting for connection from the connection pool. %v. %s", e.Address, e.Waited, e.Usage, e.Usage.remedy())
}

// exhausted reports whether a larger pool would have helped.
func (u Usage) exhausted() bool { return u.MaxSize > 0 && u.InUse+u.Draining >= u.MaxSize }

// remedy is what helps a caller who got no connection.
func (u Usage) remedy() string {
	switch used := u.exhausted(); {
	case used && u.Draining > u.InUse:
		return "The server is slow to answer operations that were given up: allow them more time, or raise maxPoolSize"
	case used && u.Requests > 0 && u.Requests >= u.InUse/2:
		return "End requests earlier, or raise maxPoolSize"
	case used && u.Cursors > 0 && u.Cursors >= u.InUse/2:
		return "Close cursors earlier, or raise maxPoolSize"
	case used:
		return "Raise maxPoolSize, or hold connections for less long"
	default:
		return "The server is slow to accept connections"
	}
}

func (e *WaitQueueTimeoutError) Unwrap() error { return e.Cause }

// Categories implements fault.Categorized. Where it was the server that let nobody
// in, a later operation may find it better.
func (e *WaitQueueTimeoutError) Categories() []error {
	categories := []error{fault.ErrWaitQueueTimeout, fault.ErrConnectionFailure, fault.ErrTimeout}
	if !e.Usage.exhausted() {
		categories = append(categories, fault.ErrAutoReconnect)
	}
	return categories
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
