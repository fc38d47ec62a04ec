package mgxtest_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/mgxtest"
)

// Options can be appended to every connection string.
func TestURITakesMoreOptions(t *testing.T) {
	for name, dep := range map[string]*mgxtest.Deployment{
		"standalone": mgxtest.Standalone(t), "replica set": mgxtest.ReplicaSet(t, 1), "sharded": mgxtest.Sharded(t),
		"load balanced": mgxtest.LoadBalanced(t), "users": mgxtest.Standalone(t, mgxtest.Users(ann)),
	} {
		t.Run(name, func(t *testing.T) {
			uris := []string{dep.URI(), dep.Members()[0].URI()}
			if u := dep.RouterURI(); u != "" {
				uris = append(uris, u)
			}
			for _, uri := range uris {
				must(t, connect(t, uri+"&appName=shop").Ping(context10(t), nil))
			}
		})
	}
}

func TestPorts(t *testing.T) {
	const first = 11750
	dep, err := mgxtest.NewLoadBalanced(mgxtest.Ports(first), mgxtest.Mongoses(1))
	if err != nil {
		t.Skipf("somebody else has the ports: %v", err)
	}
	defer dep.Close()
	for i, m := range append(dep.Members(), dep.Mongoses()...) {
		if want := "127.0.0.1:" + strconv.Itoa(first+i); m.Addr() != want {
			t.Errorf("%s, want %s", m, want)
		}
	}
	if !strings.Contains(dep.URI(), ":"+strconv.Itoa(first+4)+"/") {
		t.Error(dep.URI())
	}
	if other, err := mgxtest.NewStandalone(mgxtest.Ports(first)); err == nil {
		other.Close()
		t.Error("two deployments have one port")
	}
}
