package cli

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/scripted"
)

func TestDoctor(t *testing.T) {
	uri := server(t)
	o := tool(t, "", "doctor", uri)
	o.want(t, exitOK, "ok    ping ", "")
	o.want(t, exitOK, "\nhealthy: ", "")
	if strings.Contains(o.out, "\x1b") || o.err != "" {
		t.Errorf("%q %q", o.out, o.err)
	}
	tool(t, "", "doctor", uri, "--color", "always").want(t, exitOK, "\x1b[32mhealthy:\x1b[0m", "")
	tool(t, "", "doctor", uri+"?nonsense=1", "--color", "always").want(t, exitPartly, "\x1b[33mtroubled:\x1b[0m", "")
	tool(t, "", "doctor", nobody, "--color", "always").want(t, exitFailure, "\x1b[31mFAIL\x1b[0m", "")
	t.Setenv("MGX_URI", uri)
	tool(t, "", "doctor", "--pings", "2").want(t, exitOK, "2 pings", "")
}

func TestDoctorFindsTrouble(t *testing.T) {
	o := tool(t, "", "doctor", nobody)
	o.want(t, exitFailure, "refused", "")
	o.want(t, exitFailure, "it stops at: TCP", "")
	if o.err != "" {
		t.Errorf("it tells all in its output, not in %q", o.err)
	}
	for _, wrong := range []string{"localhost:27017", "mongodb://ann:pencil%@db1/", "mongodb://db1/?tlsCAFile=/none.pem"} {
		o := tool(t, "", "doctor", wrong)
		o.want(t, exitUsage, "it stops at: connection string", "")
		if strings.Contains(o.out+o.err, "pencil") {
			t.Errorf("the password is shown:\n%s%s", o.out, o.err)
		}
	}
	tool(t, "", "doctor", "a", "b").want(t, exitUsage, "", "accepts at most 1 arg")
	tool(t, "", "doctor", "--timeout", "0s").want(t, exitUsage, "", "--timeout")
	tool(t, "", "doctor", "--pings", "0").want(t, exitUsage, "", "--pings")
}

// A server with TLS whose certificate is for its own name, and for another.
func TestDoctorTLS(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	for name, want := range map[string]string{"localhost": "TLS 1.3", "db1.example.com": `is for db1.example.com, not for "localhost"`} {
		status := exitOK
		if name != "localhost" {
			status = exitFailure
		}
		cert, key := ca.Issue(t, "db", certtest.For(name)).Files(t)
		s, err := embedded.Start(t.Context(), embedded.Options{TLS: &embedded.TLS{CertFile: cert, KeyFile: key}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		_, port, err := net.SplitHostPort(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		o := tool(t, "", "doctor", "mongodb://localhost:"+port+"/?tls=true&tlsCAFile="+ca.File(t))
		o.want(t, status, want, "")
	}
}

func TestDoctorPassword(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "ann", Password: "pencil"})
	tool(t, "", "doctor", p.UserURI("ann", "pencil", "admin")).want(t, exitOK, "healthy", "")
	o := tool(t, "", "doctor", p.UserURI("ann", "crayon", "admin"))
	o.want(t, exitFailure, "it stops at: authentication", "")
	o.want(t, exitFailure, "it is the password", "")
	if strings.Contains(o.out, "crayon") {
		t.Errorf("the password is shown:\n%s", o.out)
	}
}

func TestDoctorJSON(t *testing.T) {
	for _, test := range []struct {
		uri, outcome, stopped string
		status                int
	}{
		{server(t), "healthy", "", exitOK},
		{nobody, "broken", "TCP", exitFailure},
		{"mongodb://db 1/", "broken", "connection string", exitUsage},
	} {
		o := tool(t, "", "doctor", "--json", "--color", "always", test.uri)
		var report struct {
			URI, Outcome, StoppedAt string
			Steps                   []struct {
				Name, Verdict string
				Findings      []struct {
					Code, Verdict, Server, Message string
					Advice                         []string
				}
			}
		}
		if err := json.Unmarshal([]byte(o.out), &report); err != nil {
			t.Fatalf("%v in\n%s", err, o.out)
		}
		if o.status != test.status || report.Outcome != test.outcome || report.StoppedAt != test.stopped || report.URI != test.uri || len(report.Steps) == 0 {
			t.Errorf("status %d, %+v", o.status, report)
		}
	}
}

func TestDoctorInTime(t *testing.T) {
	s := scripted.Listen(t, func(p *scripted.Peer) { _, _ = p.Read(); <-t.Context().Done() })
	uri := "mongodb://" + s.Address
	tool(t, "", "doctor", uri, "--timeout", "100ms").want(t, exitFailure, "allow it more with --timeout", "")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	toolIn(t, ctx, nil, "doctor", uri).want(t, exitInterrupted, "ok    TCP", "interrupted")
}
