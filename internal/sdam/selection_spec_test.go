package sdam

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
	"github.com/mgxdb/mgx/internal/spectest"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// selectionSkips lists the files of server-selection and max-staleness that are
// not run here, with the reason.
var selectionSkips = spectest.Skips{}

func TestSelectionSpecification(t *testing.T) {
	for _, suite := range []string{"server-selection/tests/server_selection", "max-staleness/tests"} {
		t.Run(suite, func(t *testing.T) {
			dir := spectest.Dir(t, suite)
			tally := spectest.NewTally(t, suite, selectionSkips)
			for _, file := range spectest.Files(t, dir, "*.json") {
				tally.Run(t, spectest.Name(dir, file), func(t *testing.T) { runSelection(t, file) })
			}
		})
	}
}

type specServer struct {
	Address        string
	Type           string
	AvgRTT         float64 `json:"avg_rtt_ms"`
	Tags           TagSet
	LastUpdateTime int64
	MaxWireVersion int32
	LastWrite      struct {
		LastWriteDate struct {
			NumberLong string `json:"$numberLong"`
		}
	}
}

type specTopology struct {
	Type    string
	Servers []specServer
}

type selectionFile struct {
	TopologyDescription  specTopology `json:"topology_description"`
	Operation            string
	HeartbeatFrequencyMS int64
	ReadPreference       struct {
		Mode                string
		TagSets             []TagSet `json:"tag_sets"`
		MaxStalenessSeconds *int64
	} `json:"read_preference"`
	DeprioritizedServers []specServer `json:"deprioritized_servers"`
	SuitableServers      []specServer `json:"suitable_servers"`
	InLatencyWindow      []specServer `json:"in_latency_window"`
	Error                bool
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func (s specServer) server(t *testing.T) *Server {
	d := DefaultServer(s.Address, nil)
	i := slices.Index(serverKindNames[:], s.Type)
	if i < 0 {
		t.Fatalf("server type %q is unknown to this test", s.Type)
	}
	d.Kind = ServerKind(i)
	d.RTT, d.Tags = milliseconds(s.AvgRTT), s.Tags
	d.MinWireVersion, d.MaxWireVersion = wireversion.Min, wireversion.Max
	d.LastUpdate = time.UnixMilli(s.LastUpdateTime)
	if s.LastWrite.LastWriteDate.NumberLong != "" {
		var ms int64
		mustUnmarshal(t, []byte(s.LastWrite.LastWriteDate.NumberLong), &ms)
		d.LastWrite = time.UnixMilli(ms)
	}
	return d
}

func (s specTopology) topology(t *testing.T) *Topology {
	i := slices.Index(topologyKindNames[:], s.Type)
	if i < 0 {
		t.Fatalf("topology type %q is unknown to this test", s.Type)
	}
	d := &Topology{Kind: TopologyKind(i)}
	for _, server := range s.Servers {
		d.Servers = append(d.Servers, server.server(t))
	}
	return d
}

func modeOf(t *testing.T, name string) Mode {
	if name == "" {
		return Primary
	}
	for i, n := range setup.ReadModes {
		if strings.EqualFold(n, name) {
			return Mode(i)
		}
	}
	t.Fatalf("mode %q is unknown to this test", name)
	return 0
}

func runSelection(t *testing.T, file string) {
	var test selectionFile
	spectest.Read(t, file, &test)
	var staleness time.Duration
	if seconds := test.ReadPreference.MaxStalenessSeconds; seconds != nil {
		if staleness = time.Duration(*seconds) * time.Second; staleness == 0 && test.Error {
			return // connstring refuses it; here it is no limit
		}
	}
	q := &Selection{
		Write: test.Operation == "write",
		ReadPreference: &ReadPreference{
			Mode:         modeOf(t, test.ReadPreference.Mode),
			TagSets:      test.ReadPreference.TagSets,
			MaxStaleness: staleness,
		},
		LocalThreshold:    15 * time.Millisecond,
		HeartbeatInterval: 10 * time.Second,
	}
	if test.HeartbeatFrequencyMS != 0 {
		q.HeartbeatInterval = milliseconds(float64(test.HeartbeatFrequencyMS))
	}
	for _, s := range test.DeprioritizedServers {
		q.Deprioritized = append(q.Deprioritized, s.Address)
	}
	topology := test.TopologyDescription.topology(t)
	suitable, err := q.Suitable(topology, nil)
	if (err != nil) != test.Error {
		t.Fatalf("error %v, want one: %v", err, test.Error)
	}
	candidates, err := q.Candidates(topology, nil)
	if (err != nil) != test.Error {
		t.Fatalf("error %v, want one: %v", err, test.Error)
	}
	if test.Error {
		return
	}
	equal(t, "suitable servers", addresses(suitable), specAddresses(test.SuitableServers))
	equal(t, "servers in the latency window", addresses(candidates), specAddresses(test.InLatencyWindow))
}

func addresses(servers []*Server) []string {
	list := []string{}
	for _, s := range servers {
		list = append(list, s.Address)
	}
	slices.Sort(list)
	return list
}

func specAddresses(servers []specServer) []string {
	list := []string{}
	for _, s := range servers {
		list = append(list, s.Address)
	}
	slices.Sort(list)
	return list
}

func TestRTTSpecification(t *testing.T) {
	suite := "server-selection/tests/rtt"
	dir := spectest.Dir(t, suite)
	tally := spectest.NewTally(t, suite, selectionSkips)
	for _, file := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, spectest.Name(dir, file), func(t *testing.T) {
			var test struct {
				Average extJSON `json:"avg_rtt_ms"`
				Sample  float64 `json:"new_rtt_ms"`
				Want    float64 `json:"new_avg_rtt"`
			}
			spectest.Read(t, file, &test)
			var rtt RTT
			if string(test.Average) != `"NULL"` {
				var before float64
				mustUnmarshal(t, test.Average, &before)
				rtt.Add(milliseconds(before))
			}
			rtt.Add(milliseconds(test.Sample))
			if diff := rtt.Average() - milliseconds(test.Want); diff.Abs() > time.Nanosecond {
				t.Errorf("average %v, want %v ms", rtt.Average(), test.Want)
			}
		})
	}
}

