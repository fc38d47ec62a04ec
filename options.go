package mgx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/event"
)

// Options configure a client. ParseURI fills them from a connection string;
// change fields as you like before New. A zero field means its default, and a
// negative duration no limit, where the comment does not say otherwise.
//
// The names in parentheses are the options' names in connection strings.
type Options struct {
	// Hosts are the servers to begin with, as "host:port", "host" (port 27017),
	// "[ipv6]:port", or the path of a Unix socket ending in ".sock". The default
	// is localhost:27017.
	Hosts []string
	// SRVHost is the name whose DNS records list the hosts, for a mongodb+srv URI;
	// Hosts must be empty then. It is ParseURI that turns TLS on for such a URI:
	// who sets this field by hand should set TLS too.
	SRVHost string
	// SRVServiceName (srvServiceName) is the service in the records' names, by
	// default "mongodb". SRVMaxHosts (srvMaxHosts) bounds how many of the hosts
	// are used, chosen at random; 0 is all.
	SRVServiceName string
	SRVMaxHosts    int
	// Resolver resolves SRV and TXT records; nil is the system's.
	Resolver Resolver
	// Database is the database that the connection string names, for
	// Client.DefaultDatabase.
	Database string
	// Credential is who to authenticate as; nil does not authenticate.
	Credential *Credential
	// AppName (appName) identifies the application in the server's logs, in at
	// most 128 bytes.
	AppName string

	// ReplicaSet (replicaSet) is the name that the servers' set must have.
	ReplicaSet string
	// DirectConnection (directConnection) talks to the one given host alone,
	// whatever it is a member of. nil, like false, discovers the deployment that
	// the hosts belong to.
	DirectConnection *bool
	// LoadBalanced (loadBalanced) says that the one host is a load balancer. nil
	// is false, or what the DNS records of a mongodb+srv URI say.
	LoadBalanced *bool

	// ConnectTimeout (connectTimeoutMS) bounds dialling, TLS and the handshake of
	// a connection, and a check of a server: 10 seconds. The time that a person
	// takes to log in (OIDCHumanCallback) does not count.
	ConnectTimeout time.Duration
	// SocketTimeout (socketTimeoutMS) bounds each exchange with a server; no
	// limit. Prefer contexts with deadlines, or Timeout.
	SocketTimeout time.Duration
	// Timeout (timeoutMS) bounds each operation whose context has no deadline, with all
	// that it sends and its retries, of which there are as many as there is time for; no
	// limit. A negative one is no limit either, and in force all the same, as
	// timeoutMS=0 is: MaxTime, the timeouts of write concerns, SocketTimeout and
	// WaitQueueTimeout do not count beside it. See the option Timeout of handles and
	// calls, and docs/timeouts.md.
	Timeout time.Duration
	// ServerSelectionTimeout (serverSelectionTimeoutMS) bounds the wait for a
	// suitable server: 30 seconds.
	ServerSelectionTimeout time.Duration
	// HeartbeatInterval (heartbeatFrequencyMS) is the time between two checks of
	// a server: 10 seconds, at least 500 milliseconds.
	HeartbeatInterval time.Duration
	// ServerMonitoringMode (serverMonitoringMode) is "stream", "poll", or "auto":
	// stream, but poll where the process is a function-as-a-service.
	ServerMonitoringMode string
	// LocalThreshold (localThresholdMS; the classic secondaryAcceptableLatencyMS)
	// is how much slower than the nearest a server may be to get reads: 15
	// milliseconds.
	LocalThreshold time.Duration

	// MaxPoolSize (maxPoolSize) bounds the connections to each server: nil is 100,
	// 0 no limit.
	MaxPoolSize *int
	// MinPoolSize (minPoolSize) is how many are kept open: 0.
	MinPoolSize int
	// MaxConnecting (maxConnecting) bounds how many are being opened at a time: 2.
	MaxConnecting int
	// MaxIdleTime (maxIdleTimeMS) closes connections that were not used for as
	// long; no limit.
	MaxIdleTime time.Duration
	// MaxConnectionAge closes connections that were established as long ago, so that
	// long-lived clients follow a load balancer, a changed address or a rotated
	// credential; no limit. Each connection's limit is up to a tenth shorter, at
	// random: those that were made together do not all end together. One in use is
	// closed when it is given back. It is not an option of connection strings.
	MaxConnectionAge time.Duration
	// WaitQueueTimeout (waitQueueTimeoutMS) bounds the wait for a connection; no
	// limit.
	WaitQueueTimeout time.Duration
	// WaitQueueMultiple (waitQueueMultiple) times MaxPoolSize operations may wait
	// for a connection, one more fails at once; 0 is no limit.
	WaitQueueMultiple int

	// AutoStartRequest (auto_start_request) makes operations under a context that
	// WithAffinity marked share a connection.
	AutoStartRequest bool

	// TLS (tls; the classic ssl) encrypts connections; nil does not. &TLS{} trusts
	// the system's authorities.
	TLS *TLS
	// Compressors (compressors) are offered to servers in this order: "snappy",
	// "zlib", "zstd".
	Compressors []string
	// ZlibLevel (zlibCompressionLevel) is from 0, no compression, and 1, the
	// fastest, to 9, the smallest; nil and -1 are zlib's default.
	ZlibLevel *int
	// ZstdLevel (zstdCompressionLevel) is from 1, the fastest, to 22, the smallest;
	// nil and -1 are the default. Four levels differ: what is between is rounded.
	ZstdLevel *int
	// Proxy (proxyHost, proxyPort, proxyUsername, proxyPassword) is a SOCKS5 proxy
	// to connect through; nil is none.
	Proxy *Proxy
	// DialContext opens sockets, those to the Proxy included; nil uses a net.Dialer.
	// network is "tcp" or "unix".
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// ReadPreference (readPreference, readPreferenceTags, maxStalenessSeconds)
	// says which servers answer reads: the primary.
	ReadPreference ReadPreference
	// ReadConcern (readConcernLevel): the server's default.
	ReadConcern ReadConcern
	// WriteConcern (w, wtimeoutMS, journal, fsync): the server's default.
	WriteConcern WriteConcern
	// RetryReads (retryReads) and RetryWrites (retryWrites) repeat an operation
	// once that failed for a reason which may pass: nil is true.
	RetryReads, RetryWrites *bool
	// MaxAdaptiveRetries (maxAdaptiveRetries) is how often an operation of any kind
	// is repeated that a server turned away because it is overloaded, or that got no
	// connection for what may be that, after pauses of up to 200 ms, 400 ms, 800 ms,
	// … each. nil is 2; 0 repeats none of these, whatever else would repeat them.
	MaxAdaptiveRetries *int
	// EnableOverloadRetargeting (enableOverloadRetargeting) sends such an operation
	// to another server if one suits; behind several mongos that is always so.
	EnableOverloadRetargeting bool
	// ServerAPI declares a version of the Stable API; nil declares none.
	ServerAPI *ServerAPI

	// DocumentType is the type of documents decoded into an any: bson.D, if nil.
	// reflect.TypeFor makes others: of bson.M, map[string]any, bson.Raw, or a
	// struct of yours. It is the classic document_class.
	DocumentType reflect.Type
	// TimeLocation makes dates decoded into an any come as time.Time in that
	// location; nil leaves them bson.DateTime. It is the classic tz_aware, for
	// which the location is time.UTC.
	TimeLocation *time.Location

	// StrictUTF8 makes text in documents that is not UTF-8 an error of decoding them.
	// Without it such text, which servers store and return, is decoded as it is.
	StrictUTF8 bool
	// DisallowUnknownFields makes it an error of decoding a document into a struct that the document has an element
	// for which the struct has no field. Without it such elements are skipped. It counts for all structs, those of
	// this package such as CollectionInfo included, so that one from a newer server may not be read.
	DisallowUnknownFields bool
	// ObjectIDAsHexString decodes ObjectIDs into strings, as 24 hexadecimal digits. Without it that is an error.
	ObjectIDAsHexString bool

	// Encryption encrypts what the client sends and decrypts what it gets; nil does
	// neither. The module github.com/mgxdb/mgx/encryption makes them.
	Encryption Encryption

	// Interceptors stand around the client's operations. The first one that is set is
	// the outermost.
	Interceptors []*Interceptor
	// CommandComment returns the comment that a command gets which has none of its own,
	// for the server's logs and profiler: who sent it, or the trace that it is part of.
	// It is called with each attempt, with the context of the operation as its
	// monitors left it, and should be quick; "" is no comment. Servers before 4.4 get
	// none.
	CommandComment func(ctx context.Context) string
	// OperationMonitors, CommandMonitors, PoolMonitors and TopologyMonitors observe
	// the client. Each event goes to all monitors of its kind, in their order.
	OperationMonitors []*event.OperationMonitor
	CommandMonitors   []*event.CommandMonitor
	PoolMonitors      []func(event.PoolEvent)
	TopologyMonitors  []func(event.TopologyEvent)
	// Logger gets warnings about the options (without a Logger, slog.Default() does) and, at the debug level, what the
	// monitors get and how servers are selected; documents as relaxed Extended
	// JSON, commands that carry secrets as {}. Every record has an attribute
	// component: client, command, topology, serverSelection or connection.
	//
	// nil logs what the environment asks for, which is nothing by default: see
	// LogLevels. For no log at all use slog.DiscardHandler. A handler that itself
	// writes to MongoDB needs a client of its own that does not log.
	Logger *slog.Logger
	// LogLevels are the least levels of the components' messages: all that the
	// Logger's handler takes, unless set. To log commands alone, set the others to
	// slog.LevelWarn.
	LogLevels LogLevels
	// LogMaxDocumentLength is how many bytes of a document's Extended JSON are
	// logged: 0 is the environment's MONGODB_LOG_MAX_DOCUMENT_LENGTH, or 1000;
	// below 0 is no limit. What is cut ends with "...".
	LogMaxDocumentLength int

	// WrapperInfo names a library that wraps mgx, for the server's logs.
	WrapperInfo []WrapperInfo

	// warnings are about the connection string, for the logger.
	warnings []connstring.Warning
}

