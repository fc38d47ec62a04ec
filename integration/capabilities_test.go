package integration

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// capability is something that not every server can do. A server that cannot
// answers the probe with an error; the tests that need it are skipped then.
type capability struct {
	// lacking is what a skipped test says.
	lacking string
	// probe is a command to run in a database with a collection "c", in which is
	// {_id: 1, a: 1}.
	probe bson.D
	// refused tells that the server has the capability if it refuses the probe.
	refused bool
}

func findWith(option string, value any) bson.D {
	return bson.D{{"find", "c"}, {"filter", bson.D{}}, {option, value}}
}

func updateWith(u any, more ...bson.E) bson.D {
	statement := append(bson.D{{"q", bson.D{{"a", 1}}}, {"u", u}}, more...)
	return bson.D{{"update", "c"}, {"updates", bson.A{statement}}}
}

func aggregateWith(stage ...any) bson.D {
	return bson.D{{"aggregate", "c"}, {"pipeline", bson.A(stage)}, {"cursor", bson.D{}}}
}

func indexWith(key bson.D, option string, value any) bson.D {
	index := bson.D{{"key", key}, {"name", "probe"}, {option, value}}
	return bson.D{{"createIndexes", "probe"}, {"indexes", bson.A{index}}}
}

var (
	setB    = bson.D{{"$set", bson.D{{"b", 1}}}}
	english = bson.D{{"locale", "en"}, {"strength", 2}}
)

// capabilities are all that tests may be skipped for. FerretDB 1.24, the
// embedded server, has none of those above the empty line.
var capabilities = map[string]capability{
	"collation":           {"the server compares no strings by language", findWith("collation", english), false},
	"hint":                {"the server does not look at hints", findWith("hint", "no_such_index"), true},
	"distinct hint":       {"the server takes no hint with distinct", bson.D{{"distinct", "c"}, {"key", "a"}, {"hint", "_id_"}}, false},
	"distinct time":       {"the server takes no time limit with distinct", bson.D{{"distinct", "c"}, {"key", "a"}, {"maxTimeMS", 1000}}, false},
	"let":                 {"the server has no let", findWith("let", bson.D{{"x", 1}}), false},
	"returnKey":           {"the server has no returnKey", findWith("returnKey", true), false},
	"noCursorTimeout":     {"the server has no noCursorTimeout", findWith("noCursorTimeout", true), false},
	"allowPartialResults": {"the server has no allowPartialResults", findWith("allowPartialResults", true), false},
	"min":                 {"the server does not look at min and max", findWith("min", bson.D{{"nope", 1}}), true},
	"$slice":              {"the server has no $slice projection", findWith("projection", bson.D{{"a", bson.D{{"$slice", 1}}}}), false},
	"pipeline update":     {"the server has no updates by pipeline", updateWith(bson.A{setB}), false},
	"arrayFilters":        {"the server has no arrayFilters", updateWith(bson.D{{"$set", bson.D{{"l.$[e]", 1}}}}, bson.E{Key: "arrayFilters", Value: bson.A{bson.D{{"e", 1}}}}), false},
	"update sort":         {"the server has no sort with updateOne", updateWith(setB, bson.E{Key: "sort", Value: bson.D{{"a", 1}}}), false},
	"findAndModify fields": {"the server has no projection with findAndModify",
		bson.D{{"findAndModify", "c"}, {"query", bson.D{{"a", 99}}}, {"update", setB}, {"fields", bson.D{{"b", 1}}}}, false},
	"views":           {"the server has no views", bson.D{{"create", "probe_view"}, {"viewOn", "c"}, {"pipeline", bson.A{}}}, false},
	"validators":      {"the server has no validators", bson.D{{"create", "probe_validator"}, {"validator", bson.D{{"a", 1}}}}, false},
	"time series":     {"the server has no time series", bson.D{{"create", "probe_series"}, {"timeseries", bson.D{{"timeField", "t"}}}}, false},
	"$out":            {"the server has no $out", aggregateWith(bson.D{{"$out", "probe_out"}}), false},
	"$lookup":         {"the server has no $lookup", aggregateWith(bson.D{{"$lookup", bson.D{{"from", "c"}, {"localField", "a"}, {"foreignField", "a"}, {"as", "x"}}}}), false},
	"$documents":      {"the server has no aggregation on databases", bson.D{{"aggregate", 1}, {"pipeline", bson.A{bson.D{{"$documents", bson.A{bson.D{{"a", 1}}}}}}}, {"cursor", bson.D{}}}, false},
	"TTL indexes":     {"the server has no TTL indexes", indexWith(bson.D{{"ttl", 1}}, "expireAfterSeconds", 100), false},
	"hidden indexes":  {"the server has no hidden indexes", indexWith(bson.D{{"hidden", 1}}, "hidden", true), false},
	"partial indexes": {"the server has no partial indexes", indexWith(bson.D{{"partial", 1}}, "partialFilterExpression", bson.D{{"a", 1}}), false},
	"text indexes":    {"the server has no text indexes", bson.D{{"createIndexes", "probe"}, {"indexes", bson.A{bson.D{{"key", bson.D{{"s", "text"}}}, {"name", "text"}}}}}, false},

	"capped collections": {"the server has no capped collections", bson.D{{"create", "probe_capped"}, {"capped", true}, {"size", 100_000}}, false},
	"showRecordId":       {"the server has no showRecordId", findWith("showRecordId", true), false},
	"tailable cursors":   {"the server has no tailable cursors", findWith("tailable", true), true},
}

// probes holds what was found out, by capability.
var probes struct {
	sync.Mutex
	has map[string]bool
}

// has reports whether the server has a capability.
func has(t testing.TB, name string) bool {
	t.Helper()
	c, ok := capabilities[name]
	if !ok {
		t.Fatalf("capability %q is not in the list", name)
	}
	probes.Lock()
	defer probes.Unlock()
	yes, known := probes.has[name]
	if known {
		return yes
	}
	db := database(t)
	insert(t, db.Collection("c"), bson.D{{"_id", 1}, {"a", 1}})
	err := db.RunCommand(context.Background(), c.probe).Err()
	var refusal *mgx.ServerError
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if probes.has == nil {
		probes.has = map[string]bool{}
	}
	yes = (err != nil) == c.refused
	probes.has[name] = yes
	return yes
}

// needs skips the test on a server without the capability.
func needs(t testing.TB, name string) {
	t.Helper()
	if !has(t, name) {
		t.Skip(capabilities[name].lacking)
	}
}
