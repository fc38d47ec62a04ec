package eventlog

import (
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
)

// components are the specifications' log components, with the variables that
// set their levels.
var components = [...]struct{ name, variable string }{
	{"command", "MONGODB_LOG_COMMAND"},
	{"topology", "MONGODB_LOG_TOPOLOGY"},
	{"serverSelection", "MONGODB_LOG_SERVER_SELECTION"},
	{"connection", "MONGODB_LOG_CONNECTION"},
}

// The variables of all components.
const (
	variableAll       = "MONGODB_LOG_ALL"
	variablePath      = "MONGODB_LOG_PATH"
	variableMaxLength = "MONGODB_LOG_MAX_DOCUMENT_LENGTH"
)

// levels are the values that the variables take, spaced as slog spaces its own.
var levels = map[string]slog.Level{
	"off":       levelOff,
	"emergency": slog.LevelError + 12,
	"alert":     slog.LevelError + 8,
	"critical":  slog.LevelError + 4,
	"error":     slog.LevelError,
	"warn":      slog.LevelWarn,
	"notice":    slog.LevelInfo + 2,
	"info":      slog.LevelInfo,
	"debug":     slog.LevelDebug,
	"trace":     slog.LevelDebug - 4,
}

// environment is what the variables say.
type environment struct {
	levels    [len(components)]slog.Leveler // nil: not set
	path      string
	maxLength int
	warnings  []string
}

func readEnvironment(getenv func(string) string) *environment {
	e := &environment{maxLength: DefaultMaxDocumentLength}
	if getenv == nil {
		return e
	}
	all := e.level(variableAll, getenv(variableAll))
	for i, c := range components {
		e.levels[i] = all
		if l := e.level(c.variable, getenv(c.variable)); l != nil {
			e.levels[i] = l
		}
	}
	e.path = getenv(variablePath)
	if s := getenv(variableMaxLength); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			e.warn(variableMaxLength, "it takes a number of bytes")
		} else {
			e.maxLength = n
		}
	}
	return e
}

// level reads a level; nil is none.
func (e *environment) level(variable, value string) slog.Leveler {
	if value == "" {
		return nil
	}
	l, ok := levels[strings.ToLower(value)]
	if !ok {
		e.warn(variable, "it takes off, emergency, alert, critical, error, warn, notice, info, debug or trace")
		return nil
	}
	return l
}

func (e *environment) warn(variable, why string) {
	e.warnings = append(e.warnings, "environment variable "+variable+" is ignored: "+why)
}

// destination opens what MONGODB_LOG_PATH names: standard error, if it cannot be
// written to.
func (e *environment) destination() (slog.Handler, io.Closer) {
	options := &slog.HandlerOptions{Level: levels["trace"]}
	switch strings.ToLower(e.path) {
	case "", "stderr":
		return slog.NewTextHandler(os.Stderr, options), nil
	case "stdout":
		return slog.NewTextHandler(os.Stdout, options), nil
	}
	f, err := os.OpenFile(e.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		e.warn(variablePath, err.Error())
		return slog.NewTextHandler(os.Stderr, options), nil
	}
	return slog.NewTextHandler(f, options), f
}
