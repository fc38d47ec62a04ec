package mgx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// trail is a context key that remembers what was begun on the way down, as spans do.
type trail struct{}

func deeper(ctx context.Context, name string) context.Context {
	before, _ := ctx.Value(trail{}).(string)
	return context.WithValue(ctx, trail{}, before+"/"+name)
}

// tracing makes monitors that write down where each end finds itself.
func tracing(lines *[]string) (*event.OperationMonitor, *event.CommandMonitor) {
	at := func(ctx context.Context, format string, args ...any) {
		path, _ := ctx.Value(trail{}).(string)
		*lines = append(*lines, path+" "+fmt.Sprintf(format, args...))
	}
	return &event.OperationMonitor{
			Started: func(ctx context.Context, e *event.OperationStarted) context.Context {
				return deeper(ctx, e.Name+"("+e.Database+"."+e.Collection+")")
			},
			Ended: func(ctx context.Context, e *event.OperationEnded) { at(ctx, "ended %v", e.Err != nil) },
		}, &event.CommandMonitor{
			Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
				return deeper(ctx, e.CommandName+"("+e.CollectionName+")")
			},
			Succeeded: func(ctx context.Context, e *event.CommandSucceeded) { at(ctx, "succeeded, cursor %d", e.CursorID) },
			Failed:    func(ctx context.Context, _ *event.CommandFailed) { at(ctx, "failed") },
		}
}

// What Started puts into the context, the end of the same command and operation finds,
// and the commands of an operation are below it.
func TestObserversPassContextsOn(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(bson.E{Key: "maxWriteBatchSize", Value: 1}), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(7)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{}}}}}}) == nil
		case "getMore":
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"nextBatch", bson.A{bson.D{}}}}}}) == nil
		case "drop":
			return p.Answer(r, bson.D{{"ok", 0}, {"code", 13}, {"errmsg", "no"}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	var lines []string
	operations, commands := tracing(&lines)
	c := openClient(t, s, func(o *Options) {
		o.OperationMonitors = []*event.OperationMonitor{nil, operations}
		o.CommandMonitors = []*event.CommandMonitor{{}, commands, nil}
	})
	coll := c.Database("db").Collection("c")
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"insert many", func() error { _, err := coll.InsertMany(deeper(t.Context(), "mine"), []bson.D{{}, {}}); return err }, []string{
			"/mine/insert(db.c)/insert(c) succeeded, cursor 0",
			"/mine/insert(db.c)/insert(c) succeeded, cursor 0",
			"/mine/insert(db.c) ended false",
		}},
		{"bulk write", func() error {
			_, err := coll.BulkWrite(t.Context(), []WriteModel{InsertOneModel(bson.D{})})
			return err
		}, []string{
			"/bulkWrite(db.c)/insert(c) succeeded, cursor 0", "/bulkWrite(db.c) ended false",
		}},
		{"find", func() error { _, err := Collect[bson.Raw](coll.Find(t.Context(), nil)); return err }, []string{
			"/find(db.c)/find(c) succeeded, cursor 7", "/find(db.c) ended false",
			"/getMore(db.c)/getMore(c) succeeded, cursor 7", "/getMore(db.c) ended false",
		}},
		{"drop", func() error { return coll.Drop(t.Context()) }, []string{
			"/dropCollection(db.c)/drop(c) failed", "/dropCollection(db.c) ended true",
		}},
		{"run command", func() error { return c.Database("db").RunCommand(t.Context(), bson.D{{"ping", 1}}).Err() }, []string{
			"/runCommand(db.)/ping() succeeded, cursor 0", "/runCommand(db.) ended false",
		}},
	} {
		lines = nil
		err := step.do()
		if (err != nil) != strings.Contains(strings.Join(step.want, ""), "failed") || !slices.Equal(lines, step.want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", step.name, err, strings.Join(lines, "\n"), strings.Join(step.want, "\n"))
		}
	}
}

// One monitor's panic keeps neither the others nor the operation from going on.
func TestObserversThatPanic(t *testing.T) {
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(logger)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	var lines []string
	operations, commands := tracing(&lines)
	pools := 0
	c := openClient(t, s, func(o *Options) {
		o.OperationMonitors = []*event.OperationMonitor{{
			Started: func(context.Context, *event.OperationStarted) context.Context { panic("started") },
			Ended:   func(context.Context, *event.OperationEnded) { panic("ended") },
		}, operations}
		o.CommandMonitors = []*event.CommandMonitor{{
			Started:   func(context.Context, *event.CommandStarted) context.Context { panic("started") },
			Succeeded: func(context.Context, *event.CommandSucceeded) { panic("succeeded") },
		}, commands}
		o.PoolMonitors = []func(event.PoolEvent){nil, func(event.PoolEvent) { panic("pool") }, func(event.PoolEvent) { pools++ }}
	})
	lines, pools = nil, 0
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || pools == 0 {
		t.Errorf("%q, and %d events of pools", lines, pools)
	}
}

// Operations that fail before they send anything are watched, too.
func TestObserversHearOfEarlyFailures(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	var errs []error
	c := openClient(t, s, func(o *Options) {
		o.OperationMonitors = []*event.OperationMonitor{{Ended: func(_ context.Context, e *event.OperationEnded) { errs = append(errs, e.Err) }}}
	})
	_ = c.Close(context.Background())
	errs = nil
	err := c.Ping(t.Context())
	if len(errs) != 1 || !errors.Is(errs[0], ErrClosed) || !errors.Is(err, ErrClosed) {
		t.Errorf("%v, and told of %v", err, errs)
	}
}

// Stats and Topology show the present state without a word to the server.
func TestStatsAndTopology(t *testing.T) {
	hello := scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
	s := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(7)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{}}}}}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	cur := c.Database("db").Collection("c").Find(t.Context(), nil)
	cur.Next()
	in, req := c.StartRequest(t.Context())
	if err := c.Ping(in); err != nil {
		t.Fatal(err)
	}
	stats := c.Stats()
	if len(stats.Pools) != 1 || stats.OpenCursors != 1 || stats.IdleSessions < 1 {
		t.Fatalf("%+v", stats)
	}
	if p := stats.Pools[0]; p.Address != s.Address || p.InUse != 1 || p.Total != p.InUse+p.Idle {
		t.Errorf("%+v", p)
	}
	req.End()
	if p := c.Stats().Pools[0]; p.InUse != 0 || p.Idle != p.Total {
		t.Errorf("after the request: %+v", p)
	}
	d := c.Topology()
	if d.Kind != "Single" && d.Kind != "Unknown" || len(d.Servers) != 1 || d.Servers[0].Address != s.Address || !d.HasWritableServer() {
		t.Errorf("%+v", d)
	}
	_ = cur.Close()
}
