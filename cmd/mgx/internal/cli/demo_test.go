package cli

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := tool(t, "", "demo")
	for _, text := range []string{
		"418 documents", "country.code_1_name_1", "Kolkata, India", "Ushuaia", "Kathmandu", "Africa, America,",
		"117 matched, 117 modified", "Tokyo has 1 visit", "▇ 29\n", "418 documents in a find and 16 getMores",
		"E11000", "11 documents deleted, 407 left", "it speaks MongoDB", "nothing is left behind", "done in",
	} {
		o.want(t, exitOK, text, "")
	}
	if strings.Contains(o.out, "\x1b") || o.err != "" {
		t.Errorf("output %q, errors %q", o.out, o.err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	tool(t, "", "demo", "--color=always").want(t, exitOK, "\x1b[", "")
}

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
