package topology

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mgxdb/mgx/internal/pool"
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
	if t.cfg.SelectionLog.Debug() {
		return t.selectLogged(ctx, q)
	}
	v := t.view.Load()
	if s, err := t.pick(v, q); s != nil || err != nil {
		return s, err
	}
	t.logWaiting(ctx, q, v)
	return t.await(ctx, q, v, never)
}

// SelectOnce is Select for who would rather hear that no server is there: it waits
// only until each was checked once more, which a monitor may put off for
// minHeartbeatFrequencyMS. What it finds goes into no log.
func (t *Topology[C]) SelectOnce(ctx context.Context, q *sdam.Selection) (*Server[C], error) {
	v := t.view.Load()
	if s, err := t.pick(v, q); s != nil || err != nil {
		return s, err
	}
	return t.await(ctx, q, v, v.checkedIn)
}

// never lets a selection wait as long as it may.
func never[C pool.Conn](*view[C]) bool { return false }

var errChecked = errors.New("each server was checked once")

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

// await waits for a view that has a suitable server, or for one that is enough.
func (t *Topology[C]) await(ctx context.Context, q *sdam.Selection, v *view[C],
	enough func(*view[C]) bool) (*Server[C], error) {
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
		if cause == nil {
			if s, err := t.pick(v, q); s != nil || err != nil {
				return s, err
			}
			if enough(v) {
				cause = errChecked
			}
		}
		if cause != nil {
			return nil, &sdam.SelectionError{
				Topology: v.topology, Wanted: q.String(), Waited: time.Since(start), Cause: cause,
				Outage: t.met.Load() && q.Hindered(v.topology),
			}
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
