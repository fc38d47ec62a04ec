package mgx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/scripted"
)

// listenTLS is a healthy standalone server behind TLS, by the name localhost.
func listenTLS(t *testing.T, cfg *tls.Config) (address string) {
	t.Helper()
	s := scripted.ListenTLS(t, cfg, scripted.Greet(scripted.Hello(), scripted.Ping))
	return strings.Replace(s.Address, "127.0.0.1", "localhost", 1)
}

func TestTLS(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "Tea CA"), certtest.NewAuthority(t, "Coffee CA")
	app := ca.Issue(t, "app")
	caFile, pairFile := url.QueryEscape(ca.File(t)), url.QueryEscape(app.File(t))
	cert, key := app.Files(t)
	plain := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}}
	mutual := plain.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	unknown := &tls.Config{Certificates: []tls.Certificate{other.Issue(t, "db").TLS()}}
	wrongName := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db", certtest.For("db.example.com")).TLS()}}
	for _, tt := range []struct {
		name    string
		server  *tls.Config
		options string
		want    string // of the error
	}{
		{"authority", plain, "tlsCAFile=" + caFile, ""},
		{"classic authority", plain, "ssl_ca_certs=" + caFile + "&ssl_cert_reqs=required", ""},
		{"system's authorities", plain, "tls=true", "not among the authorities of the system"},
		{"unknown authority", unknown, "tlsCAFile=" + caFile, `issued by "CN=Coffee CA"`},
		{"wrong name", wrongName, "tlsCAFile=" + caFile, "is for db.example.com, not for \"localhost\""},
		{"names unchecked", wrongName, "tlsAllowInvalidHostnames=true&tlsCAFile=" + caFile, ""},
		{"insecure", unknown, "tlsInsecure=true", ""},
		{"classic insecure", unknown, "ssl=true&ssl_cert_reqs=none", ""},
		{"invalid certificates", unknown, "tls=true&tlsAllowInvalidCertificates=true", ""},
		{"client certificate", mutual, "tlsCAFile=" + caFile + "&tlsCertificateKeyFile=" + pairFile, ""},
		{"classic client certificate", mutual, fmt.Sprintf("ssl_ca_certs=%s&ssl_certfile=%s&ssl_keyfile=%s", caFile, url.QueryEscape(cert), url.QueryEscape(key)), ""},
		{"no client certificate", mutual, "tlsCAFile=" + caFile, "set tlsCertificateKeyFile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uri := "mongodb://" + listenTLS(t, tt.server) + "/?" + tt.options
			if tt.want == "" {
				connectTo(t, uri, nil)
				return
			}
			if err := failToConnect(t, uri); !errors.Is(err, ErrConnectionFailure) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

// The files are read when the client is made.
func TestTLSFiles(t *testing.T) {
	o, err := ParseURI("mongodb://localhost/?tlsCAFile=/no/such.pem")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(o); !errors.Is(err, ErrConfiguration) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "tlsCAFile") {
		t.Error(err)
	}
	o.TLS = &TLS{CAFile: "x", Config: &tls.Config{RootCAs: certtest.NewAuthority(t, "CA").Pool()}}
	if _, err := New(o); !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), "RootCAs") {
		t.Error(err)
	}
}

func TestTLSSecrets(t *testing.T) {
	c := TLS{CAFile: "ca.pem", KeyPassword: "hunter2", Insecure: true}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, &c), c.LogValue().String()} {
		if strings.Contains(s, "hunter2") || !strings.Contains(s, "ca.pem") || !strings.Contains(s, "Insecure") {
			t.Error(s)
		}
	}
}
