package pool

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/event"
)

// drainPatience is how long a late reply may keep a caller waiting who could have
// a new connection.
const drainPatience = 50 * time.Millisecond

var errMadeRoom = errors.New("its reply is outstanding, and an operation waited for a connection")

// drainLater keeps a connection aside until its late reply has come.
func (p *Pool[C]) drainLater(l *Lease[C]) {
	p.mu.Lock()
	if p.draining >= p.opts.MaxDraining {
		p.mu.Unlock()
		p.discard(l, errTooManyDrains)
		return
	}
	if gone, ok := p.expel(l, nil); ok {
		p.mu.Unlock()
		p.replace(gone)
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.opts.DrainTimeout)
	l.status, l.cancel = draining, cancel
	l.drainSince = p.now()
	p.draining++
	p.makeRoom()
	p.spawn(func() {
		defer cancel()
		p.drain(ctx, l)
	})
	p.mu.Unlock()
}

func (p *Pool[C]) drain(ctx context.Context, l *Lease[C]) {
	start := time.Now()
	if p.observed() {
		p.emit(event.ConnectionPendingResponseStarted{Address: p.opts.Address, ConnectionID: l.id})
	}
	err := l.drainer.Drain(ctx)
	if err == nil {
		err = l.fault()
	} else if p.gaveUp(l) {
		err = errMadeRoom
	}
	if p.observed() {
		if err != nil {
			p.emit(event.ConnectionPendingResponseFailed{Address: p.opts.Address, ConnectionID: l.id, Duration: time.Since(start), Err: err})
		} else {
			p.emit(event.ConnectionPendingResponseSucceeded{Address: p.opts.Address, ConnectionID: l.id, Duration: time.Since(start)})
		}
	}
	p.mu.Lock()
	p.draining--
	abandoned := l.abandoned
	l.status, l.cancel, l.abandoned = settling, nil, false
	if abandoned {
		p.abandoned--
	}
	p.mu.Unlock()
	if err != nil {
		p.discard(l, err)
		return
	}
	p.putBack(l)
	if abandoned { // the reply was faster
		p.mu.Lock()
		p.makeRoom()
		p.mu.Unlock()
	}
}

func (p *Pool[C]) gaveUp(l *Lease[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.abandoned
}

// makeRoom has connections closed whose late reply keeps a caller waiting: the pool
// is full, and nothing else is on its way to that caller. Each gets drainPatience
// first, since most replies come soon, and a new connection costs more than that.
// No more are given up at a time than can be established in their place. The lock
// is held.
func (p *Pool[C]) makeRoom() {
	for p.state == ready && p.opts.MaxSize > 0 && len(p.all) >= p.opts.MaxSize && !p.drainTimer.set &&
		p.queue.waiting() > p.abandoned && p.dialing+p.abandoned < p.opts.MaxConnecting {
		l := p.longestDraining()
		if l == nil {
			return
		}
		if left := l.drainSince + drainPatience - p.now(); left > 0 {
			p.drainTimer.start(left)
			return
		}
		l.abandoned = true
		p.abandoned++
		l.cancel() // its goroutine retires it
	}
}

func (p *Pool[C]) longestDraining() (longest *Lease[C]) {
	if p.draining == p.abandoned {
		return nil
	}
	for _, l := range p.all {
		if l.status == draining && !l.abandoned && (longest == nil || l.drainSince < longest.drainSince) {
			longest = l
		}
	}
	return longest
}

// endPatience looks again at the connections that callers wait for.
func (p *Pool[C]) endPatience() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drainTimer.rung() {
		p.makeRoom()
	}
}
