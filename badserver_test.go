package mgx

import (
	"context"
	"encoding/binary"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/wire"
)

// patience is how long a call may take that should end by itself long before.
const patience = 5 * time.Second

// within runs f, which has to come to its end soon.
func within(t *testing.T, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
}

// is fails the test unless err is of all the kinds, says all the words, and has
// one line where it should.
func is(t *testing.T, err error, kinds []error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Errorf("no %q: %v (%T)", kind, err, err)
		}
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the text does not say %q: %v", word, err)
		}
	}
}

// openClient opens a client of a scripted server, and sees to it that nothing of
// it is left in the end.
func openClient(t *testing.T, s *scripted.Server, change ...func(*Options)) *Client {
	t.Helper()
	o := &Options{Hosts: []string{s.Address}, ServerSelectionTimeout: time.Second, HeartbeatInterval: time.Minute, ServerMonitoringMode: "poll"}
	for _, f := range change {
		f(o)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		noConnection(t, s)
	})
	return c
}

// noConnection waits a moment for the server's connections to end.
func noConnection(t *testing.T, s *scripted.Server) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.Open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d connections are left", s.Open())
			return
		}
	}
}

// hold keeps a connection open until the client closes it.
func hold(p *scripted.Peer) { _, _ = p.Conn.Read(make([]byte, 1)) }

// Servers that nobody can connect to: Connect fails in time, and says which
// server did what.
func TestConnectToBadServers(t *testing.T) {
	reply := func(change func([]byte) []byte) func(*scripted.Peer) {
		return func(p *scripted.Peer) {
			if r, err := p.Read(); err == nil {
				_, _ = p.Write(change(p.Reply(r, scripted.Hello())))
				hold(p)
			}
		}
	}
	answer := func(doc bson.D) func(*scripted.Peer) {
		return func(p *scripted.Peer) {
			if r, err := p.Read(); err == nil {
				_ = p.Answer(r, doc)
				hold(p)
			}
		}
	}
	tests := []struct {
		name   string
		script func(*scripted.Peer)
		says   string
	}{
		{"says nothing", func(p *scripted.Peer) { _, _ = p.Read(); hold(p) }, "connectTimeoutMS"},
		{"closes at once", func(*scripted.Peer) {}, ""},
		{"speaks HTTP", func(p *scripted.Peer) { _, _ = p.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); hold(p) }, "malformed message"},
		{"half a frame", reply(func(b []byte) []byte { return b[:len(b)/2] }), "connectTimeoutMS"},
		{"a length of 5", reply(func(b []byte) []byte { b[0], b[1], b[2], b[3] = 5, 0, 0, 0; return b }), "malformed message"},
		{"a length of 2 GB", reply(func(b []byte) []byte { b[3] = 0x7f; return b }), "malformed message"},
		{"a negative length", reply(func(b []byte) []byte { b[3] = 0xff; return b }), "malformed message"},
		{"an unknown opcode", reply(func(b []byte) []byte { b[12] = 99; return b }), "malformed message"},
		{"a broken document", reply(func(b []byte) []byte { b[len(b)-1] = 9; return b }), "malformed message"},
		{"another request's reply", reply(func(b []byte) []byte { b[8]++; return b }), "reply to request"},
		{"refuses", answer(bson.D{{"ok", 0}, {"errmsg", "closed for the night"}, {"code", 91}}), "closed for the night"},
		{"too new", answer(scripted.Hello(bson.E{Key: "minWireVersion", Value: 99}, bson.E{Key: "maxWireVersion", Value: 100})), "wire version"},
		{"too old", answer(scripted.Hello(bson.E{Key: "maxWireVersion", Value: 2})), "wire version"},
		{"wrong types", answer(bson.D{{"ok", 1}, {"maxWireVersion", "21"}}), "maxWireVersion"},
		{"an empty document", answer(bson.D{}), ""},
		{"absurd limits", answer(scripted.Hello(bson.E{Key: "maxMessageSizeBytes", Value: -1})), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := scripted.Listen(t, tt.script)
			within(t, func() {
				c, err := Connect(t.Context(), "mongodb://"+s.Address+"/?serverSelectionTimeoutMS=200&connectTimeoutMS=100")
				if c != nil {
					_ = c.Close(t.Context())
				}
				if tt.name == "absurd limits" && err == nil {
					return
				}
				is(t, err, []error{ErrConnectionFailure, ErrServerSelection}, s.Address, tt.says)
			})
			noConnection(t, s)
		})
	}
}

