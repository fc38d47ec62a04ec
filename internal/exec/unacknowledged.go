package exec

import (
	"fmt"

	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// NotWritableError is an unacknowledged write that was not sent: its server is known
// not to take writes, and could not have said so.
type NotWritableError struct {
	Address string
	Kind    sdam.ServerKind
}

func (e *NotWritableError) Error() string {
	return fmt.Sprintf("%s is %v, not a primary: the unacknowledged write was not sent", e.Address, e.Kind)
}

// Categories implements fault.Categorized. They are those of the server's own word.
func (e *NotWritableError) Categories() []error {
	return []error{fault.ErrNotPrimary, fault.ErrAutoReconnect}
}

// writable looks whether a server takes the write whose loss nobody would hear of.
// What is known of the server may have changed since it was selected.
func (r *run) writable(server *Server) (*failedAttempt, error) {
	if r.op.acknowledged() {
		return nil, nil
	}
	kind := sdam.Unknown
	if desc := server.Description(); desc != nil {
		kind = desc.Kind
	}
	switch kind {
	case sdam.RSPrimary, sdam.Standalone, sdam.Mongos, sdam.LoadBalancer:
		return nil, nil
	}
	err := &NotWritableError{Address: server.Address(), Kind: kind}
	if kind.Available() && r.x.Topology.Kind() == sdam.Single {
		return nil, err // there is no other
	}
	// As if its pool had been cleared in time: another server may be the primary.
	return &failedAttempt{pool: true}, err
}
