package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

// scene is something that a client is in the middle of when it is closed.
type scene struct {
	name string
	// set makes the deployment, and returns the URI.
	set    func(t *testing.T) (uri string, stop func())
	change func(o *mgx.Options)
	// work runs in several goroutines until it fails.
	work func(ctx context.Context, client *mgx.Client, i int) error
}

// simulate is a deployment that the test ends with.
func simulate(start func() (*mgxtest.Deployment, error), prepare func(*mgxtest.Deployment)) func(*testing.T) (string, func()) {
	return func(t *testing.T) (string, func()) {
		dep, err := start()
		check(t, err)
		if prepare != nil {
			prepare(dep)
		}
		return dep.URI(), dep.Close
	}
}

func members(n int) func() (*mgxtest.Deployment, error) {
	return func() (*mgxtest.Deployment, error) { return mgxtest.NewReplicaSet(n) }
}

func readAll(cur *mgx.Cursor) error {
	defer func() { _ = cur.Close() }()
	for cur.Next() {
	}
	return cur.Err()
}

func write(ctx context.Context, client *mgx.Client, _ int) error {
	_, err := client.Database("close").Collection("c").InsertOne(ctx, bson.D{{Key: "x", Value: 1}})
	return err
}

func readOrWrite(ctx context.Context, client *mgx.Client, i int) error {
	if i%2 == 0 {
		return write(ctx, client, i)
	}
	return findOnce(ctx, client)
}

// fill makes documents to read.
func fill(ctx context.Context, client *mgx.Client) error {
	var docs []bson.D
	for range 50 {
		docs = append(docs, bson.D{{Key: "x", Value: 1}})
	}
	_, err := client.Database("close").Collection("c").InsertMany(ctx, docs)
	return err
}

func read(options ...mgx.FindOption) func(context.Context, *mgx.Client, int) error {
	return func(ctx context.Context, client *mgx.Client, _ int) error {
		if err := fill(ctx, client); err != nil {
			return err
		}
		return readAll(client.Database("close").Collection("c").Find(ctx, nil, append(options, mgx.BatchSize(2))...))
	}
}

// slow makes a command's reply late.
func slow(d time.Duration, commands ...string) func(*mgxtest.Deployment) {
	return func(dep *mgxtest.Deployment) {
		for _, m := range dep.Members() {
			m.Delay(d, commands...)
		}
	}
}

// mute accepts connections and says nothing.
func mute(t *testing.T) (string, func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	})
	return "mongodb://" + l.Addr().String() + "/", func() {
		_ = l.Close()
		wg.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

var scenes = []scene{
	{"load", simulate(members(3), nil), nil, readOrWrite},
	{"load on mongos", simulate(func() (*mgxtest.Deployment, error) { return mgxtest.NewSharded() }, nil), nil, readOrWrite},
	{"load behind a load balancer", simulate(func() (*mgxtest.Deployment, error) { return mgxtest.NewLoadBalanced() }, nil), nil, readOrWrite},
	{"connecting", mute, nil, readOrWrite},
	{"connecting slowly", simulate(members(1), slow(300*time.Millisecond, "hello", "isMaster")), nil, readOrWrite},
	{"selection", simulate(members(2), func(dep *mgxtest.Deployment) { dep.Primary().Kill() }), nil, write},
	{"a late reply", simulate(members(1), slow(10*time.Second, "insert")), nil, write},
	{"late replies of calls that were cut off", simulate(members(1), slow(time.Second, "find")), nil,
		func(ctx context.Context, client *mgx.Client, i int) error {
			short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			err := findOnce(short, client)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				return nil
			}
			return err
		}},
	{"waiting for a connection", simulate(members(1), slow(200*time.Millisecond, "find")), onePool,
		func(ctx context.Context, client *mgx.Client, _ int) error { return findOnce(ctx, client) }},
	{"a cursor", simulate(members(1), slow(20*time.Millisecond, "getMore")), nil, read()},
	{"a cursor with prefetch", simulate(members(1), slow(20*time.Millisecond, "getMore")), nil, read(mgx.Prefetch())},
	{"an exhaust cursor", simulate(members(1), slow(20*time.Millisecond, "getMore")), nil, read(mgx.Exhaust())},
	{"a change stream", simulate(members(1), nil), nil,
		func(ctx context.Context, client *mgx.Client, _ int) error {
			cur := client.Database("close").Collection("c").Aggregate(ctx, []bson.D{{{Key: "$changeStream", Value: bson.D{}}}})
			return readAll(cur)
		}},
	{"a request", simulate(members(1), slow(20*time.Millisecond, "insert")), nil,
		func(ctx context.Context, client *mgx.Client, i int) error {
			ctx, req := client.StartRequest(ctx)
			defer req.End()
			return write(ctx, client, i)
		}},
	{"a bulk write", simulate(members(1), slow(20*time.Millisecond, "insert")), nil,
		func(ctx context.Context, client *mgx.Client, i int) error { return fill(ctx, client) }},
}

