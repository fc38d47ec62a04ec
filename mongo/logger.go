package mongo

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// never is a level that no record has.
const never = slog.Level(1 << 20)

// setLogger has mgx log what the official driver's options ask for, and, for components
// that they do not name, the environment.
func setLogger(o *mgx.Options, opts *options.LoggerOptions) {
	var handler slog.Handler = slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	if opts.Sink != nil {
		handler = &sinkHandler{sink: opts.Sink}
	}
	o.Logger = slog.New(handler)
	o.LogMaxDocumentLength = int(opts.MaxDocumentLength)
	level := func(component options.LogComponent, variable string) slog.Leveler {
		lowest := min(componentLevel(opts, component), environmentLevel(variable))
		return lowest
	}
	o.LogLevels = mgx.LogLevels{
		Command:         level(options.LogComponentCommand, "MONGODB_LOG_COMMAND"),
		Topology:        level(options.LogComponentTopology, "MONGODB_LOG_TOPOLOGY"),
		ServerSelection: level(options.LogComponentServerSelection, "MONGODB_LOG_SERVER_SELECTION"),
		Connection:      level(options.LogComponentConnection, "MONGODB_LOG_CONNECTION"),
	}
}

func componentLevel(opts *options.LoggerOptions, component options.LogComponent) slog.Level {
	given, ok := opts.ComponentLevels[component]
	if all, has := opts.ComponentLevels[options.LogComponentAll]; has && (!ok || all > given) {
		given, ok = all, true
	}
	switch {
	case !ok:
		return never
	case given >= options.LogLevelDebug:
		return slog.LevelDebug
	case given == options.LogLevelInfo:
		return slog.LevelInfo
	}
	return never
}

func environmentLevel(variable string) slog.Level {
	for _, name := range []string{"MONGODB_LOG_ALL", variable} {
		switch strings.ToLower(os.Getenv(name)) {
		case "debug", "trace":
			return slog.LevelDebug
		case "info", "notice":
			return slog.LevelInfo
		case "warn":
			return slog.LevelWarn
		case "error", "critical", "alert", "emergency":
			return slog.LevelError
		}
	}
	return never
}

// sinkHandler gives records to a sink of the official driver's.
type sinkHandler struct {
	sink  options.LogSink
	attrs []slog.Attr
	group string
}

// Enabled implements slog.Handler.
func (h *sinkHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h *sinkHandler) Handle(_ context.Context, r slog.Record) error {
	var list []any
	var failed error
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve().Any()
		if err, ok := value.(error); ok {
			failed = err
		}
		list = append(list, h.group+a.Key, value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	switch {
	case r.Level >= slog.LevelError:
		if failed == nil {
			failed = errors.New(r.Message)
		}
		h.sink.Error(failed, r.Message, list...)
	case r.Level >= slog.LevelInfo:
		h.sink.Info(0, r.Message, list...)
	default:
		h.sink.Info(1, r.Message, list...)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *sinkHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return &c
}

// WithGroup implements slog.Handler.
func (h *sinkHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	return &c
}
