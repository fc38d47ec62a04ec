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

	mu    sync.Mutex
	depth int
	ended bool
}

// requestKey finds the request of a client in a context.
type requestKey struct{ client *Client }

// StartRequest returns a context whose operations on this client share one
// connection to each server, until the request's End. The connection is taken
// with the first operation that needs it.
//
// In a context that has a request already, the same one goes on: nested calls are
// counted, and the last End ends it. Operations of a request take turns, so
// goroutines that share it wait for each other. They are not retried: one that
// meets a dead connection gets an ErrAutoReconnect, and the next has a new
// connection. Cursors that were opened in the request are to be used up in it.
// Disconnect and Close take a request's connections, too; after Disconnect it goes on
// with new ones.
func (c *Client) StartRequest(ctx context.Context) (context.Context, *Request) {
	if req, ok := ctx.Value(requestKey{c}).(*Request); ok && req.nest() {
		return ctx, req
	}
	c.affine.Store(true)
	req := &Request{inner: exec.NewRequest(), depth: 1}
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
	r.inner.End()
}

// Active tells whether the request has not ended.
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

// request returns the request of the client.
func (a *affinity) request(c *Client) *exec.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	if req := a.requests[c]; req != nil && req.Active() {
		return req.inner
	}
	if a.ctx.Err() != nil {
		return nil
	}
	req := &Request{inner: exec.NewRequest(), depth: 1}
	a.requests[c] = req
	context.AfterFunc(a.ctx, req.End)
	return req.inner
}

// requestOf returns the request that an operation is part of, nil if none.
func (c *Client) requestOf(ctx context.Context) *exec.Request {
	if c.affine.Load() {
		if req, ok := ctx.Value(requestKey{c}).(*Request); ok && req.Active() {
			return req.inner
		}
	}
	if c.options.AutoStartRequest {
		if a, ok := ctx.Value(affinityKey{}).(*affinity); ok {
			return a.request(c)
		}
	}
	return nil
}
