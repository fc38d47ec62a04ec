// Package cli is the command line of mgx: its commands, flags and texts.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// app is what the commands share.
type app struct {
	Streams
	colors  string
	started bool // the command line was understood
	asks    bool // somebody answers questions, though the input is no terminal
}

// Run runs one command line, without the program's name, and returns its exit
// status. The context is cancelled to interrupt it.
func Run(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams}
	return a.execute(ctx, args)
}

func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = usageError{err}
	}
	status := exitStatus(ctx, err)
	var done told
	if status != exitOK && !errors.Is(err, errPartly) && !errors.As(err, &done) {
		a.report(cmd, err, status)
	}
	return status
}

func (a *app) report(cmd *cobra.Command, err error, status int) {
	style := a.style(a.Err)
	if status == exitInterrupted {
		var unsure unsureError
		if errors.As(err, &unsure) {
			a.tell("%s", unsure.writes)
		}
		a.tell("%s", style.Warn("mgx: interrupted"))
		return
	}
	a.tell("%s %v", style.Bad("mgx:"), err)
	if status == exitUsage {
		a.tell("Run %q for how to use it.", cmd.CommandPath()+" --help")
	}
}

// tell writes a message. That one cannot be written is no reason to stop.
func (a *app) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Err, format+"\n", args...)
}

func (a *app) style(w io.Writer) screen.Style {
	return screen.Colors(a.colors).NewStyle(w, os.Getenv)
}

const rootHelp = `mgx works with MongoDB servers from the command line: standalone servers,
replica sets and sharded clusters. It brings a server along, so that it can be
tried with nothing installed:

  mgx demo

A URI is a MongoDB connection string, like mongodb://localhost:27017/. Where it is
left out, $MGX_URI is used, or else mongodb://localhost:27017/. Put a URI with a
password into $MGX_URI: others on the machine can see command lines.

Commands wait for the server's word on what they write, also where the URI says w=0.

A collection is given as database.collection, or by its name alone where the URI
names its database. Behind "--", arguments may begin with a minus.

`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "mgx",
		Short:         "A MongoDB client for the command line",
		Version:       toolVersion(),
		Long:          rootHelp + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := checkURIs(cmd.Name(), args); err != nil {
				return err
			}
			if !slices.Contains([]screen.Colors{screen.Auto, screen.Always, screen.Never}, screen.Colors(a.colors)) {
				return fmt.Errorf("--color is %q; it can be auto, always or never", a.colors)
			}
			a.started = true
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().StringVar(&a.colors, "color", string(screen.Auto), "colour messages: `when` is auto, always or never")
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown shorthand flag") {
			return fmt.Errorf("%w (arguments that begin with a minus go behind --)", err)
		}
		return err
	})
	root.SetVersionTemplate("mgx {{.Version}}\n")

	root.AddGroup(&cobra.Group{ID: "try", Title: "Without a server at hand:"}, &cobra.Group{ID: "use", Title: "With a server:"})
	for group, commands := range map[string][]*cobra.Command{
		"try": {a.demo(), a.serve()},
		"use": {a.ping(), a.doctor(), a.info(), a.find(), a.insert()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	a.addCommands(root)
	root.AddCommand(a.version())
	for _, c := range root.Commands() {
		if !strings.Contains(c.Use, "FILE") && !strings.Contains(c.Use, "FOLDER") {
			c.ValidArgsFunction = cobra.NoFileCompletions // shells would offer files
		}
	}
	return root
}

// help makes a command's long help: its text and its examples.
func help(text string) string { return strings.TrimSpace(text) }
