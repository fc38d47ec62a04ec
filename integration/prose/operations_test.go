package prose

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// connectTo opens a client that is watched, with the defaults of users.
func connectTo(t *testing.T, uri string, change ...func(*mgx.Options)) (*mgx.Client, *commands) {
	t.Helper()
	c := open(t, uri, append([]func(*mgx.Options){func(o *mgx.Options) { o.HeartbeatInterval = 500 * time.Millisecond }}, change...)...)
	return c.Client, c.commands
}

func code(err error) int32 {
	if e, ok := errors.AsType[*mgx.ServerError](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*mgx.WriteConcernError](err); ok {
		return e.Code
	}
	return 0
}

// CRUD, 1 and 2: what servers add to their errors is there.
func TestCRUD1And2Details(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client, seen := connectTo(t, dep.URI())
	ctx, c := t.Context(), client.Database("db").Collection("c")
	info := bson.D{{Key: "writeConcern", Value: bson.D{{Key: "w", Value: int32(2)}, {Key: "wtimeout", Value: int32(0)}, {Key: "provenance", Value: "clientSupplied"}}}}
	point := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: 1}}}, {Key: "data", Value: bson.D{
		{Key: "failCommands", Value: bson.A{"insert"}}, {Key: "writeConcernError", Value: bson.D{
			{Key: "code", Value: int32(100)}, {Key: "codeName", Value: "UnsatisfiableWriteConcern"}, {Key: "errmsg", Value: "Not enough data-bearing nodes"}, {Key: "errInfo", Value: info},
		}}}}}
	if err := client.Database("admin").RunCommand(ctx, point).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	want, _ := bson.Marshal(info)
	if e, ok := errors.AsType[*mgx.WriteConcernError](err); !ok || string(e.Details) != string(want) {
		t.Errorf("1: %v", err)
	}

	if err := client.Database("db").CreateCollection(ctx, "strings", mgx.Validator(bson.D{{Key: "x", Value: bson.D{{Key: "$type", Value: "string"}}}}, "", "")); err != nil {
		t.Fatal(err)
	}
	_, err = client.Database("db").Collection("strings").InsertOne(ctx, bson.D{{Key: "x", Value: 1}})
	e, ok := errors.AsType[*mgx.WriteError](err)
	if !ok || e.Code != 121 {
		t.Fatalf("2: %v", err)
	}
	reply := seen.reply()
	if said := reply.Lookup("writeErrors", "0", "errInfo").Document(); string(said) != string(e.Details) || len(said) < 6 {
		t.Errorf("2: %v, the server said %v", e.Details, said)
	}
}

// CRUD, 14: a find that is explained, with a limit for the explanation.
func TestCRUD14ExplainWithMaxTime(t *testing.T) {
	client, seen := connectTo(t, mgxtest.ReplicaSet(t, 1).URI())
	c := client.Database("explain-test").Collection("collection")
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "name", Value: "jane"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Find(t.Context(), bson.D{{Key: "name", Value: "john doe"}}, mgx.MaxTime(2*time.Second)).Explain("queryPlanner"); err != nil {
		t.Fatal(err)
	}
	explains := seen.named("explain")
	if len(explains) != 1 || explains[0].Command.Lookup("maxTimeMS").AsInt64() != 2000 {
		t.Errorf("%v", explains)
	}
}

// CRUD, 16: an identifier that the client makes comes first in its document.
func TestCRUD16GeneratedIdentifiersComeFirst(t *testing.T) {
	client, seen := connectTo(t, mgxtest.ReplicaSet(t, 1, mgxtest.ServerVersion("8.0.4")).URI())
	ctx, c := t.Context(), client.Database("db").Collection("c")
	doc := bson.D{{Key: "x", Value: 1}}
	for name, err := range map[string]error{
		"insertOne":       second(c.InsertOne(ctx, doc)),
		"insertMany":      second(c.InsertMany(ctx, []any{doc, doc})),
		"bulkWrite":       second(c.BulkWrite(ctx, []mgx.WriteModel{mgx.InsertOneModel(doc)})),
		"clientBulkWrite": second(client.BulkWrite(ctx, []mgx.ClientWrite{{Collection: c, Model: mgx.InsertOneModel(doc)}})),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	first := func(d bson.Raw) string {
		elems, err := d.Elements()
		if err != nil {
			t.Fatal(err)
		}
		return elems[0].Key()
	}
	n := 0
	for _, e := range append(seen.named("insert"), seen.named("bulkWrite")...) {
		field, inner := "documents", false
		if e.CommandName == "bulkWrite" {
			field, inner = "ops", true
		}
		values, err := e.Command.Lookup(field).Array().Values()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			d := v.Document()
			if inner {
				d = d.Lookup("document").Document()
			}
			n++
			if first(d) != "_id" {
				t.Errorf("%s: %v", e.CommandName, d)
			}
		}
	}
	if n != 5 {
		t.Errorf("%d documents", n)
	}
}

func second[T any](_ T, err error) error { return err }

