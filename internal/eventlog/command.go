package eventlog

import (
	"context"
	"log/slog"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/wire"
)

// commandAttrs is room for the attributes of any command's message.
const commandAttrs = 12

// CommandStarted logs that a command is about to be sent: its body, and the
// documents of its sequences, if it has any, as arrays. For commands that carry
// secrets both are to be empty.
func (l *Log) CommandStarted(ctx context.Context, c *event.CommandInfo, body []byte, sequences ...wire.Sequence) {
	attrs := appendCommand(make([]slog.Attr, 0, commandAttrs), c)
	l.debug(ctx, "Command started", append(attrs, slog.String("command", formatCommand(body, sequences, l.max))))
}

// CommandSucceeded logs that a command was answered.
func (l *Log) CommandSucceeded(ctx context.Context, c *event.CommandInfo, took time.Duration, reply []byte) {
	attrs := appendCommand(make([]slog.Attr, 0, commandAttrs), c)
	l.debug(ctx, "Command succeeded", append(attrs, duration(took), slog.String("reply", Format(reply, l.max))))
}

// CommandFailed logs that a command failed. The error of a command that carries
// secrets is to be free of them.
func (l *Log) CommandFailed(ctx context.Context, c *event.CommandInfo, took time.Duration, err error) {
	attrs := appendCommand(make([]slog.Attr, 0, commandAttrs), c)
	l.debug(ctx, "Command failed", append(attrs, duration(took), failure("failure", err)))
}

func appendCommand(attrs []slog.Attr, c *event.CommandInfo) []slog.Attr {
	attrs = append(attrs, slog.String("commandName", c.CommandName), slog.String("databaseName", c.DatabaseName),
		slog.Int64("requestId", int64(c.RequestID)), slog.Int64("operationId", c.OperationID))
	attrs = AppendAddress(append(attrs, slog.Int64("driverConnectionId", c.DriverConnectionID)), c.Address)
	if c.ServerConnectionID != 0 {
		attrs = append(attrs, slog.Int64("serverConnectionId", c.ServerConnectionID))
	}
	if c.ServiceID != nil {
		attrs = append(attrs, slog.String("serviceId", c.ServiceID.Hex()))
	}
	return attrs
}
