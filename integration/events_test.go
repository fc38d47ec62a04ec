package integration

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

func TestCommandEvents(t *testing.T) {
	c, r := watched(t, 3)
	if _, err := c.InsertMany(t.Context(), []bson.D{{{"_id", 10}}, {{"_id", 11}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Database().RunCommand(t.Context(), bson.D{{"noSuchCommand", 1}}).Err(); err == nil {
		t.Fatal("no error")
	}
	// Write errors are success, as far as the command is concerned.
	if _, err := c.InsertOne(t.Context(), bson.D{{"_id", 10}}); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.started) != 3 || len(r.succeeded) != 2 || len(r.failed) != 1 {
		t.Fatalf("%d started, %d succeeded, %d failed", len(r.started), len(r.succeeded), len(r.failed))
	}
	start, end, failed := r.started[0], r.succeeded[0], r.failed[0]
	if start.CommandName != "insert" || start.DatabaseName != c.Database().Name() || start.Command.Lookup("$db").StringValue() != start.DatabaseName {
		t.Errorf("%+v", start)
	}
	if got := text(start.Command); !strings.Contains(got, `"documents":[{"_id":10},{"_id":11}]`) {
		t.Errorf("the command is %s", got)
	}
	if start.CommandInfo != end.CommandInfo {
		t.Errorf("started as %+v, succeeded as %+v", start.CommandInfo, end.CommandInfo)
	}
	if start.RequestID == 0 || start.OperationID == 0 || start.DriverConnectionID == 0 || start.Address == "" {
		t.Errorf("%+v", start.CommandInfo)
	}
	if end.Duration <= 0 || end.Reply.Lookup("n").AsInt64() != 2 {
		t.Errorf("%+v", end)
	}
	var se *mgx.ServerError
	if failed.CommandName != "noSuchCommand" || failed.CommandInfo != r.started[1].CommandInfo || !errors.As(failed.Failure, &se) || se.Code != 59 {
		t.Errorf("%+v", failed)
	}
	if r.started[0].RequestID == r.started[1].RequestID || r.started[0].OperationID == r.started[1].OperationID {
		t.Error("two operations have the same identifiers")
	}
}

// Nothing of a command that carries secrets is in its events.
func TestCommandEventsHideSecrets(t *testing.T) {
	var r recorder
	db := database(t, r.watch)
	const secret = "hunter22hunter22"
	for _, command := range []bson.D{
		{{"createUser", "ann"}, {"pwd", secret}, {"roles", bson.A{}}},
		{{"updateUser", "nobody"}, {"pwd", secret}},
		{{"saslStart", 1}, {"mechanism", "PLAIN"}, {"payload", []byte("\x00ann\x00" + secret)}},
		{{"saslContinue", 1}, {"payload", []byte(secret)}},
		{{"authenticate", 1}, {"user", secret}},
		{{"hello", 1}, {"speculativeAuthenticate", bson.D{{"saslStart", 1}, {"payload", []byte(secret)}}}},
		{{"dropUser", "ann"}},
	} {
		r.reset()
		// Whether the server takes it does not matter here.
		_ = db.RunCommand(t.Context(), command).Err()
		r.mu.Lock()
		if len(r.started) != 1 || len(r.succeeded)+len(r.failed) != 1 {
			t.Errorf("%v: %d started, %d succeeded, %d failed", command[0].Key, len(r.started), len(r.succeeded), len(r.failed))
		}
		hidden := command[0].Key != "dropUser"
		if empty := len(r.started[0].Command) <= 5; empty != hidden {
			t.Errorf("%v: the command is %v", command[0].Key, r.started[0].Command)
		}
		for _, e := range r.succeeded {
			if empty := len(e.Reply) <= 5; empty != hidden {
				t.Errorf("%v: the reply is %v", command[0].Key, e.Reply)
			}
		}
		for _, e := range r.failed {
			if hidden && strings.Contains(e.Failure.Error(), secret) {
				t.Errorf("%v: the failure is %v", command[0].Key, e.Failure)
			}
		}
		r.mu.Unlock()
	}
}

// A handler that panics does not break the operation.
func TestCommandMonitorPanics(t *testing.T) {
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(logger)
	c := database(t, func(o *mgx.Options) {
		o.CommandMonitors = []*event.CommandMonitor{{
			Started:   func(context.Context, *event.CommandStarted) context.Context { panic("started") },
			Succeeded: func(context.Context, *event.CommandSucceeded) { panic("succeeded") },
			Failed:    func(context.Context, *event.CommandFailed) { panic("failed") },
		}}
	}).Collection("c")
	if _, err := c.InsertOne(t.Context(), bson.D{{"_id", 1}}); err != nil {
		t.Error(err)
	}
	expect(t, found(t, c, nil), `{"_id":1}`)
}

// Pool and topology events tell of a client from its start to its end.
func TestPoolAndTopologyEvents(t *testing.T) {
	pool, topology := make(chan event.PoolEvent, 1000), make(chan event.TopologyEvent, 1000)
	o := must[*mgx.Options](t)(mgx.ParseURI(serverURI))
	o.PoolMonitors = []func(event.PoolEvent){func(e event.PoolEvent) { pool <- e }}
	o.TopologyMonitors = []func(event.TopologyEvent){func(e event.TopologyEvent) { topology <- e }}
	client, err := mgx.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(pool)
	close(topology)
	created, closed := map[int64]bool{}, 0
	out := 0
	for e := range pool {
		switch e := e.(type) {
		case event.ConnectionCreated:
			created[e.ConnectionID] = true
		case event.ConnectionClosed:
			closed++
			if !created[e.ConnectionID] {
				t.Errorf("connection %d is closed and was not created", e.ConnectionID)
			}
		case event.ConnectionCheckedOut:
			out++
		case event.ConnectionCheckedIn:
			out--
		}
	}
	if len(created) == 0 || closed != len(created) || out != 0 {
		t.Errorf("%d connections created, %d closed, %d still out", len(created), closed, out)
	}
	var last event.TopologyEvent
	n := 0
	for e := range topology {
		last = e
		n++
	}
	if _, ok := last.(event.TopologyClosed); !ok || n < 3 {
		t.Errorf("%d topology events, the last one is %T", n, last)
	}
}
