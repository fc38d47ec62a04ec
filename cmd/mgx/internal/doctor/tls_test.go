package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/scripted"
)

func secureServer(t *testing.T, cfg *tls.Config) (port string) {
	t.Helper()
	s := scripted.ListenTLS(t, cfg, scripted.Greet(scripted.Hello(), scripted.Ping))
	_, port, _ = net.SplitHostPort(s.Address)
	return port
}

func TestCertificates(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "Tea CA"), certtest.NewAuthority(t, "Coffee CA")
	year := certtest.Valid(time.Now().Add(-360*24*time.Hour), time.Now().Add(5*24*time.Hour))
	tests := []struct {
		name string
		cert *certtest.Pair
		code string
		says []string
	}{
		{"wrong name", ca.Issue(t, "db", certtest.For("db1.example.com")), "tls.wrongName",
			[]string{`"CN=db"`, "db1.example.com", `not for "localhost"`, "connect to db1.example.com:", `by "CN=Tea CA"`}},
		{"no name", ca.Issue(t, "db", certtest.For()), "tls.wrongName", []string{"names no host", "subject alternative name localhost"}},
		{"expired", ca.Issue(t, "db", certtest.Expired()), "tls.expired", []string{"until", "renew", "rotateCertificates"}},
		{"not yet", ca.Issue(t, "db", certtest.Valid(time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))), "tls.notYetValid", []string{"not valid before", "clock"}},
		{"unknown authority", other.Issue(t, "db"), "tls.unknownAuthority", []string{`"CN=Coffee CA"`, "tlsCAFile"}},
		{"for clients", ca.Issue(t, "db", certtest.Usage(x509.ExtKeyUsageClientAuth)), "tls.certificate", []string{"is not accepted", "issued anew"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			port := secureServer(t, &tls.Config{Certificates: []tls.Certificate{test.cert.TLS()}})
			examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)}).stops(t, "TLS", test.code, test.says...)
		})
	}
	t.Run("good", func(t *testing.T) {
		port := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}})
		r := examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)})
		r.healthy(t)
		r.says(t, OK, "tls", "TLS 1.3", `"CN=db"`, "localhost, 127.0.0.1, ::1", `by "CN=Tea CA"`)
		r = examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsInsecure=true"})
		r.warns(t, "tls.unchecked", "not checked", "tlsCAFile")
		r = examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsAllowInvalidHostnames=true&tlsCAFile=" + ca.File(t)})
		r.warns(t, "tls.namesUnchecked", "tlsAllowInvalidHostnames")
	})
	t.Run("expires soon", func(t *testing.T) {
		port := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db", year).TLS()}})
		examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)}).warns(t, "tls.expiresSoon", "expires in 4 days", "renew")
	})
	t.Run("revoked", func(t *testing.T) {
		pair := ca.Issue(t, "db")
		shown := pair.TLS()
		staple, err := ocsp.CreateResponse(ca.Cert, ca.Cert, ocsp.Response{
			Status: ocsp.Revoked, SerialNumber: pair.Cert.SerialNumber, RevokedAt: time.Now().Add(-time.Hour),
			ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		}, ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		shown.OCSPStaple = staple
		port := secureServer(t, &tls.Config{Certificates: []tls.Certificate{shown}})
		examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)}).stops(t, "TLS", "tls.revoked", "revoked", "issued anew")
	})
}

