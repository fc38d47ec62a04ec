package tlsclient

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/setup"
)

const password = "sésame 1"

// encrypted returns the pair's file with its key encrypted in one of the ways in
// use.
func encrypted(t *testing.T, p *certtest.Pair, legacy bool) []byte {
	t.Helper()
	var block *pem.Block
	var err error
	if legacy {
		der, merr := x509.MarshalPKCS8PrivateKey(p.Key)
		if merr != nil {
			t.Fatal(merr)
		}
		//nolint:staticcheck // it is what old files have
		block, err = x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", der, []byte(password), x509.PEMCipherAES256)
	} else {
		der, merr := pkcs8.MarshalPrivateKey(p.Key, []byte(password), nil)
		block, err = &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}, merr
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(p.CertPEM(), pem.EncodeToMemory(block)...)
}

func file(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.pem")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEncryptedKeys(t *testing.T) {
	for name, ca := range map[string]*certtest.Authority{"ECDSA": certtest.NewAuthority(t, "CA"), "RSA": certtest.NewRSA(t, "CA")} {
		p := ca.Issue(t, "app")
		for way, data := range map[string][]byte{"legacy": encrypted(t, p, true), "PKCS#8": encrypted(t, p, false)} {
			t.Run(name+" "+way, func(t *testing.T) {
				o := Options{TLS: setup.TLS{CertificateKeyFile: file(t, data), KeyPassword: password}}
				c, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				if !c.HasCertificate() {
					t.Error("the client has no certificate")
				}
				for _, wrong := range []struct {
					password string
					want     error
				}{{"", errPasswordNeeded}, {"open", errPasswordWrong}, {password + " ", errPasswordWrong}} {
					o.KeyPassword = wrong.password
					_, err := New(o)
					if !errors.Is(err, wrong.want) || !strings.Contains(err.Error(), "tlsCertificateKeyFilePassword") {
						t.Errorf("password %q: %v", wrong.password, err)
					}
				}
			})
		}
	}
}

// Every form of key that OpenSSL writes is read.
func TestKeyForms(t *testing.T) {
	ec, rs := certtest.NewAuthority(t, "CA").Issue(t, "app"), certtest.NewRSA(t, "CA").Issue(t, "app")
	sec1, err := traditional(ec)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1, err := traditional(rs)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"PKCS#8": append(ec.CertPEM(), ec.KeyPEM(t)...),
		"SEC 1":  append(ec.CertPEM(), certtest.PEM("EC PRIVATE KEY", sec1)...),
		"PKCS#1": append(rs.CertPEM(), certtest.PEM("RSA PRIVATE KEY", pkcs1)...),
		"key first, text between": bytes.Join([][]byte{
			[]byte("Bag Attributes\n"), ec.KeyPEM(t), []byte("subject=CN=app\n"), ec.CertPEM(), certtest.PEM("DH PARAMETERS", []byte("x")),
		}, nil),
	} {
		if _, err := New(Options{TLS: setup.TLS{CertificateKeyFile: file(t, data)}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	p, q := ca.Issue(t, "app"), ca.Issue(t, "other")
	certOnly, keyOnly := p.Files(t)
	missing := filepath.Join(t.TempDir(), "no.pem")
	garbage := file(t, certtest.PEM("CERTIFICATE", []byte("not DER")))
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"no such authorities", Options{TLS: setup.TLS{CAFile: missing}}, []string{"tlsCAFile", missing}},
		{"no such certificate", Options{TLS: setup.TLS{CertificateKeyFile: missing}}, []string{"tlsCertificateKeyFile", missing}},
		{"no such classic certificate", Options{TLS: setup.TLS{CertFile: missing}}, []string{"ssl_certfile", missing}},
		{"no such key", Options{TLS: setup.TLS{CertFile: certOnly, KeyFile: missing}}, []string{"ssl_keyfile", missing}},
		{"authorities without one", Options{TLS: setup.TLS{CAFile: keyOnly}}, []string{"tlsCAFile", "no certificate"}},
		{"garbage authorities", Options{TLS: setup.TLS{CAFile: garbage}}, []string{"tlsCAFile", garbage, "certificate 1"}},
		{"garbage certificate", Options{TLS: setup.TLS{CertificateKeyFile: garbage}}, []string{"tlsCertificateKeyFile", garbage, "certificate 1"}},
		{"no key", Options{TLS: setup.TLS{CertificateKeyFile: certOnly}}, []string{"tlsCertificateKeyFile", "no private key"}},
		{"no certificate", Options{TLS: setup.TLS{CertificateKeyFile: keyOnly}}, []string{"tlsCertificateKeyFile", "no certificate"}},
		{"another's key", Options{TLS: setup.TLS{CertificateKeyFile: file(t, append(p.CertPEM(), q.KeyPEM(t)...))}}, []string{"not the one of the certificate", "CN=app"}},
		{"garbage key", Options{TLS: setup.TLS{CertificateKeyFile: file(t, append(p.CertPEM(), certtest.PEM("PRIVATE KEY", []byte("x"))...))}}, []string{"the private key cannot be read"}},
		{"garbage encrypted key", Options{TLS: setup.TLS{CertificateKeyFile: file(t, append(p.CertPEM(), certtest.PEM("ENCRYPTED PRIVATE KEY", []byte("x"))...)), KeyPassword: "x"}},
			[]string{"does not decrypt"}},
	} {
		_, err := New(tt.o)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", tt.name, err, want)
			}
		}
		if strings.Contains(tt.want[0], "no such") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not fs.ErrNotExist", tt.name, err)
		}
	}
}

