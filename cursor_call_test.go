package mgx

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// A call whose context ends before the batch is there loses nothing: the next call has
// its documents. The server is asked once, and the cursor is not killed.
func TestNextContext(t *testing.T) {
	gate := make(chan struct{})
	var asked, killed atomic.Int32
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			asked.Add(1)
			<-gate
			return p.Answer(r, batchOf("nextBatch", int64(0))) == nil
		case "killCursors":
			killed.Add(1)
		}
		return scripted.Ping(p, r)
	}))
	cur := openClient(t, s).Database("db").Collection("c").Find(t.Context(), nil)
	if !cur.NextContext(t.Context()) {
		t.Fatal(cur.Err())
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if cur.NextContext(ctx) {
			t.Error("a document before the server's answer")
		}
		cancel()
		is(t, cur.Err(), []error{context.DeadlineExceeded, ErrTimeout}, "getMore")
		if cur.Closed() {
			t.Fatal("the cursor has ended")
		}
	}
	close(gate)
	if !cur.NextContext(t.Context()) || cur.Err() != nil {
		t.Fatalf("no document in the end: %v", cur.Err())
	}
	if cur.NextContext(t.Context()) || cur.Err() != nil || !cur.Closed() {
		t.Errorf("after the last document: closed %v, %v", cur.Closed(), cur.Err())
	}
	if asked.Load() != 1 || killed.Load() != 0 {
		t.Errorf("%d getMores, %d killCursors", asked.Load(), killed.Load())
	}
}

// The context of the cursor ends it also while a call has one of its own, and so does
// Close while nobody waits for the batch that is on its way.
func TestCursorEndsWhileABatchIsOnItsWay(t *testing.T) {
	for _, end := range []string{"context", "close"} {
		t.Run(end, func(t *testing.T) {
			gate := make(chan struct{})
			s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
				switch r.Name {
				case "find":
					return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
				case "getMore":
					<-gate
					return false
				}
				return scripted.Ping(p, r)
			}))
			defer close(gate)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cur := openClient(t, s).Database("db").Collection("c").Find(ctx, nil)
			short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer stop()
			if !cur.NextContext(t.Context()) || cur.NextContext(short) {
				t.Fatal(cur.Err())
			}
			within(t, func() {
				if end == "close" {
					_ = cur.Close()
				} else {
					time.AfterFunc(20*time.Millisecond, cancel)
					if cur.NextContext(t.Context()) {
						t.Error("a document after the context's end")
					}
					is(t, cur.Err(), []error{context.Canceled})
				}
			})
			if !cur.Closed() {
				t.Error("the cursor has not ended")
			}
		})
	}
}

func TestNilContextOfACall(t *testing.T) {
	s := newSurface(t)
	cur := s.c.Find(surfaceContext, nil)
	if cur.NextContext(nil) { //nolint:staticcheck // it is about nil
		t.Error("a document")
	}
	is(t, cur.Err(), []error{ErrInvalidArgument}, "nil")
}

// The batch size can change between batches, also while one is on its way.
func TestSetBatchSize(t *testing.T) {
	var mu sync.Mutex
	var sizes []int32
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			mu.Lock()
			defer mu.Unlock()
			size, _ := r.Document.Lookup("batchSize").AsInt64OK()
			sizes = append(sizes, int32(size))
			return p.Answer(r, batchOf("nextBatch", int64(5))) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s).Database("db").Collection("c")
	for _, test := range []struct {
		options []FindOption
		want    []int32
	}{
		{[]FindOption{BatchSize(3)}, []int32{7, 0}},
		{[]FindOption{BatchSize(3), Prefetch()}, []int32{3, 7}},
	} {
		sizes = nil
		cur := c.Find(t.Context(), nil, test.options...)
		for _, size := range []int32{7, -1, 0} {
			if !cur.Next() {
				t.Fatal(cur.Err())
			}
			cur.SetBatchSize(size)
		}
		_ = cur.Close()
		mu.Lock()
		if len(sizes) < 2 || !slices.Equal(sizes[:2], test.want) {
			t.Errorf("the getMores ask for %d, expected %d", sizes, test.want)
		}
		mu.Unlock()
	}
}

func TestRemaining(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			batch := bson.A{bson.D{{"_id", 1}}, bson.D{{"_id", 2}}, bson.D{{"_id", 3}}}
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"firstBatch", batch}}}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	cur := openClient(t, s).Database("db").Collection("c").Find(t.Context(), nil)
	want := 0
	for _, left := range []int{0, 2, 1, 0, 0} {
		if cur.Remaining() != left {
			t.Errorf("%d documents remain, expected %d", cur.Remaining(), left)
		}
		if cur.Next() {
			want++
		}
	}
	if want != 3 {
		t.Errorf("%d documents: %v", want, cur.Err())
	}
}

// A tailable cursor at its end asks a server that answers at once ten times a second,
// others as soon as they have read an empty batch.
func TestTailableCursorPauses(t *testing.T) {
	var asked atomic.Int32
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find", "custom":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			asked.Add(1)
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(5)}, {"ns", "db.c"}, {"nextBatch", bson.A{}}}}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	db := openClient(t, s).Database("db")
	for name, open := range map[string]func(context.Context) *Cursor{
		"tailable": func(ctx context.Context) *Cursor {
			return db.Collection("c").Find(ctx, nil, WithCursorType(Tailable))
		},
		"awaiting": func(ctx context.Context) *Cursor {
			return db.Collection("c").Find(ctx, nil, WithCursorType(TailableAwait))
		},
		"command": func(ctx context.Context) *Cursor {
			return db.RunCursorCommand(ctx, bson.D{{"custom", "c"}, {"tailable", true}})
		},
	} {
		asked.Store(0)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		cur := open(ctx)
		if !cur.Next() || cur.Next() {
			t.Errorf("%s: %v", name, cur.Err())
		}
		is(t, cur.Err(), []error{ErrTimeout})
		if !cur.Closed() {
			t.Errorf("%s: open after the end of its context", name)
		}
		cancel()
		if n := asked.Load(); n < 1 || n > 4 {
			t.Errorf("%s: asked %d times in a quarter of a second", name, n)
		}
	}
	asked.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	for cur := db.Collection("c").Find(ctx, nil); cur.Next(); {
	}
	if n := asked.Load(); n < 5 {
		t.Errorf("another cursor asks %d times", n)
	}
}

