package pool

import (
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// retire takes h out of the pool for good and closes it in the background. The
// lock is held; after it, the caller calls replace, to deliver the event and to
// fill the room that was made.
func (p *Pool[C]) retire(h *Handle[C], reason event.CloseReason, err error) departure {
	if h.status == dialing {
		p.dialing--
	}
	h.status = closed
	last := len(p.all) - 1
	p.all[h.index] = p.all[last]
	p.all[h.index].index = h.index
	p.all[last] = nil
	p.all = p.all[:last]
	p.leaveService(h)
	if h.cancel != nil {
		h.cancel()
	}
	if h.live { // else the goroutine that dials closes what it gets
		p.closeConn(h.conn)
	}
	return departure{id: h.id, reason: reason, err: err}
}

// retireParked takes a connection from its holder, who does nothing with it. The lock
// is held.
func (p *Pool[C]) retireParked(h *Handle[C], reason event.CloseReason) departure {
	h.out.Store(false)
	h.SetPurpose(ForOperation)
	gone := p.retire(h, reason, nil)
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
func (p *Pool[C]) retireWhere(match func(*Handle[C]) bool, reason event.CloseReason) []departure {
	kept := p.idle[:0]
	for _, h := range p.idle {
		if !match(h) {
			kept = append(kept, h)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept

	var gone []departure
	for i := len(p.all) - 1; i >= 0; i-- {
		// retire moves the last into the place of h: seen already.
		switch h := p.all[i]; h.status {
		case idle, dialing:
			if match(h) {
				gone = append(gone, p.retire(h, reason, nil))
			}
		case draining:
			if match(h) {
				h.cancel()
			}
		case parked:
			if p.state == ended {
				gone = append(gone, p.retireParked(h, reason))
			}
		}
	}
	return gone
}

// interruptWhere cuts off the use of the connections that match; it fails with
// err. The lock is held.
func (p *Pool[C]) interruptWhere(match func(*Handle[C]) bool, err error) {
	for _, h := range p.all {
		if h.status != inUse && h.status != parked || !match(h) || h.interrupted.Load() != nil {
			continue
		}
		h.interrupted.Store(&err)
		p.closeConn(h.conn)
	}
}

// stale reports whether the pool was cleared since h was made. The lock is held.
func (p *Pool[C]) stale(h *Handle[C]) bool {
	return h.generation != p.currentGeneration(h.service) || h.interrupted.Load() != nil
}

// clearedFor is why the pool, or the service of h, was cleared last. The lock is
// held.
func (p *Pool[C]) clearedFor(h *Handle[C]) error {
	if s := p.services[h.service]; s != nil {
		return s.cause
	}
	return p.cause
}

// joinService counts h as a connection to a service. The lock is held.
func (p *Pool[C]) joinService(h *Handle[C], id bson.ObjectID) {
	if id.IsZero() || h.status == closed {
		return
	}
	p.leaveService(h)
	s := p.services[id]
	if s == nil {
		s = new(service)
		if p.services == nil {
			p.services = make(map[bson.ObjectID]*service)
		}
		p.services[id] = s
	}
	s.connections++
	h.service, h.generation = id, s.generation
}

// leaveService undoes joinService. h keeps its service, so that errors can
// still be told apart. The lock is held.
func (p *Pool[C]) leaveService(h *Handle[C]) {
	s := p.services[h.service]
	if s == nil {
		return
	}
	if s.connections--; s.connections == 0 {
		delete(p.services, h.service)
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