var overloaded = []string{"RetryableError", "SystemOverloadedError"}

// Retryable writes, 3: the error of the first attempt stays, where the next one says
// that it wrote nothing.
func TestRetryableWrites3OriginalError(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1,
		WriteConcernError: &mgxtest.WriteConcernError{Code: 91, Message: "down", Labels: []string{"RetryableWriteError"}}})
	once := sync.OnceFunc(func() {
		dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 10107, ErrorLabels: []string{"RetryableWriteError", "NoWritesPerformed"}})
	})
	client, _ := connectTo(t, dep.URI(), func(o *mgx.Options) {
		o.CommandMonitors = append(o.CommandMonitors, &event.CommandMonitor{Succeeded: func(_ context.Context, e *event.CommandSucceeded) {
			if e.CommandName == "insert" {
				once()
			}
		}})
	})
	if _, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{}); code(err) != 91 {
		t.Errorf("%v", err)
	}
}

// Retryable writes, 4 and 5: another mongos, where there is one.
func TestRetryableWrites4And5Mongos(t *testing.T) {
	dep := mgxtest.Sharded(t)
	point := mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 6, ErrorLabels: []string{"RetryableWriteError"}}
	for _, m := range dep.Mongoses() {
		defer m.FailCommand(point)()
	}
	client, seen := connectTo(t, dep.URI())
	for known := 0; known < len(dep.Mongoses()); {
		known = 0
		for _, s := range client.Topology().Servers {
			if s.Kind == "Mongos" {
				known++
			}
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{}); err == nil {
		t.Error("4: it succeeded")
	}
	inserts := seen.named("insert")
	if len(seen.failed) != 2 || len(inserts) != 2 || inserts[0].Address == inserts[1].Address {
		t.Errorf("4: %d failures", len(seen.failed))
	}

	one := dep.Mongoses()[0]
	point.CloseConnection = true
	one.FailCommand(point)
	client, seen = connectTo(t, strings.Replace(one.URI(), "directConnection=true", "directConnection=false", 1))
	if _, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{}); err != nil {
		t.Error(err)
	}
	inserts = seen.named("insert")
	if len(seen.failed) != 1 || len(inserts) != 2 || inserts[0].Address != inserts[1].Address {
		t.Errorf("5: %d failures of %d", len(seen.failed), len(inserts))
	}
}

// Retryable writes, 6: which of several errors counts, and how often is tried.
func TestRetryableWrites6SeveralErrors(t *testing.T) {
	none := append([]string{"NoWritesPerformed"}, overloaded...)
	for name, c := range map[string]struct {
		first, then []string
		code, want  int32
		attempts    int
	}{
		"case 1": {overloaded, overloaded, 10107, 10107, 3},
		"case 2": {none, none, 10107, 91, 3},
		"case 3": {overloaded, none, 91, 91, 3},
		"case 4": {overloaded, []string{"RetryableError", "RetryableWriteError"}, 91, 91, 3},
	} {
		t.Run(name, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			client, seen := connectTo(t, dep.URI())
			dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 91, ErrorLabels: c.first})
			seen.onFailed = func(n int) {
				if n == 1 {
					dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, ErrorCode: c.code, ErrorLabels: c.then})
				}
			}
			_, err := client.Database("db").Collection("c").InsertOne(t.Context(), bson.D{})
			if code(err) != c.want {
				t.Errorf("%v", err)
			}
			if name == "case 3" && mgx.HasErrorLabel(err, "NoWritesPerformed") {
				t.Errorf("%v has the label", err)
			}
			if n := len(seen.named("insert")); n != c.attempts {
				t.Errorf("%d attempts, want %d", n, c.attempts)
			}
		})
	}
}

// Retryable reads, 4: once a server was overloaded, its limit counts for all that follows.
func TestRetryableReads4MostRetries(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	client, seen := connectTo(t, dep.URI())
	dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, Times: 1, ErrorCode: 91, ErrorLabels: overloaded})
	seen.onFailed = func(n int) {
		if n == 1 {
			dep.Primary().FailCommand(mgxtest.FailCommand{Commands: []string{"find"}, ErrorCode: 91, ErrorLabels: []string{"RetryableError"}})
		}
	}
	if err := client.Database("db").Collection("c").FindOne(t.Context(), nil).Err(); code(err) != 91 {
		t.Error(err)
	}
	if n := len(seen.named("find")); n != 3 {
		t.Errorf("%d attempts", n)
	}
}

// Handshake, test 9: every first message says how far the client knows backpressure.
func TestHandshake9Backpressure(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	var mu sync.Mutex
	greetings := 0
	remove := dep.OnCommand(func(c mgxtest.Command) {
		if _, err := c.Body.LookupErr("client"); err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		greetings++
		if v, _ := c.Body.Lookup("backpressure").StringValueOK(); v != "2" {
			t.Errorf("%s: %v", c.Name, c.Body)
		}
	})
	defer remove()
	client, _ := connectTo(t, dep.URI())
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if greetings == 0 {
		t.Error("nobody greeted")
	}
}