func TestConnectToNobody(t *testing.T) {
	addresses := []string{scripted.Refusing(t), scripted.Refusing(t)}
	within(t, func() {
		_, err := Connect(t.Context(), "mongodb://"+strings.Join(addresses, ",")+"/?serverSelectionTimeoutMS=200")
		is(t, err, []error{ErrConnectionFailure, ErrServerSelection}, addresses[0], addresses[1], "refused", "serverSelectionTimeoutMS")
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 {
			t.Errorf("not one line for each server:\n%v", err)
		}
	})
	within(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := Connect(ctx, "mongodb://"+addresses[0])
		is(t, err, []error{ErrConnectionFailure, ErrServerSelection, ErrTimeout, context.DeadlineExceeded}, addresses[0], "refused")
	})
	within(t, func() {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := Connect(ctx, "mongodb://"+addresses[0])
		is(t, err, []error{ErrServerSelection, context.Canceled}, addresses[0])
		if errors.Is(err, ErrConnectionFailure) || errors.Is(err, ErrTimeout) {
			t.Errorf("cancelled by its owner: %v", err)
		}
	})
	within(t, func() {
		path := filepath.Join(t.TempDir(), "nobody.sock")
		_, err := Connect(t.Context(), "mongodb://"+url.PathEscape(path)+"/?serverSelectionTimeoutMS=100")
		is(t, err, []error{ErrConnectionFailure, ErrServerSelection}, path, "no such file")
	})
}

// calls are one call of each kind, on a collection.
func calls(c *Collection) map[string]func(context.Context) error {
	set, doc := bson.D{{"$set", bson.D{{"a", 1}}}}, bson.D{{"a", 1}}
	db := c.Database()
	return map[string]func(context.Context) error{
		"Ping":              func(ctx context.Context) error { return db.Client().Ping(ctx) },
		"RunCommand":        func(ctx context.Context) error { return db.RunCommand(ctx, bson.D{{"ping", 1}}).Err() },
		"ListDatabases":     func(ctx context.Context) error { return second(db.Client().ListDatabases(ctx, nil)) },
		"ListDatabaseNames": func(ctx context.Context) error { return second(db.Client().ListDatabaseNames(ctx, nil)) },
		"ListCollectionNames": func(ctx context.Context) error {
			return second(db.ListCollectionNames(ctx, nil))
		},
		"CreateCollection": func(ctx context.Context) error { return db.CreateCollection(ctx, "x") },
		"Database.Drop":    func(ctx context.Context) error { return db.Drop(ctx) },
		"Collection.Drop":  func(ctx context.Context) error { return c.Drop(ctx) },
		"InsertOne":        func(ctx context.Context) error { return second(c.InsertOne(ctx, doc)) },
		"InsertMany":       func(ctx context.Context) error { return second(c.InsertMany(ctx, []bson.D{doc, doc, doc})) },
		"UpdateOne":        func(ctx context.Context) error { return second(c.UpdateOne(ctx, nil, set)) },
		"UpdateMany":       func(ctx context.Context) error { return second(c.UpdateMany(ctx, nil, set)) },
		"ReplaceOne":       func(ctx context.Context) error { return second(c.ReplaceOne(ctx, nil, doc)) },
		"DeleteOne":        func(ctx context.Context) error { return second(c.DeleteOne(ctx, nil)) },
		"DeleteMany":       func(ctx context.Context) error { return second(c.DeleteMany(ctx, nil)) },
		"BulkWrite":        func(ctx context.Context) error { return second(c.BulkWrite(ctx, []WriteModel{InsertOneModel(doc)})) },
		"Client.BulkWrite": func(ctx context.Context) error {
			return second(db.Client().BulkWrite(ctx, []ClientWrite{{c, InsertOneModel(doc)}}))
		},
		"Find":           func(ctx context.Context) error { return second(Collect[bson.M](c.Find(ctx, nil))) },
		"FindOne":        func(ctx context.Context) error { return second(FindOne[bson.M](ctx, c, nil)) },
		"Count":          func(ctx context.Context) error { return second(c.CountDocuments(ctx, nil)) },
		"EstimatedCount": func(ctx context.Context) error { return second(c.EstimatedDocumentCount(ctx)) },
		"Distinct":       func(ctx context.Context) error { return second(c.Distinct(ctx, "a", nil)) },
		"Aggregate":      func(ctx context.Context) error { return second(Collect[bson.M](c.Aggregate(ctx, nil))) },
		"Aggregate to $out": func(ctx context.Context) error {
			return second(Collect[bson.M](c.Aggregate(ctx, []bson.D{{{"$out", "x"}}})))
		},
		"FindOneAndUpdate":  func(ctx context.Context) error { return c.FindOneAndUpdate(ctx, nil, set).Err() },
		"FindOneAndReplace": func(ctx context.Context) error { return c.FindOneAndReplace(ctx, nil, doc).Err() },
		"FindOneAndDelete":  func(ctx context.Context) error { return c.FindOneAndDelete(ctx, nil).Err() },
		"CreateIndex":       func(ctx context.Context) error { return second(c.CreateIndex(ctx, Index{Keys: Keys("a")})) },
		"ListIndexes":       func(ctx context.Context) error { return second(Collect[bson.M](c.ListIndexes(ctx))) },
		"DropIndex":         func(ctx context.Context) error { return c.DropIndex(ctx, "a_1") },
		"DropIndexes":       func(ctx context.Context) error { return c.DropIndexes(ctx) },
	}
}

