package mgxotel

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/mgxdb/mgx/event"
)

// metrics are the instruments of a client: those of the semantic conventions for
// database clients.
type metrics struct {
	duration                           metric.Float64Histogram
	createTime, waitTime, useTime      metric.Float64Histogram
	count, maximum, minimum, requested metric.Int64UpDownCounter
	timeouts                           metric.Int64Counter

	mu    sync.Mutex
	pools map[string]*connections // by address
}

// buckets are those that the conventions advise for the duration of operations, in
// seconds.
var buckets = metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)

func newMetrics(meter metric.Meter) *metrics {
	m := &metrics{pools: map[string]*connections{}}
	var errs [9]error
	m.duration, errs[0] = meter.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"), buckets,
		metric.WithDescription("Duration of operations, with their retries."))
	m.createTime, errs[1] = meter.Float64Histogram("db.client.connection.create_time", metric.WithUnit("s"), buckets,
		metric.WithDescription("The time it took to create a new connection."))
	m.waitTime, errs[2] = meter.Float64Histogram("db.client.connection.wait_time", metric.WithUnit("s"), buckets,
		metric.WithDescription("The time it took to obtain an open connection from the pool."))
	m.useTime, errs[3] = meter.Float64Histogram("db.client.connection.use_time", metric.WithUnit("s"), buckets,
		metric.WithDescription("The time between borrowing a connection and returning it to the pool."))
	m.count, errs[4] = meter.Int64UpDownCounter("db.client.connection.count", metric.WithUnit("{connection}"),
		metric.WithDescription("The number of connections that are currently in the state described by the state attribute."))
	m.maximum, errs[5] = meter.Int64UpDownCounter("db.client.connection.max", metric.WithUnit("{connection}"),
		metric.WithDescription("The maximum number of open connections allowed."))
	m.minimum, errs[6] = meter.Int64UpDownCounter("db.client.connection.idle.min", metric.WithUnit("{connection}"),
		metric.WithDescription("The minimum number of idle open connections allowed."))
	m.requested, errs[7] = meter.Int64UpDownCounter("db.client.connection.pending_requests", metric.WithUnit("{request}"),
		metric.WithDescription("The number of current pending requests for an open connection."))
	m.timeouts, errs[8] = meter.Int64Counter("db.client.connection.timeouts", metric.WithUnit("{timeout}"),
		metric.WithDescription("The number of connection timeouts that have occurred trying to obtain a connection from the pool."))
	for _, err := range errs {
		if err != nil {
			otel.Handle(err)
		}
	}
	return m
}

// operation counts one that has ended.
func (m *metrics) operation(ctx context.Context, o *operation, e *event.OperationEnded) {
	if !m.duration.Enabled(ctx) {
		return
	}
	attrs := append(make([]attribute.KeyValue, 0, 8), system, operationName.String(e.Name))
	attrs = namespace(attrs, e.Database, e.Collection)
	if o.address != "" {
		attrs = location(attrs, o.address)
	}
	if e.Err != nil {
		kind := typeOf(e.Err)
		if code, ok := codeOf(e.Err); ok {
			attrs, kind = append(attrs, statusCode.String(code)), code
		}
		attrs = append(attrs, errorType.String(kind))
	}
	m.duration.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(attrs...))
}

// connections are those of one pool.
type connections struct {
	pool, idle, used metric.MeasurementOption
	options          event.PoolOptions

	mu      sync.Mutex
	open    map[int64]connection // by their numbers
	waiting int64                // requests for one
}

// connection is one that is established.
type connection struct {
	used bool
	// lent is when it was lent, zero if it was not.
	lent time.Time
}

func newConnections(e event.PoolCreated) *connections {
	pool := []attribute.KeyValue{system, attribute.String("db.client.connection.pool.name", e.Address)}
	state := func(name string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(pool[:len(pool):len(pool)], attribute.String("db.client.connection.state", name))...))
	}
	return &connections{
		pool: metric.WithAttributeSet(attribute.NewSet(pool...)), idle: state("idle"), used: state("used"),
		options: e.Options, open: map[int64]connection{},
	}
}

// lookup returns what is known of a pool, nil if it is closed.
func (m *metrics) lookup(address string) *connections {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pools[address]
}

// background is the context of what no operation is the cause of.
var background = context.Background()

