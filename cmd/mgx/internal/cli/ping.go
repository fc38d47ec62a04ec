package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const pingHelp = `
Ping connects to a server, asks it whether it is there, and tells how long the
connection and each answer took.
`

func (a *app) ping() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:     "ping [URI]",
		Short:   "See whether a server answers, and how fast",
		Long:    help(pingHelp),
		Example: "  mgx ping\n  mgx ping mongodb://localhost:27018/ --count 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := onlyURI(args)
			if err != nil {
				return err
			}
			if count < 1 {
				return usageError{errors.New("--count must be at least 1")}
			}
			return a.runPing(cmd.Context(), uri, count)
		},
	}
	cmd.Flags().IntVarP(&count, "count", "n", 3, "ask `n` times")
	return cmd
}

// onlyURI reads the arguments of a command that takes nothing but a URI.
func onlyURI(args []string) (string, error) {
	uri, rest := takeURI(args)
	if len(rest) > 0 {
		return "", usageError{fmt.Errorf("%q is not a connection string; want one like %s", rest[0], defaultURI)}
	}
	return uri, nil
}

func (a *app) runPing(ctx context.Context, uri string, count int) error {
	begin := time.Now()
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		style := a.style(a.Out)
		if _, err := fmt.Fprintf(a.Out, "%s in %s\n", style.Good("connected"), screen.Duration(time.Since(begin))); err != nil {
			return outputError(err)
		}
		for i := range count {
			begin := time.Now()
			if err := client.Ping(ctx); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.Out, "ping %d: %s\n", i+1, screen.Duration(time.Since(begin))); err != nil {
				return outputError(err)
			}
		}
		return nil
	})
}