func second[T any](_ T, err error) error { return err }

// What a server sends instead of a reply, with what the call then says. None of
// it takes a goroutine, a connection or the client with it.
func TestBadMessages(t *testing.T) {
	never := func(*scripted.Peer, scripted.Request) []byte { return nil }
	half := func(p *scripted.Peer, r scripted.Request) []byte {
		b := p.Reply(r, bson.D{{"ok", 1}})
		return b[:len(b)-3]
	}
	changed := func(change func(b []byte)) func(*scripted.Peer, scripted.Request) []byte {
		return func(p *scripted.Peer, r scripted.Request) []byte {
			b := p.Reply(r, bson.D{{"ok", 1}, {"text", "some text to be cut"}})
			change(b)
			return b
		}
	}
	broken := []error{ErrConnectionFailure, ErrAutoReconnect}
	garbage := append([]error{ErrProtocol}, broken...)
	tests := []struct {
		name  string
		send  func(*scripted.Peer, scripted.Request) []byte
		close bool
		limit time.Duration // of the context
		kinds []error
		says  string
	}{
		{"closes", never, true, 0, broken, "the server closed the connection"},
		{"half a frame, closes", half, true, 0, broken, "the server closed the connection"},
		{"silence, socketTimeoutMS", never, false, 0, append([]error{ErrTimeout}, broken...), "timeout"},
		{"silence, deadline", never, false, 30 * time.Millisecond, []error{ErrTimeout, context.DeadlineExceeded}, "deadline"},
		{"half a frame, deadline", half, false, 30 * time.Millisecond, []error{ErrTimeout, context.DeadlineExceeded}, "deadline"},
		{"text", func(*scripted.Peer, scripted.Request) []byte { return []byte("220 smtp.example.com ESMTP\r\n") }, false, 0, garbage, "malformed"},
		{"a huge length", changed(func(b []byte) { binary.LittleEndian.PutUint32(b, 1<<31-1) }), false, 0, garbage, "malformed"},
		{"another request", changed(func(b []byte) { b[8]++ }), false, 0, garbage, "reply to request"},
		{"an old opcode", changed(func(b []byte) { binary.LittleEndian.PutUint32(b[12:], uint32(wire.OpQuery)) }), false, 0, garbage, "malformed"},
		{"unknown flags", changed(func(b []byte) { b[16] = 0x40 }), false, 0, garbage, "flags"},
		{"a wrong checksum", changed(func(b []byte) { b[16] = 1 }), false, 0, garbage, "checksum"},
		{"a section of unknown kind", changed(func(b []byte) { b[20] = 7 }), false, 0, garbage, "section"},
		{"a document longer than its frame", changed(func(b []byte) { b[21]++ }), false, 0, garbage, "malformed"},
		{"compressed by nobody knows what", changed(func(b []byte) { binary.LittleEndian.PutUint32(b[12:], uint32(wire.OpCompressed)) }), false, 0, garbage, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var bad atomic.Bool
			s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
				if !bad.Load() || r.Name == "endSessions" {
					return scripted.Ping(p, r)
				}
				if _, err := p.Write(tt.send(p, r)); err != nil {
					return false
				}
				return !tt.close
			}))
			c := openClient(t, s, func(o *Options) { o.SocketTimeout = 100 * time.Millisecond })
			coll := c.Database("db").Collection("c")
			names := []string{"RunCommand"}
			if tt.close {
				names = []string{"InsertOne", "Find", "BulkWrite"}
			}
			for _, name := range names {
				within(t, func() {
					bad.Store(true)
					ctx := t.Context()
					if tt.limit > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.limit)
						defer cancel()
					}
					err := calls(coll)[name](ctx)
					is(t, err, tt.kinds, s.Address, tt.says)
					if tt.limit > 0 && errors.Is(err, ErrConnectionFailure) {
						t.Errorf("%s: a context's end counts as a connection failure: %v", name, err)
					}
					bad.Store(false)
					if err := c.Ping(t.Context()); err != nil {
						t.Errorf("after %s: %v", name, err)
					}
				})
			}
		})
	}
}

