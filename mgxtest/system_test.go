package mgxtest_test

import (
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

func names(reply bson.Raw) []string {
	list, _ := reply.Lookup("databases").ArrayOK()
	values, _ := list.Values()
	var out []string
	for _, v := range values {
		out = append(out, v.Document().Lookup("name").StringValue())
	}
	return out
}

func firsts(reply bson.Raw) []bson.Raw {
	list, _ := reply.Lookup("cursor", "firstBatch").ArrayOK()
	values, _ := list.Values()
	var out []bson.Raw
	for _, v := range values {
		out = append(out, v.Document())
	}
	return out
}

// Sharding a collection makes it, its index and an event, and is seen in the config
// database (manual: shardCollection, Config Database; specification:
// change-streams-showExpandedEvents.yml).
func TestShardCollection(t *testing.T) {
	dep := mgxtest.Sharded(t)
	p := dial(t, dep.Mongoses()[0])
	w := p.watch("shop", 1, kv("showExpandedEvents", true))
	p.ok("admin", kv("enableSharding", "shop"))
	for range 2 {
		if sharded := p.ok("admin", kv("shardCollection", "shop.a", "key", kv("sku", 1))).Lookup("collectionsharded").StringValue(); sharded != "shop.a" {
			t.Error(sharded)
		}
	}
	p.fails("admin", kv("shardCollection", "shop.a", "key", kv("other", 1)), 23)
	if kinds := w.kinds(2); kinds != "create createIndexes" {
		t.Error(kinds)
	}
	ev := w.next()
	if ev.Lookup("operationType").StringValue() != "shardCollection" || ev.Lookup("operationDescription", "shardKey", "sku").AsInt64() != 1 {
		t.Error(ev)
	}
	p.ok("shop", insert("full", kv("_id", 1)))
	p.fails("admin", kv("shardCollection", "shop.full", "key", kv("sku", 1)), 72)

	for coll, field := range map[string]string{"shards": "host", "databases": "primary", "collections": "key", "chunks": "shard", "version": "clusterId", "mongos": "ping"} {
		docs := firsts(p.ok("config", find(coll, kv())))
		if len(docs) == 0 || docs[0].Lookup(field).IsZero() {
			t.Errorf("config.%s: %v", coll, docs)
		}
	}
	if d := firsts(p.ok("config", find("collections", kv()))); d[0].Lookup("_id").StringValue() != "shop.a" || len(d) != 1 {
		t.Error(d)
	}
	for command, field := range map[string]string{"listShards": "shards", "getShardMap": "map", "balancerStatus": "mode", "flushRouterConfig": "ok", "checkMetadataConsistency": "cursor"} {
		if reply := p.ok("admin", kv(command, 1)); reply.Lookup(field).IsZero() {
			t.Error(reply)
		}
	}
	p.ok("admin", kv("balancerStop", 1))
	if mode := p.ok("admin", kv("balancerStatus", 1)).Lookup("mode").StringValue(); mode != "off" {
		t.Error(mode)
	}
	p.fails("shop", kv("shardCollection", "shop.b", "key", kv("x", 1)), 13)
	for _, ns := range []any{1, "a"} { // a database, a collection
		if reply := p.ok("shop", kv("checkMetadataConsistency", ns)); len(firsts(reply)) != 0 {
			t.Error(reply)
		}
	}
	if got := names(p.ok("admin", kv("listDatabases", 1))); !slices.Equal(got, []string{"admin", "config", "shop"}) {
		t.Errorf("databases of a router: %v", got)
	}
}

// A set's own collections can be read (manual: Local Database, Replica Set Oplog;
// what rs.printReplicationInfo() asks for).
func TestSystemCollections(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 2)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1, "x", 1)))
	tail := p.ok("local", kv("find", "oplog.rs", "filter", kv("ns", "shop.a"), "tailable", true, "awaitData", true))
	p.ok("shop", set(1, kv("x", 2)))
	s := newSession(1)
	p.ok("shop", s.begin(insert("a", kv("_id", 2))))
	p.ok("admin", s.commit())
	first := firsts(p.ok("local", kv("find", "oplog.rs", "sort", kv("$natural", 1), "limit", 1)))
	last := firsts(p.ok("local", kv("find", "oplog.rs", "sort", kv("$natural", -1), "limit", 1)))
	if len(first) != 1 || len(last) != 1 || last[0].Lookup("o", "applyOps", "0", "o", "_id").AsInt64() != 2 {
		t.Errorf("%v, %v", first, last)
	}
	update := firsts(p.ok("local", find("oplog.rs", kv("op", "u"))))
	if len(update) != 1 || update[0].Lookup("o", "diff", "u", "x").AsInt64() != 2 || update[0].Lookup("o2", "_id").AsInt64() != 1 {
		t.Error(update)
	}
	more := p.ok("local", kv("getMore", tail.Lookup("cursor", "id"), "collection", "oplog.rs", "maxTimeMS", 50))
	if op := more.Lookup("cursor", "nextBatch", "0", "op"); op.Type != bson.TypeString || op.StringValue() != "u" {
		t.Errorf("the tail of the oplog: %v", more)
	}
	if d := firsts(p.ok("local", find("system.replset", kv()))); len(d) != 1 || d[0].Lookup("_id").StringValue() != "rs0" {
		t.Error(d)
	}
	if d := firsts(p.ok("config", find("transactions", kv()))); len(d) != 1 || d[0].Lookup("state").StringValue() != "committed" {
		t.Error(d)
	}
	if d := firsts(p.ok("admin", find("system.version", kv()))); len(d) != 1 || d[0].Lookup("version").StringValue() != "8.0" {
		t.Error(d)
	}
	if n := p.ok("local", kv("count", "oplog.rs")).Lookup("n").AsInt64(); n < 4 {
		t.Errorf("%d entries", n)
	}
	if got := names(p.ok("admin", kv("listDatabases", 1))); !slices.Equal(got, []string{"admin", "config", "local", "shop"}) {
		t.Errorf("databases: %v", got)
	}
}

