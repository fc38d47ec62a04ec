package mgxotel

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// The program decides, then the environment: the specification's prose tests 1 and 2.
func TestEnvironment(t *testing.T) {
	uri := replicaSet(t).URI()
	on, off := true, false
	for _, test := range []struct {
		name              string
		enabled, length   string // of the environment; "-": not set
		config            Config
		reports, withText bool
	}{
		{"nobody says anything", "-", "-", Config{}, true, false},
		{"turned off", "false", "1024", Config{}, false, false},
		{"turned off by a word", "no", "-", Config{}, false, false},
		{"turned on", "true", "-", Config{}, true, false},
		{"turned on, otherwise", "YES", "-", Config{}, true, false},
		{"with text", "1", "1024", Config{}, true, true},
		{"with no text", "1", "0", Config{}, true, false},
		{"with a bad length", "1", "long", Config{}, true, false},
		{"the program turns it on", "false", "-", Config{Enabled: &on, QueryTextMaxLength: 10}, true, true},
		{"the program turns it off", "true", "-", Config{Enabled: &off}, false, false},
		{"the program wants no text", "true", "1024", Config{QueryTextMaxLength: -1}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range map[string]string{EnvEnabled: test.enabled, EnvQueryTextMaxLength: test.length} {
				if value != "-" {
					t.Setenv(name, value)
				}
			}
			r := observe(t, uri, test.config)
			if _, err := r.Database("shop").Collection("tea").EstimatedDocumentCount(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !test.reports {
				r.checkTree(t)
				return
			}
			r.checkTree(t, "count shop.tea", "  count")
			if _, has := attributes(r.named(t, "count"))["db.query.text"]; has != test.withText {
				t.Errorf("db.query.text is there: %v", has)
			}
		})
	}
}

// Spans are below the program's own, and have what the specification lists.
func TestSpans(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{QueryTextMaxLength: 1000})
	ctx, own := r.tracer.Start(t.Context(), "checkout")
	coll := r.Database("shop").Collection("tea")
	if _, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 7}}); err != nil {
		t.Fatal(err)
	}
	own.End()
	r.checkTree(t, "checkout", "  insert shop.tea", "    insert")
	operation, command := r.named(t, "insert shop.tea"), r.named(t, "insert")
	for _, s := range []interface{ SpanKind() trace.SpanKind }{operation, command} {
		if s.SpanKind() != trace.SpanKindClient {
			t.Errorf("the kind is %v", s.SpanKind())
		}
	}
	got := attributes(operation)
	for name, want := range map[attribute.Key]any{
		"db.system.name": "mongodb", "db.namespace": "shop", "db.collection.name": "tea", "db.operation.name": "insert", "db.operation.summary": "insert shop.tea",
	} {
		if got[name] != want {
			t.Errorf("%s of the operation is %v, want %v", name, got[name], want)
		}
	}
	got = attributes(command)
	for name, want := range map[attribute.Key]any{
		"db.system.name": "mongodb", "db.namespace": "shop", "db.collection.name": "tea", "db.command.name": "insert", "db.query.summary": "insert shop.tea",
		"network.transport": "tcp", "server.address": "127.0.0.1", "db.mongodb.txn_number": int64(1), "db.response.status_code": nil, "exception.type": nil,
	} {
		if got[name] != want {
			t.Errorf("%s of the command is %v, want %v", name, got[name], want)
		}
	}
	if id, _ := got["db.mongodb.lsid"].(string); len(id) != 36 {
		t.Errorf("the session is %v", got["db.mongodb.lsid"])
	}
	for _, name := range []attribute.Key{"server.port", "db.mongodb.driver_connection_id", "db.mongodb.server_connection_id"} {
		if n, _ := got[name].(int64); n <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	text, _ := got["db.query.text"].(string)
	if !strings.HasPrefix(text, `{"insert":"tea","ordered":true,`) || !strings.Contains(text, `"documents":[{"_id":7}]`) ||
		strings.Contains(text, "lsid") || strings.Contains(text, "$db") || strings.Contains(text, "$clusterTime") {
		t.Errorf("the text is %s", text)
	}
	scope := operation.InstrumentationScope()
	if scope.Name != ScopeName || scope.Version != mgx.Version {
		t.Errorf("the scope is %+v", scope)
	}
}

// What fails is on the span of the command and on that of the operation.
func TestFailures(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{})
	db := r.Database("shop")
	if _, err := db.RunCommand(t.Context(), bson.D{{Key: "explode", Value: 1}}).Raw(); err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"explode", "runCommand shop"} {
		s := r.named(t, name)
		got := attributes(s)
		if got["exception.type"] != "mgx.ServerError" || !strings.Contains(got["exception.message"].(string), "explode") || !strings.Contains(got["exception.stacktrace"].(string), "TestFailures") {
			t.Errorf("%s: %v", name, got)
		}
		if s.Status().Code != codes.Error || len(s.Events()) != 1 || s.Events()[0].Name != "exception" {
			t.Errorf("%s: status %+v, events %+v", name, s.Status(), s.Events())
		}
	}
	if got := attributes(r.named(t, "explode"))["db.response.status_code"]; got != "59" {
		t.Errorf("the code is %v", got)
	}

	// A duplicate key is a success of the command, and a failure of the operation.
	r.forget()
	coll := db.Collection("tea")
	twice := []bson.D{{{Key: "_id", Value: 1}}, {{Key: "_id", Value: 1}}}
	if _, err := coll.InsertMany(t.Context(), twice); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Fatal(err)
	}
	if s := r.named(t, "insert"); s.Status().Code != codes.Unset {
		t.Errorf("the command's status is %+v", s.Status())
	}
	if got := attributes(r.named(t, "insert shop.tea"))["exception.type"]; got != "mgx.BulkWriteError" {
		t.Errorf("the operation's exception is a %v", got)
	}

	// What was never sent is an operation without a command.
	r.forget()
	if err := errors.Join(r.Close(t.Context()), r.Ping(t.Context())); !errors.Is(err, mgx.ErrClosed) {
		t.Fatal(err)
	}
	r.checkTree(t, "ping admin")
	if got := attributes(r.named(t, "ping admin"))["exception.type"]; got != "mgx.ErrClosed" {
		t.Errorf("the operation's exception is a %v", got)
	}
}

