package pool

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

func TestHandlerPanics(t *testing.T) {
	logged := captureLog(t)
	var s fakeServer
	p := newPool(t, fakeOptions{Dial: s.dial, Events: func(event.PoolEvent) { panic("the handler is broken") }})
	checkIn(t, checkOut(t, p))
	p.Clear(errors.New("down"), bson.ObjectID{}, false)
	p.Ready()
	checkIn(t, checkOut(t, p))
	if got := p.Stats(); got.Idle != 1 {
		t.Errorf("%+v", got)
	}
	if !logged("the handler is broken") {
		t.Error("the panic is not logged")
	}
}

// TestHandlerCallsBack: a handler may use the pool, and end it.
func TestHandlerCallsBack(t *testing.T) {
	for _, on := range []event.PoolEvent{
		event.PoolReady{}, event.ConnectionCheckOutStarted{}, event.ConnectionCreated{}, event.ConnectionReady{},
		event.ConnectionCheckedOut{}, event.ConnectionCheckedIn{}, event.ConnectionClosed{}, event.PoolCleared{},
	} {
		for name, act := range map[string]func(*fakePool){
			"clear": func(p *fakePool) { p.Clear(errors.New("down"), bson.ObjectID{}, true) },
			"close": (*fakePool).Close,
		} {
			t.Run(name+"/"+specName(on), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var p *fakePool
					var once sync.Once
					var s fakeServer
					p = New(fakeOptions{Dial: s.dial, MinSize: 1, MaxSize: 2, Events: func(e event.PoolEvent) {
						if p == nil {
							return
						}
						p.Stats()
						if specName(e) == specName(on) {
							once.Do(func() { act(p) })
						}
					}})
					p.Ready()
					for range 2 {
						if l, err := p.CheckOut(t.Context()); err == nil {
							checkIn(t, l)
						}
						p.Clear(errors.New("down"), bson.ObjectID{}, false)
						p.Ready()
					}
					finish(t, p)
					if s.open() != 0 {
						t.Errorf("%d open", s.open())
					}
				})
			})
		}
	}
}

func TestReadyIsToldFirst(t *testing.T) {
	var s fakeServer
	var rec recorder
	p := newPool(t, fakeOptions{Dial: s.dial, MinSize: 3, Events: rec.record})
	for range 100 {
		p.Clear(errors.New("down"), bson.ObjectID{}, false)
		p.Ready()
		p.Ready()
	}
	isReady := false
	for _, e := range rec.all() {
		switch e.(type) {
		case event.PoolReady:
			if isReady {
				t.Fatal("ready twice")
			}
			isReady = true
		case event.PoolCleared:
			isReady = false
		}
	}
	if n := count[event.PoolReady](&rec); n != 101 {
		t.Errorf("%d events PoolReady", n)
	}
}
