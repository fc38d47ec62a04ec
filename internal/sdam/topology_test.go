package sdam

import (
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/wireversion"
)

func known(address string, kind ServerKind) *Server {
	s := DefaultServer(address, nil)
	s.Kind, s.MinWireVersion, s.MaxWireVersion = kind, wireversion.Min, wireversion.Max
	return s
}

func member(address string, kind ServerKind, hosts ...string) *Server {
	s := known(address, kind)
	s.SetName, s.Hosts = "rs", hosts
	return s
}

func TestSeedTwice(t *testing.T) {
	if got := len(NewTopology(Settings{Seeds: []string{"A", "a:27017"}}).Servers); got != 1 {
		t.Errorf("the same seed twice gave %d servers", got)
	}
}

func TestApplyLeavesTheOldTopologyAlone(t *testing.T) {
	before := NewTopology(Settings{Seeds: []string{"a:1", "b:1"}})
	after := before.Apply(member("a:1", RSPrimary, "a:1", "c:1"))
	if got := addresses(before.Servers); before.Kind != TopologyUnknown || len(got) != 2 || got[1] != "b:1" {
		t.Errorf("the older topology changed: %v", before)
	}
	if got := addresses(after.Servers); after.Kind != ReplicaSetWithPrimary || len(got) != 2 || got[1] != "c:1" {
		t.Errorf("got %v", after)
	}
	d := after.Compare(before)
	if len(d.Changed) != 1 || len(d.Opened) != 1 || len(d.Closed) != 1 || !d.Topology {
		t.Errorf("got %+v", d)
	}
	if before.Apply(member("x:1", RSPrimary, "x:1")) != before {
		t.Error("a server that is not part of the topology changed it")
	}
}

func TestIncompatibleNamesServerAndVersions(t *testing.T) {
	topology := NewTopology(Settings{Seeds: []string{"a:1"}, Direct: true})
	old := known("a:1", Standalone)
	old.MinWireVersion, old.MaxWireVersion = 0, 6
	want := "server at a:1 reports wire version 6, but this version of mgx requires at least 8 (MongoDB 4.2): upgrade the server"
	if got := topology.Apply(old).Incompatible; got == nil || got.Error() != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	young := known("a:1", Standalone)
	young.MinWireVersion, young.MaxWireVersion = 998, 999
	want = "server at a:1 requires wire version 998, but this version of mgx only supports up to 29: upgrade mgx"
	if got := topology.Apply(young).Incompatible; got == nil || got.Error() != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	if got := topology.Apply(old).Apply(known("a:1", Standalone)).Incompatible; got != nil {
		t.Errorf("after the upgrade: %v", got)
	}
}

func TestWithHosts(t *testing.T) {
	noShuffle := func(int, func(i, j int)) {}
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	start := NewTopology(Settings{Seeds: []string{"a:1", "b:1"}}).Apply(known("a:1", Mongos))
	for _, c := range []struct {
		name    string
		hosts   []string
		limit   int
		shuffle func(int, func(i, j int))
		want    string
	}{
		{"one replaced", []string{"a:1", "c:1"}, 0, noShuffle, "a:1 c:1"},
		{"nothing found", nil, 0, noShuffle, "a:1 b:1"},
		{"limit not reached", []string{"a:1", "b:1", "c:1"}, 3, noShuffle, "a:1 b:1 c:1"},
		{"known ones stay first", []string{"c:1", "d:1", "a:1", "b:1"}, 2, reverse, "a:1 b:1"},
		{"random fill", []string{"c:1", "d:1", "e:1", "a:1"}, 2, reverse, "a:1 e:1"},
		{"duplicates", []string{"c:1", "C:1", "a:1"}, 0, noShuffle, "a:1 c:1"},
	} {
		n := start.WithHosts(c.hosts, c.limit, c.shuffle)
		if got := strings.Join(addresses(n.Servers), " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if c.want == "a:1 b:1" && n != start {
			t.Errorf("%s: nothing changed, yet the topology is another", c.name)
		}
	}
	if got := start.WithHosts([]string{"a:1", "c:1"}, 0, noShuffle).Server("a:1"); got != start.Server("a:1") {
		t.Error("a host that stays was replaced")
	}
	set := NewTopology(Settings{Seeds: []string{"a:1"}}).Apply(member("a:1", RSPrimary, "a:1"))
	if set.WithHosts([]string{"z:1"}, 0, noShuffle) != set {
		t.Error("a replica set followed SRV records")
	}
}

func TestRemovalsAreRememberedAndForgotten(t *testing.T) {
	topology := NewTopology(Settings{Seeds: []string{"a:1", "b:1"}, SetName: "other"})
	topology = topology.Apply(member("a:1", RSPrimary, "a:1"))
	if len(topology.Removed) != 1 || topology.Removed[0] != (Removal{"a:1", `it belongs to replica set "rs", not to "other"`}) {
		t.Errorf("got %+v", topology.Removed)
	}
	back := member("b:1", RSSecondary, "a:1", "b:1")
	back.SetName = "other"
	if topology = topology.Apply(back); len(topology.Removed) != 0 || topology.Server("a:1") == nil {
		t.Errorf("after another member listed it: %v, %+v", topology, topology.Removed)
	}
}

func TestTopologyString(t *testing.T) {
	topology := NewTopology(Settings{Seeds: []string{"a:1", "b:1"}, SetName: "rs"})
	topology = topology.Apply(DefaultServer("b:1", errors.New("no\nroute")))
	if got, want := topology.String(), `ReplicaSetNoPrimary "rs" [a:1 Unknown, b:1 Unknown (no route)]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKindNames(t *testing.T) {
	if ServerKind(200).String() != "Unknown" || TopologyKind(200).String() != "Unknown" || Mode(9).String() != "Mode(9)" {
		t.Error("a kind out of range has an odd name")
	}
}
