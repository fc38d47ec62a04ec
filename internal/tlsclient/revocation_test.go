package tlsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/setup"
)

// responder is an OCSP responder that knows one certificate.
type responder struct {
	*httptest.Server
	asked atomic.Int32
	say   func(w http.ResponseWriter, request *ocsp.Request)
}

func newResponder(t *testing.T) *responder {
	t.Helper()
	r := &responder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		body, _ := io.ReadAll(req.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil || req.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		r.say(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *responder) answers(raw []byte) {
	r.say = func(w http.ResponseWriter, _ *ocsp.Request) { _, _ = w.Write(raw) }
}

// TestOCSPMatrix is the test plan of the specification "OCSP Support".
func TestOCSPMatrix(t *testing.T) {
	for keys, ca := range map[string]*certtest.Authority{"ECDSA": certtest.NewAuthority(t, "CA"), "RSA": certtest.NewRSA(t, "CA")} {
		for who, signer := range map[string]*certtest.Pair{"authority": nil, "delegate": ca.Delegate(t)} {
			t.Run(keys+" "+who, func(t *testing.T) { testMatrix(t, ca, signer) })
		}
	}
}

func testMatrix(t *testing.T, ca *certtest.Authority, signer *certtest.Pair) {
	r := newResponder(t)
	down := newResponder(t)
	down.Close()
	tests := []struct {
		name           string
		status         int
		staples, must  bool
		down, accepted bool
	}{
		{"valid, stapled", ocsp.Good, true, true, false, true},
		{"revoked, stapled", ocsp.Revoked, true, true, false, false},
		{"valid, not stapled", ocsp.Good, false, false, false, true},
		{"revoked, not stapled", ocsp.Revoked, false, false, false, false},
		{"soft fail", ocsp.Good, false, false, true, true},
		{"malicious: revoked, must-staple, not stapled", ocsp.Revoked, false, true, false, false},
		{"malicious: must-staple, not stapled, responder down", ocsp.Good, false, true, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := r.URL
			if tt.down {
				url = down.URL
			}
			changes := []certtest.Change{certtest.Responder(url)}
			if tt.must {
				changes = append(changes, certtest.MustStaple())
			}
			pair := ca.Issue(t, "db", changes...)
			answer := ca.OCSP(t, pair.Cert, certtest.Answer{Status: tt.status, Signer: signer})
			r.answers(answer)
			cert := pair.TLS()
			if tt.staples {
				cert.OCSPStaple = answer
			}
			s := serve(t, &tls.Config{Certificates: []tls.Certificate{cert}})
			for options, o := range map[string]setup.TLS{
				"tls=true": {}, "tlsInsecure=true": {Insecure: true}, "tlsAllowInvalidCertificates=true": {AllowInvalidCertificates: true},
				"tlsAllowInvalidHostnames=true":             {AllowInvalidHostnames: true},
				"tlsDisableCertificateRevocationCheck=true": {DisableRevocationCheck: true},
			} {
				accepted := tt.accepted || o.Insecure || o.AllowInvalidCertificates || o.DisableRevocationCheck
				o.CAFile = ca.File(t)
				err := exchange(t.Context(), newClient(t, Options{TLS: o}), s.localhost())
				if (err == nil) != accepted {
					t.Errorf("%s: %v", options, err)
				}
				if err != nil && !strings.Contains(err.Error(), `"CN=db"`) {
					t.Errorf("%s: %q does not name the certificate", options, err)
				}
			}
		})
	}
}

// Answers that prove nothing.
func TestBadStaples(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "CA"), certtest.NewAuthority(t, "Other CA")
	pair, another := ca.Issue(t, "db"), ca.Issue(t, "another")
	now := time.Now()
	for _, tt := range []struct {
		name   string
		staple []byte
		want   string // "": accepted
	}{
		{"garbage", []byte("tea"), "cannot be trusted"},
		{"an error", []byte{0x30, 3, 0x0a, 1, 2}, "cannot be trusted"},
		{"of another certificate", ca.OCSP(t, another.Cert, certtest.Answer{}), "cannot be trusted"},
		{"of another authority", other.OCSP(t, pair.Cert, certtest.Answer{}), "cannot be trusted"},
		{"signed by a server", ca.OCSP(t, pair.Cert, certtest.Answer{Signer: another}), "not for signing OCSP answers"},
		{"signed by another's delegate", ca.OCSP(t, pair.Cert, certtest.Answer{Signer: other.Delegate(t)}), "cannot be trusted"},
		{"signed by an expired delegate", ca.OCSP(t, pair.Cert, certtest.Answer{Signer: ca.Delegate(t, certtest.Expired())}), "signed with a certificate that was valid from"},
		{"expired", ca.OCSP(t, pair.Cert, certtest.Answer{This: now.Add(-2 * time.Hour), Next: now.Add(-time.Hour)}), "was valid from"},
		{"of the future", ca.OCSP(t, pair.Cert, certtest.Answer{This: now.Add(time.Hour), Next: now.Add(2 * time.Hour)}), "in the future"},
		{"clock a little ahead", ca.OCSP(t, pair.Cert, certtest.Answer{This: now.Add(time.Minute), Next: now.Add(2 * time.Hour)}), ""},
		{"does not know", ca.OCSP(t, pair.Cert, certtest.Answer{Status: ocsp.Unknown}), ""},
		{"without expiry", ca.OCSP(t, pair.Cert, certtest.Answer{NoNext: true}), ""},
		{"revoked", ca.OCSP(t, pair.Cert, certtest.Answer{Status: ocsp.Revoked}), "was revoked on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := pair.TLS()
			cert.OCSPStaple = tt.staple
			s := serve(t, &tls.Config{Certificates: []tls.Certificate{cert}})
			// Stapled answers count whether or not responders are asked.
			err := exchange(t.Context(), newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t), DisableOCSPEndpointCheck: true}}), s.localhost())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			var ce *CertificateError
			if err != nil && !errors.As(err, &ce) {
				t.Errorf("%T", err)
			}
			if tt.name == "revoked" && (!errors.Is(err, ErrRevoked) || !strings.Contains(err.Error(), "key compromised")) {
				t.Error(err)
			}
		})
	}
}

