package mgx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/write"
)

// WriteError is one write of an operation that the server refused, or that could not
// be sent.
type WriteError struct {
	// Index is the position of the write in the operation, from 0.
	Index   int
	Code    int32
	Name    string
	Message string
	// Err is why the write was not sent: it cannot be encoded (ErrInvalidArgument), or
	// is too large (ErrDocumentTooLarge). nil: the server refused it.
	Err error
	// Details is what the server added: why a document failed validation, which
	// key was duplicate.
	Details bson.Raw
	// Raw is the whole error as the server sent it.
	Raw bson.Raw

	command, address string // of an operation with a single write
}

// Error implements error.
func (e *WriteError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("write %d: %v", e.Index, e.Err)
	}
	if e.command != "" {
		return fmt.Sprintf("%s on %s: %s (%s)", e.command, e.address, e.Message, codeText(e.Code, e.Name))
	}
	return fmt.Sprintf("write %d: %s (%s)", e.Index, e.Message, codeText(e.Code, e.Name))
}

// Is reports whether the error belongs to a category.
func (e *WriteError) Is(target error) bool {
	return e.Err == nil && fault.Is(e.Code, e.Message, target)
}

// Unwrap returns Err.
func (e *WriteError) Unwrap() error { return e.Err }

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
	// WriteErrors are the writes that were refused, or could not be sent, by index.
	// After the first one an ordered operation stops.
	WriteErrors []*WriteError
	// WriteConcernErrors are the batches that were not confirmed as asked for.
	WriteConcernErrors []*WriteConcernError
	// Err is what ended the operation early, nil otherwise: a lost connection, a
	// refused command. Outcome says of each write what is known of it.
	Err error
	// Unsent is the index of the first write that was not attempted, or whose outcome
	// is not known; the number of writes, if there is none. All before it are done or
	// in WriteErrors, or sent with a write concern of w=0.
	Unsent int

	outcomes []write.Outcome
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
