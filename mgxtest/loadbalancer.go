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
	for _, routers := range [][]*Member{d.routers, d.routers[:1]} {
		ln, err := d.listen()
		if err != nil {
			d.Close()
			return nil, err
		}
		b := &balancer{ln: ln, routers: routers}
		d.balancers = append(d.balancers, b)
		b.wg.Go(b.accept)
	}
	d.hosts, d.options = []string{d.balancers[0].addr()}, balancedOption
	return d, nil
}

// RouterURI returns a connection string for the same data through one router
// alone: its own address, or that of a load balancer which has no other. It is
// empty where there are no routers.
func (d *Deployment) RouterURI() string {
	switch {
	case len(d.balancers) > 0:
		return d.link(d.login(), []string{d.balancers[1].addr()}, balancedOption)
	case len(d.routers) > 0:
		return d.link(d.login(), []string{d.routers[0].host}, "")
	}
	return ""
}

// balancedOption tells drivers that they talk to a load balancer.
const balancedOption = "loadBalanced=true"

func (b *balancer) addr() string { return b.ln.Addr().String() }

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
