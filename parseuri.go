package mgx

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/mgxdb/mgx/connstring"
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
	database, _ := cs.Namespace()
	o := &Options{
		Hosts:                cs.Hosts,
		SRVHost:              cs.SRVHost,
		SRVServiceName:       cs.SRVServiceName,
		SRVMaxHosts:          value(cs.SRVMaxHosts),
		Database:             database,
		AppName:              cs.AppName,
		ReplicaSet:           cs.ReplicaSet,
		DirectConnection:     cs.DirectConnection,
		LoadBalanced:         value(cs.LoadBalanced),
		ServerMonitoringMode: cs.ServerMonitoringMode,

		ConnectTimeout:         duration(cs.ConnectTimeout, -1),
		SocketTimeout:          duration(cs.SocketTimeout, 0),
		Timeout:                duration(cs.Timeout, 0),
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
		ZlibLevel:        value(cs.ZlibCompressionLevel),
		ReadConcern:      cs.ReadConcernLevel,
		RetryReads:       cs.RetryReads,
		RetryWrites:      cs.RetryWrites,
		warnings:         cs.Warnings,
	}
	if err := o.preferences(cs); err != nil {
		return nil, err
	}
	if cred := cs.Credential(); cred != nil {
		o.Credential = &Credential{
			Username: cred.Username, Password: cred.Password, PasswordSet: cred.PasswordSet,
			Source: cred.Source, Mechanism: cred.Mechanism, Properties: cred.Properties,
		}
	}
	if value(cs.TZAware) {
		o.TimeLocation = time.UTC
	}
	o.TLS = tlsFrom(cs)
	if cs.ProxyHost != "" {
		return nil, failure(ErrConfiguration, "proxyHost: SOCKS5 proxies are not supported; set Options.DialContext instead")
	}
	return o, nil
}

