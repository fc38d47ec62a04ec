package mgxotel

import (
	"context"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/event"
)

// ScopeName is the name of the tracer and the meter.
const ScopeName = "github.com/mgxdb/mgx/mgxotel"

// The environment variables by which an operator decides, where the program does not.
const (
	// EnvEnabled turns everything of this package off, for the clients whose
	// Config.Enabled says nothing: when it is set to anything but 1, true or yes.
	EnvEnabled = "OTEL_GO_INSTRUMENTATION_MONGODB_ENABLED"
	// EnvQueryTextMaxLength is Config.QueryTextMaxLength, for those where it is 0.
	EnvQueryTextMaxLength = "OTEL_GO_INSTRUMENTATION_MONGODB_QUERY_TEXT_MAX_LENGTH"
)

// Config says what is reported of a client, and to whom. The zero value reports spans
// without the text of commands, and metrics, to the global providers.
type Config struct {
	// TracerProvider gets the spans; nil is otel.GetTracerProvider().
	TracerProvider trace.TracerProvider
	// MeterProvider gets the metrics; nil is otel.GetMeterProvider().
	MeterProvider metric.MeterProvider
	// Enabled decides whether anything is reported. nil leaves it to the environment
	// variable EnvEnabled, and reports where that is not set.
	Enabled *bool
	// QueryTextMaxLength adds commands as db.query.text to their spans, in Extended
	// JSON that is cut to so many bytes. They hold the data of whoever the program
	// works for. 0 leaves it to the environment variable EnvQueryTextMaxLength, and
	// adds none where that is not set; below 0 is none.
	QueryTextMaxLength int
	// CommentTraceContext gives each command of a sampled trace a comment with the
	// trace context, so that the server's logs and profiler name the trace:
	// traceparent='00-…-…-01', by the rules of sqlcommenter. Commands with a comment of
	// their own keep it. It needs server 4.4.
	CommentTraceContext bool
}

// Instrument adds what reports to OpenTelemetry to the options of a client that is yet to
// be opened, beside the monitors that are there. The options are to be used for one client
// then: its connections are counted.
func Instrument(options *mgx.Options, config Config) {
	if !config.enabled() {
		return
	}
	traces, meters := config.TracerProvider, config.MeterProvider
	if traces == nil {
		traces = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	m := newMetrics(meters.Meter(ScopeName, metric.WithInstrumentationVersion(mgx.Version)))
	t := &tracing{
		tracer:    traces.Tracer(ScopeName, trace.WithInstrumentationVersion(mgx.Version)),
		maxLength: config.queryTextMaxLength(),
		metrics:   m,
	}
	options.OperationMonitors = append(options.OperationMonitors, &event.OperationMonitor{Started: t.operationStarted, Ended: t.operationEnded})
	options.CommandMonitors = append(options.CommandMonitors, &event.CommandMonitor{
		Started: t.commandStarted, Succeeded: t.commandSucceeded, Failed: t.commandFailed,
	})
	options.PoolMonitors = append(options.PoolMonitors, m.pool)
	if config.CommentTraceContext {
		options.CommandComment = commentAfter(options.CommandComment)
	}
}

func (c *Config) enabled() bool {
	if c.Enabled != nil {
		return *c.Enabled
	}
	v, set := os.LookupEnv(EnvEnabled)
	switch strings.ToLower(v) {
	case "1", "true", "yes":
		return true
	}
	return !set
}

func (c *Config) queryTextMaxLength() int {
	if c.QueryTextMaxLength != 0 {
		return c.QueryTextMaxLength
	}
	n, err := strconv.Atoi(os.Getenv(EnvQueryTextMaxLength))
	if err != nil {
		return 0
	}
	return n
}

// commentAfter says the trace context where other says nothing.
func commentAfter(other func(context.Context) string) func(context.Context) string {
	return func(ctx context.Context) string {
		if other != nil {
			if text := other(ctx); text != "" {
				return text
			}
		}
		return traceComment(trace.SpanContextFromContext(ctx))
	}
}

// traceComment is a trace context in the form of sqlcommenter.
func traceComment(c trace.SpanContext) string {
	if !c.IsValid() || !c.IsSampled() {
		return ""
	}
	text := "traceparent='00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String() + "'"
	if state := c.TraceState().String(); state != "" {
		text += ",tracestate='" + quoted.Replace(state) + "'"
	}
	return text
}

var quoted = strings.NewReplacer("%", "%25", "'", "%27", "\\", "%5C", "=", "%3D", ",", "%2C")
