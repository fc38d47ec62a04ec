package unified

import (
	"strings"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// optionOf is the option that an argument stands for, whatever the operation; nil if
// the argument says what is so anyway.
func optionOf(key string, v argument) (option any, known bool) {
	if option, known = flagOf(key, v); known {
		return option, true
	}
	if option, known = concernOf(key, v); known {
		return option, true
	}
	switch key {
	case "allowDiskUse":
		return mgx.AllowDiskUse(v.bool()), true
	case "arrayFilters":
		return mgx.ArrayFilters(v.list()...), true
	case "authorizedCollections", "authorizedDatabases":
		return mgx.AuthorizedOnly(v.bool()), true
	case "batchSize":
		return mgx.BatchSize(int32(v.int())), true
	case "bypassDocumentValidation":
		return mgx.BypassDocumentValidation(v.bool()), true
	case "collation":
		return mgx.WithCollation(v.document()), true
	case "comment":
		return mgx.Comment(v.value), true
	case "commitQuorum":
		return mgx.CommitQuorum(v.value), true
	case "cursorType":
		return cursorType(v), true
	case "fullDocument":
		return mgx.FullDocument(v.text()), true
	case "fullDocumentBeforeChange":
		return mgx.FullDocumentBeforeChange(v.text()), true
	case "resumeAfter":
		return mgx.ResumeAfter(v.document()), true
	case "startAfter":
		return mgx.StartAfter(v.document()), true
	case "startAtOperationTime":
		return mgx.StartAtOperationTime(as[bson.Timestamp](v, "a timestamp")), true
	case "hint":
		return mgx.Hint(v.value), true
	case "let":
		return mgx.Let(v.document()), true
	case "limit":
		return mgx.Limit(v.int()), true
	case "max":
		return mgx.Max(v.document()), true
	case "maxAwaitTimeMS":
		return mgx.MaxAwaitTime(v.milliseconds()), true
	case "maxTimeMS":
		return mgx.MaxTime(v.milliseconds()), true
	case "min":
		return mgx.Min(v.document()), true
	case "projection":
		return mgx.Projection(v.document()), true
	case "returnDocument":
		return returned(v), true
	case "skip":
		return mgx.Skip(v.int()), true
	case "sort":
		return mgx.SortBy(v.document()), true
	case "timeoutMS":
		return mgx.Timeout(v.milliseconds()), true
	case "timeoutMode":
		return timeoutMode(v), true
	}
	return nil, false
}

// flags are the options that are there or not.
var flags = map[string]any{
	"allowPartialResults": mgx.AllowPartialResults(),
	"dropTarget":          mgx.DropTarget(),
	"nameOnly":            mgx.NameOnly(),
	"noCursorTimeout":     mgx.NoCursorTimeout(),
	"rawData":             mgx.RawData(),
	"returnKey":           mgx.ReturnKey(),
	"showExpandedEvents":  mgx.ShowExpandedEvents(),
	"showRecordId":        mgx.ShowRecordID(),
	"upsert":              mgx.Upsert(),
	"verboseResults":      mgx.VerboseResults(),
}

func flagOf(key string, v argument) (option any, known bool) {
	if key == "ordered" {
		if v.bool() {
			return nil, true
		}
		return mgx.Unordered(), true
	}
	if option, known = flags[key]; known && !v.bool() {
		return nil, true
	}
	return option, known
}

func concernOf(key string, v argument) (option any, known bool) {
	switch key {
	case "readConcern":
		return mgx.WithReadConcern(readConcern(v.document())), true
	case "readPreference":
		rp, err := readPreference(v.document())
		v.check(err)
		return mgx.WithReadPreference(rp), true
	case "writeConcern":
		wc, err := writeConcern(v.document())
		v.check(err)
		return mgx.WithWriteConcern(wc), true
	}
	return nil, false
}

var cursorTypes = map[string]mgx.CursorType{
	"nontailable": mgx.NonTailable, "tailable": mgx.Tailable, "tailableawait": mgx.TailableAwait,
}

func cursorType(v argument) any {
	t, ok := cursorTypes[strings.ToLower(v.text())]
	if !ok {
		v.from.wrong(v.key, "a cursor type", v.value)
	}
	return mgx.WithCursorType(t)
}

func timeoutMode(v argument) any {
	switch v.text() {
	case "cursorLifetime":
		return mgx.WithTimeoutMode(mgx.CursorLifetime)
	case "iteration":
		return mgx.WithTimeoutMode(mgx.Iteration)
	}
	v.from.wrong(v.key, "a timeout mode", v.value)
	return nil
}

func returned(v argument) any {
	switch strings.ToLower(v.text()) {
	case "before":
	case "after":
		return mgx.ReturnAfter()
	default:
		v.from.wrong(v.key, "before or after", v.value)
	}
	return nil
}

// add adds the option that an argument stands for. It returns false for an argument
// that is none of the operation's.
func add[O any](options *[]O, key string, v argument) bool {
	option, known := optionOf(key, v)
	if option == nil {
		return known
	}
	o, takes := option.(O)
	if takes {
		*options = append(*options, o)
	}
	return takes
}
