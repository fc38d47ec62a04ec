package conn

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
)

// proxyError is what a dialer returns that does not get past a proxy.
type proxyError struct{ error }

func (e proxyError) Unwrap() error { return e.error }
func (proxyError) AtProxy() bool   { return true }

// A proxy that fails says nothing of how busy the server is; the server itself does.
func TestProxyIsNotTheServer(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	late := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		dial func(context.Context) error
		want bool
	}{
		"refused by the server": {func(context.Context) error { return refused }, true},
		"refused by the proxy":  {func(context.Context) error { return proxyError{refused} }, false},
		"no answer":             {late, true},
		"no answer, a proxy":    {func(ctx context.Context) error { return proxyError{late(ctx)} }, false},
	} {
		cfg := &Config{ConnectTimeout: 10 * time.Millisecond}
		cfg.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, c.dial(ctx) }
		_, err := Dial(t.Context(), "a:1", cfg, nil)
		var e *Error
		if !errors.As(err, &e) || e.HasLabel(fault.LabelOverloaded) != c.want || e.HasLabel(fault.LabelRetryable) != c.want {
			t.Errorf("%s: %v, want the labels of an overload: %v", name, err, c.want)
		}
	}
}

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
