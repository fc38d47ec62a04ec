package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/mgxdb/mgx/internal/sdam"
)

// members discovers the deployment as the client does, and goes the way so far
// again for each server that others name.
func members(ctx context.Context, w *walk) []*Finding {
	settings := w.resolved.Deployment()
	switch {
	case settings.LoadBalanced:
		return []*Finding{find(Skipped, "members", "what is behind a load balancer is its own affair")}
	case settings.Direct:
		return []*Finding{find(Skipped, "members", "directConnection=true: others than this server are not looked for")}
	}
	var findings []*Finding
	for {
		w.topology = w.discover()
		named := w.unexamined()
		if len(named) == 0 {
			break
		}
		findings = append(findings, approach(ctx, w, named)...)
	}
	findings = append(findings, w.leave()...)
	if len(findings) == 0 {
		return []*Finding{find(OK, "members", "%s", shape(w.topology))}
	}
	return append([]*Finding{find(OK, "members", "%s", shape(w.topology))}, findings...)
}

// discover makes the topology of what all servers said so far.
func (w *walk) discover() *sdam.Topology {
	t := sdam.NewTopology(w.resolved.Deployment())
	for _, s := range w.servers {
		if s.desc != nil {
			t = t.Apply(described(t, s))
		}
	}
	return t
}

// described is what the server says of itself. What is behind a load balancer
// counts as the balancer.
func described(t *sdam.Topology, s *server) *sdam.Server {
	if t.Kind == sdam.LoadBalanced {
		return sdam.LoadBalancerServer(s.address)
	}
	d := *s.desc
	d.RTT, d.LastUpdate = s.latency, time.Now()
	return &d
}

// unexamined are the servers that others name and that were not examined yet.
func (w *walk) unexamined() []*server {
	var named []*server
	for _, d := range w.topology.Servers {
		if w.server(d.Address) == nil {
			named = append(named, &server{address: d.Address, origin: w.whoNames(d.Address)})
		}
	}
	w.servers = append(w.servers, named...)
	return named
}

func (w *walk) whoNames(address string) string {
	for _, s := range w.servers {
		if s.desc != nil && s.desc.HasMember(address) {
			return s.address
		}
	}
	return "another member"
}

// approach goes the way up to the hello for servers that others name.
func approach(ctx context.Context, w *walk, named []*server) []*Finding {
	findings := make([]*Finding, len(named))
	var wg sync.WaitGroup
	for i, s := range named {
		wg.Go(func() {
			for _, c := range []check{lookup, dial, secure, greet} {
				if findings[i] = c.examine(ctx, w, s); s.stopped != nil {
					break
				}
			}
		})
	}
	wg.Wait()
	for i, f := range findings {
		s := named[i]
		f.detail("%s names it", s.origin)
		if f.Verdict == Failed {
			f.advise("clients use the addresses of the set's configuration, not those of the connection string: each must be known and reachable from here").
				advise("have the names added to DNS or /etc/hosts, or the configuration changed (rs.reconfig()); to talk to one server alone, add directConnection=true")
		}
	}
	return findings
}

// leave stops at servers that the client would not use.
func (w *walk) leave() []*Finding {
	var findings []*Finding
	for _, r := range w.topology.Removed {
		s := w.server(r.Address)
		if s == nil || s.stopped != nil || w.topology.Server(r.Address) != nil {
			continue
		}
		f := find(Warning, "members.leftOut", "clients leave it out: %s", r.Reason).on(s)
		if me := s.desc.CanonicalAddress; me != "" && me != s.address {
			f.advise("write %s in the connection string", me)
		} else {
			f.advise("take it out of the connection string")
		}
		s.stopped = f
		findings = append(findings, f)
	}
	return findings
}

// shape describes the deployment.
func shape(t *sdam.Topology) string {
	var all []string
	for _, d := range t.Servers {
		if d.Kind == sdam.Unknown || d.Kind == sdam.PossiblePrimary {
			all = append(all, d.Address+" (unknown)")
		} else {
			all = append(all, d.Address+" ("+d.Kind.String()+")")
		}
	}
	what := map[sdam.TopologyKind]string{
		sdam.Single: "one server", sdam.Sharded: "a sharded cluster",
		sdam.ReplicaSetWithPrimary: "the replica set " + t.SetName, sdam.ReplicaSetNoPrimary: "the replica set " + t.SetName + ", without a primary",
	}[t.Kind]
	if what == "" {
		what = "a deployment of unknown kind"
	}
	return what + ": " + list(all)
}
