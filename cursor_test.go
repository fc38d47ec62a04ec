package mgx

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/cursor"
	"github.com/mgxdb/mgx/internal/scripted"
)

// batchOf is the reply of a find or a getMore that leaves the cursor open.
func batchOf(key string, id any) bson.D {
	return bson.D{{"ok", 1}, {"cursor", bson.D{{"id", id}, {"ns", "db.c"}, {key, bson.A{bson.D{{"_id", 1}}}}}}}
}

// Behind a load balancer a cursor has a connection to itself. When its context
// cuts a getMore off, the cursor is killed on that connection after the late reply,
// nobody waits for that, and no pool is cleared.
func TestBalancedCursorIsCutOff(t *testing.T) {
	late, killed := make(chan struct{}), make(chan struct{}, 1)
	s := scripted.Listen(t, scripted.Greet(
		scripted.Hello(bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}),
		func(p *scripted.Peer, r scripted.Request) bool {
			switch r.Name {
			case "find":
				return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
			case "getMore":
				<-late
				return p.Answer(r, batchOf("nextBatch", int64(5))) == nil
			case "killCursors":
				killed <- struct{}{}
			}
			return scripted.Ping(p, r)
		}))
	var cleared atomic.Int32
	c := openClient(t, s, func(o *Options) {
		o.LoadBalanced, o.ServerMonitoringMode, o.MaxPoolSize = ptr(true), "", ptr(1)
		o.PoolMonitors = append(o.PoolMonitors, func(e event.PoolEvent) {
			if _, ok := e.(event.PoolCleared); ok {
				cleared.Add(1)
			}
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	cur := c.Database("db").Collection("c").Find(ctx, nil)
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	within(t, func() {
		if cur.Next() {
			t.Error("a document after the context's end")
		}
		_ = cur.Close()
	})
	is(t, cur.Err(), []error{context.Canceled})
	close(late)
	within(t, func() { <-killed })
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if cleared.Load() != 0 || s.Accepted() != 1 {
		t.Errorf("%d pools were cleared, %d connections made", cleared.Load(), s.Accepted())
	}
}

// A cursor that is closed late does not open a client that was disconnected.
func TestCloseCursorAfterDisconnect(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	cur := c.Database("db").Collection("c").Find(t.Context(), nil)
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	if err := c.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cur.Close(); err != nil {
		t.Error(err)
	}
	if c.state.Load() != int32(clientDisconnected) {
		t.Error("the client is open again")
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("an operation opens it: %v", err)
	}
}

// A cursor whose identifier cannot be read has not ended: its documents are not all.
func TestCursorIDOfAnotherType(t *testing.T) {
	var id atomic.Value
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", id.Load().(box).v)) == nil
		case "getMore":
			return p.Answer(r, batchOf("nextBatch", "5")) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s).Database("db").Collection("c")
	for _, v := range []any{"5", nil, 5.5, int64(5)} {
		id.Store(box{v})
		_, err := Collect[bson.D](c.Find(t.Context(), nil))
		is(t, err, []error{ErrProtocol}, "id")
	}
}

// timeoutMS bounds the wait for a batch also where the server sends it by itself.
func TestTimeoutOfExhaust(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			b, _ := p.More(r.ID, batchOf("nextBatch", int64(5)))
			_, err := p.Write(b)
			return err == nil // and then nothing
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s, func(o *Options) { o.Timeout = 100 * time.Millisecond })
	within(t, func() {
		_, err := Collect[bson.D](c.Database("db").Collection("c").Find(context.Background(), nil, Exhaust()))
		is(t, err, []error{ErrTimeout}, "deadline")
	})
}

// A context's end is the end of the call, though the server that hangs is still to
// hear that its cursor is not needed.
func TestCursorOfServerThatHangs(t *testing.T) {
	arrived, gate := make(chan struct{}), make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			close(arrived)
			<-gate
			return false
		case "killCursors":
			<-gate
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	began := time.Now()
	_, err := Collect[bson.D](c.Database("db").Collection("c").Find(ctx, nil))
	is(t, err, []error{context.Canceled})
	if took := time.Since(began); took > cursor.KillTimeout/2 {
		t.Errorf("it took %v", took)
	}
	close(gate)
}
