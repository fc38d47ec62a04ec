package connstring_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/connstring"
)

// records is a resolver that knows what it is told: SRV targets as host:port by
// the full name, TXT records by name. A TXT record is a list of strings.
type records struct {
	srv    map[string][]string
	txt    map[string][][]string
	srvErr error
	txtErr error
}

func (r records) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if r.srvErr != nil {
		return "", nil, r.srvErr
	}
	full := "_" + service + "._" + proto + "." + name
	var found []*net.SRV
	for _, target := range r.srv[full] {
		host, port, _ := strings.Cut(target, ":")
		srv := &net.SRV{Target: host}
		if _, err := fmt.Sscan(port, &srv.Port); err != nil {
			return "", nil, err
		}
		found = append(found, srv)
	}
	if _, ok := r.srv[full]; !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: full, IsNotFound: true}
	}
	return full, found, nil
}

func (r records) LookupTXT(_ context.Context, name string) ([]string, error) {
	if r.txtErr != nil {
		return nil, r.txtErr
	}
	var found []string
	for _, texts := range r.txt[name] {
		found = append(found, strings.Join(texts, ""))
	}
	if found == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return found, nil
}

// specRecords are the ones that the specification's tests want to find in DNS.
var specRecords = func() records {
	const domain = ".test.build.10gen.cc"
	r := records{srv: map[string][]string{}, txt: map[string][][]string{}}
	add := func(name, target string) { r.srv[name] = append(r.srv[name], target) }
	for name, ports := range map[string][]int{
		"test1": {27017, 27018}, "test2": {27018, 27019}, "test3": {27017}, "test5": {27017}, "test6": {27017},
		"test7": {27017}, "test8": {27017}, "test10": {27017}, "test11": {27017}, "test20": {27017},
		"test21": {27017}, "test23": {8000}, "test24": {8000},
	} {
		for _, port := range ports {
			add("_mongodb._tcp."+name+domain, fmt.Sprintf("localhost%s.:%d", domain, port))
		}
	}
	for name, target := range map[string]string{
		"test12": "localhost.build.10gen.cc", "test13": "test.build.10gen.cc", "test14": "localhost.not-test.build.10gen.cc",
		"test15": "localhost.test.not-build.10gen.cc", "test16": "localhost.test.build.not-10gen.cc",
		"test17": "localhost.test.build.10gen.not-cc", "test18": "localhost.sub.test.build.10gen.cc",
		"test19": "localhost.evil.build.10gen.cc",
	} {
		add("_mongodb._tcp."+name+domain, target+".:27017")
	}
	add("_mongodb._tcp.test19"+domain, "localhost"+domain+".:27017")
	add("_customname._tcp.test22"+domain, "localhost"+domain+".:27017")
	add("_customname._tcp.test22"+domain, "localhost"+domain+".:27018") // the test wants what its README lacks
	add("_mongodb._tcp.build.10gen.cc", "build.10gen.cc.:27017")
	add("_mongodb._tcp.test.build.10gen.cc", "test.build.10gen.cc.:27017")
	for name, texts := range map[string][][]string{
		"test5": {{"replicaSet=repl0&authSource=thisDB"}}, "test6": {{"replicaSet=repl0"}, {"authSource=otherDB"}},
		"test7": {{"ssl=false"}}, "test8": {{"authSource"}}, "test10": {{"socketTimeoutMS=500"}},
		"test11": {{"replicaS", "et=rep", "l0"}}, "test20": {{"loadBalanced=true"}}, "test21": {{"loadBalanced=false"}},
		"test24": {{"loadBalanced=true"}},
	} {
		r.txt[name+domain] = texts
	}
	return r
}()

func parseSRV(t *testing.T, uri string) *connstring.ConnString {
	t.Helper()
	c, err := connstring.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The prose tests 1 to 4 of the specification, and the boundaries around them.
func TestResolveVerifiesDomains(t *testing.T) {
	for _, test := range []struct {
		host, target string
		ok           bool
	}{
		{"localhost", "localhost.mongodb", false},
		{"mongo.local", "test_1.evil.local", false},
		{"blogs.mongodb.com", "blogs.evil.com", false},
		{"localhost", "localhost", false},
		{"mongo.local", "mongo.local", false},
		{"localhost", "test_1.cluster_1localhost", false},
		{"mongo.local", "test_1.my_hostmongo.local", false},
		{"blogs.mongodb.com", "cluster.testmongodb.com", false},
		{"localhost", "a.localhost", true},
		{"mongo.local", "a.mongo.local", true},
		{"blogs.mongodb.com", "blogs.mongodb.com", true},
		{"blogs.mongodb.com", "CLUSTER.MONGODB.COM.", true},
		{"blogs.mongodb.com", "a.b.mongodb.com", true},
		{"blogs.mongodb.com", "mongodb.com", false},
		{"test.build.10gen.cc", "test.build.10gen.cc", true},
		{"blogs.mongodb.com.", "a.mongodb.com", true},
		{"BLOGS.mongodb.com", "a.mongodb.com", true},
	} {
		t.Run(test.host+" "+test.target, func(t *testing.T) {
			c := parseSRV(t, "mongodb+srv://"+test.host)
			r := records{srv: map[string][]string{"_mongodb._tcp." + c.SRVHost: {test.target + ":27017"}}}
			err := c.Resolve(t.Context(), r)
			if (err == nil) != test.ok {
				t.Fatalf("accepted %v, want %v: %v", err == nil, test.ok, err)
			}
			if err != nil {
				if !errors.Is(err, connstring.ErrInvalid) || !errors.Is(err, connstring.ErrResolve) {
					t.Errorf("%v lacks a category", err)
				}
				if len(c.Hosts) > 0 {
					t.Errorf("hosts %q after an error", c.Hosts)
				}
				return
			}
			if want := strings.TrimSuffix(strings.ToLower(test.target), ".") + ":27017"; !slices.Equal(c.Hosts, []string{want}) {
				t.Errorf("hosts %q, want %q", c.Hosts, want)
			}
		})
	}
}

func TestResolvePassesLookupErrorsOn(t *testing.T) {
	timeout := &net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}
	for kind, r := range map[string]records{
		"SRV": {srvErr: timeout},
		"TXT": {srv: map[string][]string{"_mongodb._tcp.a.b.c": {"d.b.c:1"}}, txtErr: timeout},
	} {
		c := parseSRV(t, "mongodb+srv://a.b.c")
		err := c.Resolve(t.Context(), r)
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsTimeout || !errors.Is(err, connstring.ErrResolve) || errors.Is(err, connstring.ErrInvalid) {
			t.Errorf("%s: error %v", kind, err)
		}
		var resolve *connstring.ResolveError
		if !errors.As(err, &resolve) || resolve.Kind != kind {
			t.Errorf("%s: error %#v", kind, err)
		}
	}
	err := parseSRV(t, "mongodb+srv://a.b.c").Resolve(t.Context(), records{})
	if err == nil || !strings.Contains(err.Error(), "_mongodb._tcp.a.b.c") || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("error %v does not say what was looked up and why it failed", err)
	}
}

