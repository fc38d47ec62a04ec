package conn

import (
	"context"
	"time"
)

// longAgo is a deadline that makes a blocked read or write return at once.
var longAgo = time.Unix(1, 0)

// unbounded is the key of a context that the socket timeout does not bound.
type unbounded struct{}

// WithoutSocketTimeout returns a context whose calls socketTimeoutMS does not bound.
func WithoutSocketTimeout(ctx context.Context) context.Context {
	return context.WithValue(ctx, unbounded{}, true)
}

// arm makes the socket obey ctx and the socket timeout until disarm. It tells
// whether the socket's deadline is the context's.
//
// A context without deadline and cancellation costs nothing here. One that ends by
// itself or can be cancelled costs a registration with it, and leaves the socket's
// own timer alone: the context has one. No goroutine runs unless it ends.
func (c *Conn) arm(ctx context.Context) (byContext bool) {
	var want time.Time
	if c.socketTimeout > 0 && ctx.Value(unbounded{}) == nil {
		want = time.Now().Add(c.socketTimeout)
	}
	done := ctx.Done()
	if done == nil {
		// A context may have a deadline without ever saying that it is over.
		if d, ok := ctx.Deadline(); ok && (want.IsZero() || !d.After(want)) {
			want, byContext = d, true
		}
	}
	if !want.Equal(c.deadline) {
		c.setDeadline(want)
	}
	if done != nil {
		c.stop = context.AfterFunc(ctx, c.interrupt)
	}
	return byContext
}

// disarm ends what arm began.
func (c *Conn) disarm() {
	if c.stop == nil {
		return
	}
	if !c.stop() {
		// The interruption is on its way. Wait, or it would hit the next call.
		<-c.interrupted
		c.setDeadline(time.Time{})
	}
	c.stop = nil
}

func (c *Conn) onInterrupt() {
	_ = c.nc.SetDeadline(longAgo)
	c.interrupted <- struct{}{}
}

// setDeadline's error is left to the read or write that follows: it says more.
func (c *Conn) setDeadline(t time.Time) {
	_ = c.nc.SetDeadline(t)
	c.deadline = t
}
