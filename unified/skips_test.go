package unified_test

import (
	"regexp"
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

// Why tests that expect a timeout of a getMore cannot have one. The specification's prose
// gives each next call of a cursor in the mode ITERATION the whole of timeoutMS.
const (
	heldUpShort = "the file expects a timeout where the prose has none: in the mode ITERATION each getMore has its own 100 ms, " +
		"and the one getMore that the fail point delays is answered after 60 ms"
	noTimeout = "the file expects a timeout where none is set: neither the command nor the client has a timeoutMS; " +
		"nor is there a getMore in it, as both documents are in the first batch"
)

// skips are the tests that a server cannot pass, by server ("*": each).
var skips = list{
	"embedded/crud/unified/aggregate-merge-errorResponse/*":                                                                        "FerretDB: no aggregation on a database",
	"embedded/crud/unified/findOneAndUpdate-errorResponse/*":                                                                       "FerretDB: a duplicate key's error does not name the key",
	"embedded/crud/unified/insertOne-dots_and_dollars/Inserting document with dollar-prefixed key in _id yields server-side error": "FerretDB: an _id can have a key that starts with a dollar",

	"embedded/run-command/runCursorCommand/maxTimeMS is for the getMores of a tailable cursor that waits": "FerretDB: a getMore's maxTimeMS ends the cursor",

	"embedded/command-logging-and-monitoring/monitoring/updateOne/A successful updateOne with write errors":   "FerretDB: replies with write errors do not count",
	"embedded/command-logging-and-monitoring/monitoring/updateMany/A successful updateMany with write errors": "FerretDB: replies with write errors do not count",

	"embedded/unified-test-format/valid-pass/collectionData-createOptions/*":                                  "FerretDB: $collStats on a capped collection ends the connection",
	"embedded/unified-test-format/valid-pass/expectedError-errorResponse/Unsupported query operator":          "FerretDB: notices an unknown operator only once there is a document to look at",
	"embedded/unified-test-format/valid-pass/operator-type-number_alias/type number alias matches decimal128": "FerretDB: decimal128 ends the connection",
	"embedded/unified-test-format/valid-pass/poc-crud/Aggregate with $listLocalSessions":                      "FerretDB: no aggregation on a database",

	"*/client-side-operations-timeout/runCursorCommand/Tailable cursor awaitData iteration timeoutMS is refreshed for getMore - failure":                       noTimeout,
	"*/client-side-operations-timeout/runCursorCommand/Non-tailable cursor iteration timeoutMS is refreshed for getMore if timeoutMode is iteration - failure": heldUpShort,
	"*/client-side-operations-timeout/runCursorCommand/Tailable cursor iteration timeoutMS is refreshed for getMore - failure":                                 heldUpShort,

	"*/open-telemetry/operation/map_reduce/mapReduce": "mapReduce is no method of mgx, but a command as others are, and so is its span",

	"embedded/client-side-encryption/unified/*":                                                            "FerretDB: has no validators, and aggregations of key documents end the connection, later the process",
	"*/client-side-encryption/unified/badQueries/geo operators succeed on unencrypted, error on encrypted": "none of the servers here has $near",

	"embedded/sessions/snapshot-sessions-not-supported-server-error/*": "FerretDB: read concerns do not count, nor does snapshot",

	"embedded/versioned-api/crud-api-version-1-strict/aggregate on database appends declared API version": "FerretDB: no aggregation on a database",
	"embedded/versioned-api/crud-api-version-1/aggregate on database appends declared API version":        "FerretDB: no aggregation on a database",
	"embedded/versioned-api/crud-api-version-1-strict/distinct appends declared API version":              "FerretDB: apiStrict does not count",
}

// limits are what FerretDB cannot do, by the texts of its errors. Tests that run
// into them are skipped.
var limits = []struct {
	text   *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`(\w+) on [^ ]+: \w+: support for field "(\w+)" .*NotImplemented`), "$1 has no $2"},
	{regexp.MustCompile("`(\\w+)` stage \"(\\S+)\" is not implemented"), "$1 has no $2"},
	{regexp.MustCompile("`(\\w+)` command is not implemented"), "no $1"},
	{regexp.MustCompile(`Aggregation pipelines are not supported yet \(NotImpl`), "findAndModify has no pipelines"},
	{regexp.MustCompile(`'update.updates.u' is the wrong type 'array'`), "update has no pipelines"},
	{regexp.MustCompile(`no such command: 'configureFailPoint'`), "no fail points"},
	{regexp.MustCompile(`the 'aggregate' field must specify a collection name or 1 `), "no aggregation on a database"},
	{regexp.MustCompile(`"awaited":true}}: not within`), "no streaming of hello"},
	{regexp.MustCompile(`unknown top level operator: \$where`), "no JavaScript"},
	{regexp.MustCompile(`(mapReduce|find): read \S+: the server closed the connection`), "JavaScript ends the connection"},
	{regexp.MustCompile(`clusteredIndex: got nothing`), "no clustered collections"},
	{regexp.MustCompile(`comment' is the wrong type 'object'`), "comments are strings only"},
	{regexp.MustCompile(`\(key must not start with '\$' sign\)`), "no keys that start with a dollar"},
	{regexp.MustCompile(`\(key must not contain '.' sign\)`), "no keys with dots"},
}

// refusal is what a test says when an error of the server was expected and none came.
var refusal = regexp.MustCompile(`no error; expected \{.*("isClientError":false|"errorCode|"errorContains)`)

// limit says which of FerretDB's limits an error is about; "" if none.
func limit(server string, err error) string {
	if server != "embedded" || err == nil {
		return ""
	}
	if text := err.Error(); refusal.MatchString(text) && !strings.Contains(text, `"isClientError":true`) {
		return "FerretDB: accepts what servers refuse"
	}
	for _, l := range limits {
		if m := l.text.FindStringSubmatchIndex(err.Error()); m != nil {
			return "FerretDB: " + string(l.text.ExpandString(nil, l.reason, err.Error(), m))
		}
	}
	return ""
}
