package cli

import (
	"context"
	"os"
	"testing"
	"time"
)

// Wherever the demonstration is interrupted, it cleans up.
func TestDemoInterrupted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, d := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		o := toolIn(t, ctx, nil, "demo")
		cancel()
		if o.status != exitInterrupted && o.status != exitOK {
			t.Errorf("after %v: status %d\n%s%s", d, o.status, o.out, o.err)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
