package mgx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
)

// ServerError is a command that the server refused, or a login: an
// ErrAuthentication has one, with the command "authenticate" and no Raw, unless it was
// the client that refused.
type ServerError struct {
	// Address is the server's, Command the command's name.
	Address string
	Command string
	// Code and Name identify the error: see the server manual, "Error Codes".
	Code int32
	Name string
	// Message is the server's own text.
	Message string
	// Labels are the error labels that the server, or mgx, attached.
	Labels []string
	// Raw is the whole reply.
	Raw bson.Raw
}

// Error implements error.
func (e *ServerError) Error() string {
	return fmt.Sprintf("%s on %s: %s (%s)", e.Command, e.Address, e.Message, codeText(e.Code, e.Name))
}

// Is reports whether the error belongs to a category.
func (e *ServerError) Is(target error) bool {
	return fault.Is(e.Code, e.Message, target) || target == ErrAutoReconnect && fault.Is(e.Code, e.Message, ErrNotPrimary)
}

// HasLabel reports whether the error carries a label.
func (e *ServerError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

func codeText(code int32, name string) string {
	if id := fault.CodeText(code, name); id != "" {
		return id
	}
	return "code 0"
}

// isServer reports whether err is a server's answer of a category.
func isServer(err, kind error) bool {
	var se *ServerError
	return errors.As(err, &se) && se.Is(kind)
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
