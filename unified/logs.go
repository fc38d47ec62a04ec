package unified

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// levels are the format's log levels, the most severe first, with slog's.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"emergency", 20}, {"alert", 16}, {"critical", 12}, {"error", slog.LevelError}, {"warning", slog.LevelWarn},
	{"notice", 2}, {"info", slog.LevelInfo}, {"debug", slog.LevelDebug}, {"trace", slog.LevelDebug - 4},
}

func levelOf(name string) slog.Level {
	i := slices.IndexFunc(levels, func(l struct {
		name  string
		level slog.Level
	}) bool {
		return l.name == name
	})
	return levels[max(i, 0)].level
}

// message is a log message as tests see it.
type message struct {
	level     slog.Level
	component string
	data      bson.D
}

// recorder is a log handler that collects messages of certain components.
type recorder struct {
	shared *recorded
	attrs  []slog.Attr
}

type recorded struct {
	least    map[string]slog.Level // by component
	mu       sync.Mutex
	messages []message
	stopped  bool
}

// newRecorder collects what an observeLogMessages asks for.
func newRecorder(wanted bson.D) *recorder {
	s := &recorded{least: map[string]slog.Level{}}
	for _, e := range wanted {
		s.least[e.Key] = levelOf(e.Value.(string))
	}
	return &recorder{shared: s}
}

// Enabled implements slog.Handler.
func (r *recorder) Enabled(_ context.Context, level slog.Level) bool {
	component := r.component()
	for name, least := range r.shared.least {
		if level >= least && (component == "" || component == name) {
			return true
		}
	}
	return false
}

func (r *recorder) component() string {
	for _, a := range r.attrs {
		if a.Key == "component" {
			return a.Value.String()
		}
	}
	return ""
}

// Handle implements slog.Handler.
func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	m := message{level: rec.Level, data: bson.D{{Key: "message", Value: rec.Message}}}
	add := func(a slog.Attr) bool {
		if a.Key == "component" {
			m.component = a.Value.Resolve().String()
		} else {
			m.data = append(m.data, bson.E{Key: a.Key, Value: logValue(a.Value)})
		}
		return true
	}
	for _, a := range r.attrs {
		add(a)
	}
	rec.Attrs(add)
	s := r.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if least, ok := s.least[m.component]; ok && rec.Level >= least && !s.stopped {
		s.messages = append(s.messages, m)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (r *recorder) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &recorder{shared: r.shared, attrs: append(slices.Clip(r.attrs), attrs...)}
}

// WithGroup implements slog.Handler. The client uses no groups.
func (r *recorder) WithGroup(string) slog.Handler { return r }

// logValue is a log attribute as a BSON value.
func logValue(v slog.Value) any {
	v = v.Resolve()
	switch v.Kind() {
	case slog.KindBool:
		return v.Bool()
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return int64(v.Uint64())
	case slog.KindFloat64:
		return v.Float64()
	case slog.KindDuration:
		return float64(v.Duration()) / float64(time.Millisecond)
	case slog.KindTime:
		return bson.NewDateTimeFromTime(v.Time())
	case slog.KindGroup:
		d := bson.D{}
		for _, a := range v.Group() {
			d = append(d, bson.E{Key: a.Key, Value: logValue(a.Value)})
		}
		return d
	}
	return v.String()
}

// forget drops what was collected so far.
func (s *recorded) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

func (s *recorded) stop() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	return slices.Clone(s.messages)
}

// matchMessage compares a log message with what is expected.
func (m *matcher) matchMessage(path string, want *ExpectedMessage, got message) error {
	if want.Component != got.component || levelOf(want.Level) != got.level {
		return fmt.Errorf("%s: got %s of %s at %v, expected %s at %s: %s",
			path, show(got.data), got.component, got.level, want.Component, want.Level, show(want.Data))
	}
	if want.Redacted != nil {
		failure, ok := lookup(got.data, "failure")
		if !ok {
			return fmt.Errorf("%s: there is no failure in %s", path, show(got.data))
		}
		if redacted := strings.Contains(fmt.Sprint(failure), "redacted"); redacted != *want.Redacted {
			return fmt.Errorf("%s: redacted is %v in the failure %q", path, redacted, failure)
		}
	}
	return m.match(path, want.Data, there(got.data), true)
}

// matchMessages compares a client's log messages with all that are expected.
func (m *matcher) matchMessages(want *ExpectedLogs, messages []message) error {
	messages = slices.DeleteFunc(messages, func(got message) bool {
		return slices.ContainsFunc(want.Ignored, func(e ExpectedMessage) bool { return m.matchMessage("", &e, got) == nil })
	})
	for i := range want.Messages {
		path := fmt.Sprintf("log message %d of %s", i, want.Client)
		if i >= len(messages) {
			return fmt.Errorf("%s: there is none, expected %s%s", path, show(want.Messages[i].Data), transcript(messages))
		}
		if err := m.matchMessage(path, &want.Messages[i], messages[i]); err != nil {
			return fmt.Errorf("%w%s", err, transcript(messages))
		}
	}
	if len(messages) > len(want.Messages) && !want.IgnoreExtra {
		return fmt.Errorf("%s wrote %d log messages, %d were expected%s", want.Client, len(messages), len(want.Messages), transcript(messages))
	}
	return nil
}

// transcript lists messages for an error.
func transcript(messages []message) string {
	var b strings.Builder
	for i, m := range messages {
		fmt.Fprintf(&b, "\n\t%d %v %s %s", i, m.level, m.component, show(m.data))
	}
	return b.String()
}
