// Package eventlog writes what happens to a client to log/slog, with the
// messages, keys and levels of MongoDB's logging specifications: one logger for
// each of their components.
//
// A message is put together only when its logger is enabled for it. What
// documents say goes into the log as relaxed Extended JSON, cut to a length;
// documents of commands that carry secrets never reach this package.
package eventlog

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
	"time"
)

// DefaultMaxDocumentLength is how many bytes of a document are logged.
const DefaultMaxDocumentLength = 1000

// Levels are the least levels of what the components log. A nil one is the
// logger's own, or the environment's if there is no logger.
type Levels struct {
	Command, Topology, ServerSelection, Connection slog.Leveler
}

// Config says what is logged, and where.
type Config struct {
	// Logger gets the messages. Without one, the environment variables of the
	// logging specification say whether and where there is a log.
	Logger *slog.Logger
	Levels Levels
	// MaxDocumentLength bounds the Extended JSON of a document, in bytes. 0 is
	// what the environment says, or DefaultMaxDocumentLength; below 0 is no limit.
	MaxDocumentLength int
	// Getenv looks environment variables up.
	Getenv func(string) string
}

// Logs are the logs of one client, nil where a component does not log.
type Logs struct {
	Command, Topology, ServerSelection, Connection *Log

	file io.Closer // opened for MONGODB_LOG_PATH
}

// New makes the logs of a client. What is wrong with the environment is logged,
// and otherwise left out.
func New(cfg Config) *Logs {
	env := readEnvironment(cfg.Getenv)
	logs := &Logs{}
	var base slog.Handler
	if cfg.Logger != nil {
		base = cfg.Logger.Handler()
		env.levels = [len(components)]slog.Leveler{}
	}
	limit := cfg.MaxDocumentLength
	if limit == 0 {
		limit = env.maxLength
	}
	given := [len(components)]slog.Leveler{cfg.Levels.Command, cfg.Levels.Topology, cfg.Levels.ServerSelection, cfg.Levels.Connection}
	for i, to := range []**Log{&logs.Command, &logs.Topology, &logs.ServerSelection, &logs.Connection} {
		level := given[i]
		if level == nil {
			level = env.levels[i]
		}
		if level == nil && cfg.Logger == nil || level == levelOff {
			continue
		}
		if base == nil {
			base, logs.file = env.destination()
		}
		*to = newLog(base, components[i].name, level, limit)
	}
	if base != nil && cfg.Logger == nil {
		for _, w := range env.warnings {
			slog.New(base).Warn(w)
		}
	}
	return logs
}

// Close closes the file that the logs go to, if there is one. Later messages are
// lost.
func (l *Logs) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Log is the log of one component. A nil *Log is one that is off.
type Log struct {
	log *slog.Logger
	max int // bytes of a document, below 0 is no limit
}

// For returns the log of a component for a logger, with documents cut to max
// bytes.
func For(log *slog.Logger, component string, max int) *Log {
	return newLog(log.Handler(), component, nil, max)
}

func newLog(h slog.Handler, component string, level slog.Leveler, limit int) *Log {
	h = h.WithAttrs([]slog.Attr{slog.String("component", component)})
	if level != nil {
		h = &limited{Handler: h, level: level}
	}
	return &Log{log: slog.New(h), max: limit}
}

// Enabled reports whether messages of a level are wanted. It is cheap.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool {
	return l != nil && l.log.Enabled(ctx, level)
}

// Debug reports whether the messages for events are wanted.
func (l *Log) Debug() bool { return l.Enabled(context.Background(), slog.LevelDebug) }

// Log writes a message, if its level is wanted. A handler that panics breaks
// nothing: the message is lost.
func (l *Log) Log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	if l == nil {
		return
	}
	defer func() { _ = recover() }()
	l.log.LogAttrs(ctx, level, message, attrs...)
}

func (l *Log) debug(ctx context.Context, message string, attrs []slog.Attr) {
	l.Log(ctx, slog.LevelDebug, message, attrs...)
}

// limited is a handler that drops what is below a level.
type limited struct {
	slog.Handler
	level slog.Leveler
}

// Enabled implements slog.Handler.
func (h *limited) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level.Level() && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limited{Handler: h.Handler.WithAttrs(attrs), level: h.level}
}

// WithGroup implements slog.Handler.
func (h *limited) WithGroup(name string) slog.Handler {
	return &limited{Handler: h.Handler.WithGroup(name), level: h.level}
}

// levelOff lets nothing through.
const levelOff = slog.Level(math.MaxInt)

// AppendAddress appends a server's host and port; the path alone for a Unix
// socket.
func AppendAddress(attrs []slog.Attr, address string) []slog.Attr {
	host, port, err := net.SplitHostPort(address)
	n, bad := strconv.Atoi(port)
	if err != nil || bad != nil {
		return append(attrs, slog.String("serverHost", address))
	}
	return append(attrs, slog.String("serverHost", host), slog.Int("serverPort", n))
}

func duration(d time.Duration) slog.Attr {
	return slog.Float64("durationMS", float64(d)/float64(time.Millisecond))
}

// failure is an error as it is in its events.
func failure(key string, err error) slog.Attr {
	return slog.Any(key, err)
}
