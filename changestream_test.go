package mgx

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// streamServer answers aggregate and getMore as it is told, in order, and keeps what it
// was asked. The last answer of each is given again and again.
type streamServer struct {
	mu       sync.Mutex
	opens    []reaction
	mores    []reaction
	requests []scripted.Request
}

// reaction is what a server does with a command.
type reaction func(p *scripted.Peer, r scripted.Request) bool

func answers(doc bson.D) reaction {
	return func(p *scripted.Peer, r scripted.Request) bool { return p.Answer(r, doc) == nil }
}

// events is a batch with events of these tokens; token is its own, "" for none.
func events(key, token string, ids ...string) reaction {
	batch := bson.A{}
	for _, id := range ids {
		batch = append(batch, event1(id))
	}
	c := bson.D{{"id", int64(5)}, {"ns", "db.c"}, {key, batch}}
	if token != "" {
		c = append(c, bson.E{Key: "postBatchResumeToken", Value: bson.D{{"t", token}}})
	}
	return answers(bson.D{{"ok", 1}, {"cursor", c}, {"operationTime", bson.Timestamp{T: 7, I: 1}}})
}

func opening(token string, ids ...string) reaction   { return events("firstBatch", token, ids...) }
func following(token string, ids ...string) reaction { return events("nextBatch", token, ids...) }

func event1(id string) bson.D {
	return bson.D{{"_id", bson.D{{"t", id}}}, {"operationType", "insert"}, {"fullDocument", bson.D{{"n", id}}}}
}

func refusing(code int32, labels ...string) reaction {
	return answers(bson.D{{"ok", 0}, {"code", code}, {"errmsg", "no"}, {"errorLabels", labels}})
}

const resumable = "ResumableChangeStreamError"

func (s *streamServer) handle(p *scripted.Peer, r scripted.Request) bool {
	s.mu.Lock()
	list := &s.opens
	switch r.Name {
	case "getMore":
		list = &s.mores
	case "aggregate":
	default:
		if r.Name == "killCursors" {
			s.requests = append(s.requests, r)
		}
		s.mu.Unlock()
		return scripted.Ping(p, r)
	}
	r.Document = slices.Clone(r.Document)
	s.requests = append(s.requests, r)
	next := (*list)[0]
	if len(*list) > 1 {
		*list = (*list)[1:]
	}
	s.mu.Unlock()
	return next(p, r)
}

// stages are what $changeStream was asked for, in the order of the commands.
func (s *streamServer) stages() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.Name == "aggregate" {
			list = append(list, r.Document.Lookup("pipeline", "0", "$changeStream").String())
		}
	}
	return list
}

func (s *streamServer) names() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		list = append(list, r.Name)
	}
	return list
}

// watched opens a client of such a server, whose wire version is given.
func (s *streamServer) open(t *testing.T, wire int32, change ...func(*Options)) *Client {
	hello := scripted.Hello(bson.E{Key: "maxWireVersion", Value: wire},
		bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	server := scripted.Listen(t, scripted.Greet(hello, s.handle))
	return openClient(t, server, append([]func(*Options){func(o *Options) { o.RetryReads = ptr(false) }}, change...)...)
}

const (
	wire42  = 8
	wire44s = 9
)

func watchOn(t *testing.T, c *Client, options ...WatchOption) *ChangeStream {
	t.Helper()
	stream, err := c.Database("db").Collection("c").Watch(t.Context(), nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close(context.Background()) })
	return stream
}

func tokenOf(s *ChangeStream) string {
	v, _ := s.ResumeToken().Lookup("t").StringValueOK()
	return v
}

// The prose tests of the specification "Change Streams", by their numbers.

// 1, 11, 13, 14: the resume token follows the events and the batches.
func TestChangeStreamFollowsTheToken(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p0", "1", "2", "3")}, mores: []reaction{following("p1"), following("p2", "4")}}
	stream := watchOn(t, s.open(t, wire44s))
	if tokenOf(stream) != "" { // 14
		t.Errorf("before the first event the token is %s", tokenOf(stream))
	}
	for _, want := range []string{"1", "2", "p0"} { // 13, 11
		if !stream.Next(t.Context()) || tokenOf(stream) != want {
			t.Fatalf("the token is %s, expected %s: %v", tokenOf(stream), want, stream.Err())
		}
	}
	if stream.TryNext(t.Context()) || tokenOf(stream) != "p1" { // 11, an empty batch
		t.Errorf("after an empty batch the token is %s: %v", tokenOf(stream), stream.Err())
	}
	if !stream.TryNext(t.Context()) || tokenOf(stream) != "p2" {
		t.Errorf("in the end the token is %s: %v", tokenOf(stream), stream.Err())
	}
}

