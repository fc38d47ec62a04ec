package dropin

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// sink keeps log messages.
type sink struct {
	mu   sync.Mutex
	list []string
}

func (s *sink) Info(level int, message string, keysAndValues ...any) { s.add(message, keysAndValues) }

func (s *sink) Error(_ error, message string, keysAndValues ...any) { s.add(message, keysAndValues) }

func (s *sink) add(message string, kv []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i+1 < len(kv); i += 2 {
		if key, ok := kv[i].(string); ok && key == "commandName" {
			message += " " + kv[i+1].(string)
		}
	}
	s.list = append(s.list, message)
}

func (s *sink) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

func TestLogger(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*options.LoggerOptions)
		want string
	}{
		"command": {func(o *options.LoggerOptions) {
			o.SetComponentLevel(options.LogComponentCommand, options.LogLevelDebug)
		}, "Command started ping"},
		"all":  {func(o *options.LoggerOptions) { o.SetComponentLevel(options.LogComponentAll, options.LogLevelDebug) }, "Connection checked out"},
		"none": {func(*options.LoggerOptions) {}, ""},
		"info": {func(o *options.LoggerOptions) { o.SetComponentLevel(options.LogComponentCommand, options.LogLevelInfo) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			o := options.Logger().SetSink(s).SetMaxDocumentLength(10)
			c.set(o)
			client, err := mongo.Connect(options.Client().ApplyURI(server.URI()).SetLoggerOptions(o))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Disconnect(t.Context())
			if err := client.Ping(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			got := s.messages()
			if c.want == "" && len(got) > 0 || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestMonitors(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	saw := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		seen[what] = true
	}
	var started *event.CommandStartedEvent
	client, err := mongo.Connect(options.Client().ApplyURI(replicaSet(t)).
		SetMonitor(&event.CommandMonitor{
			Started: func(_ context.Context, e *event.CommandStartedEvent) {
				if e.CommandName == "ping" {
					started = e
				}
			},
			Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
				if e.CommandName == "ping" && (e.RequestID != started.RequestID || e.ConnectionID != started.ConnectionID || e.Reply.Lookup("ok").Type == 0) {
					t.Errorf("%+v after %+v", e, started)
				}
			},
			Failed: func(_ context.Context, e *event.CommandFailedEvent) {
				if ce, ok := e.Failure.(mongo.CommandError); !ok || ce.Code != 59 || e.CommandName != "nope" {
					t.Errorf("%+v", e)
				}
				saw("failed")
			},
		}).
		SetPoolMonitor(&event.PoolMonitor{Event: func(e *event.PoolEvent) { saw(e.Type) }}).
		SetServerMonitor(&event.ServerMonitor{
			ServerDescriptionChanged: func(e *event.ServerDescriptionChangedEvent) {
				if e.NewDescription.Kind == "RSPrimary" && len(e.NewDescription.Members) == 1 && e.NewDescription.SetName != "" {
					saw("server")
				}
			},
			ServerOpening: func(*event.ServerOpeningEvent) { saw("server opening") },
			ServerClosed:  func(*event.ServerClosedEvent) { saw("server closed") },
			TopologyDescriptionChanged: func(e *event.TopologyDescriptionChangedEvent) {
				if e.NewDescription.Kind == "ReplicaSetWithPrimary" {
					saw("topology")
				}
			},
			TopologyOpening:        func(*event.TopologyOpeningEvent) { saw("topology opening") },
			TopologyClosed:         func(*event.TopologyClosedEvent) { saw("topology closed") },
			ServerHeartbeatStarted: func(*event.ServerHeartbeatStartedEvent) { saw("heartbeat started") },
			ServerHeartbeatSucceeded: func(e *event.ServerHeartbeatSucceededEvent) {
				if e.Reply.Kind == "RSPrimary" && e.Reply.MaxDocumentSize > 0 {
					saw("heartbeat")
				}
			},
		}))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_ = client.Database("d").RunCommand(t.Context(), bson.D{{"nope", 1}})
	client.AppendDriverInfo(options.DriverInfo{Name: "library"})
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, what := range []string{
		event.ConnectionPoolCreated, event.ConnectionPoolReady, event.ConnectionCreated, event.ConnectionReady, event.ConnectionCheckOutStarted,
		event.ConnectionCheckedOut, event.ConnectionCheckedIn, event.ConnectionClosed, event.ConnectionPoolClosed, "failed", "server", "server opening",
		"server closed", "topology", "topology opening", "topology closed", "heartbeat started", "heartbeat",
	} {
		if !seen[what] {
			t.Errorf("no %s", what)
		}
	}
	if started == nil || !strings.Contains(started.ConnectionID, "[-") || started.Command.Lookup("ping").Type == 0 {
		t.Errorf("%+v", started)
	}
}
