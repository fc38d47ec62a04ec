package pool

import (
	"errors"

	"github.com/mgxdb/mgx/event"
)

var errTooManyDrains = errors.New("its reply is outstanding, and too many connections are waiting for late replies already")

// CheckIn takes a connection back. It is lent again, or closed: when it failed
// or was put out of date meanwhile, or when the pool is closed. One whose reply
// is outstanding is kept aside until the reply has come. The caller must not
// use l afterwards.
//
// The error is [ErrNotCheckedOut], or nil.
func (p *Pool[C]) CheckIn(l *Lease[C]) error {
	if l == nil || l.pool != p || !l.out.CompareAndSwap(true, false) {
		return ErrNotCheckedOut
	}
	l.SetPurpose(ForOperation)
	l.Unpark()
	if p.observed() {
		p.emit(event.ConnectionCheckedIn{Address: p.opts.Address, ConnectionID: l.id})
	}
	if err := l.fault(); err != nil {
		p.discard(l, err)
	} else if l.pending() {
		p.drainLater(l)
	} else {
		p.putBack(l)
	}
	return nil
}

// putBack makes a sound connection available, unless it is out of date.
func (p *Pool[C]) putBack(l *Lease[C]) {
	if p.timed {
		l.idleSince = p.now()
	}
	p.mu.Lock()
	if gone, ok := p.expel(l, nil); ok {
		p.mu.Unlock()
		p.replace(gone)
		return
	}
	w := p.queue.pop()
	p.supply(l, w)
	p.mu.Unlock()
	if w != nil {
		w.tell(l, nil)
	}
}

// supply makes l the waiter's, or idle if there is none. The lock is held; the
// waiter is to be told after it.
func (p *Pool[C]) supply(l *Lease[C], w *waiter[C]) {
	if w != nil {
		l.status = inUse
		l.out.Store(true)
		return
	}
	l.status = idle
	p.idle = append(p.idle, l)
	if p.opts.MaxIdleTime > 0 {
		p.pruneTimer.start(p.opts.MaxIdleTime)
	}
}

// discard closes a connection that its user gives back with a fault.
func (p *Pool[C]) discard(l *Lease[C], fault error) {
	p.mu.Lock()
	gone, _ := p.expel(l, fault)
	p.mu.Unlock()
	p.replace(gone)
}

// expel retires h when the pool is closed, when l is out of date or too old, or when
// it has a fault, and reports whether it did. The lock is held.
func (p *Pool[C]) expel(l *Lease[C], fault error) (departure, bool) {
	switch {
	case p.state == ended:
		return p.retire(l, event.ClosePoolClosed, nil), true
	case p.stale(l) && (fault == nil || l.Interrupted() != nil):
		return p.retire(l, event.CloseStale, nil), true
	case fault != nil: // the pool may have been cleared for it
		return p.retire(l, event.CloseError, fault), true
	case p.aged(l, l.idleSince):
		return p.retire(l, event.CloseStale, p.tooOld()), true
	}
	return departure{}, false
}

// prune closes the connections that were idle for too long. They lie at the
// bottom.
func (p *Pool[C]) prune() {
	p.mu.Lock()
	if !p.pruneTimer.rung() {
		p.mu.Unlock()
		return
	}
	now := p.now()
	n := 0
	for n < len(p.idle) && now-p.idle[n].idleSince >= p.opts.MaxIdleTime {
		n++
	}
	gone := make([]departure, 0, n)
	for _, l := range p.idle[:n] {
		gone = append(gone, p.retire(l, event.CloseIdle, nil))
	}
	left := copy(p.idle, p.idle[n:])
	clear(p.idle[left:])
	p.idle = p.idle[:left]
	if left > 0 {
		p.pruneTimer.start(max(p.opts.MaxIdleTime-(now-p.idle[0].idleSince), 0))
	}
	p.mu.Unlock()
	p.replace(gone...)
}
