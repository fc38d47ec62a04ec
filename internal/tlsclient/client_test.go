package tlsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/setup"
)

// echo is a TLS server that sends back what it gets, and says what it saw of each
// client.
type echo struct {
	*scripted.Server
	seen chan tls.ConnectionState
}

func serve(t *testing.T, cfg *tls.Config) echo {
	t.Helper()
	e := echo{seen: make(chan tls.ConnectionState, 16)}
	e.Server = scripted.ListenTLS(t, cfg, func(p *scripted.Peer) {
		tc := p.Conn.(*tls.Conn)
		if tc.HandshakeContext(t.Context()) != nil {
			return
		}
		e.seen <- tc.ConnectionState()
		_, _ = io.Copy(p.Conn, p.Conn)
	})
	return e
}

// localhost is the server's address by name.
func (e echo) localhost() string {
	_, port, _ := net.SplitHostPort(e.Address)
	return "localhost:" + port
}

// exchange shakes hands and sends a word to and fro, which is when TLS 1.3 tells
// what the server thought of the client's certificate.
func exchange(ctx context.Context, c *Client, address string) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	sc, err := c.Handshake(ctx, nc, address)
	if err != nil {
		return err
	}
	if _, err := sc.Write([]byte("tea")); err != nil {
		return err
	}
	var b [3]byte
	_, err = io.ReadFull(sc, b[:])
	return err
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServerCertificates(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	other := certtest.NewAuthority(t, "Coffee CA")
	below := ca.Intermediate(t, "Green Tea CA")
	caFile := ca.File(t)
	incomplete := below.Issue(t, "no chain")
	incomplete.Chain = nil
	tests := []struct {
		name   string
		server *certtest.Pair
		o      Options
		want   []string // of the error; none: accepted
		kind   any
	}{
		{"valid", ca.Issue(t, "db"), Options{}, nil, nil},
		{"valid below an intermediate", below.Issue(t, "db"), Options{}, nil, nil},
		{"chain incomplete", incomplete, Options{}, []string{`"CN=no chain"`, `issued by "CN=Green Tea CA"`, "tlsCAFile"}, new(x509.UnknownAuthorityError)},
		{"expired", ca.Issue(t, "db", certtest.Expired()), Options{}, []string{`"CN=db"`, "was valid from", "until", "renew"}, new(x509.CertificateInvalidError)},
		{"not yet", ca.Issue(t, "db", certtest.Valid(time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))), Options{},
			[]string{`"CN=db"`, "not valid before", "set the clock"}, new(x509.CertificateInvalidError)},
		{"wrong name", ca.Issue(t, "db", certtest.For("db1.example.com", "10.1.2.3")), Options{},
			[]string{`"CN=db"`, "db1.example.com, 10.1.2.3", `"localhost"`, "tlsAllowInvalidHostnames"}, new(x509.HostnameError)},
		{"many names", ca.Issue(t, "db", certtest.For(strings.Fields("a b c d e f g h i j")...)), Options{}, []string{"g, h and 2 more"}, new(x509.HostnameError)},
		{"no name", ca.Issue(t, "localhost", certtest.For()), Options{}, []string{"names no host at all", `"localhost"`}, new(x509.HostnameError)},
		{"unknown authority", other.Issue(t, "db"), Options{}, []string{`"CN=db"`, `"CN=Coffee CA"`, "tlsCAFile (" + caFile + ")"}, new(x509.UnknownAuthorityError)},
		{"self-signed", &certtest.Pair{Cert: other.Cert, Key: other.Key}, Options{TLS: setup.TLS{AllowInvalidHostnames: true}}, []string{`"CN=Coffee CA"`, "self-signed"}, new(x509.UnknownAuthorityError)},
		{"for clients alone", ca.Issue(t, "db", certtest.Usage(x509.ExtKeyUsageClientAuth)), Options{}, []string{`"CN=db"`, "is not accepted"}, new(x509.CertificateInvalidError)},

		{"insecure: expired", ca.Issue(t, "db", certtest.Expired()), Options{TLS: setup.TLS{Insecure: true}}, nil, nil},
		{"insecure: unknown, wrong name", other.Issue(t, "db", certtest.For("x")), Options{TLS: setup.TLS{Insecure: true}}, nil, nil},
		{"invalid allowed: unknown", other.Issue(t, "db"), Options{TLS: setup.TLS{AllowInvalidCertificates: true}}, nil, nil},
		{"names unchecked: wrong name", ca.Issue(t, "db", certtest.For("x")), Options{TLS: setup.TLS{AllowInvalidHostnames: true}}, nil, nil},
		{"names unchecked: intermediate", below.Issue(t, "db", certtest.For("x")), Options{TLS: setup.TLS{AllowInvalidHostnames: true}}, nil, nil},
		{"names unchecked: unknown authority", other.Issue(t, "db"), Options{TLS: setup.TLS{AllowInvalidHostnames: true}}, []string{`"CN=Coffee CA"`, "tlsCAFile"}, new(x509.UnknownAuthorityError)},
		{"names unchecked: expired", ca.Issue(t, "db", certtest.Expired()), Options{TLS: setup.TLS{AllowInvalidHostnames: true}}, []string{"until"}, new(x509.CertificateInvalidError)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, &tls.Config{Certificates: []tls.Certificate{tt.server.TLS()}})
			tt.o.CAFile = caFile
			err := exchange(t.Context(), newClient(t, tt.o), s.localhost())
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				if name := (<-s.seen).ServerName; name != "localhost" {
					t.Errorf("the server was asked for %q", name)
				}
				return
			}
			var ce *CertificateError
			if !errors.As(err, &ce) || ce.Certificate == nil || !errors.As(err, tt.kind) {
				t.Fatalf("%v (%T)", err, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestClientCertificates(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	other := certtest.NewAuthority(t, "Coffee CA")
	good, bad := ca.Issue(t, "app"), other.Issue(t, "intruder")
	cert, key := good.Files(t)
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"one file", Options{TLS: setup.TLS{CertificateKeyFile: good.File(t)}}, ""},
		{"two files", Options{TLS: setup.TLS{CertFile: cert, KeyFile: key}}, ""},
		{"own configuration", Options{Config: &tls.Config{Certificates: []tls.Certificate{good.TLS()}}}, ""},
		{"none", Options{}, "set tlsCertificateKeyFile"},
		{"of an unknown authority", Options{TLS: setup.TLS{CertificateKeyFile: bad.File(t)}}, "does not accept this client's certificate"},
		{"expired", Options{TLS: setup.TLS{CertificateKeyFile: ca.Issue(t, "app", certtest.Expired()).File(t)}}, "does not accept this client's certificate"},
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := serve(t, &tls.Config{
			Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
			MinVersion: version, MaxVersion: version,
		})
		for _, tt := range tests {
			t.Run(tls.VersionName(version)+" "+tt.name, func(t *testing.T) {
				tt.o.CAFile = ca.File(t)
				err := exchange(t.Context(), newClient(t, tt.o), s.localhost())
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					if got := (<-s.seen).PeerCertificates[0].Subject.CommonName; got != "app" {
						t.Errorf("the server saw %q", got)
					}
					return
				}
				// A server that refuses a certificate may hang up before the client wrote.
				if err == nil || !strings.Contains(err.Error(), tt.want) && !strings.Contains(err.Error(), "broken pipe") {
					t.Errorf("%v does not say %q", err, tt.want)
				}
			})
		}
	}
}

