// Command mgx works with MongoDB servers from the command line, and brings one
// along for development. Run "mgx help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mgxdb/mgx/cmd/mgx/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	// A reader that goes away (mgx find … | head) is an error of writing, not the
	// process's death, so that cursors and connections are still closed.
	signal.Ignore(syscall.SIGPIPE)

	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP) // the terminal is closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	return cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
