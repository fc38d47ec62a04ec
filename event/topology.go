package event

import (
	"slices"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// TopologyEvent is one event of the discovery and monitoring of a deployment, as
// the Server Discovery and Monitoring specification defines them:
//
//	TopologyOpening                  the client was connected
//	  TopologyDescriptionChanged     the seeds are known
//	  ServerOpening                  one for each server
//	    ServerHeartbeatStarted       a check …
//	    ServerHeartbeatSucceeded     … or ServerHeartbeatFailed
//	  ServerDescriptionChanged       what the check told
//	  ServerClosed                   a server left the deployment
//	  TopologyDescriptionChanged
//	TopologyClosed                   the client was closed; the last event
//
// The set of implementations is closed: TopologyOpening,
// TopologyDescriptionChanged, TopologyClosed, ServerOpening,
// ServerDescriptionChanged, ServerClosed, ServerHeartbeatStarted,
// ServerHeartbeatSucceeded and ServerHeartbeatFailed, each as a value (not a
// pointer). Descriptions are snapshots; they share slices and maps with the
// client, so do not change them.
//
// A handler gets the events of one client one after the other, in the order in
// which things happened, and is never called twice at a time. It runs on a
// goroutine of its own: a slow handler delays the events that follow and nothing
// else. When 10,000 wait, further ones are lost, which is logged. A handler that
// panics breaks nothing: the panic is logged through log/slog's default logger.
// Closing the client delivers what is left, as long as that takes no more than a
// second.
type TopologyEvent interface{ topologyEvent() }

// TopologyOpening tells that a client begins to discover its deployment.
type TopologyOpening struct {
	TopologyID bson.ObjectID
}

// TopologyDescriptionChanged tells that the client's view of the deployment
// changed. The first has an empty description of kind Unknown as the previous
// one, and so has the last as the new one.
type TopologyDescriptionChanged struct {
	TopologyID bson.ObjectID
	Previous   TopologyDescription
	New        TopologyDescription
}

// TopologyClosed tells that a client let go of its deployment.
type TopologyClosed struct {
	TopologyID bson.ObjectID
}

// ServerOpening tells that a server became part of the deployment. It is not
// connected to yet.
type ServerOpening struct {
	Address    string // host:port, or the path of a Unix socket
	TopologyID bson.ObjectID
}

// ServerDescriptionChanged tells that something about a server changed, other
// than its round trip time.
type ServerDescriptionChanged struct {
	Address    string
	TopologyID bson.ObjectID
	Previous   ServerDescription
	New        ServerDescription
}

// ServerClosed tells that a server is no longer part of the deployment, or that
// the client is being closed.
type ServerClosed struct {
	Address    string
	TopologyID bson.ObjectID
}

// ServerHeartbeatStarted tells that a check of a server begins. Exactly one
// ServerHeartbeatSucceeded or ServerHeartbeatFailed follows.
type ServerHeartbeatStarted struct {
	Address    string
	TopologyID bson.ObjectID
	// ConnectionID is the client's number for the monitoring connection.
	ConnectionID int64
	// ServerConnectionID is the server's number for it, 0 when not known.
	ServerConnectionID int64
	// Awaited tells that the server answers when something changes, or after
	// heartbeatFrequencyMS.
	Awaited bool
}

// ServerHeartbeatSucceeded tells that a check was answered.
type ServerHeartbeatSucceeded struct {
	Address            string
	TopologyID         bson.ObjectID
	ConnectionID       int64
	ServerConnectionID int64
	Awaited            bool
	// Duration is the time to the answer; the round trip time if not Awaited.
	Duration time.Duration
	// Reply is the whole answer.
	Reply bson.Raw
}

// ServerHeartbeatFailed tells that a check was not answered, or with an error,
// or was broken off.
type ServerHeartbeatFailed struct {
	Address            string
	TopologyID         bson.ObjectID
	ConnectionID       int64
	ServerConnectionID int64
	Awaited            bool
	Duration           time.Duration
	Err                error
}

func (TopologyOpening) topologyEvent()            {}
func (TopologyDescriptionChanged) topologyEvent() {}
func (TopologyClosed) topologyEvent()             {}
func (ServerOpening) topologyEvent()              {}
func (ServerDescriptionChanged) topologyEvent()   {}
func (ServerClosed) topologyEvent()               {}
func (ServerHeartbeatStarted) topologyEvent()     {}
func (ServerHeartbeatSucceeded) topologyEvent()   {}
func (ServerHeartbeatFailed) topologyEvent()      {}

// ServerDescription is what a client knows of one server.
type ServerDescription struct {
	Address string
	// Kind is the specification's name: Unknown, Standalone, Mongos, RSPrimary,
	// RSSecondary, RSArbiter, RSOther, RSGhost or LoadBalancer.
	Kind string
	// Err is why the server is Unknown, if it was tried.
	Err error

	RTT, MinRTT                    time.Duration // 0 when not measured
	MinWireVersion, MaxWireVersion int32

	CanonicalAddress          string   // the server's own name for itself ("me")
	Hosts, Passives, Arbiters []string // the members it knows of
	Primary                   string   // the member it takes for the primary
	Tags                      map[string]string
	SetName                   string
	SetVersion                *int64
	ElectionID                *bson.ObjectID
	LastWrite                 time.Time // of the primary, as far as this server has followed
	LastUpdate                time.Time // of this description
	SessionTimeoutMinutes     *int64    // nil: no sessions
}

// TopologyDescription is what a client knows of its deployment.
type TopologyDescription struct {
	// Kind is the specification's name: Unknown, Single, ReplicaSetNoPrimary,
	// ReplicaSetWithPrimary, Sharded or LoadBalanced.
	Kind                  string
	SetName               string
	Servers               []ServerDescription
	MaxElectionID         *bson.ObjectID
	MaxSetVersion         *int64
	SessionTimeoutMinutes *int64
	// CompatibilityError tells which server this version of mgx cannot talk to;
	// nil if it can to all.
	CompatibilityError error
}

// HasWritableServer reports whether an operation that writes would find a server
// now.
func (d TopologyDescription) HasWritableServer() bool {
	return d.has(func(s ServerDescription) bool { return s.Kind == "RSPrimary" })
}

// HasReadableServer reports whether a read would find a server now. The mode is
// the read preference's: primary, primaryPreferred, secondary,
// secondaryPreferred or nearest, and empty for primary. The tag sets are tried in
// order; none match every server. An unknown mode finds nothing.
func (d TopologyDescription) HasReadableServer(mode string, tagSets ...map[string]string) bool {
	primary := func(s ServerDescription) bool { return s.Kind == "RSPrimary" }
	secondary := func(s ServerDescription) bool { return s.Kind == "RSSecondary" && s.hasTags(tagSets) }
	switch mode {
	case "", "primary":
		return d.has(primary)
	case "secondary":
		return d.has(secondary)
	case "primaryPreferred", "secondaryPreferred":
		return d.has(primary) || d.has(secondary)
	case "nearest":
		return d.has(func(s ServerDescription) bool { return secondary(s) || primary(s) && s.hasTags(tagSets) })
	}
	return false
}

// has reports whether there is a server that takes an operation: in a replica set, a
// member of the right kind.
func (d TopologyDescription) has(member func(ServerDescription) bool) bool {
	return slices.ContainsFunc(d.Servers, func(s ServerDescription) bool {
		switch d.Kind {
		case "Single":
			return s.Kind != "Unknown"
		case "Sharded":
			return s.Kind == "Mongos"
		case "LoadBalanced":
			return s.Kind == "LoadBalancer"
		case "ReplicaSetNoPrimary", "ReplicaSetWithPrimary":
			return member(s)
		}
		return false
	})
}

// hasTags reports whether the server has all tags of one of the sets. Without sets, it
// need not have any.
func (s ServerDescription) hasTags(sets []map[string]string) bool {
	return len(sets) == 0 || slices.ContainsFunc(sets, func(set map[string]string) bool {
		for name, value := range set {
			if own, ok := s.Tags[name]; !ok || own != value {
				return false
			}
		}
		return true
	})
}
