package classic

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// discovered is a client that knows all members of a set.
func discovered(t *testing.T, dep *mgxtest.Deployment, change ...func(*mgx.Options)) *mgx.Client {
	t.Helper()
	c := connectTo(t, dep.URI(), change...)
	// Only a member that was checked can be the one with a tag that none has.
	nearest := c.Database("a", mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Nearest})).Collection("b")
	seen, finds := map[string]int{}, watch(t, dep, "find")
	eventually(t, "all members are read from", func() bool {
		find(t, nearest)
		for address := range addresses(finds.take()) {
			seen[address]++
		}
		return len(seen) == len(dep.Members())
	})
	return c
}

func find(t *testing.T, coll *mgx.Collection) {
	t.Helper()
	if err := coll.FindOne(t.Context(), nil).Err(); !errors.Is(err, mgx.ErrNoDocuments) {
		t.Fatal(err)
	}
}

// reads tells where reads go.
func reads(t *testing.T, dep *mgxtest.Deployment, coll *mgx.Collection) map[string]int {
	t.Helper()
	finds := watch(t, dep, "find")
	for range 40 {
		find(t, coll)
	}
	return addresses(finds.take())
}

// wide takes the noise of a busy machine for no difference.
func wide(o *mgx.Options) { o.LocalThreshold = time.Minute }

func TestReadPreference(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	if mode := connectTo(t, dep.URI()).ReadPreference().Mode; mode != mgx.Primary {
		t.Errorf("%v by default", mode)
	}
	c := discovered(t, dep, wide, func(o *mgx.Options) { o.ReadPreference.Mode = mgx.SecondaryPreferred })
	if c.ReadPreference().Mode != mgx.SecondaryPreferred {
		t.Error(c.ReadPreference())
	}
	primary := dep.Primary().Addr()
	var secondaries []string
	for _, m := range dep.Secondaries() {
		secondaries = append(secondaries, m.Addr())
	}
	all := append([]string{primary}, secondaries...)
	where := map[mgx.Mode][]string{
		mgx.Primary: {primary}, mgx.PrimaryPreferred: {primary},
		mgx.Secondary: secondaries, mgx.SecondaryPreferred: secondaries, mgx.Nearest: all,
	}
	for mode, want := range where {
		coll := c.Database("a", mgx.WithReadPreference(mgx.ReadPreference{Mode: mode})).Collection("b")
		seen := reads(t, dep, coll)
		for _, address := range all {
			if (seen[address] > 0) != slices.Contains(want, address) {
				t.Errorf("%v: reads went to %v, want %v", mode, seen, want)
				break
			}
		}
	}
	// The client's, the collection's, the call's.
	finds := watch(t, dep, "find")
	coll := c.Database("a").Collection("b")
	find(t, coll)
	if cmd := finds.one(t); !slices.Contains(secondaries, cmd.Member.Addr()) {
		t.Errorf("the client's preference sent a read to %s", cmd.Member)
	}
	err := coll.FindOne(t.Context(), nil, mgx.WithReadPreference(mgx.ReadPreference{})).Err()
	if !errors.Is(err, mgx.ErrNoDocuments) {
		t.Error(err)
	}
	if cmd := finds.one(t); cmd.Member.Addr() != primary {
		t.Errorf("the call's preference sent a read to %s", cmd.Member)
	}
}

// The preferred modes make do with the others.
func TestReadPreferenceFallsBack(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	c := connectTo(t, dep.URI(), func(o *mgx.Options) { o.ServerSelectionTimeout = 100 * time.Millisecond })
	coll := func(mode mgx.Mode) *mgx.Collection {
		return c.Database("a", mgx.WithReadPreference(mgx.ReadPreference{Mode: mode})).Collection("b")
	}
	find(t, coll(mgx.SecondaryPreferred))
	if err := coll(mgx.Secondary).FindOne(t.Context(), nil).Err(); !errors.Is(err, mgx.ErrServerSelection) {
		t.Errorf("there is no secondary: %v", err)
	}

	dep = mgxtest.ReplicaSet(t, 3, mgxtest.ElectionTimeout(time.Hour))
	c = discovered(t, dep, wide)
	dep.Primary().Kill()
	find(t, coll(mgx.PrimaryPreferred))
}

