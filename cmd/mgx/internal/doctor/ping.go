package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// farAway is a latency that every operation feels.
const farAway = 100 * time.Millisecond

// ping measures how long a server takes to answer.
func ping(ctx context.Context, w *walk, s *server) *Finding {
	if s.conn == nil {
		return find(Skipped, "ping", "there is no connection for operations")
	}
	took := make([]time.Duration, 0, w.Pings)
	for range w.Pings {
		began := time.Now()
		if _, err := w.command(ctx, s, bson.D{{Key: "ping", Value: 1}}); err != nil {
			return find(Failed, "ping.failed", "ping %d of %d: %v", len(took)+1, w.Pings, err).
				advise("the server answered before: it may have died, or be overloaded: see its log")
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	s.latency = quantile(took, 50)
	f := find(OK, "ping", "%s: half within %s, 90%% within %s, 99%% within %s, all within %s",
		screen.Count(len(took), "ping", "pings"), screen.Duration(s.latency), screen.Duration(quantile(took, 90)),
		screen.Duration(quantile(took, 99)), screen.Duration(took[len(took)-1]))
	f.fact("pings", len(took)).fact("min", took[0]).fact("p50", s.latency).fact("p90", quantile(took, 90)).
		fact("p99", quantile(took, 99)).fact("max", took[len(took)-1])
	if s.latency >= farAway {
		f.warn("ping.slow", "every operation takes this long at least: run near the server, and save round trips (bulk writes, larger batches)")
	}
	return f
}

// command runs a command on the server's own connection, within connectTimeoutMS.
func (w *walk) command(ctx context.Context, s *server, command bson.D) (bson.Raw, error) {
	ctx, cancel := w.attempt(ctx)
	defer cancel()
	return call(ctx, s.conn, "admin", command)
}

// quantile returns what p percent of the sorted samples do not exceed, by the
// method of the nearest rank.
func quantile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

// How far clocks may be apart before somebody should know, and before what
// depends on them fails.
const (
	skewed  = 2 * time.Second
	refused = 5 * time.Minute // AWS's and Kerberos' limit
)

// clock compares the server's clock with this machine's.
func clock(ctx context.Context, w *walk, s *server) *Finding {
	if s.conn == nil {
		return find(Skipped, "clock", "there is no connection for operations")
	}
	var skew, within time.Duration
	for i := range 3 {
		began := time.Now()
		reply, err := w.command(ctx, s, bson.D{{Key: "hello", Value: 1}})
		took := time.Since(began)
		if err != nil {
			return find(Failed, "clock.failed", "%v", err).advise("the server answered before: it may have died, or be overloaded: see its log")
		}
		at, ok := reply.Lookup("localTime").TimeOK()
		if !ok {
			return find(Skipped, "clock", "the server does not tell its time")
		}
		// The fastest exchange is the most exact one.
		if i == 0 || took/2 < within {
			skew, within = at.Sub(began.Add(took/2)), took/2
		}
	}
	within += time.Millisecond // the server tells no less
	f := find(OK, "clock", "%s, ±%s", apart(skew, within), screen.Duration(within)).fact("skew", skew).fact("within", within)
	if skew.Abs()-within < skewed {
		return f
	}
	f.warn("clock.skewed", "set both clocks by NTP (chronyc tracking, timedatectl): times that programs write and compare are wrong by as much")
	if skew.Abs() >= refused {
		f.advise("certificates, AWS signatures and OIDC tokens are refused when clocks are this far apart")
	}
	return f
}

func apart(skew, within time.Duration) string {
	switch {
	case skew.Abs() <= within:
		return "no difference to this machine's clock"
	case skew > 0:
		return fmt.Sprintf("%s ahead of this machine's clock", long(skew))
	}
	return fmt.Sprintf("%s behind this machine's clock", long(-skew))
}

// long writes durations that may be long.
func long(d time.Duration) string {
	if d < time.Minute {
		return screen.Duration(d)
	}
	return d.Round(time.Second).String()
}
