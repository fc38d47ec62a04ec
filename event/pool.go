package event

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// PoolEvent is one event of a connection pool, as the Connection Monitoring and
// Pooling specification defines them. A server's pool delivers them in the
// order in which things happen to one caller or one connection:
//
//	PoolCreated
//	PoolReady                        the server answered, connections may be made
//	  ConnectionCheckOutStarted      an operation wants a connection
//	    ConnectionCreated            … none is free, one is being established
//	    ConnectionReady
//	  ConnectionCheckedOut           or ConnectionCheckOutFailed
//	  ConnectionCheckedIn
//	  ConnectionClosed
//	PoolCleared                      all connections up to now are out of date
//	PoolClosed
//
// The set of implementations is closed: PoolCreated, PoolReady, PoolCleared,
// PoolClosed, ConnectionCreated, ConnectionReady, ConnectionClosed,
// ConnectionCheckOutStarted, ConnectionCheckOutFailed, ConnectionCheckedOut,
// ConnectionCheckedIn, ConnectionPendingResponseStarted,
// ConnectionPendingResponseSucceeded and ConnectionPendingResponseFailed, each
// as a value (not a pointer).
//
// A handler is called on the goroutine to which the thing happens, holding no
// lock of the client: what it takes, the operation waits. It may be called from
// many goroutines at once. A handler that panics breaks nothing: the panic is
// logged through log/slog's default logger.
type PoolEvent interface{ poolEvent() }

// PoolOptions are the settings a pool works with. As text and as JSON they are
// those that differ from the defaults, as Named yields them.
type PoolOptions struct {
	MaxPoolSize      int           // most connections at a time (default 100), 0 is no limit
	MinPoolSize      int           // connections kept in the background (default 0)
	MaxConnecting    int           // most connections being established at a time (default 2)
	MaxIdleTime      time.Duration // unused connections are closed after it, 0 (the default) is never
	WaitQueueTimeout time.Duration // longest wait for a connection, 0 (the default) is no limit
	// WaitQueueMultiple times MaxPoolSize is the most operations that wait for a
	// connection, 0 (the default) is no limit.
	WaitQueueMultiple int
	// MaxConnectionAge is how old connections may become, 0 (the default) is no limit.
	MaxConnectionAge time.Duration
}

// Named yields the settings that differ from the defaults, under the names of the
// Connection Monitoring and Pooling specification: maxPoolSize, minPoolSize,
// maxConnecting, maxIdleTimeMS, waitQueueTimeoutMS, waitQueueMultiple; and
// maxConnectionAgeMS, which it does not have. Times are in milliseconds.
func (o PoolOptions) Named() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, s := range [...]struct {
			name             string
			value, byDefault int64
		}{
			{"maxPoolSize", int64(o.MaxPoolSize), 100},
			{"minPoolSize", int64(o.MinPoolSize), 0},
			{"maxConnecting", int64(o.MaxConnecting), 2},
			{"maxIdleTimeMS", o.MaxIdleTime.Milliseconds(), 0},
			{"waitQueueTimeoutMS", o.WaitQueueTimeout.Milliseconds(), 0},
			{"waitQueueMultiple", int64(o.WaitQueueMultiple), 0},
			{"maxConnectionAgeMS", o.MaxConnectionAge.Milliseconds(), 0},
		} {
			if s.value != s.byDefault && !yield(s.name, s.value) {
				return
			}
		}
	}
}

// String is like maxPoolSize=50 maxIdleTimeMS=1000, and empty for the defaults.
func (o PoolOptions) String() string {
	var b strings.Builder
	for name, value := range o.Named() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%d", name, value)
	}
	return b.String()
}

// MarshalJSON is an object of what [PoolOptions.Named] yields.
func (o PoolOptions) MarshalJSON() ([]byte, error) {
	return json.Marshal(maps.Collect(o.Named()))
}

// PoolCreated tells that a server's pool was made. It is paused until the
// server answers its first check.
type PoolCreated struct {
	Address string // the server, host:port or the path of a Unix socket
	Options PoolOptions
}

// PoolReady tells that a paused pool may make and lend connections again.
type PoolReady struct {
	Address string
}

// PoolCleared tells that all connections made so far are out of date: they are
// closed, those in use when they come back. Except behind a load balancer, the
// pool is paused until the server answers a check.
type PoolCleared struct {
	Address string
	// ServiceID is the service behind the load balancer whose connections are
	// meant, the zero ObjectID elsewhere.
	ServiceID bson.ObjectID
	// InterruptInUseConnections tells that connections in use were cut off,
	// because a check of the server timed out.
	InterruptInUseConnections bool
	// Err is why, if that is known.
	Err error
}

