package connstring

import (
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// Validate checks that the options do not contradict each other. [Parse],
// [ConnString.Resolve] and [Merge] have done so; it is for who changed fields
// afterwards. Its errors are of type [*ParseError].
func (c *ConnString) Validate() error {
	if err := c.validate(c.isSet); err != nil {
		return err
	}
	return nil
}

// validate asks has for the options that count by their presence alone.
func (c *ConnString) validate(has func(name string) bool) *ParseError {
	if err := c.rules(has).Check(); err != nil {
		return brokenRule(err)
	}
	return nil
}

func brokenRule(err *setup.Error) *ParseError {
	return &ParseError{Part: err.Option, Offset: -1, Message: err.Message}
}

// isSet reports whether the option's field has a value.
func (c *ConnString) isSet(name string) bool {
	row := lookup(name)
	return row != nil && !row.field(c).IsZero()
}

// rules returns what the URI says, for the rules that options have to keep.
func (c *ConnString) rules(has func(name string) bool) *setup.Options {
	o := &setup.Options{
		Deployment: setup.Deployment{
			Hosts: len(c.Hosts), SRV: c.Scheme == SchemeSRV, Resolved: len(c.Hosts) > 0,
			Direct: isTrue(c.DirectConnection), LoadBalanced: isTrue(c.LoadBalanced), ReplicaSet: c.ReplicaSet,
			SRVMaxHosts: orZero(c.SRVMaxHosts), SRVMaxHostsGiven: has("srvMaxHosts"), SRVServiceNameGiven: has("srvServiceName"),
			HeartbeatInterval: orZero(c.HeartbeatFrequency), MonitoringMode: c.ServerMonitoringMode,
		},
		Connections: setup.Connections{
			AppName: c.AppName, Compressors: c.Compressors, ZlibLevel: c.ZlibCompressionLevel, ZstdLevel: c.ZstdCompressionLevel,
			MaxPoolSize: c.MaxPoolSize, MinPoolSize: orZero(c.MinPoolSize), MaxConnecting: orZero(c.MaxConnecting),
			WaitQueueMultiple: orZero(c.WaitQueueMultiple), MaxAdaptiveRetries: c.MaxAdaptiveRetries,
		},
		TLS:        c.tls(has),
		Credential: c.credential(),
		Reads:      c.reads(),
		Writes:     c.writes(),
	}
	if c.ProxyHost != "" || c.ProxyPort != nil || c.ProxyUsername != "" || c.ProxyPassword != "" {
		o.Proxy = &setup.Proxy{
			Host: c.ProxyHost, Port: orZero(c.ProxyPort), PortGiven: c.ProxyPort != nil,
			Username: c.ProxyUsername, Password: c.ProxyPassword,
		}
	}
	return o
}

// writes returns the write concern.
func (c *ConnString) writes() setup.Writes {
	return setup.Writes{
		W: c.W.any(), Safe: c.Safe, Journal: c.Journal, Fsync: c.FSync,
		Timeout: orZero(c.WTimeout), TimeoutGiven: c.WTimeout != nil,
	}
}

// EffectiveW returns who acknowledges writes: a number (an int) or a tag (a string);
// nil is the server's default. Where W is absent, the classic safe says it, whose
// false is overruled by any other option of a write concern.
func (c *ConnString) EffectiveW() any {
	w := c.writes()
	return w.Effective()
}

// EffectiveReadPreference returns the mode of the read preference; "" is the primary.
// The classic slaveOk says it where ReadPreference is absent.
func (c *ConnString) EffectiveReadPreference() string {
	if c.ReadPreference == "" && isTrue(c.SlaveOK) {
		return "secondaryPreferred"
	}
	return c.ReadPreference
}

// reads returns the read preference.
func (c *ConnString) reads() setup.Reads {
	r := setup.Reads{Mode: c.EffectiveReadPreference()}
	for _, tags := range c.ReadPreferenceTags {
		r.Tagged = r.Tagged || len(tags) > 0
	}
	r.MaxStaleness = time.Duration(orZero(c.MaxStalenessSeconds)) * time.Second
	return r
}

// any returns w as an int, a string or nil.
func (w *W) any() any {
	switch {
	case w == nil:
		return nil
	case w.Tag != "":
		return w.Tag
	}
	return w.Number
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