// Warnings are what is odd about the connection string: options that are unknown,
// deprecated or without effect. New and Open also give them to the Logger, or to
// slog.Default() if there is none.
func (o *Options) Warnings() []connstring.Warning { return slices.Clone(o.warnings) }

// String lists the fields that are set, with no secret among them.
func (o Options) String() string {
	var b strings.Builder
	v := reflect.ValueOf(o)
	for field, value := range v.Fields() {
		if !field.IsExported() || value.IsZero() {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(field.Name + ": ")
		b.WriteString(describe(value))
	}
	return "{" + b.String() + "}"
}

// describe writes a field that is set. What holds secrets writes itself.
func describe(v reflect.Value) string {
	switch s, ok := v.Interface().(fmt.Stringer); {
	case ok:
		return s.String()
	case v.Kind() == reflect.Func, v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct:
		return "set"
	case v.Kind() == reflect.Interface:
		return fmt.Sprintf("%T", v.Interface())
	case v.Kind() == reflect.Pointer:
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// Format is String for every verb: none prints a secret.
func (o Options) Format(f fmt.State, _ rune) { io.WriteString(f, o.String()) }

// MarshalText is String: no JSON shows a secret.
func (o Options) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// LogValue is String: no log shows a secret.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Resolver looks up the DNS records of a mongodb+srv URI. *net.Resolver is one.
type Resolver = connstring.Resolver

// ServerAPI declares a version of the Stable API: the server then answers as that
// version says, whatever its own is.
type ServerAPI struct {
	Version string // "1"
	// Strict refuses commands outside of the version, DeprecationErrors those that
	// it deprecates.
	Strict, DeprecationErrors *bool
}

// WrapperInfo names a library that wraps mgx. Its texts cannot contain a "|", and
// what exceeds the 512 bytes of a hello is cut. See [Client.AppendWrapper].
type WrapperInfo struct {
	Name, Version, Platform string
}

// clone copies the options as far as they could be changed by their owner.
func (o *Options) clone() Options {
	if o == nil {
		return Options{}
	}
	c := *o
	c.Hosts = slices.Clone(o.Hosts)
	c.Compressors = slices.Clone(o.Compressors)
	c.WrapperInfo = slices.Clone(o.WrapperInfo)
	c.Interceptors = slices.Clone(o.Interceptors)
	if o.Credential != nil {
		cred := *o.Credential
		cred.Properties = maps.Clone(cred.Properties)
		c.Credential = &cred
	}
	if o.TLS != nil {
		t := *o.TLS
		c.TLS = &t
	}
	if o.Proxy != nil {
		p := *o.Proxy
		c.Proxy = &p
	}
	for _, b := range []**bool{&c.DirectConnection, &c.LoadBalanced, &c.RetryReads, &c.RetryWrites} {
		*b = clonePointer(*b)
	}
	for _, n := range []**int{&c.MaxPoolSize, &c.MaxAdaptiveRetries, &c.ZlibLevel, &c.ZstdLevel} {
		*n = clonePointer(*n)
	}
	c.ServerAPI = clonePointer(o.ServerAPI)
	c.ReadPreference = o.ReadPreference.clone()
	c.WriteConcern = publicConcern(o.WriteConcern.internal())
	c.warnings = slices.Clone(o.warnings)
	return c
}

// callDefaults are the options that the client's handles begin with.
func (o *Options) callDefaults() *callOptions {
	s := &callOptions{}
	if !o.ReadPreference.isDefault() {
		s.readPreference = o.ReadPreference.internal()
	}
	if o.ReadConcern != "" {
		s.readConcern = new(o.ReadConcern.level())
	}
	return s
}
