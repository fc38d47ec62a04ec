package mgx

import (
	"strings"
	"time"

	"github.com/mgxdb/mgx/connstring"
)

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
	hosts, err := normalizeHosts(o.Hosts)
	if err != nil {
		return err
	}
	o.Hosts = hosts
	return o.validate()
}

// validate refuses what cannot be. Errors name the options as connection strings
// do.
func (o *Options) validate() error {
	for _, check := range []func() error{o.checkPool, o.checkTopology, o.checkIdentity, o.checkReads, o.WriteConcern.validate, o.Proxy.validate} {
		if err := check(); err != nil {
			return err
		}
	}
	return o.Credential.validate(o.Database)
}

func (o *Options) checkPool() error {
	if n := *o.MaxPoolSize; n < 0 || o.MinPoolSize < 0 || n > 0 && o.MinPoolSize > n {
		return failure(ErrConfiguration, "minPoolSize %d and maxPoolSize %d exclude each other", o.MinPoolSize, n)
	}
	if n := o.MaxAdaptiveRetries; n != nil && *n < 0 {
		return failure(ErrConfiguration, "maxAdaptiveRetries %d cannot be negative", *n)
	}
	if o.MaxConnecting < 0 || o.WaitQueueMultiple < 0 {
		return failure(ErrConfiguration, "maxConnecting %d and waitQueueMultiple %d cannot be negative", o.MaxConnecting, o.WaitQueueMultiple)
	}
	return nil
}

func (o *Options) checkTopology() error {
	direct, balanced, set := value(o.DirectConnection), value(o.LoadBalanced), o.ReplicaSet != ""
	several := len(o.Hosts) > 1
	conflicts := []struct {
		given bool
		a, b  string
	}{
		{o.SRVHost != "" && len(o.Hosts) > 0, "SRVHost", "Hosts"},
		{o.SRVHost != "" && direct, "SRVHost", "directConnection=true"},
		{direct && several, "directConnection=true", "several hosts"},
		{balanced && several, "loadBalanced=true", "several hosts"},
		{balanced && set, "loadBalanced=true", "replicaSet"},
		{balanced && direct, "loadBalanced=true", "directConnection=true"},
		{o.SRVMaxHosts > 0 && set, "srvMaxHosts", "replicaSet"},
		{o.SRVMaxHosts > 0 && balanced, "srvMaxHosts", "loadBalanced=true"},
	}
	for _, c := range conflicts {
		if c.given {
			return failure(ErrConfiguration, "%s and %s cannot be used together", c.a, c.b)
		}
	}
	switch {
	case o.SRVHost == "" && (o.SRVMaxHosts != 0 || o.SRVServiceName != ""):
		return failure(ErrConfiguration, "srvMaxHosts and srvServiceName are for mongodb+srv only: set SRVHost")
	case o.SRVMaxHosts < 0:
		return failure(ErrConfiguration, "srvMaxHosts: %d is negative", o.SRVMaxHosts)
	case o.HeartbeatInterval < minHeartbeat:
		return failure(ErrConfiguration, "heartbeatFrequencyMS: %v is below the least of %v", o.HeartbeatInterval, minHeartbeat)
	}
	switch o.ServerMonitoringMode {
	case "", "auto", "stream", "poll":
		return nil
	}
	return failure(ErrConfiguration, "serverMonitoringMode: %q is none of auto, stream and poll", o.ServerMonitoringMode)
}

func (o *Options) checkIdentity() error {
	if len(o.AppName) > maxAppName {
		return failure(ErrConfiguration, "appName: %d bytes are more than the %d that servers accept", len(o.AppName), maxAppName)
	}
	for _, w := range o.WrapperInfo {
		if err := w.validate(); err != nil {
			return err
		}
	}
	if o.ServerAPI != nil && o.ServerAPI.Version != "1" {
		return failure(ErrConfiguration, "ServerAPI: version %q is not known; the one there is is \"1\"", o.ServerAPI.Version)
	}
	return nil
}

func (w *WrapperInfo) validate() error {
	if w.Name == "" {
		return failure(ErrConfiguration, "wrapper info has no name")
	}
	if strings.Contains(w.Name+w.Version+w.Platform, "|") {
		return failure(ErrConfiguration, "wrapper info %q contains the delimiter '|'", w.Name)
	}
	return nil
}

func (o *Options) checkReads() error {
	if err := o.ReadPreference.internal().Validate(); err != nil {
		return category(err, ErrConfiguration)
	}
	return nil
}

// normalizeHosts brings hosts into the form that connection strings give them.
func normalizeHosts(hosts []string) ([]string, error) {
	if len(hosts) == 0 {
		return nil, nil
	}
	for _, h := range hosts {
		if strings.Contains(h, "://") {
			return nil, failure(ErrConfiguration, "Hosts: %s is a connection string, not a host: read it with ParseURI or ParseHosts", connstring.Redact(h))
		}
	}
	cs, err := connstring.ParseList(hosts, 0)
	if err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return cs.Hosts, nil
}
