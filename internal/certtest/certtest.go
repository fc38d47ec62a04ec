// Package certtest makes certificates for tests: authorities, and what they
// issue, good or bad.
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	rsa  bool
}

// Pair is a certificate with its key.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// Chain has the certificates between Cert and its root.
	Chain []*x509.Certificate
}

var serial atomic.Int64

// NewAuthority makes an authority with ECDSA keys.
func NewAuthority(t testing.TB, name string) *Authority { return newAuthority(t, name, false, nil) }

// NewRSA makes an authority with RSA keys, for itself and what it issues.
func NewRSA(t testing.TB, name string) *Authority { return newAuthority(t, name, true, nil) }

// Intermediate makes an authority below this one.
func (a *Authority) Intermediate(t testing.TB, name string) *Authority {
	return newAuthority(t, name, a.rsa, a)
}

func newAuthority(t testing.TB, name string, isRSA bool, parent *Authority) *Authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	a := &Authority{Key: newKey(t, isRSA), rsa: isRSA}
	if parent == nil {
		parent = &Authority{Cert: template, Key: a.Key}
	}
	a.Cert = sign(t, template, parent.Cert, a.Key.Public(), parent.Key)
	return a
}

func newKey(t testing.TB, isRSA bool) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if isRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Change changes a certificate before it is signed.
type Change func(*x509.Certificate)

// Valid sets when the certificate is valid.
func Valid(from, until time.Time) Change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }
}

// Expired makes a certificate that was valid until an hour ago.
func Expired() Change {
	return Valid(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour))
}

// For makes a certificate for these names and addresses alone, none if there are
// none.
func For(names ...string) Change {
	return func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = nil, nil
		for _, n := range names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

// Responder names an OCSP responder in the certificate.
func Responder(urls ...string) Change {
	return func(c *x509.Certificate) { c.OCSPServer = urls }
}

// MustStaple demands a stapled OCSP answer.
func MustStaple() Change {
	return func(c *x509.Certificate) {
		value, err := asn1.Marshal([]int{5})
		if err != nil {
			panic(err)
		}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: value})
	}
}

// Usage sets what else the certificate is for.
func Usage(u ...x509.ExtKeyUsage) Change {
	return func(c *x509.Certificate) { c.ExtKeyUsage = u }
}

// Issue makes a certificate for localhost, for servers and clients. Intermediate
// authorities go into its chain.
func (a *Authority) Issue(t testing.TB, name string, changes ...Change) *Pair {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, change := range changes {
		change(template)
	}
	p := &Pair{Key: newKey(t, a.rsa)}
	p.Cert = sign(t, template, a.Cert, p.Key.Public(), a.Key)
	if a.Cert.Subject.String() != a.Cert.Issuer.String() {
		p.Chain = []*x509.Certificate{a.Cert}
	}
	return p
}

// Pool has the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// File writes the authority's certificate and returns its path.
func (a *Authority) File(t testing.TB) string {
	t.Helper()
	return write(t, "ca.pem", PEM("CERTIFICATE", a.Cert.Raw))
}

// TLS is the pair as crypto/tls has it.
func (p *Pair) TLS() tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
	for _, cert := range p.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// CertPEM is the certificate, with its chain.
func (p *Pair) CertPEM() []byte {
	out := PEM("CERTIFICATE", p.Cert.Raw)
	for _, cert := range p.Chain {
		out = append(out, PEM("CERTIFICATE", cert.Raw)...)
	}
	return out
}

// KeyPEM is the private key, not encrypted.
func (p *Pair) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return PEM("PRIVATE KEY", der)
}

// File writes certificate and key into one file and returns its path.
func (p *Pair) File(t testing.TB) string {
	t.Helper()
	return write(t, "pair.pem", append(p.CertPEM(), p.KeyPEM(t)...))
}

// Files writes certificate and key into a file each.
func (p *Pair) Files(t testing.TB) (cert, key string) {
	t.Helper()
	return write(t, "cert.pem", p.CertPEM()), write(t, "key.pem", p.KeyPEM(t))
}

// PEM encodes one block.
func PEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
