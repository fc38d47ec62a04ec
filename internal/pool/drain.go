package pool

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/event"
)

// drainLater keeps a connection aside until its late reply has come.
func (p *Pool[C]) drainLater(h *Handle[C]) {
	p.mu.Lock()
	if p.draining >= p.opts.MaxDraining {
		p.mu.Unlock()
		p.discard(h, errTooManyDrains)
		return
	}
	if gone, ok := p.expel(h, nil); ok {
		p.mu.Unlock()
		p.replace(gone)
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.opts.DrainTimeout)
	h.status, h.cancel = draining, cancel
	p.draining++
	p.spawn(func() {
		defer cancel()
		p.drain(ctx, h)
	})
	p.mu.Unlock()
}

func (p *Pool[C]) drain(ctx context.Context, h *Handle[C]) {
	start := time.Now()
	if p.observed() {
		p.emit(event.ConnectionPendingResponseStarted{Address: p.opts.Address, ConnectionID: h.id})
	}
	err := h.drainer.Drain(ctx)
	if err == nil {
		err = h.fault()
	}

	if p.observed() {
		if err != nil {
			p.emit(event.ConnectionPendingResponseFailed{Address: p.opts.Address, ConnectionID: h.id, Duration: time.Since(start), Err: err})
		} else {
			p.emit(event.ConnectionPendingResponseSucceeded{Address: p.opts.Address, ConnectionID: h.id, Duration: time.Since(start)})
		}
	}
	p.mu.Lock()
	p.draining--
	h.status, h.cancel = settling, nil
	p.mu.Unlock()
	if err != nil {
		p.discard(h, err)
	} else {
		p.putBack(h)
	}
}
