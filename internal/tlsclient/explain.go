package tlsclient

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// CertificateError is a server's certificate that was not accepted.
type CertificateError struct {
	// Certificate is the one to blame: the server's, or one of its issuers.
	Certificate *x509.Certificate
	// Chain is what the server showed.
	Chain []*x509.Certificate
	// Message says what is wrong with it and what to do.
	Message string
	// Err is the check's own error.
	Err error
}

// Error returns the message.
func (e *CertificateError) Error() string { return e.Message }

// Unwrap returns the check's own error.
func (e *CertificateError) Unwrap() error { return e.Err }

// Error is a TLS handshake that failed for another reason than the server's
// certificate.
type Error struct {
	// Message says what happened and what to do.
	Message string
	Err     error
}

// Error returns the message and the cause.
func (e *Error) Error() string { return e.Message + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an error of the handshake say what to do.
func (c *Client) explain(err error) error {
	var verification *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var done *CertificateError
	switch {
	case errors.As(err, &done):
		return err
	case errors.As(err, &verification):
		return c.explainCertificate(verification)
	case errors.As(err, &header):
		what := "the server does not speak TLS on this port: leave tls=true away, or find the port that does"
		if bytes.HasPrefix(header.RecordHeader[:], []byte("HTTP")) {
			what = "a web server answers on this port, not MongoDB"
		}
		return &Error{what, err}
	case hungUp(err):
		return &Error{"the server closed the connection in the TLS handshake; a server without TLS does that (then leave tls=true away)", err}
	}
	return c.explainAlert(err)
}

// hungUp reports whether the server closed the connection.
func hungUp(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// certificateAlerts are those with which a server turns down a client for its
// certificate.
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48}

// The other alerts that can be explained.
const (
	alertHandshakeFailure    tls.AlertError = 40
	alertProtocolVersion     tls.AlertError = 70
	alertUnrecognizedName    tls.AlertError = 112
	alertCertificateRequired tls.AlertError = 116
)

// explainAlert explains what a server said before it closed the connection.
func (c *Client) explainAlert(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return err
	}
	said := func(a tls.AlertError) bool {
		return strings.TrimPrefix(op.Err.Error(), "tls: ") == strings.TrimPrefix(a.Error(), "tls: ")
	}
	switch {
	case said(alertCertificateRequired) && c.HasCertificate():
		return &Error{"the server demands a client certificate from an authority that it trusts, and there is none among those of the tls.Config", err}
	case said(alertCertificateRequired):
		return &Error{"the server demands a client certificate: set tlsCertificateKeyFile", err}
	case said(alertProtocolVersion):
		return &Error{"the server speaks no version of TLS that this client does (1.2 and later): update the server", err}
	case said(alertUnrecognizedName):
		return &Error{"the server does not know itself by the host name that it was asked for", err}
	case said(alertHandshakeFailure) && !c.HasCertificate():
		return &Error{"the server agrees to no common cipher, or it demands a client certificate: set tlsCertificateKeyFile", err}
	}
	for _, a := range certificateAlerts {
		switch {
		case !said(a):
		case c.HasCertificate():
			return &Error{"the server does not accept this client's certificate (tlsCertificateKeyFile): see the server's log for why", err}
		default:
			return &Error{"the server demands a client certificate: set tlsCertificateKeyFile", err}
		}
	}
	return err
}

// explainCertificate says what is wrong with a certificate.
func (c *Client) explainCertificate(v *tls.CertificateVerificationError) error {
	e := &CertificateError{Chain: v.UnverifiedCertificates, Err: v.Err}
	if len(e.Chain) > 0 {
		e.Certificate = e.Chain[0]
	}
	var (
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(v.Err, &hostname):
		e.Certificate = hostname.Certificate
		e.Message = wrongName(hostname.Certificate, hostname.Host)
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		e.Certificate = invalid.Cert
		e.Message = wrongTime(invalid.Cert, c.now())
	case errors.As(v.Err, &authority) && authority.Cert != nil:
		e.Certificate = authority.Cert
		e.Message = c.unknownAuthority(authority.Cert)
	case e.Certificate != nil:
		e.Message = fmt.Sprintf("the certificate %s is not accepted: %v", Name(e.Certificate), v.Err)
	default:
		e.Message = v.Err.Error()
	}
	return e
}

func (c *Client) now() time.Time {
	if c.base.Time != nil {
		return c.base.Time()
	}
	return time.Now()
}

func wrongName(cert *x509.Certificate, host string) string {
	names := Names(cert)
	if len(names) == 0 {
		return fmt.Sprintf("the certificate %s names no host at all (its common name does not count), so it is not for %q: have it issued anew with the subject alternative name %s",
			Name(cert), host, host)
	}
	const most = 8
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		list += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return fmt.Sprintf("the certificate %s is for %s, not for %q: connect by one of its names, or have it issued for this one too (tlsAllowInvalidHostnames=true, for tests alone, does not look at names)",
		Name(cert), list, host)
}

const timeFormat = "2006-01-02 15:04:05 MST"

func wrongTime(cert *x509.Certificate, now time.Time) string {
	from, until, now := cert.NotBefore.UTC(), cert.NotAfter.UTC(), now.UTC()
	clock := "on this machine it is " + now.Format(timeFormat)
	if now.Before(from) {
		return fmt.Sprintf("the certificate %s is not valid before %s, and %s: set the clock, or wait", Name(cert), from.Format(timeFormat), clock)
	}
	return fmt.Sprintf("the certificate %s was valid from %s until %s, and %s: renew it, or set the clock",
		Name(cert), from.Format(timeFormat), until.Format(timeFormat), clock)
}

func (c *Client) unknownAuthority(cert *x509.Certificate) string {
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return fmt.Sprintf("the certificate %s is self-signed and not among the authorities of %s: if it is the right one, put it into a file and name that in tlsCAFile",
			Name(cert), c.roots)
	}
	return fmt.Sprintf("the certificate %s was issued by %q, which is not among the authorities of %s: name the file with that authority in tlsCAFile",
		Name(cert), cert.Issuer, c.roots)
}

// Name is how errors call a certificate: its subject, or its names where it has
// none.
func Name(cert *x509.Certificate) string {
	if s := cert.Subject.String(); s != "" {
		return fmt.Sprintf("%q", s)
	}
	if names := Names(cert); len(names) > 0 {
		return fmt.Sprintf("of %q", names[0])
	}
	return fmt.Sprintf("with serial number %x", cert.SerialNumber)
}

// Names are the host names and addresses that a certificate is for.
func Names(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
