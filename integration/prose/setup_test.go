// Package prose has the tests that MongoDB's specifications describe in prose, of
// sessions, causal consistency, transactions, change streams and timeouts, each by its
// number and on the deployments that it names. Times are longer than there, in the same
// proportions.
package prose

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	driverbson "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The kinds of deployments.
const (
	standalone   = "standalone"
	replicaSet   = "replica set"
	sharded      = "sharded"
	loadBalanced = "load-balanced"
)

var starts = map[string]func(...mgxtest.Option) (*mgxtest.Deployment, error){
	standalone:   mgxtest.NewStandalone,
	replicaSet:   func(o ...mgxtest.Option) (*mgxtest.Deployment, error) { return mgxtest.NewReplicaSet(3, o...) },
	sharded:      mgxtest.NewSharded,
	loadBalanced: mgxtest.NewLoadBalanced,
}

// clustered are the kinds that have sessions with cluster times, transactions and change
// streams.
var clustered = []string{replicaSet, sharded, loadBalanced}

// on runs a test on deployments of some kinds.
func on(t *testing.T, kinds []string, test func(*testing.T, *mgxtest.Deployment), options ...mgxtest.Option) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dep, err := starts[kind](options...)
			check(t, err)
			t.Cleanup(dep.Close)
			test(t, dep)
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bounded is the test's context, so that nothing waits for ever.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// endless is a context without a deadline, so that timeoutMS counts.
func endless(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

// client is a client whose commands are watched.
type client struct {
	*mgx.Client
	mu        sync.Mutex
	started   []event.CommandStarted
	succeeded []bson.Raw
	failed    []string
}

// connect opens a client with the read and write concern majority.
func connect(t testing.TB, dep *mgxtest.Deployment, change ...func(*mgx.Options)) *client {
	t.Helper()
	c := &client{}
	o, err := mgx.ParseURI(dep.URI())
	check(t, err)
	o.ReadConcern, o.WriteConcern = mgx.ReadConcernMajority, mgx.Majority()
	o.CommandMonitors = []*event.CommandMonitor{{
		Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			c.mu.Lock()
			defer c.mu.Unlock()
			one := *e
			one.Command = slices.Clone(e.Command)
			c.started = append(c.started, one)
			return ctx
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.succeeded = append(c.succeeded, slices.Clone(e.Reply))
		},
		Failed: func(_ context.Context, e *event.CommandFailed) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = append(c.failed, e.CommandName)
		},
	}}
	for _, f := range change {
		f(o)
	}
	if c.Client, err = mgx.Open(bounded(t), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	c.take()
	return c
}

// take returns the commands that were sent since the last time.
func (c *client) take() []event.CommandStarted {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.started
	c.started, c.succeeded, c.failed = nil, nil, nil
	return list
}

// names are those of the commands that were sent since the last time.
func (c *client) names() (names []string) {
	for _, e := range c.take() {
		names = append(names, e.CommandName)
	}
	return names
}

// reply is the latest reply.
func (c *client) reply() bson.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.succeeded) == 0 {
		return nil
	}
	return c.succeeded[len(c.succeeded)-1]
}

// failures are the names of the commands that failed since take was called.
func (c *client) failures() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failed)
}

func (c *client) coll() *mgx.Collection { return c.Database("db").Collection("coll") }

// text is a value of a command as text, "" if there is none.
func text(command bson.Raw, keys ...string) string {
	v, err := command.LookupErr(keys...)
	if err != nil {
		return ""
	}
	return v.String()
}

// block holds commands up for a time, as the prose's fail points do; times 0 is always.
func block(t *testing.T, dep *mgxtest.Deployment, times int, by time.Duration, commands ...string) (off func()) {
	off = sync.OnceFunc(dep.FailCommand(mgxtest.FailCommand{Commands: commands, Times: times, Block: by}))
	t.Cleanup(off)
	return off
}

// standaloneHello is what a standalone server says of itself.
func standaloneHello(batch int32) driverbson.D {
	return driverbson.D{
		{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)}, {Key: "maxWriteBatchSize", Value: batch},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(25)},
		{Key: "ok", Value: 1.0},
	}
}

// answerHello has servers say something else of themselves.
func answerHello(dep *mgxtest.Deployment, reply driverbson.D) {
	for _, name := range []string{"hello", "isMaster", "ismaster"} {
		dep.Handle(name, func(*mgxtest.Command) (driverbson.D, error) { return slices.Clone(reply), nil })
	}
}
