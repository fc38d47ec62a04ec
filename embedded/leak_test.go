package embedded

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestNoGoroutineIsLeft(t *testing.T) {
	for i := range 5 {
		s := start(t, Options{})
		insert(t, s.URI(), "tea")
		if len(leaktest.Running()) == 0 {
			t.Fatal("no goroutine is seen while a server runs")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if list := leaktest.Left(); len(list) > 0 {
			t.Fatalf("cycle %d: leaked goroutines:\n%s", i, strings.Join(list, "\n\n"))
		}
	}
}
