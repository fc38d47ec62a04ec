package mgx

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/tlsclient"
)

// TLS says how connections are encrypted: whom to trust, and who to be. The zero
// value trusts the system's authorities and shows no certificate. The files are
// read by New.
//
// The version of TLS is 1.2 or later. Sessions are resumed. The server gets to
// know the host name that it was asked for (SNI).
//
// The names in parentheses are the options' names in connection strings.
type TLS struct {
	// Config is what to begin with, for all that has no field here; nil is the
	// zero configuration. It is copied; the server's name is filled in where it
	// has none. With InsecureSkipVerify, nothing is checked here either. What it
	// sets cannot be set below as well.
	Config *tls.Config

	// CAFile (tlsCAFile; the classic ssl_ca_certs) is a PEM file of the
	// authorities to trust instead of the system's.
	CAFile string
	// CertificateKeyFile (tlsCertificateKeyFile) is a PEM file with the client's
	// certificate, followed by its chain, and the private key.
	CertificateKeyFile string
	// CertFile and KeyFile (the classic ssl_certfile, ssl_keyfile) are the same in
	// two files. Without KeyFile, the key is in CertFile.
	CertFile, KeyFile string
	// KeyPassword (tlsCertificateKeyFilePassword) decrypts the private key.
	KeyPassword string

	// Insecure (tlsInsecure) accepts every
	// certificate: whoever is on the way can read and change all. For tests alone.
	Insecure bool
	// AllowInvalidCertificates (tlsAllowInvalidCertificates; the classic
	// ssl_cert_reqs=none) is the same: the names in a certificate that anybody can
	// have made prove nothing, so they are not looked at either.
	AllowInvalidCertificates bool
	// AllowInvalidHostnames (tlsAllowInvalidHostnames) accepts a certificate for
	// any name, if a trusted authority issued it.
	AllowInvalidHostnames bool

	// DisableOCSPEndpointCheck (tlsDisableOCSPEndpointCheck) asks no OCSP responder
	// whether the server's certificate was revoked; what the server staples still
	// counts. DisableRevocationCheck (tlsDisableCertificateRevocationCheck) does
	// not look at that either.
	//
	// By default, a certificate that is revoked for sure is refused, as is a
	// must-staple certificate without a stapled answer. Where the responders do
	// not answer within five seconds (or half of what is left of ConnectTimeout),
	// the connection is made. Answers are kept until they expire.
	DisableOCSPEndpointCheck, DisableRevocationCheck bool
}

// String describes the configuration without the password.
func (t TLS) String() string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{
		{"CAFile", t.CAFile}, {"CertificateKeyFile", t.CertificateKeyFile}, {"CertFile", t.CertFile}, {"KeyFile", t.KeyFile},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s: %q", f.name, f.value)
		}
	}
	for _, f := range []struct {
		name string
		on   bool
	}{
		{"Config", t.Config != nil}, {"KeyPassword", t.KeyPassword != ""}, {"Insecure", t.Insecure},
		{"AllowInvalidCertificates", t.AllowInvalidCertificates}, {"AllowInvalidHostnames", t.AllowInvalidHostnames},
		{"DisableOCSPEndpointCheck", t.DisableOCSPEndpointCheck}, {"DisableRevocationCheck", t.DisableRevocationCheck},
	} {
		if f.on {
			b.WriteString(" " + f.name + ": set")
		}
	}
	return "{" + strings.TrimPrefix(b.String(), " ") + "}"
}

// Format is String for every verb: none prints a secret.
func (t TLS) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// MarshalText is String: no JSON shows a secret.
func (t TLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue hides the password.
func (t TLS) LogValue() slog.Value { return slog.StringValue(t.String()) }

// tlsFrom returns what a connection string says of TLS; nil is a plain connection.
func tlsFrom(cs *connstring.ConnString) *TLS {
	if !cs.UseTLS() {
		return nil
	}
	return &TLS{
		CAFile:             cs.TLSCAFile,
		CertificateKeyFile: cs.TLSCertificateKeyFile,
		CertFile:           cs.SSLCertFile, KeyFile: cs.SSLKeyFile,
		KeyPassword:              cs.TLSCertificateKeyPass,
		Insecure:                 value(cs.TLSInsecure),
		AllowInvalidCertificates: value(cs.TLSAllowInvalidCerts) || cs.SSLCertReqs == "none",
		AllowInvalidHostnames:    value(cs.TLSAllowInvalidHostnames),
		DisableOCSPEndpointCheck: value(cs.TLSDisableOCSPEndpoint),
		DisableRevocationCheck:   value(cs.TLSDisableRevocation),
	}
}

// client reads the files. dial, if not nil, opens the sockets to OCSP responders.
func (t *TLS) client(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*tlsclient.Client, error) {
	c, err := tlsclient.New(tlsclient.Options{
		Config: t.Config,
		TLS: setup.TLS{
			CAFile: t.CAFile, CertificateKeyFile: t.CertificateKeyFile, CertFile: t.CertFile, KeyFile: t.KeyFile, KeyPassword: t.KeyPassword,
			Insecure: t.Insecure, AllowInvalidCertificates: t.AllowInvalidCertificates, AllowInvalidHostnames: t.AllowInvalidHostnames,
			DisableOCSPEndpointCheck: t.DisableOCSPEndpointCheck, DisableRevocationCheck: t.DisableRevocationCheck,
		},
		DialContext: dial,
	})
	if err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return c, nil
}
