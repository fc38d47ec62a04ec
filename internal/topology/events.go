package topology

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/sdam"
)

var noService bson.ObjectID

// maxQueued bounds the events that wait for a handler which blocks. The ones
// that come then are lost.
const maxQueued = 10_000

// eventQueue delivers events one at a time and in order, on a goroutine of its
// own that lives as long as there are any: a handler that blocks holds up nothing
// but the events after it.
type eventQueue struct {
	handle func(event.TopologyEvent)

	mu         sync.Mutex
	waiting    []event.TopologyEvent
	delivering chan struct{} // closed when that goroutine ends; nil: there is none
	lost       int
}

// add puts an event in the queue, unless the run's last one is in it.
func (q *eventQueue) add(r *run, e event.TopologyEvent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case r.sealed:
	case len(q.waiting) >= maxQueued:
		q.lost++
	default:
		q.waiting = append(q.waiting, e)
	}
}

// emit is add and deliver.
func (q *eventQueue) emit(r *run, e event.TopologyEvent) {
	q.add(r, e)
	q.deliver()
}

// deliver has the handler called for all events.
func (q *eventQueue) deliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.handle == nil || q.delivering != nil || len(q.waiting) == 0 {
		return
	}
	q.delivering = make(chan struct{})
	go q.run(q.delivering)
}

func (q *eventQueue) run(ended chan struct{}) {
	defer close(ended)
	finished := false
	defer func() {
		if !finished { // a handler ended its goroutine; another one goes on
			q.mu.Lock()
			q.delivering = nil
			q.mu.Unlock()
			q.deliver()
		}
	}()
	for {
		e, lost := q.next()
		if lost > 0 {
			slog.Error("mgx: topology events were lost because their handler is too slow", "count", lost)
		}
		if e == nil {
			finished = true
			return
		}
		q.call(e)
	}
}

// flush waits until all events are delivered, as long as ctx allows. A handler
// that does not return is not waited for long.
func (q *eventQueue) flush(ctx context.Context) {
	grace := time.NewTimer(interruptGrace)
	defer grace.Stop()
	for {
		q.mu.Lock()
		delivering := q.delivering
		q.mu.Unlock()
		if delivering == nil {
			return
		}
		select {
		case <-delivering:
		case <-ctx.Done():
			return
		case <-grace.C:
			return
		}
	}
}

// next takes the next event out. When there is none the delivery has ended.
func (q *eventQueue) next() (e event.TopologyEvent, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost, q.lost = q.lost, 0
	if len(q.waiting) == 0 {
		q.waiting, q.delivering = nil, nil
		return nil, lost
	}
	e = q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return e, lost
}

func (q *eventQueue) call(e event.TopologyEvent) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("mgx: a handler of topology events panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	q.handle(e)
}

// handler returns who is told of events; nil if nobody is.
func (t *Topology[C]) handler() func(event.TopologyEvent) {
	user, log := t.cfg.Events, t.cfg.Log
	switch {
	case log == nil:
		return user
	case user == nil:
		return log.Topology
	default:
		return func(e event.TopologyEvent) {
			log.Topology(e)
			user(e)
		}
	}
}

// observed reports whether anybody wants events. They are made only then.
func (t *Topology[C]) observed() bool {
	return t.cfg.Events != nil || t.cfg.Log.Debug()
}

// queueDifference queues the events of a change, in the specification's order.
func (t *Topology[C]) queueDifference(r *run, old, new *sdam.Topology, diff sdam.Difference) {
	if !t.observed() || !diff.Topology {
		return
	}
	changed := event.TopologyDescriptionChanged{TopologyID: r.id, Previous: DescribeTopology(old), New: DescribeTopology(new)}
	initial := len(old.Servers) == 0 && len(diff.Opened) == len(new.Servers)
	if initial {
		t.events.add(r, changed)
	}
	for _, c := range diff.Changed {
		t.events.add(r, event.ServerDescriptionChanged{
			Address: c.New.Address, TopologyID: r.id, Previous: describeServer(c.Previous), New: describeServer(c.New),
		})
	}
	for _, s := range diff.Opened {
		t.events.add(r, event.ServerOpening{Address: s.Address, TopologyID: r.id})
	}
	for _, s := range diff.Closed {
		t.events.add(r, event.ServerClosed{Address: s.Address, TopologyID: r.id})
	}
	if !initial {
		t.events.add(r, changed)
	}
}

// queueClosed queues the last events of a run.
func (t *Topology[C]) queueClosed(r *run, last *sdam.Topology) {
	if t.observed() {
		for _, s := range last.Servers {
			t.events.add(r, event.ServerClosed{Address: s.Address, TopologyID: r.id})
		}
		t.events.add(r, event.TopologyDescriptionChanged{
			TopologyID: r.id, Previous: DescribeTopology(last), New: DescribeTopology(last.Closed()),
		})
		t.events.add(r, event.TopologyClosed{TopologyID: r.id})
	}
	t.events.mu.Lock()
	r.sealed = true
	t.events.mu.Unlock()
}

// emitOutcome tells of a check's end.
func (m *monitor[C]) emitOutcome(o outcome, reply []byte) {
	t, r := m.s.topology, m.s.run
	if !t.observed() {
		return
	}
	if o.err != nil {
		t.events.emit(r, event.ServerHeartbeatFailed{
			Address: m.s.address, TopologyID: r.id, ConnectionID: m.id, ServerConnectionID: m.serverID,
			Awaited: o.awaited, Duration: o.took, Err: o.err,
		})
		return
	}
	t.events.emit(r, event.ServerHeartbeatSucceeded{
		Address: m.s.address, TopologyID: r.id, ConnectionID: m.id, ServerConnectionID: m.serverID,
		Awaited: o.awaited, Duration: o.took, Reply: reply,
	})
}

func describeServer(s *sdam.Server) event.ServerDescription {
	return event.ServerDescription{
		Address: s.Address, Kind: s.Kind.String(), Err: s.Err,
		RTT: s.RTT, MinRTT: s.MinRTT, MinWireVersion: s.MinWireVersion, MaxWireVersion: s.MaxWireVersion,
		CanonicalAddress: s.CanonicalAddress, Hosts: s.Hosts, Passives: s.Passives, Arbiters: s.Arbiters,
		Primary: s.Primary, Tags: s.Tags, SetName: s.SetName, SetVersion: s.SetVersion, ElectionID: s.ElectionID,
		LastWrite: s.LastWrite, LastUpdate: s.LastUpdate, SessionTimeoutMinutes: s.SessionTimeoutMinutes,
	}
}

// DescribeTopology is what users are shown of the deployment.
func DescribeTopology(t *sdam.Topology) event.TopologyDescription {
	d := event.TopologyDescription{
		Kind: t.Kind.String(), SetName: t.SetName, MaxElectionID: t.MaxElectionID, MaxSetVersion: t.MaxSetVersion,
		SessionTimeoutMinutes: t.SessionTimeoutMinutes, CompatibilityError: t.Incompatible,
		Servers: make([]event.ServerDescription, 0, len(t.Servers)),
	}
	for _, s := range t.Servers {
		d.Servers = append(d.Servers, describeServer(s))
	}
	return d
}
