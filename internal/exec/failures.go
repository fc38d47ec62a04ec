package exec

import (
	"errors"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/sdam"
)

// dirty keeps the session from being used again: the server may be busy with it.
func (r *run) dirty() {
	if r.session != nil {
		r.session.Dirty = true
	}
}

// checkOutFailure looks at why there was no connection. The topology has heard
// of a failed dial by then.
func (r *run) checkOutFailure(server *Server, err error) *failedAttempt {
	f, ce := notConnected(err)
	if f == nil {
		return nil
	}
	if ce != nil {
		r.noteOverload(f, ce)
	}
	r.avoid(server, f)
	return f
}

// notConnected returns the facts of an operation that got no connection; nil: another
// attempt gets none either. The error of the network comes with it, if it was one.
func notConnected(err error) (*failedAttempt, *conn.Error) {
	var cleared *pool.PoolClearedError
	if errors.As(err, &cleared) {
		return &failedAttempt{pool: true}, nil
	}
	if ce, ok := networkError(err); ok && !ce.Established {
		return &failedAttempt{network: true, handshake: true}, ce
	}
	var refused *conn.Error
	if errors.As(err, &refused) && refused.Leaving() {
		// As good as a server that is gone, and nothing was sent to it.
		return &failedAttempt{network: true, handshake: true}, nil
	}
	return nil, nil
}

// noteOverload looks for the labels of an overloaded server.
func (r *run) noteOverload(f *failedAttempt, err interface{ HasLabel(string) bool }) {
	if err.HasLabel(fault.LabelOverloaded) {
		f.overloaded, f.refused = true, err.HasLabel(fault.LabelRetryable)
	}
}

// commandFailure tells the topology of a command that got no good reply.
func (r *run) commandFailure(server *Server, lease *Lease, desc *sdam.Server, err error) *failedAttempt {
	sf := sdam.Failure{
		Err:            err,
		HandshakeDone:  true,
		ServiceID:      desc.ServiceID,
		Generation:     lease.Generation(),
		MaxWireVersion: desc.MaxWireVersion,
	}
	f := &failedAttempt{wireVersion: desc.MaxWireVersion, mongos: desc.Kind == sdam.Mongos}
	var se *ServerError
	var ce *conn.Error
	switch {
	case errors.As(err, &se):
		sf.Class, sf.Code, sf.Message = sdam.CommandFailure, se.Code, se.Message
		sf.TopologyVersion = sdam.ReadTopologyVersion(se.TopologyVersion)
		f.code, f.message, f.labels = se.Code, se.Message, se.Labels
		r.noteOverload(f, se)
	case lease.Interrupted() != nil:
		f.pool, f.sent = true, true
		r.dirty()
		r.avoid(server, f)
		return f
	case errors.As(err, &ce):
		if ce.Sent || ce.Kind != conn.Context {
			r.dirty()
		}
		if ce.Kind == conn.Auth {
			// The server works, and other connections are none the worse for it.
			return nil
		}
		if ce.Kind == conn.Context {
			// The server may be healthy, and the connection is: its reply is drained.
			return nil
		}
		sf.Class = sdam.NetworkFailure
		if ce.Kind == conn.SocketTimeout {
			sf.Class = sdam.TimeoutFailure
		}
		f.network = true
	default:
		return nil
	}
	r.avoid(server, f)
	server.Failed(&sf)
	return f
}

// replyFailure looks at a reply with ok: 1 for a write concern error that tells
// of a changed server, or that is worth another try.
func (r *run) replyFailure(server *Server, lease *Lease, desc *sdam.Server, h *reply.Head) *failedAttempt {
	if h.WriteConcernError == nil {
		return nil
	}
	concern := fault.Parse(h.WriteConcernError)
	sf := sdam.Failure{
		Err:             &ServerError{Address: server.Address(), Command: r.op.Name, Document: fault.Document{Code: concern.Code, Name: concern.Name, Message: concern.Message}},
		Class:           sdam.CommandFailure,
		HandshakeDone:   true,
		Generation:      lease.Generation(),
		MaxWireVersion:  desc.MaxWireVersion,
		Code:            concern.Code,
		Message:         concern.Message,
		TopologyVersion: sdam.ReadTopologyVersion(h.TopologyVersion),
	}
	server.Failed(&sf)
	return &failedAttempt{
		code: concern.Code, writeConcern: true, message: concern.Message, wireVersion: desc.MaxWireVersion,
		mongos: desc.Kind == sdam.Mongos, labels: append(concern.Labels, fault.Labels(h.Labels)...),
	}
}
