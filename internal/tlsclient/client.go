package tlsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/setup"
)

// Options say whom to trust and who to be. Their names in errors are those of
// the connection string.
type Options struct {
	// Config is what to begin with; nil is the zero configuration. It is copied.
	Config *tls.Config

	// TLS says what the options say.
	setup.TLS
	// DialContext opens the sockets to OCSP responders; nil uses a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client makes connections secure. It is safe for concurrent use.
type Client struct {
	base *tls.Config
	// namesUnchecked tells that the chain is verified here, without names.
	namesUnchecked bool
	// roots says where the trusted authorities come from.
	roots string
	// revoked checks for revocation; nil does not.
	revoked *revocation
	// verify is the owner's own check, or nil.
	verify func(tls.ConnectionState) error
}

// sessions is how many servers' sessions are kept for resumption.
const sessions = 64

// New reads the files and makes a client.
func New(o Options) (*Client, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.Config != nil {
		cfg = o.Config.Clone()
	}
	c := &Client{base: cfg, roots: "the system", verify: cfg.VerifyConnection}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientSessionCache == nil {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	if cfg.RootCAs != nil {
		c.roots = "the given tls.Config"
	}
	if o.CAFile != "" {
		pool, err := readAuthorities(o.CAFile)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs, c.roots = pool, "tlsCAFile ("+o.CAFile+")"
	}
	if o.CertificateKeyFile != "" || o.CertFile != "" {
		cert, err := o.certificate()
		if err != nil {
			return nil, err
		}
		// Left to itself, crypto/tls shows no certificate to a server that does not
		// name its authority, and the server cannot say what it has against it.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	switch {
	case o.Insecure, o.AllowInvalidCertificates:
		cfg.InsecureSkipVerify = true
	case o.AllowInvalidHostnames && !cfg.InsecureSkipVerify:
		// crypto/tls checks the names with the chain or neither.
		cfg.InsecureSkipVerify, c.namesUnchecked = true, true
	}
	if (!cfg.InsecureSkipVerify || c.namesUnchecked) && !o.DisableRevocationCheck {
		c.revoked = &revocation{now: c.now}
		if !o.DisableOCSPEndpointCheck {
			c.revoked.ask = askByHTTP(o.DialContext)
		}
	}
	return c, nil
}

// validate reports options that contradict each other.
func (o *Options) validate() error {
	cfg := o.Config
	if cfg == nil {
		cfg = &tls.Config{}
	}
	ownCertificate := len(cfg.Certificates) > 0 || cfg.GetClientCertificate != nil
	conflicts := []struct {
		a, b   bool
		na, nb string
	}{
		{o.CAFile != "", cfg.RootCAs != nil, "tlsCAFile", "RootCAs of the tls.Config"},
		{o.CertificateKeyFile != "", ownCertificate, "tlsCertificateKeyFile", "a certificate in the tls.Config"},
		{o.CertFile != "", ownCertificate, "ssl_certfile", "a certificate in the tls.Config"},
	}
	for _, c := range conflicts {
		if c.a && c.b {
			return fmt.Errorf("%s and %s cannot be used together", c.na, c.nb)
		}
	}
	if err := o.TLS.Check(); err != nil {
		return err
	}
	return nil
}

// HasCertificate reports whether the client can show a certificate.
func (c *Client) HasCertificate() bool {
	return len(c.base.Certificates) > 0 || c.base.GetClientCertificate != nil
}

// Handshake makes a connection to the server at address secure. The address is
// "host:port", or the path of a Unix socket. The context bounds the handshake and
// all checks. After an error the connection is of no more use; closing it is
// left to the caller.
func (c *Client) Handshake(ctx context.Context, nc net.Conn, address string) (net.Conn, error) {
	cfg := c.base.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = serverName(address)
	}
	if cfg.ServerName == "" && (!cfg.InsecureSkipVerify || c.namesUnchecked) {
		return nil, fmt.Errorf("TLS to %s: a Unix socket has no host name to check the certificate for: set ServerName in a tls.Config", address)
	}
	sc := &conn{client: c}
	if !c.HasCertificate() {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			sc.lacksCertificate = true
			return new(tls.Certificate), nil // none
		}
	}
	cfg.VerifyConnection = func(state tls.ConnectionState) error { return c.verifyConnection(ctx, &state) }
	sc.Conn = tls.Client(nc, cfg)
	if err := sc.HandshakeContext(ctx); err != nil {
		return nil, c.explain(err)
	}
	return sc, nil
}

// serverName is the host of an address, or "" for a Unix socket.
func serverName(address string) string {
	if network, _ := connstring.SplitHost(address); network == "unix" {
		return ""
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// verifyConnection is what is checked beyond what crypto/tls did. It also runs
// for resumed sessions.
func (c *Client) verifyConnection(ctx context.Context, state *tls.ConnectionState) error {
	if c.namesUnchecked {
		chains, err := c.verifyChain(state.PeerCertificates)
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		state.VerifiedChains = chains
	}
	if c.revoked != nil {
		if err := c.revoked.check(ctx, state); err != nil {
			return err
		}
	}
	if c.verify != nil {
		return c.verify(*state)
	}
	return nil
}

// verifyChain verifies the server's certificate for any name.
func (c *Client) verifyChain(certs []*x509.Certificate) ([][]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("the server showed no certificate")
	}
	opts := x509.VerifyOptions{Roots: c.base.RootCAs, Intermediates: x509.NewCertPool()}
	if c.base.Time != nil {
		opts.CurrentTime = c.base.Time()
	}
	for _, cert := range slices.Clone(certs[1:]) {
		opts.Intermediates.AddCert(cert)
	}
	return certs[0].Verify(opts)
}

// conn explains what a server says after the handshake: with TLS 1.3, that is
// when it turns a client down for its certificate.
type conn struct {
	*tls.Conn
	client *Client
	// lacksCertificate tells that the server asked for a certificate in vain,
	// answered that it went on nevertheless.
	lacksCertificate, answered bool
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.answered = true
	}
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

func (c *conn) explain(err error) error {
	// What the server said is lost when it hangs up before it read all.
	if c.lacksCertificate && !c.answered && hungUp(err) {
		return &Error{"the server asked for a client certificate and closed the connection when it got none: set tlsCertificateKeyFile", err}
	}
	return c.client.explainAlert(err)
}
