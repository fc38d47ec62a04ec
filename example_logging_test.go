package mgx_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/mgxdb/mgx"
)

// A program logs its commands, and of all else the warnings alone.
func ExampleLogLevels_commands() {
	options, err := mgx.ParseURI("mongodb://localhost:27017")
	if err != nil {
		panic(err)
	}
	options.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	options.LogLevels = mgx.LogLevels{
		Topology: slog.LevelWarn, ServerSelection: slog.LevelWarn, Connection: slog.LevelWarn,
	}
	client, err := mgx.New(options)
	if err != nil {
		panic(err)
	}
	defer client.Close(context.Background())
}

// A program logs all commands, and lets the environment say otherwise.
func ExampleLogLevels() {
	options, err := mgx.ParseURI("mongodb://localhost:27017")
	if err != nil {
		panic(err)
	}
	if os.Getenv("MONGODB_LOG_COMMAND") == "" {
		options.LogLevels.Command = slog.LevelDebug
	}
	client, err := mgx.New(options)
	if err != nil {
		panic(err)
	}
	defer client.Close(context.Background())
}
