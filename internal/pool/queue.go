package pool

import "time"

// waiter is a caller that waits for a connection.
type waiter[C Conn] struct {
	prev, next *waiter[C]
	queued     bool
	patient    bool          // WaitQueueTimeout does not bound its wait
	dial       *Lease[C]     // the connection that is being established for it
	since      time.Duration // on the pool's clock
	answer     chan answer[C]
}

// answer is what a waiter is told, once. Whoever takes the waiter off the queue
// sends it, unless the waiter itself does.
type answer[C Conn] struct {
	lease *Lease[C]
	err   error
}

// tell answers the waiter. It does not block.
func (w *waiter[C]) tell(l *Lease[C], err error) { w.answer <- answer[C]{l, err} }

// queue is the callers that wait, first come first served. Those for whom a
// connection is being established, the bound ones, come before all others: a
// connection is begun for the first who has none on the way, and nobody is ever
// unbound again. The pool's lock guards it.
type queue[C Conn] struct {
	head, tail *waiter[C]
	unbound    *waiter[C]  // the first for whom no connection is on its way
	orphans    []*Lease[C] // connections on their way for nobody
	length     int
	bound      int
}

// push adds w at the end.
func (q *queue[C]) push(w *waiter[C]) {
	w.queued, w.prev, w.next = true, q.tail, nil
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	q.length++
	if q.unbound == nil {
		q.unbound = w
	}
	if n := len(q.orphans); n > 0 {
		l := q.orphans[n-1]
		q.orphans[n-1] = nil
		q.orphans = q.orphans[:n-1]
		q.adopt(l)
	}
}

// waiting counts those for whom no connection is on its way.
func (q *queue[C]) waiting() int { return q.length - q.bound }

// adopt binds the connection l, which is being established, to the first who
// has none, or to nobody.
func (q *queue[C]) adopt(l *Lease[C]) {
	w := q.unbound
	if w == nil {
		q.orphans = append(q.orphans, l)
		return
	}
	w.dial, l.waiter = l, w
	q.unbound = w.next
	q.bound++
}

// remove takes w off, wherever it stands. The connection that was on its way
// for it goes to the next who has none.
func (q *queue[C]) remove(w *waiter[C]) {
	q.unlink(w)
	if l := w.dial; l != nil {
		w.dial, l.waiter = nil, nil
		q.bound--
		q.adopt(l)
	}
}

// pop takes the first off, nil if nobody waits.
func (q *queue[C]) pop() *waiter[C] {
	w := q.head
	if w != nil {
		q.remove(w)
	}
	return w
}

// forget is called when l is no longer being established. With take set, its
// waiter is taken off the queue and returned; else the waiter changes places
// with the first, whose connection then is on its way for it.
func (q *queue[C]) forget(l *Lease[C], take bool) *waiter[C] {
	w := l.waiter
	if w == nil {
		for i, o := range q.orphans {
			if o == l {
				q.orphans = append(q.orphans[:i], q.orphans[i+1:]...)
				break
			}
		}
		return nil
	}
	l.waiter, w.dial = nil, nil
	q.bound--
	if take {
		q.unlink(w)
		return w
	}
	if first := q.head; first != w {
		other := first.dial
		first.dial, other.waiter, w.dial = nil, w, other
		w = first
	}
	// The first is bound to nothing now, and about to be served.
	q.unlink(w)
	return w
}

// clear takes everybody off and returns the first; the others follow by next.
func (q *queue[C]) clear() *waiter[C] {
	first := q.head
	for w := first; w != nil; w = w.next {
		if w.dial != nil {
			w.dial.waiter = nil
			w.dial = nil
		}
		w.queued = false
	}
	*q = queue[C]{}
	return first
}

func (q *queue[C]) unlink(w *waiter[C]) {
	if w == q.unbound {
		q.unbound = w.next
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	q.length--
}
