package mgx

import (
	"testing"
	"time"
)

// waitFor waits for something that comes soon, or does not come.
func waitFor(what func() bool) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if what() {
			return true
		}
	}
	return false
}

// Prefetch asks for the second batch while the first is read; without it, nobody does
// before it is needed.
func TestPrefetch(t *testing.T) {
	s := newSurface(t)
	asked := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.commands["getMore.collection"] != ""
	}
	for _, prefetch := range []bool{false, true} {
		var options []FindOption
		if prefetch {
			options = append(options, Prefetch())
		}
		s.during(t, func() (any, error) {
			cur := s.c.Find(surfaceContext, nil, options...)
			if !cur.Next() {
				t.Fatal(cur.Err())
			}
			if prefetch && !waitFor(asked) || !prefetch && asked() {
				t.Errorf("prefetch %v: the next batch is asked for: %v", prefetch, !prefetch)
			}
			for cur.Next() {
			}
			return nil, cur.Err()
		})
	}
}

// A cursor whose last batch is there leaves its session to others at once.
func TestSessionOfTheLastBatch(t *testing.T) {
	s := newSurface(t)
	cur := s.c.Find(surfaceContext, nil)
	for i, free := range []int{0, 1} { // the first batch, and the last
		if !cur.Next() || s.exec.Sessions.Len() != free {
			t.Errorf("at batch %d, %d sessions are free, not %d: %v", i, s.exec.Sessions.Len(), free, cur.Err())
		}
	}
	if err := cur.Close(); err != nil || s.exec.Sessions.Len() != 1 {
		t.Errorf("in the end %d sessions are free: %v", s.exec.Sessions.Len(), err)
	}
}

// Waiting for less than a millisecond is not waiting as long as the server likes.
func TestShortAwait(t *testing.T) {
	s := newSurface(t)
	got := s.during(t, func() (any, error) {
		return first(s.c.Find(surfaceContext, nil, WithCursorType(TailableAwait), MaxAwaitTime(time.Microsecond)))
	})
	if got["getMore.maxTimeMS"] != "1" {
		t.Errorf("%v", got)
	}
}
