package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
)

// ServerError is a reply with ok: 0.
type ServerError struct {
	Address string
	Command string
	fault.Document
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("%s on %s: %s", e.Command, e.Address, e.Text())
}

// HasLabel reports whether the server or exec attached a label.
func (e *ServerError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

func newServerError(op *Op, address string, body []byte, inTransaction bool) *ServerError {
	e := &ServerError{Address: address, Command: op.Name, Document: fault.Parse(bytes.Clone(body))}
	if e.Code == fault.IllegalOperation && strings.HasPrefix(e.Message, "Transaction numbers") {
		if inTransaction {
			e.Message = "transactions need a replica set or a sharded cluster: " + e.Message
		} else {
			e.Message = "This MongoDB deployment does not support retryable writes. Please add retryWrites=false to your connection string."
		}
	}
	e.Message = e.Reason()
	return e
}

// ReplyError is a reply that does not make sense.
type ReplyError struct {
	Address string
	Command string
	Err     error
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("%s on %s: reply cannot be read: %v", e.Command, e.Address, e.Err)
}

func (e *ReplyError) Unwrap() error { return e.Err }

// Categories implements fault.Categorized.
func (e *ReplyError) Categories() []error { return []error{fault.ErrProtocol} }

// OperationError wraps an error of the network or of a pool with the labels
// that the specifications ask for.
type OperationError struct {
	Command string
	Labels  []string
	Err     error
}

func (e *OperationError) Error() string { return e.Command + ": " + e.Err.Error() }

func (e *OperationError) Unwrap() error { return e.Err }

// ErrUnsupported is returned where the server is too old for what was asked.
var ErrUnsupported = fault.New("the server does not support this", fault.ErrUnsupported)

// networkError returns the connection's error in err, if it is of the network.
func networkError(err error) (*conn.Error, bool) {
	var ce *conn.Error
	if errors.As(err, &ce) && (ce.Kind == conn.Network || ce.Kind == conn.SocketTimeout || ce.Kind == conn.Protocol) {
		return ce, true
	}
	return nil, false
}

// HasLabel reports whether the error carries a label.
func (e *OperationError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

// LateError is a command that was not sent, since its answer would come after the
// deadline.
type LateError struct {
	Left, MinRTT time.Duration
}

func (e *LateError) Error() string {
	if e.Left <= 0 {
		return "not sent, as the time was up"
	}
	return fmt.Sprintf("not sent, as the time would be up before the answer: %v were left, and the server takes at least %v", e.Left, e.MinRTT)
}

// Unwrap returns the error of a deadline that has passed.
func (e *LateError) Unwrap() error { return context.DeadlineExceeded }

// ExpiredError is what an operation met last, before the time was over in which it
// would have been tried again.
type ExpiredError struct{ Err error }

func (e *ExpiredError) Error() string { return "the time is up; before that: " + e.Err.Error() }

// Unwrap returns what happened, and the error of a deadline that has passed.
func (e *ExpiredError) Unwrap() []error { return []error{e.Err, context.DeadlineExceeded} }

// Categories implements fault.Categorized.
func (e *ExpiredError) Categories() []error {
	return fault.Timeouts(context.DeadlineExceeded, fault.Categories(e.Err)...)
}
