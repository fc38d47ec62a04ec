package mgxtest_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// watcher is a change stream on a plain connection.
type watcher struct {
	p        *plain
	db, coll string
	id       int64
	events   []bson.Raw
}

func watching(target any, spec bson.D, stages ...any) bson.D {
	return kv("aggregate", target, "pipeline", append(bson.A{kv("$changeStream", spec)}, stages...), "cursor", kv())
}

func (p *plain) watch(db string, target any, spec bson.D, stages ...any) *watcher {
	p.t.Helper()
	reply := p.ok(db, watching(target, spec, stages...))
	w := &watcher{p: p, db: db, coll: "$cmd.aggregate", id: reply.Lookup("cursor", "id").Int64()}
	if name, ok := target.(string); ok {
		w.coll = name
	}
	w.take(reply, "firstBatch")
	return w
}

func (w *watcher) take(reply bson.Raw, batch string) {
	list, _ := reply.Lookup("cursor", batch).ArrayOK()
	values, _ := list.Values()
	for _, v := range values {
		w.events = append(w.events, v.Document())
	}
	w.id = reply.Lookup("cursor", "id").Int64()
}

func (w *watcher) more() bson.Raw {
	return w.p.run(w.db, kv("getMore", w.id, "collection", w.coll, "maxTimeMS", 300))
}

// next waits for an event.
func (w *watcher) next() bson.Raw {
	w.p.t.Helper()
	for range 10 {
		if len(w.events) > 0 {
			ev := w.events[0]
			w.events = w.events[1:]
			return ev
		}
		if w.id == 0 {
			w.p.t.Fatal("the stream has ended")
		}
		reply := w.more()
		if codeOf(reply) != 0 {
			w.p.t.Fatal(reply)
		}
		w.take(reply, "nextBatch")
	}
	w.p.t.Fatal("no event")
	return nil
}

func (w *watcher) kinds(n int) string {
	w.p.t.Helper()
	var kinds []string
	for range n {
		kinds = append(kinds, w.next().Lookup("operationType").StringValue())
	}
	return strings.Join(kinds, " ")
}

// fails wants the next batch to be an error.
func (w *watcher) fails(code int32, label string) {
	w.p.t.Helper()
	reply := w.more()
	if codeOf(reply) != code || label != "" && !hasLabel(reply, label) {
		w.p.t.Errorf("want %d %s, got %v", code, label, reply)
	}
}

func set(id int, fields bson.D) bson.D {
	return kv("update", "a", "updates", bson.A{kv("q", kv("_id", id), "u", kv("$set", fields))})
}

// The pipeline and the options are looked at when the stream is opened (specification:
// change-streams-errors.yml; jstests/change_streams/invalid_namespaces.js, ban_from_views.js).
func TestChangeStreamRefusals(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1)))
	p.ok("shop", kv("create", "v", "viewOn", "a"))
	for name, c := range map[string]struct {
		db      string
		command bson.D
		code    int32
	}{
		"unknown stage": {"shop", watching("a", kv(), kv("$bad", 1)), 40324},
		"group":         {"shop", watching("a", kv(), kv("$group", kv("_id", nil))), 20},
		"sort":          {"shop", watching("a", kv(), kv("$sort", kv("_id", 1))), 20},
		"out":           {"shop", watching("a", kv(), kv("$out", "b")), 20},
		"match":         {"shop", watching("a", kv(), kv("$match", kv("x", kv("$bad", 1)))), 2},
		"before":        {"shop", watching("a", kv("fullDocumentBeforeChange", "nope")), 2},
		"full":          {"shop", watching("a", kv("fullDocument", "nope")), 2},
		"admin":         {"admin", watching("x", kv()), 73},
		"admin db":      {"admin", watching(1, kv()), 73},
		"local":         {"local", watching("oplog.rs", kv()), 73},
		"system":        {"shop", watching("system.users", kv()), 73},
		"view":          {"shop", watching("v", kv()), 166},
		"cluster":       {"shop", watching(1, kv("allChangesForCluster", true)), 72},
		"split twice":   {"shop", watching("a", kv(), kv("$changeStreamSplitLargeEvent", kv()), kv("$changeStreamSplitLargeEvent", kv())), 7182802},
		"split first":   {"shop", watching("a", kv(), kv("$changeStreamSplitLargeEvent", kv()), kv("$match", kv())), 7182802},
		"split alone":   {"shop", kv("aggregate", "a", "pipeline", bson.A{kv("$changeStreamSplitLargeEvent", kv())}, "cursor", kv()), 20},
		"not first":     {"shop", kv("aggregate", "a", "pipeline", bson.A{kv("$match", kv()), kv("$changeStream", kv())}, "cursor", kv()), 40602},
		"token":         {"shop", watching("a", kv("resumeAfter", kv("_data", "82AB"))), 50811},
	} {
		t.Run(name, func(t *testing.T) { p.fails(c.db, c.command, c.code) })
	}
	p.ok("admin", watching(1, kv("allChangesForCluster", true)))
}

