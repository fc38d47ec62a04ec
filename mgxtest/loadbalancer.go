package mgxtest

import (
	"net"
	"sync"
)

// NewLoadBalanced is LoadBalanced outside of tests. The caller must call
// Close.
func NewLoadBalanced(opts ...Option) (*Deployment, error) {
	d, err := NewSharded(opts...)
	if err != nil {
		return nil, err
	}
	ln, err := listen()
	if err != nil {
		d.Close()
		return nil, err
	}
	d.lb = &balancer{ln: ln, routers: d.routers}
	d.lb.wg.Go(d.lb.accept)
	d.uri = "mongodb://" + ln.Addr().String() + "/?loadBalanced=true"
	return d, nil
}

// balancer hands connections to the routers in turn.
type balancer struct {
	ln      net.Listener
	routers []*Member
	next    int
	wg      sync.WaitGroup
}

func (b *balancer) accept() {
	for {
		nc, err := b.ln.Accept()
		if err != nil {
			return
		}
		m := b.pick()
		if m == nil {
			nc.Close()
			continue
		}
		m.adopt(nc, func(c *conn) { c.balanced = true })
	}
}

// pick returns the next router that is up.
func (b *balancer) pick() *Member {
	for range b.routers {
		m := b.routers[b.next%len(b.routers)]
		b.next++
		if m.Up() {
			return m
		}
	}
	return nil
}

func (b *balancer) close() {
	b.ln.Close()
	b.wg.Wait()
}
