package unified

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxotel"
)

// observeTraces records a client's spans.
func observeTraces(options *mgx.Options, wanted any) *tracetest.SpanRecorder {
	spans := tracetest.NewSpanRecorder()
	enabled, length := true, -1
	if d, ok := wanted.(bson.D); ok && get[bool](d, "enableCommandPayload") {
		length = logDocumentLength
	}
	mgxotel.Instrument(options, mgxotel.Config{
		Enabled: &enabled, QueryTextMaxLength: length,
		TracerProvider: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)), MeterProvider: noop.NewMeterProvider(),
	})
	return spans
}

func (r *run) checkTraces(want *ExpectedTraces) error {
	c, err := entity[*client](&r.entities, want.Client)
	if err != nil {
		return err
	}
	if c.traces == nil {
		return malformedf("spans of %s are not observed", want.Client)
	}
	spans := c.traces.Ended()
	slices.SortStableFunc(spans, func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	m := spanMatcher{&r.matcher, spans, want.IgnoreExtra}
	if err := m.match("the spans of "+want.Client, trace.SpanID{}, want.Spans); err != nil {
		return fmt.Errorf("%w\n%s", err, m.history(trace.SpanID{}, "\t"))
	}
	return nil
}

// spanMatcher compares spans with what is expected.
type spanMatcher struct {
	*matcher
	spans       []sdk.ReadOnlySpan // in the order of their beginnings
	ignoreExtra bool
}

// below are the spans whose parent it is; the zero value has those that have none.
func (m *spanMatcher) below(parent trace.SpanID) (list []sdk.ReadOnlySpan) {
	for _, s := range m.spans {
		if s.Parent().SpanID() == parent {
			list = append(list, s)
		}
	}
	return list
}

// match compares the spans below one, in their order.
func (m *spanMatcher) match(path string, parent trace.SpanID, want []ExpectedSpan) error {
	got := m.below(parent)
	for _, w := range want {
		at := path + ": " + w.Name
		var bad error
		i := slices.IndexFunc(got, func(s sdk.ReadOnlySpan) bool {
			err := m.matchSpan(at, s, &w)
			if bad == nil || s.Name() == w.Name {
				bad = err
			}
			return err == nil || !m.ignoreExtra
		})
		switch {
		case i < 0 && bad == nil:
			return fmt.Errorf("%s: there is none", at)
		case bad != nil:
			return bad
		}
		got = got[i+1:]
	}
	if len(got) > 0 && !m.ignoreExtra {
		return fmt.Errorf("%s: %q is there unexpectedly", path, got[0].Name())
	}
	return nil
}

func (m *spanMatcher) matchSpan(path string, got sdk.ReadOnlySpan, want *ExpectedSpan) error {
	if got.Name() != want.Name {
		return fmt.Errorf("%s: got %q", path, got.Name())
	}
	if err := m.matcher.match(path, want.Attributes, there(attributesOf(got)), true); err != nil {
		return err
	}
	return m.match(path, got.SpanContext().SpanID(), want.Nested)
}

// attributesOf returns a span's attributes as a document.
func attributesOf(s sdk.ReadOnlySpan) bson.D {
	d := bson.D{}
	for _, a := range s.Attributes() {
		d = append(d, bson.E{Key: string(a.Key), Value: a.Value.AsInterface()})
	}
	return d
}

// history lists spans for a message.
func (m *spanMatcher) history(parent trace.SpanID, indent string) string {
	var b strings.Builder
	for _, s := range m.below(parent) {
		fmt.Fprintf(&b, "%s%s %s\n%s", indent, s.Name(), show(attributesOf(s)), m.history(s.SpanContext().SpanID(), indent+"\t"))
	}
	return b.String()
}

// lsidOf is the identifier of a session that has a UUID.
func lsidOf(uuid string) any {
	data, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return uuid
	}
	return bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: data}}}
}
