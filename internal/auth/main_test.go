package auth

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if goroutines outlive the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftGoroutines(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines left:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

func leftGoroutines() string {
	var left string
	for range 50 {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var stacks []string
		for _, s := range bytes.Split(buf, []byte("\n\n")) {
			if !bytes.Contains(s, []byte("auth.TestMain")) && !bytes.Contains(s, []byte("os/signal")) &&
				!bytes.Contains(s, []byte("testing.(*F)")) && !bytes.Contains(s, []byte("internal/fuzz")) {
				stacks = append(stacks, string(s))
			}
		}
		if left = strings.Join(stacks, "\n\n"); left == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return left
}
