package doctor

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

func srv(targets ...string) map[string][]*net.SRV {
	var records []*net.SRV
	for _, name := range targets {
		records = append(records, &net.SRV{Target: name, Port: 27017})
	}
	return map[string][]*net.SRV{"_mongodb._tcp.shop.example.com": records}
}

func TestRecords(t *testing.T) {
	const uri = "mongodb+srv://shop.example.com/?tls=false"
	txt := func(records ...string) map[string][]string {
		return map[string][]string{"shop.example.com": records}
	}
	tests := []struct {
		name string
		uri  string
		dns  *resolver
		code string
		says []string
	}{
		{"none", uri, &resolver{}, "dns.noRecord", []string{"_mongodb._tcp.shop.example.com", "dig SRV", "mongodb://shop.example.com"}},
		{"empty", uri, &resolver{srv: srv()}, "dns.noRecord", []string{"dig SRV"}},
		{"other domain", uri, &resolver{srv: srv("db1.example.com.", "db2.evil.com.")}, "dns.record", []string{"db2.evil.com", "own domain", "SRV: db1.example.com:27017, db2.evil.com:27017"}},
		{"two TXT", uri, &resolver{srv: srv("db1.example.com."), txt: txt("replicaSet=a", "authSource=b")}, "dns.txt", []string{"more than one", "one record"}},
		{"TXT option", uri, &resolver{srv: srv("db1.example.com."), txt: txt("ssl=false")}, "dns.txt", []string{"authSource, replicaSet and loadBalanced"}},
		{"contradiction", uri + "&replicaSet=a", &resolver{srv: srv("db1.example.com."), txt: txt("loadBalanced=true")}, "dns.options",
			[]string{"loadBalanced=true and replicaSet", "TXT: loadBalanced=true", "change one"}},
		{"timeout", uri, &resolver{err: &net.DNSError{Err: "i/o timeout", Name: "shop.example.com", IsTimeout: true}}, "dns.timeout", []string{"resolv.conf"}},
		{"failure", uri, &resolver{err: &net.DNSError{Err: "server misbehaving", Name: "shop.example.com"}}, "dns.record", []string{"misbehaving", "resolv.conf", "mongodb:// URI"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			examine(t, Request{URI: test.uri, Resolver: test.dns}).stops(t, "DNS records", test.code, test.says...)
		})
	}
	t.Run("healthy", func(t *testing.T) {
		s := healthyServer(t)
		dns := &resolver{srv: srv("DB1.example.com."), txt: txt("authSource=shop"), hosts: map[string]string{"db1.example.com": "127.0.0.1"}}
		r := examine(t, Request{URI: uri, Resolver: dns, DialContext: everywhere(s.Address)})
		r.healthy(t)
		r.says(t, OK, "dns", "SRV: DB1.example.com:27017", "TXT: authSource=shop")
		r.says(t, OK, "name", "db1.example.com is 127.0.0.1")
	})
}

// What a TXT record says beside the hosts goes into the connections, too.
func TestTXTDecidesConnections(t *testing.T) {
	dns := func(txt string) *resolver {
		return &resolver{srv: srv("db1.example.com."), txt: map[string][]string{"shop.example.com": {txt}}, hosts: map[string]string{"db1.example.com": "127.0.0.1"}}
	}
	t.Run("authSource", func(t *testing.T) {
		var asked atomic.Value
		s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
			if r.Name == "saslStart" {
				asked.Store(r.Document.Lookup("$db").StringValue())
			}
			return p.Answer(r, bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 18}, {Key: "errmsg", Value: "Authentication failed."}}) == nil
		}))
		r := examine(t, Request{URI: "mongodb+srv://ann:" + secret + "@shop.example.com/?tls=false", Resolver: dns("authSource=users"), DialContext: everywhere(s.Address)})
		r.says(t, OK, "dns", `user "ann", authSource users`)
		if f := r.Find("auth.user"); len(f) != 1 || f[0].Facts["source"] != "users" || asked.Load() != "users" {
			t.Errorf("the user is looked up in %v, want users", asked.Load())
		}
	})
	t.Run("loadBalanced", func(t *testing.T) {
		s := healthyServer(t) // its hello has no serviceId
		r := examine(t, Request{URI: "mongodb+srv://shop.example.com/?tls=false", Resolver: dns("loadBalanced=true"), DialContext: everywhere(s.Address)})
		r.stops(t, "hello", "hello.noLoadBalancer", "leave loadBalanced=true away")
	})
	t.Run("file", func(t *testing.T) {
		r := examine(t, Request{URI: "mongodb+srv://shop.example.com/?tlsCAFile=/none.pem", Resolver: dns("authSource=users")})
		r.stops(t, "DNS records", "uri.file", "/none.pem")
		if !r.Misused() {
			t.Error("a wrong path counts as the deployment's failure")
		}
	})
}

func TestNames(t *testing.T) {
	examine(t, Request{URI: "mongodb://db1.example.com"}).stops(t, "names", "name.unknown", "nobody knows the name db1.example.com", "/etc/hosts")
	examine(t, Request{URI: "mongodb://db1"}).stops(t, "names", "name.unknown", "container", "full name")
	slow := &resolver{err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}
	examine(t, Request{URI: "mongodb://db1", Resolver: slow}).stops(t, "names", "name.timeout", "DNS does not answer", "resolv.conf")
	lame := &resolver{err: &net.DNSError{Err: "server misbehaving"}}
	examine(t, Request{URI: "mongodb://db1", Resolver: lame}).stops(t, "names", "name.failed", "misbehaving", "resolv.conf")
}

// One of several hosts is wrong, and a client works nevertheless.
func TestOneNameOfTwo(t *testing.T) {
	s := healthyServer(t, bson.E{Key: "msg", Value: "isdbgrid"})
	r := examine(t, Request{URI: "mongodb://" + s.Address + ",router2"})
	if r.Outcome != Troubled {
		t.Errorf("%s, stopped at %q", r.Outcome, r.StoppedAt)
	}
	r.says(t, Failed, "name.unknown", "router2")
	r.says(t, OK, "selection", "writes go to "+s.Address)
}
