package event_test

import (
	"testing"

	"github.com/mgxdb/mgx/event"
)

func TestTopologyDescriptionHasServers(t *testing.T) {
	server := func(kind string) event.ServerDescription {
		return event.ServerDescription{Address: kind, Kind: kind, Tags: map[string]string{"dc": "ny"}}
	}
	tags := map[string]string{"dc": "ny"}
	for _, c := range []struct {
		kind                        string
		server                      string
		writable, readable, reading bool // reading: from a secondary
	}{
		{"Unknown", "Unknown", false, false, false},
		{"Single", "Unknown", false, false, false},
		{"Single", "Standalone", true, true, true},
		{"Single", "RSArbiter", true, true, true},
		{"ReplicaSetNoPrimary", "RSSecondary", false, false, true},
		{"ReplicaSetNoPrimary", "RSOther", false, false, false},
		{"ReplicaSetWithPrimary", "RSPrimary", true, true, false},
		{"ReplicaSetWithPrimary", "RSGhost", false, false, false},
		{"Sharded", "Mongos", true, true, true},
		{"LoadBalanced", "LoadBalancer", true, true, true},
	} {
		d := event.TopologyDescription{Kind: c.kind, Servers: []event.ServerDescription{server(c.server)}}
		if w, r, s := d.HasWritableServer(), d.HasReadableServer(""), d.HasReadableServer("secondary", map[string]string{"dc": "sf"}, tags); w != c.writable || r != c.readable || s != c.reading {
			t.Errorf("%s with a %s: writable %v, readable %v, from a secondary %v", c.kind, c.server, w, r, s)
		}
		if d.HasReadableServer("primry") {
			t.Errorf("%s with a %s: readable by a mode that there is none", c.kind, c.server)
		}
	}
}