// Replies that are messages, but not such as the command has. No operation
// panics, and those that cannot make sense of theirs say so.
func TestBadReplies(t *testing.T) {
	raw := func(doc any, change func([]byte)) bson.Raw {
		b, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		return b
	}
	cursor := func(fields ...bson.E) bson.D { return bson.D{{"ok", 1}, {"cursor", bson.D(fields)}} }
	writeErrors := func(index any) bson.D {
		return bson.D{{"ok", 1}, {"n", 0}, {"writeErrors", bson.A{bson.D{{"index", index}, {"code", 11000}, {"errmsg", "E11000"}}}}}
	}
	replies := map[string]any{
		"empty":                      bson.D{},
		"ok alone":                   bson.D{{"ok", 1}},
		"ok of a wrong type":         bson.D{{"ok", "yes"}},
		"ok 0 without a reason":      bson.D{{"ok", 0}},
		"ok 0 of wrong types":        bson.D{{"ok", 0}, {"errmsg", 3}, {"code", "x"}, {"codeName", 1}, {"errorLabels", "l"}},
		"cursor is a number":         bson.D{{"ok", 1}, {"cursor", 3}},
		"cursor is empty":            cursor(),
		"batch is missing":           cursor(bson.E{Key: "id", Value: int64(0)}, bson.E{Key: "ns", Value: "db.c"}),
		"batch is a document":        cursor(bson.E{Key: "id", Value: int64(0)}, bson.E{Key: "firstBatch", Value: bson.D{}}),
		"batch of numbers":           cursor(bson.E{Key: "id", Value: int64(0)}, bson.E{Key: "firstBatch", Value: bson.A{1, 2}}),
		"id of a wrong type":         cursor(bson.E{Key: "id", Value: "x"}, bson.E{Key: "ns", Value: 3}, bson.E{Key: "firstBatch", Value: bson.A{}}),
		"values is a number":         bson.D{{"ok", 1}, {"values", 3}, {"n", "many"}, {"value", 3}, {"databases", 3}},
		"write errors are a number":  bson.D{{"ok", 1}, {"writeErrors", 3}, {"writeConcernError", 3}, {"upserted", 3}, {"nModified", "x"}},
		"write errors of numbers":    bson.D{{"ok", 1}, {"writeErrors", bson.A{3, nil}}, {"upserted", bson.A{3}}},
		"write error at -1":          writeErrors(-1),
		"write error at 99":          writeErrors(99),
		"write error at 1<<62":       writeErrors(int64(1 << 62)),
		"write error at -1<<63":      writeErrors(int64(-1 << 63)),
		"write error at a text":      writeErrors("x"),
		"write concern error, empty": bson.D{{"ok", 1}, {"writeConcernError", bson.D{}}},
		"document cut in its middle": raw(bson.D{{"ok", 1}, {"text", "long enough"}, {"cursor", bson.D{{"id", int64(0)}, {"firstBatch", bson.A{bson.D{{"a", 1}}}}}}}, func(b []byte) { b[20] = 0x7f }),
		"unknown type":               raw(bson.D{{"ok", 1}, {"x", 1}}, func(b []byte) { b[len(b)-8] = 0x44 }),
		"batch cut in its middle": raw(cursor(bson.E{Key: "id", Value: int64(0)}, bson.E{Key: "firstBatch", Value: bson.A{bson.D{{"abcd", 1}}, bson.D{}}}),
			func(b []byte) { i := strings.Index(string(b), "abcd"); b[i-5]++ }),
		"documents nested too deep": deep(2000),
	}
	// Those that have no use for what is wrong with the reply.
	fine := func(call, reply string) bool {
		switch reply {
		case "empty", "ok of a wrong type", "ok 0 without a reason", "ok 0 of wrong types", "document cut in its middle", "unknown type":
			return false
		}
		return true
	}
	var reply atomic.Value
	mongos := scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	s := scripted.Listen(t, scripted.Greet(mongos, func(p *scripted.Peer, r scripted.Request) bool {
		if doc := reply.Load().(box).v; doc != nil {
			return p.Answer(r, doc) == nil
		}
		return scripted.Ping(p, r)
	}))
	reply.Store(box{})
	c := openClient(t, s)
	coll := c.Database("db").Collection("c")
	for name, doc := range replies {
		for call, f := range calls(coll) {
			within(t, func() {
				reply.Store(box{doc})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := f(ctx)
				if err == nil && !fine(call, name) {
					t.Errorf("%s takes the reply %q", call, name)
				}
				if errors.Is(err, ErrTimeout) {
					t.Errorf("%s, %q: %v", call, name, err)
				}
				if n := c.topology.Servers()[0].Pool().Stats().InUse; n != 0 {
					t.Errorf("%s, %q: %d connections are in use", call, name, n)
				}
				if n := c.exec.Sessions.Len(); n != 1 {
					t.Errorf("%s, %q: %d sessions are idle, not the one that there was", call, name, n)
				}
			})
		}
	}
	reply.Store(box{})
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// box holds any value in an atomic.Value.
type box struct{ v any }

// deep is a reply whose one document is nested n deep.
func deep(n int) bson.Raw {
	doc := []byte{5, 0, 0, 0, 0}
	for range n {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(doc)+8))
		b = append(append(append(b, 3, 'd', 0), doc...), 0)
		doc = b
	}
	reply, err := bson.Marshal(bson.D{{"ok", 1}, {"n", 1}, {"values", bson.A{1}}})
	if err != nil {
		panic(err)
	}
	batch := binary.LittleEndian.AppendUint32(nil, uint32(len(doc)+8))
	batch = append(append(append(batch, 3, '0', 0), doc...), 0)
	cur := append([]byte{4}, "firstBatch\x00"...)
	cur = append(cur, batch...)
	cursor := binary.LittleEndian.AppendUint32(nil, uint32(len(cur)+5))
	cursor = append(append(cursor, cur...), 0)
	body := append(reply[4:len(reply)-1:len(reply)-1], append([]byte{3}, "cursor\x00"...)...)
	body = append(body, cursor...)
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+5))
	return append(append(out, body...), 0)
}

