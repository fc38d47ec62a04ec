package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/wire"
)

var (
	errTest   = errors.New("it broke")
	someID    = bson.ObjectID{0xaa, 11: 0xbb}
	someIDHex = someID.Hex()
)

const (
	host = "db.example"
	port = int64(27018)
	took = 1500 * time.Microsecond
)

func TestCommandMessages(t *testing.T) {
	rec := newRecorder(slog.LevelDebug)
	log := For(slog.New(rec), "command", 20)
	info := event.CommandInfo{
		CommandName: "find", DatabaseName: "shop", RequestID: 4, OperationID: 5, Address: "db.example:27018", DriverConnectionID: 6,
	}
	base := map[string]any{
		"component": "command", "commandName": "find", "databaseName": "shop", "requestId": int64(4), "operationId": int64(5),
		"driverConnectionId": int64(6), "serverHost": host, "serverPort": port,
	}
	short := marshal(t, bson.D{{Key: "find", Value: "c"}})
	long := marshal(t, bson.D{{Key: "find", Value: "a long collection name"}})
	log.CommandStarted(t.Context(), &info, short)
	rec.one(t, "Command started", with(base, map[string]any{"command": `{"find":"c"}`}))
	log.CommandStarted(t.Context(), &info, long)
	rec.one(t, "Command started", with(base, map[string]any{"command": `{"find":"a long coll...`}))
	log.CommandStarted(t.Context(), &info, short, wire.Sequence{Identifier: "docs", Documents: short})
	rec.one(t, "Command started", with(base, map[string]any{"command": `{"find":"c","docs":[...`}))
	log.CommandStarted(t.Context(), &info, nil)
	rec.one(t, "Command started", with(base, map[string]any{"command": `{}`}))

	info.ServerConnectionID, info.ServiceID = 7, &someID
	base = with(base, map[string]any{"serverConnectionId": int64(7), "serviceId": someIDHex})
	log.CommandSucceeded(t.Context(), &info, took, long)
	rec.one(t, "Command succeeded", with(base, map[string]any{"durationMS": 1.5, "reply": `{"find":"a long coll...`}))
	log.CommandFailed(t.Context(), &info, took, errTest)
	rec.one(t, "Command failed", with(base, map[string]any{"durationMS": 1.5, "failure": errTest}))
}