// PoolClosed tells that a pool was closed for good.
type PoolClosed struct {
	Address string
}

// ConnectionCreated tells that a connection is about to be established. It is
// of no use before ConnectionReady.
type ConnectionCreated struct {
	Address string
	// ConnectionID is the client's number for the connection: 1, 2, 3, … in
	// each pool.
	ConnectionID int64
}

// ConnectionReady tells that a connection is established: dialled, shaken
// hands with, authenticated.
type ConnectionReady struct {
	Address      string
	ConnectionID int64
	Duration     time.Duration // since ConnectionCreated
}

// CloseReason tells why a connection was closed.
type CloseReason string

// The reasons for which a connection is closed.
const (
	// CloseStale: the pool was cleared, or the connection had become as old as
	// Options.MaxConnectionAge allows, which Err says then.
	CloseStale CloseReason = "stale"
	// CloseIdle: it was unused for longer than maxIdleTimeMS.
	CloseIdle CloseReason = "idle"
	// CloseError: it could not be established, failed in use, or its late reply
	// did not come in time.
	CloseError CloseReason = "error"
	// ClosePoolClosed: the pool was closed.
	ClosePoolClosed CloseReason = "poolClosed"
)

// ConnectionClosed tells that a connection left the pool.
type ConnectionClosed struct {
	Address      string
	ConnectionID int64
	Reason       CloseReason
	Err          error // what happened, when Reason is CloseError; see CloseStale
}

// ConnectionCheckOutStarted tells that an operation asks for a connection.
type ConnectionCheckOutStarted struct {
	Address string
}

// CheckOutFailReason tells why an operation got no connection.
type CheckOutFailReason string

// The reasons for which an operation gets no connection.
const (
	// CheckOutPoolClosed: the pool was closed.
	CheckOutPoolClosed CheckOutFailReason = "poolClosed"
	// CheckOutTimeout: waitQueueTimeoutMS or the operation's own time was over,
	// or its context was cancelled, or too many were waiting already.
	CheckOutTimeout CheckOutFailReason = "timeout"
	// CheckOutConnectionError: a connection could not be established, or the
	// pool was or became paused.
	CheckOutConnectionError CheckOutFailReason = "connectionError"
)

// ConnectionCheckOutFailed tells that an operation got no connection.
type ConnectionCheckOutFailed struct {
	Address  string
	Reason   CheckOutFailReason
	Err      error         // what the operation was told
	Duration time.Duration // since ConnectionCheckOutStarted
}

// ConnectionCheckedOut tells that an operation got a connection.
type ConnectionCheckedOut struct {
	Address      string
	ConnectionID int64
	Duration     time.Duration // since ConnectionCheckOutStarted
}

// ConnectionCheckedIn tells that an operation gave its connection back.
type ConnectionCheckedIn struct {
	Address      string
	ConnectionID int64
}

// ConnectionPendingResponseStarted tells that a connection came back whose
// operation was cut off by its context before the server's reply had come. The
// pool waits for that reply in the background, so that the connection need not
// be closed.
type ConnectionPendingResponseStarted struct {
	Address      string
	ConnectionID int64
}

// ConnectionPendingResponseSucceeded tells that the late reply came and was
// dropped. The connection serves again.
type ConnectionPendingResponseSucceeded struct {
	Address      string
	ConnectionID int64
	Duration     time.Duration // since ConnectionPendingResponseStarted
}

// ConnectionPendingResponseFailed tells that the late reply did not come in
// time. ConnectionClosed follows.
type ConnectionPendingResponseFailed struct {
	Address      string
	ConnectionID int64
	Duration     time.Duration // since ConnectionPendingResponseStarted
	Err          error
}

func (PoolCreated) poolEvent()                        {}
func (PoolReady) poolEvent()                          {}
func (PoolCleared) poolEvent()                        {}
func (PoolClosed) poolEvent()                         {}
func (ConnectionCreated) poolEvent()                  {}
func (ConnectionReady) poolEvent()                    {}
func (ConnectionClosed) poolEvent()                   {}
func (ConnectionCheckOutStarted) poolEvent()          {}
func (ConnectionCheckOutFailed) poolEvent()           {}
func (ConnectionCheckedOut) poolEvent()               {}
func (ConnectionCheckedIn) poolEvent()                {}
func (ConnectionPendingResponseStarted) poolEvent()   {}
func (ConnectionPendingResponseSucceeded) poolEvent() {}
func (ConnectionPendingResponseFailed) poolEvent()    {}
