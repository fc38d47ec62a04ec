package engine

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// codeJavaScript is JSInterpreterFailure.
const codeJavaScript = 139

// script is a function in JavaScript, as $where and mapReduce take it (server manual:
// $where, mapReduce).
type script struct {
	vm   *goja.Runtime
	call goja.Callable
}

// newScript compiles a function, or an expression or statements that stand for its
// body, in a runtime.
func newScript(vm *goja.Runtime, code any) (*script, error) {
	code, _ = revealed(code)
	var scope any
	switch t := code.(type) {
	case primitive.JavaScript:
		code = string(t)
	case primitive.CodeWithScope:
		code, scope = string(t.Code), t.Scope
	}
	text, ok := code.(string)
	if !ok {
		return nil, Errorf(CodeBadValue, "JavaScript has to be a string or code")
	}
	if d, ok := scope.(bson.D); ok {
		for _, e := range d {
			_ = vm.Set(e.Key, toScript(vm, e.Value)) // a global name is never refused
		}
	}
	var failed error
	for _, form := range functionForms(strings.TrimSpace(text)) {
		v, err := vm.RunString(form)
		if err != nil {
			failed = err
			continue
		}
		if f, ok := goja.AssertFunction(v); ok {
			return &script{vm, f}, nil
		}
	}
	return nil, Errorf(codeJavaScript, "%v", failed)
}

// functionForms are what a text can stand for, in the order of trial.
func functionForms(text string) []string {
	if strings.HasPrefix(text, "function") {
		return []string{"(" + text + "\n)"}
	}
	return []string{"(function() { return (" + text + "\n) })", "(function() { " + text + "\n})", "(" + text + "\n)"}
}

// newRuntime has what the server adds to the language, as far as queries need it.
func newRuntime() *goja.Runtime {
	vm := goja.New()
	_ = vm.Set("sleep", func(int64) {}) // see Pause
	return vm
}

// Pause is how long the JavaScript in a command's queries wants to sleep for a
// document. Whoever runs the command waits as long before, once: a query runs with
// locks held that others need.
func Pause(command []byte) time.Duration {
	if !bytes.Contains(command, []byte("$where\x00")) || !bytes.Contains(command, []byte("sleep")) {
		return 0
	}
	d, err := decode(command)
	if err != nil {
		return 0
	}
	var total time.Duration
	vm := goja.New()
	_ = vm.Set("sleep", func(ms int64) { total += time.Duration(ms) * time.Millisecond })
	each(d, "$where", func(code any) {
		if s, err := newScript(vm, code); err == nil {
			_, _ = s.run(bson.D{}) // what fails for no document says nothing
		}
	})
	return total
}

// each calls f for the values of a key, however deep they are.
func each(v any, key string, f func(any)) {
	switch t := v.(type) {
	case bson.D:
		for _, e := range t {
			if e.Key == key {
				f(e.Value)
			}
			each(e.Value, key, f)
		}
	case bson.A:
		for _, item := range t {
			each(item, key, f)
		}
	}
}

func (s *script) run(this any, args ...any) (goja.Value, error) {
	values := make([]goja.Value, len(args))
	for i, a := range args {
		values[i] = toScript(s.vm, a)
	}
	v, err := s.call(toScript(s.vm, this), values...)
	if err != nil {
		return nil, Errorf(codeJavaScript, "%v", err)
	}
	return v, nil
}

// toScript is a BSON value in JavaScript.
func toScript(vm *goja.Runtime, v any) goja.Value {
	switch t := v.(type) {
	case bson.D:
		o := vm.NewObject()
		for _, e := range t {
			_ = o.Set(e.Key, toScript(vm, e.Value)) // an ordinary field is never refused
		}
		return o
	case bson.A:
		list := make([]any, len(t))
		for i, item := range t {
			list[i] = toScript(vm, item)
		}
		return vm.NewArray(list...)
	case primitive.DateTime:
		o, err := vm.New(vm.Get("Date"), vm.ToValue(int64(t)))
		if err == nil {
			return o
		}
	case primitive.ObjectID:
		return vm.ToValue(t.Hex())
	case goja.Value:
		return t
	}
	return vm.ToValue(v)
}

// fromScript is a value of JavaScript as the server stores it: its numbers are doubles.
func fromScript(v goja.Value) any {
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	o, ok := v.(*goja.Object)
	if !ok {
		if n, ok := v.Export().(int64); ok {
			return float64(n)
		}
		return v.Export()
	}
	switch exported := o.Export().(type) {
	case time.Time:
		return primitive.NewDateTimeFromTime(exported)
	case []any:
		list := bson.A{}
		for _, index := range o.Keys() {
			list = append(list, fromScript(o.Get(index)))
		}
		return list
	}
	d := bson.D{}
	for _, name := range o.Keys() {
		d = append(d, bson.E{Key: name, Value: fromScript(o.Get(name))})
	}
	return d
}

func matchWhere(_ mongokit.Context, doc bsonkit.Doc, _, _ string, v any) error {
	vm := newRuntime()
	document := toScript(vm, reveal(*doc))
	_ = vm.Set("obj", document) // a global name is never refused
	s, err := newScript(vm, v)
	if err != nil {
		return err
	}
	found, err := s.run(document)
	if err != nil {
		return err
	}
	if !found.ToBoolean() {
		return mongokit.ErrNotMatched
	}
	return nil
}

// MapReduce are the functions of the command of that name; Finalize may be empty.
type MapReduce struct{ Map, Reduce, Finalize string }

// Run returns a document {_id, value} for each key, in the order of the keys.
func (m MapReduce) Run(records []*Record) ([][]byte, error) {
	vm := newRuntime()
	groups, keys := map[string]bson.A{}, bson.A{}
	_ = vm.Set("emit", func(key, value goja.Value) { // a global name is never refused
		k := fromScript(key)
		id := Key(k)
		if groups[id] == nil {
			keys = append(keys, k)
		}
		groups[id] = append(groups[id], fromScript(value))
	})
	emits, err := newScript(vm, m.Map)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if _, err := emits.run(reveal(*r.doc())); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(keys, bsonkit.Compare)
	var out [][]byte
	for _, k := range keys {
		v, err := m.value(vm, k, groups[Key(k)])
		if err != nil {
			return nil, err
		}
		raw, err := encode(bson.D{{Key: "_id", Value: k}, {Key: "value", Value: v}})
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// value reduces what was emitted for a key. One value alone is not reduced.
func (m MapReduce) value(vm *goja.Runtime, key any, values bson.A) (any, error) {
	value := values[0]
	if len(values) > 1 {
		reduced, err := callScript(vm, m.Reduce, key, values)
		if err != nil {
			return nil, err
		}
		value = reduced
	}
	if m.Finalize == "" {
		return value, nil
	}
	return callScript(vm, m.Finalize, key, value)
}

func callScript(vm *goja.Runtime, code any, args ...any) (any, error) {
	s, err := newScript(vm, code)
	if err != nil {
		return nil, err
	}
	v, err := s.run(nil, args...)
	if err != nil {
		return nil, err
	}
	return fromScript(v), nil
}
