package mgxtest_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// An index that is to become unique refuses new duplicates at once, and becomes it
// when the old ones are gone (manual: collMod, Convert Existing Index to a Unique Index).
func TestConvertToUnique(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1, "x", 5), kv("_id", 2, "x", 5), kv("_id", 3, "x", 6)))
	made := p.ok("shop", kv("createIndexes", "a", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")}))
	if made.Lookup("commitQuorum").StringValue() != "votingMembers" {
		t.Error(made)
	}
	w := p.watch("shop", "a", kv("showExpandedEvents", true))
	modify := func(fields ...any) bson.D {
		return kv("collMod", "a", "index", append(kv("name", "x_1"), kv(fields...)...))
	}
	p.fails("shop", modify("unique", true), 72)
	if r := p.ok("shop", modify("prepareUnique", true)); r.Lookup("prepareUnique_old").Boolean() || !r.Lookup("prepareUnique_new").Boolean() {
		t.Error(r)
	}
	if ev := w.next(); ev.Lookup("operationType").StringValue() != "modify" || !ev.Lookup("operationDescription", "index", "prepareUnique").Boolean() {
		t.Error(ev)
	}
	p.fails("shop", insert("a", kv("_id", 4, "x", 6)), 11000)
	p.ok("shop", set(1, kv("y", 1)))
	reply := p.fails("shop", modify("unique", true), 359)
	if ids := reply.Lookup("violations", "0", "ids"); ids.Type != bson.TypeArray {
		t.Error(reply)
	}
	p.ok("shop", kv("delete", "a", "deletes", bson.A{kv("q", kv("_id", 2), "limit", 1)}))
	p.ok("shop", modify("unique", true))
	p.fails("shop", insert("a", kv("_id", 4, "x", 5)), 11000)
	if r := p.ok("shop", modify("hidden", true)); r.Lookup("hidden_old").Boolean() || !r.Lookup("hidden_new").Boolean() {
		t.Error(r)
	}
	p.fails("shop", kv("collMod", "a", "index", kv("name", "none", "hidden", true)), 27)
}

// Definitions are listed as servers keep them (manual: listIndexes, listCollections,
// Clustered Collections, Text Indexes).
func TestListedDefinitions(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", kv("create", "clustered", "clusteredIndex", kv("key", kv("_id", 1), "unique", true)))
	p.ok("shop", kv("create", "capped", "capped", true, "size", 4096, "max", 10))
	p.ok("shop", kv("createIndexes", "a", "indexes", bson.A{
		kv("key", kv("title", "text", "body", "text"), "name", "words"), kv("key", kv("place", "2dsphere"), "name", "place")}))
	ix := firsts(p.ok("shop", kv("listIndexes", "clustered")))
	if len(ix) != 1 || !ix[0].Lookup("clustered").Boolean() || !ix[0].Lookup("unique").Boolean() || ix[0].Lookup("v").AsInt64() != 2 {
		t.Error(ix)
	}
	c := firsts(p.ok("shop", kv("listCollections", 1, "filter", kv("name", "capped"))))
	if o := c[0].Lookup("options").Document(); o.Lookup("size").Type != bson.TypeInt64 || o.Lookup("max").Type != bson.TypeInt64 {
		t.Error(o)
	}
	ix = firsts(p.ok("shop", kv("listIndexes", "a")))
	if words := ix[1]; words.Lookup("key", "_fts").StringValue() != "text" || words.Lookup("weights", "body").AsInt64() != 1 || words.Lookup("textIndexVersion").AsInt64() != 3 {
		t.Error(words)
	}
	if ix[2].Lookup("2dsphereIndexVersion").AsInt64() != 3 {
		t.Error(ix[2])
	}
}

// What commands refuse in their arguments.
func TestArgumentTypes(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1), kv("_id", 2)))
	s := newSession(1)
	s.number = 1
	p.fails("shop", kv("find", "a", "filter", 1), 14)
	p.fails("shop", kv("find", "a", "sort", "x"), 14)
	p.fails("shop", append(find("a", kv()), kv("lsid", s.id, "txnNumber", int64(1))...), 50768)
	id := p.ok("shop", kv("find", "a", "batchSize", 1)).Lookup("cursor", "id")
	p.fails("shop", kv("getMore", id, "collection", "a", "batchSize", -1), 51024)
	p.ok("shop", kv("findAndModify", "a", "query", kv("_id", 1), "remove", true, "bypassEmptyTsReplacement", true))
}
