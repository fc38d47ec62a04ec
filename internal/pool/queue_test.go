package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// model is a queue in the plainest way.
type model struct {
	t       *testing.T
	q       queue[*fakeConn]
	waiting []*waiter[*fakeConn]
	dials   []*fakeLease
}

// check compares the queue with the model and with its own promises.
func (m *model) check() {
	m.t.Helper()
	var got []*waiter[*fakeConn]
	for w := m.q.head; w != nil; w = w.next {
		got = append(got, w)
		if !w.queued {
			m.t.Fatal("a waiter on the queue does not know it")
		}
		if w.next == nil && m.q.tail != w {
			m.t.Fatal("the tail is not the last")
		}
		if w.next != nil && w.next.prev != w {
			m.t.Fatal("the links disagree")
		}
	}
	if !slices.Equal(got, m.waiting) || m.q.length != len(got) {
		m.t.Fatalf("the queue is out of order, or its length %d wrong", m.q.length)
	}
	bound := 0
	for bound < len(got) && got[bound].dial != nil {
		bound++
	}
	for _, w := range got[bound:] {
		if w.dial != nil {
			m.t.Fatal("somebody later is bound before somebody earlier")
		}
	}
	if bound != m.q.bound || m.q.waiting() != len(got)-bound {
		m.t.Fatalf("%d are bound, the queue says %d", bound, m.q.bound)
	}
	if (bound < len(got)) != (m.q.unbound != nil) || m.q.unbound != nil && m.q.unbound != got[bound] {
		m.t.Fatal("unbound is not the first who has no connection on the way")
	}
	if bound != min(len(got), len(m.dials)) {
		m.t.Fatalf("%d wait, %d connections are on the way, only %d are bound", len(got), len(m.dials), bound)
	}
	for _, l := range m.dials {
		orphan := slices.Contains(m.q.orphans, l)
		if orphan == (l.waiter != nil) || l.waiter != nil && l.waiter.dial != l {
			m.t.Fatal("a connection on the way does not know for whom")
		}
	}
	if len(m.q.orphans) != len(m.dials)-bound {
		m.t.Fatalf("%d orphans", len(m.q.orphans))
	}
}

func (m *model) takeOff(w *waiter[*fakeConn]) {
	i := slices.Index(m.waiting, w)
	if i < 0 || w.queued {
		m.t.Fatal("not taken off the queue")
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

func TestQueue(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	m := &model{t: t}
	for range 20000 {
		switch rnd.IntN(8) {
		case 0, 1, 2:
			w := &waiter[*fakeConn]{}
			m.q.push(w)
			m.waiting = append(m.waiting, w)
		case 3: // a connection comes back
			first := m.q.pop()
			if len(m.waiting) == 0 {
				if first != nil {
					t.Fatal("somebody popped off an empty queue")
				}
			} else if first != m.waiting[0] {
				t.Fatal("not the first is served")
			} else {
				m.takeOff(first)
			}
		case 4: // somebody gives up
			if n := len(m.waiting); n > 0 {
				w := m.waiting[rnd.IntN(n)]
				m.q.remove(w)
				m.takeOff(w)
			}
		case 5: // a dialling begins
			l := &fakeLease{}
			m.dials = append(m.dials, l)
			m.q.adopt(l)
		case 6, 7: // a dialling ends
			n := len(m.dials)
			if n == 0 {
				break
			}
			i := rnd.IntN(n)
			l := m.dials[i]
			m.dials = slices.Delete(m.dials, i, i+1)
			failed := rnd.IntN(2) == 0
			its := l.waiter
			w := m.q.forget(l, failed)
			switch {
			case its == nil && w == nil:
			case failed && w != its:
				t.Fatal("the failure goes to somebody else")
			case !failed && w != m.waiting[0]:
				t.Fatal("not the first is served")
			default:
				m.takeOff(w)
			}
		}
		m.check()
		if rnd.IntN(500) == 0 {
			n := 0
			for w := m.q.clear(); w != nil; w = w.next {
				if w != m.waiting[n] || w.queued {
					t.Fatal("clear returns others than waited")
				}
				n++
			}
			if n != len(m.waiting) {
				t.Fatalf("clear returns %d of %d", n, len(m.waiting))
			}
			m.waiting, m.dials = nil, nil
			m.check()
		}
	}
}
