package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx"
	mgxbson "github.com/mgxdb/mgx/bson"
)

// labels are those that errors are asked for.
var labels = []string{
	"NetworkError", "NetworkTimeoutError", "ExceededTimeLimitError", "NonResumableChangeStreamError",
	"NoWritesPerformed", "ResumableChangeStreamError", "RetryableError", "RetryableWriteError",
	"SystemOverloadedError", "TransientTransactionError", "UnknownTransactionCommitResult",
}

func labelsOf(err error) []string {
	var list []string
	for _, label := range labels {
		if mgx.HasErrorLabel(err, label) {
			list = append(list, label)
		}
	}
	return list
}

// maxTimeExpired is the code of an operation that took longer than its maxTimeMS.
const maxTimeExpired = 50

// failure is an error of mgx's that the official driver has no type for, or one behind
// a CommandError. It is a net.Error, so that timeouts are found.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }

// Unwrap returns mgx's error.
func (f *failure) Unwrap() error { return f.err }

// Is has an operation that found no server in time, or that the server stopped, end like
// one whose context has a deadline, as it does in the official driver.
func (f *failure) Is(target error) bool {
	if target != context.DeadlineExceeded {
		return false
	}
	var server *mgx.ServerError
	return errors.As(f.err, &server) && server.Code == maxTimeExpired ||
		errors.Is(f.err, mgx.ErrServerSelection) && !errors.Is(f.err, mgx.ErrConfiguration) && !errors.Is(f.err, context.Canceled)
}

// Timeout implements net.Error.
func (f *failure) Timeout() bool {
	return errors.Is(f.err, mgx.ErrTimeout) || errors.Is(f, context.DeadlineExceeded)
}

// Temporary implements net.Error.
func (f *failure) Temporary() bool { return errors.Is(f.err, mgx.ErrAutoReconnect) }

// convert returns the official driver's error for mgx's.
func convert(err error) error {
	var (
		server  *mgx.ServerError
		encode  *mgxbson.EncodeError
		write   *mgx.WriteError
		concern *mgx.WriteConcernError
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mgx.ErrNoDocuments):
		return ErrNoDocuments
	case errors.Is(err, mgx.ErrClosed):
		return ErrClientDisconnected
	case errors.As(err, &server) && !errors.Is(err, mgx.ErrAuthentication):
		return CommandError{
			Code: server.Code, Message: server.Message, Name: server.Name, Raw: server.Raw,
			Labels:  server.Labels,
			Wrapped: &failure{fmt.Sprintf("%s on %s, code %d", server.Command, server.Address, server.Code), err},
		}
	case errors.As(err, &write), errors.As(err, &concern):
		return writeException(err)
	case errors.As(err, &encode):
		return MarshalError{Err: err}
	case isNetwork(err):
		return networkError(err)
	}
	return &failure{err.Error(), err}
}

// isNetwork reports whether a connection to a server failed that was being used.
func isNetwork(err error) bool {
	return errors.Is(err, mgx.ErrConnectionFailure) && !errors.Is(err, mgx.ErrServerSelection) &&
		!errors.Is(err, mgx.ErrWaitQueueTimeout) && !errors.Is(err, mgx.ErrExceededMaxWaiters) &&
		!errors.Is(err, mgx.ErrAuthentication)
}

func networkError(err error) error {
	list := labelsOf(err)
	if !mgx.HasErrorLabel(err, "NetworkError") {
		list = append(list, "NetworkError")
	}
	if errors.Is(err, mgx.ErrTimeout) && !mgx.HasErrorLabel(err, "NetworkTimeoutError") {
		list = append(list, "NetworkTimeoutError")
	}
	return CommandError{Message: "connection failed", Labels: list, Wrapped: &failure{err.Error(), err}}
}

// writeException is a refused write, or one that was not confirmed as asked for.
func writeException(err error) error {
	e := WriteException{Labels: labelsOf(err)}
	var refused *mgx.WriteError
	if errors.As(err, &refused) {
		if refused.Err != nil {
			return convert(refused.Err)
		}
		e.WriteErrors = WriteErrors{writeError(refused)}
	}
	var concern *mgx.WriteConcernError
	if errors.As(err, &concern) {
		e.WriteConcernError = writeConcernError(concern)
	}
	return e
}

func writeError(e *mgx.WriteError) WriteError {
	return WriteError{Index: e.Index, Code: int(e.Code), Message: e.Message, Details: e.Details, Raw: e.Raw}
}

func writeConcernError(e *mgx.WriteConcernError) *WriteConcernError {
	return &WriteConcernError{Name: e.Name, Code: int(e.Code), Message: e.Message, Details: e.Details, Raw: e.Raw}
}

// bulkException is what became of several writes. models are those of a BulkWrite.
func bulkException(err error, models []WriteModel) error {
	var bulk *mgx.BulkWriteError
	if !errors.As(err, &bulk) {
		return convert(err)
	}
	if bulk.Err != nil {
		return convert(bulk.Err)
	}
	e := BulkWriteException{Labels: labelsOf(err)}
	for _, we := range bulk.WriteErrors {
		if we.Err != nil {
			return convert(we.Err)
		}
		one := BulkWriteError{WriteError: writeError(we)}
		if we.Index < len(models) {
			one.Request = models[we.Index]
		}
		e.WriteErrors = append(e.WriteErrors, one)
	}
	if n := len(bulk.WriteConcernErrors); n > 0 {
		e.WriteConcernError = writeConcernError(bulk.WriteConcernErrors[n-1])
	}
	return e
}

// isWriteException reports whether an error came with a result beside it.
func isWriteException(err error) bool {
	var e WriteException
	return errors.As(err, &e)
}

// callbackError is an error of a transaction's callback, on its way through mgx.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// Unwrap returns the callback's error.
func (e *callbackError) Unwrap() error { return e.err }

// HasLabel is what mgx asks errors for.
func (e *callbackError) HasLabel(label string) bool {
	var labelled LabeledError
	return errors.As(e.err, &labelled) && labelled.HasErrorLabel(label)
}

// fileError is the official driver's error for one of GridFS.
func fileError(err error, notFound, corrupt, closed error) error {
	switch {
	case errors.Is(err, notFound):
		return ErrFileNotFound
	case errors.Is(err, closed):
		return ErrStreamClosed
	case errors.Is(err, corrupt) && strings.Contains(err.Error(), "missing"):
		return ErrMissingChunk
	case errors.Is(err, corrupt):
		return ErrWrongSize
	}
	return convert(err)
}
