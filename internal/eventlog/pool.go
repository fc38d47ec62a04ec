package eventlog

import (
	"context"
	"log/slog"

	"github.com/mgxdb/mgx/event"
)

// The specification's words for the reasons in events.
var (
	closeReasons = map[event.CloseReason]string{
		event.CloseStale:      "Connection became stale because the pool was cleared",
		event.CloseIdle:       "Connection has been available but unused for longer than the configured max idle time",
		event.CloseError:      "An error occurred while using the connection",
		event.ClosePoolClosed: "Connection pool was closed",
	}
	checkOutFailReasons = map[event.CheckOutFailReason]string{
		event.CheckOutTimeout:         "Wait queue timeout elapsed without a connection becoming available",
		event.CheckOutConnectionError: "An error occurred while trying to establish a new connection",
		event.CheckOutPoolClosed:      "Connection pool was closed",
	}
)

// Pool logs an event of a connection pool.
func (l *Log) Pool(e event.PoolEvent) {
	if !l.Debug() {
		return
	}
	message, address, attrs := describePool(e)
	l.debug(context.Background(), message, AppendAddress(attrs, address))
}

func describePool(e event.PoolEvent) (message, address string, attrs []slog.Attr) {
	switch e := e.(type) {
	case event.PoolCreated:
		return "Connection pool created", e.Address, poolOptions(&e.Options)
	case event.PoolReady:
		return "Connection pool ready", e.Address, nil
	case event.PoolCleared:
		if !e.ServiceID.IsZero() {
			attrs = append(attrs, slog.String("serviceId", e.ServiceID.Hex()))
		}
		if e.Err != nil {
			attrs = append(attrs, failure("error", e.Err))
		}
		return "Connection pool cleared", e.Address, attrs
	case event.PoolClosed:
		return "Connection pool closed", e.Address, nil
	case event.ConnectionCreated:
		return "Connection created", e.Address, connection(e.ConnectionID)
	case event.ConnectionReady:
		return "Connection ready", e.Address, connection(e.ConnectionID, duration(e.Duration))
	case event.ConnectionClosed:
		reason := closeReasons[e.Reason]
		if e.Reason == event.CloseStale && e.Err != nil {
			reason = "Connection became stale because of its age"
		}
		attrs = connection(e.ConnectionID, slog.String("reason", reason))
		if e.Err != nil {
			attrs = append(attrs, failure("error", e.Err))
		}
		return "Connection closed", e.Address, attrs
	default:
		return describeUse(e)
	}
}

// describeUse is describePool for what happens with each operation.
func describeUse(e event.PoolEvent) (message, address string, attrs []slog.Attr) {
	switch e := e.(type) {
	case event.ConnectionCheckOutStarted:
		return "Connection checkout started", e.Address, nil
	case event.ConnectionCheckOutFailed:
		attrs = append(attrs, slog.String("reason", checkOutFailReasons[e.Reason]), duration(e.Duration))
		if e.Err != nil {
			attrs = append(attrs, failure("error", e.Err))
		}
		return "Connection checkout failed", e.Address, attrs
	case event.ConnectionCheckedOut:
		return "Connection checked out", e.Address, connection(e.ConnectionID, duration(e.Duration))
	case event.ConnectionCheckedIn:
		return "Connection checked in", e.Address, connection(e.ConnectionID)
	case event.ConnectionPendingResponseStarted:
		return "Pending response started", e.Address, connection(e.ConnectionID)
	case event.ConnectionPendingResponseSucceeded:
		return "Pending response succeeded", e.Address, connection(e.ConnectionID, duration(e.Duration))
	case event.ConnectionPendingResponseFailed:
		return "Pending response failed", e.Address, connection(e.ConnectionID, duration(e.Duration), failure("error", e.Err))
	}
	return "", "", nil
}

func connection(id int64, more ...slog.Attr) []slog.Attr {
	attrs := make([]slog.Attr, 0, 6)
	return append(append(attrs, slog.Int64("driverConnectionId", id)), more...)
}

// poolOptions are the options under their names in connection strings.
func poolOptions(o *event.PoolOptions) []slog.Attr {
	attrs := []slog.Attr{
		slog.Int("minPoolSize", o.MinPoolSize), slog.Int("maxPoolSize", o.MaxPoolSize), slog.Int("maxConnecting", o.MaxConnecting),
	}
	for name, value := range o.Named() {
		switch name {
		case "minPoolSize", "maxPoolSize", "maxConnecting":
		default:
			attrs = append(attrs, slog.Int64(name, value))
		}
	}
	return attrs
}
