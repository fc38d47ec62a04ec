package consumer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// memory is a store that can fail, and lose its answers.
type memory struct {
	mu       sync.Mutex
	values   map[string]bson.Raw
	versions map[string]int64
	fail     error // of every call
	after    error // of every Swap, which has taken place
}

func (m *memory) Load(_ context.Context, key string) (bson.Raw, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], m.versions[key], m.fail
}

func (m *memory) Swap(_ context.Context, key string, version int64, value bson.Raw) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.fail != nil:
		return m.fail
	case m.versions[key] != version:
		return ErrConflict
	}
	if m.values == nil {
		m.values, m.versions = map[string]bson.Raw{}, map[string]int64{}
	}
	m.values[key], m.versions[key] = value, version+1
	return m.after
}

func (m *memory) set(fail, after error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.after = fail, after
}

func leaseOf(m *memory, owner string) *lease {
	return &lease{store: m, key: "l", owner: owner, duration: 30 * time.Second}
}

func mustAcquire(t *testing.T, l *lease) {
	t.Helper()
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Whoever holds the lease keeps it as long as it is renewed; then the next one has it
// after the duration, and after giveBack at once.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		first, second := leaseOf(m, "first"), leaseOf(m, "second")
		mustAcquire(t, first)
		ctx, stop := context.WithCancel(t.Context())
		kept := make(chan error)
		go func() { kept <- first.keep(ctx) }()

		short, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := second.acquire(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a lease that is renewed is taken over: %v", err)
		}
		stop()
		if err := <-kept; !errors.Is(err, context.Canceled) {
			t.Errorf("keep ends with %v", err)
		}
		began := time.Now()
		mustAcquire(t, second)
		if took := time.Since(began); took < second.duration || took > 2*second.duration {
			t.Errorf("it is taken over after %v", took)
		}
		second.giveBack(t.Context())
		began = time.Now()
		mustAcquire(t, first)
		if time.Since(began) != 0 {
			t.Errorf("after giveBack it takes %v", time.Since(began))
		}
	})
}

// cut is a store that this consumer cannot reach any more.
type cut struct{ memory }

// Who has not renewed in time knows that the lease is lost before another one has it.
func TestLeaseIsLostInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		first, second := leaseOf(m, "first"), leaseOf(m, "second")
		mustAcquire(t, first)
		unreachable := &cut{}
		unreachable.fail = errors.New("down")
		first.store = unreachable
		kept := make(chan time.Time, 1)
		go func() {
			if err := first.keep(t.Context()); !errors.Is(err, errLost) {
				t.Errorf("keep ends with %v", err)
			}
			kept <- time.Now()
		}()
		mustAcquire(t, second)
		taken := time.Now()
		if lost := <-kept; lost.After(taken) {
			t.Errorf("taken over %v before it is known to be lost", lost.Sub(taken))
		}
	})
}

// A renewal whose answer was lost has come through: the lease goes on.
func TestLeaseWithLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		l := leaseOf(m, "first")
		mustAcquire(t, l)
		m.set(nil, errors.New("the answer is lost"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		time.AfterFunc(l.duration/2, func() { m.set(nil, nil) })
		if err := l.keep(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("keep ends with %v", err)
		}
	})
}

// A lease that another one has taken is lost at the next renewal.
func TestLeaseOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		first, second := leaseOf(m, "first"), leaseOf(m, "second")
		mustAcquire(t, first)
		if err := second.take(t.Context(), first.version, "second"); err != nil {
			t.Fatal(err)
		}
		if err := first.keep(t.Context()); !errors.Is(err, errLost) {
			t.Errorf("keep ends with %v", err)
		}
	})
}

func TestStoreIsNeeded(t *testing.T) {
	if err := Run(t.Context(), nil, "n", func(context.Context, *mgx.ChangeEvent[bson.D]) error { return nil }, Options{}); err == nil {
		t.Error("no error")
	}
}
