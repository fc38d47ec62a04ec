package cursor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mgxdb/mgx/internal/exec"
)

// home is where an open cursor lives.
type home struct {
	database, collection string
	server               *exec.Server
	// bound is true of a cursor that only its own connection leads to, behind a load
	// balancer.
	bound bool
}

// Registry has the open cursors of a client, by their servers' identifiers. The zero
// value is ready for use.
type Registry struct {
	mu   sync.Mutex
	open map[int64]home
}

func (r *Registry) add(id int64, h home) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[int64]home{}
	}
	r.open[id] = h
}

// Remove drops a cursor from the list.
func (r *Registry) Remove(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, id)
}

// Len is how many cursors are open.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// register keeps the client's list of open cursors.
func (b *Batches) register(before int64) {
	switch {
	case b.id == before:
	case b.id == 0:
		b.Open.Remove(before)
	default:
		b.Open.add(b.id, home{
			database: b.Command.Database, collection: b.Collection, server: b.Binding.Server,
			bound: b.Binding.Lease != nil && b.res.Desc.ServiceID != nil,
		})
	}
}

// take removes cursors, and returns those that were there. It leaves those that are
// bound to a connection.
func (r *Registry) take(ids []int64) (found map[int64]home, bound []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found = map[int64]home{}
	for _, id := range ids {
		switch h, ok := r.open[id]; {
		case ok && h.bound:
			bound = append(bound, id)
		case ok:
			found[id] = h
			delete(r.open, id)
		}
	}
	return found, bound
}

// Kill ends cursors on their servers, with one command for each server and
// collection. It returns the identifiers of those that only their own connections
// lead to: they stay open.
func (r *Registry) Kill(ctx context.Context, run Runner, ids []int64) (bound []int64, err error) {
	type target struct {
		server               *exec.Server
		database, collection string
	}
	groups := map[target][]int64{}
	found, bound := r.take(ids)
	for id, h := range found {
		t := target{h.server, h.database, h.collection}
		groups[t] = append(groups[t], id)
	}
	var errs []error
	for t, ids := range groups {
		slices.SortFunc(ids, cmp.Compare[int64])
		w := word{database: t.database, collection: t.collection, ids: ids}
		errs = append(errs, w.send(ctx, run, &exec.Binding{Server: t.server}))
	}
	return bound, errors.Join(errs...)
}