// What responders say that proves nothing is as good as silence.
func TestBadResponders(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "CA"), certtest.NewAuthority(t, "Other CA")
	r := newResponder(t)
	pair := ca.Issue(t, "db", certtest.Responder(r.URL, "http://127.0.0.1:1/", "gopher://x", ":"))
	for name, raw := range map[string][]byte{
		"garbage":              []byte("tea"),
		"nothing":              nil,
		"too much":             make([]byte, 1<<20),
		"of another authority": other.OCSP(t, pair.Cert, certtest.Answer{Status: ocsp.Revoked}),
		"does not know":        ca.OCSP(t, pair.Cert, certtest.Answer{Status: ocsp.Unknown}),
	} {
		r.answers(raw)
		s := serve(t, &tls.Config{Certificates: []tls.Certificate{pair.TLS()}})
		if err := exchange(t.Context(), newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t)}}), s.localhost()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.say = func(w http.ResponseWriter, _ *ocsp.Request) { http.Error(w, "no", http.StatusTeapot) }
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{pair.TLS()}})
	before := r.asked.Load()
	c := newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t)}})
	for range 3 {
		if err := exchange(t.Context(), c, s.localhost()); err != nil {
			t.Error(err)
		}
	}
	if n := r.asked.Load() - before; n != 1 {
		t.Errorf("a responder that fails was asked %d times in a row", n)
	}
	before = r.asked.Load()
	if err := exchange(t.Context(), newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t), DisableOCSPEndpointCheck: true}}), s.localhost()); err != nil || r.asked.Load() != before {
		t.Errorf("tlsDisableOCSPEndpointCheck=true: %v, asked %d times", err, r.asked.Load()-before)
	}
}

// One answer serves many connections, and of several responders the first one
// that knows counts.
func TestAnswersAreKept(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	good, slow := newResponder(t), newResponder(t)
	released := make(chan struct{})
	defer close(released)
	slow.say = func(http.ResponseWriter, *ocsp.Request) { <-released }
	pair := ca.Issue(t, "db", certtest.Responder(slow.URL, good.URL))
	good.answers(ca.OCSP(t, pair.Cert, certtest.Answer{}))
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, SessionTicketsDisabled: true})
	c := newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t)}})
	for range 3 {
		if err := exchange(t.Context(), c, s.localhost()); err != nil {
			t.Fatal(err)
		}
	}
	if n := good.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// fakeRevocation asks say instead of a responder.
func fakeRevocation(say func(ctx context.Context) ([]byte, error)) *revocation {
	return &revocation{now: time.Now, ask: func(ctx context.Context, _ string, _ []byte) ([]byte, error) { return say(ctx) }}
}

