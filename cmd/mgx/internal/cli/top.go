package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/cmd/mgx/internal/top"
)

const topHelp = `
Top shows what a deployment is doing, again and again until Ctrl-C: its servers with
their round trips, the operations of each second and their mean latencies, cursors,
connections, and the operations in progress with who asked for them. It asks the server
that the read preference of the URI chooses, by serverStatus and $currentOp.

With the address of a program's debug page (package mgxdebug) in the place of the URI, it
shows what the page does: that program's pools, operations and latencies.

In a pipe, it prints once and ends, unless --count says otherwise.
`

const topExample = `  mgx top mongodb://localhost:27017
  mgx top http://localhost:6060/debug/mgx
  mgx top --count 3 --interval 5s > load.txt`

type topFlags struct {
	interval time.Duration
	count    int
}

func (a *app) top() *cobra.Command {
	var flags topFlags
	cmd := &cobra.Command{
		Use:     "top [URI or the address of a debug page]",
		Short:   "Show what a deployment, or a program, is doing",
		Long:    help(topHelp),
		Example: topExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runTop(cmd.Context(), args, &flags)
		},
	}
	cmd.Flags().DurationVarP(&flags.interval, "interval", "i", time.Second, "look after each `duration`")
	cmd.Flags().IntVarP(&flags.count, "count", "n", 0, "end after `n` looks (default: never on a terminal, else 1)")
	return cmd
}

func isPage(arg string) bool {
	return strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://")
}

func (a *app) runTop(ctx context.Context, args []string, flags *topFlags) error {
	if flags.interval < 100*time.Millisecond {
		return usageError{errors.New("--interval must be at least 100ms")}
	}
	source, err := a.topSource(ctx, args)
	if err != nil {
		return err
	}
	return errors.Join(a.showTop(ctx, source, flags), source.Close())
}

func (a *app) topSource(ctx context.Context, args []string) (top.Source, error) {
	if len(args) == 1 && isPage(args[0]) {
		source, err := top.Page(args[0])
		if err != nil {
			return nil, usageError{err}
		}
		return source, nil
	}
	uri, err := onlyURI(args)
	if err != nil {
		return nil, err
	}
	options, err := a.clientOptions(uri)
	if err != nil {
		return nil, err
	}
	options.AppName = top.AppName
	return top.Deployment(ctx, options)
}

// The sequences that lend a terminal's other screen, and give it back.
const (
	lendScreen   = "\x1b[?1049h\x1b[?25l"
	returnScreen = "\x1b[?25h\x1b[?1049l"
	toTop        = "\x1b[H"
	restOfLine   = "\x1b[K"
	restOfScreen = "\x1b[J"
)

func (a *app) showTop(ctx context.Context, source top.Source, flags *topFlags) (err error) {
	live := screen.IsTerminal(a.Out)
	count := flags.count
	if count <= 0 && !live {
		count = 1
	}
	if live {
		if _, err := fmt.Fprint(a.Out, lendScreen); err != nil {
			return outputError(err)
		}
		defer fmt.Fprint(a.Out, returnScreen)
	}
	ticker := time.NewTicker(flags.interval)
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		view, err := source.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C is how it ends
		case err != nil && looks == 1:
			return err
		case err != nil: // it may come back
			view = &top.View{Title: "no answer", Now: time.Now(), Notes: []string{err.Error()}}
		}
		if err := a.drawTop(view, live); err != nil {
			return err
		}
		if looks == count {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *app) drawTop(view *top.View, live bool) error {
	size := top.Size{Columns: 120}
	if live {
		size.Columns, size.Rows = terminalSize(a.Out)
	}
	lines := top.Draw(view, size, a.style(a.Out))
	text := strings.Join(lines, "\n") + "\n\n"
	if live {
		text = toTop + strings.Join(lines, restOfLine+"\n") + restOfLine + restOfScreen
	}
	_, err := fmt.Fprint(a.Out, text)
	return outputError(err)
}

// terminalSize is that of the terminal w, or a usual one.
func terminalSize(w any) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}