func TestResolveRefusesRecords(t *testing.T) {
	srv := map[string][]string{"_mongodb._tcp.a.b.c": {"d.b.c:27017"}}
	for want, r := range map[string]records{
		"more than one": {srv: srv, txt: map[string][][]string{"a.b.c": {{"replicaSet=r"}, {"authSource=s"}}}},
		"there is none": {srv: map[string][]string{"_mongodb._tcp.a.b.c": {}}},
		"port 0":        {srv: map[string][]string{"_mongodb._tcp.a.b.c": {"d.b.c:0"}}},
		"%25":           {srv: srv, txt: map[string][][]string{"a.b.c": {{"authSource=%"}}}},
		"may only hold": {srv: srv, txt: map[string][][]string{"a.b.c": {{"tls=false"}}}},
		"is empty":      {srv: srv, txt: map[string][][]string{"a.b.c": {{"authSource="}}}},
	} {
		c := parseSRV(t, "mongodb+srv://a.b.c")
		err := c.Resolve(t.Context(), r)
		if !errors.Is(err, connstring.ErrInvalid) || !errors.Is(err, connstring.ErrResolve) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
		if len(c.Hosts) > 0 || len(c.Warnings) > 0 {
			t.Errorf("%v changed what was parsed: %v", err, c)
		}
	}
}

func TestResolvePicksAtRandom(t *testing.T) {
	const name = "_mongodb._tcp.a.b.c"
	r := records{srv: map[string][]string{name: {"h1.b.c:1", "h2.b.c:1", "h3.b.c:1", "h4.b.c:1", "h1.b.c:1"}}}
	seen := map[string]bool{}
	for range 200 {
		c := parseSRV(t, "mongodb+srv://a.b.c/?srvMaxHosts=2")
		if err := c.Resolve(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if len(c.Hosts) != 2 || c.Hosts[0] == c.Hosts[1] {
			t.Fatalf("hosts %q, want two different ones", c.Hosts)
		}
		seen[c.Hosts[0]], seen[c.Hosts[1]] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("only %v were ever picked", seen)
	}
	hosts, rejected, err := parseSRV(t, "mongodb+srv://a.b.c/?srvMaxHosts=2").LookupHosts(t.Context(), r)
	if err != nil || len(rejected) > 0 || len(hosts) != 4 {
		t.Errorf("polling sees %q, rejects %q: %v", hosts, rejected, err)
	}
}

func TestResolveKeepsHostsSafeFromTXT(t *testing.T) {
	r := records{
		srv: map[string][]string{"_mongodb._tcp.a.b.c": {"d.b.c:27017"}},
		txt: map[string][][]string{"a.b.c": {{"authSource=admin2&loadBalanced=maybe"}}},
	}
	c := parseSRV(t, "mongodb+srv://alice:secret@a.b.c/db")
	if err := c.Resolve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if c.Credential().Source != "admin2" || c.LoadBalanced != nil || len(c.Warnings) != 1 || !c.UseTLS() {
		t.Errorf("source %q, loadBalanced %v, warnings %v", c.Credential().Source, c.LoadBalanced, c.Warnings)
	}

	// A record cannot send an X.509 user to another source.
	c = parseSRV(t, "mongodb+srv://a.b.c/?authMechanism=MONGODB-X509")
	if err := c.Resolve(t.Context(), r); !errors.Is(err, connstring.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	c = parseSRV(t, "mongodb+srv://a.b.c/?tls=false")
	if err := c.Resolve(t.Context(), r); err != nil || c.UseTLS() {
		t.Errorf("TLS %v although the URI turns it off: %v", c.UseTLS(), err)
	}
}

func TestResolveLeavesOthersAlone(t *testing.T) {
	c, err := connstring.Parse("mongodb://localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Resolve(t.Context(), nil); err != nil || len(c.Hosts) != 1 {
		t.Errorf("hosts %q: %v", c.Hosts, err)
	}
}
