package mgxprom

import (
	"context"
	"errors"
	"strconv"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
)

func (c *Collector) operation(_ context.Context, e *event.OperationEnded) {
	if e.Name == "withTransaction" {
		return // its transactions are counted
	}
	var database, collection string
	if c.collections {
		database, collection = e.Database, e.Collection
	}
	c.operations.WithLabelValues(e.Name, database, collection, kindOf(e.Err)).Observe(e.Duration.Seconds())
}

func (c *Collector) commandSucceeded(_ context.Context, e *event.CommandSucceeded) {
	c.commands.WithLabelValues(e.Address, e.CommandName).Observe(e.Duration.Seconds())
}

func (c *Collector) commandFailed(_ context.Context, e *event.CommandFailed) {
	c.commands.WithLabelValues(e.Address, e.CommandName).Observe(e.Duration.Seconds())
	c.commandFailures.WithLabelValues(e.Address, e.CommandName, kindOf(e.Failure)).Inc()
}

func (c *Collector) pool(e event.PoolEvent) {
	switch e := e.(type) {
	case event.PoolCreated: // so that rates have a beginning
		c.connectionsCreated.WithLabelValues(e.Address)
		c.clears.WithLabelValues(e.Address)
		c.checkoutFailures.WithLabelValues(e.Address, string(event.CheckOutTimeout))
	case event.PoolCleared:
		c.clears.WithLabelValues(e.Address).Inc()
	case event.ConnectionReady:
		c.connectionsCreated.WithLabelValues(e.Address).Inc()
	case event.ConnectionClosed:
		c.connectionsClosed.WithLabelValues(e.Address, string(e.Reason)).Inc()
	case event.ConnectionCheckedOut:
		c.checkouts.WithLabelValues(e.Address).Observe(e.Duration.Seconds())
	case event.ConnectionCheckOutFailed:
		c.checkoutFailures.WithLabelValues(e.Address, string(e.Reason)).Inc()
	}
}

func (c *Collector) topology(e event.TopologyEvent) {
	switch e := e.(type) {
	case event.TopologyDescriptionChanged:
		c.changes.WithLabelValues().Inc()
	case event.ServerOpening:
		c.heartbeatFailures.WithLabelValues(e.Address)
	case event.ServerHeartbeatSucceeded:
		if !e.Awaited {
			c.heartbeats.WithLabelValues(e.Address).Observe(e.Duration.Seconds())
		}
	case event.ServerHeartbeatFailed:
		c.heartbeatFailures.WithLabelValues(e.Address).Inc()
	}
}

// kinds are the categories of errors without a server's code, the more special ones first.
var kinds = []struct {
	err  error
	name string
}{
	{context.Canceled, "canceled"},
	{mgx.ErrWaitQueueTimeout, "wait_queue_timeout"},
	{mgx.ErrExceededMaxWaiters, "exceeded_max_waiters"},
	{mgx.ErrAuthentication, "authentication"},
	{mgx.ErrServerSelection, "server_selection"},
	{mgx.ErrTimeout, "timeout"},
	{mgx.ErrClosed, "closed"},
	{mgx.ErrConnectionFailure, "connection_failure"},
	{mgx.ErrDocumentTooLarge, "document_too_large"},
	{mgx.ErrInvalidName, "invalid_name"},
	{mgx.ErrInvalidArgument, "invalid_argument"},
	{mgx.ErrUnsupported, "unsupported"},
	{mgx.ErrProtocol, "protocol"},
}

// kindOf tells errors apart in few words: by the code that a server gave, or else by
// their category. No error is "".
func kindOf(err error) string {
	var refused *mgx.ServerError
	var write *mgx.WriteError
	var concern *mgx.WriteConcernError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused) && refused.Code != 0:
		return strconv.Itoa(int(refused.Code))
	case errors.As(err, &write) && write.Code != 0:
		return strconv.Itoa(int(write.Code))
	case errors.As(err, &concern) && concern.Code != 0:
		return strconv.Itoa(int(concern.Code))
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "other"
}
