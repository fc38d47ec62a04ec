package mgxprom

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
)

// Config says what is collected, and how it is called.
type Config struct {
	// Namespace is what the names of metrics begin with; "" is mgx.
	Namespace string
	// ConstLabels are on every metric: with several clients in a program, what tells
	// them apart.
	ConstLabels prometheus.Labels
	// Collections adds the labels database and collection to the durations of operations.
	// Without it they are empty: there may be many.
	Collections bool
	// Buckets are those of all histograms, in seconds; nil is DefaultBuckets.
	Buckets []float64
}

// DefaultBuckets are from half a millisecond, which a server nearby takes, to 10 seconds.
var DefaultBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Collector collects the metrics of one client. It is safe for concurrent use.
type Collector struct {
	collections bool
	client      atomic.Pointer[mgx.Client]
	now         gauges

	operations, commands, checkouts, heartbeats            *prometheus.HistogramVec
	commandFailures, checkoutFailures, heartbeatFailures   *prometheus.CounterVec
	connectionsCreated, connectionsClosed, clears, changes *prometheus.CounterVec
	all                                                    []prometheus.Collector
}

// Instrument returns a collector, and adds what it needs to the options of a client that
// is yet to be opened, beside the monitors that are there. The options are to be used for
// one client then. See [Collector.Watch].
func Instrument(options *mgx.Options, config Config) *Collector {
	c := newCollector(config)
	options.OperationMonitors = append(options.OperationMonitors, &event.OperationMonitor{Ended: c.operation})
	options.CommandMonitors = append(options.CommandMonitors, &event.CommandMonitor{Succeeded: c.commandSucceeded, Failed: c.commandFailed})
	options.PoolMonitors = append(options.PoolMonitors, c.pool)
	options.TopologyMonitors = append(options.TopologyMonitors, c.topology)
	return c
}

// Watch has the collector ask the client, with each collection, what its pools, servers,
// sessions and cursors are doing. Before that there are only the counters and histograms.
// It costs no I/O.
func (c *Collector) Watch(client *mgx.Client) { c.client.Store(client) }

func newCollector(config Config) *Collector {
	if config.Namespace == "" {
		config.Namespace = "mgx"
	}
	if config.Buckets == nil {
		config.Buckets = DefaultBuckets
	}
	c := &Collector{collections: config.Collections, now: newGauges(config)}
	histogram := func(to **prometheus.HistogramVec, name, help string, labels ...string) {
		*to = prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: config.Namespace, Name: name, Help: help, ConstLabels: config.ConstLabels, Buckets: config.Buckets,
		}, labels)
		c.all = append(c.all, *to)
	}
	counter := func(to **prometheus.CounterVec, name, help string, labels ...string) {
		*to = prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: config.Namespace, Name: name, Help: help, ConstLabels: config.ConstLabels,
		}, labels)
		c.all = append(c.all, *to)
	}
	histogram(&c.operations, "operation_duration_seconds", "How long operations took, with their retries, by what became of them.",
		"operation", "database", "collection", "error")
	histogram(&c.commands, "command_duration_seconds", "How long servers took to answer commands.", "server", "command")
	histogram(&c.checkouts, "pool_checkout_duration_seconds", "How long operations waited for a connection that they got.", "server")
	histogram(&c.heartbeats, "heartbeat_duration_seconds", "How long servers took to answer checks that they answer at once.", "server")
	counter(&c.commandFailures, "command_failures_total", "Commands that a server refused, or did not answer.", "server", "command", "error")
	counter(&c.checkoutFailures, "pool_checkout_failures_total", "Operations that got no connection.", "server", "reason")
	counter(&c.heartbeatFailures, "heartbeat_failures_total", "Checks that a server did not answer.", "server")
	counter(&c.connectionsCreated, "pool_connections_created_total", "Connections that were established.", "server")
	counter(&c.connectionsClosed, "pool_connections_closed_total", "Connections that were closed.", "server", "reason")
	counter(&c.clears, "pool_clears_total", "How often a server's connections were put out of date, because it failed.", "server")
	counter(&c.changes, "topology_changes_total", "How often what is known of the deployment changed.")
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.all {
		m.Describe(ch)
	}
	c.now.describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.all {
		m.Collect(ch)
	}
	if client := c.client.Load(); client != nil {
		c.now.collect(ch, client)
	}
}
