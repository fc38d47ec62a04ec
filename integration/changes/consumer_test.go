// Package changes tests change streams and consumers against simulated deployments.
package changes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/consumer"
	"github.com/mgxdb/mgx/mgxtest"
)

type item struct {
	ID int `bson:"_id"`
}

// bench is a replica set, with a collection that is watched and one that has positions.
type bench struct {
	d       *mgxtest.Deployment
	client  *mgx.Client
	items   *mgx.Collection
	results *mgx.Collection
	store   consumer.Store
}

func newBench(t *testing.T) *bench {
	t.Helper()
	d, err := mgxtest.NewReplicaSet(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	client, err := mgx.Connect(t.Context(), d.URI())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	db := client.Database("shop")
	b := &bench{d, client, db.Collection("items"), db.Collection("results"), consumer.InCollection(db.Collection("consumers"))}
	if err := db.CreateCollection(t.Context(), "items"); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(t.Context(), "results"); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) insert(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := b.items.InsertOne(t.Context(), item{i}); err != nil {
			t.Fatal(err)
		}
	}
}

// seen are the events that a handler got, in their order.
type seen struct {
	mu  sync.Mutex
	ids []int
}

func (s *seen) add(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, id)
}

func (s *seen) list() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func (s *seen) until(t *testing.T, id int) {
	t.Helper()
	eventually(t, fmt.Sprint("event ", id), func() bool { return slices.Contains(s.list(), id) })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// start runs a consumer until stop, which returns its error.
func start(b *bench, handle consumer.Handler[item], o consumer.Options) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if o.Store == nil {
		o.Store = b.store
	}
	o.Watch = append(o.Watch, mgx.MaxAwaitTime(50*time.Millisecond))
	go func() { done <- consumer.Run(ctx, b.items, "c", handle, o) }()
	return func() error {
		cancel()
		return <-done
	}
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// active waits until the consumer is, so that what is written from then on is its.
func (b *bench) position(t *testing.T) {
	t.Helper()
	eventually(t, "a position", func() bool {
		_, version, err := b.store.Load(t.Context(), "c/position")
		return err == nil && version > 0
	})
}

// What happens while nobody runs is handled later, in order, and nothing twice where the
// consumer has ended in peace.
func TestConsumerGoesOn(t *testing.T) {
	for _, every := range []time.Duration{0, time.Hour} {
		b := newBench(t)
		var got seen
		handle := func(_ context.Context, e *mgx.ChangeEvent[item]) error { got.add(e.FullDocument.ID); return nil }
		stop := start(b, handle, consumer.Options{SaveEvery: every})
		b.position(t)
		b.insert(t, 0, 3)
		got.until(t, 2)
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returns %v", err)
		}
		b.insert(t, 3, 6)
		stop = start(b, handle, consumer.Options{SaveEvery: every})
		got.until(t, 5)
		_ = stop()
		if !slices.Equal(got.list(), upTo(6)) {
			t.Errorf("SaveEvery %v: handled %v", every, got.list())
		}
	}
}

// An event whose handler fails comes again.
func TestConsumerHandlesAgain(t *testing.T) {
	b := newBench(t)
	var got seen
	bad := errors.New("bad")
	fails := true
	handle := func(_ context.Context, e *mgx.ChangeEvent[item]) error {
		got.add(e.FullDocument.ID)
		if e.FullDocument.ID == 1 && fails {
			fails = false
			return bad
		}
		return nil
	}
	done := make(chan error)
	go func() { done <- consumer.Run(t.Context(), b.items, "c", handle, consumer.Options{Store: b.store}) }()
	b.position(t)
	b.insert(t, 0, 3)
	if err := <-done; !errors.Is(err, bad) || !strings.Contains(err.Error(), "consumer c") {
		t.Errorf("Run returns %v", err)
	}
	stop := start(b, handle, consumer.Options{})
	got.until(t, 2)
	_ = stop()
	if !slices.Equal(got.list(), []int{0, 1, 1, 2}) {
		t.Errorf("handled %v", got.list())
	}
}

