package mgx

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/wire"
)

// sent is what was sent, or what is to change about it: values by their paths,
// which begin with the command's name. A value that is to go is gone.
type sent map[string]string

const gone = "gone"

// decoded is the path of the type that a document of the reply was decoded into,
// flags that of what the message allows.
const (
	decoded = "(decoded)"
	flags   = "(flags)"
)

// surface is a server that answers every command, and keeps what was sent.
type surface struct {
	*Client
	db *Database
	c  *Collection

	mu       sync.Mutex
	commands sent
}

// newSurface opens a client of a server that says it is a mongos: every command then
// carries all that it could.
func newSurface(t *testing.T, hello ...bson.E) *surface {
	s := &surface{}
	greeting := scripted.Hello(append([]bson.E{
		{Key: "msg", Value: "isdbgrid"}, {Key: "maxWireVersion", Value: 27}, {Key: "logicalSessionTimeoutMinutes", Value: 30},
	}, hello...)...)
	server := scripted.Listen(t, scripted.Greet(greeting, func(p *scripted.Peer, r scripted.Request) bool {
		s.keep(r)
		if r.Flags&wire.MoreToCome != 0 {
			return true
		}
		return p.Answer(r, answerTo(r)) == nil
	}))
	s.Client = openClient(t, server)
	s.db = s.Database("d")
	s.c = s.db.Collection("c")
	return s
}

// keep adds a command to what was sent.
func (s *surface) keep(r scripted.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commands == nil || r.Name == "ping" || r.Name == "endSessions" || r.Name == "killCursors" {
		return
	}
	flatten(s.commands, r.Name, r.Document)
	for _, seq := range r.Sequences {
		i := 0
		for docs := bson.Raw(seq.Documents); len(docs) > 0; i++ {
			size, _ := bson.RawValue{Type: bson.TypeInt32, Value: docs[:4]}.Int32OK()
			flatten(s.commands, fmt.Sprintf("%s.%s.%d", r.Name, seq.Identifier, i), docs[:size])
			docs = docs[size:]
		}
	}
	if r.Flags != 0 {
		s.commands[r.Name+"."+flags] = fmt.Sprint(uint32(r.Flags))
	}
}

// flatten adds the values of a document, but those that differ from run to run.
func flatten(into sent, path string, doc bson.Raw) {
	elements, err := doc.Elements()
	if err != nil {
		into[path] = err.Error()
	}
	for _, e := range elements {
		at, v := path+"."+e.Key(), e.Value()
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if e.Key() == "lsid" || e.Key() == "$clusterTime" {
				continue
			}
			inner := bson.Raw(v.Value)
			if len(inner) == len(emptyDocument) && e.Key() != "$changeStream" { // which options fill
				into[at] = "{}"
			}
			flatten(into, at, inner)
		case bson.TypeObjectID:
		case bson.TypeInt32, bson.TypeInt64:
			if n := v.AsInt64(); e.Key() != "txnNumber" {
				into[at] = fmt.Sprint(n)
			}
		case bson.TypeDouble:
			into[at] = fmt.Sprint(v.Double())
		case bson.TypeString:
			into[at] = v.StringValue()
		case bson.TypeBoolean:
			into[at] = fmt.Sprint(v.Boolean())
		default:
			into[at] = v.String()
		}
	}
}

// answerTo is answer, with events for change streams.
func answerTo(r scripted.Request) bson.D {
	reply := answer(r.Name)
	more, _ := r.Document.Lookup("collection").StringValueOK()
	if _, err := r.Document.LookupErr("pipeline", "0", "$changeStream"); err != nil && more != "changes" {
		return reply
	}
	for _, e := range reply {
		if e.Key != "cursor" {
			continue
		}
		cursor := e.Value.(bson.D)
		cursor[1].Value = "d.changes"
		event := cursor[2].Value.(bson.A)[0].(bson.D)
		event[0].Value = bson.D{{Key: "_data", Value: r.Name}}
	}
	return reply
}

// answer is a reply that every operation is content with.
func answer(command string) bson.D {
	doc := bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 1}, {Key: "ok", Value: 1}, {Key: "at", Value: bson.DateTime(0)}, {Key: "idx", Value: 0}}
	cursor, batch := bson.D{{Key: "id", Value: int64(7)}, {Key: "ns", Value: "d.c"}}, "firstBatch"
	switch command {
	case "getMore":
		cursor[0].Value, batch = int64(0), "nextBatch"
	case "bulkWrite":
		cursor[0].Value = int64(0)
	}
	return bson.D{
		{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "nErrors", Value: 0}, {Key: "value", Value: doc}, {Key: "values", Value: bson.A{doc}},
		{Key: "cursor", Value: append(cursor, bson.E{Key: batch, Value: bson.A{doc}})},
		{Key: "databases", Value: bson.A{bson.D{{Key: "name", Value: "d"}}}},
	}
}

