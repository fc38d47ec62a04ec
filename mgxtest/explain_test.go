package mgxtest_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest"
)

// Plans name the index that a query can use, and a router's the shard (manual:
// Explain Results).
func TestExplain(t *testing.T) {
	dep := mgxtest.Sharded(t)
	p, q := dial(t, dep.Primary()), dial(t, dep.Mongoses()[0])
	p.ok("shop", insert("a", kv("_id", 1, "x", 1), kv("_id", 2, "x", 2)))
	p.ok("shop", kv("createIndexes", "a", "indexes", bson.A{kv("key", kv("x", 1), "name", "x_1")}))
	for name, c := range map[string]struct {
		command bson.D
		stage   string
		inner   string
	}{
		"all":     {find("a", kv()), "COLLSCAN", ""},
		"id":      {find("a", kv("_id", 1)), "EXPRESS_IXSCAN", ""},
		"index":   {find("a", kv("x", 1)), "FETCH", "IXSCAN"},
		"hint":    {append(find("a", kv("y", 1)), kv("hint", "x_1")...), "FETCH", "IXSCAN"},
		"sort":    {append(find("a", kv("y", 1)), kv("sort", kv("z", 1))...), "SORT", "COLLSCAN"},
		"nothing": {find("none", kv()), "EOF", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := p.ok("shop", kv("explain", c.command))
			if stage := r.Lookup("queryPlanner", "winningPlan", "stage").StringValue(); stage != c.stage {
				t.Errorf("%s, want %s", stage, c.stage)
			}
			if c.inner != "" && r.Lookup("queryPlanner", "winningPlan", "inputStage", "stage").StringValue() != c.inner {
				t.Error(r)
			}
			w := q.ok("shop", kv("explain", c.command)).Lookup("queryPlanner", "winningPlan").Document()
			if w.Lookup("stage").StringValue() != "SINGLE_SHARD" || w.Lookup("shards", "0", "winningPlan", "stage").StringValue() != c.stage {
				t.Error(w)
			}
		})
	}
	if n := p.ok("shop", kv("explain", find("a", kv("x", 1)), "verbosity", "executionStats")).Lookup("executionStats", "nReturned").AsInt64(); n != 1 {
		t.Errorf("%d returned", n)
	}
	p.fails("shop", kv("explain", find("a", kv()), "verbosity", "much"), 2)
}

// Documents that break a schema are told which rules they break (manual: Schema
// Validation).
func TestValidationDetails(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	p := dial(t, dep.Primary())
	p.ok("shop", kv("create", "a", "validator", kv("$jsonSchema", kv("bsonType", "object", "required", bson.A{"name"},
		"properties", kv("year", kv("bsonType", "int", "minimum", 2017, "description", "must be an integer"))))))
	details := p.fails("shop", insert("a", kv("_id", 1, "year", 2000)), 121).Lookup("writeErrors", "0", "errInfo", "details").Document()
	rules := details.Lookup("schemaRulesNotSatisfied")
	if details.Lookup("operatorName").StringValue() != "$jsonSchema" || rules.Type != bson.TypeArray {
		t.Fatal(details)
	}
	if v := details.Lookup("schemaRulesNotSatisfied", "0", "missingProperties", "0"); v.StringValue() != "name" {
		t.Error(details)
	}
	year := details.Lookup("schemaRulesNotSatisfied", "1", "propertiesNotSatisfied", "0").Document()
	if year.Lookup("propertyName").StringValue() != "year" || year.Lookup("details", "0", "operatorName").StringValue() != "minimum" ||
		year.Lookup("details", "0", "consideredValue").AsInt64() != 2000 {
		t.Error(year)
	}
	p.ok("shop", kv("create", "b", "validator", kv("x", kv("$type", "string"))))
	d := p.fails("shop", insert("b", kv("_id", 1, "x", 1)), 121).Lookup("writeErrors", "0", "errInfo", "details").Document()
	if d.Lookup("operatorName").StringValue() != "$type" || d.Lookup("reason").StringValue() != "type did not match" || d.Lookup("consideredType").StringValue() != "int" {
		t.Error(d)
	}
}
