package pool

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// After a connection failed that nobody asked for, the next is tried after a
// pause, each twice as long as the one before. Callers who wait do not mind it.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// dispatch begins as many connections as are wanted and allowed: one for each
// caller that has none on the way, then those that MinSize lacks. The lock is
// held.
func (p *Pool[C]) dispatch() {
	for p.state == ready && p.dialing < p.opts.MaxConnecting &&
		(p.opts.MaxSize == 0 || len(p.all) < p.opts.MaxSize) {
		if p.queue.unbound == nil && (len(p.all) >= p.opts.MinSize || p.retryTimer.set) {
			return
		}
		p.begin()
	}
	p.makeRoom()
}

// begin starts to establish a connection. The lock is held.
func (p *Pool[C]) begin() {
	ctx, cancel := context.WithCancel(p.ctx)
	p.lastID++
	l := &Lease[C]{pool: p, id: p.lastID, generation: p.generation, status: dialing, index: len(p.all), cancel: cancel}
	if p.observed() {
		l.status = settling // until its first event is delivered
	}
	p.all = append(p.all, l)
	p.dialing++
	p.queue.adopt(l)
	p.spawn(func() { p.establish(ctx, l) })
}

func (p *Pool[C]) establish(ctx context.Context, l *Lease[C]) {
	defer l.cancel()
	start := p.now()
	if p.observed() {
		p.emit(event.ConnectionCreated{Address: p.opts.Address, ConnectionID: l.id})
		p.mu.Lock()
		l.status = dialing
		gone, expelled := p.expel(l, nil)
		p.mu.Unlock()
		if expelled {
			p.replace(gone)
			return
		}
	}
	conn, err := p.opts.Dial(ctx, &Dialing{
		ConnectionID: l.id,
		Generation:   l.generation,
		bind: func(id bson.ObjectID) uint64 {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.joinService(l, id)
			return l.generation
		},
	})

	p.mu.Lock()
	if l.status == closed { // Clear or Close were faster
		p.mu.Unlock()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	l.status = settling
	if err != nil {
		p.failed(l, err) // unlocks
		return
	}
	l.adopt(conn)
	p.mu.Unlock()
	if p.observed() {
		p.emit(event.ConnectionReady{Address: p.opts.Address, ConnectionID: l.id, Duration: p.now() - start})
	}
	p.established(l)
}

// established lends the new connection, or keeps it.
func (p *Pool[C]) established(l *Lease[C]) {
	l.idleSince = p.now()
	p.mu.Lock()
	p.limitAge(l)
	p.dialing--
	l.cancel = nil
	p.retryAfter = 0
	p.retryTimer.stop()
	cause := p.clearedFor(l)
	gone, expelled := p.expel(l, nil)
	w := p.queue.forget(l, expelled)
	if expelled {
		p.mu.Unlock()
		p.replace(gone)
		if w != nil {
			// Only its service was cleared, else nobody would wait any more.
			w.tell(nil, &PoolClearedError{Address: p.opts.Address, Cause: cause})
		}
		return
	}
	if w == nil {
		w = p.queue.pop()
	}
	p.supply(l, w)
	p.dispatch()
	p.mu.Unlock()
	if w != nil {
		w.tell(l, nil)
	}
}

// besides counts the connections beside l, of its generation and service, that
// were established. The lock is held.
func (p *Pool[C]) besides(l *Lease[C]) (n int) {
	for _, o := range p.all {
		if o != l && o.live && o.service == l.service && !p.stale(o) {
			n++
		}
	}
	return n
}

// failed ends a connection that could not be established, and tells the caller
// on whose behalf it was. The lock is held, and released.
func (p *Pool[C]) failed(l *Lease[C], err error) {
	// The caller is to hear of this error, not of the clearing it may lead to.
	w := p.queue.forget(l, true)
	reason := event.CloseError
	if p.stale(l) {
		// Its service was cleared, and the dialling broken off for that.
		err, reason = &PoolClearedError{Address: p.opts.Address, Cause: p.clearedFor(l)}, event.CloseStale
	} else if p.opts.OnDialError != nil {
		failure := DialFailure{
			Err: err, ConnectionID: l.id, Generation: l.generation, ServiceID: l.service, Established: p.besides(l),
		}
		p.mu.Unlock()
		// The connection counts still, so that no other is begun before the pool
		// is cleared, if it is.
		p.opts.OnDialError(failure)
		p.mu.Lock()
	}
	p.dialing--
	if p.state == ready && p.opts.MinSize > 0 {
		p.retryAfter = min(max(2*p.retryAfter, firstRetry), lastRetry)
		p.retryTimer.start(p.retryAfter)
	}
	gone := p.retire(l, reason, err)
	p.mu.Unlock()
	p.replace(gone)
	if w != nil {
		w.tell(nil, err)
	}
}

// retryDials ends the pause.
func (p *Pool[C]) retryDials() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retryTimer.rung() {
		p.dispatch()
	}
}
