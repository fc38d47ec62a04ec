// Package pool keeps the connections of one server, as MongoDB's Connection
// Monitoring and Pooling specification says, over any type of connection.
//
// # Lending
//
// [Pool.CheckOut] lends the connection that came back last, so that busy
// sockets stay warm and the others grow old and are closed. That is one short
// lock and no allocation. When none is free, callers wait in the order in which
// they came; a connection that comes back goes straight to the first of them. A
// caller that waits costs no goroutine, and no timer of its own.
//
// Connections are established by goroutines of the pool, at most MaxConnecting
// at a time, each on behalf of the first caller for whom none is on its way
// yet. That caller takes whatever is there first, the new connection or one
// that came back; what it does not need then serves the next. A caller that
// gives up does not break off a handshake that others can use.
//
// # States and generations
//
// A pool starts paused. [Pool.Ready] lets it work, [Pool.Clear] puts all its
// connections out of date, turns the waiting callers away and pauses it again,
// [Pool.Close] ends it. Behind a load balancer, Clear concerns the connections
// of one service only and does not pause.
//
// # Late replies
//
// A connection whose caller went away before the reply came can be told by
// [Drainer]. The pool reads the late reply in the background and lends the
// connection again. Until then, and at most for DrainTimeout, it counts as one
// of the pool's connections, so that calls with short deadlines against a slow
// server do not open more and more of them.
//
// # Order of events
//
// Events are delivered on the goroutine to which the thing happens, without
// holding a lock. For one connection and for one caller they come in order.
// PoolReady comes before anything that readiness allows, PoolCleared before the
// events of the connections that it closes and of the callers that it turns
// away. Calls of Ready, Clear and Close themselves are to be put in order by the
// caller.
package pool
