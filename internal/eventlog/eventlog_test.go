package eventlog

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// chatter is what each component says in TestLevels, at each level.
var chatter = []slog.Level{levels["trace"], slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// heard returns the least level at which each component logs to rec: its name,
// "off" for none.
func heard(t *testing.T, l *Logs, rec *recorder) string {
	t.Helper()
	names := []string{"trace", "debug", "info", "warn", "error"}
	var out []string
	for _, log := range []*Log{l.Command, l.Topology, l.ServerSelection, l.Connection} {
		for _, level := range chatter {
			log.Log(t.Context(), level, "x")
		}
		n := len(rec.take())
		if n == 0 {
			out = append(out, "off")
			continue
		}
		out = append(out, names[len(names)-n])
	}
	return strings.Join(out, " ")
}

func TestLevelsOfALogger(t *testing.T) {
	var changing slog.LevelVar
	for _, c := range []struct {
		name   string
		least  slog.Level
		levels Levels
		env    map[string]string
		want   string
	}{
		{"the handler's", slog.LevelDebug, Levels{}, nil, "debug debug debug debug"},
		{"the handler's, higher", slog.LevelWarn, Levels{}, nil, "warn warn warn warn"},
		{"given", slog.LevelDebug, Levels{Command: slog.LevelInfo, Connection: slog.LevelError}, nil, "info debug debug error"},
		{"no lower than the handler's", slog.LevelInfo, Levels{Topology: slog.LevelDebug}, nil, "info info info info"},
		{"not the environment's", slog.LevelInfo, Levels{}, map[string]string{"MONGODB_LOG_ALL": "error"}, "info info info info"},
		{"changing", slog.LevelDebug, Levels{ServerSelection: &changing}, nil, "debug debug info debug"},
	} {
		rec := newRecorder(c.least)
		logs := New(Config{Logger: slog.New(rec), Levels: c.levels, Getenv: getenv(c.env)})
		if got := heard(t, logs, rec); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	rec := newRecorder(slog.LevelDebug)
	logs := New(Config{Logger: slog.New(rec), Levels: Levels{Command: &changing}})
	changing.Set(slog.LevelDebug)
	if !logs.Command.Debug() {
		t.Error("a level that changes has no effect")
	}
}

func getenv(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestEnvironmentLevels(t *testing.T) {
	for _, c := range []struct {
		name     string
		env      map[string]string
		want     string // level numbers, - for off
		warnings int
	}{
		{"nothing", nil, "- - - -", 0},
		{"all", map[string]string{"MONGODB_LOG_ALL": "debug"}, "-4 -4 -4 -4", 0},
		{"all but one", map[string]string{"MONGODB_LOG_ALL": "debug", "MONGODB_LOG_TOPOLOGY": "OFF"}, "-4 - -4 -4", 0},
		{"one", map[string]string{"MONGODB_LOG_SERVER_SELECTION": "Info"}, "- - 0 -", 0},
		{"each", map[string]string{
			"MONGODB_LOG_COMMAND": "trace", "MONGODB_LOG_TOPOLOGY": "notice", "MONGODB_LOG_SERVER_SELECTION": "warn", "MONGODB_LOG_CONNECTION": "error",
		}, "-8 2 4 8", 0},
		{"more than errors", map[string]string{
			"MONGODB_LOG_ALL": "off", "MONGODB_LOG_COMMAND": "emergency", "MONGODB_LOG_TOPOLOGY": "alert", "MONGODB_LOG_CONNECTION": "critical",
		}, "20 16 - 12", 0},
		{"invalid ones", map[string]string{"MONGODB_LOG_ALL": "verbose", "MONGODB_LOG_COMMAND": "info", "MONGODB_LOG_CONNECTION": "7"}, "0 - - -", 2},
		{"an invalid one below all", map[string]string{"MONGODB_LOG_ALL": "info", "MONGODB_LOG_COMMAND": "x"}, "0 0 0 0", 1},
	} {
		e := readEnvironment(getenv(c.env))
		var got []string
		for _, l := range e.levels {
			switch {
			case l == nil || l == levelOff:
				got = append(got, "-")
			default:
				got = append(got, strconv.Itoa(int(l.Level())))
			}
		}
		if s := strings.Join(got, " "); s != c.want || len(e.warnings) != c.warnings {
			t.Errorf("%s: %s with %q, want %s with %d warnings", c.name, s, e.warnings, c.want, c.warnings)
		}
		logs := New(Config{Getenv: getenv(c.env)})
		for i, l := range []*Log{logs.Command, logs.Topology, logs.ServerSelection, logs.Connection} {
			if (l != nil) != (got[i] != "-") {
				t.Errorf("%s: %s is wrongly on or off", c.name, components[i].name)
			}
		}
	}
}

func TestMaxDocumentLength(t *testing.T) {
	doc := marshal(t, bson.D{{Key: "s", Value: strings.Repeat("x", 3000)}})
	for _, c := range []struct {
		option int
		env    string
		want   int // length of the text, with what tells that it was cut
	}{
		{0, "", 1003},
		{5, "", 8},
		{-1, "", 3008},
		{0, "50", 53},
		{7, "50", 10},
		{0, "0", 3},
		{0, "many", 1003},
		{0, "-3", 1003},
	} {
		rec := newRecorder(slog.LevelDebug)
		env := map[string]string{"MONGODB_LOG_MAX_DOCUMENT_LENGTH": c.env}
		logs := New(Config{Logger: slog.New(rec), MaxDocumentLength: c.option, Getenv: getenv(env)})
		logs.Command.CommandStarted(t.Context(), &event.CommandInfo{}, doc)
		if got := len(rec.take()[0].attrs["command"].(string)); got != c.want {
			t.Errorf("option %d, environment %q: %d bytes, want %d", c.option, c.env, got, c.want)
		}
	}
}

func TestPathInEnvironment(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mongodb.log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := New(Config{Getenv: getenv(map[string]string{
		"MONGODB_LOG_ALL": "debug", "MONGODB_LOG_PATH": name, "MONGODB_LOG_MAX_DOCUMENT_LENGTH": "x",
	})})
	logs.Connection.Pool(event.PoolReady{Address: "a:1"})
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	logs.Connection.Pool(event.PoolClosed{Address: "a:1"})
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 3 || lines[0] != "before" ||
		!strings.Contains(lines[1], `level=WARN msg="environment variable MONGODB_LOG_MAX_DOCUMENT_LENGTH is ignored`) ||
		!strings.Contains(lines[2], `level=DEBUG msg="Connection pool ready" component=connection serverHost=a serverPort=1`) {
		t.Errorf("the file has\n%s", data)
	}
}

func TestDestinations(t *testing.T) {
	for _, c := range []struct {
		path string
		want **os.File
	}{{"", &os.Stderr}, {"stderr", &os.Stderr}, {"StdErr", &os.Stderr}, {"STDOUT", &os.Stdout}, {"/does/not/exist.log", &os.Stderr}} {
		got := capture(t, c.want, func() {
			logs := New(Config{Getenv: getenv(map[string]string{"MONGODB_LOG_PATH": c.path, "MONGODB_LOG_CONNECTION": "debug"})})
			logs.Connection.Pool(event.PoolReady{Address: "a:1"})
			if err := logs.Close(); err != nil {
				t.Error(err)
			}
		})
		lines := strings.Split(strings.TrimSpace(got), "\n")
		warned := slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "MONGODB_LOG_PATH is ignored") })
		if !strings.Contains(lines[len(lines)-1], "Connection pool ready") || warned != strings.HasPrefix(c.path, "/") {
			t.Errorf("%q: %q", c.path, got)
		}
	}
}

// capture returns what f writes to one of the process's streams.
func capture(t *testing.T, stream **os.File, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	old := *stream
	*stream = file
	f()
	*stream = old
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
