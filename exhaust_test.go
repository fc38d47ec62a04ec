package mgx

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// streamer answers a getMore with several replies, one after the other.
func streamer(t *testing.T, replies ...bson.D) *scripted.Server {
	return scripted.Listen(t, scripted.Greet(
		scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}),
		func(p *scripted.Peer, r scripted.Request) bool {
			switch r.Name {
			case "find":
				return p.Answer(r, batchOf("firstBatch", int64(5))) == nil
			case "getMore":
				to := r.ID
				for _, doc := range replies[:len(replies)-1] {
					var b []byte
					b, to = p.More(to, doc)
					if _, err := p.Write(b); err != nil {
						return false
					}
				}
				_, err := p.Write(p.Reply(scripted.Request{ID: to, OpCode: r.OpCode}, replies[len(replies)-1]))
				return err == nil
			}
			return scripted.Ping(p, r)
		}))
}

// at is a reply that says when it was given.
func at(doc bson.D, t uint32) bson.D {
	return append(doc, bson.E{Key: "operationTime", Value: bson.Timestamp{T: t}})
}

// What a server sends by itself is a reply like any other: its session hears of the time,
// and observers of a getMore for each.
func TestExhaustRepliesAreCommands(t *testing.T) {
	for name, test := range map[string]struct {
		last     bson.D
		says     string // the error
		outcomes []string
	}{
		"to the end": {at(batchOf("nextBatch", int64(0)), 9), "", []string{"find", "getMore", "getMore", "getMore"}},
		"refused": {
			at(bson.D{{"ok", 0}, {"code", 59}, {"errmsg", "no more"}}, 9), "no more",
			[]string{"find", "getMore", "getMore", "getMore failed", "killCursors"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := streamer(t, at(batchOf("nextBatch", int64(5)), 7), at(batchOf("nextBatch", int64(5)), 8), test.last)
			var mu sync.Mutex
			var outcomes []string
			requests := map[int32]bool{}
			note := func(name string) {
				mu.Lock()
				defer mu.Unlock()
				outcomes = append(outcomes, name)
			}
			monitor := &event.CommandMonitor{
				Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
					mu.Lock()
					defer mu.Unlock()
					requests[e.RequestID] = true
					if id, ok := e.Command.Lookup("getMore").Int64OK(); e.CommandName == "getMore" && (!ok || id != 5) {
						t.Errorf("a getMore of %v", e.Command)
					}
					return ctx
				},
				Succeeded: func(_ context.Context, e *event.CommandSucceeded) { note(e.CommandName) },
				Failed:    func(_ context.Context, e *event.CommandFailed) { note(e.CommandName + " failed") },
			}
			c := openClient(t, s, func(o *Options) { o.CommandMonitors = append(o.CommandMonitors, monitor) })
			ctx, session, err := c.StartSession(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.End(t.Context())
			list, err := Collect[bson.D](c.Database("db").Collection("c").Find(ctx, nil, Exhaust()))
			if test.says != "" {
				is(t, err, nil, test.says)
			} else if err != nil || len(list) != 4 {
				t.Errorf("%d documents: %v", len(list), err)
			}
			if now := session.OperationTime(); now.T != 9 {
				t.Errorf("the session is at %v", now)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes = slices.DeleteFunc(outcomes, func(s string) bool { return s == "ping" })
			if !slices.Equal(outcomes, test.outcomes) || len(requests) != len(outcomes)+1 {
				t.Errorf("%v of %d requests", outcomes, len(requests))
			}
		})
	}
}

// The connection of an exhaust cursor that failed is free, also if nobody closes the
// cursor.
func TestExhaustThatFails(t *testing.T) {
	s := streamer(t, batchOf("nextBatch", int64(5)), bson.D{{"ok", 0}, {"code", 59}, {"errmsg", "no more"}})
	c := openClient(t, s, func(o *Options) { o.MaxPoolSize = new(1) })
	cur := c.Database("db").Collection("c").Find(t.Context(), nil, Exhaust())
	for cur.Next() {
	}
	is(t, cur.Err(), nil, "no more")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		t.Errorf("the connection was not given back: %v", err)
	}
	runtime.KeepAlive(cur)
}
