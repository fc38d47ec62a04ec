package mgxotel

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/internal/leaktest"
	"github.com/mgxdb/mgx/mgxtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// recorded keeps what was reported of a client.
type recorded struct {
	*mgx.Client
	spans  *tracetest.SpanRecorder
	tracer trace.Tracer
	reader *metric.ManualReader
}

// observe opens an instrumented client.
func observe(t *testing.T, uri string, config Config, change ...func(*mgx.Options)) *recorded {
	t.Helper()
	r := &recorded{spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(r.spans))
	r.tracer = provider.Tracer("test")
	config.TracerProvider, config.MeterProvider = provider, metric.NewMeterProvider(metric.WithReader(r.reader))
	options, err := mgx.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	Instrument(options, config)
	for _, f := range change {
		f(options)
	}
	if r.Client, err = mgx.Open(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	r.forget()
	return r
}

// forget drops the spans until now.
func (r *recorded) forget() { r.spans.Reset() }

// ended are the spans since, in the order of their beginnings.
func (r *recorded) ended() []sdk.ReadOnlySpan {
	list := r.spans.Ended()
	slices.SortStableFunc(list, func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return list
}

// tree writes the spans below a parent with their names.
func (r *recorded) tree(parent trace.SpanID, indent string) (lines []string) {
	for _, s := range r.ended() {
		if s.Parent().SpanID() == parent {
			lines = append(lines, indent+s.Name())
			lines = append(lines, r.tree(s.SpanContext().SpanID(), indent+"  ")...)
		}
	}
	return lines
}

func (r *recorded) checkTree(t *testing.T, want ...string) {
	t.Helper()
	if got := r.tree(trace.SpanID{}, ""); !slices.Equal(got, want) {
		t.Errorf("the spans are %q,\nwant %q", got, want)
	}
}

// named returns the only span of a name.
func (r *recorded) named(t *testing.T, name string) sdk.ReadOnlySpan {
	t.Helper()
	var found []sdk.ReadOnlySpan
	for _, s := range r.ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q of %q", len(found), name, r.tree(trace.SpanID{}, ""))
	}
	return found[0]
}

// attributes of a span by name.
func attributes(s sdk.ReadOnlySpan) map[attribute.Key]any {
	m := map[attribute.Key]any{}
	for _, a := range s.Attributes() {
		m[a.Key] = a.Value.AsInterface()
	}
	return m
}

// point is the sum or the number of measurements of a metric with certain attributes,
// over all others.
func (r *recorded) point(t *testing.T, name string, with ...attribute.KeyValue) (total int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	matches := func(set attribute.Set) bool {
		return !slices.ContainsFunc(with, func(a attribute.KeyValue) bool {
			v, ok := set.Value(a.Key)
			return !ok || v.Emit() != a.Value.Emit()
		})
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if matches(p.Attributes) {
						total += p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if matches(p.Attributes) {
						total += int64(p.Count)
					}
				}
			default:
				t.Fatalf("%s is a %T", name, m.Data)
			}
		}
	}
	return total
}

func replicaSet(t *testing.T) *mgxtest.Deployment {
	t.Helper()
	d, err := mgxtest.NewReplicaSet(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}
