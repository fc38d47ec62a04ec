package mgx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/fault"
)

// The categories of errors, for errors.Is. An error can belong to several: a
// lost connection that the client will replace is an ErrConnectionFailure and an
// ErrAutoReconnect.
var (
	// ErrConnectionFailure is every failure to reach a server: nobody listens,
	// the connection broke, no connection became free in time.
	ErrConnectionFailure = fault.ErrConnectionFailure
	// ErrAutoReconnect is a connection failure that affects this operation only:
	// the client reconnects by itself, and a later operation can succeed. Whether
	// this one took effect on the server is not known.
	ErrAutoReconnect = fault.ErrAutoReconnect
	// ErrServerSelection is an operation for which no suitable server was known
	// in time. Its text has a line for each server.
	ErrServerSelection = fault.ErrServerSelection
	// ErrTimeout is an operation that took longer than allowed: by its context,
	// by a timeout of the client, or by maxTimeMS on the server.
	ErrTimeout = fault.ErrTimeout
	// ErrWaitQueueTimeout is an operation that got no connection from its pool
	// within waitQueueTimeoutMS. It is also an ErrConnectionFailure.
	ErrWaitQueueTimeout = fault.ErrWaitQueueTimeout
	// ErrExceededMaxWaiters is an operation that found waitQueueMultiple ×
	// maxPoolSize others waiting already. It is also an ErrConnectionFailure.
	ErrExceededMaxWaiters = fault.ErrExceededMaxWaiters
	// ErrConfiguration is a URI or an option that cannot be.
	ErrConfiguration = fault.ErrConfiguration
	// ErrAuthentication is a server that refused the credentials, or that could
	// not prove that it knows them. The server's answer is a *ServerError in it.
	ErrAuthentication = fault.ErrAuthentication
	// ErrInvalidName is a database or collection name that no server accepts.
	ErrInvalidName = fault.ErrInvalidName
	// ErrInvalidArgument is a value that an operation cannot take: a document
	// that cannot be encoded, an update without operators.
	ErrInvalidArgument = fault.ErrInvalidArgument
	// ErrDocumentTooLarge is a document or command above the server's limit. It
	// was not sent.
	ErrDocumentTooLarge = fault.ErrDocumentTooLarge
	// ErrClosed is an operation on a closed client or cursor.
	ErrClosed = fault.ErrClosed
	// ErrNoDocuments is a FindOne or FindOneAnd… that matched nothing, or a
	// FindOneAnd… with a write concern of w=0, which gets no answer.
	ErrNoDocuments = fault.ErrNoDocuments
	// ErrProtocol is a server that sent bytes which break the protocol.
	ErrProtocol = fault.ErrProtocol
	// ErrUnsupported is an operation that this server is too old for, or that this
	// kind of deployment does not have.
	ErrUnsupported = fault.ErrUnsupported

	// The rest are servers' answers; errors.As with *ServerError tells more.

	// ErrDuplicateKey is a write that a unique index forbids (codes 11000, 11001,
	// 12582, and 16460 with E11000 in its text).
	ErrDuplicateKey = fault.ErrDuplicateKey
	// ErrCursorNotFound is a cursor that the server does not have any more: it
	// timed out, was killed, or was another server's (code 43).
	ErrCursorNotFound = fault.ErrCursorNotFound
	// ErrNotPrimary is a server that is not, or no more, the primary or a readable
	// member. The client looks for the primary by itself.
	ErrNotPrimary = fault.ErrNotPrimary
	// ErrUnauthorized is a user who may not do this (code 13).
	ErrUnauthorized = fault.ErrUnauthorized
	// ErrNamespaceNotFound is a collection or database that is not there (code 26).
	ErrNamespaceNotFound = fault.ErrNamespaceNotFound
	// ErrNamespaceExists is a collection that is there already (code 48).
	ErrNamespaceExists = fault.ErrNamespaceExists
	// ErrIndexNotFound is an index that is not there (code 27).
	ErrIndexNotFound = fault.ErrIndexNotFound
	// ErrWriteConcern is a write that was applied, but not confirmed as asked for
	// (by enough members, in time).
	ErrWriteConcern = fault.ErrWriteConcern
)

// ServerError is a command that the server refused, or a login: an
// ErrAuthentication has one, with the command "authenticate" and no Raw, unless it was
// the client that refused.
type ServerError struct {
	// Address is the server's, Command the command's name.
	Address string
	Command string
	// Code and Name identify the error: see the server manual, "Error Codes".
	Code int32
	Name string
	// Message is the server's own text.
	Message string
	// Labels are the error labels that the server, or mgx, attached.
	Labels []string
	// Raw is the whole reply.
	Raw bson.Raw
}

// Error implements error.
func (e *ServerError) Error() string {
	return fmt.Sprintf("%s on %s: %s (%s)", e.Command, e.Address, e.Message, codeText(e.Code, e.Name))
}

// Is reports whether the error belongs to a category.
func (e *ServerError) Is(target error) bool {
	return fault.Is(e.Code, e.Message, target) || target == ErrAutoReconnect && fault.Is(e.Code, e.Message, ErrNotPrimary)
}

