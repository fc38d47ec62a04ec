package mgxdebug

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// What the client does comes onto the page, and leaves it.
func TestPage(t *testing.T) {
	s := show(t, Config{Name: "shop", SlowAfter: 15 * time.Millisecond})
	db := s.Database("shop")
	done := make(chan error)
	go func() {
		_, err := mgx.FindOne[bson.D](t.Context(), db.Collection("held"), nil)
		done <- err
	}()
	s.await(t, "in progress", func(snap *Snapshot) bool { return len(snap.Running) == 1 && snap.Running[0].Commands == 1 })
	if op := s.page.Snapshot().Running[0]; op.Name != "find" || op.On != "shop.held" || op.Command != "find" || op.Server != s.primary || op.Age <= 0 {
		t.Errorf("in progress: %+v", op)
	}
	close(s.hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := mgx.FindOne[bson.D](t.Context(), db.Collection("slow"), nil); err != nil {
		t.Fatal(err)
	}
	cur := db.Collection("open").Find(t.Context(), nil)
	if !cur.Next() {
		t.Fatal(cur.Err())
	}
	if _, err := db.Collection("tea").DeleteMany(t.Context(), nil); err == nil {
		t.Fatal("no error")
	}
	s.await(t, "discovered", func(snap *Snapshot) bool {
		return len(snap.Servers) == 3 && !slices.ContainsFunc(snap.Servers, func(s Server) bool { return s.Kind == "Unknown" || len(s.RTTs) < 2 })
	})
	snap := s.page.Snapshot()
	if len(snap.Running) != 0 || snap.OpenCursors != 1 || snap.Failed != 1 || snap.Operations != 5 || snap.Deployment != "ReplicaSetWithPrimary" || snap.SetName != "shop0" {
		t.Errorf("%+v", snap)
	}
	if len(snap.Slow) < 1 || snap.Slow[0].On != "shop.slow" || snap.Slow[0].Text != "" || snap.Slow[0].Took < 15*time.Millisecond {
		t.Errorf("slow: %+v", snap.Slow)
	}
	if len(snap.Errors) != 1 || snap.Errors[0].On != "shop.tea" || !strings.Contains(snap.Errors[0].Error, "not authorized") {
		t.Errorf("failed: %+v", snap.Errors)
	}
	kinds := map[string]int{}
	for _, k := range snap.Kinds {
		kinds[k.Name+" "+k.On] = k.All.Count
	}
	if kinds["find shop.slow"] != 1 || kinds["delete shop.tea"] != 1 || snap.Recent.Count != 5 || snap.Recent.Failed != 1 {
		t.Errorf("kinds %v, all %+v", kinds, snap.Recent)
	}
	for _, server := range snap.Servers {
		if server.Kind == "RSSecondary" && server.Lag <= 0 || server.Pool.Max != 100 || server.RTT <= 0 {
			t.Errorf("%+v", server)
		}
	}
	html := s.get(t, "/debug/mgx").Body.String()
	for _, text := range []string{"<h1>shop</h1>", s.primary, "RSPrimary", "shop.slow", "not authorized on shop to execute &lt;delete&gt;", "ReplicaSetWithPrimary", "region: eu-1"} {
		if !strings.Contains(html, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if err := cur.Close(); err != nil {
		t.Error(err)
	}
}

// A transaction is in progress until its end, and counts for nothing else.
func TestTransactionInProgress(t *testing.T) {
	p := Instrument(&mgx.Options{}, Config{})
	r := &p.record
	r.operationStarted(t.Context(), &event.OperationStarted{OperationInfo: event.OperationInfo{Name: withTransaction, OperationID: 1}})
	r.operationStarted(t.Context(), &event.OperationStarted{OperationInfo: event.OperationInfo{Name: transaction, OperationID: 2}})
	if s := p.Snapshot(); len(s.Running) != 1 || s.Running[0].Name != transaction {
		t.Errorf("%+v", s.Running)
	}
	for id, name := range []string{1: withTransaction, 2: transaction} {
		r.operationEnded(t.Context(), &event.OperationEnded{OperationInfo: event.OperationInfo{Name: name, OperationID: int64(id)}, Duration: time.Second})
	}
	if s := p.Snapshot(); len(s.Running) != 0 || s.Operations != 1 { // the one without a name above
		t.Errorf("%+v", s)
	}
}

// Nobody watches: the page is there all the same.
func TestPageWithoutClient(t *testing.T) {
	p := Instrument(&mgx.Options{AppName: "reports"}, Config{})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "call Page.Watch") || !strings.Contains(w.Body.String(), "<h1>reports</h1>") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

func TestJSON(t *testing.T) {
	s := show(t, Config{})
	w := s.get(t, "/?format=json")
	var snap Snapshot
	if err := json.Unmarshal(w.Body.Bytes(), &snap); err != nil || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatal(err, w.Header())
	}
	if len(snap.History) != steps || snap.Step != step || len(snap.Servers) == 0 {
		t.Errorf("%+v", snap)
	}
}

func TestOnlyLooking(t *testing.T) {
	p := Instrument(&mgx.Options{}, Config{})
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}
}

// Whatever names and errors say, they are text on the page; and the page has nothing from
// elsewhere.
func TestNothingElse(t *testing.T) {
	const bad = `<script>alert(1)</script>"'`
	p := Instrument(&mgx.Options{}, Config{Name: bad, SlowAfter: 1, CommandMaxLength: 1000})
	r := &p.record
	info := event.OperationInfo{Name: bad, Database: bad, Collection: bad, OperationID: 1}
	r.operationStarted(t.Context(), &event.OperationStarted{OperationInfo: info})
	r.operationEnded(t.Context(), &event.OperationEnded{OperationInfo: info, Duration: time.Second, Err: &mgx.ServerError{Message: bad}})
	info.OperationID = 2
	r.operationStarted(t.Context(), &event.OperationStarted{OperationInfo: info})
	command := event.CommandInfo{CommandName: bad, DatabaseName: bad, CollectionName: bad, Address: bad, OperationID: 2}
	doc, err := bson.Marshal(bson.D{{Key: bad, Value: bad}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := r.commandStarted(t.Context(), &event.CommandStarted{CommandInfo: command, Command: doc})
	r.commandFailed(ctx, &event.CommandFailed{CommandInfo: command, Duration: time.Second})
	r.topology(event.ServerDescriptionChanged{Address: bad, Previous: event.ServerDescription{Kind: "RSPrimary"}, New: event.ServerDescription{Kind: "Unknown", Err: &mgx.ServerError{Message: bad}}})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	html := w.Body.String()
	if strings.Contains(html, "<script>") || strings.Contains(html, "alert(1)</script>") || strings.Count(html, "<script") != 1 {
		t.Error("a name is code on the page")
	}
	if n := strings.Count(html, "&lt;script&gt;"); n < 8 {
		t.Errorf("the name is there only %d times", n)
	}
	if found := regexp.MustCompile(`(?i)https?://|//[a-z]+\.| (src|href|style|on[a-z]+)=|url\(|@import`).FindString(html); found != "" {
		t.Errorf("the page has %q", found)
	}
	policy := w.Header().Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`nonce="([^"]+)"`).FindStringSubmatch(html)
	if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || nonce == nil || !strings.Contains(policy, "'nonce-"+nonce[1]+"'") {
		t.Errorf("the policy is %q", policy)
	}
}

// Commands that carry secrets say nothing, wherever they show up.
func TestNoSecret(t *testing.T) {
	s := show(t, Config{SlowAfter: 1, CommandMaxLength: 1000})
	db := s.Database("admin")
	if _, err := db.RunCommand(t.Context(), bson.D{{Key: "createUser", Value: "ann"}, {Key: "pwd", Value: "sesame-open"}}).Raw(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}, {Key: "text", Value: "shown"}}).Raw(); err != nil {
		t.Fatal(err)
	}
	text := s.get(t, "/").Body.String() + s.get(t, "/?format=json").Body.String()
	if strings.Contains(text, "sesame") || !strings.Contains(text, "createUser") || !strings.Contains(text, "shown") || strings.Contains(text, "lsid") {
		t.Error("what is shown is not what may be")
	}
}

