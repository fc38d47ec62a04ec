package event

import (
	"context"
	"time"
)

// OperationInfo identifies an operation: one call of the user's, with all commands
// that it takes.
type OperationInfo struct {
	// Name is the operation's, as the specification "OpenTelemetry" lists them:
	// insert, find, bulkWrite, createCollection, …; for a command of the user's,
	// runCommand. Batches of a cursor after its first are operations of their own,
	// getMore, as is killCursors where a cursor is closed before its end.
	Name string
	// Database and Collection are where it works. Collection is "" where it works on
	// none, or on several.
	Database, Collection string
	// OperationID is shared with the events of its commands.
	OperationID int64
	// Transaction is, for an operation in a transaction, the context that Started
	// returned for the transaction, so that a span can be nested in its span; nil
	// elsewhere.
	Transaction context.Context
}

// OperationStarted tells that an operation begins: nothing is selected, encoded or
// sent yet.
type OperationStarted struct {
	OperationInfo
}

// OperationEnded tells that an operation has ended, with what its caller gets.
type OperationEnded struct {
	OperationInfo
	Duration time.Duration
	// Err is the caller's error, nil after a success.
	Err error
}

// OperationMonitor is called for each operation. Its functions run in the goroutine
// of the operation: they should be quick, and a panic in one is dropped.
//
// A transaction is reported as an operation named "transaction", from its start until
// its commit or abort, and Client.WithTransaction as one named "withTransaction".
type OperationMonitor struct {
	// Started returns the context under which the operation runs: that of its
	// commands' events, of log records, and of what a callback of WithTransaction does.
	// It has to be derived from the one that was passed in; nil keeps that one.
	Started func(context.Context, *OperationStarted) context.Context
	// Ended gets the context that Started returned.
	Ended func(context.Context, *OperationEnded)
}
