package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// Many goroutines share a client with few connections. Each sees its own
// documents, whole and in order, whatever the others do.
func TestConcurrency(t *testing.T) {
	const goroutines, rounds, connections = 64, 3, 8
	var mu sync.Mutex
	open, most := 0, 0
	c := database(t, func(o *mgx.Options) {
		n := connections
		o.MaxPoolSize = &n
		o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
			mu.Lock()
			defer mu.Unlock()
			switch e.(type) {
			case event.ConnectionCreated:
				open++
				most = max(most, open)
			case event.ConnectionClosed:
				open--
			}
		})
	}).Collection("c")
	errs := make(chan error, goroutines)
	for g := range goroutines {
		go func() { errs <- hammer(t.Context(), c, g, rounds) }()
	}
	for range goroutines {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n, err := c.CountDocuments(t.Context(), nil); err != nil || n != goroutines*rounds*2 {
		t.Errorf("%d documents: %v", n, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if most == 0 || most > connections {
		t.Errorf("up to %d connections", most)
	}
}

// hammer is what one goroutine does.
func hammer(ctx context.Context, c *mgx.Collection, g, rounds int) error {
	type doc struct {
		ID   string `bson:"_id"`
		G, R int
		Pad  string
	}
	rng := rand.New(rand.NewPCG(uint64(g), 7))
	for r := range rounds {
		var docs []doc
		for i := range 3 {
			docs = append(docs, doc{fmt.Sprintf("%d-%d-%d", g, r, i), g, r, strings.Repeat("x", rng.IntN(400))})
		}
		if _, err := c.InsertMany(ctx, docs); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		got, err := mgx.Collect[doc](c.Find(ctx, bson.D{{"g", g}, {"r", r}}, mgx.Sort("_id"), mgx.BatchSize(2)))
		if err != nil {
			return fmt.Errorf("find: %w", err)
		}
		if fmt.Sprint(got) != fmt.Sprint(docs) {
			return fmt.Errorf("goroutine %d finds %v, not %v", g, got, docs)
		}
		// Calls that are cut off must not disturb those of others.
		cut, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		err = c.FindOne(cut, bson.D{{"_id", docs[0].ID}}).Err()
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("cut off: %w", err)
		}
		if res, err := c.DeleteOne(ctx, bson.D{{"_id", docs[1].ID}}); err != nil || res.DeletedCount != 1 {
			return fmt.Errorf("delete: %d, %w", res.DeletedCount, err)
		}
		if res, err := c.UpdateOne(ctx, bson.D{{"_id", docs[2].ID}}, bson.D{{"$set", bson.D{{"pad", "changed"}}}}); err != nil || res.ModifiedCount != 1 {
			return fmt.Errorf("update: %d, %w", res.ModifiedCount, err)
		}
	}
	return nil
}

// A wait for a connection ends with an error that says what it waited for.
func TestWaitQueueTimeout(t *testing.T) {
	c := database(t, func(o *mgx.Options) {
		one := 1
		o.MaxPoolSize, o.WaitQueueTimeout = &one, 30*time.Millisecond
	}).Collection("c")
	insert(t, c, numbered(3)...)
	errs := make(chan error, 32)
	for range cap(errs) {
		go func() {
			_, err := c.UpdateMany(t.Context(), nil, bson.D{{"$inc", bson.D{{"n", 1}}}})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil && !(errors.Is(err, mgx.ErrWaitQueueTimeout) && errors.Is(err, mgx.ErrConnectionFailure) && errors.Is(err, mgx.ErrTimeout)) {
			t.Error(err)
		}
	}
}

// Contexts that end at any moment give their own error, and the client goes on.
func TestContexts(t *testing.T) {
	c := collection(t, numbered(10)...)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"insert":   second(c.InsertOne(cancelled, bson.D{})),
		"many":     second(c.InsertMany(cancelled, numbered(2))),
		"update":   second(c.UpdateOne(cancelled, nil, bson.D{{"$set", bson.D{{"x", 1}}}})),
		"find":     second(mgx.Collect[bson.Raw](c.Find(cancelled, nil))),
		"find one": c.FindOne(cancelled, nil).Err(),
		"distinct": second(c.Distinct(cancelled, "a", nil)),
		"ping":     c.Database().Client().Ping(cancelled),
	} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, mgx.ErrConnectionFailure) || errors.Is(err, mgx.ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := c.FindOne(late, nil).Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mgx.ErrTimeout) {
		t.Errorf("a deadline in the past: %v", err)
	}
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		err := c.FindOne(ctx, nil, mgx.Sort("_id")).Err()
		cancel()
		if err != nil && (!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mgx.ErrTimeout)) {
			t.Errorf("after %d: %v", i, err)
		}
	}
	if n, err := c.CountDocuments(t.Context(), nil); err != nil || n != 10 {
		t.Errorf("%d documents: %v", n, err)
	}
}