// HasLabel reports whether the error carries a label.
func (e *ServerError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

func codeText(code int32, name string) string {
	if id := fault.CodeText(code, name); id != "" {
		return id
	}
	return "code 0"
}

// WriteError is one write of an operation that the server refused.
type WriteError struct {
	// Index is the position of the write in the operation, from 0.
	Index   int
	Code    int32
	Name    string
	Message string
	// Details is what the server added: why a document failed validation, which
	// key was duplicate.
	Details bson.Raw
	// Raw is the whole error as the server sent it.
	Raw bson.Raw

	command, address string // of an operation with a single write
}

// Error implements error.
func (e *WriteError) Error() string {
	if e.command != "" {
		return fmt.Sprintf("%s on %s: %s (%s)", e.command, e.address, e.Message, codeText(e.Code, e.Name))
	}
	return fmt.Sprintf("write %d: %s (%s)", e.Index, e.Message, codeText(e.Code, e.Name))
}

// Is reports whether the error belongs to a category.
func (e *WriteError) Is(target error) bool { return fault.Is(e.Code, e.Message, target) }

func newWriteError(d *fault.Document) *WriteError {
	return &WriteError{Index: d.Index, Code: d.Code, Name: d.Name, Message: d.Message, Details: d.Details, Raw: d.Raw}
}

// WriteConcernError is a write that was applied, but not confirmed as its write
// concern asks. It is an ErrWriteConcern.
type WriteConcernError struct {
	Code    int32
	Name    string
	Message string
	Details bson.Raw
	Labels  []string
	// Raw is the whole error as the server sent it.
	Raw bson.Raw
}

// Error implements error.
func (e *WriteConcernError) Error() string {
	return fmt.Sprintf("write concern: %s (%s)", e.Message, codeText(e.Code, e.Name))
}

// Is reports whether the error belongs to a category. One with wtimeout: true in its details
// is also an ErrTimeout.
func (e *WriteConcernError) Is(target error) bool {
	if target == ErrTimeout && e.Details != nil {
		if v, err := e.Details.LookupErr("wtimeout"); err == nil {
			if b, ok := v.BooleanOK(); ok && b {
				return true
			}
		}
	}
	return target == ErrWriteConcern || fault.Is(e.Code, e.Message, target)
}

// HasLabel reports whether the error carries a label.
func (e *WriteConcernError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

func newWriteConcernError(d *fault.Document) *WriteConcernError {
	return &WriteConcernError{Code: d.Code, Name: d.Name, Message: d.Message, Details: d.Details, Labels: d.Labels, Raw: d.Raw}
}

// BulkWriteError is an operation of several writes some of which failed. The
// operation's result, returned beside it, tells what the others did.
type BulkWriteError struct {
	// WriteErrors are the writes that were refused, by index. After the first one
	// an ordered operation stops.
	WriteErrors []*WriteError
	// WriteConcernErrors are the batches that were not confirmed as asked for.
	WriteConcernErrors []*WriteConcernError
	// Err is what ended the operation early, nil otherwise: a lost connection, a
	// refused command. The writes before Unsent are done or in WriteErrors. Of those
	// that were in the message which failed, it is not known; the others were not
	// attempted.
	Err error
	// Unsent is the index of the first write that the server has not answered for, or
	// the number of writes.
	Unsent int
}

// Error implements error.
func (e *BulkWriteError) Error() string {
	var parts []string
	if n := len(e.WriteErrors); n > 0 {
		parts = append(parts, e.WriteErrors[0].Error())
		if n > 1 {
			parts = append(parts, fmt.Sprintf("and %d more write errors", n-1))
		}
	}
	for _, wce := range e.WriteConcernErrors {
		parts = append(parts, wce.Error())
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return "bulk write: " + strings.Join(parts, "; ")
}

// Unwrap returns the errors inside, so that errors.Is and errors.As find them.
func (e *BulkWriteError) Unwrap() []error {
	var errs []error
	for _, we := range e.WriteErrors {
		errs = append(errs, we)
	}
	for _, wce := range e.WriteConcernErrors {
		errs = append(errs, wce)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// HasErrorLabel reports whether err, or any error that it wraps, carries a label:
// see the server manual, "Error Labels".
func HasErrorLabel(err error, label string) bool {
	if l, ok := err.(interface{ HasLabel(string) bool }); ok && l.HasLabel(label) {
		return true
	}
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		return HasErrorLabel(w.Unwrap(), label)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(w.Unwrap(), func(e error) bool { return HasErrorLabel(e, label) })
	}
	return false
}

// categorized is an error with the categories that it belongs to.
type categorized struct {
	err     error
	command string // to begin the text with, unless empty
	kinds   []error
	labels  []string
}

func (e *categorized) Error() string {
	if e.command == "" {
		return e.err.Error()
	}
	return e.command + ": " + e.err.Error()
}

func (e *categorized) Unwrap() error { return e.err }

func (e *categorized) Is(target error) bool { return slices.Contains(e.kinds, target) }

// HasLabel reports whether the error carries a label.
func (e *categorized) HasLabel(label string) bool { return slices.Contains(e.labels, label) }

// Timeout implements net.Error's method.
func (e *categorized) Timeout() bool {
	return slices.Contains(e.kinds, ErrTimeout) || errors.Is(e.err, context.DeadlineExceeded)
}

// category makes err one of the kinds.
func category(err error, kinds ...error) error {
	return &categorized{err: err, kinds: kinds}
}

// nilContext is the error of who passes no context, before anything is lent or sent.
func nilContext(command string) error {
	return failure(ErrInvalidArgument, "%s: the context is nil; context.Background() is one without an end", command)
}

// failure makes an error of a kind from a text.
func failure(kind error, format string, args ...any) error {
	return category(fmt.Errorf(format, args...), kind)
}
