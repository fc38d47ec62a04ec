package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/embedded"
)

// The exit statuses, which exitHelp tells users.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitPartly      = 3
	exitInterrupted = 130
)

const exitHelp = `Exit status:
  0    it worked
  1    it failed: no connection, a server's error, a file that cannot be read
  2    wrong usage: flags, arguments, a filter or a connection string
  3    it worked in part, and it said what did not: some documents were not
       inserted, some collections not copied; or a server is in trouble
  130  it was interrupted
`

// errPartly says that a command did a part of its work and has told about the rest.
var errPartly = errors.New("some of it did not work")

// told ends a command that has told all about its outcome with this exit status.
type told int

func (t told) Error() string { return "the outcome was told" }

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// unsureError is the error of writes of which it is not known whether they ran.
type unsureError struct {
	writes string
	error
}

func (u unsureError) Error() string { return u.writes + ": " + u.error.Error() }
func (u unsureError) Unwrap() error { return u.error }

// unsure is the error of a batch that did not end: what says what may be done of it.
func unsure(name string, lines []int, what string, err error) error {
	return unsureError{fmt.Sprintf("%s, lines %d to %d: some of these %s", name, lines[0], lines[len(lines)-1], what), err}
}

// exitStatus turns the outcome of a command into its exit status.
func exitStatus(ctx context.Context, err error) int {
	var usage usageError
	var done told
	switch {
	case err == nil, errors.Is(err, errReaderGone):
		return exitOK
	case errors.As(err, &done):
		return int(done)
	case errors.As(err, &usage):
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, mgx.ErrConfiguration), errors.Is(err, mgx.ErrInvalidName), errors.Is(err, embedded.ErrOptions):
		return exitUsage
	case errors.Is(err, errPartly):
		return exitPartly
	}
	return exitFailure
}
