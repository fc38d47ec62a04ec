package leaktest

import (
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func lingering(stop <-chan struct{}) { <-stop }

func TestLingeringGoroutineIsFound(t *testing.T) {
	before := map[string]bool{}
	for _, stack := range Running() {
		before[identity(stack)] = true
	}
	stop := make(chan struct{})
	go lingering(stop)
	found := func() bool {
		for _, stack := range Running() {
			if !before[identity(stack)] && strings.Contains(stack, "leaktest.lingering") {
				return true
			}
		}
		return false
	}
	for !found() { // it may not have begun yet
		continue
	}
	close(stop)
	if left := wait(before); len(left) > 0 {
		t.Errorf("still there after its end:\n%s", strings.Join(left, "\n\n"))
	}
}