// 12: without a token of the batches, it is that of the events.
func TestChangeStreamWithoutBatchTokens(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("", "1")}, mores: []reaction{following("")}}
	stream := watchOn(t, s.open(t, wire42), ResumeAfter(bson.D{{"t", "r"}}))
	if tokenOf(stream) != "r" {
		t.Errorf("before the first event the token is %q", tokenOf(stream))
	}
	if !stream.Next(t.Context()) || tokenOf(stream) != "1" || stream.TryNext(t.Context()) || tokenOf(stream) != "1" {
		t.Errorf("the token is %q: %v", tokenOf(stream), stream.Err())
	}
	s = &streamServer{opens: []reaction{opening("")}, mores: []reaction{following("")}}
	if stream = watchOn(t, s.open(t, wire42)); stream.TryNext(t.Context()) || stream.ResumeToken() != nil {
		t.Errorf("there is a token: %q", tokenOf(stream))
	}
}

// 2: events without a resume token end the stream.
func TestChangeStreamWithoutToken(t *testing.T) {
	bare := bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(5)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{{"a", 1}}}}}}}
	s := &streamServer{opens: []reaction{answers(bare)}, mores: []reaction{following("")}}
	stream := watchOn(t, s.open(t, wire44s))
	if stream.Next(t.Context()) || !stream.Closed() {
		t.Error("the stream goes on")
	}
	is(t, stream.Err(), []error{ErrInvalidArgument}, "cannot provide resume functionality when the resume token is missing")
	if got := s.names(); !slices.Contains(got, "killCursors") {
		t.Errorf("the cursor is left open: %v", got)
	}
}

// 3, and the criteria of a resumable error: it goes on once, with the pipeline and the
// options that it had, in the same session.
func TestChangeStreamResumes(t *testing.T) {
	for name, test := range map[string]struct {
		wire    int32
		failure reaction
		resumes bool
	}{
		"network":                     {wire44s, hangUp, true},
		"labelled":                    {wire44s, refusing(1, resumable), true},
		"cursor not found":            {wire44s, refusing(43), true},
		"not labelled":                {wire44s, refusing(6), false},
		"another label":               {wire44s, refusing(6, "RetryableError"), false},
		"of an old server":            {wire42, refusing(6), true},
		"of an old server, labelled":  {wire42, refusing(1, resumable), false},
		"of an old server, and not":   {wire42, refusing(136), false},
		"of an old server, no cursor": {wire42, refusing(43), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &streamServer{opens: []reaction{opening("p0", "1"), opening("p1", "2")}, mores: []reaction{test.failure, following("")}}
			c := s.open(t, test.wire)
			stream, err := c.Database("db").Collection("c").Watch(t.Context(), bson.A{bson.D{{"$match", bson.D{{"a", 1}}}}},
				FullDocument("updateLookup"), BatchSize(3), Comment("why"))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close(t.Context())
			if !stream.Next(t.Context()) {
				t.Fatal(stream.Err())
			}
			if got := stream.Next(t.Context()); got != test.resumes {
				t.Fatalf("it goes on: %v, %v", got, stream.Err())
			}
			if !test.resumes {
				is(t, stream.Err(), nil, "getMore")
				if got := s.stages(); len(got) != 1 || !stream.Closed() {
					t.Errorf("closed %v, opened by %v", stream.Closed(), got)
				}
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			var opened []scripted.Request
			for _, r := range s.requests {
				if r.Name == "aggregate" {
					opened = append(opened, r)
				}
			}
			first, second := opened[0].Document, opened[1].Document
			if !first.Lookup("lsid").Equal(second.Lookup("lsid")) {
				t.Error("it goes on in another session")
			}
			want := first.Lookup("pipeline").String()
			want = strings.Replace(want, `"fullDocument": "updateLookup"`, `"fullDocument": "updateLookup","resumeAfter": {"t": "p0"}`, 1)
			if got := second.Lookup("pipeline").String(); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("it goes on with %s, expected %s", got, want)
			}
			for _, key := range []string{"cursor", "comment"} {
				if !first.Lookup(key).Equal(second.Lookup(key)) {
					t.Errorf("%s is another one", key)
				}
			}
		})
	}
}

