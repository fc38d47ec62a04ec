package pool

import (
	"errors"

	"github.com/mgxdb/mgx/event"
)

var errTooManyDrains = errors.New("its reply is outstanding, and too many connections are waiting for late replies already")

// CheckIn takes a connection back. It is lent again, or closed: when it failed
// or was put out of date meanwhile, or when the pool is closed. One whose reply
// is outstanding is kept aside until the reply has come. The caller must not
// use h afterwards.
//
// The error is [ErrNotCheckedOut], or nil.
func (p *Pool[C]) CheckIn(h *Handle[C]) error {
	if h == nil || h.pool != p || !h.out.CompareAndSwap(true, false) {
		return ErrNotCheckedOut
	}
	h.SetPurpose(ForOperation)
	h.Unpark()
	if p.observed() {
		p.emit(event.ConnectionCheckedIn{Address: p.opts.Address, ConnectionID: h.id})
	}
	if err := h.fault(); err != nil {
		p.discard(h, err)
	} else if h.pending() {
		p.drainLater(h)
	} else {
		p.putBack(h)
	}
	return nil
}

// putBack makes a sound connection available, unless it is out of date.
func (p *Pool[C]) putBack(h *Handle[C]) {
	if p.timed {
		h.idleSince = p.now()
	}
	p.mu.Lock()
	if gone, ok := p.expel(h, nil); ok {
		p.mu.Unlock()
		p.replace(gone)
		return
	}
	w := p.queue.pop()
	p.supply(h, w)
	p.mu.Unlock()
	if w != nil {
		w.tell(h, nil)
	}
}

// supply makes h the waiter's, or idle if there is none. The lock is held; the
// waiter is to be told after it.
func (p *Pool[C]) supply(h *Handle[C], w *waiter[C]) {
	if w != nil {
		h.status = inUse
		h.out.Store(true)
		return
	}
	h.status = idle
	p.idle = append(p.idle, h)
	if p.opts.MaxIdleTime > 0 {
		p.pruneTimer.start(p.opts.MaxIdleTime)
	}
}

// discard closes a connection that its user gives back with a fault.
func (p *Pool[C]) discard(h *Handle[C], fault error) {
	p.mu.Lock()
	gone, _ := p.expel(h, fault)
	p.mu.Unlock()
	p.replace(gone)
}

// expel retires h when the pool is closed, when h is out of date or too old, or when
// it has a fault, and reports whether it did. The lock is held.
func (p *Pool[C]) expel(h *Handle[C], fault error) (departure, bool) {
	switch {
	case p.state == ended:
		return p.retire(h, event.ClosePoolClosed, nil), true
	case p.stale(h) && (fault == nil || h.Interrupted() != nil):
		return p.retire(h, event.CloseStale, nil), true
	case fault != nil: // the pool may have been cleared for it
		return p.retire(h, event.CloseError, fault), true
	case p.aged(h, h.idleSince):
		return p.retire(h, event.CloseStale, p.tooOld()), true
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
	for _, h := range p.idle[:n] {
		gone = append(gone, p.retire(h, event.CloseIdle, nil))
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
