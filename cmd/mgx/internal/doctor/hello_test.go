package doctor

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestRefusedHellos(t *testing.T) {
	member := []bson.E{{Key: "setName", Value: "rs1"}}
	tests := []struct {
		name    string
		hello   []bson.E
		options string
		code    string
		says    []string
	}{
		{"too old", []bson.E{{Key: "maxWireVersion", Value: 6}}, "", "hello.tooOld", []string{"too old", "MongoDB 3.6", "4.2 or later"}},
		{"too new", []bson.E{{Key: "minWireVersion", Value: 99}, {Key: "maxWireVersion", Value: 99}}, "", "hello.tooNew", []string{"too new", "update mgx"}},
		{"other set", member, "replicaSet=rs0", "hello.setName", []string{"replicaSet=rs0", `a member of "rs1"`, "write replicaSet=rs1"}},
		{"no set", nil, "replicaSet=rs0", "hello.noSet", []string{"member of no replica set", "leave replicaSet away"}},
		{"ghost", []bson.E{{Key: "isWritablePrimary", Value: false}, {Key: "isreplicaset", Value: true}}, "", "hello.ghost", []string{"--replSet", "rs.initiate()"}},
		{"no balancer", nil, "loadBalanced=true", "hello.noLoadBalancer", []string{"serviceId", "leave loadBalanced=true away"}},
		{"starting", []bson.E{{Key: "ok", Value: 0}, {Key: "code", Value: 91}, {Key: "errmsg", Value: "shutting down"}}, "", "hello.refused", []string{"shutting down (code 91)", "see its log"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := healthyServer(t, test.hello...)
			examine(t, Request{URI: "mongodb://" + s.Address + "/?" + test.options}).stops(t, "hello", test.code, test.says...)
		})
	}
}

func TestCompression(t *testing.T) {
	s := healthyServer(t, bson.E{Key: "compression", Value: bson.A{"zlib"}})
	examine(t, Request{URI: "mongodb://" + s.Address + "/?compressors=snappy"}).warns(t, "hello.compression", "uncompressed", "offers zlib")
	examine(t, Request{URI: "mongodb://" + s.Address + "/?compressors=snappy,zlib"}).says(t, OK, "hello", "compression zlib")
}

func TestBehindBalancer(t *testing.T) {
	s := healthyServer(t, bson.E{Key: "serviceId", Value: bson.NewObjectID()}, bson.E{Key: "msg", Value: "isdbgrid"})
	r := examine(t, Request{URI: "mongodb://" + s.Address + "/?loadBalanced=true"})
	r.healthy(t)
	r.says(t, OK, "selection", "writes go to "+s.Address)
}

// set is the hello of a member.
func set(kind string, hosts ...string) []bson.E {
	fields := []bson.E{
		{Key: "isWritablePrimary", Value: kind == "primary"}, {Key: "ismaster", Value: kind == "primary"}, {Key: "secondary", Value: kind == "secondary"},
		{Key: "arbiterOnly", Value: kind == "arbiter"}, {Key: "setName", Value: "rs0"}, {Key: "setVersion", Value: 1},
		{Key: "electionId", Value: bson.ObjectID{1}}, {Key: "hosts", Value: bson.A{}},
		{Key: "lastWrite", Value: bson.D{{Key: "lastWriteDate", Value: bson.DateTime(1)}}},
	}
	all := bson.A{}
	for _, h := range hosts {
		all = append(all, h)
	}
	fields[7].Value = all
	return fields
}

// member starts a member that names itself and others.
func member(t *testing.T, kind string, others ...string) *scripted.Server {
	t.Helper()
	return memberWith(t, kind, others)
}

func memberWith(t *testing.T, kind string, others []string, more ...bson.E) *scripted.Server {
	t.Helper()
	self := make(chan string, 1)
	s := scripted.Listen(t, func(p *scripted.Peer) {
		address := <-self
		self <- address
		fields := append(set(kind, append([]string{address}, others...)...), more...)
		scripted.Greet(scripted.Hello(fields...), scripted.Ping)(p)
	})
	self <- s.Address
	return s
}