// preferences reads what the URI says of reads and writes.
func (o *Options) preferences(cs *connstring.ConnString) error {
	if cs.ReadPreference != "" {
		mode, err := ParseMode(cs.ReadPreference)
		if err != nil {
			return err
		}
		o.ReadPreference.Mode = mode
	} else if value(cs.SlaveOK) {
		o.ReadPreference.Mode = SecondaryPreferred
	}
	o.ReadPreference.TagSets = cs.ReadPreferenceTags
	if s := cs.MaxStalenessSeconds; s != nil && *s > 0 {
		o.ReadPreference.MaxStaleness = time.Duration(*s) * time.Second
	}
	switch {
	case cs.W != nil && cs.W.Tag != "":
		o.WriteConcern.W = cs.W.Tag
	case cs.W != nil:
		o.WriteConcern.W = cs.W.Number
	case cs.Safe != nil && !*cs.Safe:
		o.WriteConcern.W = 0
	case cs.Safe != nil:
		o.WriteConcern.W = 1
	}
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

// The defaults of Options.
const (
	defaultConnectTimeout   = 10 * time.Second
	defaultSelectionTimeout = 30 * time.Second
	defaultHeartbeat        = 10 * time.Second
	minHeartbeat            = 500 * time.Millisecond
	defaultLocalThreshold   = 15 * time.Millisecond
	defaultMaxPoolSize      = 100
)

// prepare fills in the defaults and refuses what cannot be.
func (o *Options) prepare() error {
	fill := func(d *time.Duration, byDefault time.Duration) {
		if *d == 0 {
			*d = byDefault
		}
		*d = max(*d, 0)
	}
	fill(&o.ConnectTimeout, defaultConnectTimeout)
	fill(&o.ServerSelectionTimeout, defaultSelectionTimeout)
	fill(&o.HeartbeatInterval, defaultHeartbeat)
	fill(&o.LocalThreshold, defaultLocalThreshold)
	for _, d := range []*time.Duration{&o.SocketTimeout, &o.Timeout, &o.MaxIdleTime, &o.WaitQueueTimeout} {
		fill(d, 0)
	}
	if o.MaxPoolSize == nil {
		n := defaultMaxPoolSize
		o.MaxPoolSize = &n
	}
	if len(o.Hosts) == 0 && o.SRVHost == "" {
		o.Hosts = []string{"localhost:27017"}
	}
	return o.validate()
}

func (o *Options) validate() error {
	if o.HeartbeatInterval < minHeartbeat {
		return failure(ErrConfiguration, "heartbeatFrequencyMS: %v is below the least of %v", o.HeartbeatInterval, minHeartbeat)
	}
	if n := *o.MaxPoolSize; n < 0 || o.MinPoolSize < 0 || n > 0 && o.MinPoolSize > n {
		return failure(ErrConfiguration, "minPoolSize %d and maxPoolSize %d exclude each other", o.MinPoolSize, n)
	}
	if o.MaxConnecting < 0 || o.WaitQueueMultiple < 0 {
		return failure(ErrConfiguration, "maxConnecting %d and waitQueueMultiple %d cannot be negative", o.MaxConnecting, o.WaitQueueMultiple)
	}
	if len(o.AppName) > maxAppName {
		return failure(ErrConfiguration, "appName: %d bytes are more than the %d that servers accept", len(o.AppName), maxAppName)
	}
	for _, w := range o.WrapperInfo {
		if strings.Contains(w.Name+w.Version+w.Platform, "|") {
			return failure(ErrConfiguration, "wrapper info %q contains the delimiter '|'", w.Name)
		}
	}
	if err := o.ReadPreference.internal().Validate(); err != nil {
		return category(err, ErrConfiguration)
	}
	hosts, err := normalizeHosts(o.Hosts)
	if err != nil {
		return err
	}
	o.Hosts = hosts
	return o.WriteConcern.validate()
}

// normalizeHosts brings hosts into the form that connection strings give them.
func normalizeHosts(hosts []string) ([]string, error) {
	if len(hosts) == 0 {
		return nil, nil
	}
	cs, err := connstring.ParseList(hosts, 0)
	if err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return cs.Hosts, nil
}

// resolve asks DNS for what a mongodb+srv URI leaves open.
func (o *Options) resolve(ctx context.Context) error {
	if o.SRVHost == "" || len(o.Hosts) > 0 {
		return nil
	}
	cs := o.srv()
	if o.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.ConnectTimeout)
		defer cancel()
	}
	if err := cs.Resolve(ctx, o.resolver()); err != nil {
		kinds := []error{ErrConfiguration}
		if !errors.Is(err, connstring.ErrInvalid) {
			kinds = []error{ErrConnectionFailure}
		}
		return category(err, kinds...)
	}
	o.Hosts = cs.Hosts
	if o.ReplicaSet == "" {
		o.ReplicaSet = cs.ReplicaSet
	}
	if o.Credential != nil && cs.AuthSource != "" {
		o.Credential.Source = cs.AuthSource
	}
	o.LoadBalanced = o.LoadBalanced || value(cs.LoadBalanced)
	return nil
}

func (o *Options) resolver() Resolver {
	if o.Resolver != nil {
		return o.Resolver
	}
	return net.DefaultResolver
}

// srv is the part of a connection string that DNS records complete.
func (o *Options) srv() *connstring.ConnString {
	cs := &connstring.ConnString{
		Scheme: connstring.SchemeSRV, SRVHost: o.SRVHost, SRVServiceName: o.SRVServiceName, ReplicaSet: o.ReplicaSet,
	}
	if o.SRVMaxHosts > 0 {
		cs.SRVMaxHosts = &o.SRVMaxHosts
	}
	if o.LoadBalanced {
		cs.LoadBalanced = &o.LoadBalanced
	}
	return cs
}

// logWarnings tells the logger what is odd about the connection string.
func (o *Options) logWarnings() {
	if o.Logger == nil {
		return
	}
	for _, w := range o.warnings {
		o.Logger.Warn("connection string", "component", "client", "option", w.Option, "warning", w.Message)
	}
}
