package dropin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// invoke calls a method by its name, on a value of either driver's.
func invoke(on any, method string, args ...any) []any {
	m := reflect.ValueOf(on).MethodByName(method)
	if !m.IsValid() {
		panic(fmt.Sprintf("%T has no method %s", on, method))
	}
	in := make([]reflect.Value, len(args))
	for i, a := range args {
		if a != nil {
			in[i] = reflect.ValueOf(a)
			continue
		}
		if t := m.Type(); t.IsVariadic() && i >= t.NumIn()-1 {
			in[i] = reflect.Zero(t.In(t.NumIn() - 1).Elem())
		} else {
			in[i] = reflect.Zero(t.In(i))
		}
	}
	var out []any
	for _, v := range m.Call(in) {
		out = append(out, v.Interface())
	}
	return out
}

// outcome is what a call returned, as text that both drivers should have alike.
func outcome(ctx context.Context, results []any) string {
	var parts []string
	for _, r := range results {
		parts = append(parts, describe(ctx, r))
	}
	return strings.Join(parts, " | ")
}

func describe(ctx context.Context, r any) string {
	switch r := r.(type) {
	case nil:
		return "nil"
	case error:
		return errorKind(r)
	case bson.Raw:
		return r.String()
	}
	v := reflect.ValueOf(r)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return "nil"
	}
	switch name := reflect.Indirect(v).Type().Name(); name {
	case "Cursor":
		var docs []bson.D
		err, _ := invoke(r, "All", ctx, &docs)[0].(error)
		return fmt.Sprint(docs, " ", errorKind(err))
	case "SingleResult", "DistinctResult":
		return outcome(ctx, invoke(r, "Raw"))
	}
	if v.Kind() == reflect.Pointer {
		return fmt.Sprintf("%+v", v.Elem().Interface())
	}
	return fmt.Sprintf("%+v", r)
}

// errorKind is what programs can tell of an error.
func errorKind(err error) string {
	if err == nil {
		return "ok"
	}
	var kinds []string
	add := func(is bool, kind string) {
		if is {
			kinds = append(kinds, kind)
		}
	}
	for name, target := range map[string]error{
		"ErrNoDocuments": mongo.ErrNoDocuments, "ErrNilDocument": mongo.ErrNilDocument, "ErrEmptySlice": mongo.ErrEmptySlice, "ErrNotSlice": mongo.ErrNotSlice,
		"ErrNilValue": mongo.ErrNilValue, "ErrMultipleIndexDrop": mongo.ErrMultipleIndexDrop, "ErrClientDisconnected": mongo.ErrClientDisconnected,
		"ErrWrongClient": mongo.ErrWrongClient, "ErrFileNotFound": mongo.ErrFileNotFound, "ErrStreamClosed": mongo.ErrStreamClosed,
		"ErrInvalidIndexValue": mongo.ErrInvalidIndexValue, "DeadlineExceeded": context.DeadlineExceeded, "Canceled": context.Canceled,
	} {
		add(errors.Is(err, target), name)
	}
	add(official.IsDuplicateKeyError(err), "duplicate")
	add(official.IsTimeout(err), "timeout")
	add(official.IsNetworkError(err), "network")
	var ce mongo.CommandError
	if errors.As(err, &ce) {
		kinds = append(kinds, fmt.Sprintf("CommandError(%d %s %v)", ce.Code, ce.Name, ce.Labels))
	}
	var we mongo.WriteException
	if errors.As(err, &we) {
		kinds = append(kinds, fmt.Sprintf("WriteException(%v, concern %v, %v)", codesOf(we.WriteErrors), we.WriteConcernError != nil, we.Labels))
	}
	var be mongo.BulkWriteException
	if errors.As(err, &be) {
		var list []string
		for _, e := range be.WriteErrors {
			list = append(list, fmt.Sprintf("%d:%d(%T)", e.Index, e.Code, e.Request))
		}
		kinds = append(kinds, fmt.Sprintf("BulkWriteException(%v, concern %v, %v)", list, be.WriteConcernError != nil, be.Labels))
	}
	var me mongo.MarshalError
	add(errors.As(err, &me), fmt.Sprintf("MarshalError(%T)", me.Value))
	var mo mongo.ErrMapForOrderedArgument
	add(errors.As(err, &mo), "map for "+mo.ParamName)
	if codes := mongo.ErrorCodes(err); len(codes) > 0 {
		kinds = append(kinds, fmt.Sprint("codes", codes))
	}
	slices.Sort(kinds)
	if len(kinds) == 0 {
		return "error"
	}
	return strings.Join(kinds, ", ")
}

func codesOf(list mongo.WriteErrors) (codes []int) {
	for _, e := range list {
		codes = append(codes, e.Code)
	}
	return codes
}

// recorder keeps the commands that a client sends.
type recorder struct {
	mu       sync.Mutex
	commands []string
}

func (r *recorder) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "endSessions" || e.CommandName == "killCursors" {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, e.DatabaseName+": "+e.CommandName+" "+normal(e.Command))
	}}
}

// take returns the commands since it was called last.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.commands
	r.commands = nil
	slices.Sort(list) // the order of unordered writes is free
	return strings.Join(list, "\n")
}

// recorded connects both drivers, and records what they send.
func recorded(t testing.TB, uri string, change func(*options.ClientOptions)) (theirs *official.Client, ours *mongo.Client, sent map[string]*recorder) {
	sent = map[string]*recorder{"theirs": {}, "ours": {}}
	next := []string{"theirs", "ours"}
	theirs, ours = drivers(t, uri, func(o *options.ClientOptions) {
		if change != nil {
			change(o)
		}
		o.SetMonitor(sent[next[0]].monitor())
		next = next[1:]
	})
	return theirs, ours, sent
}

// skipped are fields of commands that tell nothing of what was asked for.
var skipped = []string{"lsid", "$clusterTime", "$db", "txnNumber", "maxTimeMS"}

// normal is a command as text: fields by name, numbers of one type, without what is the
// server's default.
func normal(doc bson.Raw) string {
	return normalValue(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc})
}

func normalValue(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeInt32:
		return fmt.Sprint(v.Int32())
	case bson.TypeInt64:
		return fmt.Sprint(v.Int64())
	case bson.TypeObjectID:
		return "OID"
	case bson.TypeArray:
		var list []string
		values, _ := v.Array().Values()
		for _, e := range values {
			list = append(list, normalValue(e))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case bson.TypeEmbeddedDocument:
		var list []string
		elements, _ := v.Document().Elements()
		for _, e := range elements {
			text := e.Key() + ": " + normalValue(e.Value())
			if slices.Contains(skipped, e.Key()) || text == `$readPreference: {mode: "primary"}` || text == "ordered: true" || strings.HasSuffix(text, ": false") && e.Key() != "ordered" {
				continue
			}
			list = append(list, text)
		}
		slices.Sort(list)
		return "{" + strings.Join(list, ", ") + "}"
	}
	return v.String()
}
