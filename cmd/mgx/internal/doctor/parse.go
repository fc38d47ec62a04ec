package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/inspect"
	"github.com/mgxdb/mgx/internal/tlsclient"
)

// parse reads the connection string and, unless DNS has more of it, what it names on
// this machine.
func parse(ctx context.Context, w *walk) []*Finding {
	options, err := mgx.ParseURI(w.URI)
	if err != nil {
		return []*Finding{badString(w.URI, err)}
	}
	w.options = options
	if options.AppName == "" {
		options.AppName = w.AppName
	}
	w.dns = &recorder{Resolver: w.Resolver}
	options.Resolver, options.DialContext = w.dns, w.DialContext
	if w.prepared, err = inspect.Prepare(options); err != nil {
		return []*Finding{badString(w.URI, err)}
	}
	if options.SRVHost == "" {
		if w.resolved, err = w.prepared.Resolve(ctx); err == nil {
			w.cfg, err = w.resolved.Connections()
		}
		if err != nil {
			return []*Finding{badString(w.URI, err)}
		}
	}
	findings := []*Finding{w.understood()}
	for _, warning := range options.Warnings() {
		f := find(Warning, "uri.option", "%s", warning.Message).advise("correct the option, or leave it away")
		if warning.Option != "" {
			f.Message = warning.Option + ": " + f.Message
		}
		findings = append(findings, f)
	}
	if f := ownCertificate(options.TLS, time.Now()); f != nil {
		findings = append(findings, f)
	}
	w.seed("the connection string")
	return findings
}

const encode = "in user names and passwords, write % as %25, : as %3A, / as %2F, ? as %3F, # as %23 and @ as %40"

// partAdvice says what to do about each part of a connection string.
var partAdvice = map[string]string{
	"scheme":    "write mongodb://HOST or mongodb+srv://NAME",
	"user name": encode,
	"password":  encode,
	"host":      "write hosts as name:port, separated by commas; an IPv6 address stands in brackets: [::1]:27017",
	"port":      "write a port from 1 to 65535 after the host: name:27017; a colon in a password is written %3A",
	"database":  "the database follows a slash after the hosts: mongodb://HOST/DATABASE?OPTIONS",
}

func badString(uri string, err error) *Finding {
	var wrong *connstring.ParseError
	if !errors.As(err, &wrong) || wrong.Offset < 0 {
		if files := new(os.PathError); errors.As(err, &files) {
			return find(Failed, "uri.file", "%v", err).advise("correct the path, or who may read the file %s", files.Path)
		}
		return find(Failed, "uri.options", "%v", err).advise("correct the option that it names; docs/options.md lists them all")
	}
	advice, ok := partAdvice[wrong.Part]
	switch {
	case wrong.Part == "port" && strings.HasPrefix(strings.ToLower(uri), connstring.SchemeSRV+":"):
		advice = "write mongodb+srv://NAME alone: the SRV records have the hosts and their ports"
	case !ok:
		advice = "correct the option " + wrong.Part + "; docs/options.md lists them all. In a shell the connection string needs quotes: & ends a command"
	}
	f := find(Failed, "uri.syntax", "%s: %s", wrong.Part, wrong.Message).advise("%s", advice).fact("part", wrong.Part)
	if pointer := wrong.Pointer(); pointer != "" {
		f.Details = strings.Split(pointer, "\n")
		f.fact("offset", wrong.Offset)
	}
	return f
}

// understood says what the connection string asks for.
func (w *walk) understood() *Finding {
	o := w.options
	var says []string
	switch {
	case o.SRVHost != "":
		says = append(says, "the hosts are in the DNS records of "+o.SRVHost)
	case len(o.Hosts) == 1:
		says = append(says, "one host")
	default:
		says = append(says, fmt.Sprintf("%d hosts", len(o.Hosts)))
	}
	settings := w.prepared.Deployment()
	switch {
	case settings.Direct:
		says = append(says, "talked to directly")
	case settings.LoadBalanced:
		says = append(says, "a load balancer")
	case settings.SetName != "":
		says = append(says, fmt.Sprintf("members of the replica set %q", settings.SetName))
	}
	if o.Proxy != nil {
		says = append(says, "through the SOCKS5 proxy "+o.Proxy.String())
	}
	if o.TLS != nil {
		says = append(says, "TLS")
	} else {
		says = append(says, "no TLS")
	}
	switch {
	case o.Credential == nil:
		says = append(says, "no user")
	case w.cfg != nil:
		says = append(says, identity(w.cfg.Auth))
	}
	return find(OK, "uri", "%s", strings.Join(says, "; ")).fact("hosts", o.Hosts)
}

// ownCertificate examines the certificate that the client shows; nil finds
// nothing to say. Whether it can be read at all, connecting has found out.
func ownCertificate(t *mgx.TLS, now time.Time) *Finding {
	if t == nil || t.CertificateKeyFile+t.CertFile == "" {
		return nil
	}
	path := t.CertificateKeyFile + t.CertFile // one of them
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		says := fmt.Sprintf("this client's certificate %s (%s) is valid from %s until %s", tlsclient.Name(cert), path, date(cert.NotBefore), date(cert.NotAfter))
		if now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
			return find(Warning, "uri.ownCertificate", "%s", says).advise("renew it: a server that asks for it will refuse it")
		}
		return find(OK, "uri.ownCertificate", "%s", says)
	}
	return nil
}

// seed makes servers of the hosts, if they are known.
func (w *walk) seed(origin string) {
	for _, address := range w.options.Hosts {
		w.servers = append(w.servers, &server{address: address, origin: origin})
	}
}