// 4: an error of aggregate ends it, also when it is to go on.
func TestChangeStreamDoesNotResumeAggregate(t *testing.T) {
	s := &streamServer{opens: []reaction{refusing(6, resumable)}, mores: []reaction{hangUp}}
	c := s.open(t, wire44s)
	_, err := c.Database("db").Watch(t.Context(), nil)
	is(t, err, nil, "aggregate")
	if got := s.stages(); len(got) != 1 {
		t.Errorf("it was tried %d times", len(got))
	}
	s.opens = []reaction{opening("p"), refusing(6, resumable)}
	stream := watchOn(t, c)
	if stream.Next(t.Context()) || !stream.Closed() {
		t.Error("the stream goes on")
	}
	is(t, stream.Err(), nil, "aggregate")
	if got := s.stages(); len(got) != 3 {
		t.Errorf("it was tried %d times", len(got))
	}
}

// Each failure is gone on after, as long as the one attempt at it succeeds.
func TestChangeStreamResumesAgain(t *testing.T) {
	s := &streamServer{
		opens: []reaction{opening("p0"), opening("p1"), opening("p2", "1")},
		mores: []reaction{hangUp, refusing(43), following("")},
	}
	stream := watchOn(t, s.open(t, wire44s))
	if !stream.Next(t.Context()) {
		t.Fatal(stream.Err())
	}
	want := []string{`{}`, `{"resumeAfter": {"t": "p0"}}`, `{"resumeAfter": {"t": "p1"}}`}
	if got := s.stages(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("opened by %s, expected %s", got, want)
	}
}

// 7: an empty first batch is no end.
func TestChangeStreamStaysOpen(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p")}, mores: []reaction{following("q")}}
	stream := watchOn(t, s.open(t, wire44s))
	if stream.TryNext(t.Context()) || stream.Closed() || stream.ID() != 5 || slices.Contains(s.names(), "killCursors") {
		t.Errorf("closed %v, id %d, asked %v: %v", stream.Closed(), stream.ID(), s.names(), stream.Err())
	}
	if err := stream.Close(t.Context()); err != nil || !slices.Contains(s.names(), "killCursors") {
		t.Errorf("after Close, asked %v: %v", s.names(), err)
	}
}

// 8: what comes of killCursors does not matter.
func TestChangeStreamThatCannotKill(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p0"), opening("p1", "1")}, mores: []reaction{refusing(1, resumable), following("")}}
	hello := scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	killed := make(chan struct{}, 9)
	server := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "killCursors" {
			killed <- struct{}{}
			return refuse(59)(p, r)
		}
		return s.handle(p, r)
	}))
	stream := watchOn(t, openClient(t, server))
	if !stream.Next(t.Context()) || len(killed) == 0 {
		t.Errorf("%d cursors killed: %v", len(killed), stream.Err())
	}
}

// 9: without any token it goes on from the time that it was opened.
func TestChangeStreamGoesOnFromATime(t *testing.T) {
	s := &streamServer{opens: []reaction{opening(""), opening("", "1")}, mores: []reaction{hangUp}}
	stream := watchOn(t, s.open(t, wire42))
	if !stream.Next(t.Context()) {
		t.Fatal(stream.Err())
	}
	want := `{"startAtOperationTime": {"$timestamp":{"t":7,"i":1}}}`
	if got := s.stages(); len(got) != 2 || got[1] != want {
		t.Errorf("opened by %s", got)
	}
}

// 17, 18: StartAfter goes on with startAfter until there was an event.
func TestChangeStreamStartedAfter(t *testing.T) {
	s := &streamServer{
		opens: []reaction{opening("p0"), opening("p1", "1", "2"), opening("p2", "3")},
		mores: []reaction{hangUp, hangUp, following("")},
	}
	stream := watchOn(t, s.open(t, wire44s), StartAfter(bson.D{{"t", "s"}}))
	for range 3 {
		if !stream.Next(t.Context()) {
			t.Fatal(stream.Err())
		}
	}
	want := []string{`{"startAfter": {"t": "s"}}`, `{"startAfter": {"t": "p0"}}`, `{"resumeAfter": {"t": "p1"}}`}
	if got := s.stages(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("opened by %s, expected %s", got, want)
	}
}

