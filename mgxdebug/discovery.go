package mgxdebug

import (
	"time"

	"github.com/mgxdb/mgx/event"
)

// at returns what is known of a server. The lock is held.
func (r *record) at(address string) *seen {
	s := r.servers[address]
	if s == nil {
		s = &seen{}
		r.servers[address] = s
	}
	return s
}

func (r *record) pool(e event.PoolEvent) {
	switch e := e.(type) {
	case event.PoolCreated:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.at(e.Address).max = e.Options.MaxPoolSize
	case event.PoolCleared:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.at(e.Address).cleared++
		r.note(e.Address, true, "its connections were put out of date"+because(e.Err))
	case event.ConnectionCheckOutFailed:
		if e.Reason == event.CheckOutTimeout {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.note(e.Address, true, "an operation got no connection within "+short(e.Duration))
		}
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// note keeps an event. The lock is held.
func (r *record) note(server string, bad bool, text string) {
	r.events.add(Note{When: time.Now(), Server: server, Text: text, Bad: bad})
}

func (r *record) topology(e event.TopologyEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case event.TopologyDescriptionChanged:
		if e.Previous.Kind != e.New.Kind {
			lost := e.New.Kind == "ReplicaSetNoPrimary" && e.Previous.Kind == "ReplicaSetWithPrimary"
			r.note("", lost, "the deployment was "+e.Previous.Kind+" and is "+e.New.Kind)
		}
	case event.ServerDescriptionChanged:
		if e.Previous.Kind != e.New.Kind {
			r.note(e.Address, e.New.Kind == "Unknown", "was "+e.Previous.Kind+" and is "+e.New.Kind+because(e.New.Err))
		}
	case event.ServerClosed:
		r.note(e.Address, false, "is no longer watched")
		delete(r.servers, e.Address)
	case event.ServerHeartbeatSucceeded:
		s := r.at(e.Address)
		s.fails = 0
		if !e.Awaited {
			if len(s.rtts) == maxRTTs {
				s.rtts = append(s.rtts[:0], s.rtts[1:]...)
			}
			s.rtts = append(s.rtts, e.Duration)
		}
	case event.ServerHeartbeatFailed:
		r.at(e.Address).fails++
	}
}