func TestInWindowSpecification(t *testing.T) {
	suite := "server-selection/tests/in_window"
	dir := spectest.Dir(t, suite)
	tally := spectest.NewTally(t, suite, selectionSkips)
	for _, file := range spectest.Files(t, dir, "*.json") {
		tally.Run(t, spectest.Name(dir, file), func(t *testing.T) { runInWindow(t, file) })
	}
}

func runInWindow(t *testing.T, file string) {
	var test struct {
		Description         string
		TopologyDescription specTopology `json:"topology_description"`
		State               []struct {
			Address string
			Count   int64 `json:"operation_count"`
		} `json:"mocked_topology_state"`
		Iterations int
		Outcome    struct {
			Tolerance   float64
			Frequencies map[string]float64 `json:"expected_frequencies"`
		}
	}
	spectest.Read(t, file, &test)
	topology := test.TopologyDescription.topology(t)
	load := map[string]int64{}
	for _, s := range test.State {
		load[s.Address] = s.Count
	}
	q := Selection{ReadPreference: &ReadPreference{Mode: Nearest}, LocalThreshold: 15 * time.Millisecond}
	rnd := rand.New(rand.NewPCG(1, 2))
	picked := map[string]int{}
	for range test.Iterations {
		candidates, err := q.Candidates(topology, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := Choose(candidates, rnd.IntN, func(s *Server) int64 { return load[s.Address] })
		picked[s.Address]++
	}
	for address, want := range test.Outcome.Frequencies {
		got := float64(picked[address]) / float64(test.Iterations)
		tolerance := test.Outcome.Tolerance
		if want == 0 || want == 1 {
			tolerance = 0
		}
		if got < want-tolerance || got > want+tolerance {
			t.Errorf("%s was picked with frequency %.3f, want %.3f ± %.3f", address, got, want, tolerance)
		}
	}
}
