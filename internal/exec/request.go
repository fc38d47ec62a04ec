package exec

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/internal/pool"
)

// Request keeps one connection to each server for the operations that share it,
// from the first that needs it until End. They stay on the servers that they have used
// as long as these suit them: behind several mongos on one, a replica set's secondary
// reads on one member. Operations take turns: used by several goroutines, it makes
// them wait for each other.
type Request struct {
	turn   chan struct{} // holds a token while nobody is at it
	leases map[*Server]requestLease
	used   []string // addresses of the servers of leases, the first one first
	ended  bool
	bound  Binding
	// left is true once a server of the request has left, or the client was closed.
	left atomic.Bool
}

type requestLease struct {
	*Lease
	forget func() bool // ends the wait for the server to leave
	since  time.Time   // when it was used last
}

// NewRequest returns a request without connections.
func NewRequest() *Request {
	q := &Request{turn: make(chan struct{}, 1), leases: map[*Server]requestLease{}}
	q.bound.Request = q
	q.turn <- struct{}{}
	return q
}

// Binding binds an operation to the request.
func (q *Request) Binding() *Binding { return &q.bound }

// errRequestEnded is the error of an operation in a request that has ended.
var errRequestEnded = errors.New("the request has ended")

// take waits for the operation's turn.
func (q *Request) take(ctx context.Context) error {
	select {
	case <-q.turn:
	case <-ctx.Done():
		return &OperationError{Command: "request", Err: ctx.Err()}
	}
	if q.ended {
		q.turn <- struct{}{}
		return errRequestEnded
	}
	return nil
}

func (q *Request) give() {
	q.turn <- struct{}{}
	q.letGo()
}

// letGo gives back the connections to servers that have left, so that nobody waits
// for them. While an operation is under way, it is done after that.
func (q *Request) letGo() {
	for q.left.Load() {
		select {
		case <-q.turn:
		default:
			return // give does it
		}
		q.left.Store(false)
		for server := range q.leases {
			if server.Context().Err() != nil {
				q.release(server)
			}
		}
		q.turn <- struct{}{}
	}
}

// release lets go of the connection to a server.
func (q *Request) release(server *Server) {
	l := q.leases[server]
	delete(q.leases, server)
	q.used = slices.DeleteFunc(q.used, func(address string) bool { return address == server.Address() })
	l.forget()
	_ = l.Release()
}

// lease returns the request's connection to a server.
func (q *Request) lease(ctx context.Context, server *Server) (*Lease, error) {
	if l := q.leases[server].Lease; l != nil && q.lost(server, l) {
		l.Fail(errLost)
		q.release(server)
	}
	if l := q.leases[server].Lease; l != nil {
		// The order of what goes over the socket is what a request is for: wait for
		// a reply that an earlier call did not.
		if err := l.Conn().Drain(ctx); err != nil {
			q.settle(server, l)
			return nil, err
		}
		return l, nil
	}
	l, err := server.CheckOut(ctx)
	if err != nil {
		return nil, err
	}
	l.SetPurpose(pool.ForRequest)
	q.used = append(q.used, server.Address())
	forget := context.AfterFunc(server.Context(), func() {
		q.left.Store(true)
		q.letGo()
	})
	q.leases[server] = requestLease{Lease: l, forget: forget, since: time.Now()}
	return l, nil
}

var errLost = errors.New("the connection was lost while the request did nothing")

// lost reports whether a connection is known to be gone: its pool was cleared because
// another one failed, or the server has closed it. Not every request is to find out by
// an error of its own.
func (q *Request) lost(server *Server, l *Lease) bool {
	return server.Pool().Stale(l.Generation(), l.ServiceID()) || l.Interrupted() != nil ||
		time.Since(q.leases[server].since) >= restsFor && !l.Conn().Alive()
}

// restsFor is how long a connection rests before it is looked at, as in a pool.
const restsFor = time.Second

// settle lets go of a connection that cannot be used further.
func (q *Request) settle(server *Server, l *Lease) {
	if l.Conn().Broken() != nil || l.Interrupted() != nil {
		q.release(server)
		return
	}
	held := q.leases[server]
	held.since = time.Now()
	q.leases[server] = held
}

// Alive looks whether a peer has closed a connection of the request, without
// sending anything. One that has is let go of: the next operation gets another. The
// second result is false if there is no connection.
func (q *Request) Alive(ctx context.Context) (alive, any bool) {
	if q.take(ctx) != nil {
		return false, false
	}
	defer q.give()
	any, alive = len(q.leases) > 0, true
	for server, l := range q.leases {
		if l.Conn().Alive() {
			continue
		}
		alive = false
		l.Fail(net.ErrClosed)
		q.release(server)
	}
	return any && alive, any
}

// End gives the connections back, after the operation that is under way. It may
// be called any number of times.
func (q *Request) End() {
	<-q.turn
	q.ended = true
	for server := range q.leases {
		q.release(server)
	}
	q.turn <- struct{}{}
}
