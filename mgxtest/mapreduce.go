package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func init() {
	register(&command{name: "mapReduce", read: true,
		fields: "map reduce out query sort limit finalize scope verbose jsMode bypassDocumentValidation collation", run: cmdMapReduce})
	alias("mapreduce", "mapReduce")
}

// cmdMapReduce returns what the functions make of a collection (server manual:
// mapReduce).
func cmdMapReduce(d *mongod, r *request) (bson.D, error) {
	if inline := r.document("out").Lookup("inline"); inline.IsZero() {
		return nil, failf(codeBadValue, "mapReduce is simulated with out: {inline: 1} alone")
	}
	for _, name := range []string{"sort", "scope"} {
		if r.document(name) != nil {
			return nil, failf(codeBadValue, "mapReduce is simulated without %s", name)
		}
	}
	records, _, _, err := d.selected(r, "query")
	if err != nil {
		return nil, err
	}
	found, err := engine.MapReduce{Map: r.code("map"), Reduce: r.code("reduce"), Finalize: r.code("finalize")}.Run(records)
	if err != nil {
		return nil, err
	}
	results := bson.A{}
	for _, raw := range found {
		results = append(results, bson.Raw(raw))
	}
	return doc("results", results), nil
}

// code is an argument that holds JavaScript; "" if there is none.
func (r *request) code(name string) string {
	v, _ := r.get(name)
	if text, ok := v.JavaScriptOK(); ok {
		return text
	}
	text, _, ok := v.CodeWithScopeOK()
	if !ok {
		text, _ = v.StringValueOK()
	}
	return text
}
