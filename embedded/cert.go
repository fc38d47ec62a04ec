package embedded

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mgxdb/mgx/embedded/internal/cert"
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
		if err := cert.Make(c.ca, c.cert, c.key, time.Now()); err != nil {
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

// clientTLS is the configuration with which Start asks this server whether it is
// there.
func (c *certificates) clientTLS() *tls.Config {
	if c == nil {
		return nil
	}
	return cert.Pinned(c.leaf)
}