// Of two consumers one is active; the other takes over when it ends.
func TestConsumersTakeTurns(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	active, most := 0, 0
	var got seen
	handle := func(_ context.Context, e *mgx.ChangeEvent[item]) error { got.add(e.FullDocument.ID); return nil }
	options := consumer.Options{Lease: 2 * time.Second, Active: func(is bool) {
		mu.Lock()
		defer mu.Unlock()
		if is {
			active++
		} else {
			active--
		}
		most = max(most, active)
	}}
	stops := []func() error{start(b, handle, options), start(b, handle, options)}
	b.position(t)
	b.insert(t, 0, 2)
	got.until(t, 1)
	_ = stops[0]()
	b.insert(t, 2, 4)
	got.until(t, 3)
	_ = stops[1]()
	if most != 1 || active != 0 || !slices.Equal(got.list(), upTo(4)) {
		t.Errorf("%d were active at once, %d are, handled %v", most, active, got.list())
	}
}

// hanging is a store whose owner has gone silent, though it goes on working.
type hanging struct {
	consumer.Store
	mu     sync.Mutex
	silent bool
}

func (h *hanging) Swap(ctx context.Context, key string, version int64, value bson.Raw) error {
	h.mu.Lock()
	silent := h.silent && strings.HasSuffix(key, "/lease")
	h.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.Swap(ctx, key, version, value)
}

// A consumer that has lost its lease without knowing cannot commit what it was at: each
// event takes effect once, in transactions, whoever handles it.
func TestConsumerThatWasTakenOver(t *testing.T) {
	b := newBench(t)
	count := func(ctx context.Context, e *mgx.ChangeEvent[item]) error {
		_, err := b.results.UpdateOne(ctx, bson.D{{Key: "_id", Value: e.FullDocument.ID}},
			bson.D{{Key: "$inc", Value: bson.D{{Key: "times", Value: 1}}}}, mgx.Upsert())
		return err
	}
	entered, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := func(ctx context.Context, e *mgx.ChangeEvent[item]) error {
		if e.FullDocument.ID == 1 {
			once.Do(func() {
				close(entered)
				<-gate // it does not look at its context
			})
		}
		return count(context.WithoutCancel(ctx), e)
	}
	store := &hanging{Store: b.store}
	options := consumer.Options{Lease: time.Second, Transactional: b.client}
	first := options
	first.Store = store
	stop := start(b, slow, first)
	b.position(t)
	b.insert(t, 0, 3)
	<-entered
	store.mu.Lock()
	store.silent = true
	store.mu.Unlock()
	var got seen
	second := start(b, func(ctx context.Context, e *mgx.ChangeEvent[item]) error {
		got.add(e.FullDocument.ID)
		return count(ctx, e)
	}, options)
	got.until(t, 2)
	close(gate)
	b.once(t, 3)
	_ = stop()
	_ = second()
	b.once(t, 3)
}

// once waits until n events took effect, each once.
func (b *bench) once(t *testing.T, n int) {
	t.Helper()
	type result struct {
		ID    int `bson:"_id"`
		Times int
	}
	var results []result
	eventually(t, "the last event", func() bool {
		var err error
		results, err = mgx.Collect[result](b.results.Find(t.Context(), nil, mgx.Sort("_id")))
		return err == nil && len(results) >= n
	})
	for i, r := range results {
		if r.ID != i || r.Times != 1 {
			t.Errorf("event %d took effect %d times", r.ID, r.Times)
		}
	}
}

// In transactions, each event takes effect exactly once while primaries step down and
// the consumer is restarted at any moment.
func TestConsumerExactlyOnce(t *testing.T) {
	b := newBench(t)
	handle := func(ctx context.Context, e *mgx.ChangeEvent[item]) error {
		_, err := b.results.UpdateOne(ctx, bson.D{{Key: "_id", Value: e.FullDocument.ID}},
			bson.D{{Key: "$inc", Value: bson.D{{Key: "times", Value: 1}}}}, mgx.Upsert())
		return err
	}
	options := consumer.Options{Lease: time.Second, Transactional: b.client}
	const n = 60
	stop := start(b, handle, options)
	b.position(t)
	for i := range n {
		b.insert(t, i, i+1)
		switch i % 15 {
		case 5:
			_ = stop()
			stop = start(b, handle, options)
		case 10:
			if err := b.d.StepDown(); err != nil {
				t.Log(err)
			}
		}
	}
	b.once(t, n)
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returns %v", err)
	}
	b.once(t, n)
}
