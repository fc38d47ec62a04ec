package session

import (
	"errors"
	"testing"
)

// The diagram of the specification "Transactions", "ClientSession changes": what leads
// from each state where.
func TestTransactionStates(t *testing.T) {
	type to struct {
		next State
		send bool
		err  error
	}
	for state, want := range map[State]struct {
		start, commit, abort to
		again                bool
		sent, used           State
	}{
		None: {
			start: to{next: Starting}, commit: to{None, false, ErrNoTransaction}, abort: to{None, false, ErrNoTransaction},
			sent: None, used: None,
		},
		Starting: {
			start: to{Starting, false, ErrInProgress}, commit: to{next: CommittedEmpty}, abort: to{next: Aborted},
			sent: InProgress, used: Starting,
		},
		InProgress: {
			start: to{InProgress, false, ErrInProgress}, commit: to{next: Committed, send: true}, abort: to{next: Aborted, send: true},
			sent: InProgress, used: InProgress,
		},
		Committed: {
			start: to{next: Starting}, commit: to{next: Committed, send: true}, abort: to{Committed, false, ErrAbortAfterCommit},
			again: true, sent: Committed, used: None,
		},
		CommittedEmpty: {
			start: to{next: Starting}, commit: to{next: CommittedEmpty}, abort: to{CommittedEmpty, false, ErrAbortAfterCommit},
			sent: CommittedEmpty, used: None,
		},
		Aborted: {
			start: to{next: Starting}, commit: to{Aborted, false, ErrCommitAfterAbort}, abort: to{Aborted, false, ErrAbortTwice},
			sent: Aborted, used: None,
		},
	} {
		if next, err := state.Start(); next != want.start.next || !errors.Is(err, want.start.err) {
			t.Errorf("%d starts: %d, %v", state, next, err)
		}
		if next, send, again, err := state.Commit(); next != want.commit.next || send != want.commit.send || again != want.again || !errors.Is(err, want.commit.err) {
			t.Errorf("%d commits: %d, sent %v, again %v, %v", state, next, send, again, err)
		}
		if next, send, err := state.Abort(); next != want.abort.next || send != want.abort.send || !errors.Is(err, want.abort.err) {
			t.Errorf("%d aborts: %d, sent %v, %v", state, next, send, err)
		}
		if next := state.Sent(); next != want.sent {
			t.Errorf("%d after a command: %d", state, next)
		}
		if next := state.Used(); next != want.used {
			t.Errorf("%d before another operation: %d", state, next)
		}
	}
}
