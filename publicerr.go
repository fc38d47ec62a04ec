package mgx

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
)

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
	var retry *exec.RetryError
	if errors.As(err, &retry) {
		return newRetried(command, retry)
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

// answered is a failed authentication, with what the server said of it.
type answered struct {
	error
	server *ServerError
}

func (e *answered) Unwrap() []error { return []error{e.error, e.server} }

// withAnswer adds the server's answer to a failed authentication. The reply is left
// out: a server that has seen a secret may repeat it.
func withAnswer(err error, at *conn.Error) error {
	var failure *auth.Error
	if !errors.As(err, &failure) || !failure.Server() {
		return err
	}
	return &answered{err, &ServerError{
		Address: at.Address, Command: "authenticate", Code: failure.Code, Name: failure.CodeName, Message: failure.Message,
	}}
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

// isServer tells whether err is a server's answer of a category.
func isServer(err, kind error) bool {
	var se *ServerError
	return errors.As(err, &se) && se.Is(kind)
}

// connectError says of a failed Connect what it was about, in the place of the
// command.
func connectError(err error) error {
	if c, ok := err.(*categorized); ok {
		return &categorized{err: c.err, command: "connect", kinds: c.kinds, labels: c.labels}
	}
	var c *categorized
	if errors.As(err, &c) {
		return &categorized{err: fmt.Errorf("connect: %w", err), kinds: c.kinds, labels: c.labels}
	}
	return fmt.Errorf("connect: %w", err)
}
