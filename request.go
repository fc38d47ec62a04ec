package mgx

import (
	"context"
	"sync"

	"github.com/mgxdb/mgx/internal/exec"
)

// Request is a stretch of work for which operations share one connection to each
// server that they use. What one of them sent, acknowledged or not, has reached
// the server before what the next one sends: unacknowledged writes can be read.
//
// It is the classic start_request, with a context in the place of the thread.
type Request struct {
	inner *exec.Request

	mu     sync.Mutex
	depth  int
	ended  bool
	forget func() bool // ends the wait for the context's end
}

// newRequest starts a request that ends with ctx at the latest.
func newRequest(ctx context.Context) *Request {
	r := &Request{inner: exec.NewRequest(), depth: 1}
	r.forget = context.AfterFunc(ctx, r.finish)
	return r
}

// requestKey finds the request of a client in a context.
type requestKey struct{ client *Client }

// StartRequest returns a context whose operations on this client share one
// connection to each server, until the request's End. The connection is taken
// with the first operation that needs it. Operations stay on the servers that the
// request has used while these suit them: behind several mongos on one, where what was
// written can be read; a replica set's secondary reads on one member.
//
// In a context that has a request already, the same one goes on: nested calls are
// counted, and the last End ends it; so it does in a context with affinity on a client
// with AutoStartRequest. The end of ctx ends the request, too. Operations of a request take turns, so
// goroutines that share it wait for each other. They are not retried: one that
// meets a dead connection gets an ErrAutoReconnect, and the next has a new
// connection, as has every other request that was idle at that moment. Cursors that were opened in the request are to be used up in it.
// Disconnect and Close take a request's connections, too; after Disconnect it goes on
// with new ones.
func (c *Client) StartRequest(ctx context.Context) (context.Context, *Request) {
	if req, ok := ctx.Value(requestKey{c}).(*Request); ok && req.nest() {
		return ctx, req
	}
	c.affine.Store(true)
	req := c.affineRequest(ctx)
	if req == nil || !req.nest() {
		req = newRequest(ctx)
	}
	return context.WithValue(ctx, requestKey{c}, req), req
}

func (r *Request) nest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.depth++
	return true
}

// End ends the request, or one of its nested starts. More calls than starts are
// harmless. The connections go back to their pools when the operation that is
// under way is done.
func (r *Request) End() {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return
	}
	r.depth--
	if r.depth > 0 {
		r.mu.Unlock()
		return
	}
	r.ended = true
	r.mu.Unlock()
	r.forget()
	r.inner.End()
}

// finish ends the request, however often it was started.
func (r *Request) finish() {
	r.mu.Lock()
	ended := r.ended
	r.ended = true
	r.mu.Unlock()
	if !ended {
		r.inner.End()
	}
}

// Active reports whether the request has not ended.
func (r *Request) Active() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.ended
}

// affinity is what WithAffinity puts in a context: a request for each client
// that is used under it.
type affinity struct {
	ctx      context.Context
	mu       sync.Mutex
	requests map[*Client]*Request
}

type affinityKey struct{}

// WithAffinity marks a context, in the place of the classic client's thread: on
// a client with AutoStartRequest, operations under it share one connection to
// each server, as if a request had been started. The connections are given back
// when ctx ends; a context that never ends keeps them until the client is closed.
func WithAffinity(ctx context.Context) context.Context {
	return context.WithValue(ctx, affinityKey{}, &affinity{ctx: ctx, requests: map[*Client]*Request{}})
}

// request returns the request of the client, nil after the context's end.
func (a *affinity) request(c *Client) *Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	if req := a.requests[c]; req != nil && req.Active() {
		return req
	}
	if a.ctx.Err() != nil {
		return nil
	}
	req := newRequest(a.ctx)
	a.requests[c] = req
	return req
}

// affineRequest returns the request that the affinity of a context stands for, nil if
// there is none.
func (c *Client) affineRequest(ctx context.Context) *Request {
	if !c.options.AutoStartRequest {
		return nil
	}
	if a, ok := ctx.Value(affinityKey{}).(*affinity); ok {
		return a.request(c)
	}
	return nil
}

// requestOf returns the request that an operation is part of, nil if none.
func (c *Client) requestOf(ctx context.Context) *exec.Request {
	if c.affine.Load() {
		if req, ok := ctx.Value(requestKey{c}).(*Request); ok && req.Active() {
			return req.inner
		}
	}
	if req := c.affineRequest(ctx); req != nil {
		return req.inner
	}
	return nil
}
