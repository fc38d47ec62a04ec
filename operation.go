package mgx

import (
	"cmp"
	"context"
	"time"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/pool"
)

// operation is one call of the user's, from its beginning to its end. It has a
// number of commands as its parts: those that a bulk write is split into, retries,
// the getMores of a cursor that it reads. What goes for all of them is decided once,
// when it begins: whether the client is open, by when it must be over, and what the
// context binds it to.
type operation struct {
	client  *Client
	session *Session        // the user's; nil: none
	ctx     context.Context // with the deadline of timeoutMS
	cancel  context.CancelFunc
	timed   bool
	id      int64
	watched *exec.Watched
	within  *intercepted  // nil: the client has no interceptors
	binding *exec.Binding // nil: free
}

// begin begins an operation, as its first command describes it. Who gets one ends it.
func (c *Client) begin(ctx context.Context, what *exec.Op) (operation, error) {
	if ctx == nil {
		return operation{}, nilContext(what.Name)
	}
	s, err := c.sessionOf(ctx, what.Name)
	if err != nil {
		return operation{}, err
	}
	return c.beginIn(ctx, what, s)
}

// beginIn begins an operation in a session; nil: in none.
func (c *Client) beginIn(ctx context.Context, what *exec.Op, s *Session) (operation, error) {
	if ctx == nil {
		return operation{}, nilContext(what.Name)
	}
	o := operation{client: c, ctx: ctx, session: s}
	if err := o.time(what); err != nil {
		return operation{}, err
	}
	if err := o.watch(what); err != nil {
		return operation{}, o.end(err)
	}
	if err := c.enter(o.ctx); err != nil {
		return operation{}, o.end(toPublic(what.Name, err))
	}
	o.binding = c.bindingOf(ctx, what, s)
	return o, nil
}

// time gives the operation what bounds it: the timeout of the call or its handle, or
// that of the client, unless the context has a deadline.
func (o *operation) time(what *exec.Op) error {
	t, own := what.Timeout.Limit, what.Timeout.Limit != 0
	if o.session != nil && !what.Ends && what.Name != "killCursors" {
		if end := o.session.limit.Load(); end != nil {
			return o.timeWithin(what, *end)
		}
	}
	switch {
	case t < exec.NoTimeout:
		return failure(ErrInvalidArgument, "%s: a timeout must not be negative; 0 is no limit", what.Name)
	case !own:
		t = o.client.options.Timeout
	}
	if t == 0 {
		return nil
	}
	o.withoutOlderTimeouts()
	if t < 0 {
		return nil
	}
	if _, ok := o.ctx.Deadline(); own || !ok {
		o.ctx, o.cancel = context.WithTimeout(o.ctx, t)
	}
	return nil
}

// withoutOlderTimeouts has the timeoutMS count in their place.
func (o *operation) withoutOlderTimeouts() {
	o.timed = true
	if o.client.options.SocketTimeout > 0 {
		o.ctx = conn.WithoutSocketTimeout(o.ctx)
	}
	if o.client.options.WaitQueueTimeout > 0 {
		o.ctx = pool.WithoutWaitQueueTimeout(o.ctx)
	}
}

// timeWithin gives an operation of a WithTransaction the end of that.
func (o *operation) timeWithin(what *exec.Op, end time.Time) error {
	if what.Timeout.Explicit {
		return failure(ErrInvalidArgument, "%s: the option Timeout is not for operations in a WithTransaction that has a timeout, which bounds them all", what.Name)
	}
	o.withoutOlderTimeouts()
	if d, ok := o.ctx.Deadline(); !ok || d.After(end) {
		o.ctx, o.cancel = context.WithDeadline(o.ctx, end)
	}
	return nil
}

// bindingOf is what the context binds an operation to: a session, a request, or both;
// but a transaction is nothing of a request.
func (c *Client) bindingOf(ctx context.Context, what *exec.Op, s *Session) *exec.Binding {
	if s != nil && !what.Ends && what.Name != "killCursors" {
		s.inner.Used()
	}
	if s != nil && (what.Ends || s.inner.State().Active()) {
		return &s.binding
	}
	q := c.requestOf(ctx)
	switch {
	case s != nil && q != nil:
		return &exec.Binding{Session: s.inner, Request: q}
	case s != nil:
		return &s.binding
	case q != nil:
		return q.Binding()
	}
	return nil
}

// timeoutOf returns what bounds the operations of a handle; 0: nothing does.
func (c *Client) timeoutOf(base *callOptions) time.Duration {
	return max(cmp.Or(base.timeout.Limit, c.options.Timeout), 0)
}

// bind binds the operation's commands to what a cursor is bound to, or to a server,
// beside what its context binds them to.
func (o *operation) bind(b *exec.Binding) {
	b.Bind(o.binding)
	o.binding = b
}

// run runs one command of the operation. Its errors are public.
func (o *operation) run(op *exec.Op) (exec.Result, error) {
	if o.session != nil {
		if err := o.session.fit(op); err != nil {
			return exec.Result{}, err
		}
	}
	if op.WriteConcern == nil && (op.Access == exec.Write || op.Access == exec.ReadThenWrite) {
		op.WriteConcern = o.client.writeConcern.Load()
	}
	if w := op.WriteConcern; w != nil && w.Err != nil {
		return exec.Result{}, w.Err
	}
	if p := op.ReadPreference; p != nil && p.Err != nil {
		return exec.Result{}, p.Err
	}
	op.ID, op.Timed = o.id, o.timed
	res, err := o.client.exec.Run(o.ctx, op, o.binding)
	if err != nil {
		return res, toPublic(op.Name, err)
	}
	return res, nil
}

// operationNames are the operations that are not called by their command's name. See
// the specification "OpenTelemetry".
var operationNames = map[string]string{
	"create": "createCollection", "drop": "dropCollection",
}

// watch tells those who want to know that the operation begins. The error is that of an
// interceptor which does not let it.
func (o *operation) watch(what *exec.Op) error {
	o.id = o.client.exec.OperationID()
	if o.id == 0 && len(o.client.options.Interceptors) == 0 {
		return nil
	}
	info := event.OperationInfo{Name: what.Operation, Database: what.Database, Collection: what.Collection, OperationID: o.id}
	if info.Name == "" {
		if info.Name = operationNames[what.Name]; info.Name == "" {
			info.Name = what.Name
		}
	}
	if o.session != nil {
		info.Transaction = o.session.watched.Context()
	}
	o.ctx, o.watched = o.client.exec.Observers.Begin(o.ctx, info)
	return o.intercept(&info)
}

// end ends the operation, and returns the error that its caller gets.
func (o *operation) end(err error) error {
	err = o.within.after(err)
	o.watched.End(err)
	if o.cancel != nil {
		o.cancel()
	}
	return err
}

// run runs an operation of one command.
func (c *Client) run(ctx context.Context, op *exec.Op) (exec.Result, error) {
	return c.runBound(ctx, op, nil)
}

// runBound runs an operation of one command that is bound to something beside its
// context's request; nil: to nothing.
func (c *Client) runBound(ctx context.Context, op *exec.Op, b *exec.Binding) (exec.Result, error) {
	o, err := c.begin(ctx, op)
	if err != nil {
		return exec.Result{}, err
	}
	if b != nil {
		o.bind(b)
	}
	res, err := o.run(op)
	return res, o.end(err)
}