// during returns what is sent while f runs.
func (s *surface) during(t *testing.T, f func() (any, error)) sent {
	t.Helper()
	s.mu.Lock()
	s.commands = sent{}
	s.mu.Unlock()
	doc, err := f()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.commands
	s.commands = nil
	switch d := doc.(type) {
	case nil:
	case bson.D:
		got[decoded] = fmt.Sprintf("%T with a %T", d, d[3].Value)
	case bson.M:
		got[decoded] = fmt.Sprintf("%T with a %T", d, d["at"])
	default:
		got[decoded] = fmt.Sprintf("%T", doc)
	}
	return got
}

// changed is what differs, as an option's expectation has it.
func changed(before, after sent) sent {
	diff := sent{}
	for path, v := range after {
		if old, ok := before[path]; !ok || old != v {
			diff[path] = v
		}
	}
	for path := range before {
		if _, ok := after[path]; !ok {
			diff[path] = gone
		}
	}
	return diff
}

// surfaceOp is an operation with options.
type surfaceOp struct {
	name    string // a method or a function of this package; after a comma, how it is called
	command string
	inner   string       // where a statement is, in commands that have several
	option  reflect.Type // nil: the options are listed
	run     func(s *surface, option any) (any, error)
	only    []string // the options that matter to a variant of an operation; nil: all
}

// offers describes an operation. run gets one option or none.
func offers[O any](name, command, inner string, run func(s *surface, options ...O) (any, error)) surfaceOp {
	return surfaceOp{name: name, command: command, inner: inner, option: reflect.TypeFor[O](), run: func(s *surface, option any) (any, error) {
		if option == nil {
			return run(s)
		}
		return run(s, option.(O))
	}}
}

func (o surfaceOp) with(options ...string) surfaceOp {
	o.only = options
	return o
}

// base is the operation's name without how it is called.
func (o *surfaceOp) base() string {
	name, _, _ := strings.Cut(o.name, ",")
	return name
}

// takes reports whether the operation has the option.
func (o *surfaceOp) takes(opt *surfaceOption) bool {
	return opt.static.Implements(o.option) && (o.only == nil || slices.Contains(o.only, opt.name))
}

// surfaceOption is an option with a value that is no default.
type surfaceOption struct {
	name   string
	value  any
	static reflect.Type
	// sent is what it changes in an operation's command; statement: of its statement,
	// if it has one.
	sent      sent
	statement bool
	// follow is what it changes in the getMore of a Find or Aggregate.
	follow sent
	// at is what it changes in operations where that differs, with the commands'
	// names.
	at map[string]sent
}

// choice describes an option by what its constructor returned.
func choice[O any](name string, value O, changes sent) surfaceOption {
	return surfaceOption{name: name, value: value, static: reflect.TypeFor[O](), sent: changes}
}

func (o surfaceOption) ofStatement() surfaceOption {
	o.statement = true
	return o
}

func (o surfaceOption) andMore(changes sent) surfaceOption {
	o.follow = changes
	return o
}

func (o surfaceOption) in(operation string, changes sent) surfaceOption {
	o.at = maps.Clone(o.at)
	if o.at == nil {
		o.at = map[string]sent{}
	}
	o.at[operation] = changes
	return o
}

// expected is what the option changes in the operation.
func (o *surfaceOption) expected(op *surfaceOp) sent {
	if changes, ok := o.at[op.name]; ok {
		return changes
	}
	all := sent{}
	for path, v := range o.sent {
		switch {
		case path == decoded:
			all[path] = v
		case o.statement && op.inner != "":
			all[op.command+"."+op.inner+"."+path] = v
		default:
			all[op.command+"."+path] = v
		}
	}
	for path, v := range o.follow {
		if op.name == "Collection.Find" || op.name == "Collection.Aggregate" || op.name == "Database.Aggregate" {
			all["getMore."+path] = v
		}
	}
	return all
}

// Every option of every operation changes what it should in what is sent, and
// nothing else.
func TestEveryOptionIsSent(t *testing.T) {
	s := newSurface(t)
	for _, op := range surfaceOperations() {
		t.Run(op.name, func(t *testing.T) {
			before := s.during(t, func() (any, error) { return op.run(s, nil) })
			for _, opt := range surfaceOptions() {
				if !op.takes(&opt) {
					continue
				}
				after := s.during(t, func() (any, error) { return op.run(s, opt.value) })
				if got, want := changed(before, after), opt.expected(&op); !maps.Equal(got, want) {
					t.Errorf("%s changes %v, not %v", opt.name, got, want)
				}
			}
		})
	}
}

// first reads a cursor to its end, and returns its first document as an any.
func first(cur *Cursor) (any, error) {
	list, err := Collect[any](cur)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// changes reads a change stream to its end, and returns its first event.
func changes(s *ChangeStream, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	var v any
	for s.Next(surfaceContext) {
		if v == nil {
			if err := s.Decode(&v); err != nil {
				return nil, err
			}
		}
	}
	return v, s.Close(surfaceContext)
}

func single(r *SingleResult) (any, error) {
	var v any
	err := r.Decode(&v)
	return v, err
}

func nothingOf[T any](_ T, err error) (any, error) { return nil, err }

func only(err error) (any, error) { return nil, err }

var surfaceContext = context.Background()

// surfaceTime is a duration that is no default.
const surfaceTime = 1500 * time.Millisecond
