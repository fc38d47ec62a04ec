package mgxtest_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// JavaScript in queries: an expression, the body of a function, or a function (manual:
// $where).
func TestWhere(t *testing.T) {
	p := dial(t, mgxtest.Standalone(t).Primary())
	p.ok("shop", insert("a", kv("_id", 1, "x", 11, "l", bson.A{1, 2}), kv("_id", 2, "x", 22, "d", kv("e", "f")), kv("_id", 3)))
	for code, want := range map[string]int{
		"this.x > 11": 1, "obj.x == 11 && this.l[1] == 2": 1, "this.d && this.d.e === 'f'": 1, "return this._id < 3": 2,
		"function() { return this.x === undefined; }": 1, "true": 3, "null": 0,
		"var n = 0; for (var i = 0; i < 3; i++) { n += i; } return n == this._id": 1,
	} {
		if got := firsts(p.ok("shop", find("a", kv("$where", code)))); len(got) != want {
			t.Errorf("%s: %v", code, got)
		}
		if got := firsts(p.ok("shop", find("a", kv("$where", bson.JavaScript(code))))); len(got) != want {
			t.Errorf("%s as code: %v", code, got)
		}
	}
	scoped := bson.CodeWithScope{Code: "this._id == wanted", Scope: kv("wanted", 2)}
	if got := firsts(p.ok("shop", find("a", kv("$where", scoped)))); len(got) != 1 || got[0].Lookup("x").AsInt64() != 22 {
		t.Error(got)
	}
	p.fails("shop", find("a", kv("$where", "this.")), 139)
	p.fails("shop", find("a", kv("$where", "nobody()")), 139)
	p.fails("shop", find("a", kv("$where", 5)), 2)
}

// A query that sleeps holds nothing up.
func TestWhereSleeps(t *testing.T) {
	dep := mgxtest.Standalone(t)
	p, other := dial(t, dep.Primary()), dial(t, dep.Primary())
	p.ok("shop", insert("a", kv("_id", 1)))
	done := make(chan time.Duration)
	go func() {
		begun := time.Now()
		p.ok("shop", kv("find", "a", "filter", kv("$where", "sleep(300) || true")))
		done <- time.Since(begun)
	}()
	begun := time.Now()
	other.ok("shop", insert("a", kv("_id", 2)))
	if took := time.Since(begun); took > 250*time.Millisecond {
		t.Errorf("another's insert took %v", took)
	}
	if took := <-done; took < 300*time.Millisecond {
		t.Errorf("the find took %v", took)
	}
}

// What the functions emit, reduce and finalize (manual: mapReduce).
func TestMapReduce(t *testing.T) {
	p := dial(t, mgxtest.Standalone(t).Primary())
	p.ok("shop", insert("a", kv("_id", 1, "k", "b", "n", 1), kv("_id", 2, "k", "a", "n", 2), kv("_id", 3, "k", "b", "n", 3), kv("_id", 4, "k", "c", "n", 9)))
	command := func(more ...any) bson.D {
		return append(kv("mapReduce", "a", "map", bson.JavaScript("function() { emit(this.k, {n: this.n, when: new Date(5), l: [this.n]}) }"),
			"reduce", "function(key, values) { return {n: values.reduce((s, v) => s + v.n, 0)} }", "out", kv("inline", 1), "query", kv("n", kv("$lt", 9))), kv(more...)...)
	}
	results := func(d bson.D) []bson.Raw {
		list, _ := p.ok("shop", d).Lookup("results").ArrayOK()
		values, _ := list.Values()
		var out []bson.Raw
		for _, v := range values {
			out = append(out, v.Document())
		}
		return out
	}
	got := results(command())
	if len(got) != 2 || got[0].Lookup("_id").StringValue() != "a" || got[0].Lookup("value", "n").Double() != 2 ||
		got[0].Lookup("value", "when").DateTime() != 5 || got[0].Lookup("value", "l", "0").Double() != 2 || got[1].Lookup("value", "n").Double() != 4 {
		t.Error(got)
	}
	if got := results(command("finalize", "function(key, v) { return key + v.n }")); len(got) != 2 || got[1].Lookup("value").StringValue() != "b4" {
		t.Error(got)
	}
	p.fails("shop", kv("mapReduce", "a", "map", "function() { nobody() }", "reduce", "function() {}", "out", kv("inline", 1)), 139)
	p.fails("shop", kv("mapReduce", "a", "map", "function() {}", "reduce", "function() {}", "out", "b"), 2)
}