// The owner's configuration is used for all that the options leave open, and its
// own checks run.
func TestOwnConfig(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db", certtest.For("db.example.com")).TLS()}})
	refused := errors.New("not on a Sunday")
	checked := 0
	own := &tls.Config{RootCAs: ca.Pool(), ServerName: "db.example.com", VerifyConnection: func(state tls.ConnectionState) error {
		checked++
		if len(state.VerifiedChains) == 0 {
			t.Error("the owner's check sees no chain")
		}
		if checked > 1 {
			return refused
		}
		return nil
	}}
	c := newClient(t, Options{Config: own})
	if err := exchange(t.Context(), c, s.Address); err != nil {
		t.Fatal(err)
	}
	if err := exchange(t.Context(), c, s.Address); !errors.Is(err, refused) {
		t.Errorf("the owner's check did not count: %v", err)
	}
	if own.MinVersion != 0 || own.ClientSessionCache != nil || own.InsecureSkipVerify {
		t.Error("the owner's configuration was changed")
	}
	skip := newClient(t, Options{Config: &tls.Config{InsecureSkipVerify: true}, TLS: setup.TLS{AllowInvalidHostnames: true}})
	if err := exchange(t.Context(), skip, s.Address); err != nil {
		t.Error(err)
	}
}

func TestResumption(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}})
	for name, o := range map[string]Options{"all checks": {}, "names unchecked": {TLS: setup.TLS{AllowInvalidHostnames: true}}} {
		t.Run(name, func(t *testing.T) {
			o.CAFile = ca.File(t)
			c := newClient(t, o)
			for i, want := range []bool{false, true, true} {
				if err := exchange(t.Context(), c, s.localhost()); err != nil {
					t.Fatal(err)
				}
				if got := (<-s.seen).DidResume; got != want {
					t.Errorf("connection %d resumed a session: %v", i, got)
				}
			}
		})
	}
}

func TestOldVersions(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	s := serve(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	err := exchange(t.Context(), newClient(t, Options{TLS: setup.TLS{CAFile: ca.File(t)}}), s.localhost())
	if err == nil || !strings.Contains(err.Error(), "1.2 and later") {
		t.Errorf("a server of old: %v", err)
	}
}

// Servers that do not speak TLS.
func TestPlainServers(t *testing.T) {
	for _, tt := range []struct{ name, say, want string }{
		{"MongoDB", "\x3a\x00\x00\x00\x01\x00\x00\x00", "does not speak TLS"},
		{"web server", "HTTP/1.1 400 Bad Request\r\n\r\n", "a web server"},
		{"hangs up", "", "closed the connection in the TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scripted.Listen(t, func(p *scripted.Peer) {
				_, _ = p.Conn.Read(make([]byte, 1<<14))
				_, _ = p.Write([]byte(tt.say))
			})
			err := exchange(t.Context(), newClient(t, Options{TLS: setup.TLS{Insecure: true}}), s.Address)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

// A handshake that never ends obeys the context.
func TestHandshakeContext(t *testing.T) {
	s := scripted.Listen(t, func(p *scripted.Peer) { _, _ = io.Copy(io.Discard, p.Conn) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := exchange(ctx, newClient(t, Options{TLS: setup.TLS{Insecure: true}}), s.Address); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestUnixSocket(t *testing.T) {
	c := newClient(t, Options{})
	if _, err := c.Handshake(t.Context(), nil, "/tmp/mongodb.sock"); err == nil || !strings.Contains(err.Error(), "ServerName") {
		t.Error(err)
	}
}
