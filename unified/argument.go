package unified

import (
	"time"

	"github.com/mgxdb/mgx/bson"
)

// arguments are an operation's, read one by one so that none is overlooked.
type arguments struct {
	d   bson.D
	err error // the first value of a wrong type
}

// argument is the value of one of them.
type argument struct {
	key   string
	value any
	from  *arguments
}

// each gives every argument to f, which returns false for one that it does not
// know.
func (a *arguments) each(f func(key string, v argument) bool) error {
	for _, e := range a.d {
		if e.Key == "session" {
			continue // it is in the context
		}
		known := f(e.Key, argument{e.Key, e.Value, a})
		if a.err != nil {
			return a.err
		}
		if !known {
			return malformedf("there is no argument %q", e.Key)
		}
	}
	return nil
}

// need reports the first of the keys that is not among the arguments.
func (a *arguments) need(keys ...string) error {
	for _, key := range keys {
		if _, ok := lookup(a.d, key); !ok {
			return malformedf("the argument %q is missing", key)
		}
	}
	return nil
}

func (a *arguments) wrong(key, want string, v any) {
	if a.err == nil {
		a.err = malformedf("argument %s: %s expected, not %s", key, want, show(v))
	}
}

func as[T any](v argument, want string) T {
	t, ok := v.value.(T)
	if !ok {
		v.from.wrong(v.key, want, v.value)
	}
	return t
}

func (v argument) text() string     { return as[string](v, "a string") }
func (v argument) bool() bool       { return as[bool](v, "a boolean") }
func (v argument) document() bson.D { return as[bson.D](v, "a document") }
func (v argument) list() bson.A     { return as[bson.A](v, "an array") }

func (v argument) int() int64 {
	n, ok := integer(v.value)
	if !ok {
		v.from.wrong(v.key, "an integer", v.value)
	}
	return n
}

func (v argument) milliseconds() time.Duration { return time.Duration(v.int()) * time.Millisecond }

func (v argument) seconds() time.Duration { return time.Duration(v.int()) * time.Second }

// check makes an error of reading the value the arguments'.
func (v argument) check(err error) {
	if v.from.err == nil {
		v.from.err = err
	}
}
