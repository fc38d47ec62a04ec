package topology

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

var errCheckCancelled = errors.New("the check was broken off")

// monitor is the state of the goroutine that checks one server.
type monitor[C pool.Conn] struct {
	s    *Server[C]
	conn MonitorConn // nil before the first check and after a failed one
	last *sdam.Server
	// id and serverID number the connection.
	id, serverID int64
}

// outcome is what came of a check.
type outcome struct {
	desc  *sdam.Server
	err   error
	class sdam.FailureClass
	// awaited reports whether the server was asked to wait; took is how long the
	// check lasted.
	awaited bool
	took    time.Duration
}

// monitor checks the server until it is shut.
func (s *Server[C]) monitor() {
	m := &monitor[C]{s: s, last: sdam.DefaultServer(s.address, nil)}
	defer m.disconnect()
	// A check that was broken off is none: the next one may follow at once.
	var ended time.Time
	for s.ctx.Err() == nil {
		ctx, done := s.beginCheck()
		if s.takeDropConn() {
			m.disconnect()
		}
		o := m.check(ctx)
		if o.err != errCheckCancelled {
			ended = time.Now()
		}
		again := m.report(ctx, o)
		done()
		if !again && !s.pause(ended) {
			return
		}
	}
}

// beginCheck returns the context of a check, which cancelCheck ends.
func (s *Server[C]) beginCheck() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	s.endCheck = cancel
	s.mu.Unlock()
	return ctx, func() {
		s.mu.Lock()
		s.endCheck = nil
		s.mu.Unlock()
		cancel()
	}
}

func (s *Server[C]) takeDropConn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	drop := s.dropConn
	s.dropConn = false
	return drop
}

// pause waits until the next check is due, or wanted and allowed. It returns
// false when the server was shut.
func (s *Server[C]) pause(ended time.Time) bool {
	timer := time.NewTimer(s.topology.cfg.HeartbeatInterval - time.Since(ended))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	case <-s.wake:
	}
	timer.Reset(setup.MinHeartbeatInterval - time.Since(ended))
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (m *monitor[C]) disconnect() {
	if m.conn != nil {
		_ = m.conn.Close()
		m.conn, m.serverID = nil, 0
	}
}

// check asks the server once, or waits for what it streams.
func (m *monitor[C]) check(ctx context.Context) (o outcome) {
	t := m.s.topology
	if m.conn == nil {
		m.id = t.lastID.Add(1)
	}
	o.awaited = m.conn != nil && (m.conn.More() || m.canStream())
	if t.observed() {
		t.events.emit(m.s.run, event.ServerHeartbeatStarted{
			Address: m.s.address, TopologyID: m.s.run.id, ConnectionID: m.id, ServerConnectionID: m.serverID, Awaited: o.awaited,
		})
	}
	limit := t.cfg.ConnectTimeout
	if o.awaited && limit > 0 {
		limit += t.cfg.HeartbeatInterval
	}
	limited, cancel := setup.Limit(ctx, limit)
	defer cancel()
	start := time.Now()
	hello, rtt, err := m.ask(limited, o.awaited)
	o.took = time.Since(start)
	if rtt >= 0 {
		o.took = rtt
	}
	if ctx.Err() != nil {
		err = errCheckCancelled
	}
	if err != nil {
		o.err, o.class = err, m.classify(limited, err)
	} else {
		described := *hello.Server // the connection has it, too
		o.desc = &described
		m.describe(o.desc, rtt)
	}
	m.emitOutcome(o, hello.Reply)
	return o
}

// ask gets one hello. rtt is how long the round trip took, below 0 if the
// reply does not tell.
func (m *monitor[C]) ask(ctx context.Context, awaited bool) (hello sdam.Hello, rtt time.Duration, err error) {
	cfg := &m.s.topology.cfg
	switch {
	case m.conn == nil:
		conn, err := cfg.DialMonitor(ctx, m.s.address)
		if err != nil {
			return hello, -1, err
		}
		m.conn = conn
		hello, rtt = conn.Hello()
		return hello, rtt, nil
	case m.conn.More():
		hello, err = m.conn.Next(ctx)
		return hello, -1, err
	case awaited:
		hello, err = m.conn.Check(ctx, m.last.TopologyVersion, cfg.HeartbeatInterval)
		return hello, -1, err
	default:
		start := time.Now()
		hello, err = m.conn.Check(ctx, nil, 0)
		return hello, time.Since(start), err
	}
}

