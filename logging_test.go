package mgx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scramtest"
	"github.com/mgxdb/mgx/internal/scripted"
)

const (
	logUser     = "arthur"
	logPassword = "s3cret-of-arthur"
)

// lockedBuffer is a buffer that many goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// debugLogger logs everything to a buffer.
func debugLogger() (*slog.Logger, *lockedBuffer) {
	var out lockedBuffer
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug - 4})), &out
}

// scramServer is a server that knows one user, and keeps what must stay secret.
type scramServer struct {
	*scripted.Server
	users *scramtest.Server

	mu       sync.Mutex
	payloads []string
}

func newScramServer(t *testing.T) *scramServer {
	t.Helper()
	users, err := scramtest.New(sha256.New, logUser, logPassword, "0123456789abcdef", 4096)
	if err != nil {
		t.Fatal(err)
	}
	s := &scramServer{users: users}
	s.Server = scripted.Listen(t, s.serve)
	return s
}

func (s *scramServer) keep(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.payloads = append(s.payloads, payload)
}

func (s *scramServer) serve(p *scripted.Peer) {
	hello := scripted.Hello(bson.E{Key: "saslSupportedMechs", Value: bson.A{"SCRAM-SHA-256"}}, bson.E{Key: "connectionId", Value: 77})
	var conversation *scramtest.Conversation
	script := func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "saslStart":
			conversation = s.users.Begin()
		case "saslContinue":
		case "createUser":
			return p.Answer(r, bson.D{
				{Key: "ok", Value: 0}, {Key: "code", Value: 51003}, {Key: "errmsg", Value: "the password " + logPassword + " is too old"},
			}) == nil
		default:
			return scripted.Ping(p, r)
		}
		_, request := r.Document.Lookup("payload").Binary()
		s.keep(string(request))
		answer, err := conversation.Step(string(request))
		s.keep(answer)
		if err != nil {
			return p.Answer(r, bson.D{
				{Key: "ok", Value: 0}, {Key: "code", Value: 18}, {Key: "codeName", Value: "AuthenticationFailed"},
				{Key: "errmsg", Value: "wrong: " + string(request)},
			}) == nil
		}
		return p.Answer(r, bson.D{
			{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: conversation.Done()},
			{Key: "payload", Value: []byte(answer)},
		}) == nil
	}
	scripted.Greet(hello, script)(p)
}

// TestNoSecretsInLogs logs everything that there is to log while users
// authenticate, with the right and the wrong password, and are created.
func TestNoSecretsInLogs(t *testing.T) {
	s := newScramServer(t)
	log, out := debugLogger()
	for _, password := range []string{logPassword, logPassword + "-not"} {
		options, err := mgx.ParseURI("mongodb://" + logUser + ":" + password + "@" + s.Address + "/?authMechanism=SCRAM-SHA-256&unknownOption=1")
		if err != nil {
			t.Fatal(err)
		}
		options.Logger, options.LogMaxDocumentLength = log, -1
		log.Debug("options", "credential", options.Credential)
		client, err := mgx.Open(t.Context(), options)
		if (err == nil) != (password == logPassword) {
			t.Fatalf("with the password %q: %v", password, err)
		}
		if err != nil {
			log.Debug("refused", "error", err)
			continue
		}
		err = client.Database("admin").RunCommand(t.Context(), bson.D{
			{Key: "createUser", Value: "new"}, {Key: "pwd", Value: logPassword}, {Key: "roles", Value: bson.A{}},
		}).Err()
		if err == nil {
			t.Error("the user was created")
		}
		if err := client.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	text := out.String()
	for _, want := range []string{
		"component=client", "component=command", "component=topology", "component=serverSelection", "component=connection",
		`msg="Command started"`, `commandName=createUser`, `command={}`, `msg="Command failed"`, "(redacted)", "serverConnectionId=77",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.payloads) < 8 {
		t.Fatalf("%d payloads: nobody authenticated", len(s.payloads))
	}
	for _, secret := range append(s.payloads, logPassword) {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
			if form != "" && strings.Contains(text, form) {
				t.Errorf("the log has the secret %s", form)
			}
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestCommandLogLengths is the command logging specification's prose test of
// what documents are cut to.
func TestCommandLogLengths(t *testing.T) {
	const ellipsis = len("...")
	many := make(bson.A, 100)
	for i := range many {
		many[i] = bson.D{{Key: "x", Value: "y"}, {Key: "é", Value: "🌍"}}
	}
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
				{Key: "id", Value: int64(0)}, {Key: "ns", Value: "a.b"}, {Key: "firstBatch", Value: many},
			}}}) == nil
		}
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: len(many)}}) == nil
	}))
	for _, c := range []struct{ option, want int }{{0, 1000}, {5, 5}, {44, 44}, {-1, 0}} {
		var fields fieldHandler
		options := &mgx.Options{Hosts: []string{s.Address}, Logger: slog.New(&fields), LogMaxDocumentLength: c.option}
		client, err := mgx.Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		coll := client.Database("a").Collection("b")
		if _, err := coll.InsertMany(t.Context(), []any(many)); err != nil {
			t.Fatal(err)
		}
		if _, err := mgx.Collect[bson.D](coll.Find(t.Context(), nil)); err != nil {
			t.Fatal(err)
		}
		if err := client.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct{ command, key string }{{"insert", "command"}, {"find", "reply"}} {
			got := fields.find(f.command, f.key)
			cut := strings.HasSuffix(got, "...")
			switch {
			case c.want == 0:
				if cut || len(got) < 2000 {
					t.Errorf("no limit: the %s of %s has %d bytes", f.key, f.command, len(got))
				}
			case !cut || len(got) > c.want+ellipsis || len(got) < c.want+ellipsis-3 || !strings.HasPrefix(got, "{") || strings.ToValidUTF8(got, "?") != got:
				t.Errorf("limit %d: the %s of %s is %q", c.want, f.key, f.command, got)
			}
		}
	}
}

