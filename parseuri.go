package mgx

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/setup"
)

// ParseURI reads a connection string into options, without any I/O. Errors are ErrConfiguration, and, with errors.As,
// a *connstring.ParseError that points at the place; they never hold the
// password. What is merely odd (unknown options, for one) is a warning, which
// New gives to the logger.
//
// See the server manual, "Connection Strings".
func ParseURI(uri string) (*Options, error) {
	cs, err := connstring.Parse(uri)
	if err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return optionsFrom(cs)
}

// ParseHosts is ParseURI for what the classic client takes: a list of hosts and
// URIs, in any mixture. Hosts without a port get defaultPort (0: 27017); of the
// database, the user and each option, the last one given counts.
func ParseHosts(list []string, defaultPort int) (*Options, error) {
	cs, err := connstring.ParseList(list, defaultPort)
	if err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return optionsFrom(cs)
}

func optionsFrom(cs *connstring.ConnString) (*Options, error) {
	database, collection := cs.Namespace()
	if collection != "" || database != cs.Database {
		return nil, failure(ErrConfiguration, "the database %q of the connection string has a dot: clients have a default database, but no default collection; write /%s", cs.Database, database)
	}
	o := &Options{
		Hosts:                cs.Hosts,
		SRVHost:              cs.SRVHost,
		SRVServiceName:       cs.SRVServiceName,
		SRVMaxHosts:          value(cs.SRVMaxHosts),
		Database:             database,
		AppName:              cs.AppName,
		ReplicaSet:           cs.ReplicaSet,
		DirectConnection:     cs.DirectConnection,
		LoadBalanced:         cs.LoadBalanced,
		ServerMonitoringMode: cs.ServerMonitoringMode,

		ConnectTimeout:         duration(cs.ConnectTimeout, -1),
		SocketTimeout:          duration(cs.SocketTimeout, 0),
		Timeout:                duration(cs.Timeout, -1),
		ServerSelectionTimeout: duration(cs.ServerSelectionTimeout, 0),
		HeartbeatInterval:      duration(cs.HeartbeatFrequency, 0),
		LocalThreshold:         duration(cs.LocalThreshold, -1),

		MaxPoolSize:       cs.MaxPoolSize,
		MinPoolSize:       value(cs.MinPoolSize),
		MaxConnecting:     value(cs.MaxConnecting),
		MaxIdleTime:       duration(cs.MaxIdleTime, 0),
		WaitQueueTimeout:  duration(cs.WaitQueueTimeout, 0),
		WaitQueueMultiple: value(cs.WaitQueueMultiple),

		Compressors:      cs.Compressors,
		AutoStartRequest: value(cs.AutoStartRequest),
		ZlibLevel:        cs.ZlibCompressionLevel,
		ZstdLevel:        cs.ZstdCompressionLevel,
		ReadConcern:      ReadConcern(cs.ReadConcernLevel),
		RetryReads:       cs.RetryReads,
		RetryWrites:      cs.RetryWrites,

		MaxAdaptiveRetries:        cs.MaxAdaptiveRetries,
		EnableOverloadRetargeting: value(cs.EnableOverloadRetargeting),

		warnings: cs.Warnings,
	}
	if err := o.preferences(cs); err != nil {
		return nil, err
	}
	if cs.Credential() != nil {
		o.Credential = &Credential{
			Username: cs.Username, Password: cs.Password, PasswordSet: cs.PasswordSet,
			Source: cs.AuthSource, Mechanism: cs.AuthMechanism, Properties: cs.AuthMechanismProperties,
		}
	}
	if value(cs.TZAware) {
		o.TimeLocation = time.UTC
	}
	o.TLS = tlsFrom(cs)
	o.Proxy = proxyFrom(cs)
	o.warnOf(cs)
	return o, nil
}

