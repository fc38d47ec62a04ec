package unified_test

import (
	"strings"

	"github.com/mgxdb/mgx/internal/spectest"
)

// list is what is not run, by server/suite/file/test. A name that ends in "/*"
// stands for all that begins like it.
type list spectest.Skips

// of are the skips of a suite on a server.
func (l list) of(server, suite string) spectest.Skips {
	found := spectest.Skips{}
	for name, reason := range l {
		for _, prefix := range []string{server, "*"} {
			if rest, ok := strings.CutPrefix(name, prefix+"/"+suite+"/"); ok {
				found[rest] = reason
			}
		}
	}
	return found
}

// skips are the tests that a server cannot pass, by server ("*": each).
var skips = list{
	"embedded/crud/unified/aggregate-merge-errorResponse/*":  "FerretDB: no aggregation on a database",
	"embedded/crud/unified/findOneAndUpdate-errorResponse/*": "FerretDB: a duplicate key's error does not name the key",

	"single/crud/unified/aggregate-merge-errorResponse/*":                                                                   "mgxtest: the duplicate key error of $merge does not name the key",
	"replicaset/crud/unified/aggregate-merge-errorResponse/*":                                                               "mgxtest: the duplicate key error of $merge does not name the key",
	"replicaset/crud/unified/aggregate-write-readPreference/*":                                                              "mgxtest: secondaries do not pass $out and $merge on to the primary",
	"sharded/crud/unified/aggregate-write-readPreference/*":                                                                 "mgxtest: secondaries do not pass $out and $merge on to the primary",
	"load-balanced/crud/unified/aggregate-write-readPreference/*":                                                           "mgxtest: secondaries do not pass $out and $merge on to the primary",
	"replicaset/crud/unified/db-aggregate-write-readPreference/*":                                                           "mgxtest: secondaries do not pass $out and $merge on to the primary",
	"replicaset/crud/unified/aggregate-out-readConcern/readConcern linearizable with out stage":                             "mgxtest: linearizable goes together with $out",
	"sharded/crud/unified/aggregate-out-readConcern/readConcern linearizable with out stage":                                "mgxtest: linearizable goes together with $out",
	"*/crud/unified/insertOne-dots_and_dollars/Inserting document with dollar-prefixed key in _id yields server-side error": "mgxtest, FerretDB: an _id can have a key that starts with a dollar",
}

// limits are what FerretDB cannot do, by the texts of its errors. Tests that run
// into them are skipped.
var limits = []struct{ text, reason string }{
	{"(NotImplemented, code 238)", "it says that it has not implemented this"},
	{"no such command: 'configureFailPoint'", "no fail points"},
	{"comment' is the wrong type 'object'", "comments are strings only"},
	{"'update.updates.u' is the wrong type 'array'", "no updates by pipelines"},
	{"(key must not start with '$' sign)", "no keys that start with a dollar"},
	{"(key must not contain '.' sign)", "no keys with dots"},
}

// limit says which of FerretDB's limits an error is about; "" if none.
func limit(server string, err error) string {
	if server != "embedded" || err == nil {
		return ""
	}
	for _, l := range limits {
		if strings.Contains(err.Error(), l.text) {
			return "FerretDB: " + l.reason
		}
	}
	return ""
}
