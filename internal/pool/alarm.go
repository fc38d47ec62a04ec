package pool

import "time"

// alarm is a timer that is made when it is needed first and rings in a goroutine
// of its own. The pool's lock guards it.
type alarm struct {
	ring  func()
	timer *time.Timer
	set   bool
}

// start makes the alarm ring after d, unless it is set already.
func (a *alarm) start(d time.Duration) {
	if a.set {
		return
	}
	a.set = true
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
		return
	}
	a.timer.Reset(d)
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