// Documents before and after a change are there where the collection keeps them
// (specification: change-streams-pre_and_post_images.yml).
func TestChangeStreamImages(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1, "x", 0)))
	available := p.watch("shop", "a", kv("fullDocument", "whenAvailable", "fullDocumentBeforeChange", "whenAvailable"))
	before, after := p.watch("shop", "a", kv("fullDocumentBeforeChange", "required")), p.watch("shop", "a", kv("fullDocument", "required"))
	p.ok("shop", set(1, kv("x", 1)))
	ev := available.next()
	if ev.Lookup("fullDocument").Type != bson.TypeNull || ev.Lookup("fullDocumentBeforeChange").Type != bson.TypeNull {
		t.Errorf("images that nobody kept: %v", ev)
	}
	before.fails(47, "")
	after.fails(47, "")
	p.ok("shop", kv("collMod", "a", "changeStreamPreAndPostImages", kv("enabled", true)))
	before, after = p.watch("shop", "a", kv("fullDocumentBeforeChange", "required")), p.watch("shop", "a", kv("fullDocument", "required"))
	p.ok("shop", set(1, kv("x", 2)))
	for _, ev := range []bson.Raw{available.next(), after.next()} {
		if ev.Lookup("fullDocument", "x").AsInt64() != 2 {
			t.Error(ev)
		}
	}
	if ev := before.next(); ev.Lookup("fullDocumentBeforeChange", "x").AsInt64() != 1 {
		t.Error(ev)
	}
	p.ok("shop", kv("delete", "a", "deletes", bson.A{kv("q", kv(), "limit", 1)}))
	if ev := before.next(); ev.Lookup("fullDocumentBeforeChange", "x").AsInt64() != 2 {
		t.Error(ev)
	}
}

// The end of a collection is one event, and the end of a stream on it another
// (jstests/change_streams/metadata_notifications.js).
func TestChangeStreamOrderOfEnds(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	fresh := func() { p.ok("shop", insert("a", kv("_id", 1))); p.ok("shop", insert("b", kv("_id", 1))) }
	fresh()
	source, target, db := p.watch("shop", "a", kv()), p.watch("shop", "b", kv()), p.watch("shop", 1, kv("showExpandedEvents", true))
	p.ok("admin", kv("renameCollection", "shop.a", "to", "shop.b", "dropTarget", true))
	for _, w := range []*watcher{source, target} {
		if kinds := w.kinds(2); kinds != "rename invalidate" || w.id != 0 {
			t.Errorf("%s, cursor %d", kinds, w.id)
		}
	}
	ev := db.next()
	if ev.Lookup("operationType").StringValue() != "rename" || ev.Lookup("operationDescription", "dropTarget").Type != bson.TypeBinary ||
		ev.Lookup("to", "coll").StringValue() != "b" {
		t.Error(ev)
	}
	p.ok("shop", insert("c", kv("_id", 1)))
	if kinds := db.kinds(2); kinds != "create insert" {
		t.Errorf("after the rename: %s", kinds)
	}

	out := p.watch("shop", "b", kv())
	p.ok("shop", kv("aggregate", "c", "pipeline", bson.A{kv("$out", "b")}, "cursor", kv()))
	if kinds := out.kinds(2); kinds != "rename invalidate" {
		t.Errorf("$out: %s", kinds)
	}
	coll, db := p.watch("shop", "b", kv()), p.watch("shop", 1, kv())
	p.ok("shop", kv("dropDatabase", 1))
	if kinds := coll.kinds(2); kinds != "drop invalidate" {
		t.Errorf("collection: %s", kinds)
	}
	if kinds := db.kinds(4); kinds != "drop drop dropDatabase invalidate" {
		t.Errorf("database: %s", kinds)
	}
}

// A token has to be of an event that the stream would have shown
// (jstests/change_streams/filter_excludes_resume_point.js).
func TestResumeTokenOfAnother(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	w := p.watch("shop", "a", kv())
	p.ok("shop", insert("a", kv("_id", 1)))
	token := w.next().Lookup("_id")
	other := p.watch("shop", "b", kv("resumeAfter", token))
	p.ok("shop", insert("b", kv("_id", 1)))
	other.fails(280, "NonResumableChangeStreamError")

	// One that the user's own stages leave out is found all the same.
	p.ok("shop", insert("a", kv("_id", 2)))
	own := p.watch("shop", "a", kv("resumeAfter", token), kv("$match", kv("documentKey._id", 2)))
	if ev := own.next(); ev.Lookup("documentKey", "_id").AsInt64() != 2 {
		t.Error(ev)
	}
}

