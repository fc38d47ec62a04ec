package mgx

import (
	"cmp"
	"slices"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/topology"
)

// Stats is what a client is doing.
type Stats struct {
	// Pools are the connection pools, in the order of their servers' addresses.
	Pools []PoolStats
	// IdleSessions are the server sessions that wait to be used again.
	IdleSessions int
	// OpenCursors are the cursors that are open on a server.
	OpenCursors int
}

// PoolStats is what the connection pool of one server is doing.
type PoolStats struct {
	Address string // of the server
	Total   int    // connections, in whichever state
	InUse   int    // lent to an operation, a cursor or a request
	Idle    int    // free
	Pending int    // being established
	// Draining are connections that wait for the late reply to an operation that was
	// cut off.
	Draining int
	// Waiting are the operations that wait for a connection.
	Waiting int
	// Generation counts how often the pool was cleared.
	Generation uint64
}

// Stats returns what the client is doing, as of now. It does no I/O, and is cheap
// enough to be asked for every second.
func (c *Client) Stats() Stats {
	s := Stats{IdleSessions: c.exec.Sessions.Len(), OpenCursors: c.cursors.Len()}
	for _, server := range c.topology.Servers() {
		p := server.Pool().Stats()
		s.Pools = append(s.Pools, PoolStats{
			Address: server.Address(), Total: p.Total, InUse: p.InUse, Idle: p.Idle, Pending: p.Pending,
			Draining: p.Draining, Waiting: p.Waiting, Generation: p.Generation,
		})
	}
	slices.SortFunc(s.Pools, func(a, b PoolStats) int { return cmp.Compare(a.Address, b.Address) })
	return s
}

// Topology returns what the client knows of its deployment, as of now: the same
// description as in an event.TopologyDescriptionChanged. It does no I/O. The
// description shares slices and maps with the client, so do not change them.
func (c *Client) Topology() event.TopologyDescription {
	return topology.DescribeTopology(c.topology.Description())
}
