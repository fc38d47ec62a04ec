package pool

import "github.com/mgxdb/mgx/bson"

// Stats is what a pool was doing at one moment.
type Stats struct {
	Total      int    // connections in whichever state
	InUse      int    // lent, or on the way back
	Idle       int    // free
	Pending    int    // being established
	Draining   int    // waiting for a late reply
	Waiting    int    // callers that wait
	Generation uint64 // of the pool
}

// Stats tells what the pool is doing.
func (p *Pool[C]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Total:      len(p.all),
		InUse:      len(p.all) - len(p.idle) - p.dialing - p.draining,
		Idle:       len(p.idle),
		Pending:    p.dialing,
		Draining:   p.draining,
		Waiting:    p.queue.length,
		Generation: p.generation,
	}
}

// Stale reports whether something that happened to a connection of the given
// generation, and service behind a load balancer if any, is old news: the pool
// was cleared since the connection was made.
func (p *Pool[C]) Stale(generation uint64, serviceID bson.ObjectID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return generation < p.currentGeneration(serviceID)
}
