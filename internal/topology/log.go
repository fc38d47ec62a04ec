package topology

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/sdam"
)

// logEvent writes the specification's message for an event, at debug level.
func logEvent(log *slog.Logger, e event.TopologyEvent) {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	switch e := e.(type) {
	case event.TopologyOpening:
		log.Debug("Starting topology monitoring", topologyID(e.TopologyID))
	case event.TopologyClosed:
		log.Debug("Stopped topology monitoring", topologyID(e.TopologyID))
	case event.ServerOpening:
		log.Debug("Starting server monitoring", serverAttrs(e.TopologyID, e.Address)...)
	case event.ServerClosed:
		log.Debug("Stopped server monitoring", serverAttrs(e.TopologyID, e.Address)...)
	case event.TopologyDescriptionChanged:
		log.Debug("Topology description changed", topologyID(e.TopologyID),
			slog.String("previousDescription", summary(e.Previous)), slog.String("newDescription", summary(e.New)))
	case event.ServerHeartbeatStarted:
		log.Debug("Server heartbeat started", heartbeatAttrs(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)...)
	case event.ServerHeartbeatSucceeded:
		attrs := heartbeatAttrs(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)
		log.Debug("Server heartbeat succeeded", append(attrs, durationMS(e.Duration), slog.Any("reply", lazyReply(e.Reply)))...)
	case event.ServerHeartbeatFailed:
		attrs := heartbeatAttrs(e.TopologyID, e.Address, e.ConnectionID, e.ServerConnectionID, e.Awaited)
		log.Debug("Server heartbeat failed", append(attrs, durationMS(e.Duration), slog.String("failure", e.Err.Error()))...)
	}
}

// lazyReply is turned into Extended JSON only if a handler wants it.
type lazyReply bson.Raw

// LogValue implements slog.LogValuer.
func (r lazyReply) LogValue() slog.Value { return slog.StringValue(bson.Raw(r).String()) }

func topologyID(id bson.ObjectID) slog.Attr { return slog.String("topologyId", id.Hex()) }

func durationMS(d time.Duration) slog.Attr {
	return slog.Float64("durationMS", float64(d)/float64(time.Millisecond))
}

func topologyAttr(t *sdam.Topology) slog.Attr {
	return slog.String("topologyDescription", t.String())
}

func serverAttrs(id bson.ObjectID, address string) []any {
	return append([]any{topologyID(id)}, addressAttrs(address)...)
}

// addressAttrs are a server's host and port; the path alone for a Unix socket.
func addressAttrs(address string) []any {
	host, port, err := net.SplitHostPort(address)
	n, bad := strconv.Atoi(port)
	if err != nil || bad != nil {
		return []any{slog.String("serverHost", address)}
	}
	return []any{slog.String("serverHost", host), slog.Int("serverPort", n)}
}

func heartbeatAttrs(id bson.ObjectID, address string, conn, server int64, awaited bool) []any {
	attrs := append(serverAttrs(id, address), slog.Int64("driverConnectionId", conn), slog.Bool("awaited", awaited))
	if server != 0 {
		attrs = append(attrs, slog.Int64("serverConnectionId", server))
	}
	return attrs
}

// summary describes a topology in one line.
func summary(d event.TopologyDescription) string {
	var b strings.Builder
	b.WriteString(d.Kind)
	if d.SetName != "" {
		b.WriteString(" " + strconv.Quote(d.SetName))
	}
	b.WriteString(" [")
	for i, s := range d.Servers {
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
