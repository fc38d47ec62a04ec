package failover

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	driverbson "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

var overload = []string{"RetryableError", "SystemOverloadedError"}

// findOnce is a query without a result.
func findOnce(ctx context.Context, client *mgx.Client) error {
	return ignore(client.Database("retry").Collection("c").FindOne(ctx, nil).Err(), mgx.ErrNoDocuments)
}

// preferPrimary lets reads go elsewhere when there is a reason.
func preferPrimary(o *mgx.Options) { o.ReadPreference.Mode = mgx.PrimaryPreferred }

// TestOverload is prose test 3 and 4 of the specification "Client Backpressure".
func TestOverload(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*mgx.Options)
		want   int
	}{
		{"by default", func(*mgx.Options) {}, 3},
		{"once", func(o *mgx.Options) { o.MaxAdaptiveRetries = new(1) }, 2},
		{"never", func(o *mgx.Options) { o.MaxAdaptiveRetries = new(0) }, 1},
		{"no retryReads", func(o *mgx.Options) { o.RetryReads = new(false) }, 1},
		{"timeoutMS", func(o *mgx.Options) { o.Timeout = patience }, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			client := connect(t, dep.URI(), c.change)
			seen := record(t, dep, "find")
			dep.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, ErrorCode: 462, ErrorLabels: overload})
			err := findOnce(bounded(t), client)
			for _, label := range overload {
				if !mgx.HasErrorLabel(err, label) {
					t.Errorf("%v: without the label %s", err, label)
				}
			}
			if n := len(seen.take()); n != c.want {
				t.Errorf("%d commands, want %d", n, c.want)
			}
		})
	}
}

// A context that ends before the next attempt may begin is not waited for.
func TestOverloadAndADeadline(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI())
	dep.Handle("find", func(*mgxtest.Command) (driverbson.D, error) {
		return driverbson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 462}, {Key: "errmsg", Value: "busy"},
			{Key: "errorLabels", Value: overload}, {Key: "baseBackoffMS", Value: 10_000}}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	// The pause is random, and may be short enough twice, though hardly ever.
	err := findOnce(ctx, client)
	var se *mgx.ServerError
	if !errors.As(err, &se) || se.Code != 462 {
		t.Errorf("%v, want the server's error", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("gave up after %v", took)
	}
}

// Close ends the pause before another attempt.
func TestCloseEndsABackoff(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI())
	asked := make(chan struct{}, 10)
	dep.Handle("find", func(*mgxtest.Command) (driverbson.D, error) {
		asked <- struct{}{}
		return driverbson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 462}, {Key: "errmsg", Value: "busy"},
			{Key: "errorLabels", Value: overload}, {Key: "baseBackoffMS", Value: 10_000}}, nil
	})
	failed := make(chan error, 1)
	go func() { failed <- findOnce(context.Background(), client) }()
	<-asked
	check(t, client.Close(bounded(t)))
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a query on a closed client succeeded")
		}
	case <-time.After(2 * time.Second):
		t.Error("the query still waits to ask again")
		<-failed
	}
}

// TestRetryTarget is prose tests 2 and 3 of the specification "Retryable Reads":
// which server is asked again.
func TestRetryTarget(t *testing.T) {
	for _, c := range []struct {
		name   string
		dep    func(testing.TB, ...mgxtest.Option) *mgxtest.Deployment
		change func(*mgx.Options)
		labels []string
		same   bool
	}{
		{"another mongos", mgxtest.Sharded, func(*mgx.Options) {}, nil, false},
		{"another mongos, overloaded", mgxtest.Sharded, func(*mgx.Options) {}, overload, false},
		{"the same member", three, preferPrimary, []string{"RetryableError"}, true},
		{"the same member, overloaded", three, preferPrimary, overload, true},
		{"another member, overloaded", three, func(o *mgx.Options) { preferPrimary(o); o.EnableOverloadRetargeting = true }, overload, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dep := c.dep(t)
			servers := dep.Mongoses()
			if len(servers) == 0 {
				servers = dep.Members()
			}
			var wait func()
			client := connect(t, dep.URI(), c.change, func(o *mgx.Options) { wait = watchKinds(t, o, len(servers)) })
			wait()
			seen := record(t, dep, "find")
			// Each server fails once, so that the error shows where the retry went.
			for _, m := range servers {
				m.FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, Times: 1, ErrorCode: 6, ErrorLabels: c.labels})
			}
			err := findOnce(bounded(t), client)
			var addresses []string
			for _, cmd := range seen.take() {
				addresses = append(addresses, cmd.Member.Addr())
			}
			if len(addresses) < 2 || (addresses[0] == addresses[1]) != c.same {
				t.Errorf("asked %v, the same one: want %v", addresses, c.same)
			}
			if c.same && err != nil {
				t.Error(err)
			}
		})
	}
}

