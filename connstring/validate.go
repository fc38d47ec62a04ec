package connstring

import "strings"

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
	for _, check := range []func(func(string) bool) *ParseError{
		c.checkTLS, c.checkTopology, c.checkSRV, c.checkProxy, c.checkReads, c.checkWrites, c.checkPool,
	} {
		if err := check(has); err != nil {
			return err
		}
	}
	if cred := c.Credential(); cred != nil {
		return cred.check()
	}
	return nil
}

// isSet reports whether the option's field has a value.
func (c *ConnString) isSet(name string) bool {
	row := lookup(name)
	return row != nil && !row.field(c).IsZero()
}

// contradiction names both options.
func contradiction(a, b string) *ParseError {
	return problem(a, "%s and %s cannot be used together", a, b)
}

// tlsConflicts are the pairs of options whose presence together is an error,
// whatever their values.
var tlsConflicts = [][2]string{
	{"tlsInsecure", "tlsAllowInvalidCertificates"},
	{"tlsInsecure", "tlsAllowInvalidHostnames"},
	{"tlsInsecure", "tlsDisableOCSPEndpointCheck"},
	{"tlsInsecure", "tlsDisableCertificateRevocationCheck"},
	{"tlsAllowInvalidCertificates", "tlsDisableOCSPEndpointCheck"},
	{"tlsAllowInvalidCertificates", "tlsDisableCertificateRevocationCheck"},
	{"tlsDisableOCSPEndpointCheck", "tlsDisableCertificateRevocationCheck"},
	{"tlsInsecure", "ssl_cert_reqs"},
	{"tlsAllowInvalidCertificates", "ssl_cert_reqs"},
	{"tlsCertificateKeyFile", "ssl_certfile"},
	{"tlsCertificateKeyFile", "ssl_keyfile"},
}

func (c *ConnString) checkTLS(has func(string) bool) *ParseError {
	for _, pair := range tlsConflicts {
		if has(pair[0]) && has(pair[1]) {
			return contradiction(pair[0], pair[1])
		}
	}
	if files := c.tlsFiles(); c.TLS != nil && !*c.TLS && len(files) > 0 {
		return problem("tls", "tls=false and %s cannot be used together", strings.Join(files, ", "))
	}
	if c.TLS != nil && !*c.TLS && c.SSLCertReqs != "" && c.SSLCertReqs != "none" {
		return problem("tls", "tls=false and ssl_cert_reqs=%s cannot be used together", c.SSLCertReqs)
	}
	if c.SSLKeyFile != "" && c.SSLCertFile == "" {
		return problem("ssl_keyfile", "needs ssl_certfile")
	}
	if c.SSLCertReqs != "" && c.SSLCertReqs != "none" && c.TLSCAFile == "" {
		return problem("ssl_cert_reqs", "ssl_cert_reqs=%s needs ssl_ca_certs", c.SSLCertReqs)
	}
	return nil
}

func (c *ConnString) checkTopology(func(string) bool) *ParseError {
	direct, balanced := isTrue(c.DirectConnection), isTrue(c.LoadBalanced)
	switch {
	case direct && c.Scheme == SchemeSRV:
		return problem("directConnection", "directConnection=true and mongodb+srv cannot be used together, because DNS may name several hosts")
	case direct && len(c.Hosts) > 1:
		return problem("directConnection", "directConnection=true needs exactly one host")
	case balanced && len(c.Hosts) > 1:
		return problem("loadBalanced", "loadBalanced=true needs exactly one host, the load balancer")
	case balanced && c.ReplicaSet != "":
		return problem("loadBalanced", "loadBalanced=true and replicaSet cannot be used together")
	case balanced && direct:
		return problem("loadBalanced", "loadBalanced=true and directConnection=true cannot be used together")
	}
	return nil
}

func (c *ConnString) checkSRV(has func(string) bool) *ParseError {
	if c.Scheme != SchemeSRV {
		for _, name := range []string{"srvMaxHosts", "srvServiceName"} {
			if has(name) {
				return problem(name, "is for mongodb+srv only")
			}
		}
		return nil
	}
	if c.SRVMaxHosts == nil || *c.SRVMaxHosts == 0 {
		return nil
	}
	if c.ReplicaSet != "" {
		return contradiction("srvMaxHosts", "replicaSet")
	}
	if isTrue(c.LoadBalanced) {
		return problem("srvMaxHosts", "srvMaxHosts and loadBalanced=true cannot be used together")
	}
	return nil
}

func (c *ConnString) checkProxy(func(string) bool) *ParseError {
	switch {
	case c.ProxyHost == "" && c.ProxyPort != nil:
		return problem("proxyPort", "needs proxyHost")
	case c.ProxyHost == "" && c.ProxyUsername != "":
		return problem("proxyUsername", "needs proxyHost")
	case c.ProxyHost == "" && c.ProxyPassword != "":
		return problem("proxyPassword", "needs proxyHost")
	case c.ProxyUsername != "" && c.ProxyPassword == "":
		return problem("proxyUsername", "needs proxyPassword")
	case c.ProxyUsername == "" && c.ProxyPassword != "":
		return problem("proxyPassword", "needs proxyUsername")
	}
	return nil
}

func (c *ConnString) checkReads(func(string) bool) *ParseError {
	if c.ReadPreference != "primary" && (c.ReadPreference != "" || isTrue(c.SlaveOK)) {
		return nil
	}
	for _, tags := range c.ReadPreferenceTags {
		if len(tags) > 0 {
			return problem("readPreferenceTags", "needs a readPreference other than primary")
		}
	}
	if c.MaxStalenessSeconds != nil && *c.MaxStalenessSeconds > 0 {
		return problem("maxStalenessSeconds", "needs a readPreference other than primary")
	}
	return nil
}

func (c *ConnString) checkWrites(func(string) bool) *ParseError {
	unacknowledged := c.W != nil && *c.W == W{}
	if c.W == nil && c.Safe != nil && !*c.Safe {
		unacknowledged = true
	}
	name := "w=0"
	if c.W == nil {
		name = "safe=false"
	}
	switch {
	case unacknowledged && isTrue(c.Journal):
		return problem("journal", "journal=true and %s cannot be used together", name)
	case unacknowledged && isTrue(c.FSync):
		return problem("fsync", "fsync=true and %s cannot be used together", name)
	case isTrue(c.Journal) && isTrue(c.FSync):
		return problem("fsync", "fsync=true and journal=true cannot be used together")
	}
	return nil
}

// defaultMaxPoolSize is the Connection Monitoring and Pooling specification's.
const defaultMaxPoolSize = 100

func (c *ConnString) checkPool(func(string) bool) *ParseError {
	most := defaultMaxPoolSize
	if c.MaxPoolSize != nil {
		most = *c.MaxPoolSize
	}
	if c.MinPoolSize != nil && most != 0 && *c.MinPoolSize > most {
		return problem("minPoolSize", "minPoolSize=%d is more than maxPoolSize=%d", *c.MinPoolSize, most)
	}
	return nil
}
