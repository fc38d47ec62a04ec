package mgx

import (
	"log/slog"
	"os"

	"github.com/mgxdb/mgx/internal/eventlog"
)

// LogLevels are the least levels at which the components of a client log: at
// slog.LevelDebug everything. A *slog.LevelVar may be changed while the client
// works. nil is whatever the Logger's handler takes.
//
// Without a Logger, nil is the level that the environment sets, so that a
// program can be made to log without a change to it. The variables are those of
// MongoDB's logging specification:
//
//   - MONGODB_LOG_COMMAND, MONGODB_LOG_TOPOLOGY, MONGODB_LOG_SERVER_SELECTION and
//     MONGODB_LOG_CONNECTION set the levels, and MONGODB_LOG_ALL those of the
//     rest: off, emergency, alert, critical, error, warn, notice, info, debug or
//     trace. The default is off.
//   - MONGODB_LOG_PATH is a file to append to, stdout, or stderr, the default.
//   - MONGODB_LOG_MAX_DOCUMENT_LENGTH is how many bytes of a document are logged.
//
// What the program sets goes before what the environment says. A variable with a
// value that it does not take is ignored, and the log begins with a warning.
type LogLevels struct {
	// Command logs commands, Topology what is discovered, ServerSelection how
	// operations find servers, Connection the connection pools.
	Command, Topology, ServerSelection, Connection slog.Leveler
}

// openLogs makes the client's logs.
func (o *Options) openLogs() *eventlog.Logs {
	return eventlog.New(eventlog.Config{
		Logger: o.Logger, Levels: eventlog.Levels(o.LogLevels), MaxDocumentLength: o.LogMaxDocumentLength, Getenv: os.Getenv,
	})
}
