package connstring

import (
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// The schemes.
const (
	// Scheme is the scheme of a URI that names its hosts.
	Scheme = "mongodb"
	// SchemeSRV is the scheme of a URI whose hosts are in DNS.
	SchemeSRV = "mongodb+srv"
)

// DefaultPort is the port of a host that names none.
const DefaultPort = 27017

// ConnString is a parsed connection string. A pointer that is nil and a string,
// list or map that is empty mean that the URI does not say; defaults are filled
// in by whoever uses it. [AllOptions] documents each option.
type ConnString struct {
	// Scheme is [Scheme] or [SchemeSRV].
	Scheme string
	// Hosts are the seeds in their order, as host:port: names in lower case,
	// IPv6 addresses in brackets, with [DefaultPort] where there was no port. A
	// Unix domain socket is its path, which always contains a slash. With
	// [SchemeSRV] there are none until [ConnString.Resolve].
	Hosts []string
	// SRVHost is the name whose records say the hosts, with [SchemeSRV].
	SRVHost string
	// Username is the user name, decoded.
	Username string
	// Password is the password, decoded. PasswordSet tells an empty password
	// from none.
	Password    string
	PasswordSet bool
	// Database is what follows the hosts, decoded: the default database, and
	// where the user is defined unless AuthSource says otherwise. It may contain
	// dots; see [ConnString.Namespace].
	Database string

	// Authentication; see [ConnString.Credential] for what follows from it.

	AuthSource              string
	AuthMechanism           string
	AuthMechanismProperties map[string]string

	// Connections.

	AppName                  string
	Compressors              []string
	ZlibCompressionLevel     *int
	ZstdCompressionLevel     *int
	ConnectTimeout           *time.Duration
	SocketTimeout            *time.Duration
	Timeout                  *time.Duration
	MaxPoolSize              *int
	MinPoolSize              *int
	MaxConnecting            *int
	MaxIdleTime              *time.Duration
	WaitQueueTimeout         *time.Duration
	WaitQueueMultiple        *int
	AutoStartRequest         *bool
	ProxyHost                string
	ProxyPort                *int
	ProxyUsername            string
	ProxyPassword            string
	SRVMaxHosts              *int
	SRVServiceName           string
	TLS                      *bool
	TLSInsecure              *bool
	TLSAllowInvalidCerts     *bool
	TLSAllowInvalidHostnames *bool
	TLSDisableOCSPEndpoint   *bool
	TLSDisableRevocation     *bool
	TLSCAFile                string
	TLSCertificateKeyFile    string
	TLSCertificateKeyPass    string
	SSLCertFile              string
	SSLKeyFile               string
	SSLCertReqs              string

	// Discovery and server selection.

	ReplicaSet             string
	DirectConnection       *bool
	LoadBalanced           *bool
	HeartbeatFrequency     *time.Duration
	ServerMonitoringMode   string
	ServerSelectionTimeout *time.Duration
	ServerSelectionTryOnce *bool
	LocalThreshold         *time.Duration

	// Reads and writes.

	ReadPreference            string
	ReadPreferenceTags        []map[string]string
	MaxStalenessSeconds       *int
	ReadConcernLevel          string
	W                         *W
	WTimeout                  *time.Duration
	Journal                   *bool
	FSync                     *bool
	Safe                      *bool
	SlaveOK                   *bool
	RetryReads                *bool
	RetryWrites               *bool
	MaxAdaptiveRetries        *int
	EnableOverloadRetargeting *bool
	TZAware                   *bool

	// Warnings are the options that were ignored or should be written
	// differently, in their order.
	Warnings []Warning
}

// W says who must acknowledge a write: a number of members, or those that a tag
// ("majority", or a name of the replica set's configuration) stands for.
type W struct {
	Number int
	Tag    string // "" if Number counts
}

// Namespace splits Database at its first dot, as mongodb://host/db.collection
// means it.
func (c *ConnString) Namespace() (database, collection string) {
	for i := range len(c.Database) {
		if c.Database[i] == '.' {
			return c.Database[:i], c.Database[i+1:]
		}
	}
	return c.Database, ""
}

// UseTLS reports whether connections use TLS; the package comment has the rule.
func (c *ConnString) UseTLS() bool { return c.tls(nil).On() }

// tls returns what the URI says of TLS.
func (c *ConnString) tls(has func(name string) bool) *setup.TLS {
	return &setup.TLS{
		Enabled: c.TLS, SRV: c.Scheme == SchemeSRV,
		CAFile: c.TLSCAFile, CertificateKeyFile: c.TLSCertificateKeyFile, CertFile: c.SSLCertFile, KeyFile: c.SSLKeyFile,
		KeyPassword: c.TLSCertificateKeyPass, CertReqs: c.SSLCertReqs,
		Insecure: isTrue(c.TLSInsecure), AllowInvalidCertificates: isTrue(c.TLSAllowInvalidCerts),
		AllowInvalidHostnames:    isTrue(c.TLSAllowInvalidHostnames),
		DisableOCSPEndpointCheck: isTrue(c.TLSDisableOCSPEndpoint), DisableRevocationCheck: isTrue(c.TLSDisableRevocation),
		Given: has,
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
