package mgxtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func errorf(format string, args ...any) error { return fmt.Errorf("mgxtest: "+format, args...) }

// Deployment is a simulated deployment. Its methods are safe for concurrent
// use. They must not be called from functions given to OnCommand, OnReply and
// Handle when they wait, as Close does.
type Deployment struct {
	cfg     config
	sets    []*replSet
	members []*Member
	routers []*Member
	// balancers are in front of all routers, and in front of the first one.
	balancers []*balancer
	// listening counts the ports in use.
	listening int
	// hosts and options make the connection string.
	hosts   []string
	options string
	users   users

	mu     sync.Mutex
	closed bool
	// balancerOff means that balancerStop was called.
	balancerOff bool
	done        chan struct{} // closed with the deployment
	wg          sync.WaitGroup
	hooks       map[int]hook
	nextHook    int
	handlers    map[string]func(*Command) (bson.D, error)
}

// Standalone starts a single server without replication and closes it when
// the test ends.
func Standalone(t testing.TB, opts ...Option) *Deployment {
	t.Helper()
	return started(t)(NewStandalone(opts...))
}

// ReplicaSet starts a replica set of n members that has elected its first
// member, and closes it when the test ends.
func ReplicaSet(t testing.TB, n int, opts ...Option) *Deployment {
	t.Helper()
	return started(t)(NewReplicaSet(n, opts...))
}

// Sharded starts routers in front of one shard, a replica set of three members,
// and closes them when the test ends.
func Sharded(t testing.TB, opts ...Option) *Deployment {
	t.Helper()
	return started(t)(NewSharded(opts...))
}

// LoadBalanced is Sharded behind a load balancer, whose address is the only
// one in the URI.
func LoadBalanced(t testing.TB, opts ...Option) *Deployment {
	t.Helper()
	return started(t)(NewLoadBalanced(opts...))
}

func started(t testing.TB) func(*Deployment, error) *Deployment {
	return func(d *Deployment, err error) *Deployment {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		return d
	}
}

// NewStandalone is Standalone outside of tests. The caller must call Close.
func NewStandalone(opts ...Option) (*Deployment, error) {
	d, err := build(1, opts, func(d *Deployment, s *replSet) { s.standalone = true })
	if err != nil {
		return nil, err
	}
	d.hosts = []string{d.members[0].host}
	return d, nil
}

// NewReplicaSet is ReplicaSet outside of tests. The caller must call Close.
func NewReplicaSet(n int, opts ...Option) (*Deployment, error) {
	if n < 1 || n > 50 {
		return nil, errorf("a replica set has 1 to 50 members, not %d", n)
	}
	d, err := build(n, opts, nil)
	if err != nil {
		return nil, err
	}
	for _, m := range d.sets[0].members {
		if !m.cfg.hidden && !m.cfg.arbiter {
			d.hosts = append(d.hosts, m.host)
		}
	}
	d.options = "replicaSet=" + d.cfg.setName
	return d, nil
}

// build starts n mongods that make one set.
func build(n int, opts []Option, prepare func(*Deployment, *replSet)) (*Deployment, error) {
	d := &Deployment{cfg: defaultConfig(), done: make(chan struct{}), hooks: map[int]hook{}, handlers: map[string]func(*Command) (bson.D, error){}}
	for range n {
		d.cfg.members = append(d.cfg.members, memberConfig{priority: 1, votes: 1})
	}
	for i := 7; i < n; i++ {
		d.cfg.members[i].votes, d.cfg.members[i].priority = 0, 0
	}
	for _, o := range opts {
		o(&d.cfg)
	}
	for _, fn := range d.cfg.pending {
		if err := fn(&d.cfg); err != nil {
			return nil, err
		}
	}
	if err := d.cfg.checkParameters(); err != nil {
		return nil, err
	}
	if err := d.admitUsers(); err != nil {
		return nil, err
	}
	s := newReplSet(d, d.cfg.setName)
	d.sets = append(d.sets, s)
	if prepare != nil {
		prepare(d, s)
	}
	var listeners []net.Listener
	for i := range n {
		m, ln, err := d.newMember(fmt.Sprintf("member %d", i))
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, ln)
		d.members = append(d.members, m)
		s.add(m, d.cfg.members[i])
	}
	s.initiate()
	for i, m := range d.members {
		m.start(listeners[i])
	}
	return d, nil
}

