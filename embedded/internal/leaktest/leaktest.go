// Package leaktest finds goroutines that tests leave behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Running lists the stacks of the goroutines that run, without the caller's and
// those of the test framework.
func Running() []string {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	var list []string
	for _, g := range strings.Split(string(b), "\n\n")[1:] {
		if !strings.Contains(g, "testing.") && !strings.Contains(g, "os/signal.") {
			list = append(list, g)
		}
	}
	return list
}

// Left waits a moment for goroutines that are about to end and lists those that do
// not.
func Left() []string {
	deadline := time.Now().Add(5 * time.Second)
	for {
		list := Running()
		if len(list) == 0 || time.Now().After(deadline) {
			return list
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Main is a TestMain that fails when the tests leave a goroutine behind.
func Main(m *testing.M) {
	code := m.Run()
	if list := Left(); len(list) > 0 {
		fmt.Printf("leaked goroutines:\n%s\n", strings.Join(list, "\n\n"))
		code = 1
	}
	os.Exit(code)
}
