package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/mgxdb/mgx/internal/sdam"
)

// ErrSelectionTimeout is why a selection fails that found no server within the
// configured time.
var ErrSelectionTimeout = errors.New("serverSelectionTimeoutMS has passed")

// Select finds a server for an operation. While none suits it waits, at most for
// the selection timeout and until ctx is done, and has all servers checked every
// 500 ms.
//
// An error is [ErrClosed], or a [*sdam.SelectionError] whose cause is
// [ErrSelectionTimeout], the error of ctx, or why waiting does not help.
func (t *Topology[C]) Select(ctx context.Context, q *sdam.Selection) (*Server[C], error) {
	if t.logsSelection() {
		return t.selectLogged(ctx, q)
	}
	v := t.view.Load()
	if s, err := t.pick(v, q); s != nil || err != nil {
		return s, err
	}
	return t.await(ctx, q, v)
}

// pick finds a server in v; nil if there is none, and an error if waiting is of
// no use.
func (t *Topology[C]) pick(v *view[C], q *sdam.Selection) (*Server[C], error) {
	var buf [16]*sdam.Server
	candidates, err := q.Candidates(v.topology, buf[:0])
	if err != nil {
		return nil, &sdam.SelectionError{Topology: v.topology, Wanted: q.String(), Cause: err}
	}
	if len(candidates) == 0 {
		return nil, t.hopeless(v, q)
	}
	return v.server(sdam.Choose(candidates, rand.IntN, v.load)), nil
}

// hopeless returns an error if no check can bring a server.
func (t *Topology[C]) hopeless(v *view[C], q *sdam.Selection) error {
	switch {
	case v.closed:
		return ErrClosed
	case len(v.topology.Servers) == 0 && t.cfg.SRV == nil:
		return &sdam.SelectionError{Topology: v.topology, Wanted: q.String(), Cause: errNoServerLeft}
	default:
		return nil
	}
}

var errNoServerLeft = errors.New("none of the given servers is part of the deployment: check host names and the replicaSet option")

// load is the number of operations that a server is busy with.
func (v *view[C]) load(desc *sdam.Server) int64 {
	stats := v.server(desc).pool.Stats()
	return int64(stats.InUse + stats.Waiting)
}

// await waits for a view that has a suitable server.
func (t *Topology[C]) await(ctx context.Context, q *sdam.Selection, v *view[C]) (*Server[C], error) {
	start := time.Now()
	var expired <-chan time.Time
	if t.cfg.SelectionTimeout > 0 {
		timer := time.NewTimer(t.cfg.SelectionTimeout)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		for _, s := range v.servers {
			s.requestCheck()
		}
		var cause error
		select {
		case <-v.changed:
		case <-expired:
			cause = ErrSelectionTimeout
		case <-ctx.Done():
			cause = contextError(ctx)
		}
		v = t.view.Load()
		if cause != nil {
			return nil, &sdam.SelectionError{Topology: v.topology, Wanted: q.String(), Waited: time.Since(start), Cause: cause}
		}
		if s, err := t.pick(v, q); s != nil || err != nil {
			return s, err
		}
	}
}

// contextError is the error of a context that is done, with the cause that its
// owner gave.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func (t *Topology[C]) logsSelection() bool {
	return t.cfg.SelectionLog != nil && t.cfg.SelectionLog.Enabled(context.Background(), slog.LevelInfo)
}

// selectLogged is Select with the messages of the specification.
func (t *Topology[C]) selectLogged(ctx context.Context, q *sdam.Selection) (*Server[C], error) {
	log := t.cfg.SelectionLog.With(slog.String("selector", q.String()), slog.String("operation", q.Operation))
	if q.OperationID != 0 {
		log = log.With(slog.Int64("operationId", q.OperationID))
	}
	v := t.view.Load()
	log.DebugContext(ctx, "Server selection started", topologyAttr(v.topology))
	s, err := t.pick(v, q)
	if s == nil && err == nil {
		attrs := []any{topologyAttr(v.topology)}
		if left, ok := t.selectionTime(ctx); ok {
			attrs = append(attrs, slog.Int64("remainingTimeMS", left.Milliseconds()))
		}
		log.InfoContext(ctx, "Waiting for suitable server to become available", attrs...)
		s, err = t.await(ctx, q, v)
	}
	v = t.view.Load()
	if err != nil {
		log.DebugContext(ctx, "Server selection failed", topologyAttr(v.topology), slog.String("failure", failureText(err)))
		return nil, err
	}
	log.DebugContext(ctx, "Server selection succeeded", append([]any{topologyAttr(v.topology)}, addressAttrs(s.address)...)...)
	return s, nil
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

// failureText is the error without the topology, which the message has anyway.
func failureText(err error) string {
	var failed *sdam.SelectionError
	if errors.As(err, &failed) && failed.Cause != nil {
		return failed.Cause.Error()
	}
	return err.Error()
}
