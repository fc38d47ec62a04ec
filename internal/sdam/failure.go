package sdam

import (
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// FailureClass is the part of an exchange that failed.
type FailureClass uint8

// The classes of failure.
const (
	// CommandFailure is an error that the server replied, a write concern error
	// included.
	CommandFailure FailureClass = iota
	// NetworkFailure is an error of the connection other than a timeout.
	NetworkFailure
	// TimeoutFailure is a connection that did not answer in time.
	TimeoutFailure
	// AuthFailure is an authentication that did not succeed.
	AuthFailure
)

// Failure is what an operation, or the connection it wanted, ran into.
type Failure struct {
	// Err is the error itself; it becomes the server's last error.
	Err   error
	Class FailureClass
	// HandshakeDone reports whether the connection was ready for operations:
	// established, and authenticated if needed.
	HandshakeDone bool
	// Overloaded reports whether the error carries the label SystemOverloadedError:
	// the server had no room for the new connection. It counts only before the
	// handshake is done.
	Overloaded bool
	// Proven reports whether the pool has other connections that are authenticated, and
	// that nothing speaks against.
	Proven bool
	// Generation is the pool's generation when the connection was created.
	Generation uint64
	// MaxWireVersion is the one the connection's own handshake reported; 0
	// before that.
	MaxWireVersion int32
	// ServiceID is the service behind a load balancer that the connection talks
	// to; nil elsewhere, and before the hello reply told it.
	ServiceID *bson.ObjectID

	// Code, Message and TopologyVersion are from the server's reply; 0, "" and
	// nil where it has none.
	Code            int32
	Message         string
	TopologyVersion *TopologyVersion
}

// Decision is what to do about a failure. The zero value is: nothing.
type Decision struct {
	// Unknown replaces the server's description, through Apply; nil keeps it.
	Unknown *Server
	// ClearPool advances the generation of the server's pool (behind a load
	// balancer, of the service's part of it). It must happen in one step with the
	// replacement.
	ClearPool bool
	// Interrupt also closes the connections that are in use.
	Interrupt bool
	// CancelCheck ends the check that is under way, and its connection.
	CancelCheck bool
	// RequestCheck asks the monitor to check the server now, or as soon as it may.
	RequestCheck bool
}

// OnError decides what an operation's failure means for the server it used.
// generation is the pool's present one. Failures on connections of an earlier
// generation, and replies that tell of a state the client already knows, change
// nothing.
func OnError(topology TopologyKind, s *Server, generation uint64, f *Failure) Decision {
	if f.Generation < generation {
		return Decision{}
	}
	// The specification would have the pool cleared here, too. But where passwords
	// are changed, the connections that are open still work, and throwing them away
	// would make an outage of it.
	if f.Class == AuthFailure && f.Proven {
		return Decision{}
	}
	if f.Overloaded && !f.HandshakeDone {
		// It may be gone as well as busy, which a check tells.
		return Decision{RequestCheck: topology != LoadBalanced}
	}
	if f.Class == CommandFailure && fault.IsStateChange(f.Code, f.Message) {
		return onStateChange(topology, s, f)
	}
	if f.HandshakeDone && f.Class != NetworkFailure {
		return Decision{}
	}
	if topology == LoadBalanced {
		return Decision{ClearPool: f.ServiceID != nil}
	}
	return Decision{Unknown: DefaultServer(s.Address, f.Err), ClearPool: true, CancelCheck: true}
}

func onStateChange(topology TopologyKind, s *Server, f *Failure) Decision {
	if s.TopologyVersion.Compare(f.TopologyVersion) >= 0 {
		return Decision{}
	}
	clear := fault.IsShuttingDown(f.Code) || f.MaxWireVersion < wireversion.KeepsConnections
	if topology == LoadBalanced {
		return Decision{ClearPool: clear && f.ServiceID != nil}
	}
	unknown := DefaultServer(s.Address, f.Err)
	unknown.TopologyVersion = f.TopologyVersion
	return Decision{Unknown: unknown, ClearPool: clear, RequestCheck: true}
}

// OnCheckFailure decides what a monitor's failed check means: the server is
// Unknown and its pool is cleared, connections in use included if it did not
// answer in time. RequestCheck tells to check again at once, which is right when
// the connection broke under a server that was well before.
func OnCheckFailure(previous *Server, err error, class FailureClass) Decision {
	network := class == NetworkFailure || class == TimeoutFailure
	return Decision{
		Unknown:      DefaultServer(previous.Address, err),
		ClearPool:    true,
		Interrupt:    class == TimeoutFailure,
		RequestCheck: network && previous.Kind.Available(),
	}
}

// String returns the class in words.
func (c FailureClass) String() string {
	switch c {
	case CommandFailure:
		return "command failure"
	case NetworkFailure:
		return "network failure"
	case TimeoutFailure:
		return "timeout"
	case AuthFailure:
		return "authentication failure"
	default:
		return fmt.Sprintf("FailureClass(%d)", uint8(c))
	}
}
