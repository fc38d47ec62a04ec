package mgxtest

import (
	"net"
	"sync"
	"time"
)

// gatekeeper bounds the rate of new connections, as the server parameters
// ingressConnectionEstablishment… say: connections beyond it wait in a queue, and
// those beyond the queue are closed.
type gatekeeper struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
	queued int
}

// reserve returns how long a new connection has to wait, and whether there is room
// for it to.
func (g *gatekeeper) reserve(p *parameters, now time.Time) (time.Duration, bool) {
	rate := p.number("ingressConnectionEstablishmentRatePerSec")
	burst := max(rate*p.number("ingressConnectionEstablishmentBurstCapacitySecs"), 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at.IsZero() {
		g.tokens = burst
	} else {
		g.tokens = min(burst, g.tokens+now.Sub(g.at).Seconds()*rate)
	}
	g.at = now
	if g.tokens >= 1 {
		g.tokens--
		return 0, true
	}
	if g.queued >= int(p.number("ingressConnectionEstablishmentMaxQueueDepth")) {
		return 0, false
	}
	g.queued++
	wait := time.Duration((1 - g.tokens) / rate * float64(time.Second))
	g.tokens--
	return wait, true
}

func (g *gatekeeper) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queued--
}

// admit serves a new connection, now or when its turn comes.
func (m *Member) admit(nc net.Conn) {
	if p, _ := m.params.get("ingressConnectionEstablishmentRateLimiterEnabled"); p.value != true {
		m.adopt(nc, nil)
		return
	}
	wait, ok := m.gatekeeper.reserve(&m.params, time.Now())
	switch {
	case !ok:
		nc.Close()
	case wait == 0:
		m.adopt(nc, nil)
	default:
		m.wg.Go(func() {
			defer m.gatekeeper.left()
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
				m.adopt(nc, nil)
			case <-m.dep.done:
				nc.Close()
			}
		})
	}
}