func TestTagSets(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Tags(1, "dc", "east"), mgxtest.Tags(2, "dc", "west", "disk", "ssd"))
	c := discovered(t, dep, wide, func(o *mgx.Options) {
		o.ReadPreference = mgx.ReadPreference{Mode: mgx.Nearest, TagSets: []map[string]string{{"dc": "east"}}}
	})
	if sets := c.ReadPreference().TagSets; len(sets) != 1 || sets[0]["dc"] != "east" {
		t.Error(sets)
	}
	east, west := dep.Members()[1].Addr(), dep.Members()[2].Addr()
	for name, test := range map[string]struct {
		sets []map[string]string
		want []string
	}{
		"the first that matches": {[]map[string]string{{"dc": "north"}, {"dc": "west"}, {"dc": "east"}},
			[]string{west}},
		"all tags of a set": {[]map[string]string{{"dc": "east", "disk": "ssd"}, {"dc": "east"}}, []string{east}},
		"an empty one at the end": {[]map[string]string{{"dc": "north"}, {}},
			[]string{dep.Members()[0].Addr(), east, west}},
	} {
		pref := mgx.ReadPreference{Mode: mgx.Nearest, TagSets: test.sets}
		seen := reads(t, dep, c.Database("a", mgx.WithReadPreference(pref)).Collection("b"))
		if len(seen) != len(test.want) {
			t.Errorf("%s: reads went to %v, want %v", name, seen, test.want)
		}
		for _, address := range test.want {
			if seen[address] == 0 {
				t.Errorf("%s: reads went to %v, want %v", name, seen, test.want)
			}
		}
	}
	_, err := mgx.New(&mgx.Options{ReadPreference: mgx.ReadPreference{TagSets: []map[string]string{{"dc": "east"}}}})
	if !errors.Is(err, mgx.ErrConfiguration) {
		t.Errorf("tags of the primary: %v", err)
	}
}

// Routers are told what the client wants.
func TestReadPreferenceToMongos(t *testing.T) {
	dep := mgxtest.Sharded(t)
	c := connectTo(t, dep.URI()+"&readPreference=secondaryPreferred&readPreferenceTags=dc:west&readPreferenceTags=")
	finds := watch(t, dep, "find")
	find(t, c.Database("a").Collection("b"))
	told := false
	for _, cmd := range finds.take() {
		if !slices.Contains(dep.Mongoses(), cmd.Member) {
			continue // what the router asks of its shards
		}
		told = true
		p := cmd.Body.Lookup("$readPreference").Document()
		sets, _ := p.Lookup("tags").Array().Values()
		if p.Lookup("mode").StringValue() != "secondaryPreferred" || len(sets) != 2 ||
			sets[0].Document().Lookup("dc").StringValue() != "west" {
			t.Errorf("$readPreference is %v", p)
		}
	}
	if !told {
		t.Error("no mongos was asked")
	}
}

// Who is slower than the nearest by more than that gets no reads.
func TestSecondaryAcceptableLatencyMS(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	if d := connectTo(t, dep.URI()).LocalThreshold(); d != 15*time.Millisecond {
		t.Errorf("%v by default", d)
	}
	if d := connectTo(t, dep.URI()+"&secondaryAcceptableLatencyMS=20.5").LocalThreshold(); d != 20500*time.Microsecond {
		t.Errorf("20.5 ms are %v", d)
	}
	slow := dep.Secondaries()[0]
	slow.Delay(400*time.Millisecond, "hello", "isMaster", "ismaster")
	nearest := mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Nearest})
	for threshold, want := range map[time.Duration]bool{200 * time.Millisecond: false, time.Minute: true} {
		var found atomic.Int32
		c := connectTo(t, dep.URI(), func(o *mgx.Options) {
			o.LocalThreshold = threshold
			o.TopologyMonitors = append(o.TopologyMonitors, func(e event.TopologyEvent) {
				if d, ok := e.(event.ServerDescriptionChanged); ok && d.New.RTT > 0 {
					found.Add(1)
				}
			})
		})
		eventually(t, "all members are measured", func() bool { return found.Load() >= 3 })
		if seen := reads(t, dep, c.Database("a", nearest).Collection("b")); (seen[slow.Addr()] > 0) != want {
			t.Errorf("with a threshold of %v reads went to %v; %s is slow", threshold, seen, slow.Addr())
		}
	}
}
