package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/embedded"
)

// outcome is what a command line did.
type outcome struct {
	status   int
	out, err string
}

// tool runs a command line in this process.
func tool(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return toolIn(t, t.Context(), strings.NewReader(stdin), args...)
}

func toolIn(t *testing.T, ctx context.Context, stdin io.Reader, args ...string) outcome {
	t.Helper()
	var out, errs buffer
	status := Run(ctx, args, Streams{In: stdin, Out: &out, Err: &errs})
	return outcome{status, out.String(), errs.String()}
}

// want checks an outcome: its status, and texts that the outputs have to contain.
func (o outcome) want(t *testing.T, status int, out, errs string) {
	t.Helper()
	if o.status != status || !strings.Contains(o.out, out) || !strings.Contains(o.err, errs) {
		t.Errorf("status %d, want %d\noutput:\n%s\nwant %q\nerrors:\n%s\nwant %q", o.status, status, o.out, out, o.err, errs)
	}
}

// buffer may be written to and read by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// server starts a server for a test and returns its URI.
func server(t *testing.T) string {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URI()
}

// nobody is the URI of a port that nobody listens on.
const nobody = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		o := tool(t, "", args...)
		o.want(t, exitOK, "Exit status:", "")
		for _, command := range []string{"demo", "serve", "ping", "doctor", "info", "find", "insert", "version", "completion"} {
			if !strings.Contains(o.out, "\n  "+command+" ") {
				t.Errorf("mgx %q does not name %s", args, command)
			}
		}
	}
	for _, command := range []string{"demo", "serve", "ping", "doctor", "info", "find", "insert", "version"} {
		tool(t, "", "help", command).want(t, exitOK, "Usage:\n  mgx "+command, "")
	}
	tool(t, "", "completion", "bash").want(t, exitOK, "__start_mgx", "")
}

// Shells are offered files where there can be some.
func TestCompletion(t *testing.T) {
	for _, tt := range []struct{ command, directive string }{
		{"insert", ":0"}, {"bulk", ":0"}, {"restore", ":0"}, {"find", ":4"}, {"count", ":4"}, {"copy", ":4"}, {"drop", ":4"},
	} {
		tool(t, "", "__complete", tt.command, "").want(t, exitOK, tt.directive+"\n", "")
	}
	tool(t, "", "__complete", "dr").want(t, exitOK, "drop\tDrop a collection or a database\n", "")
}

func TestVersion(t *testing.T) {
	tool(t, "", "version").want(t, exitOK, "mgx ", "")
	tool(t, "", "version").want(t, exitOK, "server FerretDB v1.", "")
	tool(t, "", "--version").want(t, exitOK, "mgx ", "")
}

func TestWrongUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file.jsonl")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(uriEnv, nobody) // nothing here may need a server
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"nope"}, `unknown command "nope"`},
		{[]string{"--nope"}, "unknown flag: --nope"},
		{[]string{"find", "--limit", "many", "a.b"}, "--limit"},
		{[]string{"ping", "--color", "mauve"}, "mauve"},
		{[]string{"demo", "fast"}, "fast"},
		{[]string{"version", "x"}, "x"},

		{[]string{"ping", "mongodb://"}, "connection string"},
		{[]string{"ping", "localhost"}, `"localhost" is not a connection string`},
		{[]string{"ping", "--count", "0"}, "--count"},
		{[]string{"info", "mongodb://localhost:99999/"}, "65535"},

		{[]string{"find"}, "database.collection"},
		{[]string{"find", "shop"}, `"shop"`},
		{[]string{"create-index", "shop.orders", "-qty"}, "go behind --"},
		{[]string{"find", "shop."}, `"shop."`},
		{[]string{"find", "a.b", "{"}, "the filter is not JSON"},
		{[]string{"find", "a.b", `{"a":x}`}, "at character 6"},
		{[]string{"find", "a.b", `{} {}`}, "text after its end"},
		{[]string{"find", "a.b", `[]`}, "not a document"},
		{[]string{"find", "a.b", `{"_id":{"$oid":"x"}}`}, "not Extended JSON"},
		{[]string{"find", "a.b", "{", "}"}, "more than one filter"},
		{[]string{"find", "a.b", "--sort", "a,,b"}, "--sort"},
		{[]string{"find", "a.b", "--sort", "{"}, "--sort is not JSON"},
		{[]string{"find", "a.b", "--project", "-"}, "--project"},
		{[]string{"find", "a.b", "--limit", "-1"}, "negative"},
		{[]string{"find", "a.b", "-o", "yaml"}, "relaxed or canonical"},

		{[]string{"insert"}, "database.collection"},
		{[]string{"insert", "a.b", "--batch", "0"}, "--batch"},

		{[]string{"copy", "shop"}, "two databases"},
		{[]string{"copy", nobody, "shop"}, "the source: the connection string names no database"},
		{[]string{"copy", "shop", "http://x/y"}, `the target: "http://x/y" is neither`},
		{[]string{"copy", "shop", "shop"}, "the same database"},
		{[]string{"copy", "a", "b", "--parallel", "0"}, "--parallel"},
		{[]string{"copy", "a", "b", "--drop", "--merge"}, "exclude each other"},

		{[]string{"dump", "a", "b"}, "one argument too many"},
		{[]string{"dump", "a", "--parallel", "0"}, "--parallel"},
		{[]string{"restore", "a", "b"}, "one argument too many"},
		{[]string{"restore", "a", "--drop", "--merge"}, "exclude each other"},

		{[]string{"dbs", "x"}, `"x" is not a connection string`},
		{[]string{"dbs", "--names", "--json"}, "exclude each other"},
		{[]string{"collections"}, "which database?"},
		{[]string{"collections", "a", "b"}, "one argument too many"},
		{[]string{"indexes", "a.b", "c"}, "one argument too many"},
		{[]string{"count", "a.b", "{", "}"}, "more than one filter"},
		{[]string{"count", "a.b", "{}", "--estimate"}, "--estimate"},
		{[]string{"distinct", "a.b"}, "which field"},
		{[]string{"distinct", "a.b", "c", "{]"}, "at character 2"},
		{[]string{"aggregate", "a.b"}, "a pipeline"},
		{[]string{"aggregate", "a.b", "[x]"}, "at character 2"},
		{[]string{"aggregate", "a.b", "[1]"}, "stage 0 is no document"},
		{[]string{"aggregate", "a.b", `[],"x":1`}, "text after its end"},
		{[]string{"aggregate", "a.b", "[]", "--batch", "-1"}, "--batch"},
		{[]string{"run", "a"}, "a database and a command"},
		{[]string{"run", "a", "ping"}, "the command is not JSON"},
		{[]string{"update", "a.b", "{}"}, "a filter and an update"},
		{[]string{"update", "a.b", "{}", `{"a":1}`}, "the update has no operators"},
		{[]string{"update", "a.b", "{}", `{"$set":{}}`, "--array-filters", "{"}, "--array-filters"},
		{[]string{"update", "a.b", "{}", `{"$set":{}}`, "--hint", "{"}, "--hint"},
		{[]string{"delete", "a.b"}, "which documents"},
		{[]string{"create-index", "a.b"}, "give the fields"},
		{[]string{"create-index", "a.b", "c", "--partial", "x"}, "--partial"},
		{[]string{"drop-index", "a.b", "*"}, "the name of one"},
		{[]string{"bulk", "a.b", "--batch", "0"}, "--batch"},
		{[]string{"drop"}, "drop what?"},
		{[]string{"drop", "a."}, `"a."`},
		{[]string{"fsync", "--lock", "--async"}, "exclude each other"},
		{[]string{"unlock", "x"}, `"x"`},
		{[]string{"kill-cursors", "a.b"}, "which cursors"},
		{[]string{"kill-cursors", "a.b", "x"}, `"x" is not the identifier`},

		{[]string{"serve", "--listen", "nowhere"}, "nowhere"},
		{[]string{"serve", "--listen", "127.0.0.1:99999"}, "99999"},
		{[]string{"serve", "--dir", "100%"}, "100%"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			o := tool(t, "", test.args...)
			o.want(t, exitUsage, "", test.says)
			if !strings.Contains(o.err, "--help") {
				t.Errorf("no word about help:\n%s", o.err)
			}
		})
	}
}