// A certificate that lives for a year should be renewed two weeks before its
// end, one that lives for a day a tenth of it.
func TestExpiresSoon(t *testing.T) {
	now := time.Now()
	tests := []struct {
		lived, left time.Duration
		want        bool
	}{
		{350 * 24 * time.Hour, 15 * 24 * time.Hour, false},
		{352 * 24 * time.Hour, 13 * 24 * time.Hour, true},
		{20 * time.Hour, 4 * time.Hour, false},
		{22 * time.Hour, 2 * time.Hour, true},
	}
	for _, test := range tests {
		cert := &x509.Certificate{NotBefore: now.Add(-test.lived), NotAfter: now.Add(test.left)}
		if got := expiresSoon(cert, now); got != test.want {
			t.Errorf("after %v, with %v left: %v", test.lived, test.left, got)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "Tea CA"), certtest.NewAuthority(t, "Coffee CA")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			port := secureServer(t, &tls.Config{
				Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MaxVersion: version,
			})
			at := map[uint16]string{tls.VersionTLS12: "TLS", tls.VersionTLS13: "hello"}[version] // only then does it say so
			uri := "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)
			examine(t, Request{URI: uri}).stops(t, at, "tls.clientCertificate", "demands a client certificate", "tlsCertificateKeyFile")
			examine(t, Request{URI: uri + "&tlsCertificateKeyFile=" + other.Issue(t, "app").File(t)}).
				stops(t, at, "tls.clientRefused", "does not accept this client's certificate", "net.tls.CAFile")
			examine(t, Request{URI: uri + "&tlsCertificateKeyFile=" + ca.Issue(t, "app").File(t)}).healthy(t)
		})
	}
}

func TestOldTLS(t *testing.T) {
	ca := certtest.NewRSA(t, "Tea CA")
	port := secureServer(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	examine(t, Request{URI: "mongodb://localhost:" + port + "/?tlsCAFile=" + ca.File(t)}).stops(t, "TLS", "tls.version", "no version of TLS", "TLS 1.2")
}

func TestPlainServerAskedForTLS(t *testing.T) {
	s := healthyServer(t)
	examine(t, Request{URI: "mongodb://" + s.Address + "/?tls=true"}).
		stops(t, "TLS", "tls.plainServer", "without TLS", "leave tls=true away", "requireTLS")
	hangsUp := scripted.Listen(t, func(*scripted.Peer) {})
	examine(t, Request{URI: "mongodb://" + hangsUp.Address + "/?tls=true"}).stops(t, "TLS", "tls.notTLS", "check the port")
}

func TestTLSServerAskedPlainly(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}}
	examine(t, Request{URI: "mongodb://localhost:" + secureServer(t, cfg)}).stops(t, "hello", "hello.needsTLS", "add tls=true", "tlsCAFile")
	// mongod hangs up without a word.
	rude := scripted.Listen(t, func(p *scripted.Peer) {
		var b [1]byte
		if _, err := p.Conn.Read(b[:]); err == nil && b[0] == 22 {
			_, _ = p.Write([]byte{21, 3, 3, 0, 2, 2, 40})
		}
	})
	examine(t, Request{URI: "mongodb://" + rude.Address}).stops(t, "hello", "hello.needsTLS", "add tls=true")
}

func TestNotMongoDB(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	address := web.Listener.Addr().String()
	examine(t, Request{URI: "mongodb://" + address + "/?connectTimeoutMS=200"}).stops(t, "hello", "hello.notMongoDB", "web server", "correct the host or the port")
	examine(t, Request{URI: "mongodb://" + address + "/?tls=true"}).stops(t, "TLS", "tls.notMongoDB", "web server", "correct the host or the port")

	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	examine(t, Request{URI: "mongodb://" + secure.Listener.Addr().String() + "/?tlsInsecure=true&connectTimeoutMS=300"}).stops(t, "hello", "hello.notMongoDB", "web server")

	for greeting, name := range map[string]string{
		"SSH-2.0-OpenSSH_9.6\r\n": "SSH", "-ERR unknown command\r\n": "Redis", "220 mail ESMTP\r\n": "mail",
		"J\x00\x00\x00\x0a8.0.36\x00": "MySQL", strings.Repeat("\xff", 32): "does not speak MongoDB's protocol",
	} {
		s := scripted.Listen(t, func(p *scripted.Peer) {
			_, _ = p.Write([]byte(greeting))
			var b [512]byte
			for {
				if _, err := p.Conn.Read(b[:]); err != nil {
					return
				}
			}
		})
		examine(t, Request{URI: "mongodb://" + s.Address + "/?connectTimeoutMS=300"}).stops(t, "hello", "hello.notMongoDB", name)
	}
	hangsUp := scripted.Listen(t, func(p *scripted.Peer) { _, _ = p.Read() })
	examine(t, Request{URI: "mongodb://" + hangsUp.Address}).stops(t, "hello", "hello.closed", "closed the connection", "out of connections", "port mapping")
}