// Behind the end of a context the stream goes on: nothing is lost, and nothing asked
// for twice.
func TestChangeStreamOutlivesContexts(t *testing.T) {
	gate := make(chan struct{})
	s := &streamServer{opens: []reaction{opening("p0")}, mores: []reaction{
		func(p *scripted.Peer, r scripted.Request) bool { <-gate; return following("p1", "1")(p, r) }, following("p2"),
	}}
	opened, cancel := context.WithCancel(t.Context())
	stream, err := s.open(t, wire44s).Watch(opened, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(t.Context())
	cancel() // the opening's, not the stream's
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if stream.Next(short) || stream.Closed() {
		t.Error("an event before the server's answer")
	}
	is(t, stream.Err(), []error{ErrTimeout, context.DeadlineExceeded})
	close(gate)
	if !stream.Next(t.Context()) || tokenOf(stream) != "p1" || stream.Err() != nil {
		t.Fatalf("the token is %q: %v", tokenOf(stream), stream.Err())
	}
	if got := s.names(); fmt.Sprint(got) != "[aggregate getMore]" {
		t.Errorf("asked %v", got)
	}
	if stream.Next(nil) { //nolint:staticcheck // it is about nil
		t.Error("an event without a context")
	}
	is(t, stream.Err(), []error{ErrInvalidArgument})
}

// timeoutMS ends a call, not the stream: the next call opens it again.
func TestChangeStreamOutlivesTimeouts(t *testing.T) {
	gate := make(chan struct{})
	s := &streamServer{
		opens: []reaction{opening("p0"), opening("p1", "1")},
		mores: []reaction{func(*scripted.Peer, scripted.Request) bool { <-gate; return false }},
	}
	stream := watchOn(t, s.open(t, wire44s, func(o *Options) { o.Timeout = 100 * time.Millisecond }))
	if stream.Next(context.Background()) || stream.Closed() {
		t.Error("the timeout is no error, or ends the stream")
	}
	is(t, stream.Err(), []error{ErrTimeout})
	close(gate)
	if !stream.Next(context.Background()) {
		t.Fatal(stream.Err())
	}
	if got := s.stages(); len(got) != 2 || got[1] != `{"resumeAfter": {"t": "p0"}}` {
		t.Errorf("opened by %s", got)
	}
}

// The server ends a stream with an invalidation; the events before it are there.
func TestChangeStreamThatIsInvalidated(t *testing.T) {
	last := bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"nextBatch", bson.A{event1("1")}}}}}
	s := &streamServer{opens: []reaction{opening("p")}, mores: []reaction{answers(last)}}
	stream := watchOn(t, s.open(t, wire44s))
	var got []string
	for e, err := range Changes[bson.D](t.Context(), stream) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Operation, *e.FullDocument))
	}
	if fmt.Sprint(got) != `[insert{"n":"1"}]` || !stream.Closed() || stream.Err() != nil || tokenOf(stream) != "1" {
		t.Errorf("%v, closed %v, token %q: %v", got, stream.Closed(), tokenOf(stream), stream.Err())
	}
}

