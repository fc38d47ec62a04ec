package topology

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/mgxdb/mgx/internal/sdam"
)

// followSRV looks the SRV records up again and again, and takes what they say
// into the topology. It ends when the deployment turns out to be of a kind that
// does not follow SRV records.
func (t *Topology[C]) followSRV(r *run) {
	interval := minRescanInterval
	for {
		timer := time.NewTimer(interval)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return
		}
		if r.ctx.Err() != nil {
			return
		}
		if kind := t.Kind(); kind != sdam.TopologyUnknown && kind != sdam.Sharded {
			return
		}
		interval = t.rescan(r)
	}
}

var errNoValidHost = errors.New("no valid host among the records")

// rescan looks the records up once and returns when to do it next.
func (t *Topology[C]) rescan(r *run) time.Duration {
	hosts, valid, err := t.cfg.SRV.Resolve(r.ctx)
	if err != nil || len(hosts) == 0 {
		if r.ctx.Err() == nil {
			if err == nil {
				err = errNoValidHost
			}
			t.cfg.Log.Log(r.ctx, slog.LevelWarn, "SRV lookup failed, the known servers are kept",
				slog.String("topologyId", r.id.Hex()), slog.Any("failure", err))
		}
		return t.cfg.HeartbeatInterval
	}
	t.mu.Lock()
	if t.run != r {
		t.mu.Unlock()
		return 0
	}
	old := t.view.Load().topology
	next := old.WithHosts(hosts, t.cfg.SRV.MaxHosts, rand.Shuffle)
	if next == old {
		t.mu.Unlock()
		return max(valid, minRescanInterval)
	}
	todo := t.publish(r, next, nil)
	t.mu.Unlock()
	t.conclude(todo)
	return max(valid, minRescanInterval)
}
