package mgxprom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
)

// gauges are what a client is asked for.
type gauges struct {
	connections, waiting, sessions, cursors, up, kind, roundTrip, lag, topology *prometheus.Desc
}

func newGauges(config Config) gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(config.Namespace, "", name), help, labels, config.ConstLabels)
	}
	return gauges{
		connections: desc("pool_connections", "Connections, by what they do: idle, in_use, pending (being established), draining (waiting for a late reply).", "server", "state"),
		waiting:     desc("pool_waiting_operations", "Operations that wait for a connection.", "server"),
		sessions:    desc("idle_sessions", "Server sessions that wait to be used again."),
		cursors:     desc("open_cursors", "Cursors that are open on a server."),
		up:          desc("server_up", "Whether the server answered its last check.", "server"),
		kind:        desc("server_info", "What the server is: 1 for its kind and the replica set that it is a member of.", "server", "kind", "set"),
		roundTrip:   desc("server_round_trip_seconds", "The average time that the server takes to answer a check.", "server"),
		lag:         desc("server_replication_lag_seconds", "How far the last write of a secondary is behind that of the primary.", "server"),
		topology:    desc("topology_info", "What the deployment is: 1 for its kind.", "kind", "set"),
	}
}

func (g *gauges) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.connections, g.waiting, g.sessions, g.cursors, g.up, g.kind, g.roundTrip, g.lag, g.topology} {
		ch <- d
	}
}

func (g *gauges) collect(ch chan<- prometheus.Metric, client *mgx.Client) {
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	stats := client.Stats()
	for _, p := range stats.Pools {
		send(g.connections, float64(p.Idle), p.Address, "idle")
		send(g.connections, float64(p.InUse), p.Address, "in_use")
		send(g.connections, float64(p.Pending), p.Address, "pending")
		send(g.connections, float64(p.Draining), p.Address, "draining")
		send(g.waiting, float64(p.Waiting), p.Address)
	}
	send(g.sessions, float64(stats.IdleSessions))
	send(g.cursors, float64(stats.OpenCursors))

	deployment := client.Topology()
	send(g.topology, 1, deployment.Kind, deployment.SetName)
	written := lastWrite(&deployment)
	for i := range deployment.Servers {
		s := &deployment.Servers[i]
		up := 0.0
		if s.Kind != "Unknown" {
			up = 1
		}
		send(g.up, up, s.Address)
		send(g.kind, 1, s.Address, s.Kind, s.SetName)
		if s.RTT > 0 {
			send(g.roundTrip, s.RTT.Seconds(), s.Address)
		}
		if s.Kind == "RSSecondary" && !written.IsZero() && !s.LastWrite.IsZero() {
			send(g.lag, max(written.Sub(s.LastWrite), 0).Seconds(), s.Address)
		}
	}
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