// fieldHandler keeps messages of commands.
type fieldHandler struct {
	mu   sync.Mutex
	list []map[string]string
}

func (h *fieldHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *fieldHandler) Handle(_ context.Context, r slog.Record) error {
	fields := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		fields[a.Key] = a.Value.String()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, fields)
	return nil
}

func (h *fieldHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *fieldHandler) WithGroup(string) slog.Handler      { return h }

// find returns a field of the first message of a command that has it.
func (h *fieldHandler) find(command, key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.list, func(f map[string]string) bool { return f["commandName"] == command && f[key] != "" })
	if i < 0 {
		return ""
	}
	return h.list[i][key]
}

// TestLogAndMonitors sees to it that a logger and monitors are told the same,
// and that all messages of one operation share an identifier.
func TestLogAndMonitors(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	log, out := debugLogger()
	var mu sync.Mutex
	told := map[string]int{}
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		told[what]++
	}
	client, err := mgx.Open(t.Context(), &mgx.Options{
		Hosts: []string{s.Address}, Logger: log,
		LogLevels: mgx.LogLevels{Topology: slog.LevelError},
		CommandMonitors: []*event.CommandMonitor{{
			Started: func(ctx context.Context, _ *event.CommandStarted) context.Context {
				count(`msg="Command started"`)
				return ctx
			},
			Succeeded: func(context.Context, *event.CommandSucceeded) { count(`msg="Command succeeded"`) },
		}},
		PoolMonitors: []func(event.PoolEvent){func(e event.PoolEvent) {
			if _, ok := e.(event.ConnectionCheckedOut); ok {
				count(`msg="Connection checked out"`)
			}
		}},
		TopologyMonitors: []func(event.TopologyEvent){func(event.TopologyEvent) { count("topology") }},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := client.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, message := range []string{`msg="Command started"`, `msg="Command succeeded"`, `msg="Connection checked out"`} {
		if n := strings.Count(text, message); n != told[message] || n < 4 {
			t.Errorf("%d times %s, and %d events", n, message, told[message])
		}
	}
	if strings.Contains(text, "component=topology") || told["topology"] == 0 {
		t.Errorf("topology: logged although it is not to be, or no events (%d)", told["topology"])
	}
	id := func(message string) string {
		_, rest, _ := strings.Cut(text, message)
		_, rest, _ = strings.Cut(rest, "operationId=")
		n, _, _ := strings.Cut(rest, " ")
		return n
	}
	if a, b := id("Server selection started"), id("Command started"); a == "" || a != b {
		t.Errorf("the selection has the operationId %q, the command %q", a, b)
	}
}

// TestLogByEnvironment logs to a file without a change to the program.
func TestLogByEnvironment(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	name := filepath.Join(t.TempDir(), "log")
	t.Setenv("MONGODB_LOG_COMMAND", "debug")
	t.Setenv("MONGODB_LOG_PATH", name)
	client, err := mgx.Connect(t.Context(), "mongodb://"+s.Address)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); !strings.Contains(text, `msg="Command succeeded" component=command commandName=ping`) || strings.Contains(text, "component=connection") {
		t.Errorf("the file has\n%s", text)
	}
}

// TestLogOfAFailedClient does not leave a log behind that nobody closes.
func TestLogOfAFailedClient(t *testing.T) {
	t.Setenv("MONGODB_LOG_ALL", "debug")
	t.Setenv("MONGODB_LOG_PATH", filepath.Join(t.TempDir(), "log"))
	_, err := mgx.New(&mgx.Options{Hosts: []string{"a", "b"}, Credential: &mgx.Credential{Mechanism: "NONE", Username: "u"}})
	if !errors.Is(err, mgx.ErrConfiguration) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkPing shows what a logger costs: nothing while it is not enabled.
func BenchmarkPing(b *testing.B) {
	s := scripted.Listen(b, scripted.Greet(scripted.Hello(), scripted.Ping))
	for _, c := range []struct {
		name   string
		logger *slog.Logger
	}{
		{"no logger", nil},
		{"info", slog.New(slog.NewTextHandler(io.Discard, nil))},
		{"debug", slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))},
	} {
		b.Run(c.name, func(b *testing.B) {
			client, err := mgx.Open(b.Context(), &mgx.Options{Hosts: []string{s.Address}, Logger: c.logger})
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close(context.Background())
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Ping(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
