package mgx

import (
	"errors"
	"slices"

	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/write"
)

// WriteOutcome says what became of one write of an InsertMany or BulkWrite.
type WriteOutcome uint8

const (
	// WriteNotAttempted is a write that was not sent, or that the server did not come
	// to: it stops at the first one that it refuses, unless they are Unordered.
	WriteNotAttempted WriteOutcome = iota
	// WriteUnknown is a write in a message that failed, after the server may have got
	// it: it may have been done.
	WriteUnknown
	// WriteSent is a write that was sent with a write concern of w=0: nobody knows more.
	WriteSent
	// WriteRefused is a write that is in WriteErrors: the server refused it, or it was
	// not sent because it cannot be (its Err is set then).
	WriteRefused
	// WriteDone is a write that the server has done.
	WriteDone
)

// String describes the outcome.
func (o WriteOutcome) String() string {
	switch o {
	case WriteNotAttempted:
		return "not attempted"
	case WriteUnknown:
		return "unknown"
	case WriteSent:
		return "sent"
	case WriteRefused:
		return "refused"
	}
	return "done"
}

// Outcome returns what became of a write, by its index from 0.
func (e *BulkWriteError) Outcome(index int) WriteOutcome {
	if index < 0 || index >= len(e.outcomes) {
		return WriteNotAttempted
	}
	return WriteOutcome(e.outcomes[index])
}

// severalWrites is an operation of several writes under way: what all kinds of them
// have in common.
type severalWrites struct {
	account write.Account
	errs    BulkWriteError
}

func newSeveralWrites(total int) severalWrites {
	return severalWrites{account: write.NewAccount(total)}
}

// send sends the statements of one command, as write.Split has it.
func (w *severalWrites) send(split *write.Split, send func() (exec.Result, error), read func(exec.Result) (stop bool)) {
	if err := split.Run(send, read); err != nil {
		w.errs.Err = err
	}
}

// takeErrors takes the errors out of the reply to a message, and reports whether to
// stop.
func (w *severalWrites) takeErrors(split *write.Split, command string, reply []byte) (stop bool) {
	refused, concern := readWriteErrors(reply)
	if concern != nil {
		w.errs.WriteConcernErrors = append(w.errs.WriteConcernErrors, concern)
	}
	for _, e := range refused {
		if !w.refuse(split, command, e) {
			return true
		}
	}
	return split.Ordered && len(refused) > 0
}

// refuse takes in the error of the write at the error's position of the message. It
// reports false if there is no such write.
func (w *severalWrites) refuse(split *write.Split, command string, e *WriteError) bool {
	index, ok := split.Write(e.Index)
	if !ok {
		split.Doubt(0)
		w.errs.Err = failure(ErrProtocol, "%s: the server refuses write %d of %d", command, e.Index, split.Count())
		return false
	}
	split.Refuse(e.Index)
	e.Index = index
	w.errs.WriteErrors = append(w.errs.WriteErrors, e)
	return true
}

// finish returns what went wrong, nil if nothing did.
func (w *severalWrites) finish() error {
	e := &w.errs
	for _, r := range w.account.Refusals {
		e.WriteErrors = append(e.WriteErrors, unsendable(r.Index, r.Err))
	}
	slices.SortStableFunc(e.WriteErrors, func(a, b *WriteError) int { return a.Index - b.Index })
	e.Unsent, e.outcomes = w.account.Unanswered(), w.account.Outcomes
	switch {
	case e.Err == nil && len(e.WriteErrors) == 0 && len(e.WriteConcernErrors) == 0:
		return nil
	case len(e.WriteErrors) == 0 && len(e.WriteConcernErrors) == 0 && w.alike():
		return e.Err // which says all
	}
	return e
}

// alike reports whether the same became of all writes: nothing, or nothing known.
func (w *severalWrites) alike() bool {
	first := w.account.Outcomes[0]
	return first <= write.Unknown && !slices.ContainsFunc(w.account.Outcomes, func(o write.Outcome) bool { return o != first })
}

// unsendable is the error of a write that cannot be sent.
func unsendable(index int, err error) *WriteError {
	err = sizeError(err)
	return &WriteError{Index: index, Message: err.Error(), Err: err}
}

// sizeError gives the error of what is too large its category.
func sizeError(err error) error {
	if _, ok := errors.AsType[*write.TooLargeError](err); ok {
		return category(err, ErrDocumentTooLarge)
	}
	return err
}
