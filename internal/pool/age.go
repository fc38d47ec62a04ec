package pool

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mgxdb/mgx/event"
)

// limitAge says until when the new connection l may be used. The lock is held.
func (p *Pool[C]) limitAge(l *Lease[C]) {
	limit := p.opts.MaxAge
	if limit <= 0 {
		return
	}
	l.expires = l.idleSince + limit - rand.N(limit/10+1)
	p.ageTimer.startEarlier(l.expires - l.idleSince)
}

// aged reports whether l is too old to be used.
func (p *Pool[C]) aged(l *Lease[C], now time.Duration) bool {
	return l.expires > 0 && now >= l.expires
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
	for _, l := range p.idle {
		if p.aged(l, now) {
			gone = append(gone, p.retire(l, event.CloseStale, p.tooOld()))
		} else {
			kept = append(kept, l)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	next := time.Duration(0)
	for _, l := range p.all {
		if l.expires > now && (next == 0 || l.expires < next) {
			next = l.expires
		}
	}
	if next > 0 {
		p.ageTimer.start(next - now)
	}
	p.mu.Unlock()
	p.replace(gone...)
}
