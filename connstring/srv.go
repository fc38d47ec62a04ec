package connstring

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mgxdb/mgx/internal/setup"
)

// Resolver looks up DNS records. [*net.Resolver] is one. A name that has no
// record of the kind is a [*net.DNSError] with IsNotFound.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	// LookupTXT returns an element per record, its strings joined.
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// ResolveError says why the records of a mongodb+srv URI could not be used. It is
// in the category [ErrResolve], and in [ErrInvalid] where the records exist but
// may not be used. [errors.As] reaches the resolver's error.
type ResolveError struct {
	Kind    string // "SRV" or "TXT"
	Name    string // the name that was looked up
	Message string // what is wrong with the records, "" if Err says it
	Err     error
}

// Error names the record and the reason.
func (e *ResolveError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("looking up the %s records of %s: %v", e.Kind, e.Name, e.Err)
	}
	if e.Err != nil {
		return fmt.Sprintf("%s record of %s: %s: %v", e.Kind, e.Name, e.Message, e.Err)
	}
	return fmt.Sprintf("%s record of %s: %s", e.Kind, e.Name, e.Message)
}

// Unwrap returns the cause.
func (e *ResolveError) Unwrap() error { return e.Err }

// Is reports the categories.
func (e *ResolveError) Is(target error) bool {
	return target == ErrResolve || target == ErrInvalid && e.Message != ""
}

// Resolve looks up the hosts of a mongodb+srv URI and the options that its TXT
// record adds, and validates the outcome. It fills [ConnString.Hosts], at most
// srvMaxHosts of them, picked at random. Options of the URI override those of the
// record, which may only hold authSource, replicaSet and loadBalanced. For other
// URIs it does nothing. After an error the connection string is as before.
//
// Errors are [*ResolveError] or, where options contradict each other,
// [*ParseError]. Those of ctx come through.
func (c *ConnString) Resolve(ctx context.Context, r Resolver) error {
	if c.Scheme != SchemeSRV {
		return nil
	}
	hosts, rejected, err := c.LookupHosts(ctx, r)
	if err != nil {
		return err
	}
	if len(rejected) > 0 {
		return &ResolveError{Kind: "SRV", Name: c.SRVName(),
			Message: fmt.Sprintf("%s is not below %s; records may only name hosts of their own domain", rejected[0], srvDomain(c.SRVHost))}
	}
	resolved := c.clone()
	if err := resolved.lookupOptions(ctx, r); err != nil {
		return err
	}
	if limit := resolved.SRVMaxHosts; limit != nil && *limit > 0 && *limit < len(hosts) {
		rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		hosts = hosts[:*limit]
	}
	resolved.Hosts = hosts
	if err := resolved.Validate(); err != nil {
		return err
	}
	*c = *resolved
	return nil
}

// SRVName returns the name whose SRV records say the hosts.
func (c *ConnString) SRVName() string {
	return "_" + c.srvService() + "._tcp." + c.SRVHost
}

func (c *ConnString) srvService() string {
	if c.SRVServiceName != "" {
		return c.SRVServiceName
	}
	return setup.SRVServiceName
}

// LookupHosts looks up the SRV records alone, for polling them. It returns the
// hosts as [ConnString.Hosts] has them, without duplicates and regardless of
// srvMaxHosts, and the names that the records may not name. No records at all
// are an error.
func (c *ConnString) LookupHosts(ctx context.Context, r Resolver) (hosts, rejected []string, err error) {
	_, records, err := r.LookupSRV(ctx, c.srvService(), "tcp", c.SRVHost)
	if err != nil {
		return nil, nil, &ResolveError{Kind: "SRV", Name: c.SRVName(), Err: err}
	}
	if len(records) == 0 {
		return nil, nil, &ResolveError{Kind: "SRV", Name: c.SRVName(), Message: "there is none; the name is wrong or the deployment is gone"}
	}
	for _, record := range records {
		name := strings.TrimSuffix(strings.ToLower(record.Target), ".")
		switch host := net.JoinHostPort(name, strconv.Itoa(int(record.Port))); {
		case !validName(name) || !sharesDomain(name, c.SRVHost):
			rejected = append(rejected, name)
		case record.Port == 0:
			return nil, nil, &ResolveError{Kind: "SRV", Name: c.SRVName(), Message: "port 0 cannot be connected to"}
		case !slices.Contains(hosts, host):
			hosts = append(hosts, host)
		}
	}
	return hosts, rejected, nil
}

// srvDomain returns the domain that the hosts must be in: the name without its
// first label, or the whole name where it has fewer than three.
func srvDomain(host string) string {
	if strings.Count(host, ".") < 2 {
		return host
	}
	_, domain, _ := strings.Cut(host, ".")
	return domain
}

// sharesDomain reports whether a name is below the domain. A host without a
// subdomain of its own therefore needs one more label in its records.
func sharesDomain(name, host string) bool {
	return strings.HasSuffix(name, "."+srvDomain(host))
}

// lookupOptions adds the options of the TXT record that the URI does not have.
func (c *ConnString) lookupOptions(ctx context.Context, r Resolver) error {
	records, err := r.LookupTXT(ctx, c.SRVHost)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil
	case err != nil:
		return &ResolveError{Kind: "TXT", Name: c.SRVHost, Err: err}
	case len(records) == 0:
		return nil
	case len(records) > 1:
		return &ResolveError{Kind: "TXT", Name: c.SRVHost, Message: "there is more than one"}
	}
	options, err := parseTXT(records[0])
	if err != nil {
		return &ResolveError{Kind: "TXT", Name: c.SRVHost, Message: "cannot be used", Err: err}
	}
	if c.AuthSource == "" {
		c.AuthSource = options.AuthSource
	}
	if c.ReplicaSet == "" {
		c.ReplicaSet = options.ReplicaSet
	}
	if c.LoadBalanced == nil {
		c.LoadBalanced = options.LoadBalanced
	}
	c.Warnings = append(c.Warnings, options.Warnings...)
	return nil
}

// parseTXT reads name=value&name=value of the three allowed names.
func parseTXT(text string) (*ConnString, error) {
	p := &parser{uri: text, c: &ConnString{}, at: -1}
	entries, err := p.entries(0)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.row == nil || e.row.Name != "authSource" && e.row.Name != "replicaSet" && e.row.Name != "loadBalanced" {
			return nil, problem("options", "a TXT record may only hold authSource, replicaSet and loadBalanced")
		}
	}
	if err := p.options(0); err != nil {
		return nil, err
	}
	for i := range p.c.Warnings {
		p.c.Warnings[i].Offset = -1
		p.c.Warnings[i].Message += " (in the TXT record)"
	}
	return p.c, nil
}
