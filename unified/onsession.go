package unified

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// session is a session entity.
type session struct {
	*mgx.Session
	id bson.D
}

// newSession makes a session entity.
func (r *run) newSession(spec bson.D) (*session, error) {
	c, err := entity[*client](&r.entities, get[string](spec, "client"))
	if err != nil {
		return nil, err
	}
	var options mgx.SessionOptions
	for _, e := range get[bson.D](spec, "sessionOptions") {
		switch e.Key {
		case "causalConsistency":
			causal, _ := e.Value.(bool)
			options.CausalConsistency = &causal
		case "defaultTimeoutMS":
			ms, _ := integer(e.Value)
			options.Timeout = time.Duration(ms) * time.Millisecond
		case "snapshot":
			options.Snapshot, _ = e.Value.(bool)
		case "snapshotTime":
			if options.SnapshotTime, err = r.timestamp(e.Value); err != nil {
				return nil, err
			}
		case "defaultTransactionOptions":
			d, _ := e.Value.(bson.D)
			if options.Transactions, err = transactionOptions(d); err != nil {
				return nil, err
			}
		default:
			return nil, malformedf("a session has no option %q", e.Key)
		}
	}
	_, s, err := c.StartSession(r.ctx, &options)
	if err != nil {
		return nil, err
	}
	id, err := toD(s.ID())
	return &session{s, id}, err
}

// timestamp is a value, or the entity of a name.
func (r *run) timestamp(v any) (bson.Timestamp, error) {
	if t, ok := v.(bson.Timestamp); ok {
		return t, nil
	}
	name, _ := v.(string)
	return entity[bson.Timestamp](&r.entities, name)
}

func transactionOptions(d bson.D) (o mgx.TransactionOptions, err error) {
	for _, e := range d {
		sub, _ := e.Value.(bson.D)
		switch e.Key {
		case "readConcern":
			o.ReadConcern = readConcern(sub)
		case "writeConcern":
			wc, err := writeConcern(sub)
			if err != nil {
				return o, err
			}
			o.WriteConcern = &wc
		case "readPreference":
			rp, err := readPreference(sub)
			if err != nil {
				return o, err
			}
			o.ReadPreference = &rp
		case "maxCommitTimeMS":
			ms, ok := integer(e.Value)
			if !ok {
				return o, malformedf("maxCommitTimeMS: %s is no number", show(e.Value))
			}
			o.MaxCommitTime = time.Duration(ms) * time.Millisecond
		case "timeoutMS":
			ms, ok := integer(e.Value)
			if !ok {
				return o, malformedf("timeoutMS: %s is no number", show(e.Value))
			}
			o.Timeout = time.Duration(ms) * time.Millisecond
		default:
			return o, malformedf("a transaction has no option %q", e.Key)
		}
	}
	return o, nil
}

// onSession runs an operation on a session.
func (r *run) onSession(s *session, name string, a *arguments) (result, error) {
	switch name {
	case "startTransaction":
		options, err := transactionOptions(a.d)
		if err != nil {
			return nothing, err
		}
		return nothing, s.StartTransaction(&options)
	case "withTransaction":
		return nothing, r.withTransaction(s, a)
	}
	ctx, cancel := r.ctx, func() {}
	err := a.each(func(key string, v argument) bool {
		if key != "timeoutMS" {
			return false
		}
		ctx, cancel = context.WithTimeout(r.ctx, v.milliseconds())
		return true
	})
	defer func() { cancel() }()
	if err != nil {
		return nothing, err
	}
	switch name {
	case "commitTransaction":
		return nothing, s.CommitTransaction(ctx)
	case "abortTransaction":
		return nothing, s.AbortTransaction(ctx)
	case "endSession":
		s.End(r.ctx)
		return nothing, nil
	case "getSnapshotTime":
		t := s.SnapshotTime()
		if t.IsZero() {
			return nothing, fmt.Errorf("the session has no snapshot time")
		}
		return result{value: t, found: true, save: t}, nil
	}
	return nothing, unknown("session", name)
}

// withTransaction runs the operations of a callback. An operation that fails, expected
// or not, ends it.
func (r *run) withTransaction(s *session, a *arguments) error {
	var callback []Operation
	var options bson.D
	ctx := s.Context(r.ctx)
	for _, e := range a.d {
		switch e.Key {
		case "callback":
			var err error
			if callback, err = operationsOf(get[bson.A](a.d, "callback")); err != nil {
				return err
			}
		case "timeoutMS":
			ms, ok := integer(e.Value)
			if !ok {
				return malformedf("timeoutMS: %s is no number", show(e.Value))
			}
			if ms > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
				defer cancel()
			}
		default:
			options = append(options, e)
		}
	}
	o, err := transactionOptions(options)
	if err != nil {
		return err
	}
	call := func(ctx context.Context) error {
		// Files name the session where it is wanted; what bounds the callback is for all.
		r := r.in(mgx.WithoutSession(ctx))
		for i := range callback {
			op := &callback[i]
			if op.Object == "testRunner" {
				if err := r.special(op); err != nil {
					return err
				}
				continue
			}
			failure, wrong := r.stepFor(op)
			if wrong != nil {
				return &malformed{text: fmt.Sprintf("callback, operation %d, %s: %v", i, op.Name, wrong)}
			}
			if failure != nil { // ignored by the test, not by the callback
				return failure
			}
		}
		return nil
	}
	return s.Client().WithTransaction(ctx, call, &o)
}

// assertTransactionState looks where a session stands in its transactions.
func assertTransactionState(r *run, a bson.D) error {
	s, err := entity[*session](&r.entities, get[string](a, "session"))
	if err != nil {
		return err
	}
	if got, want := string(s.TransactionState()), get[string](a, "state"); got != want {
		return fmt.Errorf("the transaction is %s, expected %s", got, want)
	}
	return nil
}

func assertPinned(want bool) func(*run, bson.D) error {
	return func(r *run, a bson.D) error {
		s, err := entity[*session](&r.entities, get[string](a, "session"))
		if err != nil {
			return err
		}
		if to := s.TransactionServer(); (to != "") != want {
			return fmt.Errorf("the session is pinned to %q", to)
		}
		return nil
	}
}

func assertDirty(want bool) func(*run, bson.D) error {
	return func(r *run, a bson.D) error {
		s, err := entity[*session](&r.entities, get[string](a, "session"))
		if err != nil {
			return err
		}
		if dirty := s.Dirty(); dirty != want {
			return fmt.Errorf("the session is dirty: %v", dirty)
		}
		return nil
	}
}

// targetedFailPoint sets a fail point on the mongos that a session is pinned to.
func targetedFailPoint(r *run, a bson.D) error {
	s, err := entity[*session](&r.entities, get[string](a, "session"))
	if err != nil {
		return err
	}
	to := s.TransactionServer()
	if to == "" {
		return fmt.Errorf("the session is pinned to no server")
	}
	for i, uri := range r.d.Servers {
		if strings.Contains(uri, to) {
			command := get[bson.D](a, "failPoint")
			r.points = append(r.points, get[string](command, "configureFailPoint"))
			_, err := r.d.direct[i].Database("admin").RunCommand(r.ctx, command).Raw()
			return err
		}
	}
	return fmt.Errorf("%s, which the session is pinned to, is not among %v", to, r.d.Servers)
}
