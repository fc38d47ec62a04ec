package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// state is the pool's, as the specification names it.
type state uint8

const (
	paused   state = iota
	readying       // still paused for callers, while PoolReady is delivered
	ready
	ended
)

// Pool is the connections of one server. Its methods may be called by any
// goroutine, and from its event handler.
type Pool[C Conn] struct {
	opts  Options[C]
	epoch time.Time // zero of the pool's clock
	timed bool      // whether it matters how long connections are idle, or how old

	waiters      sync.Pool // of *waiter[C]: not shared with other pools
	cursors      atomic.Int64
	transactions atomic.Int64
	requests     atomic.Int64

	ctx    context.Context // done when the pool is closed
	cancel context.CancelFunc

	mu         sync.Mutex
	state      state
	generation uint64
	cause      error // what the pool was cleared for last
	services   map[bson.ObjectID]*service
	lastID     int64

	all       []*Lease[C] // every connection that is not closed, lent ones included
	idle      []*Lease[C] // the last is lent first; idleSince ascends
	dialing   int         // being established, settling ones included
	draining  int
	abandoned int // of those draining, about to be closed for a caller who waits
	queue     queue[C]

	pruneTimer, ageTimer, waitTimer, retryTimer, drainTimer alarm

	retryAfter time.Duration // the next pause after a failed dial for MinSize

	goroutines int
	gone       chan struct{} // closed when nothing is left of a closed pool
}

// service is one of those behind a load balancer. It is kept as long as it has
// connections.
type service struct {
	generation  uint64
	cause       error // what it was cleared for last
	connections int
}

// New makes a pool, which is paused.
func New[C Conn](opts Options[C]) *Pool[C] {
	p := &Pool[C]{opts: opts.withDefaults(), epoch: time.Now(), gone: make(chan struct{})}
	var none C
	_, alive := any(none).(Aliver)
	// Of an interface it is not known what the connections will be able to do.
	p.timed = alive || any(none) == nil || p.opts.MaxIdleTime > 0 || p.opts.MaxAge > 0
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.pruneTimer.ring = p.prune
	p.ageTimer.ring = p.retireAged
	p.waitTimer.ring = p.expireWaiters
	p.retryTimer.ring = p.retryDials
	p.drainTimer.ring = p.endPatience
	p.waiters.New = func() any { return &waiter[C]{answer: make(chan answer[C], 1)} }
	if p.observed() {
		p.emit(event.PoolCreated{Address: p.opts.Address, Options: event.PoolOptions{
			MaxPoolSize:       p.opts.MaxSize,
			MinPoolSize:       p.opts.MinSize,
			MaxConnecting:     p.opts.MaxConnecting,
			WaitQueueMultiple: p.opts.MaxWaiters / max(p.opts.MaxSize, 1),
			MaxIdleTime:       p.opts.MaxIdleTime,
			MaxConnectionAge:  p.opts.MaxAge,
			WaitQueueTimeout:  p.opts.WaitQueueTimeout,
		}})
	}
	return p
}

// Address is the server's.
func (p *Pool[C]) Address() string { return p.opts.Address }

// Ready lets a paused pool work. It does nothing in any other state.
func (p *Pool[C]) Ready() {
	p.mu.Lock()
	if p.state != paused {
		p.mu.Unlock()
		return
	}
	if p.observed() {
		p.state = readying
		p.mu.Unlock()
		p.emit(event.PoolReady{Address: p.opts.Address})
		p.mu.Lock()
		if p.state != readying {
			p.mu.Unlock()
			return
		}
	}
	p.state = ready
	p.retryAfter = 0
	p.dispatch()
	p.mu.Unlock()
}

// Clear puts the connections made so far out of date. Idle ones and those being
// established are closed now, those in use when they come back; with interrupt
// set, their use is cut off at once. Waiting callers get a [PoolClearedError]
// that wraps cause. The pool is paused until the next Ready; while it is paused
// already, only the generation goes up.
//
// With a serviceID other than zero, only the connections to that service behind
// the load balancer are concerned, nobody is turned away, and the pool is not
// paused.
func (p *Pool[C]) Clear(cause error, serviceID bson.ObjectID, interrupt bool) {
	if !serviceID.IsZero() {
		p.clearService(cause, serviceID, interrupt)
		return
	}
	p.mu.Lock()
	if p.state == ended {
		p.mu.Unlock()
		return
	}
	was := p.state
	p.generation++
	p.cause = cause
	p.state = paused
	p.waitTimer.stop()
	p.retryTimer.stop()
	p.drainTimer.stop()
	turnedAway := p.queue.clear()
	gone := p.retireWhere(func(*Lease[C]) bool { return true }, event.CloseStale)
	if interrupt {
		p.interruptWhere(func(*Lease[C]) bool { return true }, p.interruption(cause))
	}
	p.mu.Unlock()

	if was != paused {
		p.emitCleared(cause, serviceID, interrupt)
	}
	p.emitClosed(gone...)
	p.turnAway(turnedAway, &PoolClearedError{Address: p.opts.Address, Cause: cause})
}

