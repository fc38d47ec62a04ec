package mgx

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/scripted"
)

// The timeout of a call counts before that of its handle, and that before the
// client's; the context's deadline counts where it is nearer.
func TestTimeoutIsInherited(t *testing.T) {
	s := newSurface(t)
	s.options.Timeout = time.Hour
	db := s.Database("d", Timeout(20*time.Minute))
	coll := db.Collection("c", Timeout(10*time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range []struct {
		name string
		find func() *SingleResult
		most time.Duration // 0: nothing is sent
	}{
		{"client", func() *SingleResult { return s.c.FindOne(t.Context(), nil) }, time.Hour},
		{"database", func() *SingleResult { return db.Collection("c").FindOne(t.Context(), nil) }, 20 * time.Minute},
		{"collection", func() *SingleResult { return coll.FindOne(t.Context(), nil) }, 10 * time.Minute},
		{"call", func() *SingleResult { return coll.FindOne(t.Context(), nil, Timeout(5*time.Minute)) }, 5 * time.Minute},
		{"no limit", func() *SingleResult { return coll.FindOne(t.Context(), nil, Timeout(0)) }, 0},
		{"deadline", func() *SingleResult { return coll.FindOne(ctx, nil) }, time.Minute},
		{"deadline before the client's", func() *SingleResult { return s.c.FindOne(ctx, nil) }, time.Minute},
		{"command", func() *SingleResult { return db.RunCommand(t.Context(), bson.D{{"find", "c"}}) }, 20 * time.Minute},
	} {
		var ms int64
		got := s.during(t, func() (any, error) { return single(c.find()) })
		for _, digit := range got["find.maxTimeMS"] {
			ms = ms*10 + int64(digit-'0')
		}
		if most := c.most.Milliseconds(); ms > most || ms < most-10_000 {
			t.Errorf("%s: maxTimeMS %d, not about %d", c.name, ms, most)
		}
	}
	if got := coll.Timeout(); got != 10*time.Minute {
		t.Errorf("the collection's timeout is %v", got)
	}
	is(t, coll.FindOne(t.Context(), nil, Timeout(-1)).Err(), []error{ErrInvalidArgument}, "must not be negative")
}

// A deadline, too, goes to the server, and older timeouts count beside it alone.
func TestOlderTimeouts(t *testing.T) {
	s := newSurface(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	insert := func(ctx context.Context, options ...InsertOption) sent {
		return s.during(t, func() (any, error) {
			return s.c.InsertOne(ctx, bson.D{}, append(options, WithWriteConcern(WriteConcern{W: 2, Timeout: time.Second}))...)
		})
	}
	if got := insert(ctx); got["insert.maxTimeMS"] == "" || got["insert.writeConcern.wtimeout"] != "1000" {
		t.Errorf("with a deadline: %v", got)
	}
	if got := insert(t.Context(), Timeout(time.Hour)); got["insert.maxTimeMS"] == "" || got["insert.writeConcern.wtimeout"] != "" || got["insert.writeConcern.w"] != "2" {
		t.Errorf("with a timeout: %v", got)
	}
}

// The server's word that time is up is a timeout, wherever it stands.
func TestMaxTimeExpiredIsATimeout(t *testing.T) {
	expired := bson.D{{"code", 50}, {"errmsg", "operation exceeded time limit"}, {"index", 0}}
	for name, reply := range map[string]bson.D{
		"reply":         append(bson.D{{"ok", 0}}, expired...),
		"write error":   {{"ok", 1}, {"writeErrors", bson.A{expired}}},
		"write concern": {{"ok", 1}, {"writeConcernError", expired}},
	} {
		s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
			if r.Name == "insert" {
				return p.Answer(r, reply) == nil
			}
			return scripted.Ping(p, r)
		}))
		_, err := openClient(t, s).Database("d").Collection("c").InsertOne(t.Context(), bson.D{})
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With a timeout a read is tried again until time is up, and the error says both.
func TestRetriesUntilTheTimeout(t *testing.T) {
	var finds atomic.Int32
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			finds.Add(1)
			time.Sleep(20 * time.Millisecond)
			return p.Answer(r, bson.D{{"ok", 0}, {"code", 6}, {"errmsg", "host unreachable"}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	coll := openClient(t, s).Database("d").Collection("c")
	err := coll.FindOne(t.Context(), nil, Timeout(150*time.Millisecond)).Err()
	is(t, err, []error{ErrTimeout})
	if n := finds.Load(); n < 3 {
		t.Errorf("%d attempts", n)
	}
	finds.Store(0)
	err = coll.FindOne(t.Context(), nil).Err()
	if n := finds.Load(); n != 2 || errors.Is(err, ErrTimeout) {
		t.Errorf("%d attempts without a timeout: %v", n, err)
	}
}

// What contradicts a cursor's timeout is an error before anything is sent.
func TestCursorTimeoutOptions(t *testing.T) {
	s := newSurface(t)
	minute := Timeout(time.Minute)
	for name, cur := range map[string]*Cursor{
		"mode without a timeout":       s.c.Find(t.Context(), nil, WithTimeoutMode(Iteration)),
		"lifetime of a tailable":       s.c.Find(t.Context(), nil, minute, WithCursorType(Tailable), WithTimeoutMode(CursorLifetime)),
		"awaits longer":                s.c.Find(t.Context(), nil, minute, WithCursorType(TailableAwait), MaxAwaitTime(time.Minute)),
		"iterations of an aggregation": s.c.Aggregate(t.Context(), anOut, minute, WithTimeoutMode(Iteration)),
	} {
		if cur.Next() {
			t.Errorf("%s: a document", name)
		}
		if err := cur.Err(); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A cursor's timeout is that of its life, and what is there is returned after it; in
// iterations it is that of each call.
func TestCursorTimeout(t *testing.T) {
	const each, timeout = 120 * time.Millisecond, 200 * time.Millisecond
	doc := bson.D{{"a", 1}}
	var mores atomic.Int32
	var told, killed atomic.Bool
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		batch := "firstBatch"
		switch r.Name {
		case "killCursors":
			killed.Store(bytes.Contains(r.Document, []byte("maxTimeMS")))
		case "find":
			told.Store(bytes.Contains(r.Document, []byte("maxTimeMS")))
		case "getMore":
			mores.Add(1)
			batch = "nextBatch"
			time.Sleep(each)
			if bytes.Contains(r.Document, []byte("maxTimeMS")) {
				t.Error("a getMore with maxTimeMS")
			}
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(7)}, {"ns", "d.c"}, {batch, bson.A{doc, doc}}}}}) == nil
	}))
	coll := openClient(t, s).Database("d").Collection("c")

	cur := coll.Find(t.Context(), nil, Timeout(timeout))
	read := 0
	for cur.Next() {
		read++
		time.Sleep(timeout / 2)
	}
	is(t, cur.Err(), []error{ErrTimeout})
	if read%2 != 0 || !told.Load() {
		t.Errorf("%d documents, the server was told: %v", read, told.Load())
	}
	if err := cur.Close(); !errors.Is(err, ErrTimeout) || !killed.Load() {
		t.Errorf("closed: %v, killed in time: %v", err, killed.Load())
	}

	mores.Store(0)
	cur = coll.Find(t.Context(), nil, Timeout(timeout), WithTimeoutMode(Iteration))
	for range 8 { // three getMores, which take longer than the timeout together
		if !cur.Next() {
			t.Fatal(cur.Err())
		}
	}
	if mores.Load() != 3 || told.Load() {
		t.Errorf("%d getMores, the server was told: %v", mores.Load(), told.Load())
	}
	_ = cur.Close()
}

// What there is no time left to repeat is a timeout, and a server's answer still.
func TestExpiredErrorIsATimeout(t *testing.T) {
	err := toPublic("find", &exec.ExpiredError{Err: &exec.ServerError{Command: "find", Document: fault.Document{Code: 10107, Message: "not primary"}}})
	is(t, err, []error{ErrTimeout, ErrNotPrimary}, "not primary", "no time left")
	if server, ok := errors.AsType[*ServerError](err); !ok || server.Code != 10107 {
		t.Errorf("the server's answer is lost: %v", err)
	}
}