// Options that contradict each other name each other.
func TestConflicts(t *testing.T) {
	ca := certtest.NewAuthority(t, "CA")
	p := ca.Issue(t, "app")
	own := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{p.TLS()}}
	for _, tt := range []struct {
		o    Options
		a, b string
	}{
		{Options{Config: own, TLS: setup.TLS{CAFile: "x"}}, "tlsCAFile", "RootCAs"},
		{Options{Config: own, TLS: setup.TLS{CertificateKeyFile: "x"}}, "tlsCertificateKeyFile", "tls.Config"},
		{Options{Config: own, TLS: setup.TLS{CertFile: "x"}}, "ssl_certfile", "tls.Config"},
		{Options{TLS: setup.TLS{CertificateKeyFile: "x", CertFile: "y"}}, "tlsCertificateKeyFile", "ssl_certfile"},
		{Options{TLS: setup.TLS{CertificateKeyFile: "x", KeyFile: "y"}}, "tlsCertificateKeyFile", "ssl_keyfile"},
		{Options{TLS: setup.TLS{KeyFile: "y"}}, "ssl_keyfile", "ssl_certfile"},
		{Options{TLS: setup.TLS{Insecure: true, AllowInvalidHostnames: true}}, "tlsInsecure", "tlsAllowInvalidHostnames"},
		{Options{TLS: setup.TLS{Insecure: true, AllowInvalidCertificates: true}}, "tlsInsecure", "tlsAllowInvalidCertificates"},
		{Options{TLS: setup.TLS{DisableOCSPEndpointCheck: true, DisableRevocationCheck: true}}, "tlsDisableOCSPEndpointCheck", "tlsDisableCertificateRevocationCheck"},
	} {
		if _, err := New(tt.o); err == nil || !strings.Contains(err.Error(), tt.a) || !strings.Contains(err.Error(), tt.b) {
			t.Errorf("%+v: %v does not name %s and %s", tt.o, err, tt.a, tt.b)
		}
	}
}

// Whatever a file holds, reading it ends in a key or in an error.
func FuzzKeyFile(f *testing.F) {
	ca := certtest.NewAuthority(f, "CA")
	p := ca.Issue(f, "app")
	f.Add(append(p.CertPEM(), p.KeyPEM(f)...))
	der, err := pkcs8.MarshalPrivateKey(p.Key, []byte("x"), &pkcs8.Opts{
		Cipher: pkcs8.AES128CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1, HMACHash: 5},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(certtest.PEM("ENCRYPTED PRIVATE KEY", der))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, block, err := split(data)
		if err != nil || block == nil {
			return
		}
		key, err := privateKey(block, []byte("x"))
		if (err == nil) != (key != nil) {
			t.Errorf("key %v, error %v", key, err)
		}
	})
}

func traditional(p *certtest.Pair) ([]byte, error) {
	switch key := p.Key.(type) {
	case *rsa.PrivateKey:
		return x509.MarshalPKCS1PrivateKey(key), nil
	case *ecdsa.PrivateKey:
		return x509.MarshalECPrivateKey(key)
	}
	return nil, errors.New("unknown key")
}