func (p *Pool[C]) clearService(cause error, id bson.ObjectID, interrupt bool) {
	p.mu.Lock()
	s := p.services[id]
	if s == nil || p.state == ended {
		// No connection of the service is left that could be out of date.
		p.mu.Unlock()
		return
	}
	s.generation++
	s.cause = cause
	concerned := func(l *Lease[C]) bool { return l.service == id }
	gone := p.retireWhere(func(l *Lease[C]) bool {
		if concerned(l) && l.status == dialing {
			// Somebody may wait for it still: its goroutine sees to that.
			l.cancel()
			return false
		}
		return concerned(l)
	}, event.CloseStale)
	if interrupt {
		p.interruptWhere(concerned, p.interruption(cause))
	}
	p.mu.Unlock()

	p.emitCleared(cause, id, interrupt)
	p.replace(gone...)
}

// Close ends the pool. Idle connections are closed, diallings broken off,
// waiting callers turned away with [ClosedError]. Connections in use are closed
// when they come back. See [Pool.Interrupt] and [Pool.Wait].
func (p *Pool[C]) Close() {
	p.mu.Lock()
	if p.state == ended {
		p.mu.Unlock()
		return
	}
	p.state = ended
	p.pruneTimer.stop()
	p.ageTimer.stop()
	p.waitTimer.stop()
	p.retryTimer.stop()
	p.drainTimer.stop()
	turnedAway := p.queue.clear()
	gone := p.retireWhere(func(*Lease[C]) bool { return true }, event.ClosePoolClosed)
	p.mu.Unlock()

	p.cancel()
	p.emitClosed(gone...)
	if p.observed() {
		p.emit(event.PoolClosed{Address: p.opts.Address})
	}
	p.turnAway(turnedAway, &ClosedError{Address: p.opts.Address})
	p.mu.Lock()
	p.checkGone()
	p.mu.Unlock()
}

// Interrupt cuts off what the connections in use are doing, which is to fail
// with err, see [Lease.Interrupted]. They are closed at their check-in.
func (p *Pool[C]) Interrupt(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interruptWhere(func(*Lease[C]) bool { return true }, err)
}

// interruption is what an operation fails with that Clear cuts off.
func (p *Pool[C]) interruption(cause error) error {
	return &PoolClearedError{Address: p.opts.Address, Cause: cause, Interrupted: true}
}

// Wait returns when a closed pool has neither a connection nor a goroutine left,
// or with the error of ctx when that is done first. It must not be called from
// the event handler.
func (p *Pool[C]) Wait(ctx context.Context) error {
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Generation is the pool's generation, which every Clear puts up by one. With a
// serviceID other than zero it is that of the service.
func (p *Pool[C]) Generation(serviceID bson.ObjectID) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.currentGeneration(serviceID)
}

func (p *Pool[C]) currentGeneration(serviceID bson.ObjectID) uint64 {
	if serviceID.IsZero() {
		return p.generation
	}
	if s := p.services[serviceID]; s != nil {
		return s.generation
	}
	return 0
}

// now is the time on the pool's clock.
func (p *Pool[C]) now() time.Duration { return time.Since(p.epoch) }

// spawn starts a goroutine that Wait waits for. The lock is held.
func (p *Pool[C]) spawn(f func()) {
	p.goroutines++
	go func() {
		defer func() {
			p.mu.Lock()
			p.goroutines--
			p.checkGone()
			p.mu.Unlock()
		}()
		f()
	}()
}

// checkGone closes p.gone when it is time. The lock is held.
func (p *Pool[C]) checkGone() {
	if p.state != ended || p.goroutines > 0 || len(p.all) > 0 {
		return
	}
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}
