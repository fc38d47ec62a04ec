package mgx

import (
	"context"
	"slices"
	"time"

	"github.com/mgxdb/mgx/event"
)

// Interceptor stands around the operations of a client, and has a say in them: it can
// refuse one, bound it, give its context something, and say more in its error. What
// only watches is an event.OperationMonitor, which costs no error handling.
//
// An operation is what event.OperationInfo describes: one call of the user's, a batch of
// a cursor after its first, the commit of a transaction. Its retries are within it. A
// function may be nil. They run in the goroutine of the operation, by any number of
// goroutines at a time, and a panic in one is the caller's.
type Interceptor struct {
	// Before is called when nothing is selected, encoded or sent yet, with the
	// operation's timeout in the context. The operation runs in the context that it
	// returns, which has to be derived from the one that was passed in; nil keeps that
	// one. The operation's session and request are those of its caller's context, and
	// another's in the returned one do not count. An error is the operation's:
	// nothing is sent. A killCursors that is refused leaves its cursor open on the server.
	Before func(context.Context, *event.OperationStarted) (context.Context, error)
	// After is called when an operation has ended that Before let pass, with the
	// context that Before returned. Of one that has failed, it returns the error that
	// the caller gets; nil keeps e.Err, as what failed has no result to go on with. Of
	// one that has succeeded, its result is ignored. Of several interceptors, the last is asked first.
	After func(context.Context, *event.OperationEnded) error
}

// intercepted is what the interceptors know of an operation.
type intercepted struct {
	info     event.OperationInfo
	began    time.Time
	passed   []*Interceptor
	contexts []context.Context // of those, as they returned them
}

// intercept asks the interceptors whether the operation may be.
func (o *operation) intercept(info *event.OperationInfo) error {
	all := o.client.options.Interceptors
	if len(all) == 0 {
		return nil
	}
	o.within = &intercepted{info: *info, began: time.Now()}
	for _, i := range all {
		if i == nil {
			continue
		}
		if i.Before != nil {
			ctx, err := i.Before(o.ctx, &event.OperationStarted{OperationInfo: *info})
			if err != nil {
				return err
			}
			if ctx != nil {
				o.ctx = ctx
			}
		}
		o.within.passed = append(o.within.passed, i)
		o.within.contexts = append(o.within.contexts, o.ctx)
	}
	return nil
}

// after tells the interceptors that the operation has ended, and returns the error that
// they make of its own. Nobody was asked: it stays.
func (in *intercepted) after(err error) error {
	if in == nil {
		return err
	}
	took := time.Since(in.began)
	for n, i := range slices.Backward(in.passed) {
		if i.After == nil {
			continue
		}
		said := i.After(in.contexts[n], &event.OperationEnded{OperationInfo: in.info, Duration: took, Err: err})
		if err != nil && said != nil {
			err = said
		}
	}
	return err
}
