package top

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/mgxdebug"
	"github.com/mgxdb/mgx/mgxtest"
)

func source(t *testing.T, uri string) Source {
	t.Helper()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	options.AppName = AppName
	s, err := Deployment(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// What others do on the server is seen, with who they are, and what top does is not.
func TestDeployment(t *testing.T) {
	d := mgxtest.ReplicaSet(t, 3)
	s := source(t, d.URI())
	v, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Running) != 0 {
		t.Errorf("in progress, although nobody does anything: %+v", v.Running)
	}
	client, err := mgx.Open(t.Context(), &mgx.Options{Hosts: []string{d.Primary().Addr()}, AppName: "reports"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background())
	coll := client.Database("shop").Collection("tea")
	if _, err := coll.InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	stream, err := coll.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close(context.Background()) }()
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		stream.Next(ctx) // a getMore that waits
	}()
	defer func() { cancel(); <-waiting }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if v, err = s.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(v.Running, func(o Operation) bool { return o.Client == "reports" && o.Name == "getMore" }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %+v", v)
		}
	}
	if len(v.Servers) != 3 || !strings.Contains(strings.Join(v.Facts, " "), "ReplicaSetWithPrimary") || v.Title == "" {
		t.Errorf("%+v", v)
	}
}

// Rates are of the time between two looks, also when the server was restarted.
func TestCount(t *testing.T) {
	read := func(text string) (s status) {
		t.Helper()
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := bson.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := read(`{"opcounters":{"insert":100,"query":{"$numberLong":"1000"}},"opLatencies":{"reads":{"latency":{"$numberLong":"5000"},"ops":{"$numberLong":"10"}}}}`)
	now := read(`{"opcounters":{"insert":40,"query":{"$numberLong":"1300"}},"opLatencies":{"reads":{"latency":{"$numberLong":"9000"},"ops":{"$numberLong":"12"}}}}`)
	var v View
	v.count(&before, &now, 2*time.Second)
	want := []Counter{{"insert", 20, 0}, {"query", 150, 0}, {"reads", 1, 2 * time.Millisecond}}
	if !slices.Equal(v.Counters, want) || v.Rate != 170 {
		t.Errorf("%+v, %v", v.Counters, v.Rate)
	}
}

func TestPage(t *testing.T) {
	options := &mgx.Options{}
	handler := mgxdebug.Instrument(options, mgxdebug.Config{Name: "checkout"})
	server := httptest.NewServer(handler)
	defer server.Close()
	s, err := Page(server.URL + "/debug/mgx?x=y")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := s.Look(t.Context())
	if err != nil || v.Title != "checkout" || len(v.Rates) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if s, err = Page(other.URL); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "mgxdebug") {
		t.Errorf("%v", err)
	}
	if _, err := Page("http://"); err == nil {
		t.Error("an address without a host")
	}
}

// FuzzPage: whatever a page says, it can be drawn, in lines that fit and that do nothing
// to the terminal.
func FuzzPage(f *testing.F) {
	full := mgxdebug.Snapshot{
		Name: "checkout\x1b[2J", Step: time.Second, History: []mgxdebug.Slot{{Count: 3}, {Count: 9}}, Now: time.Unix(1, 0),
		Servers: []mgxdebug.Server{{Address: "a:1", Kind: "RSPrimary", RTT: time.Millisecond}},
		Running: []mgxdebug.Operation{{Name: "find", On: "shop.\x07tea", Age: time.Hour}},
		Kinds:   []mgxdebug.Kind{{Name: "find", Took: time.Second}},
		Slow:    []mgxdebug.Command{{Name: "find", Text: strings.Repeat("ü", 200)}},
		Errors:  []mgxdebug.Failure{{Error: "line\nbreak"}},
	}
	seed, err := json.Marshal(full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(seed), 80, 24)
	f.Add(`{"step":1}`, 0, 0)
	f.Add(`{"step":1,"history":[{"count":-5},{}],"now":"0001-01-01T00:00:00Z"}`, 10, 3)
	f.Fuzz(func(t *testing.T, text string, columns, rows int) {
		v, err := parsePage(strings.NewReader(text))
		if err != nil {
			return
		}
		size := Size{min(max(columns, 0), 300), min(max(rows, 0), 200)}
		lines := Draw(v, size, screen.Style{})
		if size.Rows > 0 && len(lines) > size.Rows {
			t.Errorf("%d lines for %d rows", len(lines), size.Rows)
		}
		for _, line := range lines {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q acts on the terminal", line)
			}
			if n := utf8.RuneCountInString(line); n > max(size.Columns, 40) {
				t.Errorf("%d columns of %d: %q", n, size.Columns, line)
			}
		}
	})
}

func TestDraw(t *testing.T) {
	v := &View{
		Title: "db1:27017", Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Facts: []string{"version 8.0", "", "3 cursors"}, Rate: 1234, Rates: []float64{0, 5, 10},
		Servers:  []mgxdebug.Server{{Address: "db1:27017", Kind: "RSPrimary", RTT: 1500 * time.Microsecond}, {Address: "db2:27017", Kind: "RSSecondary", Lag: time.Second}},
		Counters: []Counter{{"insert", 12.34, 0}, {"reads", 100, 2 * time.Millisecond}},
		Running:  []Operation{{mgxdebug.Operation{Name: "find", On: "shop.tea", Age: 90 * time.Second, Server: "db1:27017", Command: "COLLSCAN"}, "reports"}},
		Notes:    []string{"something was not seen"},
	}
	got := strings.Join(Draw(v, Size{Columns: 80}, screen.Style{}), "\n")
	want := `db1:27017                                                               03:04:05
                           ▁▄█ 1,234/s   version 8.0   3 cursors

servers
address    kind         round trip  behind  in use  idle  waiting
db1:27017  RSPrimary       1.50 ms       –       0     0        0
db2:27017  RSSecondary           –  1.00 s       0     0        0
something was not seen

the server
        each second     mean
insert           12        –
reads           100  2.00 ms

in progress
       for  operation  on        where
1 min 30 s  find       shop.tea  db1:27017  reports COLLSCAN`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	few := Draw(v, Size{Columns: 80, Rows: 6}, screen.Style{})
	if len(few) != 6 || !strings.Contains(few[3], "servers (1 of 2)") {
		t.Errorf("in six rows:\n%s", strings.Join(few, "\n"))
	}
}

func TestLookAtNobody(t *testing.T) {
	options, err := mgx.ParseURI("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Deployment(t.Context(), options); !errors.Is(err, mgx.ErrConnectionFailure) {
		t.Errorf("%v", err)
	}
}