// The categories of replies that make no sense.
func TestReplyCategories(t *testing.T) {
	answers := map[string]any{
		"find":      bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(5)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{{"_id", 1}}}}}}},
		"getMore":   bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(5)}, {"ns", "db.c"}}}},
		"aggregate": bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"firstBatch", bson.A{bson.D{{"n", "many"}}}}}}},
		"distinct":  bson.D{{"ok", 1}}, "count": bson.D{{"ok", 1}}, "listDatabases": bson.D{{"ok", 1}, {"databases", 3}},
	}
	var killed atomic.Int32
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "killCursors" {
			killed.Add(1)
		}
		if doc, ok := answers[r.Name]; ok {
			return p.Answer(r, doc) == nil
		}
		return scripted.Ping(p, r)
	}))
	coll := openClient(t, s).Database("db").Collection("c")
	for call, says := range map[string]string{
		"Find": "nextBatch", "Count": "no number", "Distinct": "no values", "EstimatedCount": "no number", "ListDatabases": "databases",
	} {
		is(t, calls(coll)[call](t.Context()), []error{ErrProtocol}, says)
	}
	answers["aggregate"] = bson.D{{"ok", 1}}
	is(t, calls(coll)["Count"](t.Context()), []error{ErrProtocol}, "no cursor")
	if killed.Load() != 1 {
		t.Errorf("the cursor with a broken batch was killed %d times", killed.Load())
	}
}

// A server that was there and is gone: errors say so, and Close does not wait for
// it.
func TestServerGoes(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}), scripted.Ping))
	c := openClient(t, s, func(o *Options) { o.ServerSelectionTimeout = 100 * time.Millisecond })
	s.Close()
	within(t, func() {
		for range 3 {
			is(t, c.Ping(t.Context()), []error{ErrConnectionFailure}, s.Address)
		}
	})
	began := time.Now()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

// A server that hangs when the client closes holds it up for as long as the
// context allows.
func TestCloseWithSilentServer(t *testing.T) {
	for _, command := range []string{"endSessions", "ping"} {
		s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}), func(p *scripted.Peer, r scripted.Request) bool {
			return r.Name == command || scripted.Ping(p, r)
		}))
		o := &Options{Hosts: []string{s.Address}, ServerMonitoringMode: "poll"}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if command != "ping" {
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		pinged := make(chan error, 1)
		go func() { pinged <- c.Ping(t.Context()) }()
		if command != "ping" {
			if err := <-pinged; err != nil {
				t.Fatal(err)
			}
		} else {
			time.Sleep(50 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		if err := c.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a silent %s holds Close up for %v", command, took)
		}
		if command == "ping" {
			is(t, <-pinged, []error{ErrConnectionFailure})
		}
		noConnection(t, s)
	}
}
