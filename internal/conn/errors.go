package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/mgxdb/mgx/internal/fault"
)

// Kind tells what ended a call on a connection.
type Kind uint8

const (
	// Network is a failure of the socket: refused, reset, closed by the peer.
	Network Kind = iota
	// SocketTimeout is the expiry of connectTimeoutMS or socketTimeoutMS.
	SocketTimeout
	// Context is a caller's context that was cancelled or whose deadline passed.
	Context
	// Protocol is a peer that sent bytes which break the protocol.
	Protocol
	// Auth is a peer that refused the credentials, or whose proof was wrong.
	Auth
	// Handshake is a peer that answered the first hello with an error.
	Handshake
)

// Error is a call on a connection that did not get its reply.
type Error struct {
	Address string
	// Op is what was being done: "dial", "tls handshake", "hello",
	// "authenticate", "write", "read".
	Op   string
	Kind Kind
	// Established reports whether the failure came after the handshake.
	Established bool
	// Sent reports whether the request may have reached the server.
	Sent bool
	// Overload reports whether the server may have had no room for the connection.
	Overload bool
	Err      error
}

// HasLabel reports whether the error carries a label.
func (e *Error) HasLabel(label string) bool {
	return e.Overload && (label == fault.LabelOverloaded || label == fault.LabelRetryable)
}

// Leaving tells of a server that refused the hello because it shuts down, or is
// about to be something else: it, or another, will be there again.
func (e *Error) Leaving() bool {
	var reply *fault.Refusal
	return e.Kind == Handshake && errors.As(e.Err, &reply) && fault.IsStateChange(reply.Code, reply.Message)
}

// busy makes the error of a connection that could not be established one that a
// busy server may be the reason of, if it can be: the network failed, or time ran
// out, before authentication began. What names and certificates are about cannot.
func (e *Error) busy() *Error {
	var dns *net.DNSError
	switch {
	case e.Op != "dial" && e.Op != "tls handshake" && e.Op != "hello":
	case e.Kind == SocketTimeout:
		e.Overload = true
	case e.Kind == Network && !errors.As(e.Err, &dns):
		e.Overload = isIO(e.Err)
	}
	return e
}

// atProxy reports whether a connection failed at a proxy. Whatever went wrong there,
// the server's load has nothing to do with it.
func atProxy(err error) bool {
	var proxy interface{ AtProxy() bool }
	return errors.As(err, &proxy) && proxy.AtProxy()
}

// isIO tells errors of a socket from those of what goes over it. crypto/tls, too,
// has its alerts in a net.OpError.
func isIO(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op != "remote error" && op.Op != "local error"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Op, e.Address, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Categories implements fault.Categorized.
func (e *Error) Categories() []error {
	categories := []error{fault.ErrConnectionFailure, fault.ErrAutoReconnect}
	switch e.Kind {
	case Context:
		categories = nil
	case Auth:
		categories = []error{fault.ErrAuthentication}
	case Protocol:
		categories = append(categories, fault.ErrProtocol)
	case SocketTimeout:
		categories = append(categories, fault.ErrTimeout)
	case Handshake:
		if !e.Leaving() {
			categories = categories[:1]
		}
	}
	return fault.Timeouts(e.Err, categories...)
}

// Timeout implements net.Error's method.
func (e *Error) Timeout() bool {
	return e.Kind == SocketTimeout || errors.Is(e.Err, context.DeadlineExceeded)
}

// errBusy is returned when a call starts while the reply of an earlier one is
// still outstanding. It is a mistake of the caller, never of the network.
var errBusy = errors.New("the reply to an earlier request is still outstanding")

// contextErr is ctx's error with the cause that its owner gave, if any.
func contextErr(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// classify reports whether err came from ctx, from the socket's own time limit or
// from the network.
func classify(ctx context.Context, byContext bool, err error) (Kind, error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return Network, err
	}
	if ctx.Err() != nil {
		return Context, contextErr(ctx)
	}
	if byContext {
		// The socket's timer can be a moment ahead of the context's.
		return Context, context.DeadlineExceeded
	}
	return SocketTimeout, err
}
