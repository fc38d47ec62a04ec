package session

import "errors"

// State is where a session stands in its transactions: see the specification
// "Transactions", "ClientSession changes". A State does not change: what happens
// leads from one to the next.
type State uint8

const (
	// None: no transaction was started, or another operation came after its end.
	None State = iota
	// Starting: a transaction is started here, which the server hears of with the
	// first command.
	Starting
	// InProgress: the server knows of the transaction.
	InProgress
	// Committed: commitTransaction was sent, whatever came of it.
	Committed
	// CommittedEmpty: a transaction without any command was committed.
	CommittedEmpty
	// Aborted: the transaction was given up.
	Aborted
)

// What cannot be done in a state. Texts with a capital are the specification's.
var (
	ErrInProgress       = errors.New("Transaction already in progress") //nolint:staticcheck // the specification's text
	ErrNoTransaction    = errors.New("no transaction started")
	ErrCommitAfterAbort = errors.New("cannot call commitTransaction after calling abortTransaction")
	ErrAbortAfterCommit = errors.New("cannot call abortTransaction after calling commitTransaction")
	ErrAbortTwice       = errors.New("Cannot call abortTransaction twice") //nolint:staticcheck // the specification's text
)

// Active reports whether commands are part of a transaction.
func (s State) Active() bool { return s == Starting || s == InProgress }

// Start starts a transaction.
func (s State) Start() (State, error) {
	if s.Active() {
		return s, ErrInProgress
	}
	return Starting, nil
}

// Sent follows a command of the transaction that has gone to the server, whether or
// not it succeeded there.
func (s State) Sent() State {
	if s == Starting {
		return InProgress
	}
	return s
}

// Commit commits the transaction, or commits it again. send reports whether there is
// anything to tell the server, again that it may have been told before.
func (s State) Commit() (next State, send, again bool, err error) {
	switch s {
	case Starting, CommittedEmpty:
		return CommittedEmpty, false, false, nil
	case InProgress:
		return Committed, true, false, nil
	case Committed:
		return Committed, true, true, nil
	case Aborted:
		return s, false, false, ErrCommitAfterAbort
	}
	return s, false, false, ErrNoTransaction
}

// Abort gives the transaction up. send reports whether there is anything to tell the
// server.
func (s State) Abort() (next State, send bool, err error) {
	switch s {
	case Starting:
		return Aborted, false, nil
	case InProgress:
		return Aborted, true, nil
	case Committed, CommittedEmpty:
		return s, false, ErrAbortAfterCommit
	case Aborted:
		return s, false, ErrAbortTwice
	}
	return s, false, ErrNoTransaction
}

// Used precedes an operation that is neither commit nor abort: what has ended is over.
func (s State) Used() State {
	if s.Active() {
		return s
	}
	return None
}
