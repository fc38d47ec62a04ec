package topology

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
)

// ErrClosed is returned by a topology that is not connected.
var ErrClosed = fault.New("the client is closed", fault.ErrClosed, fault.ErrConnectionFailure)

// Topology is a deployment as one client sees it. Its methods may be called by
// any goroutine.
type Topology[C pool.Conn] struct {
	cfg    Config[C]
	events eventQueue
	view   atomic.Pointer[view[C]]
	lastID atomic.Int64 // of monitors' connections
	met    atomic.Bool  // a server of the deployment ever answered

	mu      sync.Mutex
	run     *run         // nil while closed
	retired []*Server[C] // left the deployment, and may have connections in use
}

// run is one time between Connect and Close.
type run struct {
	id     bson.ObjectID
	ctx    context.Context // done when the topology is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // all goroutines
	sealed bool           // the last event is in the queue, whose lock guards this
}

// New makes a topology, which is closed until [Topology.Connect].
func New[C pool.Conn](cfg Config[C]) *Topology[C] {
	t := &Topology[C]{cfg: cfg}
	t.events.handle = t.handler()
	t.view.Store(closedView[C](sdam.NewTopology(cfg.Settings)))
	return t
}

func closedView[C pool.Conn](last *sdam.Topology) *view[C] {
	v := newView[C](last.Closed(), nil)
	v.closed = true
	return v
}

// Connect starts monitoring. It does not wait for any server. A topology that is
// connected stays as it is; one that was closed begins anew, from the seeds.
func (t *Topology[C]) Connect() {
	initial := sdam.NewTopology(t.cfg.Settings)
	t.mu.Lock()
	if t.run != nil {
		t.mu.Unlock()
		return
	}
	r := &run{id: bson.NewObjectID()}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	t.run = r
	if t.observed() {
		t.events.add(r, event.TopologyOpening{TopologyID: r.id})
	}
	closed := t.view.Load()
	// No view without servers is ever published: to a selection that would be a
	// deployment to which none of the seeds belongs.
	todo := t.replace(r, newView[C](initial.Closed(), nil), initial, nil)
	close(closed.changed)
	if t.cfg.SRV != nil {
		r.wg.Go(func() { t.followSRV(r) })
	}
	t.mu.Unlock()
	t.conclude(todo)
}

// Close ends all monitoring and all pools. Operations that wait for a server or
// a connection fail at once with [ErrClosed] or [pool.ErrPoolClosed]. Those that
// use a connection may go on until ctx is done; then they are cut off. If ctx
// never is, they are cut off at once. It returns the error of ctx when not
// everything was gone by then. Closing twice does nothing.
func (t *Topology[C]) Close(ctx context.Context) error { return t.end(ctx, ctx.Done() != nil) }

// Abort is Close that cuts operations off at once, whatever ctx is.
func (t *Topology[C]) Abort(ctx context.Context) error { return t.end(ctx, false) }

func (t *Topology[C]) end(ctx context.Context, patient bool) error {
	t.mu.Lock()
	r := t.run
	if r == nil {
		t.mu.Unlock()
		return nil
	}
	t.run = nil
	v := t.view.Load()
	servers := append(slices.Clone(v.servers), t.retired...)
	t.retired = nil
	t.view.Store(closedView[C](v.topology))
	close(v.changed)
	t.mu.Unlock()

	r.cancel()
	for _, s := range servers {
		s.shut()
	}
	err := waitPools(ctx, servers, patient)
	if e := waitFor(ctx, &r.wg); err == nil {
		err = e
	}
	t.queueClosed(r, v.topology)
	t.events.deliver()
	t.events.flush(ctx)
	return err
}

// interruptGrace is how long Close waits for what it has cut off.
const interruptGrace = time.Second

// waitPools waits until the servers' pools are gone; patiently, it cuts nothing off
// until ctx is done.
func waitPools[C pool.Conn](ctx context.Context, servers []*Server[C], patient bool) error {
	var err error
	if patient {
		if err = eachPool(ctx, servers); err == nil {
			return nil
		}
	}
	for _, s := range servers {
		if p := s.currentPool(); p != nil {
			p.Interrupt(ErrClosed)
		}
	}
	grace, cancel := context.WithTimeout(context.Background(), interruptGrace)
	defer cancel()
	if eachPool(grace, servers) == nil {
		return nil
	}
	if err == nil {
		err = errors.New("connections are still checked out: return them before closing the client")
	}
	return err
}

func eachPool[C pool.Conn](ctx context.Context, servers []*Server[C]) error {
	for _, s := range servers {
		if p := s.currentPool(); p != nil {
			if err := p.Wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// waitFor waits for all goroutines of wg: until ctx is done, and a little longer.
func waitFor(ctx context.Context, wg *sync.WaitGroup) error {
	if ctx.Done() == nil {
		wg.Wait()
		return nil
	}
	gone := make(chan struct{})
	go func() {
		wg.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	grace := time.NewTimer(interruptGrace)
	defer grace.Stop()
	select {
	case <-gone:
		return nil
	case <-grace.C:
		return ctx.Err()
	}
}

// retire keeps a server that left the deployment until its connections are
// gone. The lock is held.
func (t *Topology[C]) retire(s *Server[C]) {
	t.retired = slices.DeleteFunc(t.retired, func(s *Server[C]) bool {
		p := s.currentPool()
		return p == nil || p.Stats().Total == 0
	})
	t.retired = append(t.retired, s)
}

// Description returns what is known of the deployment now.
func (t *Topology[C]) Description() *sdam.Topology { return t.view.Load().topology }

// Kind returns the kind of the deployment, as known now.
func (t *Topology[C]) Kind() sdam.TopologyKind { return t.view.Load().topology.Kind }

// Changed returns the description of now, and a channel that is closed when
// there is a next one.
func (t *Topology[C]) Changed() (*sdam.Topology, <-chan struct{}) {
	v := t.view.Load()
	return v.topology, v.changed
}

// Servers returns the servers of the deployment, in the order of
// [Topology.Description].
func (t *Topology[C]) Servers() []*Server[C] { return slices.Clone(t.view.Load().servers) }

// Done returns a channel that is closed when the topology is; closed already,
// while it is not connected.
func (t *Topology[C]) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run == nil {
		return alreadyDone
	}
	return t.run.ctx.Done()
}

var alreadyDone = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
