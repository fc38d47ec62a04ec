package mgxdebug

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
)

// Config says what the page shows. The zero value is useful.
type Config struct {
	// Name is the title: that of the program, or of the client if it has several.
	Name string
	// SlowAfter is how long a command takes that is listed as slow: 100 milliseconds.
	SlowAfter time.Duration
	// Keep is how many slow commands, failed operations and events are kept each: 50.
	Keep int
	// CommandMaxLength shows slow commands in Extended JSON, cut to so many bytes. They
	// hold the data of whoever the program works for. 0 shows none.
	CommandMaxLength int
}

// Page is an http.Handler that shows a client. It is safe for concurrent use.
type Page struct {
	config Config
	began  time.Time
	client atomic.Pointer[mgx.Client]
	record record
}

// Instrument returns a page, and adds what it needs to the options of a client that is
// yet to be opened, beside the monitors that are there. The options are to be used for
// one client then.
func Instrument(options *mgx.Options, config Config) *Page {
	config.SlowAfter = cmp.Or(config.SlowAfter, 100*time.Millisecond)
	config.Keep = cmp.Or(max(config.Keep, 0), 50)
	config.Name = cmp.Or(config.Name, options.AppName, "mgx")
	p := &Page{config: config, began: time.Now()}
	p.record.init(&p.config)
	r := &p.record
	options.OperationMonitors = append(options.OperationMonitors, &event.OperationMonitor{Started: r.operationStarted, Ended: r.operationEnded})
	options.CommandMonitors = append(options.CommandMonitors, &event.CommandMonitor{Started: r.commandStarted, Succeeded: r.commandSucceeded, Failed: r.commandFailed})
	options.PoolMonitors = append(options.PoolMonitors, r.pool)
	options.TopologyMonitors = append(options.TopologyMonitors, r.topology)
	return p
}

// Watch has the page show the pools, servers, cursors and sessions of the client.
func (p *Page) Watch(client *mgx.Client) { p.client.Store(client) }

// Snapshot returns what the page shows, as of now.
func (p *Page) Snapshot() *Snapshot {
	s := &Snapshot{Name: p.config.Name, Version: mgx.Version, Now: time.Now(), Since: p.began, Servers: []Server{}}
	p.record.fill(s)
	client := p.client.Load()
	if client == nil {
		return s
	}
	stats, deployment := client.Stats(), client.Topology()
	s.Deployment, s.SetName = deployment.Kind, deployment.SetName
	s.IdleSessions, s.OpenCursors = stats.IdleSessions, stats.OpenCursors
	pools := map[string]mgx.PoolStats{}
	for _, pool := range stats.Pools {
		pools[pool.Address] = pool
	}
	written := lastWrite(&deployment)
	for i := range deployment.Servers {
		s.Servers = append(s.Servers, p.record.server(&deployment.Servers[i], pools, written))
	}
	return s
}

// lastWrite is that of the primary; zero where there is none.
func lastWrite(d *event.TopologyDescription) time.Time {
	for i := range d.Servers {
		if d.Servers[i].Kind == "RSPrimary" {
			return d.Servers[i].LastWrite
		}
	}
	return time.Time{}
}
