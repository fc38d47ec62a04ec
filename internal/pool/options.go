package pool

import (
	"context"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
)

// Conn is what a pool needs of a connection. It may also be a [Breakable], a
// [Drainer] and an [Aliver].
type Conn interface {
	// Close closes the socket. The pool may call it while a caller uses the
	// connection, from another goroutine, to cut that use off; the use then
	// fails. It may be called more than once.
	Close() error
}

// Breakable is a connection that knows when it cannot be used further. It is
// asked by [Pool.CheckIn]; an error other than nil closes the connection.
type Breakable interface {
	Broken() error
}

// Drainer is a connection that can outlive a call which was cut off by its
// context before the reply came.
type Drainer interface {
	// Pending reports whether a reply is outstanding.
	Pending() bool
	// Drain waits for the outstanding reply and drops it.
	Drain(ctx context.Context) error
}

// Aliver is a connection that can tell, without waiting, whether the peer has
// closed its end meanwhile. It is asked when the connection was unused for
// longer than [Options.AliveAfter].
type Aliver interface {
	Alive() bool
}

// Dialing tells a [Options.Dial] function what it is dialling.
type Dialing struct {
	// ConnectionID is the number of the connection: 1, 2, 3, …
	ConnectionID int64
	// Generation is the pool's at the start of the dialling.
	Generation uint64

	bind func(bson.ObjectID) uint64
}

// BindService tells which service behind the load balancer has answered. It is
// to be called as soon as that is known, that is, after hello and before
// authentication, since errors from then on concern that service alone. It
// returns the generation of the service, which is the connection's from now on.
func (d *Dialing) BindService(id bson.ObjectID) uint64 {
	d.Generation = d.bind(id)
	return d.Generation
}

// DialFailure is a connection that could not be established.
type DialFailure struct {
	Err          error
	ConnectionID int64
	// Generation is that of the pool when the dialling began, or that of the
	// service once BindService was called.
	Generation uint64
	// Established is how many connections of this generation (and service) the
	// pool has that were established.
	Established int
	// ServiceID is zero, except behind a load balancer once the service is known.
	ServiceID bson.ObjectID
}

// Options says how a pool works. Dial is needed; the zero value of everything
// else is useful.
type Options[C Conn] struct {
	// Address is the server's, for events and errors.
	Address string

	// MaxSize (maxPoolSize) is the most connections at a time, in whichever
	// state. 0 is no limit.
	MaxSize int
	// MinSize (minPoolSize) is how many connections are kept while the pool is
	// ready. It is cut to MaxSize.
	MinSize int
	// MaxConnecting (maxConnecting) is the most connections being established
	// at a time, at least 1.
	MaxConnecting int
	// MaxIdleTime (maxIdleTimeMS) is how long a connection may be unused before
	// it is closed. 0 is no limit.
	MaxIdleTime time.Duration
	// MaxAge is how old a connection may become, counted from when it was
	// established. Each gets a limit of its own, by up to a tenth less, so that those
	// which were made together do not all end together. One in use is closed when it
	// comes back. 0 is no limit.
	MaxAge time.Duration
	// WaitQueueTimeout (waitQueueTimeoutMS) is how long a caller waits until a
	// connection comes free or is being established for it. 0 is no limit.
	WaitQueueTimeout time.Duration
	// MaxWaiters (waitQueueMultiple × maxPoolSize) is the most callers waiting
	// so; one more fails at once. 0 is no limit.
	MaxWaiters int

	// MaxDraining is the most connections whose late reply is awaited at a
	// time; one more is closed. 0 is MaxSize, or 100 where that is no limit.
	MaxDraining int
	// DrainTimeout is how long a late reply is awaited, 3 s when it is 0.
	DrainTimeout time.Duration
	// AliveAfter is how long an [Aliver] is unused before it is asked, 1 s when
	// it is 0.
	AliveAfter time.Duration

	// Dial establishes a connection, authentication included. It is to return
	// soon after ctx is done, and to bound its own time otherwise.
	Dial func(ctx context.Context, d *Dialing) (C, error)
	// OnDialError, if any, is told of every connection that could not be
	// established, before the events and the caller are. It may call Clear. It
	// is not told of a dialling that Clear or Close broke off.
	OnDialError func(DialFailure)
	// Events, if any, is told of everything. See [event.PoolEvent].
	Events func(event.PoolEvent)
	// Log, if any, gets the messages of the specification's log component
	// connection, before Events is told.
	Log *eventlog.Log
}

const (
	defaultMaxDraining  = 100
	defaultDrainTimeout = 3 * time.Second
	defaultAliveAfter   = time.Second
)

func (o Options[C]) withDefaults() Options[C] {
	o.MaxSize = max(o.MaxSize, 0)
	o.MinSize = max(o.MinSize, 0)
	if o.MaxSize > 0 {
		o.MinSize = min(o.MinSize, o.MaxSize)
	}
	o.MaxConnecting = max(o.MaxConnecting, 1)
	if o.MaxDraining <= 0 {
		o.MaxDraining = o.MaxSize
		if o.MaxSize == 0 {
			o.MaxDraining = defaultMaxDraining
		}
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrainTimeout
	}
	if o.AliveAfter <= 0 {
		o.AliveAfter = defaultAliveAfter
	}
	return o
}
