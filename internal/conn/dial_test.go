package conn

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// The timer of a dialer can be ahead of its context's. A timeout is laid to whom
// it belongs all the same.
func TestDialTimesOutBeforeItsContext(t *testing.T) {
	early := func(ctx context.Context, _, _ string) (net.Conn, error) {
		limit, _ := ctx.Deadline()
		for time.Now().Before(limit) {
		}
		return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	}
	for name, c := range map[string]struct {
		connect, call time.Duration
		want          Kind
	}{
		"connectTimeoutMS": {2 * time.Millisecond, time.Minute, SocketTimeout},
		"the caller's":     {time.Minute, 2 * time.Millisecond, Context},
		"no other":         {0, 2 * time.Millisecond, Context},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.call)
			defer cancel()
			_, err := Dial(ctx, "a:1", &Config{DialContext: early, ConnectTimeout: c.connect}, nil)
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.want {
				t.Errorf("got %v, want kind %v", err, c.want)
			}
			if c.want == Context && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not the context's error", err)
			}
		})
	}
}
