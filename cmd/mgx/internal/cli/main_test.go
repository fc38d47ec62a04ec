package cli

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when the tests leave a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	left := goroutines()
	for len(left) > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
		left = goroutines()
	}
	if len(left) > 0 {
		fmt.Printf("leaked goroutines:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// goroutines lists the stacks of the goroutines that run, without this one and
// those of the test framework.
func goroutines() (list []string) {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	for _, g := range strings.Split(string(b), "\n\n")[1:] {
		if !strings.Contains(g, "testing.") && !strings.Contains(g, "os/signal.") {
			list = append(list, g)
		}
	}
	return list
}
