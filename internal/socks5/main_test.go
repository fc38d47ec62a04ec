package socks5

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails the run if goroutines outlive the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leftGoroutines(); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "goroutines left:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftGoroutines waits a moment for goroutines that are about to end.
func leftGoroutines() []byte {
	var left []byte
	for range 50 {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		left = nil
		for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
			if !bytes.Contains(stack, []byte(".TestMain(")) && !bytes.Contains(stack, []byte("os/signal")) {
				left = append(append(left, stack...), "\n\n"...)
			}
		}
		if left == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return left
}
