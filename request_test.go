package mgx

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// What is cleaned up after the end of a context with affinity runs as if there
// had been none.
func TestAffinityAfterItsContext(t *testing.T) {
	c := &Client{options: Options{AutoStartRequest: true}}
	under, cancel := context.WithCancel(t.Context())
	ctx := WithAffinity(under)
	if c.requestOf(ctx) == nil {
		t.Fatal("no request is started")
	}
	cancel()
	ctx.Value(affinityKey{}).(*affinity).requests[c].End()
	if c.requestOf(context.WithoutCancel(ctx)) != nil {
		t.Error("operations are part of a request that has ended")
	}
}

// Requests that nobody has ended, and that do nothing, do not hold up the client's
// end; after Disconnect they go on with other connections.
func TestCloseWithOpenRequests(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s, func(o *Options) { o.AutoStartRequest = true })
	in, req := c.StartRequest(t.Context())
	defer req.End()
	contexts := []context.Context{in, WithAffinity(context.Background())}
	for _, end := range []func(context.Context) error{c.Disconnect, c.Close} {
		for _, ctx := range contexts {
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.topology.Servers()[0].Pool().Stats().InUse; n != len(contexts) {
			t.Errorf("%d connections are in use", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		within(t, func() {
			if err := end(ctx); err != nil {
				t.Error(err)
			}
		})
		cancel()
	}
}

// While Close waits for an operation under way, others hear at once that the client
// is closed.
func TestOperationsDuringClose(t *testing.T) {
	arrived, gate := make(chan struct{}), make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "count" {
			close(arrived)
			<-gate
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.Database("db").Collection("c").EstimatedDocumentCount(t.Context()); err != nil {
			t.Errorf("the operation under way: %v", err)
		}
	})
	<-arrived
	wg.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	for c.state.Load() == int32(clientOpen) {
		time.Sleep(time.Millisecond)
	}
	within(t, func() {
		is(t, c.Ping(t.Context()), []error{ErrClosed})
		if c.Alive(t.Context()) {
			t.Error("a closed client is alive")
		}
	})
	close(gate)
	wg.Wait()
}
