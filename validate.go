package mgx

import (
	"cmp"
	"strings"
	"time"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/setup"
)

// prepared are options with their defaults, and without what cannot be. They are one
// step from resolved ones, by which alone connections are made.
type prepared struct{ *Options }

// prepare fills in the defaults and refuses what cannot be.
func (o *Options) prepare() (prepared, error) {
	o.fill()
	hosts, err := normalizeHosts(o.Hosts)
	if err != nil {
		return prepared{}, err
	}
	o.Hosts = hosts
	return prepared{o}, o.validate()
}

func (o *Options) fill() {
	fill := func(d *time.Duration, byDefault time.Duration) { *d = max(cmp.Or(*d, byDefault), 0) }
	fill(&o.ConnectTimeout, setup.ConnectTimeout)
	fill(&o.ServerSelectionTimeout, setup.ServerSelectionTimeout)
	fill(&o.LocalThreshold, setup.LocalThreshold)
	for _, d := range []*time.Duration{&o.SocketTimeout, &o.Timeout, &o.MaxIdleTime, &o.MaxConnectionAge, &o.WaitQueueTimeout} {
		fill(d, 0)
	}
	o.HeartbeatInterval = cmp.Or(o.HeartbeatInterval, setup.HeartbeatInterval) // there is no "never"
	o.MaxConnecting = cmp.Or(o.MaxConnecting, setup.MaxConnecting)
	o.MaxPoolSize = cmp.Or(o.MaxPoolSize, new(setup.MaxPoolSize))
	o.MaxAdaptiveRetries = cmp.Or(o.MaxAdaptiveRetries, new(setup.MaxAdaptiveRetries))
	o.RetryReads, o.RetryWrites = cmp.Or(o.RetryReads, new(true)), cmp.Or(o.RetryWrites, new(true))
	if len(o.Hosts) == 0 && o.SRVHost == "" {
		o.Hosts = []string{"localhost"}
	}
}

// validate refuses what cannot be. Errors name the options as connection strings
// do.
func (o *Options) validate() error {
	if err := o.rules().Check(); err != nil {
		return category(err, ErrConfiguration)
	}
	return o.checkIdentity()
}

// rules returns the options for the rules that they have to keep. Files and
// passwords are looked at when connections are set up.
func (o *Options) rules() *setup.Options {
	reads := o.ReadPreference.internal().Rules()
	return &setup.Options{
		Deployment: setup.Deployment{
			Hosts: len(o.Hosts), SRV: o.SRVHost != "",
			Direct: value(o.DirectConnection), LoadBalanced: value(o.LoadBalanced), ReplicaSet: o.ReplicaSet,
			SRVMaxHosts: o.SRVMaxHosts, SRVMaxHostsGiven: o.SRVMaxHosts != 0, SRVServiceNameGiven: o.SRVServiceName != "",
			HeartbeatInterval: o.HeartbeatInterval, MonitoringMode: o.ServerMonitoringMode,
		},
		Connections: setup.Connections{
			AppName: o.AppName, Compressors: o.Compressors, ZlibLevel: o.ZlibLevel, ZstdLevel: o.ZstdLevel,
			MaxPoolSize: o.MaxPoolSize, MinPoolSize: o.MinPoolSize, MaxConnecting: o.MaxConnecting,
			WaitQueueMultiple: o.WaitQueueMultiple, MaxAdaptiveRetries: o.MaxAdaptiveRetries,
		},
		Proxy:      o.Proxy.rules(),
		Credential: o.Credential.rules(o.Database),
		Reads:      reads,
		Writes:     *o.WriteConcern.rules(),
	}
}

func (o *Options) checkIdentity() error {
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