func TestMisspeltURI(t *testing.T) {
	for _, uri := range []string{
		"mongo://ann:pencil@h/shop.orders", "MONGODB://ann:pencil@h/shop", "mongodb:/ann:pencil@h/shop.orders",
		"mongodb;//ann:pencil@h/shop", " mongodb://ann:pencil@h/shop", "ann:pencil@h/shop",
	} {
		for _, command := range []string{"find", "drop", "dbs", "ping", "restore", "dump", "copy"} {
			o := tool(t, "", command, uri)
			if o.status != exitUsage || strings.Contains(o.err+o.out, "pencil") {
				t.Errorf("%s %q: status %d: %s", command, uri, o.status, o.err+o.out)
			}
		}
		if o := tool(t, "", "doctor", uri, "--timeout", "1ms"); strings.Contains(o.err+o.out, "pencil") {
			t.Errorf("doctor %q: %s", uri, o.err+o.out)
		}
		tool(t, "", "copy", "shop", uri).want(t, exitUsage, "", "argument 2 looks like a connection string")
	}
	for _, name := range []string{"shop.orders", "shop.a:b@c", "shop", "./a:b@c", "C:/dump", `C:\a@b`, `{"a":"b@c"}`} {
		if err := checkURIs("find", []string{name, "mongo://ann:pencil@h/"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	for _, args := range [][]string{{"ping", nobody}, {"info", nobody}, {"find", nobody, "a.b"}, {"insert", nobody, "a.b"}} {
		tool(t, "{}", args...).want(t, exitFailure, "", "127.0.0.1:1")
	}
}

func TestPing(t *testing.T) {
	uri := server(t)
	o := tool(t, "", "ping", uri, "--count", "2")
	o.want(t, exitOK, "connected in ", "")
	o.want(t, exitOK, "\nping 2: ", "")
	if strings.Contains(o.out, "ping 3") || strings.Contains(o.out, "\x1b") {
		t.Errorf("output: %q", o.out)
	}
	tool(t, "", "ping", uri, "--color", "always").want(t, exitOK, "\x1b[32mconnected\x1b[0m", "")
	t.Setenv(uriEnv, uri)
	tool(t, "", "ping").want(t, exitOK, "ping 3: ", "")
	tool(t, "", "ping", uri+"?nonsense=1").want(t, exitOK, "ping 3: ", "warning: ")
}

func TestInfo(t *testing.T) {
	uri := server(t)
	tool(t, "", "info", uri).want(t, exitOK, "no databases", "")
	tool(t, `{"a":1}`, "insert", uri, "shop.orders").want(t, exitOK, "", "")
	o := tool(t, "", "info", uri)
	for _, text := range []string{"MongoDB 7.", "standalone server", "up to 16 MiB", "shop", "\n  orders\n"} {
		o.want(t, exitOK, text, "")
	}
	tool(t, "", "info", uri, "--json").want(t, exitOK, `"maxBsonObjectSize": 16777216`, "")
}

func TestInterrupted(t *testing.T) {
	uri := server(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, `{"_id":1}`+"\n"+`{"_id":2}`+"\n{")
		for count(t, uri, "shop.orders") < 2 {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	// Nothing more comes, and the input does not end either.
	o := toolIn(t, ctx, r, "insert", uri, "shop.orders", "--batch", "1")
	o.want(t, exitInterrupted, "2 documents inserted into shop.orders", "interrupted")
	_ = w.Close()
}
