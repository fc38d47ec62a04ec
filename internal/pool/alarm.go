package pool

import "time"

// alarm is a timer that is made when it is needed first and rings in a goroutine
// of its own. The pool's lock guards it.
type alarm struct {
	ring  func()
	timer *time.Timer
	set   bool
	due   time.Time
}

// start makes the alarm ring after d, unless it is set already.
func (a *alarm) start(d time.Duration) {
	if a.set {
		return
	}
	a.set, a.due = true, time.Now().Add(d)
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
		return
	}
	a.timer.Reset(d)
}

// startEarlier makes the alarm ring after d at the latest.
func (a *alarm) startEarlier(d time.Duration) {
	if a.set && a.due.After(time.Now().Add(d)) {
		a.stop()
	}
	a.start(d)
}

// stop keeps the alarm from ringing. One that rings already finds set false.
func (a *alarm) stop() {
	if a.set {
		a.set = false
		a.timer.Stop()
	}
}

// rung is called by ring first. It reports whether the alarm was still wanted.
func (a *alarm) rung() bool {
	was := a.set
	a.set = false
	return was
}
