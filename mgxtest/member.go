package mgxtest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Member is one server of a deployment: a mongod or a mongos.
type Member struct {
	dep     *Deployment
	name    string
	host    string
	backend backend
	fails   failPoints
	params  parameters
	// gatekeeper bounds new connections where a parameter says so.
	gatekeeper gatekeeper
	topo       topologyVersion

	mu        sync.Mutex
	ln        net.Listener
	up        bool
	conns     map[*conn]struct{}
	gate      chan struct{}
	delay     time.Duration
	delayOnly map[string]bool
	processID bson.ObjectID
	nextConn  int64
	stats     Stats
	wg        sync.WaitGroup
}

// backend is what tells a mongod from a mongos.
type backend interface {
	run(r *request) (bson.D, error)
	hello(r *request) (bson.D, error)
	gossip(t timestamp)
	// died and born are called when the process ends and starts.
	died()
	born()
}

// Stats counts what a member has seen since it was made. Restarts do not reset
// it.
type Stats struct {
	// Opened is the number of connections accepted so far, Open of those that
	// are open now.
	Opened, Open int
	// MaxOpen is the largest number of connections open at once.
	MaxOpen int
	// Commands counts commands by name.
	Commands map[string]int
}

// Addr returns the host and port that the member listens on.
func (m *Member) Addr() string { return m.host }

// String returns a name for messages: the role in the deployment and the
// address.
func (m *Member) String() string { return m.name + " " + m.host }

// URI returns a connection string for this member alone. With the option Users it
// logs in the first of them.
func (m *Member) URI() string {
	return m.dep.link(m.dep.login(), []string{m.host}, "directConnection=true")
}

// Up reports whether the member's process runs.
func (m *Member) Up() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.up
}

// Stats returns the counters.
func (m *Member) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Open = len(m.conns)
	s.Commands = maps.Clone(m.stats.Commands)
	return s
}

// Delay makes every reply take d longer; with command names, only replies to
// those. 0 ends it.
func (m *Member) Delay(d time.Duration, commands ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay, m.delayOnly = d, nil
	for _, c := range commands {
		if m.delayOnly == nil {
			m.delayOnly = map[string]bool{}
		}
		m.delayOnly[c] = true
	}
}

func (m *Member) delayOf(command string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.delayOnly != nil && !m.delayOnly[command] {
		return 0
	}
	return m.delay
}

// Freeze makes the member silent, as behind a network that drops packets:
// connections are accepted, nothing is answered. Thaw ends it.
func (m *Member) Freeze() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gate == nil {
		m.gate = make(chan struct{})
	}
}

// Thaw lets a frozen member answer again, also what it was asked meanwhile.
func (m *Member) Thaw() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gate != nil {
		close(m.gate)
		m.gate = nil
	}
}

// passGate waits while the member is frozen.
func (m *Member) passGate(ctx context.Context) error {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// CloseConnections closes all connections of clients. The member stays up.
func (m *Member) CloseConnections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		c.cancel(errHangUp)
		c.nc.Close()
	}
}

// Kill ends the member's process without a word: connections break, and
// cursors and open transactions are gone. What it stored stays, as on a disk.
func (m *Member) Kill() {
	m.mu.Lock()
	if !m.up {
		m.mu.Unlock()
		return
	}
	m.up = false
	m.mu.Unlock()
	m.backend.died()
	m.refuseConnections()
	m.CloseConnections()
	m.fails.clear()
}

// refuseConnections ends listening; those that are open go on.
func (m *Member) refuseConnections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ln != nil {
		m.ln.Close()
		m.ln = nil
	}
}

// Restart starts a killed member again, on the same address, as a new process.
func (m *Member) Restart() error {
	if m.Up() || m.dep.isClosed() {
		return nil
	}
	var ln net.Listener
	var err error
	// Connections that a client is just closing may hold the port for a moment.
	for range 50 {
		if ln, err = net.Listen("tcp", m.host); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return errorf("restart %s: %w", m, err)
	}
	m.start(ln)
	m.backend.born()
	return nil
}

// start begins to accept connections.
func (m *Member) start(ln net.Listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ln, m.up, m.processID = ln, true, bson.NewObjectID()
	m.topo.reset()
	m.params.reset(m.dep.startParameters())
	m.wg.Go(func() { m.accept(ln) })
}

