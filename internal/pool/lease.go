package pool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// Purpose is what a connection was checked out for.
type Purpose uint8

// The purposes that are told apart when a check-out times out: those of the
// specification "Load Balancer Support", and requests.
const (
	ForOperation Purpose = iota
	ForCursor
	ForTransaction
	ForRequest
)

// status is where a connection is in its life. It is guarded by the pool's lock.
type status uint8

const (
	dialing  status = iota // being established
	idle                   // in the stack of idle connections
	inUse                  // lent
	parked                 // lent, to somebody who does nothing with it at the moment
	draining               // waiting for a late reply
	settling               // events being delivered between two of the others; its goroutine decides what becomes of it
	closed                 // no longer the pool's
)

// Lease is one connection of a pool, from when it is made. Whoever has checked it out
// may use it until the check-in, and pass it on; it is to be used by one goroutine at a
// time.
type Lease[C Conn] struct {
	pool *Pool[C]
	conn C
	id   int64

	// What the connection can do beside being closed, looked up once.
	breakable Breakable
	drainer   Drainer
	aliver    Aliver

	out         atomic.Bool // lent: CheckIn may be called
	interrupted atomic.Pointer[error]
	purpose     atomic.Uint32 // a Purpose
	failed      error         // by its user

	// The rest is guarded by the pool's lock.
	status     status
	live       bool // conn is there
	index      int  // in pool.all
	generation uint64
	service    bson.ObjectID
	idleSince  time.Duration      // on the pool's clock
	drainSince time.Duration      // likewise
	expires    time.Duration      // likewise: too old from then on; 0: never
	abandoned  bool               // draining: to be closed, for somebody waits
	cancel     context.CancelFunc // of what runs in the background for it
	waiter     *waiter[C]         // dialing: on whose behalf
}

// Conn is the connection.
func (l *Lease[C]) Conn() C { return l.conn }

// ID is the connection's number in its pool: 1, 2, 3, …
func (l *Lease[C]) ID() int64 { return l.id }

// Address is the pool's server.
func (l *Lease[C]) Address() string { return l.pool.opts.Address }

// Generation is the pool's, or the service's, from when the connection was made.
// It does not change while the connection is checked out.
func (l *Lease[C]) Generation() uint64 { return l.generation }

// ServiceID is the service behind the load balancer, zero elsewhere.
func (l *Lease[C]) ServiceID() bson.ObjectID { return l.service }

// Fail tells that the connection is not to be lent again, and why. It takes
// effect at the check-in.
func (l *Lease[C]) Fail(err error) { l.failed = err }

// Interrupted returns the error that an operation is to fail with whose
// connection was cut off, a [PoolClearedError] after Clear or what Interrupt
// was given, and nil if it was not. It may be called by any goroutine.
func (l *Lease[C]) Interrupted() error {
	if err := l.interrupted.Load(); err != nil {
		return *err
	}
	return nil
}

// SetPurpose tells what the connection is held for. The check-in forgets it.
func (l *Lease[C]) SetPurpose(purpose Purpose) {
	if Purpose(l.purpose.Load()) == purpose {
		return
	}
	l.pool.countPurpose(Purpose(l.purpose.Swap(uint32(purpose))), -1)
	l.pool.countPurpose(purpose, 1)
}

// Park says that the holder does nothing with the connection until it calls Unpark: a
// pool that is closed meanwhile takes the connection back, as if it had been checked
// in, instead of waiting for that.
func (l *Lease[C]) Park() {
	p := l.pool
	p.mu.Lock()
	if l.status != inUse || !l.out.Load() {
		p.mu.Unlock()
		return
	}
	l.status = parked
	if p.state != ended {
		p.mu.Unlock()
		return
	}
	gone := p.retireParked(l, event.ClosePoolClosed)
	p.mu.Unlock()
	p.emitClosed(gone)
}

// Unpark precedes the next use of a parked connection. It returns false if the pool
// has taken that back: it was closed.
func (l *Lease[C]) Unpark() bool {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.status == parked {
		l.status = inUse
	}
	return l.status == inUse
}

// Release is [Pool.CheckIn] for callers that hold the connection but not its
// pool.
func (l *Lease[C]) Release() error { return l.pool.CheckIn(l) }

// adopt takes the established connection. The lock is held.
func (l *Lease[C]) adopt(conn C) {
	l.conn, l.live = conn, true
	l.breakable, _ = any(conn).(Breakable)
	l.drainer, _ = any(conn).(Drainer)
	l.aliver, _ = any(conn).(Aliver)
}

// fault returns why the connection cannot be lent again, if its user or itself
// knows of something. Its user calls it.
func (l *Lease[C]) fault() error {
	if l.failed != nil {
		return l.failed
	}
	if l.breakable != nil {
		return l.breakable.Broken()
	}
	return nil
}

func (l *Lease[C]) pending() bool { return l.drainer != nil && l.drainer.Pending() }
