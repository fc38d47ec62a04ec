package exec

import (
	"context"
	"errors"
)

// Request keeps one connection to each server for the operations that share it,
// from the first that needs it until End. Operations take turns: used by several
// goroutines, it makes them wait for each other.
type Request struct {
	turn   chan struct{} // holds a token while nobody is at it
	leases map[*Server]*Lease
	ended  bool
}

// NewRequest returns a request without connections.
func NewRequest() *Request {
	q := &Request{turn: make(chan struct{}, 1), leases: map[*Server]*Lease{}}
	q.turn <- struct{}{}
	return q
}

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

func (q *Request) give() { q.turn <- struct{}{} }

// lease returns the request's connection to a server.
func (q *Request) lease(ctx context.Context, server *Server) (*Lease, error) {
	if l := q.leases[server]; l != nil {
		// The order of what goes over the socket is what a request is for: wait for
		// a reply that an earlier call did not.
		if err := l.Conn().Drain(ctx); err != nil {
			q.settle(server, l)
			return nil, err
		}
		return l, nil
	}
	l, err := server.CheckOut(ctx)
	if err == nil {
		q.leases[server] = l
	}
	return l, err
}

// settle lets go of a connection that cannot be used further.
func (q *Request) settle(server *Server, l *Lease) {
	if l.Conn().Broken() != nil || l.Interrupted() != nil {
		delete(q.leases, server)
		_ = l.Release()
	}
}

// Alive looks whether a peer has closed a connection of the request, without
// sending anything. The second result is false if there is no connection.
func (q *Request) Alive(ctx context.Context) (alive, any bool) {
	if q.take(ctx) != nil {
		return false, false
	}
	defer q.give()
	for _, l := range q.leases {
		if !l.Conn().Alive() {
			return false, true
		}
		any = true
	}
	return any, any
}

// End gives the connections back, after the operation that is under way. It may
// be called any number of times.
func (q *Request) End() {
	<-q.turn
	q.ended = true
	for server, l := range q.leases {
		delete(q.leases, server)
		_ = l.Release()
	}
	q.turn <- struct{}{}
}