// unsteadyScenes are those in which operations may fail for other reasons, too.
var unsteadyScenes = []scene{
	{"elections", simulate(members(3), func(dep *mgxtest.Deployment) {
		go func() {
			for range 10 {
				_ = dep.StepDown()
				time.Sleep(20 * time.Millisecond)
			}
		}()
	}), nil, readOrWrite},
	{"members that die", simulate(members(3), func(dep *mgxtest.Deployment) {
		go func() {
			for _, m := range dep.Members() {
				time.Sleep(20 * time.Millisecond)
				m.Kill()
			}
		}()
	}), nil, readOrWrite},
}

// TestCloseInTheMiddle closes clients in the middle of everything: what is under
// way ends at once, with an error that says so, and no goroutine is left.
func TestCloseInTheMiddle(t *testing.T) {
	for _, s := range slices.Concat(scenes, unsteadyScenes) {
		for _, how := range []string{"Close", "Close with a deadline", "Disconnect"} {
			t.Run(s.name+"/"+how, func(t *testing.T) {
				unsteady := slices.ContainsFunc(unsteadyScenes, func(u scene) bool { return u.name == s.name })
				for _, err := range closeInTheMiddle(t, &s, how) {
					// What meets two elections, one after the other, may fail for them.
					if !errors.Is(err, mgx.ErrClosed) && !(unsteady && errors.Is(err, mgx.ErrAutoReconnect)) {
						t.Errorf("ended with %v (%v)", err, kinds(err))
					}
				}
			})
		}
	}
}

// closeInTheMiddle returns what operations ended with.
func closeInTheMiddle(t *testing.T, s *scene, how string) (ended []error) {
	leaktest.Check(t)
	uri, stop := s.set(t)
	defer stop()
	o, err := mgx.ParseURI(uri)
	check(t, err)
	if s.change != nil {
		s.change(o)
	}
	client, err := mgx.New(o)
	check(t, err)

	var wg sync.WaitGroup
	var mu sync.Mutex
	halt := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			for {
				err := s.work(context.Background(), client, i)
				if err != nil {
					mu.Lock()
					ended = append(ended, err)
					mu.Unlock()
					return
				}
				select {
				case <-halt:
					return
				default:
				}
			}
		})
	}
	time.Sleep(time.Duration(30+rand.IntN(70)) * time.Millisecond)

	began := time.Now()
	ctx := context.Background()
	switch how {
	case "Close":
		check(t, client.Close(ctx))
	case "Close with a deadline":
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		if err := client.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		cancel()
	case "Disconnect":
		check(t, client.Disconnect(ctx))
		// What comes now opens the client again.
		time.Sleep(10 * time.Millisecond)
		close(halt)
		check(t, client.Close(ctx))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	select {
	case <-all:
	case <-time.After(5 * time.Second):
		t.Error("operations go on after the client was closed")
		<-all
	}
	return ended
}

// kinds lists the categories of an error.
func kinds(err error) (names []string) {
	for name, kind := range map[string]error{
		"connection failure": mgx.ErrConnectionFailure, "auto reconnect": mgx.ErrAutoReconnect, "timeout": mgx.ErrTimeout,
		"server selection": mgx.ErrServerSelection, "canceled": context.Canceled,
	} {
		if errors.Is(err, kind) {
			names = append(names, name)
		}
	}
	return append(names, fmt.Sprintf("%T", err))
}
