// Command bench measures mgx beside the official driver, in one run.
//
//	go run ./bench                 clients: mgx, the official driver, a bare socket
//	go run ./bench bson            BSON: encoding and decoding
//	go run ./bench copy            copying a database between two servers
//
// Each command explains its flags with -h. All but copy read the documents of
// the standard driver benchmarks; see MGX_BENCHDATA in package benchdata.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mgxdb/mgx/bench/internal/clientbench"
)

// command is one set of measurements.
type command struct {
	name, summary string
	run           func(args []string, out io.Writer) error
}

var commands = []command{
	{"client", "run operations with mgx, the official driver and a bare socket (default)", runClient},
	{"bson", "encode and decode BSON with mgx and with the official package", runBSON},
	{"copy", "copy a database with mgx copy and with the official driver's loop", runCopy},
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return runClient(args, out)
	}
	if args[0] == clientbench.ServerCommand || args[0] == clientbench.EmbeddedCommand {
		return runServer(args, out)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(args[1:], out)
		}
	}
	return fmt.Errorf("there is no command %q; %s", args[0], usage())
}

func usage() string {
	s := "say what to measure:"
	for _, c := range commands {
		s += fmt.Sprintf("\n  bench %-8s %s", c.name, c.summary)
	}
	return s
}
