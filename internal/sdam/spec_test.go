package sdam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/spectest"
)

// discoverySkips lists the files of server-discovery-and-monitoring that are not
// run here, with the reason.
var discoverySkips = spectest.Skips{}

func TestDiscoverySpecification(t *testing.T) {
	const all = "server-discovery-and-monitoring/tests"
	entries, err := os.ReadDir(spectest.Dir(t, all))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range entries {
		if !folder.IsDir() || folder.Name() == "unified" { // which module unified runs
			continue
		}
		t.Run(folder.Name(), func(t *testing.T) {
			suite := all + "/" + folder.Name()
			dir := spectest.Dir(t, suite)
			tally := spectest.NewTally(t, suite, discoverySkips)
			for _, file := range spectest.Files(t, dir, "*.json") {
				tally.Run(t, spectest.Name(dir, file), func(t *testing.T) { runDiscovery(t, file) })
			}
		})
	}
}

// extJSON is a value of a test file, kept as bytes for an Extended JSON reader.
type extJSON = json.RawMessage

type discoveryFile struct {
	Description string
	URI         string
	Phases      []struct {
		Description       string
		Responses         [][2]extJSON
		ApplicationErrors []applicationError
		Outcome           map[string]extJSON
	}
}

type applicationError struct {
	Address        string
	Generation     *uint64
	MaxWireVersion int32
	When           string
	Type           string
	Response       extJSON
}

// deployment is what package topology adds to the pure transitions: a pool
// generation per server, and events.
type deployment struct {
	topology    *Topology
	generations map[string]uint64
	events      []any
}

func runDiscovery(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The hint is for clients with one thread; for others it is the same as Unknown.
	data = bytes.ReplaceAll(data, []byte(`"PossiblePrimary"`), []byte(`"Unknown"`))
	var test discoveryFile
	if err := spectest.Decode(data, &test); err != nil {
		t.Fatal(err)
	}
	d := openDeployment(t, test.URI)
	for i, phase := range test.Phases {
		for _, response := range phase.Responses {
			var address string
			mustUnmarshal(t, response[0], &address)
			d.check(t, address, response[1])
		}
		for _, e := range phase.ApplicationErrors {
			d.fail(t, e)
		}
		d.verify(t, fmt.Sprintf("phase %d %s", i, phase.Description), phase.Outcome)
	}
}

func settingsOf(t *testing.T, uri string) Settings {
	c, err := connstring.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	isTrue := func(b *bool) bool { return b != nil && *b }
	settings := Settings{
		Seeds: c.Hosts, SetName: c.ReplicaSet, Direct: isTrue(c.DirectConnection), LoadBalanced: isTrue(c.LoadBalanced),
	}
	rest := *c
	rest.Scheme, rest.Hosts, rest.ReplicaSet, rest.DirectConnection, rest.LoadBalanced = "", nil, "", nil, nil
	if !reflect.DeepEqual(rest, connstring.ConnString{}) {
		t.Fatalf("%s has options that are unknown to this test", uri)
	}
	return settings
}

func openDeployment(t *testing.T, uri string) *deployment {
	topology := NewTopology(settingsOf(t, uri))
	d := &deployment{topology: topology.Closed(), generations: map[string]uint64{}}
	d.events = append(d.events, eventOf("topology_opening_event", nil))
	d.events = append(d.events, topologyEvent(d.topology, topology))
	for _, s := range topology.Servers {
		d.events = append(d.events, eventOf("server_opening_event", map[string]any{"address": s.Address}))
	}
	d.topology = topology
	if topology.Kind == LoadBalanced {
		d.apply(LoadBalancerServer(topology.Servers[0].Address))
	}
	return d
}

func (d *deployment) apply(s *Server) {
	old := d.topology
	d.topology = old.Apply(s)
	diff := d.topology.Compare(old)
	for _, c := range diff.Changed {
		d.events = append(d.events, eventOf("server_description_changed_event", map[string]any{
			"address": c.New.Address, "previousDescription": describe(c.Previous), "newDescription": describe(c.New),
		}))
	}
	for _, s := range diff.Opened {
		d.events = append(d.events, eventOf("server_opening_event", map[string]any{"address": s.Address}))
	}
	for _, s := range diff.Closed {
		d.events = append(d.events, eventOf("server_closed_event", map[string]any{"address": s.Address}))
	}
	if diff.Topology {
		d.events = append(d.events, topologyEvent(old, d.topology))
	}
}

func (d *deployment) decide(address string, decision Decision) {
	if decision.Unknown != nil {
		d.apply(decision.Unknown)
	}
	if decision.ClearPool {
		d.generations[address]++
	}
}

// check is a monitor's check with the given reply; an empty one stands for a
// network error.
func (d *deployment) check(t *testing.T, address string, reply extJSON) {
	doc := toBSON(t, reply)
	previous := d.topology.Server(address)
	if previous == nil {
		previous = DefaultServer(address, nil)
	}
	if len(doc) == 5 {
		d.decide(address, OnCheckFailure(previous, errors.New("network error"), NetworkFailure))
		return
	}
	s, err := ParseHello(address, doc)
	if err != nil {
		if !errors.As(err, new(*fault.Refusal)) {
			t.Fatalf("reply of %s: %v", address, err)
		}
		d.decide(address, OnCheckFailure(previous, err, CommandFailure))
		return
	}
	d.apply(s)
}