// The lists are bounded, whatever happens.
func TestBounds(t *testing.T) {
	p := Instrument(&mgx.Options{}, Config{Keep: 3})
	r := &p.record
	for i := range 2 * maxKinds {
		info := event.OperationInfo{Name: "find", Collection: strings.Repeat("c", i), OperationID: int64(i)}
		r.operationEnded(t.Context(), &event.OperationEnded{OperationInfo: info, Err: mgx.ErrTimeout, Duration: time.Duration(i)})
		r.topology(event.ServerClosed{Address: "a"})
	}
	s := p.Snapshot()
	if len(s.Errors) != 3 || len(s.Events) != 3 || len(s.Kinds) != maxKinds+1 || s.Errors[0].Took != 2*maxKinds-1 {
		t.Errorf("%d errors, %d events, %d kinds, the latest error %+v", len(s.Errors), len(s.Events), len(s.Kinds), s.Errors[0])
	}
}

// Who imports the package compiles what mgx and net/http need, and nothing more.
func TestDependencies(t *testing.T) {
	list := func(of string) []string {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", of).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	root := list("github.com/mgxdb/mgx")
	for _, path := range list(".") {
		if path != "github.com/mgxdb/mgx/mgxdebug" && !slices.Contains(root, path) {
			t.Errorf("%s is no dependency of mgx", path)
		}
	}
	if slices.Contains(root, "github.com/mgxdb/mgx/mgxdebug") {
		t.Error("mgx depends on its page")
	}
}
