package topology

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset")
	errLogin   = errors.New("wrong password")
	errBusy    = errors.New("too many connections")
)

// classify is the [Config.Classify] of these tests.
func classify(err error) sdam.Failure {
	switch {
	case errors.Is(err, errLogin):
		return sdam.Failure{Class: sdam.AuthFailure}
	case errors.Is(err, errBusy):
		return sdam.Failure{Class: sdam.NetworkFailure, Overloaded: true}
	default:
		return sdam.Failure{Class: sdam.NetworkFailure}
	}
}

// network is a set of servers in this process.
type network struct {
	latency time.Duration

	mu      sync.Mutex
	servers map[string]*fakeServer
	dials   map[string]int // of monitors
}

func newNetwork() *network {
	return &network{latency: time.Millisecond, servers: map[string]*fakeServer{}, dials: map[string]int{}}
}

// fakeServer is one server; the network's lock guards it.
type fakeServer struct {
	net     *network
	address string
	hello   official.D // without topologyVersion
	streams bool       // has a topologyVersion
	eager   bool       // answers at once, whatever it is asked
	down    bool
	hung    bool // accepts and answers nothing
	login   error
	process official.ObjectID
	counter int64
	changed chan struct{} // closed at the next change
	conns   map[io.Closer]bool
	checks  int
}

func (n *network) add(address string, hello official.D) *fakeServer {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &fakeServer{net: n, address: address, hello: hello, process: official.NewObjectID(), changed: make(chan struct{}), conns: map[io.Closer]bool{}}
	n.servers[address] = s
	return s
}

// set changes the server and tells whoever waits for that.
func (s *fakeServer) set(f func(*fakeServer)) {
	s.net.mu.Lock()
	f(s)
	s.counter++
	close(s.changed)
	s.changed = make(chan struct{})
	s.net.mu.Unlock()
}

// kill takes the server down and closes its connections.
func (s *fakeServer) kill() {
	s.set(func(s *fakeServer) { s.down = true })
	s.net.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.net.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (s *fakeServer) restart() {
	s.set(func(s *fakeServer) { s.down, s.process = false, official.NewObjectID() })
}

func (s *fakeServer) open() int {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return len(s.conns)
}

func (s *fakeServer) checked() int {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.checks
}

func (n *network) dialled(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[address]
}

func (n *network) dialMonitor(ctx context.Context, address string) (MonitorConn, error) {
	n.mu.Lock()
	n.dials[address]++
	n.mu.Unlock()
	s, err := n.connect(ctx, address)
	if err != nil {
		return nil, err
	}
	c := &fakeMonitorConn{s: s, broken: make(chan struct{})}
	s.register(c)
	if c.hello, err = c.reply(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// connect takes the latency once.
func (n *network) connect(ctx context.Context, address string) (*fakeServer, error) {
	if err := sleep(ctx, n.delay()); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.servers[address]
	if s == nil || s.down {
		return nil, errRefused
	}
	return s, nil
}

func (n *network) delay() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.latency
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fakeServer) register(c io.Closer) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.conns[c] = true
}

// fakeMonitorConn is a monitor's connection.
type fakeMonitorConn struct {
	s     *fakeServer
	hello sdam.Hello
	more  bool
	sent  int64 // the counter of the last reply

	once   sync.Once
	broken chan struct{}
}

func (c *fakeMonitorConn) Hello() (sdam.Hello, time.Duration) { return c.hello, c.s.net.delay() }
func (c *fakeMonitorConn) More() bool                         { return c.more }

func (c *fakeMonitorConn) Close() error {
	c.once.Do(func() {
		close(c.broken)
		c.s.net.mu.Lock()
		delete(c.s.conns, c)
		c.s.net.mu.Unlock()
	})
	return nil
}

// reply answers one hello after the latency.
func (c *fakeMonitorConn) reply(ctx context.Context) (sdam.Hello, error) {
	wait := c.s.net.delay()
	c.s.net.mu.Lock()
	if c.s.hung {
		wait = time.Hour
	}
	c.s.checks++
	c.s.net.mu.Unlock()
	if err := c.wait(ctx, wait, nil); err != nil {
		return sdam.Hello{}, err
	}
	c.s.net.mu.Lock()
	defer c.s.net.mu.Unlock()
	c.sent = c.s.counter
	d := slices.Clone(c.s.hello)
	if c.s.streams {
		d = append(d, official.E{Key: "topologyVersion", Value: official.D{{Key: "processId", Value: c.s.process}, {Key: "counter", Value: c.s.counter}}})
	}
	reply, err := official.Marshal(d)
	if err != nil {
		return sdam.Hello{}, err
	}
	server, err := sdam.ParseHello(c.s.address, reply)
	return sdam.Hello{Server: server, Reply: reply}, err
}

func (c *fakeMonitorConn) wait(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-c.broken:
		return errReset
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.broken:
		return errReset
	default:
		return nil
	}
}

