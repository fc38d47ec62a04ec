package sdam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/fault"
	official "go.mongodb.org/mongo-driver/v2/bson"
)

func document(t testing.TB, d official.D) []byte {
	t.Helper()
	b, err := official.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseHelloReadsAMember(t *testing.T) {
	process, election := official.NewObjectID(), official.NewObjectID()
	s, err := ParseHello("HOST", document(t, official.D{
		{Key: "ok", Value: 1.0}, {Key: "ismaster", Value: false}, {Key: "secondary", Value: true}, {Key: "helloOk", Value: true},
		{Key: "setName", Value: "rs"}, {Key: "setVersion", Value: int32(3)}, {Key: "electionId", Value: election},
		{Key: "me", Value: "Host:27017"}, {Key: "primary", Value: "B:1"},
		{Key: "hosts", Value: official.A{"Host:27017", "b:1"}}, {Key: "passives", Value: official.A{"[::1]:2"}},
		{Key: "arbiters", Value: official.A{"c"}}, {Key: "tags", Value: official.D{{Key: "dc", Value: "ny"}}},
		{Key: "minWireVersion", Value: int64(0)}, {Key: "maxWireVersion", Value: 25.0},
		{Key: "maxBsonObjectSize", Value: int32(1)}, {Key: "maxMessageSizeBytes", Value: int32(2)}, {Key: "maxWriteBatchSize", Value: int32(3)},
		{Key: "lastWrite", Value: official.D{{Key: "lastWriteDate", Value: official.DateTime(1500)}}},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
		{Key: "topologyVersion", Value: official.D{{Key: "processId", Value: process}, {Key: "counter", Value: int64(6)}}},
		{Key: "compression", Value: official.A{"zstd"}}, {Key: "saslSupportedMechs", Value: official.A{"SCRAM-SHA-256"}},
		{Key: "serviceId", Value: process}, {Key: "connectionId", Value: int32(77)},
		{Key: "readOnly", Value: true}, {Key: "passive", Value: true}, {Key: "hidden", Value: nil}, {Key: "iscryptd", Value: true},
		{Key: "somethingNew", Value: official.A{1, 2}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	setVersion, sessions := int64(3), int64(30)
	want := &Server{
		Address: "host:27017", Kind: RSSecondary, MaxWireVersion: 25, CanonicalAddress: "host:27017",
		Hosts: []string{"host:27017", "b:1"}, Passives: []string{"[::1]:2"}, Arbiters: []string{"c:27017"},
		Tags: TagSet{"dc": "ny"}, SetName: "rs", SetVersion: &setVersion, ElectionID: &election, Primary: "b:1",
		LastWrite: time.UnixMilli(1500), SessionTimeoutMinutes: &sessions,
		TopologyVersion:   &TopologyVersion{process, 6},
		MaxBSONObjectSize: 1, MaxMessageSizeBytes: 2, MaxWriteBatchSize: 3, HelloOK: true,
		Compression: []string{"zstd"}, SASLSupportedMechs: []string{"SCRAM-SHA-256"}, ServiceID: &process, ConnectionID: 77,
		ReadOnly: true, Passive: true, IsCryptd: true,
	}
	equal(t, "description", s, want)
}

func TestParseHelloDefaults(t *testing.T) {
	s, err := ParseHello("a", document(t, official.D{{Key: "ok", Value: true}}))
	if err != nil {
		t.Fatal(err)
	}
	if s.Kind != Standalone || s.MaxBSONObjectSize != 16777216 || s.MaxMessageSizeBytes != 48000000 || s.MaxWriteBatchSize != 100000 {
		t.Errorf("got %+v", s)
	}
}

func TestParseHelloKinds(t *testing.T) {
	set := official.E{Key: "setName", Value: "rs"}
	flag := func(name string) official.E { return official.E{Key: name, Value: true} }
	for _, c := range []struct {
		reply official.D
		want  ServerKind
	}{
		{official.D{flag("isWritablePrimary")}, Standalone},
		{official.D{{Key: "msg", Value: "isdbgrid"}}, Mongos},
		{official.D{{Key: "msg", Value: "another"}}, Standalone},
		{official.D{set, flag("isWritablePrimary")}, RSPrimary},
		{official.D{set, flag("ismaster")}, RSPrimary},
		{official.D{set, flag("ismaster"), {Key: "isWritablePrimary", Value: false}, flag("secondary")}, RSSecondary},
		{official.D{set, flag("secondary")}, RSSecondary},
		{official.D{set, flag("secondary"), flag("hidden")}, RSOther},
		{official.D{set, flag("arbiterOnly")}, RSArbiter},
		{official.D{set}, RSOther},
		{official.D{flag("isreplicaset")}, RSGhost},
	} {
		s, err := ParseHello("a", document(t, append(c.reply, flag("ok"))))
		if err != nil {
			t.Errorf("%v: %v", c.reply, err)
		} else if s.Kind != c.want {
			t.Errorf("%v: %v, want %v", c.reply, s.Kind, c.want)
		}
	}
}

func TestParseHelloRefuses(t *testing.T) {
	many := official.A{}
	for i := range maxMembers + 1 {
		many = append(many, fmt.Sprintf("h%d:1", i))
	}
	tooMany := official.A{}
	for range maxStrings + 1 {
		tooMany = append(tooMany, "x")
	}
	for _, c := range []struct {
		field official.E
		want  string
	}{
		{official.E{Key: "hosts", Value: "a"}, `field "hosts": unexpected BSON type string`},
		{official.E{Key: "hosts", Value: official.A{1}}, "element 0 has BSON type"},
		{official.E{Key: "hosts", Value: official.A{""}}, "element 0 is an empty address"},
		{official.E{Key: "hosts", Value: many}, "lists 257 members"},
		{official.E{Key: "compression", Value: tooMany}, "more than 1024 elements"},
		{official.E{Key: "maxBsonObjectSize", Value: int32(0)}, `field "maxBsonObjectSize": 0 is out of range`},
		{official.E{Key: "maxMessageSizeBytes", Value: int64(1) << 40}, "is out of range"},
		{official.E{Key: "maxWriteBatchSize", Value: "x"}, "unexpected BSON type"},
		{official.E{Key: "minWireVersion", Value: int32(30)}, "minWireVersion 30 is above maxWireVersion 0"},
		{official.E{Key: "maxWireVersion", Value: int32(-1)}, "-1 is out of range"},
		{official.E{Key: "maxWireVersion", Value: 1.5}, "unexpected BSON type double"},
		{official.E{Key: "tags", Value: official.D{{Key: "a", Value: 1}}}, `tag "a" has BSON type`},
		{official.E{Key: "lastWrite", Value: official.D{{Key: "lastWriteDate", Value: 1}}}, "lastWriteDate has BSON type"},
		{official.E{Key: "topologyVersion", Value: official.D{}}, `field "topologyVersion"`},
		{official.E{Key: "electionId", Value: "x"}, `field "electionId"`},
		{official.E{Key: "setName", Value: 4}, `field "setName"`},
	} {
		s, err := ParseHello("a", document(t, official.D{{Key: "ok", Value: 1}, c.field}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want an error with %q", c.field.Key, s, err, c.want)
		}
	}
	if _, err := ParseHello("a", []byte{5, 0, 0}); err == nil {
		t.Error("a cut-off document was accepted")
	}
}

func TestParseHelloReportsAFailedCommand(t *testing.T) {
	_, err := ParseHello("a", document(t, official.D{
		{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "going away"}, {Key: "code", Value: int32(91)}, {Key: "codeName", Value: "ShutdownInProgress"},
	}))
	var failed *fault.Refusal
	if !errors.As(err, &failed) || failed.Code != 91 {
		t.Fatalf("got %#v", err)
	}
	if want := "going away (ShutdownInProgress, code 91)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if _, err := ParseHello("a", document(t, official.D{})); !errors.As(err, &failed) {
		t.Errorf("a reply without ok gave %v", err)
	}
}

func TestNormalizeAddress(t *testing.T) {
	for in, want := range map[string]string{
		"A": "a:27017", "a:1": "a:1", "[::1]": "[::1]:27017", "::1": "[::1]:27017", "[FE80::1]:5": "[fe80::1]:5",
		"/tmp/MongoDB.sock": "/tmp/MongoDB.sock", "Host:27018": "host:27018",
	} {
		if got := NormalizeAddress(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzParseHello(f *testing.F) {
	f.Add(document(f, official.D{{Key: "ok", Value: 1}, {Key: "setName", Value: "rs"}, {Key: "hosts", Value: official.A{"a:1", "b"}}}))
	f.Add(document(f, official.D{{Key: "ok", Value: 0}, {Key: "code", Value: 91}}))
	f.Add(document(f, official.D{{Key: "ok", Value: 1}, {Key: "tags", Value: official.D{{Key: "a", Value: "b"}}}, {Key: "topologyVersion", Value: official.D{}}}))
	f.Fuzz(func(t *testing.T, reply []byte) {
		s, err := ParseHello("a:1", reply)
		if (s == nil) == (err == nil) {
			t.Fatalf("description %v, error %v", s, err)
		}
		if err != nil {
			return
		}
		if !s.Kind.Available() || s.Address != "a:1" || !s.Equal(s) {
			t.Errorf("odd description %+v", s)
		}
		if s.MaxBSONObjectSize < 1 || s.MaxMessageSizeBytes < 1 || s.MaxWriteBatchSize < 1 {
			t.Errorf("limits that allow nothing: %+v", s)
		}
		for _, h := range slices.Concat(s.Hosts, s.Passives, s.Arbiters) {
			if h == "" || h != NormalizeAddress(h) {
				t.Errorf("address %q is not normal", h)
			}
		}
		topology := NewTopology(Settings{Seeds: []string{"a:1", "b:2"}})
		if n := topology.Apply(s); len(n.Servers) > maxMembers+2 {
			t.Errorf("%d servers", len(n.Servers))
		}
	})
}