func three(t testing.TB, options ...mgxtest.Option) *mgxtest.Deployment {
	return mgxtest.ReplicaSet(t, 3, options...)
}

// watchKinds returns a function that waits until a client has heard from n servers.
func watchKinds(t testing.TB, o *mgx.Options, n int) (wait func()) {
	known := make(chan struct{})
	var once sync.Once
	o.TopologyMonitors = append(o.TopologyMonitors, func(e event.TopologyEvent) {
		c, ok := e.(event.TopologyDescriptionChanged)
		if !ok {
			return
		}
		heard := 0
		for _, s := range c.New.Servers {
			if s.Kind != "Unknown" {
				heard++
			}
		}
		if heard == n {
			once.Do(func() { close(known) })
		}
	})
	return func() {
		t.Helper()
		select {
		case <-known:
		case <-time.After(patience):
			t.Fatal("the servers did not become known")
		}
	}
}

// An operation that another's failure turned away has its one retry left for a
// failure of its own.
func TestTurnedAwayThenLost(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI(), onePool)
	db := client.Database("retry")
	entered := make(chan struct{})
	var once sync.Once
	dep.Handle("distinct", func(*mgxtest.Command) (driverbson.D, error) {
		first := false
		once.Do(func() { first = true })
		if first {
			close(entered)
			time.Sleep(100 * time.Millisecond)
			return nil, errors.New("the connection is closed")
		}
		return driverbson.D{{Key: "values", Value: driverbson.A{}}, {Key: "ok", Value: 1}}, nil
	})
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"find", "insert"}, Times: 1, CloseConnection: true})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if _, err := db.Collection("c").Distinct(bounded(t), "x", nil); err != nil {
			t.Error(err)
		}
	})
	<-entered
	// Both wait for the only connection, and are turned away. The first then loses
	// its connection, which turns the other one away again.
	wg.Go(func() {
		if err := findOnce(bounded(t), client); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if _, err := db.Collection("c").InsertOne(bounded(t), bson.D{}); err != nil {
			t.Error(err)
		}
	})
}

// What a retry found instead of a server is told, too.
func TestRetryFindsNoServer(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client := connect(t, dep.URI(), func(o *mgx.Options) {
		o.ServerSelectionTimeout = 300 * time.Millisecond
		o.CommandMonitors = []*event.CommandMonitor{{Failed: func(context.Context, *event.CommandFailed) { dep.Members()[0].Kill() }}} // when it has answered
	})
	dep.Handle("find", func(*mgxtest.Command) (driverbson.D, error) {
		return driverbson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 11600}, {Key: "errmsg", Value: "interrupted at shutdown"}}, nil
	})
	err := findOnce(bounded(t), client)
	var se *mgx.ServerError
	if !errors.As(err, &se) || se.Code != 11600 {
		t.Errorf("%v: does not hold the server's error", err)
	}
	if errors.Is(err, mgx.ErrServerSelection) {
		t.Errorf("%v: is a failed selection, but a server was asked", err)
	}
	if text := err.Error(); !strings.Contains(text, "interrupted at shutdown") || !strings.Contains(text, "serverSelectionTimeoutMS") {
		t.Errorf("the text does not tell all: %s", text)
	}

	dep = mgxtest.ReplicaSet(t, 1)
	client = connect(t, dep.URI())
	dep.Handle("find", func(c *mgxtest.Command) (driverbson.D, error) {
		go c.Member.Kill()
		return nil, errors.New("the connection is closed")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = findOnce(ctx, client)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, mgx.ErrTimeout) || !errors.Is(err, mgx.ErrAutoReconnect) {
		t.Errorf("%v: want the lost connection and the deadline", err)
	}
}
