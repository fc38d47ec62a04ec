package mongo

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	mgxevent "github.com/mgxdb/mgx/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// clientOptions returns mgx's options for the official driver's.
func clientOptions(opts *options.ClientOptions) (*mgx.Options, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := refuse(opts); err != nil {
		return nil, err
	}
	if opts.HTTPClient != nil && !sameHTTPClient(opts.HTTPClient, options.Client().HTTPClient) {
		return nil, &unsupportedError{"options.ClientOptions.HTTPClient", unsupported["ClientOptions.HTTPClient"]}
	}
	o := &mgx.Options{Hosts: opts.Hosts}
	if uri := opts.GetURI(); strings.HasPrefix(uri, "mongodb+srv://") {
		parsed, err := mgx.ParseURI(uri)
		if err != nil {
			return nil, convert(err)
		}
		o.Hosts, o.SRVHost = nil, parsed.SRVHost
	}
	setScalars(o, opts)
	if err := setConcerns(o, opts); err != nil {
		return nil, err
	}
	if err := setCredential(o, opts.Auth); err != nil {
		return nil, err
	}
	setTLS(o, opts)
	setObservers(o, opts)
	return o, nil
}

// set copies an option that is there.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// setInt copies an unsigned option that is there.
func setInt[T uint | uint64](to *int, from *T) {
	if from != nil {
		*to = int(*from)
	}
}

func setScalars(o *mgx.Options, opts *options.ClientOptions) {
	set(&o.AppName, opts.AppName)
	set(&o.ReplicaSet, opts.ReplicaSet)
	set(&o.SRVServiceName, opts.SRVServiceName)
	set(&o.SRVMaxHosts, opts.SRVMaxHosts)
	set(&o.ServerMonitoringMode, opts.ServerMonitoringMode)
	set(&o.EnableOverloadRetargeting, opts.EnableOverloadRetargeting)
	setDuration(&o.ConnectTimeout, opts.ConnectTimeout)
	setDuration(&o.HeartbeatInterval, opts.HeartbeatInterval)
	setDuration(&o.LocalThreshold, opts.LocalThreshold)
	setDuration(&o.MaxIdleTime, opts.MaxConnIdleTime)
	setDuration(&o.ServerSelectionTimeout, opts.ServerSelectionTimeout)
	setDuration(&o.Timeout, opts.Timeout)
	o.DirectConnection, o.LoadBalanced = opts.Direct, opts.LoadBalanced
	o.RetryReads, o.RetryWrites = opts.RetryReads, opts.RetryWrites
	o.Compressors, o.ZlibLevel, o.ZstdLevel = opts.Compressors, opts.ZlibLevel, opts.ZstdLevel
	if opts.MaxPoolSize != nil {
		o.MaxPoolSize = new(int)
		setInt(o.MaxPoolSize, opts.MaxPoolSize)
	}
	if opts.MaxAdaptiveRetries != nil {
		o.MaxAdaptiveRetries = new(int)
		setInt(o.MaxAdaptiveRetries, opts.MaxAdaptiveRetries)
	}
	setInt(&o.MinPoolSize, opts.MinPoolSize)
	setInt(&o.MaxConnecting, opts.MaxConnecting)
	if opts.DriverInfo != nil {
		o.WrapperInfo = append(o.WrapperInfo, mgx.WrapperInfo(*opts.DriverInfo))
	}
	if opts.ServerAPIOptions != nil {
		o.ServerAPI = &mgx.ServerAPI{
			Version: string(opts.ServerAPIOptions.ServerAPIVersion),
			Strict:  opts.ServerAPIOptions.Strict, DeprecationErrors: opts.ServerAPIOptions.DeprecationErrors,
		}
	}
	if opts.Dialer != nil {
		o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return opts.Dialer.DialContext(ctx, network, address)
		}
	}
}

// setDuration copies a duration that is there: 0 is no limit in the official driver, and
// a negative one in mgx.
func setDuration(to, from *time.Duration) {
	switch {
	case from == nil:
	case *from == 0:
		*to = -1
	default:
		*to = *from
	}
}

func setConcerns(o *mgx.Options, opts *options.ClientOptions) (err error) {
	if opts.ReadConcern != nil {
		o.ReadConcern = mgx.ReadConcern(opts.ReadConcern.Level)
	}
	o.WriteConcern = writeConcern(opts.WriteConcern)
	o.ReadPreference, err = readPreference(opts.ReadPreference)
	return err
}

func setTLS(o *mgx.Options, opts *options.ClientOptions) {
	if opts.TLSConfig == nil {
		return
	}
	o.TLS = &mgx.TLS{
		Config:                   opts.TLSConfig,
		DisableOCSPEndpointCheck: is(opts.DisableOCSPEndpointCheck),
		DisableRevocationCheck:   is(opts.DisableCertificateRevocationCheck),
	}
}

func setObservers(o *mgx.Options, opts *options.ClientOptions) {
	if opts.Monitor != nil {
		o.CommandMonitors = []*mgxevent.CommandMonitor{commandMonitor(opts.Monitor)}
	}
	if opts.PoolMonitor != nil && opts.PoolMonitor.Event != nil {
		o.PoolMonitors = []func(mgxevent.PoolEvent){poolMonitor(opts.PoolMonitor)}
	}
	if opts.ServerMonitor != nil {
		o.TopologyMonitors = []func(mgxevent.TopologyEvent){serverMonitor(opts.ServerMonitor)}
	}
	if opts.LoggerOptions != nil {
		setLogger(o, opts.LoggerOptions)
	}
}

// sameHTTPClient reports whether two clients behave alike, as far as their fields tell.
func sameHTTPClient(a, b *http.Client) bool {
	if a.CheckRedirect != nil || a.Jar != nil || a.Timeout != b.Timeout || reflect.TypeOf(a.Transport) != reflect.TypeOf(b.Transport) {
		return false
	}
	x, ok := a.Transport.(*http.Transport)
	if !ok {
		return a.Transport == nil
	}
	v, w := reflect.ValueOf(x).Elem(), reflect.ValueOf(b.Transport).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() && !alike(v.Field(i), w.Field(i)) {
			return false
		}
	}
	return true
}

func alike(a, b reflect.Value) bool {
	if a.Kind() == reflect.Func {
		return a.Pointer() == b.Pointer()
	}
	if a.Kind() == reflect.Map {
		return a.Len() == b.Len() // of functions
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
