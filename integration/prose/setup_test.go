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

// commands are those that a client sent, and what became of them.
type commands struct {
	mu        sync.Mutex
	started   []*event.CommandStarted
	succeeded []bson.Raw  // the replies
	failed    []string    // the names
	onFailed  func(n int) // after the nth failure
}

func (c *commands) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			c.mu.Lock()
			defer c.mu.Unlock()
			copied := *e
			copied.Command = slices.Clone(e.Command)
			c.started = append(c.started, &copied)
			return ctx
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.succeeded = append(c.succeeded, slices.Clone(e.Reply))
		},
		Failed: func(_ context.Context, e *event.CommandFailed) {
			c.mu.Lock()
			c.failed = append(c.failed, e.CommandName)
			n, then := len(c.failed), c.onFailed
			c.mu.Unlock()
			if then != nil {
				then(n)
			}
		},
	}
}

// take returns the commands that were sent since the last time.
func (c *commands) take() []*event.CommandStarted {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.started
	c.started, c.succeeded, c.failed = nil, nil, nil
	return list
}

// names are those of the commands that were sent since the last time.
func (c *commands) names() (names []string) {
	for _, e := range c.take() {
		names = append(names, e.CommandName)
	}
	return names
}

// named are the commands of a name that were started.
func (c *commands) named(name string) []*event.CommandStarted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.started), func(e *event.CommandStarted) bool { return e.CommandName != name })
}

// reply is the latest reply.
func (c *commands) reply() bson.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.succeeded) == 0 {
		return nil
	}
	return c.succeeded[len(c.succeeded)-1]
}

// failures are the names of the commands that failed since take was called.
func (c *commands) failures() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failed)
}

// client is a client whose commands are watched.
type client struct {
	*mgx.Client
	*commands
}

// open opens a client that is watched.
func open(t testing.TB, uri string, change ...func(*mgx.Options)) *client {
	t.Helper()
	c := &client{commands: new(commands)}
	o, err := mgx.ParseURI(uri)
	check(t, err)
	o.CommandMonitors = []*event.CommandMonitor{c.monitor()}
	for _, f := range change {
		f(o)
	}
	c.Client, err = mgx.Open(bounded(t), o)
	check(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // nobody is left to mind
	return c
}

// connect opens a client with the read and write concern majority.
func connect(t testing.TB, dep *mgxtest.Deployment, change ...func(*mgx.Options)) *client {
	t.Helper()
	c := open(t, dep.URI(), append([]func(*mgx.Options){func(o *mgx.Options) {
		o.ReadConcern, o.WriteConcern = mgx.ReadConcernMajority, mgx.Majority()
	}}, change...)...)
	c.take()
	return c
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