func (d *deployment) fail(t *testing.T, e applicationError) {
	f := &Failure{
		Err:            errors.New("application " + e.Type),
		HandshakeDone:  e.When == "afterHandshakeCompletes",
		MaxWireVersion: e.MaxWireVersion,
		Generation:     d.generations[e.Address],
	}
	if e.Generation != nil {
		f.Generation = *e.Generation
	}
	switch e.Type {
	case "network":
		f.Class = NetworkFailure
	case "timeout":
		f.Class = TimeoutFailure
	case "command":
		readReply(toBSON(t, e.Response), f)
	default:
		t.Fatalf("application error of type %q", e.Type)
	}
	// A pool labels the failures of opening a connection.
	f.Overloaded = !f.HandshakeDone && e.Type != "command"
	s := d.topology.Server(e.Address)
	if s == nil {
		t.Fatalf("application error on %s, which is no server of the topology", e.Address)
	}
	d.decide(e.Address, OnError(d.topology.Kind, s, d.generations[e.Address], f))
}

// readReply takes the error out of a command's reply: its own or that of the
// write concern.
func readReply(doc []byte, f *Failure) {
	if v, ok := bsonwire.Lookup(doc, "topologyVersion"); ok {
		f.TopologyVersion, _ = ParseTopologyVersion(v)
	}
	if wce, ok := bsonwire.Lookup(doc, "writeConcernError"); ok {
		doc, _ = wce.AsDocument()
	}
	said := fault.Parse(doc)
	f.Code, f.Message, f.Err = said.Code, said.Message, errors.New(said.Message)
}

func (d *deployment) verify(t *testing.T, phase string, outcome map[string]extJSON) {
	t.Helper()
	for key, raw := range outcome {
		var want any
		mustUnmarshal(t, raw, &want)
		switch key {
		case "servers":
			d.verifyServers(t, phase, raw)
		case "topologyType":
			equal(t, phase+": "+key, d.topology.Kind.String(), want)
		case "setName":
			equal(t, phase+": "+key, d.topology.SetName, orEmpty(want))
		case "logicalSessionTimeoutMinutes":
			equal(t, phase+": "+key, number(d.topology.SessionTimeoutMinutes), want)
		case "maxSetVersion":
			equal(t, phase+": "+key, number(d.topology.MaxSetVersion), want)
		case "maxElectionId":
			equal(t, phase+": "+key, objectID(d.topology.MaxElectionID), want)
		case "compatible":
			equal(t, phase+": "+key, d.topology.Incompatible == nil, want)
		case "events":
			equal(t, phase+": "+key, roundTrip(t, d.events), want)
			d.events = nil
		default:
			t.Errorf("%s: outcome %q is unknown to this test", phase, key)
		}
	}
}

func (d *deployment) verifyServers(t *testing.T, phase string, raw extJSON) {
	t.Helper()
	var want map[string]map[string]any
	mustUnmarshal(t, raw, &want)
	var addresses []string
	for _, s := range d.topology.Servers {
		addresses = append(addresses, s.Address)
	}
	slices.Sort(addresses)
	equal(t, phase+": servers", addresses, slices.Sorted(maps.Keys(want)))
	for address, fields := range want {
		s := d.topology.Server(address)
		if s == nil {
			continue
		}
		for key, value := range fields {
			verifyServer(t, phase+": "+address+"."+key, s, d.generations[address], key, value)
		}
	}
}

func verifyServer(t *testing.T, where string, s *Server, generation uint64, key string, want any) {
	t.Helper()
	switch key {
	case "type":
		equal(t, where, s.Kind.String(), want)
	case "setName":
		equal(t, where, s.SetName, orEmpty(want))
	case "setVersion":
		equal(t, where, number(s.SetVersion), want)
	case "electionId":
		equal(t, where, objectID(s.ElectionID), want)
	case "logicalSessionTimeoutMinutes":
		equal(t, where, number(s.SessionTimeoutMinutes), want)
	case "minWireVersion":
		equal(t, where, s.MinWireVersion, orZero(want))
	case "maxWireVersion":
		equal(t, where, s.MaxWireVersion, orZero(want))
	case "topologyVersion":
		var got any
		if v := s.TopologyVersion; v != nil {
			got = map[string]any{"processId": objectID(&v.ProcessID), "counter": map[string]any{"$numberLong": fmt.Sprint(v.Counter)}}
		}
		equal(t, where, got, want)
	case "pool":
		equal(t, where, map[string]any{"generation": float64(generation)}, want)
	case "error":
		if s.Err == nil || !strings.Contains(s.Err.Error(), want.(string)) {
			t.Errorf("%s: %v, want an error with %q", where, s.Err, want)
		}
	default:
		t.Errorf("%s is unknown to this test", where)
	}
}
