package pool

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mgxdb/mgx/event"
)

// limitAge says until when the new connection h may be used. The lock is held.
func (p *Pool[C]) limitAge(h *Handle[C]) {
	limit := p.opts.MaxAge
	if limit <= 0 {
		return
	}
	h.expires = h.idleSince + limit - rand.N(limit/10+1)
	// The alarm rings when the oldest one has its full age at the latest, and those
	// that are younger have less to go than that when it rings.
	p.ageTimer.start(h.expires - h.idleSince)
}

// aged reports whether h is too old to be used.
func (p *Pool[C]) aged(h *Handle[C], now time.Duration) bool {
	return h.expires > 0 && now >= h.expires
}

// tooOld is why a connection was closed that was not too old before.
func (p *Pool[C]) tooOld() error {
	return fmt.Errorf("it has reached MaxConnectionAge (%v)", p.opts.MaxAge)
}

// retireAged closes the idle connections that are too old. Those in use are seen to
// when they come back.
func (p *Pool[C]) retireAged() {
	p.mu.Lock()
	if !p.ageTimer.rung() {
		p.mu.Unlock()
		return
	}
	now := p.now()
	var gone []departure
	kept := p.idle[:0]
	for _, h := range p.idle {
		if p.aged(h, now) {
			gone = append(gone, p.retire(h, event.CloseStale, p.tooOld()))
		} else {
			kept = append(kept, h)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	next := time.Duration(0)
	for _, h := range p.all {
		if h.expires > now && (next == 0 || h.expires < next) {
			next = h.expires
		}
	}
	if next > 0 {
		p.ageTimer.start(next - now)
	}
	p.mu.Unlock()
	p.replace(gone...)
}