func TestPoolMessages(t *testing.T) {
	rec := newRecorder(slog.LevelDebug)
	log := For(slog.New(rec), "connection", -1)
	const address = "db.example:27018"
	base := map[string]any{"component": "connection", "serverHost": host, "serverPort": port}
	for _, c := range []struct {
		event   event.PoolEvent
		message string
		attrs   map[string]any
	}{
		{
			event.PoolCreated{Address: address, Options: event.PoolOptions{MaxPoolSize: 100, MaxConnecting: 2}},
			"Connection pool created", map[string]any{"minPoolSize": int64(0), "maxPoolSize": int64(100), "maxConnecting": int64(2)},
		},
		{
			event.PoolCreated{Address: address, Options: event.PoolOptions{
				MinPoolSize: 1, MaxPoolSize: 5, MaxConnecting: 3, WaitQueueMultiple: 4, MaxIdleTime: 10 * time.Second, WaitQueueTimeout: time.Second,
			}},
			"Connection pool created", map[string]any{
				"minPoolSize": int64(1), "maxPoolSize": int64(5), "maxConnecting": int64(3),
				"waitQueueMultiple": int64(4), "maxIdleTimeMS": int64(10_000), "waitQueueTimeoutMS": int64(1000),
			},
		},
		{event.PoolReady{Address: address}, "Connection pool ready", nil},
		{event.PoolCleared{Address: address}, "Connection pool cleared", nil},
		{
			event.PoolCleared{Address: address, ServiceID: someID, Err: errTest},
			"Connection pool cleared", map[string]any{"serviceId": someIDHex, "error": errTest},
		},
		{event.PoolClosed{Address: address}, "Connection pool closed", nil},
		{event.ConnectionCreated{Address: address, ConnectionID: 3}, "Connection created", map[string]any{"driverConnectionId": int64(3)}},
		{
			event.ConnectionReady{Address: address, ConnectionID: 3, Duration: took},
			"Connection ready", map[string]any{"driverConnectionId": int64(3), "durationMS": 1.5},
		},
		{
			event.ConnectionClosed{Address: address, ConnectionID: 3, Reason: event.CloseStale}, "Connection closed",
			map[string]any{"driverConnectionId": int64(3), "reason": "Connection became stale because the pool was cleared"},
		},
		{
			event.ConnectionClosed{Address: address, ConnectionID: 3, Reason: event.CloseIdle}, "Connection closed", map[string]any{
				"driverConnectionId": int64(3),
				"reason":             "Connection has been available but unused for longer than the configured max idle time",
			},
		},
		{
			event.ConnectionClosed{Address: address, ConnectionID: 3, Reason: event.CloseError, Err: errTest}, "Connection closed",
			map[string]any{"driverConnectionId": int64(3), "reason": "An error occurred while using the connection", "error": errTest},
		},
		{
			event.ConnectionClosed{Address: address, ConnectionID: 3, Reason: event.ClosePoolClosed}, "Connection closed",
			map[string]any{"driverConnectionId": int64(3), "reason": "Connection pool was closed"},
		},
		{event.ConnectionCheckOutStarted{Address: address}, "Connection checkout started", nil},
		{
			event.ConnectionCheckOutFailed{Address: address, Reason: event.CheckOutTimeout, Err: errTest, Duration: took},
			"Connection checkout failed", map[string]any{
				"reason": "Wait queue timeout elapsed without a connection becoming available", "error": errTest, "durationMS": 1.5,
			},
		},
		{
			event.ConnectionCheckOutFailed{Address: address, Reason: event.CheckOutConnectionError, Err: errTest, Duration: took},
			"Connection checkout failed", map[string]any{
				"reason": "An error occurred while trying to establish a new connection", "error": errTest, "durationMS": 1.5,
			},
		},
		{
			event.ConnectionCheckOutFailed{Address: address, Reason: event.CheckOutPoolClosed, Duration: took},
			"Connection checkout failed", map[string]any{"reason": "Connection pool was closed", "durationMS": 1.5},
		},
		{
			event.ConnectionCheckedOut{Address: address, ConnectionID: 3, Duration: took},
			"Connection checked out", map[string]any{"driverConnectionId": int64(3), "durationMS": 1.5},
		},
		{event.ConnectionCheckedIn{Address: address, ConnectionID: 3}, "Connection checked in", map[string]any{"driverConnectionId": int64(3)}},
		{
			event.ConnectionPendingResponseStarted{Address: address, ConnectionID: 3},
			"Pending response started", map[string]any{"driverConnectionId": int64(3)},
		},
		{
			event.ConnectionPendingResponseSucceeded{Address: address, ConnectionID: 3, Duration: took},
			"Pending response succeeded", map[string]any{"driverConnectionId": int64(3), "durationMS": 1.5},
		},
		{
			event.ConnectionPendingResponseFailed{Address: address, ConnectionID: 3, Duration: took, Err: errTest},
			"Pending response failed", map[string]any{"driverConnectionId": int64(3), "durationMS": 1.5, "error": errTest},
		},
	} {
		log.Pool(c.event)
		rec.one(t, c.message, with(base, c.attrs))
	}
	log.Pool(event.PoolReady{Address: "/tmp/mongodb.sock"})
	rec.one(t, "Connection pool ready", map[string]any{"component": "connection", "serverHost": "/tmp/mongodb.sock"})
	log.Pool(event.PoolReady{Address: "[::1]:27017"})
	rec.one(t, "Connection pool ready", map[string]any{"component": "connection", "serverHost": "::1", "serverPort": int64(27017)})
}

