package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/leaktest"
)

// serverURI is the deployment that the tests use.
var serverURI string

func TestMain(m *testing.M) {
	serverURI = os.Getenv("MGX_TEST_URI")
	stop := func() error { return nil }
	if serverURI == "" {
		var err error
		if serverURI, stop, err = ferretdbcmd.Quickest(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if left := leaktest.Left(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// connect returns a client of the tests' server. change may set options.
func connect(t testing.TB, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	return connectTo(t, serverURI, change...)
}

func connectTo(t testing.TB, uri string, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	o, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(o)
	}
	client, err := mgx.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

var databases atomic.Int64

// databaseName makes up the name of a database that goes with the test.
func databaseName(t testing.TB, uri string) string {
	t.Helper()
	name := fmt.Sprintf("mgx_%d_%x_%d", os.Getpid(), time.Now().UnixMilli()&0xffffff, databases.Add(1))
	t.Cleanup(func() {
		client, err := mgx.Connect(context.Background(), uri)
		if err != nil {
			t.Error(err)
			return
		}
		if err := client.Database(name).Drop(context.Background()); err != nil {
			t.Error(err)
		}
		_ = client.Close(context.Background())
	})
	return name
}

// database returns a new database, with a client of its own.
func database(t testing.TB, change ...func(*mgx.Options)) *mgx.Database {
	t.Helper()
	return databaseOn(t, serverURI, change...)
}

func databaseOn(t testing.TB, uri string, change ...func(*mgx.Options)) *mgx.Database {
	t.Helper()
	name := databaseName(t, uri)
	return connectTo(t, uri, change...).Database(name)
}

// collection returns a collection in a new database, with the documents in it.
func collection(t testing.TB, docs ...bson.D) *mgx.Collection {
	t.Helper()
	c := database(t).Collection("c")
	insert(t, c, docs...)
	return c
}

func insert(t testing.TB, c *mgx.Collection, docs ...bson.D) {
	t.Helper()
	if len(docs) == 0 {
		return
	}
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// numbered returns n documents {_id: i, a: i % 10}.
func numbered(n int) []bson.D {
	docs := make([]bson.D, n)
	for i := range docs {
		docs[i] = bson.D{{"_id", int32(i)}, {"a", int32(i % 10)}}
	}
	return docs
}

// found returns the collection's documents, by _id, as relaxed Extended JSON.
func found(t testing.TB, c *mgx.Collection, filter any) []string {
	t.Helper()
	list, err := mgx.Collect[bson.Raw](c.Find(t.Context(), filter, mgx.Sort("_id")))
	if err != nil {
		t.Fatal(err)
	}
	return texts(list)
}

func texts(list []bson.Raw) []string {
	out := make([]string, len(list))
	for i, doc := range list {
		out[i] = text(doc)
	}
	return out
}

func text(doc any) string {
	b, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// expect compares documents with Extended JSON texts.
func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// oracle returns the official driver's client of the same server.
func oracle(t testing.TB) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(serverURI))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// recorder keeps the events of commands.
type recorder struct {
	mu        sync.Mutex
	started   []event.CommandStarted
	succeeded []event.CommandSucceeded
	failed    []event.CommandFailed
}

// watch is an option of connect.
func (r *recorder) watch(o *mgx.Options) {
	o.CommandMonitors = append(o.CommandMonitors, &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			c := *e
			c.Command = bytes.Clone(e.Command)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.started = append(r.started, c)
			return ctx
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			c := *e
			c.Reply = bytes.Clone(e.Reply)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.succeeded = append(r.succeeded, c)
		},
		Failed: func(_ context.Context, e *event.CommandFailed) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failed = append(r.failed, *e)
		},
	})
}

// names lists the commands that were started.
func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, len(r.started))
	for i, e := range r.started {
		list[i] = e.CommandName
	}
	return list
}

// take returns the started commands of a name.
func (r *recorder) take(name string) []bson.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []bson.Raw
	for _, e := range r.started {
		if e.CommandName == name {
			list = append(list, e.Command)
		}
	}
	return list
}

// last returns the last started command of a name.
func (r *recorder) last(t testing.TB, name string) bson.Raw {
	t.Helper()
	list := r.take(name)
	if len(list) == 0 {
		t.Fatalf("no %s was sent, only %v", name, r.names())
	}
	return list[len(list)-1]
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started, r.succeeded, r.failed = nil, nil, nil
}

// count returns how many elements an array of a document has.
func count(t testing.TB, doc bson.Raw, key ...string) int {
	t.Helper()
	array, ok := doc.Lookup(key...).ArrayOK()
	if !ok {
		t.Fatalf("%v is no array in %v", key, doc)
	}
	values, err := array.Values()
	if err != nil {
		t.Fatal(err)
	}
	return len(values)
}

// must returns v, or ends the test with the error.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
