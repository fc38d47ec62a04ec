package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/conn"
)

// recorder remembers the records that it saw.
type recorder struct {
	Resolver
	mu  sync.Mutex
	srv []string
	txt []string
}

func (r *recorder) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	cname, records, err := r.Resolver.LookupSRV(ctx, service, proto, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range records {
		r.srv = append(r.srv, fmt.Sprintf("%s:%d", strings.TrimSuffix(s.Target, "."), s.Port))
	}
	return cname, records, err
}

func (r *recorder) LookupTXT(ctx context.Context, name string) ([]string, error) {
	records, err := r.Resolver.LookupTXT(ctx, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txt = append(r.txt, records...)
	return records, err
}

// records looks up what a mongodb+srv URI leaves to DNS.
func records(ctx context.Context, w *walk) []*Finding {
	o := w.options
	if o.SRVHost == "" {
		return []*Finding{find(Skipped, "dns", "the connection string names its hosts itself")}
	}
	before := len(o.Warnings())
	var err error
	if w.resolved, err = w.prepared.Resolve(ctx); err != nil {
		return []*Finding{badRecords(o.SRVHost, err, w.dns)}
	}
	// The TXT record may say who knows the user, or that there is a load balancer.
	if w.cfg, err = w.resolved.Connections(); err != nil {
		return []*Finding{badString(w.URI, err)}
	}
	w.seed("the SRV records")
	f := find(OK, "dns", "SRV: %s", list(w.dns.srv)).fact("srv", w.dns.srv).fact("txt", w.dns.txt)
	if len(w.dns.txt) > 0 {
		f.detail("TXT: %s", w.dns.txt[0])
	} else {
		f.detail("TXT: none")
	}
	if w.cfg.Auth != nil {
		f.detail("%s", identity(w.cfg.Auth))
	}
	if o.SRVMaxHosts > 0 && len(o.Hosts) < len(w.dns.srv) {
		f.detail("srvMaxHosts=%d chose %s", o.SRVMaxHosts, list(o.Hosts))
	}
	findings := []*Finding{f}
	for _, warning := range o.Warnings()[before:] {
		findings = append(findings, find(Warning, "dns.option", "%s", warning).advise("have the TXT record of %s corrected", o.SRVHost))
	}
	return findings
}

func badRecords(name string, err error, seen *recorder) *Finding {
	var failed *connstring.ResolveError
	var dns *net.DNSError
	if !errors.As(err, &failed) {
		return find(Failed, "dns.options", "%v", err).
			advise("the TXT record and the connection string contradict each other: change one").detail("TXT: %s", list(seen.txt))
	}
	f := find(Failed, "dns.record", "%v", failed).fact("kind", failed.Kind).fact("name", failed.Name)
	if len(seen.srv) > 0 {
		f.detail("SRV: %s", list(seen.srv))
	}
	switch none := errors.As(err, &dns) && dns.IsNotFound; {
	case none && failed.Kind == "SRV", failed.Kind == "SRV" && len(seen.srv) == 0 && dns == nil:
		f.Code = "dns.noRecord"
		f.Message = "there is no SRV record " + failed.Name
		f.advise("check the name: it is the deployment's, not that of one server; for one server write mongodb://%s", name)
		f.advise("see what DNS has: dig SRV %s", failed.Name)
	case failed.Kind == "SRV" && failed.Message != "":
		f.advise("have the SRV records of %s corrected: hosts must lie in the domain of the name, and have a port", failed.Name)
	case failed.Message != "":
		f.Code = "dns.txt"
		f.advise("have the TXT record of %s corrected: one record, of authSource, replicaSet and loadBalanced alone", failed.Name)
	case errors.As(err, &dns) && dns.IsTimeout:
		f.Code = "dns.timeout"
		f.advise("DNS does not answer: check this machine's network, and the name servers in /etc/resolv.conf")
	default:
		f.advise("DNS fails: check this machine's network, and the name servers in /etc/resolv.conf")
		f.advise("some name servers at home or in containers cannot answer for SRV records: try another, or a mongodb:// URI with the hosts")
	}
	return f
}

// lookup resolves a server's name.
func lookup(ctx context.Context, w *walk, s *server) *Finding {
	host, _, err := net.SplitHostPort(s.address)
	switch {
	case conn.IsUnix(s.address):
		return find(Skipped, "name", "it is a Unix socket, and has no name to resolve")
	case err != nil:
		return find(Failed, "name.form", "it is no host with a port").advise("write it as name:port")
	case w.options.Proxy != nil:
		return find(Skipped, "name", "the proxy resolves names")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return find(OK, "name", "it is an address, not a name")
	}
	ctx, cancel := w.attempt(ctx)
	defer cancel()
	addresses, err := w.Resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addresses) > 0 {
		all := make([]string, len(addresses))
		for i, a := range addresses {
			all[i] = a.Unmap().String()
		}
		return find(OK, "name", "%s is %s", host, list(all)).fact("addresses", all)
	}
	var dns *net.DNSError
	switch {
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		f := find(Failed, "name.unknown", "nobody knows the name %s", host)
		if !strings.Contains(host, ".") {
			f.advise("a name without a dot is known inside a container's or a cluster's network only: run this there, or give the full name")
		}
		return f.advise("check the spelling; have the name added to DNS, or to /etc/hosts")
	case errors.Is(err, context.DeadlineExceeded), dns != nil && dns.IsTimeout:
		return find(Failed, "name.timeout", "DNS does not answer when asked for %s", host).
			advise("check this machine's network, and the name servers in /etc/resolv.conf")
	}
	return find(Failed, "name.failed", "%s cannot be looked up: %v", host, err).
		advise("check this machine's network, and the name servers in /etc/resolv.conf")
}