func TestTopologyMessages(t *testing.T) {
	rec := newRecorder(slog.LevelDebug)
	log := For(slog.New(rec), "topology", 10)
	const address = "db.example:27018"
	topology := map[string]any{"component": "topology", "topologyId": someIDHex}
	server := with(topology, map[string]any{"serverHost": host, "serverPort": port})
	for _, c := range []struct {
		event   event.TopologyEvent
		message string
		attrs   map[string]any
	}{
		{event.TopologyOpening{TopologyID: someID}, "Starting topology monitoring", topology},
		{event.TopologyClosed{TopologyID: someID}, "Stopped topology monitoring", topology},
		{event.ServerOpening{TopologyID: someID, Address: address}, "Starting server monitoring", server},
		{event.ServerClosed{TopologyID: someID, Address: address}, "Stopped server monitoring", server},
		{
			event.TopologyDescriptionChanged{
				TopologyID: someID, Previous: event.TopologyDescription{Kind: "Unknown"},
				New: event.TopologyDescription{Kind: "ReplicaSetNoPrimary", SetName: "rs", Servers: []event.ServerDescription{
					{Address: "a:1", Kind: "RSSecondary"}, {Address: "b:2", Kind: "Unknown", Err: errTest},
				}},
			},
			"Topology description changed", with(topology, map[string]any{
				"previousDescription": "Unknown []",
				"newDescription":      `ReplicaSetNoPrimary "rs" [a:1 RSSecondary, b:2 Unknown (it broke)]`,
			}),
		},
		{
			event.ServerHeartbeatStarted{TopologyID: someID, Address: address, ConnectionID: 1, Awaited: true},
			"Server heartbeat started", with(server, map[string]any{"driverConnectionId": int64(1), "awaited": true}),
		},
		{
			event.ServerHeartbeatSucceeded{
				TopologyID: someID, Address: address, ConnectionID: 1, ServerConnectionID: 9, Duration: took,
				Reply: marshal(t, bson.D{{Key: "ok", Value: 1}, {Key: "more", Value: true}}),
			},
			"Server heartbeat succeeded", with(server, map[string]any{
				"driverConnectionId": int64(1), "serverConnectionId": int64(9), "awaited": false, "durationMS": 1.5, "reply": `{"ok":1,"m...`,
			}),
		},
		{
			event.ServerHeartbeatFailed{TopologyID: someID, Address: address, ConnectionID: 1, Duration: took, Err: errTest},
			"Server heartbeat failed", with(server, map[string]any{
				"driverConnectionId": int64(1), "awaited": false, "durationMS": 1.5, "failure": errTest,
			}),
		},
	} {
		log.Topology(c.event)
		rec.one(t, c.message, c.attrs)
	}
	log.Topology(event.ServerDescriptionChanged{TopologyID: someID, Address: address})
	if got := rec.take(); len(got) > 0 {
		t.Errorf("the change of a server's description is logged: %v", got)
	}
}

// TestDisabledLogsCostNothing sees to it that nothing is put together for a
// message that nobody wants.
func TestDisabledLogsCostNothing(t *testing.T) {
	rec := newRecorder(slog.LevelInfo)
	var pool event.PoolEvent = event.ConnectionCheckedIn{Address: "a:1"}
	var topology event.TopologyEvent = event.ServerHeartbeatSucceeded{Reply: marshal(t, bson.D{{Key: "ok", Value: 1}})}
	for name, log := range map[string]*Log{"no log": nil, "info": For(slog.New(rec), "x", -1)} {
		if n := testing.AllocsPerRun(100, func() {
			if log.Debug() {
				t.Fatal("enabled")
			}
			log.Pool(pool)
			log.Topology(topology)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if got := rec.take(); len(got) > 0 {
		t.Errorf("logged %v", got)
	}
}

// panicking is a handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("handler") }

func (p panicking) WithAttrs([]slog.Attr) slog.Handler { return p }

func TestHandlerPanics(t *testing.T) {
	log := For(slog.New(panicking{newRecorder(slog.LevelDebug)}), "command", -1)
	log.CommandFailed(t.Context(), &event.CommandInfo{}, took, errTest)
	log.Pool(event.PoolReady{})
	log.Topology(event.TopologyOpening{})
	log.Log(t.Context(), slog.LevelWarn, "x")
}
