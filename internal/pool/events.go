package pool

import (
	"log/slog"
	"runtime/debug"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// observed reports whether anybody wants events. Events are made only then, for
// each costs an allocation.
func (p *Pool[C]) observed() bool { return p.opts.Events != nil || p.opts.Log.Debug() }

// emit delivers an event. The lock is not held.
func (p *Pool[C]) emit(e event.PoolEvent) {
	p.opts.Log.Pool(e)
	if p.opts.Events == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			slog.Error("mgx: a handler of pool events panicked", "panic", v, "address", p.opts.Address, "stack", string(debug.Stack()))
		}
	}()
	p.opts.Events(e)
}

func (p *Pool[C]) emitCleared(cause error, id bson.ObjectID, interrupt bool) {
	if p.observed() {
		p.emit(event.PoolCleared{Address: p.opts.Address, ServiceID: id, InterruptInUseConnections: interrupt, Err: cause})
	}
}

// departure is a connection that has left the pool and whose event is due.
type departure struct {
	id     int64
	reason event.CloseReason
	err    error
	parked bool // its holder gave it back without knowing
}

func (p *Pool[C]) emitClosed(gone ...departure) {
	if !p.observed() {
		return
	}
	for _, d := range gone {
		if d.parked {
			p.emit(event.ConnectionCheckedIn{Address: p.opts.Address, ConnectionID: d.id})
		}
		p.emit(event.ConnectionClosed{Address: p.opts.Address, ConnectionID: d.id, Reason: d.reason, Err: d.err})
	}
}
