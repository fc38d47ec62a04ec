package mgx

import (
	"context"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/sdam"
)

// What a client knows of its deployment, and what is in force. None of these
// calls does I/O but Alive.

// Nodes returns the servers that the client knows: those it was given, and those
// it discovered.
func (c *Client) Nodes() []string {
	nodes := slices.Clone(c.options.Hosts)
	for _, s := range c.topology.Description().Servers {
		nodes = append(nodes, s.Address)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// String names the servers that the client knows, and nothing secret.
func (c *Client) String() string { return "mgx.Client(" + strings.Join(c.Nodes(), ",") + ")" }

// current is the server that operations go to as things are: the primary, the
// standalone server, or the nearest mongos; on a direct connection, the one there
// is. nil: none is known.
func (c *Client) current() *sdam.Server {
	t := c.topology.Description()
	if t.Kind == sdam.Single && len(t.Servers) == 1 && t.Servers[0].Kind.Available() {
		return t.Servers[0]
	}
	if p := t.Primary(); p != nil {
		return p
	}
	var best *sdam.Server
	for _, s := range t.Servers {
		if s.DataBearing() && (best == nil || s.RTT < best.RTT) {
			best = s
		}
	}
	return best
}

// Host returns the host name of the server that operations go to: the primary,
// the standalone server, the nearest mongos, or, without a primary, the nearest
// secondary. It is "" while no server is known.
func (c *Client) Host() string {
	host, _ := c.address()
	return host
}

// Port returns that server's port; 0 while no server is known, and for a Unix
// socket.
func (c *Client) Port() int {
	_, port := c.address()
	return port
}

func (c *Client) address() (host string, port int) {
	s := c.current()
	if s == nil {
		return "", 0
	}
	host, p, err := net.SplitHostPort(s.Address)
	if err != nil {
		return s.Address, 0
	}
	port, _ = strconv.Atoi(p)
	return host, port
}

// IsPrimary reports whether the server that operations go to takes writes: a
// primary, a standalone server, a mongos.
func (c *Client) IsPrimary() bool {
	s := c.current()
	if s == nil {
		return false
	}
	switch s.Kind {
	case sdam.RSPrimary, sdam.Standalone, sdam.Mongos, sdam.LoadBalancer:
		return true
	}
	return false
}

// IsMongos reports whether that server is a router of a sharded cluster, as are those
// behind a load balancer.
func (c *Client) IsMongos() bool {
	s := c.current()
	return s != nil && (s.Kind == sdam.Mongos || s.Kind == sdam.LoadBalancer)
}

// MaxPoolSize returns how many connections to each server there may be; 0 is no
// limit.
func (c *Client) MaxPoolSize() int { return *c.options.MaxPoolSize }

// MaxBSONSize returns the size in bytes of the largest document that the server
// takes: 16 MiB, unless a known server says otherwise.
func (c *Client) MaxBSONSize() int {
	if s := c.current(); s != nil {
		return int(s.MaxBSONObjectSize)
	}
	return sdam.DefaultMaxBSONObjectSize
}

// MaxMessageSize returns the size in bytes of the largest message that the server
// takes: 48,000,000, unless a known server says otherwise.
func (c *Client) MaxMessageSize() int {
	if s := c.current(); s != nil {
		return int(s.MaxMessageSizeBytes)
	}
	return sdam.DefaultMaxMessageSizeBytes
}

// AutoStartRequest reports whether contexts with affinity get a request by
// themselves: see WithAffinity.
func (c *Client) AutoStartRequest() bool { return c.options.AutoStartRequest }

// DocumentType returns the type of documents decoded into an any.
func (c *Client) DocumentType() reflect.Type {
	if t := c.options.DocumentType; t != nil {
		return t
	}
	return reflect.TypeFor[bson.D]()
}

// TimeLocation returns the location in which dates decoded into an any come as
// time.Time; nil: they come as bson.DateTime.
func (c *Client) TimeLocation() *time.Location { return c.options.TimeLocation }

// ReadPreference returns which servers answer reads, unless a handle or a call
// says otherwise.
func (c *Client) ReadPreference() ReadPreference { return c.options.ReadPreference.clone() }

// LocalThreshold returns how much slower than the nearest a server may be to get
// reads. It is the classic secondary_acceptable_latency_ms.
func (c *Client) LocalThreshold() time.Duration { return c.options.LocalThreshold }

// WriteConcern returns what writes wait for, unless a handle or a call says
// otherwise.
func (c *Client) WriteConcern() WriteConcern {
	return publicConcern(c.writeConcern.Load())
}

// SetWriteConcern changes what writes wait for, from the next one on, through
// handles that exist already too. A write concern that no server takes is an
// ErrConfiguration and changes nothing.
func (c *Client) SetWriteConcern(w WriteConcern) error {
	return c.ChangeWriteConcern(func(old *WriteConcern) { *old = w })
}

// ChangeWriteConcern changes the write concern option by option: change gets the
// present one. Changes by several goroutines do not undo each other; change may
// be called more than once.
func (c *Client) ChangeWriteConcern(change func(*WriteConcern)) error {
	for {
		old := c.writeConcern.Load()
		w := publicConcern(old)
		change(&w)
		if err := w.validate(); err != nil {
			return err
		}
		if c.writeConcern.CompareAndSwap(old, w.internal()) {
			return nil
		}
	}
}

// Alive reports whether a server is there, with as little I/O as possible: the
// request's connection, or an idle one, is looked at for a peer that has closed
// it, without sending anything. Only where there is no connection is one opened,
// and only where no server is known are the servers checked, each of them once: it
// does not wait for serverSelectionTimeoutMS. A connection found dead is replaced
// by the next operation.
func (c *Client) Alive(ctx context.Context) bool {
	op := exec.Op{Name: "alive", ReadPreference: primaryPreferred}
	o, err := c.begin(ctx, &op)
	if err != nil {
		return false
	}
	defer func() { _ = o.end(nil) }()
	if b := o.binding; b != nil && b.Request != nil {
		if alive, any := b.Request.Alive(o.ctx); any {
			return alive
		}
	}
	sel := c.exec.Selection(&op)
	server, err := c.topology.SelectOnce(o.ctx, &sel)
	if err != nil {
		return false
	}
	lease, err := server.CheckOut(o.ctx)
	if err != nil {
		return false
	}
	alive := lease.Conn().Alive()
	if !alive {
		lease.Fail(net.ErrClosed)
	}
	_ = lease.Release()
	return alive
}
