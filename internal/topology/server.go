package topology

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
)

// Server is one server of a topology, with its pool and its monitor.
type Server[C pool.Conn] struct {
	topology *Topology[C]
	run      *run
	address  string
	ctx      context.Context // done when the server leaves the topology
	cancel   context.CancelFunc
	wake     chan struct{} // a check is wanted now

	// update makes one step of a change to the description and what becomes of
	// the pool. The monitor waits for it; operations only so long, see Failed.
	update sync.Mutex
	// pool is set before anything can make the server selectable.
	pool *pool.Pool[C]

	mu        sync.Mutex
	state     serverState
	endCheck  context.CancelFunc // of the check that is under way
	dropConn  bool               // the monitor's connection is not to be trusted
	measuring bool               // the goroutine for round trip times was started
	streaming bool               // the monitor streams
	rtt       sdam.RTT
	failures  *failures // to be dealt with by whoever holds update
}

// failures are reports that nobody has dealt with yet.
type failures struct {
	list []sdam.Failure
	done chan struct{} // closed when that has been done
}

type serverState uint8

const (
	serverNew serverState = iota
	serverOpening
	serverOpen
	serverShut
)

// newServer makes a server that does nothing yet.
func (t *Topology[C]) newServer(r *run, address string) *Server[C] {
	s := &Server[C]{topology: t, run: r, address: address, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(r.ctx)
	return s
}

// open makes the pool and starts the monitor, unless the server was shut
// meanwhile. It is called once.
func (s *Server[C]) open() {
	if !s.advance(serverNew, serverOpening) {
		return
	}
	p := s.topology.cfg.NewPool(s.address, s.dialFailed)
	s.mu.Lock()
	s.pool = p
	if s.state == serverShut {
		s.mu.Unlock()
		p.Close()
		return
	}
	s.state = serverOpen
	balanced := s.topology.cfg.Settings.LoadBalanced
	if !balanced {
		s.run.wg.Go(s.monitor)
	}
	s.mu.Unlock()
	if balanced {
		p.Ready()
		s.topology.apply(s, sdam.LoadBalancerServer(s.address))
	}
}

// shut ends the monitor and closes the pool. It may be called more than once.
func (s *Server[C]) shut() {
	s.cancel()
	s.mu.Lock()
	was := s.state
	s.state = serverShut
	s.mu.Unlock()
	if was == serverOpen {
		s.pool.Close()
	}
}

func (s *Server[C]) advance(from, to serverState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != from {
		return false
	}
	s.state = to
	return true
}

// currentPool returns the pool, or nil if there is none yet.
func (s *Server[C]) currentPool() *pool.Pool[C] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pool
}

// Address is the server's: host:port, or the path of a Unix socket.
func (s *Server[C]) Address() string { return s.address }

// Context is done when the server leaves the deployment, and when the topology is
// closed.
func (s *Server[C]) Context() context.Context { return s.ctx }

// Description returns what is known of the server now; nil if it is no longer
// part of the topology.
func (s *Server[C]) Description() *sdam.Server {
	return s.topology.view.Load().description(s)
}

// Pool returns the server's pool. The server must have been selected.
func (s *Server[C]) Pool() *pool.Pool[C] { return s.pool }

// CheckOut lends a connection to the server, see [pool.Pool.CheckOut]. The
// server must have been selected. The topology hears of connections that cannot
// be established by itself.
func (s *Server[C]) CheckOut(ctx context.Context) (*pool.Lease[C], error) {
	h, err := s.pool.CheckOut(ctx)
	if err != nil && s.run.ctx.Err() == nil && errors.Is(err, pool.ErrPoolClosed) {
		// Another server may well do.
		err = &pool.PoolClearedError{Address: s.address, Left: true}
	}
	return h, err
}

// Failed tells the topology what an operation on a connection of this server ran
// into. It marks the server Unknown, clears its pool and has it checked again as
// the specification says; most errors change nothing.
//
// While another goroutine is changing something about the server, that one deals
// with the failure too, and Failed waits for that, so that a retry finds things as
// they are now. It waits only so long: a handler of the pool's events may call it
// in the middle of such a change.
func (s *Server[C]) Failed(f *sdam.Failure) {
	if s.decide(f) == (sdam.Decision{}) {
		return
	}
	s.mu.Lock()
	if s.failures == nil {
		s.failures = &failures{done: make(chan struct{})}
	}
	s.failures.list = append(s.failures.list, *f)
	done := s.failures.done
	s.mu.Unlock()
	s.settle()
	select {
	case <-done:
		return
	default:
	}
	timer := time.NewTimer(settlePatience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// settlePatience is far more than a change takes when no handler holds it up.
const settlePatience = 100 * time.Millisecond

// step makes one step of f, and waits for its turn. Only the monitor may call it.
func (s *Server[C]) step(f func()) {
	s.update.Lock()
	f()
	s.update.Unlock()
	s.settle()
}

// settle deals with reported failures, unless somebody else is at it.
func (s *Server[C]) settle() {
	for s.hasFailures() && s.update.TryLock() {
		s.mu.Lock()
		reported := s.failures
		s.failures = nil
		s.mu.Unlock()
		if reported != nil {
			for i := range reported.list {
				f := &reported.list[i]
				s.enact(s.decide(f), f.Err, serviceOf(f))
			}
			close(reported.done)
		}
		s.update.Unlock()
	}
}

func (s *Server[C]) hasFailures() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures != nil
}

func serviceOf(f *sdam.Failure) (id bson.ObjectID) {
	if f.ServiceID != nil {
		id = *f.ServiceID
	}
	return id
}

func (s *Server[C]) decide(f *sdam.Failure) sdam.Decision {
	v := s.topology.view.Load()
	desc := v.description(s)
	if desc == nil {
		return sdam.Decision{}
	}
	return sdam.OnError(v.topology.Kind, desc, s.pool.Generation(serviceOf(f)), f)
}

// enact does what was decided, as part of a step.
func (s *Server[C]) enact(d sdam.Decision, cause error, service bson.ObjectID) {
	if d.CancelCheck {
		s.cancelCheck()
	}
	if d.Unknown != nil {
		s.topology.apply(s, d.Unknown)
	}
	if d.ClearPool {
		s.pool.Clear(cause, service, d.Interrupt)
	}
	if d.RequestCheck {
		if d.Unknown != nil && d.Unknown.TopologyVersion == nil {
			s.breakStream()
		}
		s.requestCheck()
	}
}

// dialFailed hears of a connection that the pool could not establish.
func (s *Server[C]) dialFailed(d pool.DialFailure) {
	f := s.topology.cfg.Classify(d.Err)
	f.Err, f.Generation, f.HandshakeDone, f.Proven = d.Err, d.Generation, false, d.Established > 0
	if !d.ServiceID.IsZero() {
		f.ServiceID = &d.ServiceID
	}
	s.Failed(&f)
}

// requestCheck asks the monitor for a check as soon as it may; one that is under
// way is enough.
func (s *Server[C]) requestCheck() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// breakStream ends a check that waits for the server's state to change. It is
// due when an error told of a changed state without saying which: the server may
// see nothing new to report, and the specification's "ignore the request, a
// check is under way" would leave the server Unknown for a whole heartbeat.
func (s *Server[C]) breakStream() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streaming && s.endCheck != nil {
		s.endCheck()
	}
}

// cancelCheck ends the check that is under way, and the monitor's connection.
func (s *Server[C]) cancelCheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropConn = true
	if s.endCheck != nil {
		s.endCheck()
	}
}
