package topology

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/sdam"
)

// selectLogged is Select with the messages of the specification.
func (t *Topology[C]) selectLogged(ctx context.Context, q *sdam.Selection) (*Server[C], error) {
	log := t.cfg.SelectionLog
	v := t.view.Load()
	log.Log(ctx, slog.LevelDebug, "Server selection started", selectionAttrs(q, v.topology)...)
	s, err := t.pick(v, q)
	if s == nil && err == nil {
		t.logWaiting(ctx, q, v)
		s, err = t.await(ctx, q, v, never)
	}
	attrs := selectionAttrs(q, t.view.Load().topology)
	if err != nil {
		log.Log(ctx, slog.LevelDebug, "Server selection failed", append(attrs, slog.Any("failure", withoutTopology(err)))...)
		return nil, err
	}
	log.Log(ctx, slog.LevelDebug, "Server selection succeeded", eventlog.AppendAddress(attrs, s.address)...)
	return s, nil
}

// logWaiting tells that no server suits the selection now.
func (t *Topology[C]) logWaiting(ctx context.Context, q *sdam.Selection, v *view[C]) {
	log := t.cfg.SelectionLog
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := selectionAttrs(q, v.topology)
	if left, ok := t.selectionTime(ctx); ok {
		attrs = append(attrs, slog.Int64("remainingTimeMS", left.Milliseconds()))
	}
	log.Log(ctx, slog.LevelInfo, "Waiting for suitable server to become available", attrs...)
}

func selectionAttrs(q *sdam.Selection, topology *sdam.Topology) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 8), slog.String("selector", q.String()), slog.String("operation", q.Operation))
	if q.OperationID != 0 {
		attrs = append(attrs, slog.Int64("operationId", q.OperationID))
	}
	return append(attrs, slog.String("topologyDescription", topology.String()))
}

// selectionTime is how long a selection may last, if that is limited.
func (t *Topology[C]) selectionTime(ctx context.Context) (time.Duration, bool) {
	left, limited := t.cfg.SelectionTimeout, t.cfg.SelectionTimeout > 0
	if deadline, ok := ctx.Deadline(); ok {
		if until := time.Until(deadline); !limited || until < left {
			left, limited = until, true
		}
	}
	return max(left, 0), limited
}

// withoutTopology is the error without the topology, which the message has
// anyway.
func withoutTopology(err error) error {
	var failed *sdam.SelectionError
	if errors.As(err, &failed) && failed.Cause != nil {
		return failed.Cause
	}
	return err
}
