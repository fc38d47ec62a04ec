package exec

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wire"
)

// Observers are those who want to know of a client's commands and operations.
type Observers struct {
	Commands   []*event.CommandMonitor
	Operations []*event.OperationMonitor
	Log        *eventlog.Log // of commands; nil: none
	// Public turns an error into the one that the operation's caller sees.
	Public func(error) error
}

// watch follows one command. The zero value watches nothing.
type watch struct {
	observers *Observers
	ctx       context.Context
	info      event.CommandInfo
	began     time.Time
	secret    bool
	logged    bool // what became of it is logged, too
}

// secrets are the commands whose contents are not shown.
var secrets = map[string]bool{
	"authenticate": true, "saslstart": true, "saslcontinue": true, "getnonce": true, "createuser": true,
	"updateuser": true, "copydbgetnonce": true, "copydbsaslstart": true, "copydb": true,
}

// carriesSecrets reports whether a command's contents must not be shown: hello
// does when it authenticates speculatively.
func carriesSecrets(name string, command []byte) bool {
	name = strings.ToLower(name)
	if secrets[name] {
		return true
	}
	if name == "hello" || name == "ismaster" {
		_, ok := bsonwire.Lookup(command, "speculativeAuthenticate")
		return ok
	}
	return false
}

// watches reports whether anybody wants to know of commands.
func (o *Observers) watches() bool {
	return o != nil && (len(o.Commands) > 0 || len(o.Operations) > 0 || o.Log.Debug())
}

// start has observers told that a command is about to be sent.
func (o *Observers) start(ctx context.Context, r *run, f *frame, lease *Lease) watch {
	if !o.watches() {
		return watch{}
	}
	c := lease.Conn()
	desc := c.Description()
	w := watch{observers: o, ctx: ctx, began: time.Now(), logged: o.Log.Debug(), info: event.CommandInfo{
		CommandName: r.op.Name, DatabaseName: r.op.Database, CollectionName: r.op.Collection, CursorID: r.op.CursorID, RequestID: f.requestID, OperationID: r.operationID(),
		Address: c.Address(), DriverConnectionID: lease.ID(), ServerConnectionID: desc.ConnectionID, ServiceID: desc.ServiceID,
	}}
	body, sequences := f.buf.B[f.body[0]:f.body[1]], f.sequences(r.op)
	w.secret = carriesSecrets(r.op.Name, body)
	if w.secret {
		body, sequences = emptyDocument, nil
	}
	if w.logged {
		o.Log.CommandStarted(ctx, &w.info, body, sequences...)
	}
	var e *event.CommandStarted
	for _, h := range o.Commands {
		if h == nil || h.Started == nil {
			continue
		}
		if e == nil {
			e = &event.CommandStarted{CommandInfo: w.info, Command: commandDocument(body, sequences)}
		}
		guard(func() { w.ctx = started(w.ctx, h.Started(w.ctx, e)) })
	}
	return w
}

var (
	emptyDocument = []byte{5, 0, 0, 0, 0}
	okDocument    = func() []byte {
		doc, at := bsonwire.Begin(nil)
		return bsonwire.End(bsonwire.AppendInt32(doc, "ok", 1), at)
	}()
)

// commandDocument returns the command with its sequences as arrays.
func commandDocument(body []byte, sequences []wire.Sequence) bson.Raw {
	if len(sequences) == 0 {
		return body
	}
	size := len(body) + 64
	for _, s := range sequences {
		size += len(s.Documents) + 64
	}
	b, at := bsonwire.Begin(make([]byte, 0, size))
	b = append(b, body[4:len(body)-1]...)
	for _, s := range sequences {
		b = appendArrayOf(b, s)
	}
	return bsonwire.End(b, at)
}

func (w *watch) succeeded(reply []byte) {
	if w.observers == nil {
		return
	}
	took := time.Since(w.began)
	if w.secret || carriesSecrets(w.info.CommandName, reply) {
		reply = emptyDocument
	}
	if w.logged {
		w.observers.Log.CommandSucceeded(w.ctx, &w.info, took, reply)
	}
	if id, ok := bsonwire.Lookup(reply, "cursor", "id"); ok && w.info.CursorID == 0 {
		w.info.CursorID, _ = id.AsInt64()
	}
	var e *event.CommandSucceeded
	for _, h := range w.observers.Commands {
		if h == nil || h.Succeeded == nil {
			continue
		}
		if e == nil {
			e = &event.CommandSucceeded{CommandInfo: w.info, Duration: took, Reply: reply}
		}
		guard(func() { h.Succeeded(w.ctx, e) })
	}
}

// sent ends the watch of a command without a reply.
func (w *watch) sent(err error) {
	if err != nil {
		w.failed(err)
		return
	}
	w.succeeded(okDocument)
}

func (w *watch) failed(err error) {
	if w.observers == nil {
		return
	}
	took := time.Since(w.began)
	var se *ServerError
	if w.secret && errors.As(err, &se) {
		// What a server says about credentials may repeat them.
		err = &ServerError{Address: se.Address, Command: se.Command, Document: fault.Document{
			Code: se.Code, Name: se.Name, Labels: se.Labels, Message: "(redacted)",
		}}
	}
	if w.observers.Public != nil {
		err = w.observers.Public(err)
	}
	if w.logged {
		w.observers.Log.CommandFailed(w.ctx, &w.info, took, err)
	}
	var e *event.CommandFailed
	for _, h := range w.observers.Commands {
		if h == nil || h.Failed == nil {
			continue
		}
		if e == nil {
			e = &event.CommandFailed{CommandInfo: w.info, Duration: took, Failure: err}
		}
		guard(func() { h.Failed(w.ctx, e) })
	}
}

// started is the context that a monitor's Started returned, unless it returned none.
func started(before, after context.Context) context.Context {
	if after == nil {
		return before
	}
	return after
}

// Watched is an operation that somebody watches; nil is one that nobody does.
type Watched struct {
	info      event.OperationInfo
	ctx       context.Context
	began     time.Time
	observers *Observers
}

// Begin has observers told that an operation begins, and returns it, and the context under which
// it is to run.
func (o *Observers) Begin(ctx context.Context, info event.OperationInfo) (context.Context, *Watched) {
	if o == nil || len(o.Operations) == 0 {
		return ctx, nil
	}
	w := &Watched{info: info, ctx: ctx, began: time.Now(), observers: o}
	e := &event.OperationStarted{OperationInfo: info}
	for _, h := range o.Operations {
		if h != nil && h.Started != nil {
			guard(func() { w.ctx = started(w.ctx, h.Started(w.ctx, e)) })
		}
	}
	return w.ctx, w
}

// Context is the one under which the operation runs; nil if nobody watches it.
func (w *Watched) Context() context.Context {
	if w == nil {
		return nil
	}
	return w.ctx
}

// End has observers told that the operation has ended.
func (w *Watched) End(err error) {
	if w == nil {
		return
	}
	e := &event.OperationEnded{OperationInfo: w.info, Duration: time.Since(w.began), Err: err}
	for _, h := range w.observers.Operations {
		if h != nil && h.Ended != nil {
			guard(func() { h.Ended(w.ctx, e) })
		}
	}
}

// guard keeps a panicking handler from breaking the operation.
func guard(handler func()) {
	defer func() {
		if r := recover(); r != nil {
			slog.Default().Error("a monitor panicked", "component", "command", "panic", r)
		}
	}()
	handler()
}
