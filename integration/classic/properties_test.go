package classic

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/mgxtest"
)

// split returns an address's host and port.
func split(t *testing.T, address string) (string, int) {
	t.Helper()
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// seeded is a client of a set of three that was told of one secondary.
func seeded(t *testing.T) (*mgx.Client, *mgxtest.Deployment) {
	t.Helper()
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.SetName("tea"))
	return connectTo(t, "mongodb://"+dep.Secondaries()[0].Addr()+"/?replicaSet=tea"), dep
}

// Host and port are the primary's, also after another was elected.
func TestHost(t *testing.T) {
	c, dep := seeded(t)
	if host, _ := split(t, dep.Primary().Addr()); c.Host() != host {
		t.Errorf("the host is %q", c.Host())
	}
	if o, err := mgx.ParseURI("mongodb://" + scripted.Refusing(t)); err != nil {
		t.Error(err)
	} else if c, err := mgx.New(o); err != nil || c.Host() != "" || c.Port() != 0 || c.IsPrimary() || c.IsMongos() {
		t.Errorf("without a server: %q %d (%v)", c.Host(), c.Port(), err)
	} else if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPort(t *testing.T) {
	c, dep := seeded(t)
	_, before := split(t, dep.Primary().Addr())
	if c.Port() != before {
		t.Errorf("the port is %d", c.Port())
	}
	if err := dep.StepDown(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new primary's port", func() bool {
		p := dep.Primary()
		if p == nil {
			return false
		}
		_, port := split(t, p.Addr())
		return c.Port() == port && c.IsPrimary()
	})
}

func TestNodes(t *testing.T) {
	c, dep := seeded(t)
	var want []string
	for _, m := range dep.Members() {
		want = append(want, m.Addr())
	}
	slices.Sort(want)
	eventually(t, "all members are known", func() bool { return slices.Equal(c.Nodes(), want) })

	// Given ones are listed before anything is discovered, and when nobody is there.
	missing := scripted.Refusing(t)
	both := connectTo(t, dep.URI()+"&connectTimeoutMS=500", func(o *mgx.Options) { o.Hosts = append(o.Hosts, missing) })
	if !slices.Contains(both.Nodes(), missing) {
		t.Errorf("%v misses the given %s", both.Nodes(), missing)
	}
}

func TestIsPrimary(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.Arbiter(2))
	if c := connectTo(t, dep.URI()); !c.IsPrimary() {
		t.Error("a client of the set is not at the primary")
	}
	for _, m := range dep.Members() {
		c := connectTo(t, m.URI())
		if _, port := split(t, m.Addr()); c.Port() != port {
			t.Errorf("a client of %s is at %d", m, c.Port())
		}
		if want := m == dep.Primary(); c.IsPrimary() != want {
			t.Errorf("%s: %v", m, c.IsPrimary())
		}
	}
	if c := connect(t); !c.IsPrimary() {
		t.Error("a standalone server does not count as primary")
	}
}

func TestIsMongos(t *testing.T) {
	for name, dep := range map[string]*mgxtest.Deployment{
		"mongos": mgxtest.Sharded(t), "a load balancer": mgxtest.LoadBalanced(t),
	} {
		if c := connectTo(t, dep.URI()); !c.IsMongos() || !c.IsPrimary() {
			t.Errorf("%s was not recognised", name)
		}
	}
	if c := connect(t); c.IsMongos() {
		t.Error("a standalone server passes for a mongos")
	}
}

// No more connections are opened than that, and operations wait for them.
func TestMaxPoolSize(t *testing.T) {
	if n := connect(t).MaxPoolSize(); n != 100 {
		t.Errorf("%d by default", n)
	}
	dep := mgxtest.Standalone(t)
	c := connectTo(t, dep.URI()+"&maxPoolSize=3")
	if c.MaxPoolSize() != 3 {
		t.Error(c.MaxPoolSize())
	}
	finds := watch(t, dep, "find")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 5 {
				err := c.Database("a").Collection("b").FindOne(t.Context(), nil).Err()
				if !errors.Is(err, mgx.ErrNoDocuments) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if list := finds.take(); len(list) != 100 || len(connections(list)) > 3 {
		t.Errorf("%d operations used %d connections", len(list), len(connections(list)))
	}
}

// The sizes are the server's.
func sizes(t *testing.T) *mgx.Client {
	dep := mgxtest.Standalone(t)
	hello := func(*mgxtest.Command) (bson.D, error) {
		return bson.D{
			{"ok", 1}, {"ismaster", true}, {"helloOk", true}, {"isWritablePrimary", true}, {"minWireVersion", 0},
			{"maxWireVersion", 21},
			{"maxBsonObjectSize", 4096}, {"maxMessageSizeBytes", 100_000}, {"maxWriteBatchSize", 1000},
		}, nil
	}
	for _, name := range []string{"hello", "isMaster", "ismaster"} {
		dep.Handle(name, hello)
	}
	return connectTo(t, dep.URI())
}

func TestMaxBSONSize(t *testing.T) {
	if n := connect(t).MaxBSONSize(); n != 16<<20 {
		t.Error(n)
	}
	c := sizes(t)
	if c.MaxBSONSize() != 4096 {
		t.Error(c.MaxBSONSize())
	}
	_, err := c.Database("a").Collection("b").InsertOne(t.Context(), bson.D{{"x", make([]byte, 5000)}})
	if !errors.Is(err, mgx.ErrDocumentTooLarge) {
		t.Errorf("it is not in force: %v", err)
	}
}

func TestMaxMessageSize(t *testing.T) {
	if n := connect(t).MaxMessageSize(); n != 48_000_000 {
		t.Error(n)
	}
	if n := sizes(t).MaxMessageSize(); n != 100_000 {
		t.Error(n)
	}
}
