package pool

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/event"
)

// unbounded is the key of a context whose callers WaitQueueTimeout does not bound.
type unbounded struct{}

// WithoutWaitQueueTimeout returns a context whose calls of CheckOut WaitQueueTimeout does
// not bound: they keep their place until the context is done.
func WithoutWaitQueueTimeout(ctx context.Context) context.Context {
	return context.WithValue(ctx, unbounded{}, true)
}

// CheckOut lends a connection: an idle one, else the first to come free or to
// be established. It waits until then, at most for WaitQueueTimeout, or until
// ctx is done. An idle connection is lent without looking at ctx.
//
// The errors are [ClosedError] ([ErrPoolClosed]), [PoolClearedError],
// [WaitQueueTimeoutError], [WaitCanceledError], [TooManyWaitersError], or what
// Dial returned.
func (p *Pool[C]) CheckOut(ctx context.Context) (*Lease[C], error) {
	if !p.observed() {
		return p.checkOut(ctx)
	}
	start := time.Now()
	p.emit(event.ConnectionCheckOutStarted{Address: p.opts.Address})
	l, err := p.checkOut(ctx)
	if err != nil {
		p.emit(event.ConnectionCheckOutFailed{Address: p.opts.Address, Reason: failReason(err), Err: err, Duration: time.Since(start)})
		return nil, err
	}
	p.emit(event.ConnectionCheckedOut{Address: p.opts.Address, ConnectionID: l.id, Duration: time.Since(start)})
	return l, nil
}

func (p *Pool[C]) checkOut(ctx context.Context) (*Lease[C], error) {
	var now time.Duration
	if p.timed {
		now = p.now()
	}
	for {
		p.mu.Lock()
		if p.state != ready {
			err := p.refusal()
			p.mu.Unlock()
			return nil, err
		}
		last := len(p.idle) - 1
		if last < 0 {
			return p.wait(ctx) // unlocks
		}
		l := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		l.status = inUse
		unused := now - l.idleSince
		p.mu.Unlock()

		// From here on l is ours.
		switch {
		case p.opts.MaxIdleTime > 0 && unused >= p.opts.MaxIdleTime:
			p.drop(l, event.CloseIdle, nil)
		case p.aged(l, now):
			p.drop(l, event.CloseStale, p.tooOld())
		case l.aliver != nil && unused >= p.opts.AliveAfter && !l.aliver.Alive():
			p.drop(l, event.CloseError, errPeerClosed)
		default:
			l.out.Store(true)
			return l, nil
		}
	}
}

var errPeerClosed = errors.New("the server closed the connection while it was idle")

// drop retires a connection that is ours and not lent.
func (p *Pool[C]) drop(l *Lease[C], reason event.CloseReason, err error) {
	p.mu.Lock()
	gone := p.retire(l, reason, err)
	p.mu.Unlock()
	p.replace(gone)
}

// refusal is why a pool that is not ready lends nothing. The lock is held.
func (p *Pool[C]) refusal() error {
	if p.state == ended {
		return &ClosedError{Address: p.opts.Address}
	}
	return &PoolClearedError{Address: p.opts.Address, Cause: p.cause}
}

// wait queues the caller until somebody serves it. The lock is held, and
// released.
func (p *Pool[C]) wait(ctx context.Context) (*Lease[C], error) {
	if ctx.Err() != nil {
		usage := p.usage()
		p.mu.Unlock()
		return nil, contextError(ctx, p.opts.Address, 0, usage)
	}
	w := p.waiters.Get().(*waiter[C])
	w.since = p.now()
	w.patient = p.opts.WaitQueueTimeout > 0 && ctx.Value(unbounded{}) != nil
	p.queue.push(w)
	p.dispatch()
	if w.dial == nil {
		if p.opts.MaxWaiters > 0 && p.queue.waiting() > p.opts.MaxWaiters {
			p.queue.remove(w)
			err := &TooManyWaitersError{Address: p.opts.Address, MaxWaiters: p.opts.MaxWaiters, Usage: p.usage()}
			p.mu.Unlock()
			p.waiters.Put(w)
			return nil, err
		}
		if p.opts.WaitQueueTimeout > 0 && !w.patient {
			p.waitTimer.start(p.opts.WaitQueueTimeout)
		}
	}
	p.mu.Unlock()

	var a answer[C]
	if done := ctx.Done(); done == nil {
		a = <-w.answer
	} else {
		select {
		case a = <-w.answer:
		case <-done:
			return nil, p.giveUp(ctx, w)
		}
	}
	p.waiters.Put(w)
	return a.lease, a.err
}

// giveUp takes a caller off the queue whose context is done.
func (p *Pool[C]) giveUp(ctx context.Context, w *waiter[C]) error {
	p.mu.Lock()
	waited := p.now() - w.since
	queued := w.queued
	if queued {
		p.queue.remove(w)
	}
	usage := p.usage()
	p.mu.Unlock()
	if !queued {
		// The answer is on its way. A connection goes to the next.
		if a := <-w.answer; a.lease != nil {
			a.lease.out.Store(false)
			p.putBack(a.lease)
		}
	}
	p.waiters.Put(w)
	return contextError(ctx, p.opts.Address, waited, usage)
}

// expireWaiters turns those away who have waited for WaitQueueTimeout. They came
// in order, so that one timer does for all. Those for whom a connection is being
// established stay: the time for that is Dial's to bound.
func (p *Pool[C]) expireWaiters() {
	var first, last *waiter[C]
	p.mu.Lock()
	if !p.waitTimer.rung() {
		p.mu.Unlock()
		return
	}
	now := p.now()
	var following *waiter[C]
	for w := p.queue.unbound; w != nil; w = following {
		if following = w.next; w.patient {
			continue
		}
		if left := w.since + p.opts.WaitQueueTimeout - now; left > 0 {
			p.waitTimer.start(left)
			break
		}
		p.queue.remove(w)
		if last == nil {
			first = w
		} else {
			last.next = w
		}
		last = w
	}
	usage := p.usage()
	p.mu.Unlock()
	for w := first; w != nil; {
		next := w.next
		w.next = nil
		w.tell(nil, &WaitQueueTimeoutError{Address: p.opts.Address, Waited: now - w.since, Usage: usage})
		w = next
	}
}

// turnAway tells err to w and those that follow it.
func (p *Pool[C]) turnAway(w *waiter[C], err error) {
	for w != nil {
		next := w.next
		w.tell(nil, err)
		w = next
	}
}

// usage is what the connections are doing. The lock is held.
func (p *Pool[C]) usage() Usage {
	return Usage{
		MaxSize:      p.opts.MaxSize,
		InUse:        len(p.all) - len(p.idle) - p.dialing - p.draining,
		Cursors:      int(p.cursors.Load()),
		Transactions: int(p.transactions.Load()),
		Requests:     int(p.requests.Load()),
		Pending:      p.dialing,
		Draining:     p.draining,
		Waiting:      p.queue.length,
	}
}