// initiate elects the first primary.
func (s *replSet) initiate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standalone {
		s.members[0].role = primary
		s.refreshViews()
		return
	}
	if s.dep.cfg.ghost {
		return
	}
	s.elect()
}

// URI returns the connection string of the deployment. It names no database and
// always has options, so that more may be appended with "&". With the option Users it logs in the first of
// them.
func (d *Deployment) URI() string { return d.URIFor(d.login()) }

// URIFor is URI for a certain user, who need not exist: passwords may be wrong. The
// zero User does not log in. One of MONGODB-OIDC needs a callback in the driver's
// options, which no connection string has.
func (d *Deployment) URIFor(u User) string { return d.link(u, d.hosts, d.options) }

// login is the user that connection strings log in, the zero User if there is none.
func (d *Deployment) login() User {
	if len(d.cfg.users) == 0 {
		return User{}
	}
	return d.cfg.users[0]
}

// link makes a connection string.
func (d *Deployment) link(u User, hosts []string, options string) string {
	var pairs []string
	if options != "" {
		pairs = append(pairs, options)
	}
	uri := "mongodb://"
	if u.external() {
		pairs = append(pairs, "authMechanism="+oidc)
	} else if u.Name != "" {
		uri += escape(u.Name) + ":" + escape(u.Password) + "@"
		if u.source() != "admin" {
			pairs = append(pairs, "authSource="+escape(u.source()))
		}
	}
	if len(pairs) == 0 {
		// What holds anyway, so that "&" goes on.
		pairs = append(pairs, "tls=false")
	}
	return uri + strings.Join(hosts, ",") + "/?" + strings.Join(pairs, "&")
}

// escape escapes whatever has a meaning in connection strings.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Members returns the mongods: of the standalone, the replica set, or the
// shard.
func (d *Deployment) Members() []*Member { return d.members }

// Mongoses returns the routers of a sharded or load-balanced deployment.
func (d *Deployment) Mongoses() []*Member { return d.routers }