func (m *metrics) pool(e event.PoolEvent) {
	switch e := e.(type) {
	case event.PoolCreated:
		m.poolCreated(e)
	case event.PoolClosed:
		m.poolClosed(e.Address)
	case event.ConnectionReady:
		m.connectionReady(e)
	case event.ConnectionClosed:
		m.connectionClosed(e)
	case event.ConnectionPendingResponseStarted:
		m.use(e.Address, e.ConnectionID, true)
	case event.ConnectionPendingResponseSucceeded:
		m.use(e.Address, e.ConnectionID, false)
	case event.ConnectionPendingResponseFailed:
		m.use(e.Address, e.ConnectionID, false)
	default:
		m.checkOut(e)
	}
}

func (m *metrics) poolCreated(e event.PoolCreated) {
	c := newConnections(e)
	m.mu.Lock()
	m.pools[e.Address] = c
	m.mu.Unlock()
	if n := e.Options.MaxPoolSize; n > 0 {
		m.maximum.Add(background, int64(n), c.pool)
	}
	m.minimum.Add(background, int64(e.Options.MinPoolSize), c.pool)
}

// poolClosed takes back what the pool contributed. Connections that are in use still
// are counted no more: their ends come late, or in the next pool's time.
func (m *metrics) poolClosed(address string) {
	m.mu.Lock()
	c := m.pools[address]
	delete(m.pools, address)
	m.mu.Unlock()
	if c == nil {
		return
	}
	m.maximum.Add(background, -int64(c.options.MaxPoolSize), c.pool)
	m.minimum.Add(background, -int64(c.options.MinPoolSize), c.pool)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		m.count.Add(background, -1, c.state(conn))
	}
	m.requested.Add(background, -c.waiting, c.pool)
}

func (m *metrics) connectionReady(e event.ConnectionReady) {
	c := m.lookup(e.Address)
	if c == nil {
		return
	}
	m.createTime.Record(background, e.Duration.Seconds(), c.pool)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[e.ConnectionID] = connection{}
	m.count.Add(background, 1, c.idle)
}

// checkOut is pool for what comes with every operation.
func (m *metrics) checkOut(e event.PoolEvent) {
	switch e := e.(type) {
	case event.ConnectionCheckOutStarted:
		if c := m.lookup(e.Address); c != nil {
			m.request(c, 1)
		}
	case event.ConnectionCheckOutFailed:
		if c := m.lookup(e.Address); c != nil {
			m.request(c, -1)
			if e.Reason == event.CheckOutTimeout {
				m.timeouts.Add(background, 1, c.pool)
			}
		}
	case event.ConnectionCheckedOut:
		if c := m.lookup(e.Address); c != nil {
			m.request(c, -1)
			m.waitTime.Record(background, e.Duration.Seconds(), c.pool)
			now := time.Now()
			m.change(c, e.ConnectionID, func(connection) connection { return connection{used: true, lent: now} })
		}
	case event.ConnectionCheckedIn:
		if c := m.lookup(e.Address); c != nil {
			m.change(c, e.ConnectionID, func(was connection) connection {
				if !was.lent.IsZero() {
					m.useTime.Record(background, time.Since(was.lent).Seconds(), c.pool)
				}
				return connection{}
			})
		}
	}
}

func (c *connections) state(conn connection) metric.MeasurementOption {
	if conn.used {
		return c.used
	}
	return c.idle
}

// change moves a connection to another state.
func (m *metrics) change(c *connections, id int64, to func(was connection) connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, known := c.open[id]
	if !known { // closed meanwhile
		return
	}
	now := to(was)
	c.open[id] = now
	if was.used != now.used {
		m.count.Add(background, -1, c.state(was))
		m.count.Add(background, 1, c.state(now))
	}
}

// request counts the requests for a connection that wait.
func (m *metrics) request(c *connections, by int64) {
	c.mu.Lock()
	c.waiting += by
	c.mu.Unlock()
	m.requested.Add(background, by, c.pool)
}

// use counts a connection as in use, or not, that waits for a late reply.
func (m *metrics) use(address string, id int64, used bool) {
	if c := m.lookup(address); c != nil {
		m.change(c, id, func(connection) connection { return connection{used: used} })
	}
}

func (m *metrics) connectionClosed(e event.ConnectionClosed) {
	c := m.lookup(e.Address)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, known := c.open[e.ConnectionID]; known {
		delete(c.open, e.ConnectionID)
		m.count.Add(background, -1, c.state(conn))
	}
}
