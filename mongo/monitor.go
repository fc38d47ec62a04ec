package mongo

import (
	"bytes"
	"context"
	"fmt"

	mgxevent "github.com/mgxdb/mgx/event"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

// commandMonitor tells the official monitor of mgx's events. Commands and replies are
// copied: programs keep them.
func commandMonitor(m *event.CommandMonitor) *mgxevent.CommandMonitor {
	to := &mgxevent.CommandMonitor{}
	if m.Started != nil {
		to.Started = func(ctx context.Context, e *mgxevent.CommandStarted) context.Context {
			m.Started(ctx, &event.CommandStartedEvent{
				Command: bytes.Clone(e.Command), DatabaseName: e.DatabaseName, CommandName: e.CommandName,
				RequestID: int64(e.RequestID), ConnectionID: connectionID(&e.CommandInfo),
				ServerConnectionID: serverConnectionID(&e.CommandInfo), ServiceID: e.ServiceID,
			})
			return nil
		}
	}
	if m.Succeeded != nil {
		to.Succeeded = func(ctx context.Context, e *mgxevent.CommandSucceeded) {
			m.Succeeded(ctx, &event.CommandSucceededEvent{
				CommandFinishedEvent: finished(&e.CommandInfo, event.CommandFinishedEvent{Duration: e.Duration}),
				Reply:                bytes.Clone(e.Reply),
			})
		}
	}
	if m.Failed != nil {
		to.Failed = func(ctx context.Context, e *mgxevent.CommandFailed) {
			m.Failed(ctx, &event.CommandFailedEvent{
				CommandFinishedEvent: finished(&e.CommandInfo, event.CommandFinishedEvent{Duration: e.Duration}),
				Failure:              convert(e.Failure),
			})
		}
	}
	return to
}

func finished(e *mgxevent.CommandInfo, to event.CommandFinishedEvent) event.CommandFinishedEvent {
	to.CommandName, to.DatabaseName, to.RequestID = e.CommandName, e.DatabaseName, int64(e.RequestID)
	to.ConnectionID, to.ServerConnectionID, to.ServiceID = connectionID(e), serverConnectionID(e), e.ServiceID
	return to
}

func connectionID(e *mgxevent.CommandInfo) string {
	return fmt.Sprintf("%s[-%d]", e.Address, e.DriverConnectionID)
}

func serverConnectionID(e *mgxevent.CommandInfo) *int64 {
	if e.ServerConnectionID == 0 {
		return nil
	}
	id := e.ServerConnectionID
	return &id
}

// poolMonitor tells the official monitor of mgx's events. What the official driver has
// no event for, pending responses, it does not hear of.
func poolMonitor(m *event.PoolMonitor) func(mgxevent.PoolEvent) {
	return func(e mgxevent.PoolEvent) {
		if to := poolEvent(e); to != nil {
			m.Event(to)
		}
	}
}

func poolEvent(e mgxevent.PoolEvent) *event.PoolEvent {
	switch e := e.(type) {
	case mgxevent.PoolCreated:
		return &event.PoolEvent{Type: event.ConnectionPoolCreated, Address: e.Address, PoolOptions: &event.MonitorPoolOptions{
			MaxPoolSize: uint64(e.Options.MaxPoolSize), MinPoolSize: uint64(e.Options.MinPoolSize),
			WaitQueueTimeoutMS: uint64(e.Options.WaitQueueTimeout.Milliseconds()),
		}}
	case mgxevent.PoolReady:
		return &event.PoolEvent{Type: event.ConnectionPoolReady, Address: e.Address}
	case mgxevent.PoolCleared:
		to := &event.PoolEvent{Type: event.ConnectionPoolCleared, Address: e.Address, Interruption: e.InterruptInUseConnections, Error: convert(e.Err)}
		if e.ServiceID != (bson.ObjectID{}) {
			to.ServiceID = &e.ServiceID
		}
		return to
	case mgxevent.PoolClosed:
		return &event.PoolEvent{Type: event.ConnectionPoolClosed, Address: e.Address}
	case mgxevent.ConnectionCreated:
		return &event.PoolEvent{Type: event.ConnectionCreated, Address: e.Address, ConnectionID: e.ConnectionID}
	case mgxevent.ConnectionReady:
		return &event.PoolEvent{Type: event.ConnectionReady, Address: e.Address, ConnectionID: e.ConnectionID, Duration: e.Duration}
	case mgxevent.ConnectionClosed:
		return &event.PoolEvent{Type: event.ConnectionClosed, Address: e.Address, ConnectionID: e.ConnectionID, Reason: string(e.Reason), Error: convert(e.Err)}
	case mgxevent.ConnectionCheckOutStarted:
		return &event.PoolEvent{Type: event.ConnectionCheckOutStarted, Address: e.Address}
	case mgxevent.ConnectionCheckOutFailed:
		return &event.PoolEvent{Type: event.ConnectionCheckOutFailed, Address: e.Address, Reason: string(e.Reason), Duration: e.Duration, Error: convert(e.Err)}
	case mgxevent.ConnectionCheckedOut:
		return &event.PoolEvent{Type: event.ConnectionCheckedOut, Address: e.Address, ConnectionID: e.ConnectionID, Duration: e.Duration}
	case mgxevent.ConnectionCheckedIn:
		return &event.PoolEvent{Type: event.ConnectionCheckedIn, Address: e.Address, ConnectionID: e.ConnectionID}
	}
	return nil
}