func TestAdvertisedNames(t *testing.T) {
	t.Run("of a healthy primary", func(t *testing.T) {
		s := member(t, "primary", "db2.internal:27017", scripted.Refusing(t))
		r := examine(t, Request{URI: "mongodb://" + s.Address})
		if r.Outcome != Troubled {
			t.Errorf("%s, stopped at %q", r.Outcome, r.StoppedAt)
		}
		r.says(t, Failed, "name.unknown", "nobody knows the name db2.internal", s.Address+" names it", "not those of the connection string", "rs.reconfig()", "directConnection=true")
		r.says(t, Failed, "tcp.refused", s.Address+" names it", "start the server")
		r.says(t, OK, "members", "replica set rs0", "(RSPrimary)", "db2.internal:27017 (unknown)")
	})
	// Behind a port mapping, the set knows itself by names from inside alone.
	t.Run("alone", func(t *testing.T) {
		s := healthyServer(t, set("primary", "mongo-0:27017")...)
		r := examine(t, Request{URI: "mongodb://" + s.Address})
		r.stops(t, "members", "name.unknown", "mongo-0", "directConnection=true")
		r.says(t, Warning, "members.leftOut", "clients leave it out", "take it out")
		examine(t, Request{URI: "mongodb://" + s.Address + "/?directConnection=true"}).healthy(t)
	})
	t.Run("me", func(t *testing.T) {
		s := healthyServer(t, append(set("secondary", "mongo-0:27017"), bson.E{Key: "me", Value: "mongo-0:27017"})...)
		examine(t, Request{URI: "mongodb://" + s.Address}).stops(t, "members", "name.unknown", "mongo-0")
	})
}

func TestSelection(t *testing.T) {
	t.Run("arbiter alone", func(t *testing.T) {
		s := member(t, "arbiter")
		examine(t, Request{URI: "mongodb://" + s.Address}).stops(t, "selection", "selection.none", "no server takes operations", "RSArbiter", "no primary")
		examine(t, Request{URI: "mongodb://" + s.Address + "/?directConnection=true"}).stops(t, "selection", "selection.none", "holds no data", "another member")
	})
	t.Run("secondaries alone", func(t *testing.T) {
		second := member(t, "secondary")
		first := member(t, "secondary", second.Address)
		r := examine(t, Request{URI: "mongodb://" + first.Address})
		r.stops(t, "selection", "selection.none", "no primary that can be reached", "election", "readPreference=secondaryPreferred")
		r = examine(t, Request{URI: "mongodb://" + first.Address + "/?readPreference=secondaryPreferred"})
		r.warns(t, "selection.noWrites", "writes go to none", "rs.status()")
	})
	t.Run("directly to a secondary", func(t *testing.T) {
		s := member(t, "secondary")
		examine(t, Request{URI: "mongodb://" + s.Address + "/?directConnection=true"}).
			warns(t, "selection.noWrites", "refuses writes", "leave directConnection=true away")
	})
	t.Run("tags", func(t *testing.T) {
		s := memberWith(t, "primary", nil, bson.E{Key: "tags", Value: bson.D{{Key: "dc", Value: "east"}}})
		r := examine(t, Request{URI: "mongodb://" + s.Address + "/?readPreference=nearest&readPreferenceTags=dc:west"})
		r.stops(t, "selection", "selection.noReads", "no server takes reads", "readPreferenceTags", "dc: east")
	})
	t.Run("a standalone among several", func(t *testing.T) {
		alone, router := healthyServer(t), healthyServer(t, bson.E{Key: "msg", Value: "isdbgrid"})
		r := examine(t, Request{URI: "mongodb://" + alone.Address + "," + router.Address})
		r.warns(t, "members.leftOut", "one of several seeds", "take it out")
	})
	t.Run("one too old", func(t *testing.T) {
		old := healthyServer(t, bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "maxWireVersion", Value: 6})
		router := healthyServer(t, bson.E{Key: "msg", Value: "isdbgrid"})
		r := examine(t, Request{URI: "mongodb://" + old.Address + "," + router.Address})
		r.stops(t, "selection", "selection.invalid", old.Address)
	})
}

func TestReplicaSet(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	r := examine(t, Request{URI: dep.URI()})
	r.healthy(t)
	r.says(t, OK, "pool", "each of 3 servers")
	dead := dep.Secondaries()[0]
	dead.Kill()
	one := dep.Primary().Addr()
	r = examine(t, Request{URI: "mongodb://" + one})
	if r.Outcome != Troubled {
		t.Errorf("%s, stopped at %q", r.Outcome, r.StoppedAt)
	}
	r.says(t, Failed, "tcp.refused", one+" names it")
	if f := r.Find("tcp.refused")[0]; f.Server != dead.Addr() {
		t.Errorf("it is about %s, want %s", f.Server, dead.Addr())
	}
	r.says(t, OK, "selection", "writes go to "+one)
}

func TestShardedCluster(t *testing.T) {
	dep := mgxtest.Sharded(t)
	r := examine(t, Request{URI: dep.URI()})
	r.healthy(t)
	if !strings.Contains(r.Find("members")[0].Message, "sharded cluster") {
		t.Errorf("%q", r.Find("members")[0].Message)
	}
}