// The time for the end of a cursor is that of the call, also while a batch is on its way.
func TestCloseContextWhileABatchIsOnItsWay(t *testing.T) {
	gate := make(chan struct{})
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
		case "getMore":
			<-gate
			return false
		}
		return scripted.Ping(p, r)
	}))
	defer close(gate)
	cur := openClient(t, s).Database("db").Collection("c").Find(t.Context(), nil, Prefetch(), Timeout(time.Minute))
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	time.Sleep(20 * time.Millisecond) // what waits for the getMore would hide a race
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	within(t, func() {
		if err := cur.CloseContext(ctx); err != nil {
			t.Error(err)
		}
	})
}

// poolRecord is what became of a client's connections.
type poolRecord struct {
	mu      sync.Mutex
	in, out int
	closed  []event.CloseReason
}

func (r *poolRecord) add(e event.PoolEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case event.ConnectionCheckedOut:
		r.out++
	case event.ConnectionCheckedIn:
		r.in++
	case event.ConnectionClosed:
		r.closed = append(r.closed, e.Reason)
	}
}

func (r *poolRecord) state() (lent int, closed []event.CloseReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out - r.in, slices.Clone(r.closed)
}

// Behind a load balancer, a cursor that has failed keeps its connection until it is
// closed. See the specification "Load Balancer Support", "Behaviour With Cursors".
func TestBalancedCursorThatFailed(t *testing.T) {
	for _, test := range []struct {
		name          string
		getMore, kill func(p *scripted.Peer, r scripted.Request) bool
		kills         int32
		closed        []event.CloseReason
	}{
		{"refused getMore", refuse(59), scripted.Ping, 1, nil},
		{"lost cursor", refuse(43), scripted.Ping, 0, nil},
		{"broken getMore", hangUp, scripted.Ping, 0, []event.CloseReason{event.CloseError}},
		{"refused killCursors", refuse(59), refuse(59), 1, nil},
		{"broken killCursors", refuse(59), hangUp, 1, []event.CloseReason{event.CloseError}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var kills atomic.Int32
			s := scripted.Listen(t, scripted.Greet(
				scripted.Hello(bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"}),
				func(p *scripted.Peer, r scripted.Request) bool {
					switch r.Name {
					case "find":
						return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
					case "getMore":
						return test.getMore(p, r)
					case "killCursors":
						kills.Add(1)
						return test.kill(p, r)
					}
					return scripted.Ping(p, r)
				}))
			var pool poolRecord
			c := openClient(t, s, func(o *Options) {
				o.LoadBalanced, o.ServerMonitoringMode, o.PoolMonitors = ptr(true), "", []func(event.PoolEvent){pool.add}
			})
			cur := c.Database("db").Collection("c").Find(t.Context(), nil)
			if !cur.Next() || cur.Next() || cur.Err() == nil || !cur.Closed() {
				t.Fatalf("the getMore does not fail: %v", cur.Err())
			}
			failed := cur.Err()
			if cur.Next() || cur.Err() != failed {
				t.Errorf("the cursor goes on: %v", cur.Err())
			}
			if lent, closed := pool.state(); lent != 1 || closed != nil || kills.Load() != 0 {
				t.Errorf("before Close, %d connections are lent, closed: %v, %d cursors killed", lent, closed, kills.Load())
			}
			if err := cur.Close(); err != failed {
				t.Errorf("Close returns %v", err)
			}
			if lent, closed := pool.state(); lent != 0 || !slices.Equal(closed, test.closed) || kills.Load() != test.kills {
				t.Errorf("after Close, %d connections are lent, closed: %v, %d cursors killed", lent, closed, kills.Load())
			}
		})
	}
}

// The helpers that read to the end close the cursor themselves.
func TestHelpersGiveTheConnectionBack(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(
		scripted.Hello(bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"}),
		func(p *scripted.Peer, r scripted.Request) bool {
			switch r.Name {
			case "find":
				return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
			case "getMore":
				return refuse(59)(p, r)
			}
			return scripted.Ping(p, r)
		}))
	var pool poolRecord
	c := openClient(t, s, func(o *Options) {
		o.LoadBalanced, o.ServerMonitoringMode, o.PoolMonitors = ptr(true), "", []func(event.PoolEvent){pool.add}
	}).Database("db").Collection("c")
	var list []bson.D
	_, err := Collect[bson.D](c.Find(t.Context(), nil))
	is(t, err, nil, "getMore")
	is(t, c.Find(t.Context(), nil).All(&list), nil, "getMore")
	for _, err = range Each[bson.D](c.Find(t.Context(), nil)) {
	}
	is(t, err, nil, "getMore")
	if lent, _ := pool.state(); lent != 0 {
		t.Errorf("%d connections are lent", lent)
	}
}

func refuse(code int32) func(*scripted.Peer, scripted.Request) bool {
	return func(p *scripted.Peer, r scripted.Request) bool {
		return p.Answer(r, bson.D{{"ok", 0}, {"code", code}, {"errmsg", "no"}}) == nil
	}
}

func hangUp(*scripted.Peer, scripted.Request) bool { return false }
