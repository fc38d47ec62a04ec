package integration

import (
	"crypto/tls"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded"
	"github.com/mgxdb/mgx/internal/certtest"
)

// tlsServer is a server with a certificate of its own.
func tlsServer(t *testing.T, pair *certtest.Pair, clients *certtest.Authority) string {
	t.Helper()
	o := embedded.TLS{}
	o.CertFile, o.KeyFile = pair.Files(t)
	if clients != nil {
		o.ClientCAFile = clients.File(t)
	}
	s, err := embedded.Start(t.Context(), embedded.Options{TLS: &o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.Replace(s.Addr(), "127.0.0.1", "localhost", 1)
}

// use writes and reads a document, so that more than a handshake is seen.
func use(t *testing.T, c *mgx.Client) {
	t.Helper()
	docs := c.Database("shop").Collection("tls")
	if _, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "pad", Value: strings.Repeat("x", 100_000)}}); err != nil {
		t.Fatal(err)
	}
	doc, err := mgx.FindOne[bson.D](t.Context(), docs, nil)
	if err != nil || len(doc) != 2 {
		t.Errorf("%v, %v", doc, err)
	}
}

// refused returns why a server cannot be used. It waits longer where the machine
// is too busy for a first check.
func refused(t *testing.T, uri string) error {
	t.Helper()
	var err error
	for _, wait := range []string{"700", "10000"} {
		var c *mgx.Client
		if c, err = mgx.Connect(t.Context(), uri+"&serverSelectionTimeoutMS="+wait); err == nil {
			_ = c.Close(t.Context())
			return nil
		}
		if !strings.Contains(err.Error(), "no answer to the first check yet") {
			break
		}
	}
	return err
}

func TestTLS(t *testing.T) {
	ca, other := certtest.NewAuthority(t, "Tea CA"), certtest.NewRSA(t, "Coffee CA")
	caFile := url.QueryEscape(ca.File(t))
	plain := tlsServer(t, ca.Issue(t, "db"), nil)
	below := tlsServer(t, ca.Intermediate(t, "Green Tea CA").Issue(t, "db"), nil)
	mutual := tlsServer(t, ca.Issue(t, "db"), other)
	expired := tlsServer(t, ca.Issue(t, "db", certtest.Expired()), nil)
	wrongName := tlsServer(t, ca.Issue(t, "db", certtest.For("db.example.com")), nil)
	app := url.QueryEscape(other.Issue(t, "app").File(t))
	intruder := url.QueryEscape(ca.Issue(t, "intruder").File(t))
	for _, tt := range []struct{ name, address, options, want string }{
		{"authority", plain, "tlsCAFile=" + caFile, ""},
		{"chain", below, "tlsCAFile=" + caFile, ""},
		{"client certificate", mutual, "tlsCAFile=" + caFile + "&tlsCertificateKeyFile=" + app, ""},
		{"insecure", expired, "tlsInsecure=true", ""},
		{"names unchecked", wrongName, "tlsCAFile=" + caFile + "&tlsAllowInvalidHostnames=true", ""},
		{"unknown authority", plain, "tls=true", `issued by "CN=Tea CA"`},
		{"expired", expired, "tlsCAFile=" + caFile, "was valid from"},
		{"wrong name", wrongName, "tlsCAFile=" + caFile, `is for db.example.com, not for "localhost"`},
		{"no client certificate", mutual, "tlsCAFile=" + caFile, "set tlsCertificateKeyFile"},
		{"wrong client certificate", mutual, "tlsCAFile=" + caFile + "&tlsCertificateKeyFile=" + intruder, "does not accept this client's certificate"},
		{"without TLS", plain, "tls=false", "closed the connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uri := "mongodb://" + tt.address + "/?" + tt.options
			if tt.want == "" {
				use(t, connectTo(t, uri))
				return
			}
			if err := refused(t, uri); !errors.Is(err, mgx.ErrConnectionFailure) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

// A tls.Config of one's own, an encrypted connection to the certificate that the
// server made itself, and a wrong way to say it.
func TestTLSOptions(t *testing.T) {
	s, err := embedded.Start(t.Context(), embedded.Options{TLS: &embedded.TLS{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	use(t, connectTo(t, s.URI()))
	use(t, connectTo(t, "mongodb://"+s.Addr(), func(o *mgx.Options) { o.TLS = &mgx.TLS{CAFile: s.CAFile()} }))
	use(t, connectTo(t, "mongodb://"+s.Addr(), func(o *mgx.Options) {
		o.TLS = &mgx.TLS{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}
	}))
	if _, err := mgx.Connect(t.Context(), "mongodb://"+s.Addr()+"/?tlsCAFile="+filepath.Join(t.TempDir(), "none.pem")); !errors.Is(err, mgx.ErrConfiguration) {
		t.Error(err)
	}
}