func stateOf(pair *certtest.Pair, ca *certtest.Authority, staple []byte) *tls.ConnectionState {
	return &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{pair.Cert}, OCSPResponse: staple,
		VerifiedChains: [][]*x509.Certificate{{pair.Cert, ca.Cert}},
	}
}

// A responder that does not answer holds a connection up for five seconds, or
// half of what is left, once a minute.
func TestSilentResponders(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	pair := ca.Issue(t, "db", certtest.Responder("http://a/", "http://b/"))
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		r := fakeRevocation(func(ctx context.Context) ([]byte, error) {
			asked.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		check := func(limit, want time.Duration, asks int32) {
			t.Helper()
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if limit > 0 {
				ctx, cancel = context.WithTimeout(ctx, limit)
			}
			defer cancel()
			began := time.Now()
			asked.Store(0)
			if err := r.check(ctx, stateOf(pair, ca, nil)); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != want || asked.Load() != asks {
				t.Errorf("took %v and asked %d times, want %v and %d", took, asked.Load(), want, asks)
			}
		}
		check(0, askTimeout, 2)
		check(0, 0, 0)
		time.Sleep(askAgain - time.Second)
		check(0, 0, 0)
		time.Sleep(time.Second)
		check(4*time.Second, 2*time.Second, 2)
	})
}

// The cache forgets what expired, keeps what lasts longer and never prefers good
// to revoked.
func TestAnswersExpire(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	pair := ca.Issue(t, "db", certtest.Responder("http://a/"))
	now := time.Now()
	answer := func(status int, lasts time.Duration) []byte {
		return ca.OCSP(t, pair.Cert, certtest.Answer{Status: status, This: now.Add(-time.Hour), Next: now.Add(lasts)})
	}
	at := now
	var next []byte
	asked := 0
	r := fakeRevocation(func(context.Context) ([]byte, error) { asked++; return next, nil })
	r.now = func() time.Time { return at }
	check := func(staple []byte, revoked bool, asks int) {
		t.Helper()
		asked = 0
		if err := r.check(t.Context(), stateOf(pair, ca, staple)); errors.Is(err, ErrRevoked) != revoked || (err == nil) == revoked {
			t.Errorf("revoked %v: %v", revoked, err)
		}
		if asked != asks {
			t.Errorf("asked %d times, want %d", asked, asks)
		}
	}
	next = answer(ocsp.Good, time.Hour)
	check(nil, false, 1)
	check(nil, false, 0)
	at = now.Add(time.Hour) // nextUpdate itself is too late
	next = answer(ocsp.Good, 2*time.Hour)
	check(nil, false, 1)
	check(answer(ocsp.Good, 90*time.Minute), false, 0)
	at = now.Add(100 * time.Minute)
	check(nil, false, 0) // the longer one was kept
	check(answer(ocsp.Revoked, 110*time.Minute), true, 0)
	check(answer(ocsp.Revoked, 3*time.Hour), true, 0)
	check(answer(ocsp.Good, 150*time.Minute), true, 0)
	check(nil, true, 0)
}

// A certificate that is trusted itself has nobody who could revoke it.
func TestTrustedLeaf(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	r := fakeRevocation(func(context.Context) ([]byte, error) { t.Error("asked"); return nil, nil })
	state := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{ca.Cert}}, OCSPResponse: []byte("tea")}
	if err := r.check(t.Context(), state); err != nil {
		t.Error(err)
	}
}

// A resumed session carries the answer of its beginning, which may have expired.
func TestResumedStaple(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	pair := ca.Issue(t, "db", certtest.MustStaple())
	r := fakeRevocation(nil)
	state := stateOf(pair, ca, ca.OCSP(t, pair.Cert, certtest.Answer{This: time.Now().Add(-2 * time.Hour), Next: time.Now().Add(-time.Hour)}))
	if err := r.check(t.Context(), state); err == nil {
		t.Error("an expired answer was accepted from a new session")
	}
	state.DidResume = true
	if err := r.check(t.Context(), state); err != nil {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	ca := certtest.NewAuthority(f, "CA")
	pair := ca.Issue(f, "db")
	f.Add(ca.OCSP(f, pair.Cert, certtest.Answer{}))
	f.Add(ca.OCSP(f, pair.Cert, certtest.Answer{Status: ocsp.Revoked, Signer: ca.Delegate(f)}))
	r := &revocation{now: time.Now}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if answer, err := r.parse(raw, pair.Cert, ca.Cert); (answer == nil) == (err == nil) {
			t.Errorf("answer %v, error %v", answer, err)
		}
	})
}
