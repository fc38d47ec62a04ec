// Package setup holds the rules of a client's options: their defaults, what each
// one needs, and which contradict each other. Connection strings and options in
// code are held to the same rules, each of which stands here once.
//
// Options are called by their names in connection strings.
package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
)

// Error says which option cannot be, why, and what to do. It never holds a secret.
type Error struct {
	// Option is the connection string's name of what is wrong: an option, "host",
	// "user name" or "password"; or the name of what can be set in code alone.
	Option string
	// Message says what is wrong. It names the option itself where more than one
	// has to do with it; see Text.
	Message string
	// Together reports whether Message names all options.
	Together bool
}

// Error names the option and the reason.
func (e *Error) Error() string {
	if e.Together {
		return e.Message
	}
	return e.Option + ": " + e.Message
}

// Categories makes it a mistake in the configuration.
func (e *Error) Categories() []error { return []error{fault.ErrConfiguration} }

// wrong is an error of one option.
func wrong(option, format string, args ...any) *Error {
	return &Error{Option: option, Message: fmt.Sprintf(format, args...)}
}

// contradiction is an error of two: the first is the one to point at.
func contradiction(option, a, b string) *Error {
	return &Error{Option: option, Message: a + " and " + b + " cannot be used together", Together: true}
}

// Limit bounds a context by a timeout of the options, of which 0 or less is none.
func Limit(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}

// Options are those that have rules. A nil pointer says nothing.
type Options struct {
	Deployment  Deployment
	Connections Connections
	TLS         *TLS
	Proxy       *Proxy
	Credential  *Credential
	Reads       Reads
	Writes      Writes
}

// Check reports the first rule that is broken. A credential is checked as far as a
// connection string has it; see [Credential.Complete].
func (o *Options) Check() *Error {
	for _, check := range []func() *Error{
		o.TLS.Check, o.Deployment.Check, o.Proxy.Check, o.Reads.Check, o.Writes.Check, o.Connections.Check,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if o.Credential == nil {
		return nil
	}
	_, err := o.Credential.Resolve()
	return err
}
