package connstring

import (
	"math"
	"strconv"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

const maxInt = math.MaxInt32

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// table documents the options and drives the parser.
var table = []option{
	// Authentication.
	{OptionInfo: OptionInfo{Name: "authSource", Field: "AuthSource", Type: TypeString, Fatal: true, Classic: "authSource",
		Default: "the database of the URI, else admin; $external for MONGODB-X509, MONGODB-AWS, MONGODB-OIDC and GSSAPI, and for PLAIN without a database",
		Meaning: "The database where the user is defined."}, parse: parseAuthSource},
	{OptionInfo: OptionInfo{Name: "authMechanism", Field: "AuthMechanism", Type: TypeString, Fatal: true, Classic: "authMechanism",
		Values:  setup.Mechanisms,
		Default: "negotiated: SCRAM-SHA-256 where the user has it, else SCRAM-SHA-1", Meaning: "How to authenticate."}, parse: parseMechanism},
	{OptionInfo: OptionInfo{Name: "authMechanismProperties", Fatal: true, Field: "AuthMechanismProperties", Type: TypePairs, Classic: "authMechanismProperties",
		Default: "none", Meaning: "Details for the mechanism: AWS_SESSION_TOKEN; ENVIRONMENT and TOKEN_RESOURCE for MONGODB-OIDC; SERVICE_NAME, SERVICE_REALM, SERVICE_HOST and CANONICALIZE_HOST_NAME for GSSAPI. A value cannot contain a comma."}},
	{OptionInfo: OptionInfo{Name: "gssapiServiceName", Field: "AuthMechanismProperties", Type: TypeString, Classic: "gssapiServiceName",
		ReplacedBy: "authMechanismProperties=SERVICE_NAME:…", Default: "mongodb", Meaning: "The Kerberos service name of the servers."}, parse: parseServiceName, shared: true},

	// Connections.
	{OptionInfo: OptionInfo{Name: "appName", Field: "AppName", Type: TypeString,
		Default: "none", Meaning: "A name for the application in the server's log and profile, at most 128 bytes."}, parse: parseAppName},
	{OptionInfo: OptionInfo{Name: "compressors", Field: "Compressors", Type: TypeList, Values: setup.Compressors,
		Default: "none", Meaning: "The compressions to offer to the servers, the preferred one first."}, parse: parseCompressors},
	{OptionInfo: OptionInfo{Name: "zlibCompressionLevel", Field: "ZlibCompressionLevel", Type: TypeInt, Min: setup.MinZlibLevel, Max: setup.MaxZlibLevel,
		Default: "-1, the library's own", Meaning: "The zlib level: 0 none, 1 fastest, 9 smallest."}},
	{OptionInfo: OptionInfo{Name: "zstdCompressionLevel", Field: "ZstdCompressionLevel", Type: TypeInt, Min: setup.MinZstdLevel, Max: setup.MaxZstdLevel,
		Default: "-1, the library's own", Meaning: "The zstd level: 1 fastest, 22 smallest."}},
	{OptionInfo: OptionInfo{Name: "connectTimeoutMS", Field: "ConnectTimeout", Type: TypeDuration, Unit: "ms", Max: maxInt, Classic: "connectTimeoutMS",
		Default: ms(setup.ConnectTimeout), Meaning: "How long to wait for a connection to open, and for the answer of a monitoring check; 0 is no limit."}},
	{OptionInfo: OptionInfo{Name: "socketTimeoutMS", Field: "SocketTimeout", Type: TypeDuration, Unit: "ms", Max: maxInt, Classic: "socketTimeoutMS",
		Default: "0", Meaning: "How long one send or receive of an operation may take; 0 is no limit. Prefer timeoutMS or a context."}},
	{OptionInfo: OptionInfo{Name: "network_timeout", Field: "SocketTimeout", Type: TypeDuration, Unit: "s", Max: maxInt, Classic: "network_timeout",
		ReplacedBy: "socketTimeoutMS", Default: "0", Meaning: "socketTimeoutMS in seconds, which may have a fraction."}, decimal: true, shared: true},
	{OptionInfo: OptionInfo{Name: "timeoutMS", Field: "Timeout", Type: TypeDuration, Unit: "ms", Max: maxInt,
		Default: "none", Meaning: "How long an operation may take in all, retries included, where its context has no deadline; 0 is no limit."}},
	{OptionInfo: OptionInfo{Name: "maxPoolSize", Field: "MaxPoolSize", Type: TypeInt, Max: maxInt, Classic: "max_pool_size", Aliases: []string{"max_pool_size"},
		Default: strconv.Itoa(setup.MaxPoolSize), Meaning: "The most connections to one server; 0 is no limit."}},
	{OptionInfo: OptionInfo{Name: "minPoolSize", Field: "MinPoolSize", Type: TypeInt, Max: maxInt,
		Default: "0", Meaning: "The connections to one server that are kept open without being needed."}},
	{OptionInfo: OptionInfo{Name: "maxConnecting", Field: "MaxConnecting", Type: TypeInt, Min: 1, Max: maxInt,
		Default: strconv.Itoa(setup.MaxConnecting), Meaning: "The most connections that one pool opens at the same time."}},
	{OptionInfo: OptionInfo{Name: "maxIdleTimeMS", Field: "MaxIdleTime", Type: TypeDuration, Unit: "ms", Max: maxInt,
		Default: "0", Meaning: "How long a connection may be idle before it is closed; 0 is no limit."}},
	{OptionInfo: OptionInfo{Name: "waitQueueTimeoutMS", Field: "WaitQueueTimeout", Type: TypeDuration, Unit: "ms", Min: 1, Max: maxInt, Classic: "waitQueueTimeoutMS",
		Default: "none", Meaning: "How long an operation waits for a free connection. Prefer timeoutMS or a context."}},
	{OptionInfo: OptionInfo{Name: "waitQueueMultiple", Field: "WaitQueueMultiple", Type: TypeInt, Min: 1, Max: maxInt, Classic: "waitQueueMultiple",
		Default: "none", Meaning: "How many operations per maxPoolSize may wait for a connection; the next one fails at once."}},
	{OptionInfo: OptionInfo{Name: "auto_start_request", Field: "AutoStartRequest", Type: TypeBool, Classic: "auto_start_request",
		Default: "false", Meaning: "Whether operations keep to one connection per server without being asked to."}},

	// Proxy.
	{OptionInfo: OptionInfo{Name: "proxyHost", Fatal: true, Field: "ProxyHost", Type: TypeString,
		Default: "none", Meaning: "The SOCKS5 proxy to connect through."}},
	{OptionInfo: OptionInfo{Name: "proxyPort", Field: "ProxyPort", Type: TypeInt, Min: 1, Max: 65535, Fatal: true,
		Default: strconv.Itoa(setup.ProxyPort), Meaning: "The proxy's port."}},
	{OptionInfo: OptionInfo{Name: "proxyUsername", Field: "ProxyUsername", Type: TypeString,
		Default: "none", Meaning: "The user name for the proxy; needs proxyPassword."}},
	{OptionInfo: OptionInfo{Name: "proxyPassword", Field: "ProxyPassword", Type: TypeString, Secret: true,
		Default: "none", Meaning: "The password for the proxy; needs proxyUsername."}},

	// TLS.
	{OptionInfo: OptionInfo{Name: "tls", Fatal: true, Field: "TLS", Type: TypeBool, Classic: "ssl", Aliases: []string{"ssl"},
		Default: "true with mongodb+srv or with other TLS options, else false", Meaning: "Whether connections use TLS."}},
	{OptionInfo: OptionInfo{Name: "tlsCAFile", Fatal: true, Field: "TLSCAFile", Type: TypeString, Classic: "ssl_ca_certs", Aliases: []string{"ssl_ca_certs", "sslCertificateAuthorityFile", "sslCAFile"},
		Default: "the system's authorities", Meaning: "A PEM file of the authorities to trust."}},
	{OptionInfo: OptionInfo{Name: "tlsCertificateKeyFile", Fatal: true, Field: "TLSCertificateKeyFile", Type: TypeString, Aliases: []string{"sslClientCertificateKeyFile", "sslPEMKeyFile"},
		Default: "none", Meaning: "A PEM file with the client's certificate and private key."}},
	{OptionInfo: OptionInfo{Name: "tlsCertificateKeyFilePassword", Fatal: true, Field: "TLSCertificateKeyPass", Type: TypeString, Secret: true,
		Aliases: []string{"ssl_pem_passphrase", "sslClientCertificateKeyPassword", "sslPEMKeyPassword"}, Default: "none", Meaning: "The password of an encrypted private key."}},
	{OptionInfo: OptionInfo{Name: "ssl_certfile", Fatal: true, Field: "SSLCertFile", Type: TypeString, Classic: "ssl_certfile", Aliases: []string{"tlsCertificateFile"},
		Default: "none", Meaning: "A PEM file with the client's certificate, where the private key is in ssl_keyfile or in the same file."}},
	{OptionInfo: OptionInfo{Name: "ssl_keyfile", Fatal: true, Field: "SSLKeyFile", Type: TypeString, Classic: "ssl_keyfile", Aliases: []string{"tlsPrivateKeyFile"},
		Default: "none", Meaning: "A PEM file with the private key; needs ssl_certfile."}},
	{OptionInfo: OptionInfo{Name: "ssl_cert_reqs", Field: "SSLCertReqs", Type: TypeString, Classic: "ssl_cert_reqs", Fatal: true,
		Values: []string{"none", "optional", "required"}, Default: "required", Meaning: "Whether the server's certificate is checked; all but none need ssl_ca_certs."}, parse: parseCertReqs},
	{OptionInfo: OptionInfo{Name: "tlsInsecure", Field: "TLSInsecure", Type: TypeBool, Aliases: []string{"sslInsecure"},
		Default: "false", Meaning: "Whether to accept any certificate for any host name."}},
	{OptionInfo: OptionInfo{Name: "tlsAllowInvalidCertificates", Field: "TLSAllowInvalidCerts", Type: TypeBool, Aliases: []string{"sslAllowInvalidCertificates"},
		Default: "false", Meaning: "The same as tlsInsecure: names in a certificate that anybody can have made prove nothing."}},
	{OptionInfo: OptionInfo{Name: "tlsAllowInvalidHostnames", Field: "TLSAllowInvalidHostnames", Type: TypeBool, Aliases: []string{"sslAllowInvalidHostnames"},
		Default: "false", Meaning: "Whether to accept a certificate for another host name."}},
	{OptionInfo: OptionInfo{Name: "ssl_match_hostname", Field: "TLSAllowInvalidHostnames", Type: TypeBool,
		ReplacedBy: "tlsAllowInvalidHostnames", Default: "true", Meaning: "Whether the host name in the certificate is checked: the opposite of tlsAllowInvalidHostnames."}, parse: parseMatchHostname, shared: true},
	{OptionInfo: OptionInfo{Name: "tlsDisableOCSPEndpointCheck", Field: "TLSDisableOCSPEndpoint", Type: TypeBool,
		Default: "false", Meaning: "Whether not to ask OCSP responders about certificates without a stapled answer."}},
	{OptionInfo: OptionInfo{Name: "tlsDisableCertificateRevocationCheck", Field: "TLSDisableRevocation", Type: TypeBool,
		Default: "false", Meaning: "Whether not to check for revocation at all."}},

	// Discovery and server selection.
	{OptionInfo: OptionInfo{Name: "replicaSet", Fatal: true, Field: "ReplicaSet", Type: TypeString, Classic: "replicaSet",
		Default: "none", Meaning: "The name of the replica set; servers that belong to another are not used."}},
	{OptionInfo: OptionInfo{Name: "directConnection", Field: "DirectConnection", Type: TypeBool,
		Default: "false", Meaning: "Whether to use the one server that is named, whatever its role, and look for no other."}},
	{OptionInfo: OptionInfo{Name: "connect", Field: "DirectConnection", Type: TypeString, Values: []string{"direct", "automatic"},
		ReplacedBy: "directConnection", Default: "automatic", Meaning: "directConnection as older drivers have it: direct is true, automatic false."}, parse: parseConnect, shared: true},
	{OptionInfo: OptionInfo{Name: "loadBalanced", Field: "LoadBalanced", Type: TypeBool,
		Default: "false", Meaning: "Whether the host is a load balancer in front of the deployment."}},
	{OptionInfo: OptionInfo{Name: "srvMaxHosts", Field: "SRVMaxHosts", Type: TypeInt, Max: maxInt,
		Default: "0", Meaning: "With mongodb+srv, the most hosts to use of those that the records name; 0 is all."}},
	{OptionInfo: OptionInfo{Name: "srvServiceName", Field: "SRVServiceName", Type: TypeString, Fatal: true,
		Default: setup.SRVServiceName, Meaning: "With mongodb+srv, the service to look up."}, parse: parseServiceLabel},
	{OptionInfo: OptionInfo{Name: "heartbeatFrequencyMS", Field: "HeartbeatFrequency", Type: TypeDuration, Unit: "ms", Min: setup.MinHeartbeatInterval.Milliseconds(), Max: maxInt, Aliases: []string{"heartbeatIntervalMS"},
		Default: ms(setup.HeartbeatInterval), Meaning: "The time between two checks of a server."}},
	{OptionInfo: OptionInfo{Name: "serverMonitoringMode", Field: "ServerMonitoringMode", Type: TypeString, Values: setup.MonitoringModes,
		Default: "auto", Meaning: "Whether servers push their changes (stream) or are asked (poll); auto polls in function-as-a-service environments only."}},
	{OptionInfo: OptionInfo{Name: "serverSelectionTimeoutMS", Field: "ServerSelectionTimeout", Type: TypeDuration, Unit: "ms", Min: 1, Max: maxInt,
		Default: ms(setup.ServerSelectionTimeout), Meaning: "How long an operation waits for a suitable server."}},
	{OptionInfo: OptionInfo{Name: "serverSelectionTryOnce", Field: "ServerSelectionTryOnce", Type: TypeBool,
		Default: "false", Meaning: "Accepted for other clients' sake; monitoring in the background makes it pointless."}},
	{OptionInfo: OptionInfo{Name: "localThresholdMS", Field: "LocalThreshold", Type: TypeDuration, Unit: "ms", Max: maxInt,
		Default: ms(setup.LocalThreshold), Meaning: "How much slower than the nearest suitable server another one may be and still be used."}},
	{OptionInfo: OptionInfo{Name: "secondaryAcceptableLatencyMS", Field: "LocalThreshold", Type: TypeDuration, Unit: "ms", Max: maxInt,
		Classic: "secondary_acceptable_latency_ms", Aliases: []string{"secondary_acceptable_latency_ms"}, ReplacedBy: "localThresholdMS",
		Default: ms(setup.LocalThreshold), Meaning: "localThresholdMS, which may have a fraction."}, decimal: true, shared: true},

	// Reads.
	{OptionInfo: OptionInfo{Name: "readPreference", Field: "ReadPreference", Type: TypeString, Classic: "read_preference", Aliases: []string{"read_preference"},
		Values:  setup.ReadModes,
		Default: "primary", Meaning: "Which members serve reads."}, parse: parseReadPreference},
	{OptionInfo: OptionInfo{Name: "readPreferenceTags", Field: "ReadPreferenceTags", Type: TypeTagSet, Classic: "tag_sets", Aliases: []string{"tag_sets"},
		Default: "none", Meaning: "The tags that members must have to serve reads; repeat it for second and further choices."}},
	{OptionInfo: OptionInfo{Name: "maxStalenessSeconds", Field: "MaxStalenessSeconds", Type: TypeInt, Unit: "s", Min: -1, Max: maxInt, Aliases: []string{"maxStaleness"},
		Default: "-1, no limit", Meaning: "How far a secondary may be behind and still serve reads; at least " + strconv.Itoa(int(setup.MinMaxStaleness.Seconds())) + "."}, parse: parseMaxStaleness},
	{OptionInfo: OptionInfo{Name: "readConcernLevel", Field: "ReadConcernLevel", Type: TypeString,
		Default: "the server's", Meaning: "The read concern: local, majority, linearizable, available, snapshot, or what the server knows."}},
	{OptionInfo: OptionInfo{Name: "slaveOk", Field: "SlaveOK", Type: TypeBool, Classic: "slave_okay", Aliases: []string{"slave_okay"},
		ReplacedBy: "readPreference=secondaryPreferred", Default: "false", Meaning: "Whether secondaries may serve reads."}},
	{OptionInfo: OptionInfo{Name: "retryReads", Field: "RetryReads", Type: TypeBool,
		Default: "true", Meaning: "Whether reads are tried once more after a network error or an election."}},

	// Writes.
	{OptionInfo: OptionInfo{Name: "w", Field: "W", Type: TypeW, Max: maxInt, Classic: "w", Fatal: true,
		Default: "the server's", Meaning: "How many members, or which, acknowledge a write; 0 is none."}},
	{OptionInfo: OptionInfo{Name: "wTimeoutMS", Field: "WTimeout", Type: TypeDuration, Unit: "ms", Max: math.MaxInt64 / int64(time.Millisecond), Classic: "wtimeout", Aliases: []string{"wtimeout"},
		Default: "0", Meaning: "How long the server waits for w; 0 is no limit. Prefer timeoutMS or a context."}},
	{OptionInfo: OptionInfo{Name: "journal", Field: "Journal", Type: TypeBool, Classic: "j", Aliases: []string{"j"},
		Default: "the server's", Meaning: "Whether a write is acknowledged only once it is in the journal."}},
	{OptionInfo: OptionInfo{Name: "fsync", Field: "FSync", Type: TypeBool, Classic: "fsync",
		Default: "false", Meaning: "Whether a write is acknowledged only once it is on disk; not together with journal."}},
	{OptionInfo: OptionInfo{Name: "safe", Field: "Safe", Type: TypeBool, Classic: "safe", ReplacedBy: "w",
		Default: "true", Meaning: "Whether writes are acknowledged: w=1 or w=0, where w is absent. wTimeoutMS, journal and fsync ask for an acknowledgement and overrule false."}},
	{OptionInfo: OptionInfo{Name: "retryWrites", Field: "RetryWrites", Type: TypeBool,
		Default: "true", Meaning: "Whether writes are tried once more after a network error or an election."}},

	// Overload.
	{OptionInfo: OptionInfo{Name: "maxAdaptiveRetries", Field: "MaxAdaptiveRetries", Type: TypeInt, Max: maxInt,
		Default: strconv.Itoa(setup.MaxAdaptiveRetries), Meaning: "How often an operation is tried again that an overloaded server turned away, or that got no connection; 0 is never."}},
	{OptionInfo: OptionInfo{Name: "enableOverloadRetargeting", Field: "EnableOverloadRetargeting", Type: TypeBool,
		Default: "false", Meaning: "Whether such an attempt goes to another server where one is suitable."}},

	// Results.
	{OptionInfo: OptionInfo{Name: "tz_aware", Field: "TZAware", Type: TypeBool, Classic: "tz_aware",
		Default: "false", Meaning: "Whether dates in a value of type any are decoded as time.Time, not as bson.DateTime."}},
}