// Commands that carry secrets have no spans; their operations have.
func TestSecretsHaveNoSpan(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{QueryTextMaxLength: 1000})
	_, _ = r.Database("admin").RunCommand(t.Context(), bson.D{{Key: "createUser", Value: "ann"}, {Key: "pwd", Value: "sesame-open"}, {Key: "roles", Value: bson.A{}}}).Raw()
	r.checkTree(t, "runCommand admin")
	for _, s := range r.ended() {
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.Emit(), "sesame") {
				t.Errorf("%s has %s: %s", s.Name(), a.Key, a.Value.Emit())
			}
		}
	}
}

// The text is cut where the configuration says.
func TestQueryTextIsCut(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{QueryTextMaxLength: 20})
	if _, err := r.Database("shop").Collection("tea").InsertOne(t.Context(), bson.D{{Key: "text", Value: strings.Repeat("x", 1000)}}); err != nil {
		t.Fatal(err)
	}
	if got := attributes(r.named(t, "insert"))["db.query.text"]; got != `{"insert":"tea","ord...` {
		t.Errorf("the text is %v", got)
	}
}

// The batches of a cursor in a transaction are beside the operation that opened it: the
// specification's prose tests 3 and 4.
func TestCursorInTransaction(t *testing.T) {
	r := observe(t, replicaSet(t).URI(), Config{})
	coll := r.Database("shop").Collection("tea")
	if _, err := coll.InsertMany(t.Context(), []bson.D{{}, {}, {}}); err != nil {
		t.Fatal(err)
	}
	r.forget()
	var id int64
	ctx, own := r.tracer.Start(t.Context(), "report")
	err := r.WithTransaction(ctx, func(ctx context.Context) error {
		ctx, inner := r.tracer.Start(ctx, "step")
		defer inner.End()
		cur := coll.Find(ctx, nil, mgx.BatchSize(2))
		if cur.Next() {
			id = cur.ID()
		}
		for cur.Next() {
		}
		return cur.Err()
	})
	own.End()
	if err != nil {
		t.Fatal(err)
	}
	r.checkTree(t, "report",
		"  transaction", "    find shop.tea", "      find", "    getMore shop.tea", "      getMore", "    commitTransaction admin", "      commitTransaction",
		"  step")
	if id == 0 {
		t.Fatal("no cursor was open")
	}
	for _, name := range []string{"getMore", "getMore shop.tea", "find", "find shop.tea"} {
		if got := attributes(r.named(t, name))["db.mongodb.cursor_id"]; got != id {
			t.Errorf("the cursor of %s is %v, want %d", name, got, id)
		}
	}
	if s := r.named(t, "transaction"); len(s.Attributes()) != 1 {
		t.Errorf("the transaction has %v", s.Attributes())
	}
}

// The server can tell which trace a command is part of.
func TestCommentTraceContext(t *testing.T) {
	comments := map[string]string{}
	r := observe(t, replicaSet(t).URI(), Config{CommentTraceContext: true}, func(o *mgx.Options) {
		o.CommandMonitors = append(o.CommandMonitors, &event.CommandMonitor{Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			comments[e.CommandName], _ = e.Command.Lookup("comment").StringValueOK()
			return ctx
		}})
	})
	coll := r.Database("shop").Collection("tea")
	if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	if _, err := mgx.FindOne[bson.D](t.Context(), coll, nil, mgx.Comment("mine")); err != nil {
		t.Fatal(err)
	}
	c := r.named(t, "insert shop.tea").SpanContext()
	if want := "traceparent='00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-01'"; comments["insert"] != want {
		t.Errorf("the comment is %s, want %s", comments["insert"], want)
	}
	if comments["find"] != "mine" {
		t.Errorf("the comment is %s", comments["find"])
	}
}

func TestTraceComment(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=a,other=b")
	if err != nil {
		t.Fatal(err)
	}
	c := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceState: state}
	if got := traceComment(trace.NewSpanContext(c)); got != "" {
		t.Errorf("a trace that is not sampled has %s", got)
	}
	c.TraceFlags = trace.FlagsSampled
	want := "traceparent='00-01000000000000000000000000000000-0200000000000000-01',tracestate='vendor%3Da%2Cother%3Db'"
	if got := traceComment(trace.NewSpanContext(c)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhereServersAre(t *testing.T) {
	for address, want := range map[string]string{
		"db.example.com:27017": `[{server.address db.example.com} {server.port 27017} {network.transport tcp}]`,
		"[::1]:27018":          `[{server.address ::1} {server.port 27018} {network.transport tcp}]`,
		"/tmp/mongodb.sock":    `[{server.address /tmp/mongodb.sock} {network.transport unix}]`,
	} {
		var b strings.Builder
		for _, a := range server(nil, address) {
			b.WriteString(" {" + string(a.Key) + " " + a.Value.Emit() + "}")
		}
		if got := "[" + b.String()[1:] + "]"; got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// Who imports the package compiles OpenTelemetry's API, and no SDK.
func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out); !strings.Contains(text, "go.opentelemetry.io/otel/trace") || strings.Contains(text, "go.opentelemetry.io/otel/sdk") {
		t.Errorf("the dependencies are\n%s", text)
	}
}