// Events of more than 16 MB are an error or come in parts
// (jstests/change_streams/split_large_event.js).
func TestLargeEvents(t *testing.T) {
	if raceEnabled {
		t.Skip("copies hundreds of megabytes, for which the race detector takes half a minute; nothing in it runs at the same time")
	}
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", kv("create", "a", "changeStreamPreAndPostImages", kv("enabled", true)))
	p.ok("shop", insert("a", kv("_id", 1, "x", strings.Repeat("x", 9<<20))))
	spec := kv("fullDocument", "required", "fullDocumentBeforeChange", "required")
	split := kv("$changeStreamSplitLargeEvent", kv())
	whole, parts := p.watch("shop", "a", spec), p.watch("shop", "a", spec, split)
	p.ok("shop", set(1, kv("x", strings.Repeat("y", 9<<20))))
	whole.fails(10334, "")
	var tokens []bson.RawValue
	fields := map[string]bool{}
	for i := range 3 {
		ev := parts.next()
		if n, of := ev.Lookup("splitEvent", "fragment").AsInt64(), ev.Lookup("splitEvent", "of").AsInt64(); n != int64(i+1) || of != 3 {
			t.Fatalf("fragment %d of %d", n, of)
		}
		elems, _ := ev.Elements()
		for _, e := range elems {
			fields[e.Key()] = true
		}
		tokens = append(tokens, ev.Lookup("_id"))
	}
	for _, name := range []string{"operationType", "fullDocument", "fullDocumentBeforeChange", "updateDescription", "documentKey"} {
		if !fields[name] {
			t.Errorf("no fragment has %s", name)
		}
	}
	last := p.watch("shop", "a", append(spec, bson.E{Key: "resumeAfter", Value: tokens[1]}), split)
	if ev := last.next(); ev.Lookup("splitEvent", "fragment").AsInt64() != 3 {
		t.Error("the resumed stream begins with another fragment")
	}
	p.fails("shop", watching("a", append(spec, bson.E{Key: "resumeAfter", Value: tokens[1]})), 280)
	small := p.run("shop", watching("a", kv("resumeAfter", tokens[1]), split))
	if codeOf(small) != 280 {
		t.Errorf("a fragment of an event that is small now: %v", small)
	}
	// What is small enough is not split.
	p.ok("shop", set(1, kv("z", 1)))
	p.ok("shop", kv("update", "a", "updates", bson.A{kv("q", kv("_id", 1), "u", kv("_id", 1))}))
	p.ok("shop", set(1, kv("z", 2)))
	w := p.watch("shop", "a", kv(), split)
	p.ok("shop", set(1, kv("z", 3)))
	if ev := w.next(); !ev.Lookup("splitEvent").IsZero() {
		t.Error(ev)
	}
}

// Errors of change streams have the labels of src/mongo/db/error_labels.cpp. The
// command that a getMore goes on with is known only once its cursor is.
func TestChangeStreamLabels(t *testing.T) {
	for name, dep := range map[string]*mgxtest.Deployment{"replica set": mgxtest.ReplicaSet(t, 2), "sharded": mgxtest.Sharded(t)} {
		t.Run(name, func(t *testing.T) {
			server := dep.Primary()
			p := dial(t, server)
			q := p
			if routers := dep.Mongoses(); len(routers) > 0 {
				q = dial(t, routers[0])
			}
			fail := func(name string, data bson.D) {
				p.ok("admin", kv("configureFailPoint", name, "mode", kv("times", 1), "data", data))
			}
			for code, resumable := range map[int]bool{6: true, 91: true, 10107: true, 13388: true, 234: true, 133: true, 9: false, 11601: false} {
				w := q.watch("shop", "a", kv())
				fail("failGetMoreAfterCursorCheckout", kv("errorCode", code))
				if reply := w.more(); codeOf(reply) != int32(code) || hasLabel(reply, "ResumableChangeStreamError") != resumable {
					t.Errorf("%d: %v", code, reply)
				}
			}
			cur := p.ok("shop", kv("find", "b", "batchSize", 0))
			if id := cur.Lookup("cursor", "id").Int64(); id != 0 {
				fail("failGetMoreAfterCursorCheckout", kv("errorCode", 6))
				if reply := p.run("shop", kv("getMore", id, "collection", "b")); hasLabel(reply, "ResumableChangeStreamError") {
					t.Error(reply)
				}
			}
		})
	}
	dep := mgxtest.ReplicaSet(t, 2)
	p := dial(t, dep.Secondaries()[0])
	p.fails("shop", watching("a", kv()), 13435, "ResumableChangeStreamError")
}

// A router that loses the member of a change stream says that the stream can go on,
// though no member said so.
func TestRouterLosesTheMemberOfAStream(t *testing.T) {
	dep := mgxtest.Sharded(t)
	q := dial(t, dep.Mongoses()[0])
	q.ok("shop", insert("a", kv("_id", 0)))
	w := q.watch("shop", "a", kv())
	for _, m := range dep.Members() {
		defer m.FailCommand(mgxtest.FailCommand{Commands: []string{"getMore"}, Times: 1, CloseConnection: true, Internal: true})()
	}
	if reply := w.more(); codeOf(reply) != 6 || !hasLabel(reply, "ResumableChangeStreamError") {
		t.Error(reply)
	}
}
