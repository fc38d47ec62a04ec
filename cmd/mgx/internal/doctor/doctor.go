// Package doctor walks the way that a client's connections go, step by step, and
// says where and why it stops and what to do. It goes through the client's own
// layers, so what works here works for a client with the same connection string.
//
// It changes nothing on the servers.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/inspect"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
)

// Request says what to examine and how.
type Request struct {
	URI string
	// Pings is how often each server is asked for its latency; 0 is 20.
	Pings int
	// Resolver answers questions to DNS; nil is the system's.
	Resolver Resolver
	// DialContext opens sockets; nil does it as clients do.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// AppName is what the servers' logs call the examination, unless the connection
	// string has a name.
	AppName string
}

// Resolver answers questions to DNS. *net.Resolver is one.
type Resolver interface {
	connstring.Resolver
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// step is one step of the way. The way stops at a step that finds a failure of
// the deployment, or that no server gets through.
type step struct {
	name string
	run  func(context.Context, *walk) []*Finding
}

var steps = []step{
	{"connection string", parse},
	{"DNS records", records},
	{"names", each(lookup)},
	{"TCP", each(dial)},
	{"TLS", each(secure)},
	{"hello", each(greet)},
	{"members", members},
	{"authentication", each(authenticate)},
	{"ping", each(ping)},
	{"clock", each(clock)},
	{"selection", selection},
	{"pool", pool},
}

// walk is what is known after the steps so far.
type walk struct {
	Request
	options  *mgx.Options
	prepared inspect.Prepared
	resolved inspect.Resolved // with cfg after DNS
	cfg      *conn.Config
	dns      *recorder
	servers  []*server
	topology *sdam.Topology // after discovery
}

// server is what is known of one server.
type server struct {
	address string
	origin  string // who names it

	stopped *Finding // why it goes no further
	nc      net.Conn // open, and with TLS once that is done
	heard   *tap     // what came over nc
	dialled time.Duration
	secured time.Duration
	desc    *sdam.Server // nil before the hello
	conn    *conn.Conn   // authenticated
	opened  time.Duration
	latency time.Duration // the median ping
}

// Examine walks the way. seen, if not nil, is told of each step once it is done.
// When the context ends, the way stops at the step that it has come to; the
// context's error is then returned beside the report if it was cancelled.
func Examine(ctx context.Context, request Request, seen func(Step)) (*Report, error) {
	if request.Pings == 0 {
		request.Pings = 20
	}
	if request.Resolver == nil {
		request.Resolver = net.DefaultResolver
	}
	w := &walk{Request: request}
	defer w.close()
	began := time.Now()
	report := &Report{URI: connstring.Redact(request.URI), Outcome: Healthy}
	for _, s := range steps {
		if report.StoppedAt != "" {
			break
		}
		done, stops := w.take(ctx, s)
		if errors.Is(ctx.Err(), context.Canceled) {
			return report, ctx.Err()
		}
		report.Steps = append(report.Steps, done)
		switch {
		case stops:
			report.StoppedAt, report.Outcome = s.name, Broken
		case done.Verdict >= Warning:
			report.Outcome = Troubled
		}
		if seen != nil {
			seen(done)
		}
	}
	report.Took = Seconds(time.Since(began))
	return report, nil
}

func (w *walk) take(ctx context.Context, s step) (done Step, stops bool) {
	began := time.Now()
	findings := s.run(ctx, w)
	// A socket's deadline may pass a moment before the context's timer.
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		findings = append(findings, find(Failed, "timeout", "the time for the examination is over").
			advise("allow it more with --timeout; what takes so long is this step, %q", s.name))
	}
	done = Step{Name: s.name, Findings: findings, Took: Seconds(time.Since(began))}
	for _, f := range findings {
		done.Verdict = max(done.Verdict, f.Verdict)
		stops = stops || f.Verdict == Failed && f.Server == ""
	}
	return done, stops || w.servers != nil && len(w.going()) == 0
}

// going are the servers that got through all steps so far.
func (w *walk) going() []*server {
	return slices.DeleteFunc(slices.Clone(w.servers), func(s *server) bool { return s.stopped != nil })
}

func (w *walk) server(address string) *server {
	for _, s := range w.servers {
		if s.address == address {
			return s
		}
	}
	return nil
}

func (w *walk) close() {
	for _, s := range w.servers {
		s.close()
	}
}

func (s *server) close() {
	if s.nc != nil {
		s.nc.Close()
		s.nc = nil
	}
	if s.conn != nil {
		_ = s.conn.Close() // only read from
		s.conn = nil
	}
}

// check examines one server.
type check func(context.Context, *walk, *server) *Finding

// each makes a step of a check: all servers at the same time. A server that fails
// goes no further.
func each(c check) func(context.Context, *walk) []*Finding {
	return func(ctx context.Context, w *walk) []*Finding {
		going := w.going()
		findings := make([]*Finding, len(going))
		var wg sync.WaitGroup
		for i, s := range going {
			wg.Go(func() { findings[i] = c.examine(ctx, w, s) })
		}
		wg.Wait()
		return alike(findings)
	}
}

func (c check) examine(ctx context.Context, w *walk, s *server) *Finding {
	f := c(ctx, w, s).on(s)
	if f.Verdict == Failed {
		s.stopped = f
		s.close()
	}
	return f
}

// alike makes one finding of all if every server was passed over for the same
// reason.
func alike(findings []*Finding) []*Finding {
	for _, f := range findings {
		if f.Verdict != Skipped || f.Message != findings[0].Message {
			return findings
		}
	}
	if len(findings) > 0 {
		findings = findings[:1]
		findings[0].Server = ""
	}
	return findings
}

// attempt bounds one attempt as the client does, by connectTimeoutMS.
func (w *walk) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return setup.Limit(ctx, w.options.ConnectTimeout)
}

// list writes a few of many.
func list(all []string) string {
	const most = 8
	if len(all) <= most {
		return join(all)
	}
	return fmt.Sprintf("%s and %d more", join(all[:most]), len(all)-most)
}

func join(all []string) string {
	text := ""
	for i, s := range all {
		if i > 0 {
			text += ", "
		}
		text += s
	}
	return text
}
