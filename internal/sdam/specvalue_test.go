package sdam

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	official "go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/bson"
)

func toBSON(t *testing.T, data []byte) []byte {
	t.Helper()
	var doc official.D
	if err := official.UnmarshalExtJSON(data, false, &doc); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	b, err := official.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustUnmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// roundTrip turns a value into what decoding its JSON gives, so that it compares
// with what a test file says.
func roundTrip(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	mustUnmarshal(t, data, &out)
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("%s: got  %s\nwant %s", what, g, w)
	}
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func orZero(v any) any {
	if v == nil {
		return int32(0)
	}
	return v
}

func number(n *int64) any {
	if n == nil {
		return nil
	}
	return float64(*n)
}

func objectID(id *bson.ObjectID) any {
	if id == nil {
		return nil
	}
	return map[string]any{"$oid": id.Hex()}
}

// eventOf is an event as the monitoring test files write it.
func eventOf(name string, fields map[string]any) any {
	all := map[string]any{"topologyId": "42"}
	for k, v := range fields {
		all[k] = v
	}
	return map[string]any{name: all}
}

func topologyEvent(old, new *Topology) any {
	return eventOf("topology_description_changed_event", map[string]any{
		"previousDescription": describeTopology(old), "newDescription": describeTopology(new),
	})
}

func describeTopology(t *Topology) any {
	servers := []any{}
	for _, s := range t.Servers {
		servers = append(servers, describe(s))
	}
	d := map[string]any{"topologyType": t.Kind.String(), "servers": servers}
	if t.SetName != "" {
		d["setName"] = t.SetName
	}
	return d
}

func describe(s *Server) any {
	list := func(l []string) []string { return append([]string{}, l...) }
	d := map[string]any{
		"address": s.Address, "type": s.Kind.String(),
		"hosts": list(s.Hosts), "passives": list(s.Passives), "arbiters": list(s.Arbiters),
	}
	if s.SetName != "" {
		d["setName"] = s.SetName
	}
	if s.Primary != "" {
		d["primary"] = s.Primary
	}
	return d
}
