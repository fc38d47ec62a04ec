package exec

import (
	"time"

	"github.com/mgxdb/mgx/internal/session"
)

// Binding says what the commands of an operation are bound to. The zero value is
// bound to nothing: each command may go to any server that fits, and gets a session
// of its own. exec changes only the binding of a cursor, so that others may be
// shared.
type Binding struct {
	// Request lends the connections, one for each server, and keeps commands from
	// being retried; nil: the pools lend them.
	Request *Request
	// Server is where all commands go; nil: where each fits.
	Server *Server
	// Lease is the connection that all commands take; nil: any to the server.
	Lease *Lease

	// Session is the user's session; nil: each command has one of its own. While it is
	// in a transaction, that says where commands go, and there is no Request.
	Session *Session

	// Cursor is true where the first command opens a cursor. Those that come after it are
	// bound to its server and its session; behind a load balancer, and while the server
	// sends by itself, to its connection too. End unbinds them.
	Cursor bool

	opened    bool // the first command has got its reply
	executor  *Executor
	session   *session.ServerSession // implicit
	streaming bool
}

// free is the binding of those that have none.
var free Binding

// Bind joins what an operation's context binds it to. A cursor that is open keeps its
// session.
func (b *Binding) Bind(to *Binding) {
	b.Request = nil // the context's may have ended since the cursor was opened
	if to == nil {
		return
	}
	b.Request = to.Request
	if !b.opened {
		b.Session = to.Session
	}
}

// InTransaction reports whether commands are part of a transaction.
func (b *Binding) InTransaction() bool { return b.Session != nil && b.Session.State().Active() }

// Streaming reports whether the server sends further replies by itself: the next
// command only waits for one.
func (b *Binding) Streaming() bool { return b.streaming }

// bind binds what comes after the first command of a cursor. The run hands over what
// it holds.
func (r *run) bind(res *Result) {
	b := r.b
	if !b.Cursor || res.Unacknowledged {
		return
	}
	if res.lease != nil {
		b.Lease, res.lease = res.lease, nil
		b.Lease.Park()
	}
	b.streaming = res.More && b.Lease != nil
	if b.opened {
		return
	}
	b.opened, b.executor, b.Server = true, r.x, res.Server
	if r.implicit {
		b.session, r.session = r.session, nil
	}
}

// Abandon closes the connection: nothing else ends replies that the server sends by
// itself.
func (b *Binding) Abandon(reason error) {
	if l := b.Lease; l != nil {
		_ = l.Conn().Close()
		l.Fail(reason)
	}
	b.streaming = false
}

// Successor returns the binding of a cursor that goes on where that of this one ends:
// to nothing but its session, which this one loses.
func (b *Binding) Successor() Binding {
	next := Binding{Request: b.Request, Cursor: true, executor: b.executor, session: b.session}
	b.session = nil
	return next
}

// End gives back the connection and the session. It may be called any number of
// times.
func (b *Binding) End() {
	if b.Lease != nil {
		_ = b.Lease.Release()
		b.Lease = nil
	}
	if b.session != nil {
		x := b.executor
		x.Sessions.Put(b.session, x.sessionTimeout(), time.Now())
		b.session = nil
	}
}