func (c *fakeMonitorConn) Check(ctx context.Context, await *sdam.TopologyVersion, maxAwait time.Duration) (sdam.Hello, error) {
	if await == nil {
		return c.reply(ctx)
	}
	return c.stream(ctx, await.Counter, maxAwait)
}

func (c *fakeMonitorConn) Next(ctx context.Context) (sdam.Hello, error) {
	return c.stream(ctx, c.sent, 10*time.Second)
}

func (c *fakeMonitorConn) stream(ctx context.Context, known int64, maxAwait time.Duration) (sdam.Hello, error) {
	c.s.net.mu.Lock()
	changed, now, eager := c.s.changed, c.s.counter > known, c.s.eager
	c.s.net.mu.Unlock()
	if !now && !eager {
		if err := c.wait(ctx, maxAwait, changed); err != nil {
			return sdam.Hello{}, err
		}
	}
	c.more = true
	return c.reply(ctx)
}

// fakeConn is a connection of a pool.
type fakeConn struct {
	s      *fakeServer
	once   sync.Once
	closed chan struct{}
}

func (c *fakeConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.s.net.mu.Lock()
		delete(c.s.conns, c)
		c.s.net.mu.Unlock()
	})
	return nil
}

func (c *fakeConn) Broken() error {
	select {
	case <-c.closed:
		return errReset
	default:
		return nil
	}
}

func (n *network) newPool(address string, onDialError func(pool.DialFailure)) *pool.Pool[*fakeConn] {
	return pool.New(pool.Options[*fakeConn]{
		Address: address, MaxSize: 10,
		Dial: func(ctx context.Context, _ *pool.Dialing) (*fakeConn, error) {
			s, err := n.connect(ctx, address)
			if err != nil {
				return nil, err
			}
			n.mu.Lock()
			err = s.login
			n.mu.Unlock()
			if err != nil {
				return nil, err
			}
			c := &fakeConn{s: s, closed: make(chan struct{})}
			s.register(c)
			return c, nil
		},
		OnDialError: onDialError,
	})
}

// recorder collects events.
type recorder struct {
	mu     sync.Mutex
	events []event.TopologyEvent
}

func (r *recorder) take(e event.TopologyEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) all() []event.TopologyEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func config(n *network, seeds ...string) Config[*fakeConn] {
	return Config[*fakeConn]{
		Settings:          sdam.Settings{Seeds: seeds},
		HeartbeatInterval: setup.HeartbeatInterval,
		ConnectTimeout:    5 * time.Second,
		SelectionTimeout:  setup.ServerSelectionTimeout,
		DialMonitor:       n.dialMonitor,
		NewPool:           n.newPool,
		Classify:          classify,
	}
}

// connected opens a topology that the test's end closes.
func connected(t *testing.T, cfg Config[*fakeConn]) *Topology[*fakeConn] {
	t.Helper()
	top := New(cfg)
	top.Connect()
	t.Cleanup(func() {
		if err := top.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return top
}

func standaloneHello() official.D {
	return official.D{
		{Key: "ok", Value: 1.0}, {Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true},
		{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)}, {Key: "connectionId", Value: int32(7)},
	}
}

func mongosHello() official.D {
	return append(standaloneHello(), official.E{Key: "msg", Value: "isdbgrid"})
}

// memberHello is the reply of a member of the replica set rs.
func memberHello(primary bool, election int, hosts ...string) official.D {
	list := official.A{}
	for _, h := range hosts {
		list = append(list, h)
	}
	d := official.D{
		{Key: "ok", Value: 1.0}, {Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: primary}, {Key: "secondary", Value: !primary},
		{Key: "setName", Value: "rs"}, {Key: "setVersion", Value: int32(1)}, {Key: "hosts", Value: list},
		{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
	}
	if primary {
		d = append(d, official.E{Key: "electionId", Value: official.ObjectID{11: byte(election)}})
	}
	return d
}

// replicaSet makes members; the first is primary.
func (n *network) replicaSet(addresses ...string) []*fakeServer {
	var members []*fakeServer
	for i, a := range addresses {
		s := n.add(a, memberHello(i == 0, 1, addresses...))
		s.streams = true
		members = append(members, s)
	}
	return members
}

func mustSelect(t *testing.T, top *Topology[*fakeConn], q sdam.Selection) *Server[*fakeConn] {
	t.Helper()
	s, err := top.Select(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func kindOf(top *Topology[*fakeConn], address string) sdam.ServerKind {
	if d := top.Description().Server(address); d != nil {
		return d.Kind
	}
	return sdam.Unknown
}
