package topology

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
)

// minRescanInterval is the least time between two looks at SRV records.
const minRescanInterval = 60 * time.Second

// MonitorConn is a connection that checks a server. It is used by one goroutine
// at a time. A context that is done ends a call soon; the connection is closed
// then.
type MonitorConn interface {
	// Hello returns the hello of the handshake, and how long it took.
	Hello() (hello sdam.Hello, took time.Duration)
	// Check runs a hello. With a topology version, the server is asked to answer
	// when its state is newer than that or maxAwait has passed, and to go on
	// answering by itself.
	Check(ctx context.Context, await *sdam.TopologyVersion, maxAwait time.Duration) (sdam.Hello, error)
	// More reports whether the last reply promised another one.
	More() bool
	// Next waits for that one.
	Next(ctx context.Context) (sdam.Hello, error)
	Close() error
}

// SRV makes a topology follow the SRV records that its seeds came from.
type SRV struct {
	// Resolve looks the records up. It returns the hosts that are within the
	// allowed domain, and how long the records are valid (0 if unknown).
	Resolve func(ctx context.Context) (hosts []string, valid time.Duration, err error)
	// MaxHosts (srvMaxHosts) is the most hosts to use at a time, 0 is no limit.
	MaxHosts int
}

// Config says how a topology works. It has no defaults and checks nothing: what
// package setup asks of options holds for them.
type Config[C pool.Conn] struct {
	// Settings are the seeds and what is required of them.
	Settings sdam.Settings
	// SRV is nil for seeds that did not come from SRV records.
	SRV *SRV

	// HeartbeatInterval (heartbeatFrequencyMS) is the time between two checks of
	// a server.
	HeartbeatInterval time.Duration
	// ConnectTimeout (connectTimeoutMS) bounds the making of a monitor's
	// connection, and each wait for a reply on it. 0 is no limit.
	ConnectTimeout time.Duration
	// SelectionTimeout (serverSelectionTimeoutMS) is how long [Topology.Select]
	// waits for a suitable server. 0 is no limit.
	SelectionTimeout time.Duration
	// Poll keeps monitors from streaming: serverMonitoringMode=poll, or auto on a
	// function-as-a-service platform.
	Poll bool

	// DialMonitor opens a monitor's connection, handshake included and
	// authentication not.
	DialMonitor func(ctx context.Context, address string) (MonitorConn, error)
	// NewPool makes the pool of one server, paused. onDialError must be told of
	// every connection that could not be established.
	NewPool func(address string, onDialError func(pool.DialFailure)) *pool.Pool[C]
	// Classify says what an error of DialMonitor, a MonitorConn or the pool's
	// Dial is: the class, whether the server was overloaded, and what a reply
	// said. The other fields are the topology's to fill.
	Classify func(err error) sdam.Failure

	// Events, if any, is told of every event. See [event.TopologyEvent].
	Events func(event.TopologyEvent)
	// Log and SelectionLog, if any, get the messages of the specification's log
	// components topology and serverSelection.
	Log, SelectionLog *eventlog.Log
}
