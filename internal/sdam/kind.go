package sdam

// ServerKind is what a server is, as its last hello reply told.
type ServerKind uint8

// The kinds of server.
const (
	// Unknown is a server that was not reached yet, or whose last check failed.
	Unknown ServerKind = iota
	// Standalone is a mongod that belongs to no replica set.
	Standalone
	// Mongos is a router of a sharded cluster.
	Mongos
	// PossiblePrimary is a server that was not checked yet and that another
	// member takes for the primary. It is treated like Unknown.
	PossiblePrimary
	// RSPrimary is a replica set's writable primary.
	RSPrimary
	// RSSecondary is a replica set's readable secondary.
	RSSecondary
	// RSArbiter is a replica set member that votes and holds no data.
	RSArbiter
	// RSOther is a replica set member that cannot be queried now: hidden,
	// starting up, recovering.
	RSOther
	// RSGhost is a mongod started for a replica set that has no configuration,
	// or was removed from it.
	RSGhost
	// LoadBalancer is the one server of a load-balanced deployment. It is never
	// monitored.
	LoadBalancer
)

var serverKindNames = [...]string{
	Unknown:         "Unknown",
	Standalone:      "Standalone",
	Mongos:          "Mongos",
	PossiblePrimary: "PossiblePrimary",
	RSPrimary:       "RSPrimary",
	RSSecondary:     "RSSecondary",
	RSArbiter:       "RSArbiter",
	RSOther:         "RSOther",
	RSGhost:         "RSGhost",
	LoadBalancer:    "LoadBalancer",
}

// String returns the specification's name of the kind.
func (k ServerKind) String() string {
	if int(k) < len(serverKindNames) {
		return serverKindNames[k]
	}
	return "Unknown"
}

// DataBearing reports whether a server of this kind can serve application data.
func (k ServerKind) DataBearing() bool {
	switch k {
	case Standalone, Mongos, RSPrimary, RSSecondary, LoadBalancer:
		return true
	default:
		return false
	}
}

// Available reports whether a server of this kind answered its last check.
func (k ServerKind) Available() bool { return k != Unknown && k != PossiblePrimary }

// TopologyKind is the shape of a deployment.
type TopologyKind uint8

// The kinds of topology.
const (
	// TopologyUnknown is a deployment whose shape was not discovered yet.
	TopologyUnknown TopologyKind = iota
	// Single is one server, connected to directly.
	Single
	// ReplicaSetNoPrimary is a replica set without a known primary.
	ReplicaSetNoPrimary
	// ReplicaSetWithPrimary is a replica set with a known primary.
	ReplicaSetWithPrimary
	// Sharded is a set of mongos routers.
	Sharded
	// LoadBalanced is a deployment behind one load balancer.
	LoadBalanced
)

var topologyKindNames = [...]string{
	TopologyUnknown:       "Unknown",
	Single:                "Single",
	ReplicaSetNoPrimary:   "ReplicaSetNoPrimary",
	ReplicaSetWithPrimary: "ReplicaSetWithPrimary",
	Sharded:               "Sharded",
	LoadBalanced:          "LoadBalanced",
}

// String returns the specification's name of the kind.
func (k TopologyKind) String() string {
	if int(k) < len(topologyKindNames) {
		return topologyKindNames[k]
	}
	return "Unknown"
}
