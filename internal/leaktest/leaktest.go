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

// patience is how long goroutines that are about to end are given.
const patience = 5 * time.Second

// Main is a TestMain that fails when the tests leave a goroutine behind.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do: it returns the exit code.
func Run(m *testing.M) int {
	code := m.Run()
	if left := Left(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	return code
}

// Check fails the test if goroutines are there at its end that were not there
// when Check was called. The test must not run in parallel with others.
func Check(t testing.TB) {
	t.Helper()
	before := map[string]bool{}
	for _, stack := range Running() {
		before[identity(stack)] = true
	}
	t.Cleanup(func() {
		if left := wait(before); len(left) > 0 {
			t.Errorf("goroutines left behind:\n%s", strings.Join(left, "\n\n"))
		}
	})
}

// Left gives goroutines a moment to end and returns the stacks of those that do
// not.
func Left() []string { return wait(nil) }

func wait(known map[string]bool) []string {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		var left []string
		for _, stack := range Running() {
			if !known[identity(stack)] {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// Running returns the stacks of all goroutines but the caller's and those of the
// test framework and the runtime.
func Running() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var stacks []string
	for _, stack := range strings.Split(string(buf), "\n\n")[1:] {
		if !framework(stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

func framework(stack string) bool {
	for _, name := range []string{"testing.(*T).Run(", "testing.(*F).", "testing.(*M).", "testing.runFuzz", "internal/fuzz.", "os/signal.", "testing.tRunner.func", "runtime/trace."} {
		if strings.Contains(stack, name) {
			return true
		}
	}
	return false
}

// identity is the "goroutine 17" that a stack begins with.
func identity(stack string) string {
	head, _, _ := strings.Cut(stack, " [")
	return head
}
