package mgx

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/topology"
)

// open puts the layers below the client together.
func (c *Client) open(o resolved) error {
	c.logs = o.openLogs()
	c.identity = o.identity()
	cfg, err := o.connConfig(c.identity)
	if err != nil {
		return err
	}
	c.topology = topology.New(o.topologyConfig(cfg, c.logs))
	c.exec = &exec.Executor{
		Topology: c.topology, API: cfg.API,
		RetryReads: *o.RetryReads, RetryWrites: *o.RetryWrites,
		MaxAdaptiveRetries: *o.MaxAdaptiveRetries, Retarget: o.EnableOverloadRetargeting,
		LocalThreshold: o.LocalThreshold, Heartbeat: o.HeartbeatInterval, SelectionTimeout: o.ServerSelectionTimeout,
		Comment: o.CommandComment,
	}
	if len(o.CommandMonitors) > 0 || len(o.OperationMonitors) > 0 || c.logs.Command != nil {
		c.exec.Observers = &exec.Observers{
			Commands: o.CommandMonitors, Operations: o.OperationMonitors, Log: c.logs.Command,
			Public: func(err error) error { return toPublic("", err) },
		}
	}
	c.topology.Connect()
	return nil
}

// identity is who connects.
func (o *Options) identity() *conn.Identity {
	wrappers := make([]conn.DriverInfo, len(o.WrapperInfo))
	for i, w := range o.WrapperInfo {
		wrappers[i] = conn.DriverInfo(w)
	}
	return conn.NewIdentity(o.AppName, Version, wrappers)
}

// connConfig says how connections are made.
func (o resolved) connConfig(who *conn.Identity) (*conn.Config, error) {
	cfg := &conn.Config{
		DialContext: o.DialContext, ConnectTimeout: o.ConnectTimeout, SocketTimeout: o.SocketTimeout, Timeout: o.Timeout,
		LoadBalanced: value(o.LoadBalanced),
	}
	if o.Proxy != nil {
		cfg.DialContext = o.Proxy.dialer(o.DialContext).DialContext
	}
	cfg.Metadata = who.Document
	if a := o.ServerAPI; a != nil {
		cfg.API = &conn.API{Version: a.Version, Strict: a.Strict, DeprecationErrors: a.DeprecationErrors}
	}
	if o.TLS != nil {
		secure, err := o.TLS.client(cfg.DialContext)
		if err != nil {
			return nil, err
		}
		cfg.Secure = secure.Handshake
	}
	levels := map[string]int{}
	for name, level := range map[string]*int{compress.Zlib: o.ZlibLevel, compress.Zstd: o.ZstdLevel} {
		if level != nil {
			levels[name] = *level
		}
	}
	var err error
	if cfg.Compressors, err = compress.NewList(o.Compressors, levels); err != nil {
		return nil, category(err, ErrConfiguration)
	}
	if cfg.Auth, err = o.Credential.authenticator(o.Database); err != nil {
		return nil, category(err, ErrConfiguration)
	}
	return cfg, nil
}

// deployment is what is known of the deployment before it is discovered.
func (o *Options) deployment() sdam.Settings {
	return sdam.Settings{
		Seeds: o.Hosts, SetName: o.ReplicaSet, LoadBalanced: value(o.LoadBalanced), Direct: value(o.DirectConnection),
	}
}

// topologyConfig says how the deployment is discovered, and what each of its
// servers' pools is like.
func (o resolved) topologyConfig(cfg *conn.Config, logs *eventlog.Logs) topology.Config[*conn.Conn] {
	tc := topology.Config[*conn.Conn]{
		Settings:          o.deployment(),
		HeartbeatInterval: o.HeartbeatInterval,
		ConnectTimeout:    o.ConnectTimeout,
		SelectionTimeout:  o.ServerSelectionTimeout,
		Poll:              o.ServerMonitoringMode == "poll" || o.ServerMonitoringMode != "stream" && conn.IsFaaS(),
		DialMonitor: func(ctx context.Context, address string) (topology.MonitorConn, error) {
			return conn.DialMonitor(ctx, address, cfg)
		},
		NewPool: func(address string, failed func(pool.DialFailure)) *exec.Pool {
			return o.newPool(address, cfg, logs.Connection, failed)
		},
		Classify: classify,
		Events:   together(o.TopologyMonitors),
		Log:      logs.Topology, SelectionLog: logs.ServerSelection,
	}
	if o.SRVHost != "" {
		tc.SRV = &topology.SRV{Resolve: o.rescan, MaxHosts: o.SRVMaxHosts}
	}
	return tc
}

// rescan looks the hosts of a mongodb+srv URI up again. Hosts outside of the
// domain are left out.
func (o *Options) rescan(ctx context.Context) ([]string, time.Duration, error) {
	ctx, cancel := setup.Limit(ctx, o.ConnectTimeout)
	defer cancel()
	hosts, _, err := o.srv().LookupHosts(ctx, o.resolver())
	return hosts, 0, err
}

func (o *Options) newPool(address string, cfg *conn.Config, log *eventlog.Log, failed func(pool.DialFailure)) *exec.Pool {
	max := *o.MaxPoolSize
	return pool.New(pool.Options[*conn.Conn]{
		Address: address,
		MaxSize: max, MinSize: o.MinPoolSize, MaxConnecting: o.MaxConnecting, MaxIdleTime: o.MaxIdleTime, MaxAge: o.MaxConnectionAge,
		WaitQueueTimeout: o.WaitQueueTimeout, MaxWaiters: max * o.WaitQueueMultiple,
		Dial: func(ctx context.Context, d *pool.Dialing) (*conn.Conn, error) {
			return conn.Dial(ctx, address, cfg, func(desc *sdam.Server) {
				if desc.ServiceID != nil {
					d.BindService(*desc.ServiceID)
				}
			})
		},
		OnDialError: failed,
		Events:      together(o.PoolMonitors),
		Log:         log,
	})
}

// classify tells the topology what an error of a connection is.
func classify(err error) sdam.Failure {
	f := sdam.Failure{Class: sdam.NetworkFailure}
	var ce *conn.Error
	if !errors.As(err, &ce) {
		return f
	}
	f.Overloaded = ce.Overload
	switch ce.Kind {
	case conn.SocketTimeout, conn.Context:
		f.Class = sdam.TimeoutFailure
	case conn.Auth:
		f.Class = sdam.AuthFailure
	case conn.Handshake:
		f.Class = sdam.CommandFailure
		var reply *fault.Refusal
		if errors.As(err, &reply) {
			f.Code, f.Message = reply.Code, reply.Message
		}
	}
	return f
}
