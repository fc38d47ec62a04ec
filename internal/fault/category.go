// Package fault holds what is known of failures in general: the categories that
// errors belong to, the servers' error codes and what each of them means, the error
// labels, and the one reader of the documents in which servers report errors.
package fault

import (
	"context"
	"errors"
	"slices"
)

// The categories of errors. The root package exports and documents them.
var (
	ErrConnectionFailure  = errors.New("connection failure")
	ErrAutoReconnect      = errors.New("connection lost, the client reconnects by itself")
	ErrServerSelection    = errors.New("no suitable server")
	ErrTimeout            = errors.New("timeout")
	ErrWaitQueueTimeout   = errors.New("timeout waiting for a connection")
	ErrExceededMaxWaiters = errors.New("too many operations wait for a connection")
	ErrConfiguration      = errors.New("configuration")
	ErrAuthentication     = errors.New("authentication failed")
	ErrInvalidName        = errors.New("invalid name")
	ErrInvalidArgument    = errors.New("invalid argument")
	ErrDocumentTooLarge   = errors.New("document too large")
	ErrClosed             = errors.New("closed")
	ErrNoDocuments        = errors.New("no documents matched")
	ErrProtocol           = errors.New("protocol violation")
	ErrUnsupported        = errors.New("not supported by the server")
	ErrEncryption         = errors.New("encryption")

	// Those of servers' answers.

	ErrDuplicateKey      = errors.New("duplicate key")
	ErrCursorNotFound    = errors.New("cursor not found")
	ErrNotPrimary        = errors.New("not primary")
	ErrUnauthorized      = errors.New("not authorized")
	ErrNamespaceNotFound = errors.New("namespace not found")
	ErrNamespaceExists   = errors.New("namespace exists")
	ErrIndexNotFound     = errors.New("index not found")
	ErrWriteConcern      = errors.New("write concern not satisfied")
)

// Categorized is an error that knows the categories it belongs to. It speaks for
// the errors that it wraps, too: what a pool was cleared for, say, is not what
// happened to the operation that found it so.
type Categorized interface {
	error
	Categories() []error
}

// Categories returns the categories of an error: those of the outermost one in its
// chain that knows, or that of a context whose deadline has passed.
func Categories(err error) []error {
	if c := outermost(err); c != nil {
		return c.Categories()
	}
	return Timeouts(err)
}

func outermost(err error) Categorized {
	switch e := err.(type) {
	case nil:
		return nil
	case Categorized:
		return e
	case interface{ Unwrap() error }:
		return outermost(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if c := outermost(inner); c != nil {
				return c
			}
		}
	}
	return nil
}

// Timeouts returns ErrTimeout, behind other categories, if err comes from a
// deadline.
func Timeouts(err error, others ...error) []error {
	if errors.Is(err, context.DeadlineExceeded) && !slices.Contains(others, ErrTimeout) {
		return append(others, ErrTimeout)
	}
	return others
}

// New returns an error of some categories, to compare others with.
func New(text string, categories ...error) error { return &categorized{text, categories} }

type categorized struct {
	text       string
	categories []error
}

func (e *categorized) Error() string       { return e.text }
func (e *categorized) Categories() []error { return e.categories }
