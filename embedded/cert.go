package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificates are the files that a server with TLS uses.
type certificates struct {
	cert, key string
	clientCA  string
	ca        string // the authority made for this server, or empty
	leaf      []byte // the certificate that the server shows, in DER
}

// prepare makes the certificates where none are given, in the folder scratch, and
// sees that those given can be loaded.
func (t *TLS) prepare(scratch string) (*certificates, error) {
	c := &certificates{cert: t.CertFile, key: t.KeyFile, clientCA: t.ClientCAFile}
	if c.cert == "" {
		c.ca = filepath.Join(scratch, "ca.pem")
		c.cert = filepath.Join(scratch, "server.pem")
		c.key = filepath.Join(scratch, "server-key.pem")
		if err := makeCertificates(c.ca, c.cert, c.key, time.Now()); err != nil {
			return nil, fmt.Errorf("embedded: make a certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("embedded: load the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	c.leaf = pair.Certificate[0]
	if c.clientCA != "" {
		b, err := os.ReadFile(c.clientCA)
		if err != nil {
			return nil, fmt.Errorf("embedded: read the authorities of clients: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("embedded: %s holds no certificate in PEM form", c.clientCA)
		}
	}
	return c, nil
}

// makeCertificates writes an authority and a server certificate signed by it.
func makeCertificates(caFile, certFile, keyFile string, now time.Time) error {
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "mgx embedded authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, leafKey.Public(), caKey)
	keyDER, err3 := x509.MarshalPKCS8PrivateKey(leafKey)
	return errors.Join(err1, err2, err3,
		writePEM(caFile, "CERTIFICATE", caDER),
		writePEM(certFile, "CERTIFICATE", leafDER),
		writePEM(keyFile, "PRIVATE KEY", keyDER))
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