// What a configuration says of members is of effect, and its version is the one that
// hello reports (manual: replSetReconfig).
func TestReconfig(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	p := dial(t, dep.Primary())
	config := func() bson.D {
		var d bson.D
		must(t, bson.Unmarshal(p.ok("admin", kv("replSetGetConfig", 1)).Lookup("config").Document(), &d))
		return d
	}
	c := config()
	p.fails("admin", kv("replSetReconfig", c), 103)
	at := func(d bson.D, key string) *any {
		for i := range d {
			if d[i].Key == key {
				return &d[i].Value
			}
		}
		return nil
	}
	*at(c, "version") = 7
	member := (*at(c, "members")).(bson.A)[2].(bson.D)
	*at(member, "priority") = 0
	*at(member, "tags") = kv("dc", "west")
	p.ok("admin", kv("replSetReconfig", c))
	hello := dial(t, dep.Members()[2]).ok("admin", kv("hello", 1))
	if hello.Lookup("setVersion").AsInt64() != 7 || hello.Lookup("tags", "dc").StringValue() != "west" || !hello.Lookup("passive").Boolean() {
		t.Error(hello)
	}
	*at(c, "version") = 8
	*at(member, "host") = "127.0.0.1:1"
	p.fails("admin", kv("replSetReconfig", c), 74)
}

// Defaults for concerns hold for what has none (manual: setDefaultRWConcern).
func TestDefaultConcerns(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	p := dial(t, dep.Primary())
	if d := p.ok("admin", kv("getDefaultRWConcern", 1)); d.Lookup("defaultWriteConcern", "w").StringValue() != "majority" || d.Lookup("defaultWriteConcernSource").StringValue() != "implicit" {
		t.Error(d)
	}
	p.ok("admin", kv("setDefaultRWConcern", 1, "defaultWriteConcern", kv("w", 3, "wtimeout", 20), "defaultReadConcern", kv("level", "majority")))
	p.fails("admin", kv("setDefaultRWConcern", 1, "defaultReadConcern", kv("level", "snapshot")), 2)
	dep.Secondaries()[0].PauseReplication()
	reply := p.fails("shop", insert("a", kv("_id", 1)), 64)
	if wc := reply.Lookup("writeConcernError", "errInfo", "writeConcern"); wc.Document().Lookup("w").AsInt64() != 3 {
		t.Error(reply)
	}
	p.ok("shop", append(insert("a", kv("_id", 2)), kv("writeConcern", kv("w", 1))...))
}

// Servers before 5.0 had words of their own for what they do not know (server 4.4:
// aggregation_request.cpp, query_request.cpp).
func TestUnknownArgumentsOfOldServers(t *testing.T) {
	for version, words := range map[string][2]string{
		"4.4.29": {"unrecognized field 'let'", "Unrecognized field 'let'"},
		"7.0.14": {"BSON field 'aggregate.surprise' is an unknown field", "BSON field 'find.surprise' is an unknown field"},
	} {
		name := "let"
		if version != "4.4.29" {
			name = "surprise"
		}
		p := dial(t, mgxtest.Standalone(t, mgxtest.ServerVersion(version)).Primary())
		for i, command := range []bson.D{kv("aggregate", "c", "pipeline", bson.A{}, "cursor", kv(), name, kv()), kv("find", "c", name, kv())} {
			reply := p.run("shop", command)
			if got := reply.Lookup("errmsg").StringValue(); !strings.Contains(got, words[i]) {
				t.Errorf("%s: %q has no %q", version, got, words[i])
			}
		}
	}
}