func (m *Member) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		m.admit(nc)
	}
}

// adopt serves a connection that was accepted for this member, by itself or by
// a load balancer.
func (m *Member) adopt(nc net.Conn, prepare func(*conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.up {
		nc.Close()
		return
	}
	m.nextConn++
	c := &conn{m: m, id: m.nextConn, nc: nc}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	if prepare != nil {
		prepare(c)
	}
	m.conns[c] = struct{}{}
	m.stats.Opened++
	m.stats.MaxOpen = max(m.stats.MaxOpen, len(m.conns))
	m.wg.Go(c.serve)
}

func (m *Member) forget(c *conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, c)
}

func (m *Member) process() bson.ObjectID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.processID
}

// listen takes the next of the fixed ports, or finds one below the range that
// outgoing connections use, so that no client connection ever takes the port of a
// member that is down.
func (d *Deployment) listen() (net.Listener, error) {
	if d.cfg.firstPort > 0 {
		port := d.cfg.firstPort + d.listening
		d.listening++
		ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return nil, errorf("port %d: %w", port, err)
		}
		return ln, nil
	}
	var err error
	for range 200 {
		port := 12000 + rand.IntN(20000)
		var ln net.Listener
		if ln, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return ln, nil
		}
	}
	return nil, errorf("no free port: %w", err)
}

func (d *Deployment) newMember(name string) (*Member, net.Listener, error) {
	ln, err := d.listen()
	if err != nil {
		return nil, nil, err
	}
	m := &Member{
		dep:   d,
		name:  name,
		host:  ln.Addr().String(),
		conns: map[*conn]struct{}{},
		stats: Stats{Commands: map[string]int{}},
	}
	m.topo.reset()
	return m, ln, nil
}

// answer runs one request and makes its reply. An error means that the
// connection ends without one.
func (m *Member) answer(r *request) (bson.D, error) {
	started := time.Now()
	parsed := r.parse()
	m.mu.Lock()
	m.stats.Commands[r.name]++
	m.mu.Unlock()
	m.dep.observe(m, r, nil, nil, 0)
	reply, err := m.respond(r, parsed)
	m.dep.observe(m, r, reply, err, time.Since(started))
	return reply, err
}

func (m *Member) respond(r *request, parsed error) (bson.D, error) {
	if parsed != nil {
		return m.backend.(finisher).finish(r, nil, parsed)
	}
	if fn := m.dep.handler(r.name); fn != nil {
		if err := r.authorize(); err != nil {
			return m.backend.(finisher).finish(r, nil, err)
		}
		return fn(m.event(r))
	}
	if err := m.fails.apply(r); err != nil {
		if errors.Is(err, errHangUp) || context.Cause(r.ctx) != nil {
			return nil, errHangUp
		}
		return m.backend.(finisher).finish(r, nil, err)
	}
	if isHello(r.name) {
		d, err := m.backend.hello(r)
		return m.backend.(finisher).finish(r, d, err)
	}
	if err := r.authorize(); err != nil {
		return m.backend.(finisher).finish(r, nil, err)
	}
	d, err := m.backend.run(r)
	if errors.Is(err, errHangUp) || context.Cause(r.ctx) != nil {
		return nil, errHangUp
	}
	return m.backend.(finisher).finish(r, d, err)
}

// finisher adds to a reply what all replies of a server have.
type finisher interface {
	finish(r *request, d bson.D, err error) (bson.D, error)
}

func (m *Member) gossip(t timestamp) { m.backend.gossip(t) }

// topologyVersion counts the changes of what hello reports.
type topologyVersion struct {
	mu      sync.Mutex
	counter int64
	changed chan struct{}
}

func (t *topologyVersion) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counter = 0
	t.wake()
}

func (t *topologyVersion) bump() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counter++
	t.wake()
}

func (t *topologyVersion) wake() {
	if t.changed != nil {
		close(t.changed)
	}
	t.changed = make(chan struct{})
}

func (t *topologyVersion) load() (int64, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counter, t.changed
}

func (m *Member) topologyVersion() bson.D {
	n, _ := m.topo.load()
	return doc("processId", m.process(), "counter", n)
}
