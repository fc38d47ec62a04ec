package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const dropHelp = `
Drop drops a collection or view, with all its documents and indexes, or a database
with all its collections. It tells what that is, and asks first; --yes does not ask.
Where there is nobody to ask, because the input is no terminal, it wants --yes.

A name alone is a database's, whatever the connection string has. Where it may be
meant as a collection of the connection string's database, nothing is dropped.
`

func (a *app) drop() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "drop [URI] DATABASE[.COLLECTION]",
		Short:   "Drop a collection or a database",
		Long:    help(dropHelp),
		Example: "  mgx drop shop.orders\n  mgx drop mongodb://localhost:27018/ shop --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, args := takeURI(args)
			if len(args) != 1 {
				return usageError{errors.New("drop what? give one database, or one collection as database.collection")}
			}
			database, collection, isCollection := strings.Cut(args[0], ".")
			if database == "" || isCollection && collection == "" {
				return usageError{fmt.Errorf("%q is neither the name of a database nor of a collection", args[0])}
			}
			if !yes && !a.interactive() {
				return usageError{fmt.Errorf("nothing was dropped: the input is no terminal, so nobody can be asked; --yes drops %s without asking", args[0])}
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				db := client.Database(database)
				if isCollection {
					return a.dropCollection(cmd.Context(), db.Collection(collection), yes)
				}
				if err := notMeantAsCollection(cmd.Context(), client, uri, database); err != nil {
					return err
				}
				return a.dropDatabase(cmd.Context(), db, yes)
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// notMeantAsCollection refuses a name that other commands would take for a collection
// of the connection string's database, where there is such a one.
func notMeantAsCollection(ctx context.Context, client *mgx.Client, uri, name string) error {
	options, err := mgx.ParseURI(uri)
	if err != nil || options.Database == "" {
		return err
	}
	names, err := client.Database(options.Database).ListCollectionNames(ctx, bson.D{{Key: "name", Value: name}})
	if err == nil && len(names) > 0 {
		err = usageError{fmt.Errorf("nothing was dropped: %s may be the database, or the collection %s.%s; write the latter so, "+
			"and for the former leave the database out of the connection string", name, options.Database, name)}
	}
	return err
}

// interactive reports whether there is somebody to ask.
func (a *app) interactive() bool { return a.asks || screen.IsTerminal(a.In) }

func (a *app) dropCollection(ctx context.Context, c *mgx.Collection, yes bool) error {
	db := c.Database()
	specs, err := mgx.Collect[bson.Raw](db.ListCollections(ctx, bson.D{{Key: "name", Value: c.Name()}}))
	if err != nil {
		return err
	}
	if len(specs) == 0 {
		return fmt.Errorf("there is no collection %s", c.Namespace())
	}
	what := "the view " + c.Namespace()
	if text(specs[0], "type") != "view" {
		n, err := c.EstimatedDocumentCount(ctx)
		if err != nil {
			return err
		}
		what = fmt.Sprintf("the collection %s with %s", c.Namespace(), screen.Count(int(n), "document", "documents"))
	}
	if err := a.confirm(ctx, what, db.Client(), yes); err != nil {
		return err
	}
	if err := c.Drop(ctx); err != nil {
		return err
	}
	return a.say("%s dropped", what)
}

func (a *app) dropDatabase(ctx context.Context, db *mgx.Database, yes bool) error {
	names, err := db.ListCollectionNames(ctx, nil)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no database %s", db.Name())
	}
	what := fmt.Sprintf("the database %s with %s", db.Name(), screen.Count(len(names), "collection", "collections"))
	if !yes {
		a.tell("%s has %s", db.Name(), some(names))
	}
	if err := a.confirm(ctx, what, db.Client(), yes); err != nil {
		return err
	}
	if err := db.Drop(ctx); err != nil {
		return err
	}
	return a.say("%s dropped", what)
}

// some lists names, if there are not too many.
func some(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

var errNotConfirmed = errors.New("nothing was dropped")

// confirm asks whether to drop something.
func (a *app) confirm(ctx context.Context, what string, client *mgx.Client, yes bool) error {
	if yes {
		return nil
	}
	_, _ = fmt.Fprintf(a.Err, "Drop %s on %s? [y/N] ", a.style(a.Err).Warn(what), client.Host())
	answer, err := bufio.NewReader(&interruptible{ctx: ctx, r: a.In}).ReadString('\n')
	if ctx.Err() != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}
