package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// history checks that the events of each connection come in their order.
type history struct {
	t     *testing.T
	mu    sync.Mutex
	state map[int64]event.PoolEvent // the last of each connection
	open  int
	total int
}

func (l *history) observe(e event.PoolEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	step := func(id int64, allowed ...event.PoolEvent) {
		last := l.state[id]
		for _, a := range allowed {
			if a == nil && last == nil || a != nil && last != nil && specName(a) == specName(last) {
				l.state[id] = e
				return
			}
		}
		l.t.Errorf("connection %d: %#v after %#v", id, e, last)
	}
	switch e := e.(type) {
	case event.ConnectionCreated:
		step(e.ConnectionID, nil)
		l.open++
		l.total++
	case event.ConnectionReady:
		step(e.ConnectionID, event.ConnectionCreated{})
	case event.ConnectionCheckedOut:
		step(e.ConnectionID, event.ConnectionReady{}, event.ConnectionCheckedIn{}, event.ConnectionPendingResponseSucceeded{})
	case event.ConnectionCheckedIn:
		step(e.ConnectionID, event.ConnectionCheckedOut{})
	case event.ConnectionPendingResponseStarted:
		step(e.ConnectionID, event.ConnectionCheckedIn{})
	case event.ConnectionPendingResponseSucceeded:
		step(e.ConnectionID, event.ConnectionPendingResponseStarted{})
	case event.ConnectionPendingResponseFailed:
		step(e.ConnectionID, event.ConnectionPendingResponseStarted{})
	case event.ConnectionClosed:
		if _, ok := l.state[e.ConnectionID].(event.ConnectionClosed); ok {
			l.t.Errorf("connection %d is closed twice", e.ConnectionID)
		}
		l.state[e.ConnectionID] = e
		l.open--
	}
}

// TestStress does everything at once: short deadlines, failures, late replies,
// clearings with and without interruption, of the pool and of services, dead
// peers, idle expiry. Whatever happens, a connection has one user at a time,
// there are never too many, and nothing is left at the end.
func TestStress(t *testing.T) {
	for name, observed := range map[string]bool{"plain": false, "observed": true} {
		t.Run(name, func(t *testing.T) { stress(t, observed) })
	}
}

func stress(t *testing.T, observed bool) {
	const size, users = 8, 48
	length := 1500 * time.Millisecond
	if testing.Short() {
		length = 200 * time.Millisecond
	}
	refused := errors.New("refused")
	s := fakeServer{fail: func(*Dialing) error {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		if rand.IntN(20) == 0 {
			return refused
		}
		return nil
	}}
	log := &history{t: t, state: map[int64]event.PoolEvent{}}
	opts := fakeOptions{
		MaxSize: size, MinSize: 2, MaxConnecting: 3, MaxIdleTime: 3 * time.Millisecond, AliveAfter: time.Millisecond,
		WaitQueueTimeout: 5 * time.Millisecond, MaxWaiters: users - 10, MaxDraining: 4, DrainTimeout: time.Millisecond,
		Dial: func(ctx context.Context, d *Dialing) (*fakeConn, error) {
			d.BindService(bson.ObjectID{byte(1 + rand.IntN(2))})
			return s.dial(ctx, d)
		},
	}
	if observed {
		opts.Events = log.observe
	}
	var p *fakePool
	opts.OnDialError = func(f DialFailure) {
		if rand.IntN(4) == 0 && !p.Stale(f.Generation, f.ServiceID) {
			p.Clear(f.Err, f.ServiceID, false)
		}
	}
	p = New(opts)
	p.Ready()

	stop := make(chan struct{})
	var served, refusals atomic.Int64
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if stressOnce(t, p) {
					served.Add(1)
				} else {
					refusals.Add(1)
					time.Sleep(100 * time.Microsecond)
				}
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(3000)) * time.Microsecond):
			}
			switch rand.IntN(6) {
			case 0:
				p.Clear(errors.New("down"), bson.ObjectID{}, rand.IntN(2) == 0)
				p.Ready()
			case 1:
				p.Clear(errors.New("moving"), bson.ObjectID{byte(1 + rand.IntN(2))}, rand.IntN(2) == 0)
			case 2:
				for _, c := range s.made() {
					c.dead.Store(rand.IntN(2) == 0)
				}
			default:
				if got := p.Stats(); got.Total > size || got.InUse < 0 || got.Idle > 0 && got.Waiting > 0 {
					t.Errorf("%+v", got)
				}
			}
		}
	})
	time.Sleep(length)
	close(stop)
	wg.Wait()
	t.Logf("%d served, %d turned away, %d connections, %+v", served.Load(), refusals.Load(), len(s.made()), p.Stats())
	if served.Load() == 0 {
		t.Error("nobody was served")
	}
	if got := p.Stats(); got.InUse != 0 && got.Pending == 0 || got.Waiting != 0 {
		// Those being settled count as in use, for a moment.
		time.Sleep(100 * time.Millisecond)
		if got = p.Stats(); got.InUse != 0 || got.Waiting != 0 {
			t.Errorf("at rest: %+v", got)
		}
	}
	finish(t, p)
	if n := s.open(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if log.open != 0 {
		t.Errorf("%d of %d connections were not told to be closed", log.open, log.total)
	}
	if c, x := p.cursors.Load(), p.transactions.Load(); c != 0 || x != 0 {
		t.Errorf("%d cursors, %d transactions are left", c, x)
	}
}

// stressOnce is one operation, and reports whether it got a connection.
func stressOnce(t *testing.T, p *fakePool) bool {
	ctx := context.Background()
	switch rand.IntN(3) {
	case 0:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(500))*time.Microsecond)
		defer cancel()
	case 1:
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go cancel()
	}
	l, err := p.CheckOut(ctx)
	if err != nil {
		return false
	}
	c := l.Conn()
	if c.lent.Add(1) != 1 {
		t.Error("a connection has two users")
	}
	if c.id != l.ID() || c.pending {
		t.Errorf("connection %d is number %d, pending %v", c.id, l.ID(), c.pending)
	}
	if rand.IntN(4) == 0 {
		l.SetPurpose(Purpose(rand.IntN(3)))
	}
	if rand.IntN(2) == 0 {
		time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
	}
	switch rand.IntN(20) {
	case 0:
		l.Fail(errors.New("reset"))
	case 1:
		c.broken = errors.New("broken")
	case 2, 3:
		c.pending = true
		c.drain = func(ctx context.Context) error {
			select {
			case <-time.After(time.Duration(rand.IntN(1500)) * time.Microsecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	c.lent.Add(-1)
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	return true
}
