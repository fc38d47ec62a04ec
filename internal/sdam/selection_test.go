package sdam

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func sampleSet() *Topology {
	t := &Topology{Kind: ReplicaSetWithPrimary, SetName: "rs"}
	t.Servers = []*Server{
		member("a:1", RSPrimary, "a:1", "b:1", "c:1"), member("b:1", RSSecondary), member("c:1", RSSecondary), member("d:1", RSArbiter),
	}
	return t
}

func TestSelectionDoesNotAllocate(t *testing.T) {
	topology := sampleSet()
	pref := &ReadPreference{Mode: Nearest, TagSets: []TagSet{{"dc": "none"}, {}}, MaxStaleness: 2 * time.Minute}
	for _, q := range []Selection{{Write: true}, {}, {ReadPreference: pref, Deprioritized: []string{"a:1"}}} {
		allocs := testing.AllocsPerRun(100, func() {
			var buf [8]*Server
			q := q
			found, err := q.Candidates(topology, buf[:0])
			if s := Choose(found, rand.IntN, func(*Server) int64 { return 0 }); s == nil || err != nil {
				t.Fatal(s, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations", &q, allocs)
		}
	}
}

func TestSelectionAppends(t *testing.T) {
	topology := sampleSet()
	first := known("z:1", Standalone)
	q := Selection{ReadPreference: &ReadPreference{Mode: Secondary}}
	found, err := q.Candidates(topology, []*Server{first})
	if err != nil || len(found) != 3 || found[0] != first {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestCustomSelector(t *testing.T) {
	topology := sampleSet()
	var kept []*Server
	q := Selection{ReadPreference: &ReadPreference{Mode: Nearest}, Custom: func(suitable []*Server) []*Server {
		kept = suitable
		return suitable[1:2]
	}}
	var buf [8]*Server
	found, err := q.Candidates(topology, buf[:0])
	if err != nil || len(found) != 1 || found[0].Address != "b:1" {
		t.Errorf("got %v, %v", addresses(found), err)
	}
	if len(kept) != 3 || &kept[0] == &buf[0] {
		t.Error("the selector did not get a copy of the suitable servers")
	}
	q.Custom = func([]*Server) []*Server { return nil }
	if found, err := q.Candidates(topology, buf[:0]); err != nil || len(found) != 0 {
		t.Errorf("got %v, %v", found, err)
	}
	topology.Kind, topology.Servers = TopologyUnknown, nil
	q.Custom = func([]*Server) []*Server { t.Error("called without suitable servers"); return nil }
	if _, err := q.Candidates(topology, nil); err != nil {
		t.Error(err)
	}
}

func TestSelectionReportsWhatWaitingDoesNotCure(t *testing.T) {
	topology := sampleSet()
	for _, c := range []struct {
		pref ReadPreference
		want string
	}{
		{ReadPreference{Mode: 77}, "is not known"},
		{ReadPreference{TagSets: []TagSet{{"a": "b"}}}, "readPreferenceTags: needs a readPreference other than primary"},
		{ReadPreference{MaxStaleness: time.Hour}, "maxStalenessSeconds: needs"},
		{ReadPreference{Hedge: new(bool)}, "hedge: needs"},
		{ReadPreference{Mode: Nearest, MaxStaleness: time.Minute}, "too low: it takes at least"},
		{ReadPreference{Mode: Nearest, MaxStaleness: 95 * time.Second}, "at least 110 seconds"},
	} {
		q := Selection{ReadPreference: &c.pref, HeartbeatInterval: 100 * time.Second}
		if _, err := q.Candidates(topology, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", &c.pref, err, c.want)
		}
	}
	topology.Incompatible = errors.New("too old")
	if _, err := (&Selection{Write: true}).Candidates(topology, nil); err != topology.Incompatible {
		t.Errorf("incompatible topology: %v", err)
	}
}

func TestChooseNeedsCandidates(t *testing.T) {
	if Choose(nil, rand.IntN, nil) != nil {
		t.Error("chose something out of nothing")
	}
}

func TestReadPreferenceToSend(t *testing.T) {
	secondary := &ReadPreference{Mode: Secondary}
	primary := &ReadPreference{}
	for _, c := range []struct {
		pref     *ReadPreference
		topology TopologyKind
		server   ServerKind
		want     string
	}{
		{nil, Single, Standalone, ""}, {secondary, Single, Standalone, ""},
		{nil, Single, RSSecondary, "primaryPreferred"}, {primary, Single, RSArbiter, "primaryPreferred"},
		{secondary, Single, RSPrimary, "secondary"}, {nil, Single, Mongos, ""}, {secondary, Single, Mongos, "secondary"},
		{nil, ReplicaSetWithPrimary, RSPrimary, ""}, {secondary, ReplicaSetWithPrimary, RSSecondary, "secondary"},
		{nil, Sharded, Mongos, ""}, {secondary, Sharded, Mongos, "secondary"},
		{primary, LoadBalanced, LoadBalancer, ""}, {secondary, LoadBalanced, LoadBalancer, "secondary"},
	} {
		got := ""
		if p := c.pref.ToSend(c.topology, c.server); p != nil {
			got = p.Mode.String()
		}
		if got != c.want {
			t.Errorf("%v on %v in %v: sends %q, want %q", c.pref, c.server, c.topology, got, c.want)
		}
	}
}

func TestSelectionErrorIsReadable(t *testing.T) {
	topology := NewTopology(Settings{Seeds: []string{"a:1", "b:1", "c:1", "d:1"}, SetName: "rs"})
	topology = topology.Apply(DefaultServer("a:1", errors.New("dial tcp a:1:\n connection refused")))
	tagged := member("b:1", RSSecondary, "b:1")
	tagged.Tags = TagSet{"dc": "ny", "a": "b"}
	topology = topology.Apply(tagged).Apply(known("d:1", Standalone))
	hedge := true
	q := &Selection{ReadPreference: &ReadPreference{Mode: Secondary, TagSets: []TagSet{{"dc": "sf"}}, MaxStaleness: 90 * time.Second, Hedge: &hedge}}
	err := &SelectionError{Topology: topology, Wanted: q.String(), Waited: 1500 * time.Millisecond, Cause: context.DeadlineExceeded}
	want := `no server for a read with preference {mode: secondary, tagSets: [{dc: sf}], maxStalenessSeconds: 90, hedge: {enabled: true}} after 1.5s: context deadline exceeded; topology ReplicaSetNoPrimary "rs"
  a:1: Unknown: dial tcp a:1: connection refused
  b:1: RSSecondary, tags {a: b, dc: ny}
  c:1: Unknown: no answer to the first check yet
  d:1: left out: it is a Standalone, not a member of a replica set`
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause is not part of the error")
	}
	write := &Selection{Write: true, Custom: slices.Clone[[]*Server]}
	if got := (&SelectionError{Wanted: write.String()}).Error(); got != "no server for a write and a custom selector" {
		t.Errorf("got %s", got)
	}
}

func BenchmarkSelectPrimary(b *testing.B) {
	topology := sampleSet()
	q := Selection{Write: true}
	b.ReportAllocs()
	for b.Loop() {
		var buf [8]*Server
		found, _ := q.Candidates(topology, buf[:0])
		if len(found) != 1 {
			b.Fatal("not one primary")
		}
	}
}

func BenchmarkSelectNearest(b *testing.B) {
	topology := sampleSet()
	q := Selection{ReadPreference: &ReadPreference{Mode: Nearest}, LocalThreshold: 15 * time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		var buf [8]*Server
		found, _ := q.Candidates(topology, buf[:0])
		if Choose(found, rand.IntN, func(*Server) int64 { return 0 }) == nil {
			b.Fatal("none")
		}
	}
}

// A selection stays with servers that it prefers as long as they are suitable.
func TestPreferred(t *testing.T) {
	top := &Topology{Kind: Sharded, Servers: []*Server{
		{Address: "a:1", Kind: Mongos, RTT: time.Second}, {Address: "b:1", Kind: Mongos}, {Address: "c:1", Kind: Unknown},
	}}
	for _, c := range []struct {
		preferred, avoided []string
		want               string
	}{
		{[]string{"a:1"}, nil, "a:1"}, // outside of the latency window, too
		{[]string{"a:1", "b:1"}, nil, "a:1"},
		{[]string{"c:1", "b:1"}, nil, "b:1"},
		{[]string{"c:1"}, nil, "b:1"},
		{[]string{"a:1"}, []string{"a:1"}, "b:1"},
		{nil, nil, "b:1"},
	} {
		q := Selection{Write: true, Preferred: c.preferred, Deprioritized: c.avoided, LocalThreshold: time.Millisecond}
		found, err := q.Candidates(top, nil)
		if err != nil || len(found) != 1 || found[0].Address != c.want {
			t.Errorf("%v, without %v: %v, %v", c.preferred, c.avoided, found, err)
		}
	}
}
