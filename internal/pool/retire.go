package pool

import (
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// retire takes l out of the pool for good and closes it in the background. The
// lock is held; after it, the caller calls replace, to deliver the event and to
// fill the room that was made.
func (p *Pool[C]) retire(l *Lease[C], reason event.CloseReason, err error) departure {
	if l.status == dialing {
		p.dialing--
	}
	l.status = closed
	last := len(p.all) - 1
	p.all[l.index] = p.all[last]
	p.all[l.index].index = l.index
	p.all[last] = nil
	p.all = p.all[:last]
	p.leaveService(l)
	if l.cancel != nil {
		l.cancel()
	}
	if l.live { // else the goroutine that dials closes what it gets
		p.closeConn(l.conn)
	}
	return departure{id: l.id, reason: reason, err: err}
}

// retireParked takes a connection from its holder, who does nothing with it. The lock
// is held.
func (p *Pool[C]) retireParked(l *Lease[C], reason event.CloseReason) departure {
	l.out.Store(false)
	l.SetPurpose(ForOperation)
	gone := p.retire(l, reason, nil)
	gone.parked = true
	return gone
}

// replace tells of connections that were retired, and begins others for those
// who wait for one.
func (p *Pool[C]) replace(gone ...departure) {
	p.emitClosed(gone...)
	p.mu.Lock()
	p.dispatch()
	p.mu.Unlock()
}

// closeConn closes a socket, which may take time: TLS says goodbye.
func (p *Pool[C]) closeConn(conn C) {
	p.spawn(func() { _ = conn.Close() })
}

// retireWhere retires the connections that match and that nobody uses. Those
// that wait for a late reply are told to give up, and retired after that. The
// lock is held.
func (p *Pool[C]) retireWhere(match func(*Lease[C]) bool, reason event.CloseReason) []departure {
	kept := p.idle[:0]
	for _, l := range p.idle {
		if !match(l) {
			kept = append(kept, l)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept

	var gone []departure
	for i := len(p.all) - 1; i >= 0; i-- {
		// retire moves the last into the place of l: seen already.
		switch l := p.all[i]; l.status {
		case idle, dialing:
			if match(l) {
				gone = append(gone, p.retire(l, reason, nil))
			}
		case draining:
			if match(l) {
				l.cancel()
			}
		case parked:
			if p.state == ended {
				gone = append(gone, p.retireParked(l, reason))
			}
		}
	}
	return gone
}

// interruptWhere cuts off the use of the connections that match; it fails with
// err. The lock is held.
func (p *Pool[C]) interruptWhere(match func(*Lease[C]) bool, err error) {
	for _, l := range p.all {
		if l.status != inUse && l.status != parked || !match(l) || l.interrupted.Load() != nil {
			continue
		}
		l.interrupted.Store(&err)
		p.closeConn(l.conn)
	}
}

// stale reports whether the pool was cleared since l was made. The lock is held.
func (p *Pool[C]) stale(l *Lease[C]) bool {
	return l.generation != p.currentGeneration(l.service) || l.interrupted.Load() != nil
}

// clearedFor is why the pool, or the service of l, was cleared last. The lock is
// held.
func (p *Pool[C]) clearedFor(l *Lease[C]) error {
	if s := p.services[l.service]; s != nil {
		return s.cause
	}
	return p.cause
}

// joinService counts l as a connection to a service. The lock is held.
func (p *Pool[C]) joinService(l *Lease[C], id bson.ObjectID) {
	if id.IsZero() || l.status == closed {
		return
	}
	p.leaveService(l)
	s := p.services[id]
	if s == nil {
		s = new(service)
		if p.services == nil {
			p.services = make(map[bson.ObjectID]*service)
		}
		p.services[id] = s
	}
	s.connections++
	l.service, l.generation = id, s.generation
}

// leaveService undoes joinService. l keeps its service, so that errors can
// still be told apart. The lock is held.
func (p *Pool[C]) leaveService(l *Lease[C]) {
	s := p.services[l.service]
	if s == nil {
		return
	}
	if s.connections--; s.connections == 0 {
		delete(p.services, l.service)
	}
}

// countPurpose keeps the figures of [Usage].
func (p *Pool[C]) countPurpose(purpose Purpose, by int64) {
	switch purpose {
	case ForCursor:
		p.cursors.Add(by)
	case ForTransaction:
		p.transactions.Add(by)
	case ForRequest:
		p.requests.Add(by)
	}
}