// canStream reports whether the server answers when something changes.
func (m *monitor[C]) canStream() bool {
	return !m.s.topology.cfg.Poll && m.last.TopologyVersion != nil
}

// classify tells what kind of failure ended a check under ctx.
func (m *monitor[C]) classify(ctx context.Context, err error) sdam.FailureClass {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return sdam.TimeoutFailure
	case errors.As(err, new(*fault.Refusal)):
		return sdam.CommandFailure
	default:
		return m.s.topology.cfg.Classify(err).Class
	}
}

// describe completes a description with what the reply does not have.
func (m *monitor[C]) describe(desc *sdam.Server, rtt time.Duration) {
	m.serverID = desc.ConnectionID
	desc.LastUpdate = time.Now()
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if rtt >= 0 {
		m.s.rtt.Add(rtt)
	}
	desc.RTT, desc.MinRTT = m.s.rtt.Average(), m.s.rtt.Min()
}

// report makes the outcome known. It returns true if the next check is due at
// once.
func (m *monitor[C]) report(ctx context.Context, o outcome) bool {
	s := m.s
	if ctx.Err() != nil {
		m.cancelled()
		return false
	}
	// Whoever asked for a check until now gets its outcome.
	select {
	case <-s.wake:
	default:
	}
	previous := m.last
	var again bool
	if o.err != nil {
		again = m.fail(ctx, previous, o)
	} else {
		again = m.succeed(ctx, previous, o)
	}
	if ctx.Err() != nil {
		m.cancelled()
		return false
	}
	return again
}

// cancelled leaves the monitor as after a failed check.
func (m *monitor[C]) cancelled() {
	m.disconnect()
	m.reset(sdam.DefaultServer(m.s.address, errCheckCancelled))
}

func (m *monitor[C]) reset(last *sdam.Server) {
	m.last = last
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.rtt.Reset()
	m.s.streaming = false
}

func (m *monitor[C]) fail(ctx context.Context, previous *sdam.Server, o outcome) bool {
	m.disconnect()
	d := sdam.OnCheckFailure(previous, o.err, o.class)
	m.reset(d.Unknown)
	again := d.RequestCheck
	d.RequestCheck = false

	m.s.step(func() {
		if ctx.Err() == nil {
			m.s.enact(d, o.err, noService)
		}
	})
	return again
}

func (m *monitor[C]) succeed(ctx context.Context, previous *sdam.Server, o outcome) bool {
	m.last = o.desc
	streams := m.canStream() || m.conn.More()
	if streams {
		m.s.startMeasuring()
	}
	m.s.mu.Lock()
	m.s.streaming = streams
	m.s.mu.Unlock()

	m.s.step(func() {
		if ctx.Err() == nil {
			m.s.known(o.desc)
		}
	})
	if !streams {
		return false
	}
	// A server that answers at once although nothing changed would make the
	// monitor spin.
	if o.awaited && o.took < setup.MinHeartbeatInterval && o.desc.TopologyVersion != nil &&
		previous.TopologyVersion.Compare(o.desc.TopologyVersion) == 0 {
		return m.s.rest(setup.MinHeartbeatInterval - o.took)
	}
	return true
}

// rest waits for a while. It returns false when the server was shut.
func (s *Server[C]) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
	return s.ctx.Err() == nil
}

// known publishes what a successful check told, as part of a step.
func (s *Server[C]) known(desc *sdam.Server) {
	// The pool works before the server can be selected.
	n := s.topology.Description().Apply(desc)
	if d := n.Server(s.address); d != nil && (d.DataBearing() || n.Kind == sdam.Single && d.Kind.Available()) {
		s.pool.Ready()
	}
	s.topology.apply(s, desc)
}
