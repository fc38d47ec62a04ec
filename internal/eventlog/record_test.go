package eventlog

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"testing"
)

// record is a message as a handler gets it.
type record struct {
	level   slog.Level
	message string
	attrs   map[string]any
}

// recorder is a handler that keeps messages.
type recorder struct {
	least  slog.Leveler
	attrs  []slog.Attr
	shared *sharedRecords
}

type sharedRecords struct {
	mu   sync.Mutex
	list []record
}

func newRecorder(least slog.Level) *recorder {
	return &recorder{least: least, shared: &sharedRecords{}}
}

func (r *recorder) Enabled(_ context.Context, l slog.Level) bool { return l >= r.least.Level() }

func (r *recorder) Handle(_ context.Context, sr slog.Record) error {
	rec := record{level: sr.Level, message: sr.Message, attrs: map[string]any{}}
	for _, a := range r.attrs {
		rec.attrs[a.Key] = a.Value.Resolve().Any()
	}
	sr.Attrs(func(a slog.Attr) bool {
		rec.attrs[a.Key] = a.Value.Resolve().Any()
		return true
	})
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.list = append(r.shared.list, rec)
	return nil
}

func (r *recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &recorder{least: r.least, attrs: append(append([]slog.Attr(nil), r.attrs...), attrs...), shared: r.shared}
}

func (r *recorder) WithGroup(string) slog.Handler { return r }

// take returns what was logged since the last time.
func (r *recorder) take() []record {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	list := r.shared.list
	r.shared.list = nil
	return list
}

// one expects one debug message, exactly this one.
func (r *recorder) one(t *testing.T, message string, attrs map[string]any) {
	t.Helper()
	list := r.take()
	if len(list) != 1 {
		t.Fatalf("%d messages, want %q: %v", len(list), message, list)
	}
	got := list[0]
	if got.level != slog.LevelDebug || got.message != message {
		t.Errorf("%v %q, want %q at debug level", got.level, got.message, message)
	}
	if !reflect.DeepEqual(got.attrs, attrs) {
		t.Errorf("%s:\n got %v\nwant %v", message, got.attrs, attrs)
	}
}

func with(base map[string]any, more map[string]any) map[string]any {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}
