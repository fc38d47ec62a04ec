package unified_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/internal/spectest"
	"github.com/mgxdb/mgx/mgxtest"
	"github.com/mgxdb/mgx/unified"
)

// server is something that suites run against.
type server struct {
	name     string
	topology string
	// versions are those that there are, the newest first. A test runs against the
	// first that it admits: the newest, unless it is about older servers.
	versions []string
	// auth tells that there are servers that want credentials, too.
	auth  bool
	start func(face) (*unified.Deployment, func(), error)
}

// face is what tells the deployments of a server apart.
type face struct {
	version string
	auth    bool
}

// token is the access token that servers with users take.
const token = "token of the runner"

// options make a simulated deployment look so.
func (f face) options() []mgxtest.Option {
	options := []mgxtest.Option{mgxtest.ServerVersion(f.version), mgxtest.Parameter("acceptApiVersion2", true)}
	if f.auth {
		options = append(options, mgxtest.Users(
			mgxtest.User{Name: "unified", Password: "runner"}, mgxtest.User{Name: "machine", Password: token, Mechanisms: []string{"MONGODB-OIDC"}}))
	}
	return options
}

// versions are enough for every test that is about servers of a certain version.
var versions = []string{"8.2.0", "8.0.4", "7.0.14", "6.0.18", "4.4.29", "4.2.25"}

var servers = []server{
	{"embedded", unified.Single, []string{""}, false, startEmbedded},
	{"single", unified.Single, versions, true, func(f face) (*unified.Deployment, func(), error) {
		return simulated(unified.Single, f)(mgxtest.NewStandalone(f.options()...))
	}},
	{"replicaset", unified.ReplicaSet, versions, true, func(f face) (*unified.Deployment, func(), error) {
		return simulated(unified.ReplicaSet, f)(mgxtest.NewReplicaSet(3, f.options()...))
	}},
	{"sharded", unified.Sharded, versions, true, func(f face) (*unified.Deployment, func(), error) {
		return simulated(unified.Sharded, f)(mgxtest.NewSharded(f.options()...))
	}},
	// Servers before 5.0 cannot be behind a load balancer.
	{"load-balanced", unified.LoadBalanced, versions[:4], true, func(f face) (*unified.Deployment, func(), error) {
		return simulated(unified.LoadBalanced, f)(mgxtest.NewLoadBalanced(f.options()...))
	}},
}

// faces are all that the server has, those that tests run against first in front.
func (s *server) faces() []face {
	var list []face
	for _, v := range s.versions {
		list = append(list, face{v, false})
		if s.auth {
			list = append(list, face{v, true})
		}
	}
	return list
}

// face is the one of the server's that a test runs against.
func (s *server) face(f *unified.File, test *unified.Test) face {
	for _, face := range s.faces() {
		if v, err := unified.ParseVersion(face.version); err == nil && f.Admits(test, s.topology, v, face.auth) {
			return face
		}
	}
	return s.faces()[0]
}

func startEmbedded(face) (*unified.Deployment, func(), error) {
	uri, stop, err := ferretdbcmd.Quickest(context.Background())
	if err != nil {
		return nil, nil, err
	}
	return &unified.Deployment{Topology: unified.Single, URI: uri}, func() { _ = stop() }, nil
}

func simulated(topology string, f face) func(*mgxtest.Deployment, error) (*unified.Deployment, func(), error) {
	return func(s *mgxtest.Deployment, err error) (*unified.Deployment, func(), error) {
		if err != nil {
			return nil, nil, err
		}
		d := &unified.Deployment{Topology: topology, URI: s.URI(), OneRouter: s.RouterURI(), Auth: f.auth}
		if f.auth {
			d.Token = token
		}
		for _, m := range append(s.Members(), s.Mongoses()...) {
			d.Servers = append(d.Servers, m.URI())
		}
		return d, s.Close, nil
	}
}

// otherwise are the folders whose files are not tests to pass: TestInvalidFiles and
// TestValidFailFiles read them.
var otherwise = []string{"unified-test-format/tests/invalid/", "unified-test-format/tests/valid-fail/"}

// timed are the suites whose files tell times of a few milliseconds apart. They wait
// more than they work, and run before the others, whose work would hold them up.
var timed = []string{"client-side-operations-timeout"}

