package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/internal/transfer"
)

const copyHelp = `
Copy copies a database to another server, or to another name on its own: collections
with their options, documents and indexes, and views. The documents pass through mgx,
which reads while it writes and compares the counts in the end. Users and roles are
not copied.

Both places are connection strings that name a database, with the credentials to use
there if any; or the bare name of a database on the server in $MGX_URI. In a
connection string, a user is looked up in the database that it names, unless it says
authSource=admin or the like.

Where the target has one of the collections already, nothing is copied; --drop
replaces such collections, --merge adds to them: documents whose _id or other unique
key is there already stay as they are, and are counted. Collections of the target
that the source does not have stay as they are.

What changes in the source during the copy may or may not be in the copy. When a
collection fails, or copy is interrupted, it says of each collection what is there.
An empty timestamp at the top level of a document becomes the time of the copy:
servers do that to documents that are inserted.
`

const copyExample = `  mgx copy mongodb://old:27017/shop mongodb://new:27017/shop
  mgx copy shop shop_backup
  mgx copy shop mongodb://new/shop --collections orders,items --drop
  mgx copy 'mongodb://reader:secret@old/shop?authSource=admin' mongodb://new/shop`

type copyFlags struct {
	moveFlags
	targetFlags
}

func (a *app) copy() *cobra.Command {
	var flags copyFlags
	cmd := &cobra.Command{
		Use:     "copy SOURCE/DATABASE TARGET/DATABASE",
		Short:   "Copy a database to another server or name",
		Long:    help(copyHelp),
		Example: copyExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runCopy(cmd.Context(), args, &flags)
		},
	}
	flags.moveFlags.add(cmd.Flags())
	flags.targetFlags.add(cmd.Flags())
	return cmd
}

func (a *app) runCopy(ctx context.Context, args []string, flags *copyFlags) error {
	if len(args) != 2 {
		return usageError{errors.New("copy from where to where? give two databases, like mongodb://old/shop mongodb://new/shop")}
	}
	from, err := parsePlace("the source", args[0])
	if err != nil {
		return err
	}
	to, err := parsePlace("the target", args[1])
	if err != nil {
		return err
	}
	if from == to {
		return usageError{errors.New("source and target are the same database")}
	}
	if err := errors.Join(flags.moveFlags.check(), flags.targetFlags.check()); err != nil {
		return err
	}
	return a.withClient(ctx, to.uri, func(target *mgx.Client) error {
		if from.uri == to.uri {
			return a.copyBetween(ctx, target, from, target, to, flags)
		}
		return a.withClient(ctx, from.uri, func(source *mgx.Client) error {
			return a.copyBetween(ctx, source, from, target, to, flags)
		})
	})
}

func (a *app) copyBetween(ctx context.Context, source *mgx.Client, from place, target *mgx.Client, to place, flags *copyFlags) error {
	m := a.newMover("copied", &flags.moveFlags)
	m.options.Drop, m.options.Merge = flags.drop, flags.merge
	t := transfer.New(m.options)
	read := transfer.ServerDatabase{Database: transfer.Handle(source.Database(from.database))}
	write := transfer.ServerDatabase{Database: transfer.Handle(target.Database(to.database))}
	if _, err := t.Add(ctx, &read, &write, ""); err != nil {
		return fmt.Errorf("copy database %s: %w", from.database, m.explain(err))
	}
	return m.move(ctx, t, from.database+" to "+to.database)
}
