package topology

import (
	"slices"

	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
)

// view is a topology as operations see it. It never changes; the next one
// replaces it.
type view[C pool.Conn] struct {
	topology *sdam.Topology
	// servers run topology.Servers, in the same order.
	servers []*Server[C]
	// changed is closed when the next view is there.
	changed chan struct{}
	closed  bool
}

func newView[C pool.Conn](topology *sdam.Topology, servers []*Server[C]) *view[C] {
	return &view[C]{topology: topology, servers: servers, changed: make(chan struct{})}
}

// server returns who runs the described server.
func (v *view[C]) server(desc *sdam.Server) *Server[C] {
	for i, d := range v.topology.Servers {
		if d == desc {
			return v.servers[i]
		}
	}
	return nil
}

// description returns what is known of s; nil if it is no longer part of the
// topology.
func (v *view[C]) description(s *Server[C]) *sdam.Server {
	if i := slices.Index(v.servers, s); i >= 0 {
		return v.topology.Servers[i]
	}
	return nil
}

// checkedIn reports whether every server of a later view has answered a check, or
// failed one since v.
func (v *view[C]) checkedIn(later *view[C]) bool {
	for _, d := range later.topology.Servers {
		if !d.Kind.Available() && (d.Err == nil || d == v.topology.Server(d.Address)) {
			return false
		}
	}
	return true
}

// consequences are what is left to do after a view was replaced, without the
// topology's lock.
type consequences[C pool.Conn] struct {
	opened, closed, recheck []*Server[C]
}

// publish replaces the view by one of topology. cause is the server whose check
// led to it, or nil. The lock is held.
func (t *Topology[C]) publish(r *run, topology *sdam.Topology, cause *Server[C]) consequences[C] {
	return t.replace(r, t.view.Load(), topology, cause)
}

// replace is publish after a view that may be none of those published.
func (t *Topology[C]) replace(r *run, old *view[C], topology *sdam.Topology, cause *Server[C]) (todo consequences[C]) {
	servers := make([]*Server[C], len(topology.Servers))
	for i, d := range topology.Servers {
		if j := slices.IndexFunc(old.servers, func(s *Server[C]) bool { return s.address == d.Address }); j >= 0 {
			servers[i] = old.servers[j]
			continue
		}
		servers[i] = t.newServer(r, d.Address)
		todo.opened = append(todo.opened, servers[i])
	}
	diff := topology.Compare(old.topology)
	for _, s := range old.servers {
		if !slices.Contains(servers, s) {
			todo.closed = append(todo.closed, s)
			t.retire(s)
		}
	}
	next := newView(topology, servers)
	for _, c := range diff.Changed {
		if c.New.Kind.Available() {
			t.met.Store(true)
		}
		// Another server's word made this one Unknown: see what it says itself.
		if s := next.server(c.New); s != cause && !c.New.Kind.Available() {
			todo.recheck = append(todo.recheck, s)
		}
	}
	t.queueDifference(r, old.topology, topology, diff)
	t.view.Store(next)
	close(old.changed)
	return todo
}

// conclude does what publish left. The lock is not held.
func (t *Topology[C]) conclude(todo consequences[C]) {
	t.events.deliver()
	for _, s := range todo.closed {
		s.shut()
	}
	for _, s := range todo.opened {
		s.open()
	}
	for _, s := range todo.recheck {
		s.requestCheck()
	}
}

// apply takes the outcome of a check of s, or of an error that is as good as
// one.
func (t *Topology[C]) apply(s *Server[C], desc *sdam.Server) {
	t.mu.Lock()
	v := t.view.Load()
	if v.closed || v.description(s) == nil {
		t.mu.Unlock()
		return
	}
	todo := t.publish(s.run, v.topology.Apply(desc), s)
	t.mu.Unlock()
	t.conclude(todo)
}
