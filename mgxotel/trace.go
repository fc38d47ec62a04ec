package mgxotel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/eventlog"
)

// tracing makes spans of a client's events.
type tracing struct {
	tracer    trace.Tracer
	maxLength int // of the text of commands
	metrics   *metrics
}

// operation is one under way. It is in the context of its commands.
type operation struct {
	span trace.Span
	// address is the server's that got its last command. The commands of an operation
	// follow each other.
	address string
}

type (
	operationKey struct{}
	commandKey   struct{}
)

// The pseudo operations, which have no server and no duration of their own.
const (
	transaction     = "transaction"
	withTransaction = "withTransaction"
)

var client = trace.WithSpanKind(trace.SpanKindClient)

func (t *tracing) operationStarted(ctx context.Context, e *event.OperationStarted) context.Context {
	switch e.Name {
	case withTransaction:
		return ctx // the span of each transaction in it tells the same
	case transaction:
		ctx, span := t.tracer.Start(ctx, transaction, client, trace.WithAttributes(system))
		return context.WithValue(ctx, operationKey{}, &operation{span: span})
	}
	if e.Transaction != nil {
		ctx = trace.ContextWithSpan(ctx, trace.SpanFromContext(e.Transaction))
	}
	name := summary(e.Name, e.Database, e.Collection)
	attrs := append(make([]attribute.KeyValue, 0, 5), system, operationName.String(e.Name), operationSummary.String(name))
	ctx, span := t.tracer.Start(ctx, name, client, trace.WithAttributes(namespace(attrs, e.Database, e.Collection)...))
	return context.WithValue(ctx, operationKey{}, &operation{span: span})
}

func (t *tracing) operationEnded(ctx context.Context, e *event.OperationEnded) {
	o, ok := ctx.Value(operationKey{}).(*operation)
	if !ok || e.Name == withTransaction {
		return
	}
	if e.Name != transaction {
		t.metrics.operation(ctx, o, e)
	}
	if e.Err != nil && o.span.IsRecording() {
		if e.Name != transaction { // which has one attribute alone
			o.span.SetAttributes(exception(e.Err)...)
		}
		o.span.RecordError(e.Err)
		o.span.SetStatus(codes.Error, e.Err.Error())
	}
	o.span.End()
}

func (t *tracing) commandStarted(ctx context.Context, e *event.CommandStarted) context.Context {
	o, ok := ctx.Value(operationKey{}).(*operation)
	if !ok {
		return ctx // of the client's own, such as endSessions
	}
	o.address = e.Address
	if len(e.Command) <= emptyDocument {
		return ctx // it carries secrets
	}
	if e.CursorID != 0 {
		o.span.SetAttributes(cursorID.Int64(e.CursorID))
	}
	ctx, span := t.tracer.Start(ctx, e.CommandName, client, trace.WithAttributes(commandAttributes(e)...))
	if t.maxLength > 0 && span.IsRecording() {
		span.SetAttributes(queryText.String(eventlog.FormatWithout(e.Command, t.maxLength, untold...)))
	}
	return context.WithValue(ctx, commandKey{}, span)
}

// emptyDocument is the size of one.
const emptyDocument = 5

// untold are the fields of a command that its text leaves out.
var untold = []string{"lsid", "$db", "$clusterTime", "signature"}

func (t *tracing) commandSucceeded(ctx context.Context, e *event.CommandSucceeded) {
	span, ok := ctx.Value(commandKey{}).(trace.Span)
	if !ok {
		return
	}
	if e.CursorID != 0 && span.IsRecording() {
		span.SetAttributes(cursorID.Int64(e.CursorID))
		if o, ok := ctx.Value(operationKey{}).(*operation); ok {
			o.span.SetAttributes(cursorID.Int64(e.CursorID))
		}
	}
	span.End()
}

func (t *tracing) commandFailed(ctx context.Context, e *event.CommandFailed) {
	span, ok := ctx.Value(commandKey{}).(trace.Span)
	if !ok {
		return
	}
	if span.IsRecording() {
		attrs := exception(e.Failure)
		if code, ok := codeOf(e.Failure); ok {
			attrs = append(attrs, statusCode.String(code))
		}
		span.SetAttributes(attrs...)
		span.RecordError(e.Failure)
		span.SetStatus(codes.Error, e.Failure.Error())
	}
	span.End()
}
