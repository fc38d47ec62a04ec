package embedded

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutines lists the stacks of the goroutines that run, without this one and
// those of the test framework.
func goroutines() []string {
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

// leaked waits a moment for goroutines that are about to end and returns those
// that do not.
func leaked() []string {
	deadline := time.Now().Add(5 * time.Second)
	for {
		list := goroutines()
		if len(list) == 0 || time.Now().After(deadline) {
			return list
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if list := leaked(); len(list) > 0 {
		fmt.Printf("leaked goroutines:\n%s\n", strings.Join(list, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

func TestNoGoroutineIsLeft(t *testing.T) {
	for i := range 5 {
		s := start(t, Options{})
		insert(t, s.URI(), "tea")
		if len(goroutines()) == 0 {
			t.Fatal("no goroutine is seen while a server runs")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if list := leaked(); len(list) > 0 {
			t.Fatalf("cycle %d: leaked goroutines:\n%s", i, strings.Join(list, "\n\n"))
		}
	}
}