// warnOf adds warnings about options that are understood and not acted upon.
func (o *Options) warnOf(cs *connstring.ConnString) {
	ignored := func(given bool, name, why string) {
		if given {
			o.warnings = append(o.warnings, connstring.Warning{Option: name, Message: why, Offset: -1})
		}
	}
	ignored(value(cs.ServerSelectionTryOnce), "serverSelectionTryOnce", "has no effect: servers are monitored in the background, and selection waits for serverSelectionTimeoutMS")
	ignored(cs.SSLCertReqs == "none", "ssl_cert_reqs", "none lets everybody on the way read and change all: the server's certificate is not checked")
	plain := cs.AuthMechanism == connstring.Plain || cs.AuthMechanism == connstring.MongoDBOIDC
	ignored(plain && !cs.UseTLS(), "authMechanism", cs.AuthMechanism+" without tls=true lets everybody on the way read the password or token")
}

// preferences reads what the URI says of reads and writes.
func (o *Options) preferences(cs *connstring.ConnString) error {
	if name := cs.EffectiveReadPreference(); name != "" {
		mode, err := ParseMode(name)
		if err != nil {
			return err
		}
		o.ReadPreference.Mode = mode
	}
	o.ReadPreference.TagSets = cs.ReadPreferenceTags
	if s := cs.MaxStalenessSeconds; s != nil && *s > 0 {
		o.ReadPreference.MaxStaleness = time.Duration(*s) * time.Second
	}
	o.WriteConcern.W = cs.EffectiveW()
	o.WriteConcern.Timeout = duration(cs.WTimeout, 0)
	o.WriteConcern.Journal = cs.Journal
	o.WriteConcern.Fsync = cs.FSync
	return nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// duration returns what a URI says; explicit zero becomes none, which in Options
// is how "no limit" is told from the default.
func duration(d *time.Duration, none time.Duration) time.Duration {
	switch {
	case d == nil:
		return 0
	case *d == 0:
		return none
	}
	return *d
}

// resolved are prepared options with what DNS says of a mongodb+srv URI: not the hosts
// alone, but also who knows the user and whether a load balancer is in front.
type resolved struct{ *Options }

// resolve asks DNS for what a mongodb+srv URI leaves open.
func (o prepared) resolve(ctx context.Context) (resolved, error) {
	if o.SRVHost == "" {
		return resolved(o), nil
	}
	cs := o.srv()
	ctx, cancel := setup.Limit(ctx, o.ConnectTimeout)
	defer cancel()
	if err := cs.Resolve(ctx, o.resolver()); err != nil {
		kinds := []error{ErrConfiguration}
		if !errors.Is(err, connstring.ErrInvalid) {
			kinds = []error{ErrConnectionFailure}
		}
		return resolved{}, category(err, kinds...)
	}
	o.Hosts, o.ReplicaSet, o.LoadBalanced = cs.Hosts, cs.ReplicaSet, cs.LoadBalanced
	if o.Credential != nil {
		o.Credential.Source = cs.AuthSource
	}
	o.warnings = append(o.warnings, cs.Warnings...)
	return resolved(o), nil
}

func (o *Options) resolver() Resolver {
	if o.Resolver != nil {
		return o.Resolver
	}
	return net.DefaultResolver
}

// srv is the part of a connection string that DNS records complete, with what
// they must not contradict.
func (o *Options) srv() *connstring.ConnString {
	cs := &connstring.ConnString{
		Scheme: connstring.SchemeSRV, SRVHost: o.SRVHost, SRVServiceName: o.SRVServiceName,
		ReplicaSet: o.ReplicaSet, LoadBalanced: o.LoadBalanced, DirectConnection: o.DirectConnection,
	}
	if o.SRVMaxHosts > 0 {
		cs.SRVMaxHosts = &o.SRVMaxHosts
	}
	if o.Credential != nil {
		o.Credential.fill(cs)
	}
	return cs
}

// logWarnings says what is odd about the connection string. Nobody has to ask for
// that: an option that is ignored may be one that was counted on.
func (o *Options) logWarnings() {
	log := o.Logger
	if log == nil {
		log = slog.Default()
	}
	for _, w := range o.warnings {
		log.Warn("connection string", "component", "client", "option", w.Option, "warning", w.Message)
	}
}
