package mgx

import (
	"context"
	"testing"
)

// What is cleaned up after the end of a context with affinity runs as if there
// had been none.
func TestAffinityAfterItsContext(t *testing.T) {
	c := &Client{options: Options{AutoStartRequest: true}}
	under, cancel := context.WithCancel(t.Context())
	ctx := WithAffinity(under)
	if c.requestOf(ctx) == nil {
		t.Fatal("no request is started")
	}
	cancel()
	ctx.Value(affinityKey{}).(*affinity).requests[c].End()
	if c.requestOf(context.WithoutCancel(ctx)) != nil {
		t.Error("operations are part of a request that has ended")
	}
}
