package exec

import (
	"errors"
	"io"
	"testing"

	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
)

// Whoever got no connection may try again if the server, or its pool, is what was
// lost; not if the server refuses the client.
func TestNotConnected(t *testing.T) {
	hello := func(code int32, message string) error {
		return &conn.Error{Op: "hello", Kind: conn.Handshake, Err: &fault.Refusal{Document: fault.Document{Code: code, Message: message}}}
	}
	for name, c := range map[string]struct {
		err  error
		want *failedAttempt
	}{
		"lost":             {&conn.Error{Op: "hello", Err: io.EOF}, &failedAttempt{network: true, handshake: true}},
		"cleared":          {&pool.PoolClearedError{Cause: io.EOF}, &failedAttempt{pool: true}},
		"shutting down":    {hello(91, "The server is in quiesce mode and will shut down"), &failedAttempt{network: true, handshake: true}},
		"stepping down":    {hello(11602, "operation was interrupted"), &failedAttempt{network: true, handshake: true}},
		"of an old server": {hello(0, "not master or secondary"), &failedAttempt{network: true, handshake: true}},
		"refused":          {hello(18, "nothing for you"), nil},
		"no load balancer": {&conn.Error{Op: "hello", Kind: conn.Handshake, Err: errors.New("no serviceId")}, nil},
		"wrong password":   {&conn.Error{Op: "authenticate", Kind: conn.Auth, Err: io.EOF}, nil},
		"out of time":      {&conn.Error{Op: "dial", Kind: conn.Context, Err: io.EOF}, nil},
	} {
		f, _ := notConnected(c.err)
		if (f == nil) != (c.want == nil) {
			t.Errorf("%s: %+v, want %+v", name, f, c.want)
			continue
		}
		if f == nil {
			continue
		}
		if f.network != c.want.network || f.handshake != c.want.handshake || f.pool != c.want.pool {
			t.Errorf("%s: %+v, want %+v", name, *f, *c.want)
		}
		if retry, attach := retryableWrite(*f); !retry || !attach || !retryableRead(*f) {
			t.Errorf("%s: it is not one that may be tried again", name)
		}
	}
}
