package unified

import (
	"errors"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption"
	"github.com/mgxdb/mgx/gridfs"
)

// result is what an operation returned.
type result struct {
	value any
	// found reports whether there is a value at all.
	found bool
	// documents tells that the value is a list of documents out of a cursor, each
	// of which may have more keys than expected.
	documents bool
	// save is what is kept as an entity, if that is not the value.
	save any
}

var nothing = result{}

func value(v any) result { return result{value: v, found: true} }

// documents is the result of an operation that returns a cursor.
func documents(list []bson.D) result {
	a := bson.A{}
	for _, d := range list {
		a = append(a, d)
	}
	return result{value: a, found: true, documents: true}
}

// step runs one operation and judges what it returned. Its error fails the test.
func (r *run) step(op *Operation) error {
	if op.Object == "testRunner" {
		return r.special(op)
	}
	_, err := r.stepFor(op)
	return err
}

// stepFor is step for operations on entities. It also returns the operation's own
// error, expected or not.
func (r *run) stepFor(op *Operation) (failure, err error) {
	target, err := r.entities.find(op.Object)
	if err != nil {
		return nil, err
	}
	res, failure := r.perform(target, op)
	var wrong *malformed
	var skip *Skip
	if errors.As(failure, &wrong) || errors.As(failure, &skip) {
		return failure, failure
	}
	if r.test.Err() != nil {
		return failure, errors.Join(failure, fmt.Errorf("ended from outside"))
	}
	var ours *encryption.AnalysisError
	if op.Ignore || r.sentOnly && !errors.As(failure, &ours) {
		return failure, nil
	}
	if op.ExpectError != nil {
		return failure, r.judgeError(op.ExpectError, failure, res)
	}
	if failure != nil {
		return failure, failure
	}
	if err := r.judgeResult(op.ExpectResult, res); err != nil {
		return nil, err
	}
	if op.Save == "" {
		return nil, nil
	}
	switch {
	case res.save != nil:
		return nil, r.entities.add(op.Save, res.save)
	case res.found:
		return nil, r.entities.add(op.Save, res.value)
	}
	return nil, malformedf("%s returned nothing that could be saved as %q", op.Name, op.Save)
}

// judgeResult compares a result with what is expected.
func (r *run) judgeResult(expected bson.RawValue, res result) error {
	want, said, err := toValue(expected)
	if !said || err != nil {
		return err
	}
	if res.documents {
		if list, ok := want.(bson.A); ok {
			return r.matcher.list("result", list, res.value.(bson.A), true)
		}
	}
	if want == nil && !res.found {
		return nil // "null" is how files say that nothing is returned
	}
	return r.matcher.match("result", want, actual{res.value, res.found}, true)
}

// perform calls the method of mgx that an operation stands for.
func (r *run) perform(target any, op *Operation) (result, error) {
	a := &arguments{d: op.Arguments}
	if name := get[string](op.Arguments, "session"); name != "" {
		s, err := entity[*session](&r.entities, name)
		if err != nil {
			return nothing, err
		}
		r = r.in(s.Context(r.ctx))
	}
	switch t := target.(type) {
	case *client:
		return r.onClient(t, op.Name, a)
	case *mgx.Database:
		return r.onDatabase(t, op.Name, a)
	case *mgx.Collection:
		return r.onCollection(t, op.Name, a)
	case *mgx.ChangeStream:
		return r.onChangeStream(t, op.Name, a)
	case *cursor:
		return r.onCursor(t, op.Name, a)
	case *session:
		return r.onSession(t, op.Name, a)
	case *encryption.ClientEncryption:
		return r.onClientEncryption(t, op.Name, a)
	case *gridfs.Bucket:
		return r.onBucket(t, op.Name, a)
	}
	return nothing, malformedf("the entity %q, a %T, has no operations", op.Object, target)
}

func unknown(kind, name string) error { return malformedf("a %s has no operation %q", kind, name) }
