// Package event holds what can be observed of a client: its commands, its
// connection pools and its view of the deployment. The names are those of the
// specifications "Command Logging and Monitoring", "Connection Monitoring and
// Pooling" and "Server Discovery and Monitoring Logging and Monitoring".
package event

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// CommandStarted tells that a command is about to be sent.
type CommandStarted struct {
	// Command is the command with its document sequences as arrays. It is empty
	// for commands that carry secrets. It must not be kept after the handler
	// returns; copy it instead.
	Command bson.Raw
	CommandInfo
}

// CommandSucceeded tells that the server answered with ok: 1. Write errors and
// write concern errors in the reply count as success.
type CommandSucceeded struct {
	CommandInfo
	Duration time.Duration
	// Reply is the server's answer. It is empty for commands that carry secrets,
	// and {ok: 1} for unacknowledged writes. It must not be kept after the handler
	// returns; copy it instead.
	Reply bson.Raw
}

// CommandFailed tells that the server answered with ok: 0, or not at all.
type CommandFailed struct {
	CommandInfo
	Duration time.Duration
	// Failure is the error that the operation got, before any retry. For commands
	// that carry secrets it holds no more of the server's reply than its code and
	// labels.
	Failure error
}

// CommandInfo identifies a command in its events.
type CommandInfo struct {
	CommandName  string
	DatabaseName string
	// CollectionName is the collection that the command works on; "" for those that
	// work on none, or that the user wrote.
	CollectionName string
	// CursorID is the cursor that the command uses or, once it has succeeded, that it
	// opened; 0: none.
	CursorID int64
	// RequestID is the identifier in the message's header.
	RequestID int32
	// OperationID is shared by the commands of one operation: the batches of a
	// bulk write, the retries.
	OperationID int64
	// Address is the server's.
	Address string
	// DriverConnectionID is the identifier in the pool's events,
	// ServerConnectionID the server's own (0: it told none).
	DriverConnectionID int64
	ServerConnectionID int64
	// ServiceID names the service behind a load balancer; nil elsewhere.
	ServiceID *bson.ObjectID
}

// CommandMonitor is called for each command. Its functions run in the goroutine
// of the operation: they should be quick, and a panic in one is dropped.
//
// Started returns the context that Succeeded or Failed of the same command get, so
// that what one of them puts there, such as a span, the other finds. It has to be
// derived from the one passed in, which is that of the operation; nil keeps that one.
// Several monitors of a client see each other's contexts.
type CommandMonitor struct {
	Started   func(context.Context, *CommandStarted) context.Context
	Succeeded func(context.Context, *CommandSucceeded)
	Failed    func(context.Context, *CommandFailed)
}
