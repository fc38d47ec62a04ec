package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
	"github.com/mgxdb/mgx/internal/transfer"
)

const dumpHelp = `
Dump writes a database, or all databases but local and config, into files, in the
layout of mongodump: for each collection DIR/DATABASE/COLLECTION.bson with its documents and
COLLECTION.metadata.json with its options and indexes; for a view the latter alone.
"mgx restore" and mongorestore read them. Users and roles are not dumped.

A file gets its name when it is complete. What changes in the database meanwhile may
or may not be in the dump. Dump writes into no folder of a database that has files
already.
`

const dumpExample = `  mgx dump shop
  mgx dump mongodb://localhost:27018/shop -o backup --gzip
  mgx dump -o backup-$(date +%F) --exclude sessions`

type dumpFlags struct {
	moveFlags
	dir  string
	gzip bool
}

func (a *app) dump() *cobra.Command {
	var flags dumpFlags
	cmd := &cobra.Command{
		Use:     "dump [URI] [DATABASE]",
		Short:   "Write a database, or all of them, into files",
		Long:    help(dumpHelp),
		Example: dumpExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, args, err := takeDatabase(args)
			if err := cmp.Or(err, noMore(args), flags.check()); err != nil {
				return err
			}
			return a.withClient(cmd.Context(), p.uri, func(client *mgx.Client) error {
				return a.runDump(cmd.Context(), client, p.database, &flags)
			})
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVarP(&flags.dir, "output", "o", "dump", "`folder` to write into; it is made if need be")
	cmd.Flags().BoolVar(&flags.gzip, "gzip", false, "compress the files")
	return cmd
}

func (a *app) runDump(ctx context.Context, client *mgx.Client, database string, flags *dumpFlags) error {
	names := []string{database}
	if database == "" {
		var err error
		if names, err = client.ListDatabaseNames(ctx, nil); err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == "local" || n == "config" })
	}
	m := a.newMover("dumped", &flags.moveFlags)
	t := transfer.New(m.options)
	for _, name := range names {
		from := transfer.ServerDatabase{Database: transfer.Handle(client.Database(name)), Buckets: true}
		to := dumpdir.Target{Dir: filepath.Join(flags.dir, name), Gzip: flags.gzip}
		_, err := t.Add(ctx, &from, &to, name+".")
		var refused *transfer.Refusal
		switch {
		case errors.As(err, &refused) && refused.Kind == transfer.Missing && database == "":
			// It has no collections, or was dropped since it was listed.
		case err != nil:
			return fmt.Errorf("dump database %s: %w", name, err)
		}
	}
	return m.move(ctx, t, fmt.Sprintf("%s in %s", cmp.Or(database, "all databases"), flags.dir))
}
