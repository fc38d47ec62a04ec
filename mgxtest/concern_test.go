package mgxtest_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// Commands take the concerns that they have a use for (server:
// CommandInvocation::supportsReadConcern, supportsWriteConcern).
func TestConcernsPerCommand(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 0)))
	update := kv("update", "a", "updates", bson.A{kv("q", kv(), "u", kv("$set", kv("x", 1)))})
	for _, c := range []struct {
		db            string
		command       bson.D
		levels, wrong []string
	}{
		{"shop", find("a", kv()), []string{"local", "available", "majority", "linearizable", "snapshot"}, nil},
		{"shop", kv("distinct", "a", "key", "_id"), []string{"local", "majority", "snapshot"}, nil},
		{"shop", kv("aggregate", "a", "pipeline", bson.A{}, "cursor", kv()), []string{"local", "majority", "snapshot"}, nil},
		{"shop", kv("count", "a"), []string{"local", "majority"}, []string{"snapshot"}},
		{"shop", insert("a", kv("x", 1)), []string{"local"}, []string{"majority", "snapshot"}},
		{"shop", update, []string{"local"}, []string{"majority", "snapshot"}},
		{"shop", kv("delete", "a", "deletes", bson.A{kv("q", kv("_id", 9), "limit", 1)}), nil, []string{"snapshot"}},
		{"shop", kv("findAndModify", "a", "remove", true), nil, []string{"snapshot"}},
		{"shop", kv("listCollections", 1), nil, []string{"snapshot"}},
		{"shop", kv("listIndexes", "a"), nil, []string{"snapshot"}},
		{"admin", kv("listDatabases", 1), nil, []string{"snapshot"}},
		{"admin", kv("ping", 1), []string{"local"}, []string{"snapshot", "majority"}},
	} {
		for _, level := range c.levels {
			p.ok(c.db, append(append(bson.D{}, c.command...), kv("readConcern", kv("level", level))...))
		}
		for _, level := range c.wrong {
			p.fails(c.db, append(append(bson.D{}, c.command...), kv("readConcern", kv("level", level))...), 72)
		}
	}
	p.fails("shop", append(find("a", kv()), kv("writeConcern", kv("w", 1))...), 72)
	p.fails("admin", kv("ping", 1, "writeConcern", kv("w", 1)), 72)
	p.ok("shop", append(update, kv("writeConcern", kv("w", 1))...))
}

// Points in time have to be ones that the cluster has reached, and of the last five
// minutes (manual: minSnapshotHistoryWindowInSeconds).
func TestReadTimes(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	p := dial(t, dep.Primary())
	at := p.ok("shop", insert("a", kv("_id", 1))).Lookup("operationTime")
	sec, inc := at.Timestamp()
	p.ok("shop", kv("update", "a", "updates", bson.A{kv("q", kv("_id", 1), "u", kv("$set", kv("x", 1)))}))
	p.ok("shop", insert("a", kv("_id", 2)))
	p.ok("shop", kv("createIndexes", "a", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")}))
	p.ok("shop", kv("delete", "a", "deletes", bson.A{kv("q", kv("_id", 1), "limit", 1)}))
	p.ok("shop", kv("drop", "a"))
	p.ok("shop", insert("a", kv("_id", 7)))

	read := func(concern ...any) bson.D { return append(find("a", kv()), kv("readConcern", kv(concern...))...) }
	then := p.ok("shop", read("level", "snapshot", "atClusterTime", at))
	if found(then) != 1 || !then.Lookup("cursor", "firstBatch", "0", "x").IsZero() || then.Lookup("cursor", "firstBatch", "0", "_id").AsInt64() != 1 {
		t.Errorf("at the first insert: %v", then)
	}
	if !then.Lookup("cursor", "atClusterTime").Equal(at) {
		t.Errorf("the time of the snapshot: %v", then)
	}
	if now := p.ok("shop", read("level", "snapshot")); found(now) != 1 || now.Lookup("cursor", "firstBatch", "0", "_id").AsInt64() != 7 {
		t.Errorf("now: %v", now)
	}
	s := newSession(1)
	if old := p.ok("shop", s.begin(read("level", "snapshot", "atClusterTime", at))); found(old) != 1 {
		t.Errorf("a transaction in the past: %v", old)
	}

	future := bson.Timestamp{T: sec + 3600, I: inc}
	p.fails("shop", read("afterClusterTime", future), 72)
	p.fails("shop", read("level", "snapshot", "atClusterTime", future), 72)
	p.fails("shop", read("level", "snapshot", "atClusterTime", bson.Timestamp{T: sec - 400, I: 1}), 239)
	p.fails("shop", read("level", "linearizable", "afterClusterTime", at), 72)
	p.fails("shop", read("level", "local", "atClusterTime", at), 72)
	if clock, _ := p.ok("admin", kv("ping", 1)).Lookup("$clusterTime", "clusterTime").Timestamp(); clock >= sec+3600 {
		t.Error("a refused time moved the clock")
	}

	// What was gossiped from elsewhere can be read after: the primary notes it.
	ahead := bson.Timestamp{T: sec + 3600, I: 1}
	p.ok("admin", kv("ping", 1, "$clusterTime", kv("clusterTime", ahead)))
	p.ok("shop", read("level", "majority", "afterClusterTime", ahead))
}

// A linearizable read waits for a majority to confirm that the primary is one still,
// as long as maxTimeMS allows (manual: Read Concern "linearizable").
func TestLinearizable(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3, mgxtest.StalePrimary(time.Hour))
	old := dep.Primary()
	p := dial(t, old)
	p.ok("shop", insert("a", kv("_id", 1)))
	read := append(find("a", kv()), kv("readConcern", kv("level", "linearizable"))...)
	p.ok("shop", read)
	dial(t, dep.Secondaries()[0]).fails("shop", append(read, kv("$readPreference", kv("mode", "secondary"))...), 10107)

	dep.Partition(old)
	p.ok("shop", find("a", kv()))
	p.fails("shop", append(read, kv("maxTimeMS", 50)...), 50)
	done := make(chan bson.Raw, 1)
	go func() { reply, _ := p.try("shop", read); done <- reply }()
	_, err := dep.WaitPrimary(context10(t))
	must(t, err)
	dep.Heal()
	if code := codeOf(<-done); code != 11602 && code != 10107 {
		t.Errorf("a primary that was none any more answered with code %d", code)
	}
}