// TestTimedSuites runs the timed suites as TestSuites does the others.
func TestTimedSuites(t *testing.T) {
	runSuites(t, "", spectest.Root(t), func(suite string) bool { return slices.Contains(timed, suite) })
}

// TestSuites runs every suite that has files of the format, against every kind of
// deployment, each on one of its own.
func TestSuites(t *testing.T) {
	runSuites(t, "", spectest.Root(t), func(suite string) bool { return !slices.Contains(timed, suite) })
}

// TestOwnSuites runs this package's own files: what the specifications' prose says and
// their files do not try.
func TestOwnSuites(t *testing.T) {
	runSuites(t, "own ", "testdata", func(string) bool { return true })
}

func runSuites(t *testing.T, whose, root string, wanted func(suite string) bool) {
	suites := map[string][]string{}
	for _, file := range spectest.Files(t, root, "*.json") {
		name := spectest.Name(root, file)
		if slices.ContainsFunc(otherwise, func(folder string) bool { return strings.HasPrefix(name, folder) }) || !hasVersion(t, file) {
			continue
		}
		if suite, _, _ := strings.Cut(name, "/"); wanted(suite) {
			suites[suite] = append(suites[suite], file)
		}
	}
	if len(suites) == 0 {
		t.Fatalf("no file of the Unified Test Format below %s", root)
	}
	for _, suite := range slices.Sorted(maps.Keys(suites)) {
		for _, s := range servers {
			t.Run(suite+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				runSuite(t, whose, suite, s, filepath.Join(root, suite), suites[suite])
			})
		}
	}
}

func runSuite(t *testing.T, whose, suite string, s server, dir string, files []string) {
	tally := spectest.NewTally(t, whose+"unified "+suite+" on "+s.name, skips.of(s.name, suite))
	open := map[face]func() (*unified.Deployment, error){}
	for _, f := range s.faces() {
		open[f] = sync.OnceValues(func() (*unified.Deployment, error) { return start(t, s, f) })
	}
	for _, file := range files {
		f, err := unified.Load(file)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, test := range f.Tests {
			name := strings.TrimPrefix(spectest.Name(dir, file), "tests/") + "/" + strings.ReplaceAll(test.Description, "/", "|")
			tally.Run(t, name, func(t *testing.T) {
				d, err := open[s.face(f, test)]()
				if err != nil {
					t.Fatal(err)
				}
				err = d.Run(t.Context(), f, test)
				if err != nil && !errors.As(err, new(*unified.Skip)) && slices.Contains(timed, suite) {
					t.Logf("once more, as a busy machine needs more than a few milliseconds: %v", err)
					err = d.Run(t.Context(), f, test)
				}
				if err != nil && serversHalf(name) {
					err = d.RunSent(t.Context(), f, test)
					if err == nil {
						tally.Skip(t, "the server's half of Queryable Encryption is in no server here; what is sent was compared")
					}
				}
				if reason := limit(s.name, err); reason != "" {
					tally.Skip(t, reason)
				}
				judge(t, tally, err)
			})
		}
	}
}

// serversHalf reports whether a test needs a server that finds documents by encrypted
// values, as Queryable Encryption does.
func serversHalf(name string) bool {
	for _, prefix := range []string{"unified/fle2v2-", "unified/QE-", "unified/client-bulkWrite-qe/", "valid-pass/poc-queryable-encryption/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func judge(t *testing.T, tally *spectest.Tally, err error) {
	t.Helper()
	var skip *unified.Skip
	if errors.As(err, &skip) {
		tally.Skip(t, skip.Reason)
	}
	if err != nil && strings.Contains(err.Error(), unified.ErrNoKMS.Error()) {
		tally.Skip(t, unified.ErrNoKMS.Error())
	}
	if err != nil {
		t.Error(err)
	}
}

// start starts a deployment that lives as long as t.
func start(t *testing.T, s server, f face) (*unified.Deployment, error) {
	d, stop, err := s.start(f)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Open(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, err)
	}
	t.Cleanup(func() { d.Close(context.Background()) })
	return d, nil
}

// hasVersion reports whether a file is of the format: a folder of the specifications
// also holds its schemas, and data of other kinds.
func hasVersion(t *testing.T, file string) bool {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(data, &top) != nil {
		return false
	}
	_, version := top["schemaVersion"]
	_, tests := top["tests"]
	return version && tests
}
