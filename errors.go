package mgx

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
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
	// this one took effect on the server is not known. While a deployment is away that
	// was there before, every operation that finds no server gets one.
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
	// ErrEncryption is a command that could not be encrypted, and was not sent, or a
	// reply that could not be decrypted. What it failed for is behind it, with
	// errors.As and errors.Is. See Options.Encryption.
	ErrEncryption = fault.ErrEncryption

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

// toPublic gives an error from below its categories, and says of which command it
// is. It is the one place where that happens.
func toPublic(command string, err error) error {
	var (
		done      *categorized
		server    *exec.ServerError
		connErr   *conn.Error
		cleared   *pool.PoolClearedError
		selection *sdam.SelectionError
	)
	var expired *exec.ExpiredError
	if errors.As(err, &expired) {
		last := toPublic(command, expired.Err)
		return &categorized{err: fmt.Errorf("%w; there is no time left to try again", last), kinds: []error{ErrTimeout}}
	}
	var retry *exec.RetryError
	if errors.As(err, &retry) {
		return newRetried(command, retry)
	}
	var cipher *exec.CipherError
	if errors.As(err, &cipher) {
		return &categorized{err: err, kinds: fault.Categories(cipher)}
	}
	// What a pool was cleared for, or a selection ended with, is not what happened
	// to this operation.
	foreign := errors.As(err, &cleared) || errors.As(err, &selection)
	switch {
	case err == nil:
		return nil
	case foreign:
	case errors.As(err, &done):
		return err // made in this package, by a callback
	case errors.As(err, &server):
		return &ServerError{
			Address: server.Address, Command: server.Command, Code: server.Code, Name: server.Name,
			Message: server.Message, Labels: server.Labels, Raw: server.Raw,
		}
	}
	e := &categorized{err: err, command: command, kinds: fault.Categories(err)}
	var op *exec.OperationError
	var reply *exec.ReplyError
	switch {
	case errors.As(err, &op):
		e.command, e.labels = "", op.Labels
	case errors.As(err, &reply):
		e.command = ""
	}
	if !foreign && errors.As(err, &connErr) {
		e.err = withAnswer(err, connErr)
	}
	return e
}

// connectError says of a failed Connect what it was about, in the place of the
// command.
func connectError(err error) error {
	switch e := err.(type) {
	case *categorized:
		final := *e
		final.command, final.kinds = "connect", finally(e.kinds)
		return &final
	case *retried:
		final := &retried{text: "connect: " + e.text}
		for _, err := range e.errs {
			final.errs = append(final.errs, connectError(err))
		}
		return final
	default:
		return fmt.Errorf("connect: %w", err)
	}
}

// finally are the categories of an error whose client is gone: nothing reconnects by
// itself.
func finally(kinds []error) []error {
	return slices.DeleteFunc(slices.Clone(kinds), func(kind error) bool { return kind == ErrAutoReconnect })
}

// retried is an error of an operation whose retry came to nothing.
type retried struct {
	text string
	errs []error
}

func newRetried(command string, e *exec.RetryError) error {
	first, second := toPublic(command, e.Err), toPublic(command, e.Retry)
	r := &retried{text: first.Error() + "; no luck with the retry: " + second.Error(), errs: []error{first}}
	if e.Ended() {
		r.errs = append(r.errs, second)
	}
	return r
}

func (e *retried) Error() string { return e.text }

func (e *retried) Unwrap() []error { return e.errs }

// Timeout implements net.Error's method.
func (e *retried) Timeout() bool { return errors.Is(e, ErrTimeout) }