// Fragments become one event, whose token is that of the last; a stream that is lost in
// between gets them all again.
func TestChangeStreamPutsFragmentsTogether(t *testing.T) {
	piece := func(n int32, field string) bson.D {
		return bson.D{{"_id", bson.D{{"t", fmt.Sprint("f", n)}}}, {"splitEvent", bson.D{{"fragment", n}, {"of", 2}}}, {field, bson.D{{"n", n}}}}
	}
	batch := func(key string, docs ...any) reaction {
		return answers(bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(5)}, {"ns", "db.c"}, {key, bson.A(docs)}}}})
	}
	s := &streamServer{
		opens: []reaction{batch("firstBatch", piece(1, "fullDocumentBeforeChange")), batch("firstBatch", piece(1, "fullDocumentBeforeChange"))},
		mores: []reaction{hangUp, batch("nextBatch", piece(2, "fullDocument"), event1("9"))},
	}
	stream := watchOn(t, s.open(t, wire44s), SplitLargeEvents())
	if !stream.Next(t.Context()) {
		t.Fatal(stream.Err())
	}
	var e ChangeEvent[bson.D]
	if err := stream.Decode(&e); err != nil {
		t.Fatal(err)
	}
	if e.FullDocumentBeforeChange == nil || e.FullDocument == nil || e.Split != nil ||
		fmt.Sprint((*e.FullDocumentBeforeChange)[0].Value, (*e.FullDocument)[0].Value) != "1 2" {
		t.Errorf("%v", e)
	}
	if tokenOf(stream) != "f2" {
		t.Errorf("the token is %q", tokenOf(stream))
	}
	if !stream.Next(t.Context()) || tokenOf(stream) != "9" {
		t.Errorf("then the token is %q: %v", tokenOf(stream), stream.Err())
	}
	s = &streamServer{opens: []reaction{batch("firstBatch", piece(2, "fullDocument"))}, mores: []reaction{following("")}}
	if stream = watchOn(t, s.open(t, wire44s), SplitLargeEvents()); stream.Next(t.Context()) {
		t.Error("an event without its first fragment")
	}
	is(t, stream.Err(), []error{ErrProtocol}, "fragment 2 of 2")
}

// A stream that fails behind a load balancer keeps its connection until Close; one that
// goes on gives it back.
func TestBalancedChangeStream(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p0"), opening("p1")}, mores: []reaction{hangUp, refusing(6)}}
	var pool poolRecord
	hello := scripted.Hello(bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "maxWireVersion", Value: 21})
	server := scripted.Listen(t, scripted.Greet(hello, s.handle))
	c := openClient(t, server, func(o *Options) {
		o.LoadBalanced, o.ServerMonitoringMode, o.PoolMonitors = ptr(true), "", []func(event.PoolEvent){pool.add}
	})
	stream := watchOn(t, c)
	if stream.Next(t.Context()) || stream.Err() == nil {
		t.Fatal("the second getMore does not fail")
	}
	if lent, _ := pool.state(); lent != 1 {
		t.Errorf("before Close %d connections are lent", lent)
	}
	if err := stream.Close(t.Context()); err == nil {
		t.Error("Close does not return the error")
	}
	if lent, _ := pool.state(); lent != 0 {
		t.Errorf("after Close %d connections are lent", lent)
	}
}

// Failed ones that nobody has any more give their connections back, too.
func TestBalancedAndForgotten(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p")}, mores: []reaction{refusing(6)}}
	var pool poolRecord
	hello := scripted.Hello(bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "maxWireVersion", Value: 21})
	c := openClient(t, scripted.Listen(t, scripted.Greet(hello, s.handle)), func(o *Options) {
		o.LoadBalanced, o.ServerMonitoringMode, o.PoolMonitors = ptr(true), "", []func(event.PoolEvent){pool.add}
	})
	coll := c.Database("db").Collection("c")
	for name, fail := range map[string]func() error{
		"stream": func() error {
			stream, err := coll.Watch(t.Context(), nil)
			if err != nil || stream.Next(t.Context()) {
				t.Fatal(err)
			}
			return stream.Err()
		},
		"cursor": func() error {
			cur := coll.Aggregate(t.Context(), nil)
			for cur.Next() {
			}
			return cur.Err()
		},
	} {
		is(t, fail(), nil, "no (code 6)")
		if lent, _ := pool.state(); lent != 1 {
			t.Errorf("%s: %d connections are lent", name, lent)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			runtime.GC()
			if lent, _ := pool.state(); lent == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: its connection is still lent", name)
			}
		}
	}
}

// A closed client ends a stream, without an attempt to go on.
func TestChangeStreamOfClosedClient(t *testing.T) {
	s := &streamServer{opens: []reaction{opening("p")}, mores: []reaction{following("q")}}
	c := s.open(t, wire44s)
	stream := watchOn(t, c)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stream.Next(t.Context()) || !stream.Closed() {
		t.Error("the stream goes on")
	}
	is(t, stream.Err(), []error{ErrClosed})
	if got := s.stages(); len(got) != 1 {
		t.Errorf("opened by %s", got)
	}
}
