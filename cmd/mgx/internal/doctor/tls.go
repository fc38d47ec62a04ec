package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/tlsclient"
)

// secure shakes hands by TLS.
func secure(ctx context.Context, w *walk, s *server) *Finding {
	if w.cfg.Secure == nil {
		return find(Skipped, "tls", "TLS is not asked for: others on the way can read along")
	}
	limited, cancel := w.attempt(ctx)
	defer cancel()
	began := time.Now()
	nc, err := w.cfg.Secure(limited, s.nc, s.address)
	s.secured = time.Since(began)
	if err != nil {
		return insecure(ctx, w, s, err)
	}
	s.heard = &tap{Conn: nc}
	s.nc = s.heard
	connection, ok := nc.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return find(OK, "tls", "secured in %s", screen.Duration(s.secured))
	}
	return secured(w, s, connection.ConnectionState())
}

func secured(w *walk, s *server, state tls.ConnectionState) *Finding {
	f := find(OK, "tls", "%s, %s, in %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), screen.Duration(s.secured))
	f.fact("version", tls.VersionName(state.Version)).fact("cipher", tls.CipherSuiteName(state.CipherSuite)).fact("took", s.secured)
	f.show(state.PeerCertificates)
	if len(state.OCSPResponse) > 0 {
		f.detail("the server staples an OCSP answer")
	}
	o := w.options.TLS
	switch leaf := state.PeerCertificates[0]; {
	case o.Insecure || o.AllowInvalidCertificates:
		f.Message += "; the certificate was not checked"
		f.warn("tls.unchecked", "whoever is on the way can read and change all: leave tlsInsecure and tlsAllowInvalidCertificates away, and name the authority in tlsCAFile")
	case o.AllowInvalidHostnames:
		f.Message += "; the names in the certificate were not checked"
		f.warn("tls.namesUnchecked", "any server with a certificate of this authority could be in the way: leave tlsAllowInvalidHostnames away")
	case expiresSoon(leaf, time.Now()):
		f.Message += fmt.Sprintf("; the certificate expires in %s", span(time.Until(leaf.NotAfter)))
		f.warn("tls.expiresSoon", "renew the certificate before %s", date(leaf.NotAfter))
	}
	return f
}

// expiresSoon reports whether a certificate should have been renewed by now: two
// weeks before its end, or, where it lives for days only, a tenth of that.
func expiresSoon(cert *x509.Certificate, now time.Time) bool {
	const twoWeeks = 14 * 24 * time.Hour
	return cert.NotAfter.Sub(now) < min(twoWeeks, cert.NotAfter.Sub(cert.NotBefore)/10)
}

// show adds a chain of certificates, the server's first.
func (f *Finding) show(chain []*x509.Certificate) {
	for i, cert := range chain {
		what := "certificate"
		if i > 0 {
			what = "issued by"
		}
		f.detail("%s %s: from %s until %s, by %q", what, tlsclient.Name(cert), date(cert.NotBefore), date(cert.NotAfter), cert.Issuer)
		if i == 0 {
			f.detail("for %s", list(tlsclient.Names(cert)))
			f.fact("subject", cert.Subject.String()).fact("issuer", cert.Issuer.String()).fact("names", tlsclient.Names(cert))
			f.fact("notBefore", cert.NotBefore.UTC()).fact("notAfter", cert.NotAfter.UTC())
		}
	}
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// span writes a time to come.
func span(d time.Duration) string {
	if days := int(d.Hours() / 24); days > 1 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Minute).String()
}

// insecure explains a handshake that failed.
func insecure(ctx context.Context, w *walk, s *server, err error) *Finding {
	var bad *tlsclient.CertificateError
	var record tls.RecordHeaderError
	first := s.heard.first()
	switch {
	case errors.As(err, &bad):
		return badCertificate(s, bad)
	case errors.Is(err, context.DeadlineExceeded):
		return find(Failed, "tls.timeout", "the server accepts the connection and is silent when TLS is offered (%s)", screen.Duration(s.secured)).
			advise("it may not speak TLS on this port, or be overloaded or frozen: see its log, and try tls=false")
	case speaker(first) != "":
		return find(Failed, "tls.notMongoDB", "%s answers on this port, not MongoDB", speaker(first)).advise("correct the host or the port")
	case errors.As(err, &record), !isTLS(first):
		return withoutTLS(ctx, w, s, err)
	}
	return alerted(err)
}

// withoutTLS finds out whether a server that does not speak TLS is MongoDB.
func withoutTLS(ctx context.Context, w *walk, s *server, err error) *Finding {
	if w.speaksPlainly(ctx, s.address) {
		return find(Failed, "tls.plainServer", "the server speaks MongoDB's protocol on this port, but without TLS").
			advise("leave tls=true away if that is what you want; what you send can then be read on the way").
			advise("or turn TLS on in the server: net.tls.mode: requireTLS, net.tls.certificateKeyFile")
	}
	return find(Failed, "tls.notTLS", "%v", err).
		advise("check the port, and the server's log; it does not speak TLS there, nor MongoDB's protocol without")
}

// alerted explains what the server, or this client, says against the other.
func alerted(err error) *Finding {
	text := err.Error()
	switch {
	case strings.Contains(text, "client certificate"):
		return find(Failed, "tls.clientCertificate", "%s", text).
			advise("name a PEM file with this client's certificate and key in tlsCertificateKeyFile; the server must trust who issued it (net.tls.CAFile)")
	case strings.Contains(text, "client's certificate"):
		return find(Failed, "tls.clientRefused", "%s", text).
			advise("compare the issuer of the client's certificate with the server's net.tls.CAFile, and look at its dates; the server's log says more")
	case strings.Contains(text, "version"):
		return find(Failed, "tls.version", "%s", text).advise("update the server, or allow TLS 1.2 in it (net.tls.disabledProtocols)")
	}
	return find(Failed, "tls.failed", "%s", text).advise("the server's log says more: look for this client's address in it")
}

func badCertificate(s *server, bad *tlsclient.CertificateError) *Finding {
	var (
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
	)
	f := find(Failed, "tls.certificate", "%s", bad.Message)
	switch {
	case errors.As(bad, &name):
		f.Code = "tls.wrongName"
		_, port, _ := net.SplitHostPort(s.address)
		if names := tlsclient.Names(name.Certificate); len(names) > 0 {
			f.advise("connect to %s, if that is this server; or have a certificate issued that names %s", net.JoinHostPort(names[0], port), name.Host)
		} else {
			f.advise("have a certificate issued with the subject alternative name %s", name.Host)
		}
	case errors.As(bad, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		f.Code = "tls.notYetValid"
		f.advise("compare this machine's clock with another; or wait until %s", date(invalid.Cert.NotBefore))
	case errors.As(bad, &invalid) && invalid.Reason == x509.Expired:
		f.Code = "tls.expired"
		f.advise("renew the certificate %s, and have the server read it: restart it, or run rotateCertificates", tlsclient.Name(invalid.Cert))
	case errors.As(bad, &authority):
		f.Code = "tls.unknownAuthority"
		f.advise("name the file with the authority's certificate in tlsCAFile, if you trust it; the server should also send what lies between its certificate and the authority")
	case errors.Is(bad, tlsclient.ErrRevoked):
		f.Code = "tls.revoked"
		f.advise("do not go on: have the server's certificate issued anew")
	default:
		f.advise("have the server's certificate issued anew, or see its staple (OCSP)")
	}
	f.show(bad.Chain)
	return f
}

// probe bounds the second look at a server that failed the first.
func (w *walk) probe(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := 3 * time.Second
	if w.options.ConnectTimeout > 0 {
		limit = min(limit, w.options.ConnectTimeout)
	}
	return context.WithTimeout(ctx, limit)
}

// speaksPlainly reports whether the server answers a hello without TLS.
func (w *walk) speaksPlainly(ctx context.Context, address string) bool {
	ctx, cancel := w.probe(ctx)
	defer cancel()
	cfg := *w.cfg
	cfg.Secure = nil
	c, err := conn.DialMonitor(ctx, address, &cfg)
	if err != nil {
		return false
	}
	_ = c.Close() // only looked at
	return true
}

// speaksTLS reports whether the server answers an offer of TLS.
func (w *walk) speaksTLS(ctx context.Context, address string) bool {
	ctx, cancel := w.probe(ctx)
	defer cancel()
	nc, err := w.cfg.Open(ctx, address)
	if err != nil {
		return false
	}
	heard := &tap{Conn: nc}
	defer nc.Close()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = "localhost"
	}
	// Nothing is sent over it: who answers does not matter.
	_ = tls.Client(heard, &tls.Config{ServerName: host, InsecureSkipVerify: true}).HandshakeContext(ctx)
	return isTLS(heard.first())
}
