package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/scripted"
)

// secret stands wherever a test needs one, and nowhere in a report.
const secret = "tiptop-Geheim"

// examine walks the way for a test, and sees to what holds for every report.
func examine(t *testing.T, r Request) *Report {
	t.Helper()
	if r.Pings == 0 {
		r.Pings = 3
	}
	if r.Resolver == nil {
		r.Resolver = localhost
	}
	var text strings.Builder
	report, err := Examine(t.Context(), r, func(s Step) { text.WriteString(s.Text(screen.Style{})) })
	if err != nil {
		t.Fatal(err)
	}
	text.WriteString(report.Summary(screen.Style{}))
	encoded, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{text.String(), string(encoded)} {
		if strings.Contains(out, secret) {
			t.Errorf("a secret is shown:\n%s", out)
		}
	}
	for _, s := range report.Steps {
		for _, f := range s.Findings {
			if f.Verdict >= Warning && len(f.Advice) == 0 {
				t.Errorf("no advice for %s: %s", f.Code, f.Message)
			}
			if f.Message == "" || strings.Contains(f.Message, "%!") || strings.Contains(strings.Join(f.Advice, ""), "%!") {
				t.Errorf("%s: %q %q", f.Code, f.Message, f.Advice)
			}
		}
	}
	t.Logf("%s\n%s", report.URI, &text)
	return report
}

// stops checks that the way stops at a step with a finding of this code, which
// says all of these texts.
func (r *Report) stops(t *testing.T, at, code string, texts ...string) {
	t.Helper()
	if r.Outcome != Broken || r.StoppedAt != at || r.Steps[len(r.Steps)-1].Name != at {
		t.Errorf("%s, stopped at %q, want %q", r.Outcome, r.StoppedAt, at)
	}
	r.says(t, Failed, code, texts...)
}

// warns checks that a client works, and that there is a warning.
func (r *Report) warns(t *testing.T, code string, texts ...string) {
	t.Helper()
	if r.Outcome != Troubled {
		t.Errorf("%s, stopped at %q, want troubled", r.Outcome, r.StoppedAt)
	}
	r.says(t, Warning, code, texts...)
}

func (r *Report) says(t *testing.T, v Verdict, code string, texts ...string) {
	t.Helper()
	found := r.Find(code)
	if len(found) == 0 {
		t.Fatalf("there is no %q", code)
	}
	f := found[0]
	if f.Verdict != v {
		t.Errorf("%s is %v, want %v", code, f.Verdict, v)
	}
	all := f.Message + "\n" + strings.Join(f.Details, "\n") + "\n" + strings.Join(f.Advice, "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%s does not say %q:\n%s", code, text, all)
		}
	}
}

func (r *Report) healthy(t *testing.T) {
	t.Helper()
	if r.Outcome != Healthy || r.StoppedAt != "" || len(r.Steps) != len(steps) {
		t.Errorf("%s, stopped at %q after %d steps", r.Outcome, r.StoppedAt, len(r.Steps))
	}
}

// names is a resolver that knows what a test says.
type resolver struct {
	hosts map[string]string
	srv   map[string][]*net.SRV
	txt   map[string][]string
	err   *net.DNSError
}

var localhost = &resolver{hosts: map[string]string{"localhost": "127.0.0.1"}}

func (r *resolver) unknown(name string) *net.DNSError {
	if r.err != nil {
		return r.err
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (r *resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := r.hosts[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, r.unknown(host)
}

func (r *resolver) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	name = "_" + service + "._" + proto + "." + name
	if s, ok := r.srv[name]; ok {
		return name, s, nil
	}
	return "", nil, r.unknown(name)
}

func (r *resolver) LookupTXT(_ context.Context, name string) ([]string, error) {
	if s, ok := r.txt[name]; ok {
		return s, nil
	}
	return nil, r.unknown(name)
}

// everywhere opens all sockets to one address.
func everywhere(address string) func(ctx context.Context, network, _ string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// healthyServer answers everything.
func healthyServer(t *testing.T, more ...bson.E) *scripted.Server {
	t.Helper()
	return scripted.Listen(t, scripted.Greet(scripted.Hello(more...), scripted.Ping))
}

func TestHealthy(t *testing.T) {
	s := healthyServer(t, bson.E{Key: "maxWireVersion", Value: 21})
	r := examine(t, Request{URI: "mongodb://" + s.Address})
	r.healthy(t)
	r.says(t, OK, "hello", "standalone", "MongoDB 7.0")
	r.says(t, OK, "ping", "3 pings", "99%")
	r.says(t, OK, "selection", "writes go to "+s.Address)
	r.says(t, OK, "pool", "100 connections", "maxConnecting")
	for _, fact := range []string{"min", "p50", "p90", "p99", "max"} {
		if _, ok := r.Find("ping")[0].Facts[fact+"Seconds"].(float64); !ok {
			t.Errorf("no figure %q: %v", fact, r.Find("ping")[0].Facts)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	s := scripted.ListenUnix(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	examine(t, Request{URI: "mongodb://" + strings.ReplaceAll(s.Address, "/", "%2F")}).healthy(t)
	examine(t, Request{URI: "mongodb://%2Fnone%2Fmongodb.sock"}).stops(t, "TCP", "tcp.noSocket", "start the server", "unixDomainSocket")
}

// The connection's own errors go no further than the report.
func TestInterrupted(t *testing.T) {
	l := scripted.Listen(t, func(p *scripted.Peer) { _, _ = p.Read(); <-t.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := Examine(ctx, Request{URI: "mongodb://" + l.Address}, func(s Step) {
		if seen++; s.Name == "TLS" {
			cancel()
		}
	})
	if err == nil || seen != 5 {
		t.Errorf("%v after %d steps", err, seen)
	}
}

func TestTimeout(t *testing.T) {
	l := scripted.Listen(t, func(p *scripted.Peer) { _, _ = p.Read(); <-t.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200_000_000)
	defer cancel()
	r, err := Examine(ctx, Request{URI: "mongodb://" + l.Address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.stops(t, "hello", "timeout", "--timeout", `"hello"`)
}

// A report comes out of JSON as it went in, as far as programs need it.
func TestJSON(t *testing.T) {
	s := healthyServer(t)
	r := examine(t, Request{URI: "mongodb://" + s.Address + "/?connect=now"})
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		URI, Outcome string
		Steps        []struct {
			Name     string
			Verdict  Verdict
			Findings []Finding
		}
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&back); err != nil {
		t.Fatal(err)
	}
	if back.Outcome != "troubled" || len(back.Steps) != len(steps) || back.Steps[0].Verdict != Warning ||
		back.Steps[0].Findings[1].Code != "uri.option" || !bytes.Contains(b, []byte(`"verdict":"skipped"`)) {
		t.Errorf("%s", b)
	}
}
