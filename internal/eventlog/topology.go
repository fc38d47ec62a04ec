package eventlog

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// Topology logs an event of discovery and monitoring. Of the changes of a
// server's description it says nothing: those of the topology's have them.
func (l *Log) Topology(e event.TopologyEvent) {
	if !l.Debug() {
		return
	}
	if message, attrs := l.describeTopology(e); message != "" {
		l.debug(context.Background(), message, attrs)
	}
}

func (l *Log) describeTopology(e event.TopologyEvent) (message string, attrs []slog.Attr) {
	switch e := e.(type) {
	case event.TopologyOpening:
		return "Starting topology monitoring", topologyID(e.TopologyID)
	case event.TopologyClosed:
		return "Stopped topology monitoring", topologyID(e.TopologyID)
	case event.ServerOpening:
		return "Starting server monitoring", AppendAddress(topologyID(e.TopologyID), e.Address)
	case event.ServerClosed:
		return "Stopped server monitoring", AppendAddress(topologyID(e.TopologyID), e.Address)
	case event.TopologyDescriptionChanged:
		return "Topology description changed", append(topologyID(e.TopologyID),
			slog.String("previousDescription", summary(&e.Previous)), slog.String("newDescription", summary(&e.New)))
	case event.ServerHeartbeatStarted:
		return "Server heartbeat started", heartbeat(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)
	case event.ServerHeartbeatSucceeded:
		attrs = heartbeat(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)
		return "Server heartbeat succeeded", append(attrs, duration(e.Duration), slog.String("reply", Format(e.Reply, l.max)))
	case event.ServerHeartbeatFailed:
		attrs = heartbeat(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)
		return "Server heartbeat failed", append(attrs, duration(e.Duration), failure("failure", e.Err))
	}
	return "", nil
}

func topologyID(id bson.ObjectID) []slog.Attr {
	return append(make([]slog.Attr, 0, 8), slog.String("topologyId", id.Hex()))
}

func heartbeat(id bson.ObjectID, address string, conn, server int64, awaited bool) []slog.Attr {
	attrs := append(AppendAddress(topologyID(id), address), slog.Int64("driverConnectionId", conn), slog.Bool("awaited", awaited))
	if server != 0 {
		attrs = append(attrs, slog.Int64("serverConnectionId", server))
	}
	return attrs
}

// summary describes a topology in one line.
func summary(d *event.TopologyDescription) string {
	var b strings.Builder
	b.WriteString(d.Kind)
	if d.SetName != "" {
		b.WriteString(" " + strconv.Quote(d.SetName))
	}
	b.WriteString(" [")
	for i := range d.Servers {
		s := &d.Servers[i]
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.Address + " " + s.Kind)
		if s.Err != nil {
			b.WriteString(" (" + s.Err.Error() + ")")
		}
	}
	b.WriteByte(']')
	return b.String()
}
