package cli

import (
	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx/cmd/mgx/internal/demo"
)

const demoHelp = `
Demo starts a server in this process, connects to it, and shows the client at work on
a small real data set: it inserts, indexes, queries, updates, aggregates, and tells
how long each step took. It needs no network and leaves nothing behind.
`

func (a *app) demo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Tour the client against a server that it starts",
		Long:  help(demoHelp),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return outputError(demo.New(a.Out, a.style(a.Out)).Run(cmd.Context()))
		},
	}
}