// Primary returns the primary, or nil while there is none.
func (d *Deployment) Primary() *Member {
	s := d.sets[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.primary(); p != nil {
		return p.Member
	}
	return nil
}

// Secondaries returns the members that are secondaries now.
func (d *Deployment) Secondaries() []*Member {
	s := d.sets[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Member
	for _, m := range s.members {
		if m.role == secondary {
			out = append(out, m.Member)
		}
	}
	return out
}

// WaitPrimary waits until the set has a primary that a majority supports.
func (d *Deployment) WaitPrimary(ctx context.Context) (*Member, error) {
	s := d.sets[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.wait(ctx, func() bool {
		p := s.primary()
		return p != nil && (s.standalone || s.votesAround(p) >= s.majority())
	})
	if err != nil {
		return nil, errorf("no primary: %s: %w", s.describe(), ctx.Err())
	}
	return s.primary().Member, nil
}

// State returns the member's state by the name that replSetGetStatus uses:
// PRIMARY, SECONDARY, ARBITER, RECOVERING or DOWN. A mongos has none.
func (m *Member) State() string {
	d, ok := m.backend.(*mongod)
	if !ok {
		return ""
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return d.role.String()
}

// StepDown makes the primary step down, whether or not another member is
// ready, and leave the next election to others if there are any. Connections
// stay open.
func (d *Deployment) StepDown() error {
	s := d.sets[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.primary()
	if p == nil || s.standalone {
		return errorf("there is no primary to step down")
	}
	p.shunned = true
	if err := s.stepDown(p, 0, true); err != nil {
		return errorf("step down: %w", err)
	}
	return nil
}

// Partition cuts the given members off from the others: no votes, no data.
// Clients still reach both sides. The side without a majority loses its
// primary after a while, and what only that side has is rolled back on Heal.
func (d *Deployment) Partition(members ...*Member) {
	for _, s := range d.sets {
		s.mu.Lock()
		group := 0
		for _, m := range s.members {
			group = max(group, m.group)
		}
		for _, m := range members {
			if md, ok := m.backend.(*mongod); ok && md.set == s {
				md.group = group + 1
			}
		}
		s.evaluate(s.dep.cfg.electionTimeout)
		s.mu.Unlock()
	}
}

// Isolate is Partition, and clients get no answer from the members either.
func (d *Deployment) Isolate(members ...*Member) {
	d.Partition(members...)
	for _, m := range members {
		m.Freeze()
	}
}

// Heal ends all partitions and freezes.
func (d *Deployment) Heal() {
	for _, s := range d.sets {
		s.mu.Lock()
		for _, m := range s.members {
			m.group = 0
		}
		s.evaluate(s.dep.cfg.electionTimeout)
		s.mu.Unlock()
	}
	for _, m := range d.all() {
		m.Thaw()
	}
}

// PauseReplication stops the member from taking over writes, so that it lags
// behind; ResumeReplication lets it catch up at once.
func (m *Member) PauseReplication() { m.setPaused(true) }

// ResumeReplication ends PauseReplication.
func (m *Member) ResumeReplication() { m.setPaused(false) }

func (m *Member) setPaused(paused bool) {
	if d, ok := m.backend.(*mongod); ok {
		d.set.mu.Lock()
		defer d.set.mu.Unlock()
		d.paused = paused
		d.set.evaluate(d.set.dep.cfg.electionTimeout)
	}
}

// RolledBack returns how many of the member's writes were undone because they
// never reached a majority.
func (m *Member) RolledBack() int {
	d, ok := m.backend.(*mongod)
	if !ok {
		return 0
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return d.rolledBack
}

// Maintenance puts a secondary into the state RECOVERING, where it serves no
// reads, and back.
func (m *Member) Maintenance(on bool) {
	if d, ok := m.backend.(*mongod); ok {
		d.set.mu.Lock()
		defer d.set.mu.Unlock()
		switch {
		case on && d.role == secondary:
			d.role = recovering
		case !on && d.role == recovering:
			d.role = secondary
		}
		d.set.evaluate(d.set.dep.cfg.electionTimeout)
	}
}

// Shutdown ends the member's process in order: a primary hands over first, then, for
// the given time, running and new commands go on but for hello, which fails with
// ShutdownInProgress, and no new connection is served. Then the process is gone.
func (m *Member) Shutdown(quiesce time.Duration) {
	if d, ok := m.backend.(*mongod); ok {
		s := d.set
		s.mu.Lock()
		if d.role == primary && !s.standalone {
			_ = s.stepDown(d, time.Hour, true)
			d.noElect = time.Time{}
		}
		d.quiescing, d.quiesced = true, time.Now().Add(quiesce)
		s.refreshViews()
		s.mu.Unlock()
	}
	if quiesce > 0 {
		m.refuseConnections()
		time.Sleep(quiesce)
	}
	m.Kill()
}

// FailCommand sets the fail point on every server that clients talk to: all
// members, or all routers where there are some. The returned function turns it
// off.
func (d *Deployment) FailCommand(fc FailCommand) (off func()) {
	targets := d.members
	if len(d.routers) > 0 {
		targets = d.routers
	}
	var offs []func()
	for _, m := range targets {
		offs = append(offs, m.FailCommand(fc))
	}
	return func() {
		for _, fn := range offs {
			fn()
		}
	}
}

func (d *Deployment) all() []*Member {
	return append(append([]*Member{}, d.members...), d.routers...)
}

func (d *Deployment) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Close ends all servers and waits until their goroutines are gone. More
// calls do nothing.
func (d *Deployment) Close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	close(d.done)
	d.mu.Unlock()
	for _, s := range d.sets {
		s.close()
	}
	for _, b := range d.balancers {
		b.close()
	}
	for _, m := range d.all() {
		m.Kill()
		m.Thaw()
	}
	for _, m := range d.all() {
		m.wg.Wait()
	}
	d.wg.Wait()
}

// background runs fn on its own goroutine, which Close waits for.
func (d *Deployment) background(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.wg.Go(fn)
	}
}
