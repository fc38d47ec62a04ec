package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// selection says to which servers operations would go.
func selection(_ context.Context, w *walk) []*Finding {
	t := w.usable()
	reads := w.resolved.Reads()
	writes := *reads
	writes.Write = true
	forReads, err := reads.Candidates(t, nil)
	if err != nil {
		return []*Finding{find(Failed, "selection.invalid", "%v", err).advise("correct the connection string, or update the servers that it names")}
	}
	forWrites, _ := writes.Candidates(t, nil) // as above
	forWrites = slices.DeleteFunc(forWrites, func(s *sdam.Server) bool { return !writable(s) })
	forReads = slices.DeleteFunc(forReads, func(s *sdam.Server) bool { return !s.DataBearing() })

	f := find(OK, "selection", "writes go to %s, reads (%s) to %s", none(names(forWrites)), preferred(reads), none(names(forReads)))
	f.fact("writes", addresses(forWrites)).fact("reads", addresses(forReads)).fact("readPreference", preferred(reads))
	switch {
	case len(forReads) == 0 && len(forWrites) == 0:
		f.refuse("selection.none", "no server takes operations: %s", shape(t))
	case len(forReads) == 0:
		f.refuse("selection.noReads", "no server takes reads with the read preference %s", preferred(reads))
	case len(forWrites) == 0:
		f.Code, f.Verdict = "selection.noWrites", Warning
	default:
		return []*Finding{f}
	}
	return []*Finding{w.adviseOnSelection(f, t, len(forWrites) == 0)}
}

func (w *walk) adviseOnSelection(f *Finding, t *sdam.Topology, noWrites bool) *Finding {
	preference := w.options.ReadPreference
	secondaries := slices.ContainsFunc(t.Servers, func(s *sdam.Server) bool { return s.Kind == sdam.RSSecondary })
	switch {
	case t.Kind == sdam.Single && t.Servers[0].Kind == sdam.RSSecondary:
		f.advise("it is a secondary and refuses writes: leave directConnection=true away, and clients find the primary")
	case t.Kind == sdam.Single:
		f.advise("it holds no data for clients: leave directConnection=true away and name another member")
	case noWrites && t.Kind == sdam.ReplicaSetNoPrimary:
		f.advise("the set has no primary that can be reached: an election may be under way, or too few members be up for one (rs.status() on a member)")
	}
	if f.Verdict == Failed && secondaries {
		f.advise("reads that may be old can go to secondaries: readPreference=secondaryPreferred")
	}
	if len(preference.TagSets) > 0 {
		f.advise("readPreferenceTags must match the tags of a member: %s", none(tags(t)))
	}
	if len(f.Advice) == 0 {
		f.advise("the servers above say why: none of them can be used for this")
	}
	return f
}

// preferred writes a read preference, in short where it is short.
func preferred(s *sdam.Selection) string {
	if p := s.ReadPreference; len(p.TagSets) > 0 || p.MaxStaleness > 0 {
		return p.String()
	}
	return s.ReadPreference.Mode.String()
}

func tags(t *sdam.Topology) string {
	var all []string
	for _, s := range t.Servers {
		if len(s.Tags) > 0 {
			all = append(all, fmt.Sprintf("%s has %v", s.Address, s.Tags))
		}
	}
	return list(all)
}

// usable is the deployment as a client would see it, with servers that operations
// cannot use unknown.
func (w *walk) usable() *sdam.Topology {
	t := w.discover()
	for _, s := range w.servers {
		if s.stopped != nil && s.desc != nil && s.stopped.Verdict == Failed && s.desc.MaxWireVersion >= wireversion.Min {
			t = t.Apply(sdam.DefaultServer(s.address, errors.New(s.stopped.Message)))
		}
	}
	return t
}

func writable(s *sdam.Server) bool {
	switch s.Kind {
	case sdam.Standalone, sdam.Mongos, sdam.RSPrimary, sdam.LoadBalancer:
		return true
	}
	return false
}

func addresses(servers []*sdam.Server) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.Address
	}
	return all
}

func names(servers []*sdam.Server) string { return list(addresses(servers)) }

// pool says what connections a client would keep and open.
func pool(ctx context.Context, w *walk) []*Finding {
	o := w.options
	servers := slices.DeleteFunc(w.going(), func(s *server) bool { return s.conn == nil })
	if len(servers) == 0 {
		return []*Finding{find(Skipped, "pool", "no server has connections for operations")}
	}
	slowest := slices.MaxFunc(servers, func(a, b *server) int { return cmp.Compare(a.opened, b.opened) })
	size, connecting := *o.MaxPoolSize, o.MaxConnecting
	f := find(OK, "pool", "").fact("maxPoolSize", size).fact("minPoolSize", o.MinPoolSize).fact("maxConnecting", connecting).
		fact("servers", len(servers)).fact("opening", slowest.opened)
	limit := "any number of connections"
	if size > 0 {
		limit = "up to " + screen.Count(size, "connection", "connections")
	}
	to := "the server"
	if len(servers) > 1 {
		to = fmt.Sprintf("each of %d servers", len(servers))
	}
	f.Message = fmt.Sprintf("%s to %s (maxPoolSize), %d kept open (minPoolSize)", limit, to, o.MinPoolSize)
	f.detail("%d opened at a time (maxConnecting), %s each: a burst that needs %d at once waits about %s",
		connecting, screen.Duration(slowest.opened), burst(size), screen.Duration(slowest.opened*time.Duration((burst(size)+connecting-1)/connecting)))
	if o.WaitQueueTimeout > 0 {
		f.detail("an operation waits at most %s for a free one (waitQueueTimeoutMS)", screen.Duration(o.WaitQueueTimeout))
	} else {
		f.detail("an operation waits for a free one as long as its context lasts")
	}
	w.roomFor(ctx, f, servers, size)
	if files := openFiles(); files > 0 && size > 0 && size*len(servers) > files {
		f.warn("pool.files", "this user's processes may open %s files, fewer than %s connections: raise the limit (ulimit -n) or lower maxPoolSize",
			screen.Number(files), screen.Number(size*len(servers)))
	}
	return []*Finding{f}
}

// burst is how many connections the example asks for at once.
func burst(size int) int {
	if size == 0 {
		return 100
	}
	return size
}

// roomFor compares the pool with how many connections the servers have left, if
// they tell this user.
func (w *walk) roomFor(ctx context.Context, f *Finding, servers []*server, size int) {
	for _, s := range servers {
		reply, err := w.command(ctx, s, bson.D{{Key: "serverStatus", Value: 1}})
		if err != nil {
			continue // not every user may ask
		}
		left, ok := reply.Lookup("connections", "available").AsInt64OK()
		if !ok {
			continue
		}
		used, _ := reply.Lookup("connections", "current").AsInt64OK()
		f.detail("%s has %s open and room for %s more", s.address, screen.Number(int(used)), screen.Number(int(left)))
		if size > 0 && int64(size) > left {
			f.warn("pool.serverFull", "%s has room for fewer connections than maxPoolSize: lower it, or raise the server's net.maxIncomingConnections", s.address)
		}
	}
}
