package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
)

// addCommands adds the commands that look at data, change it, move it, and look
// after servers.
func (a *app) addCommands(root *cobra.Command) {
	groups := []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"look", "To look at data:", []*cobra.Command{a.dbs(), a.collections(), a.indexes(), a.count(), a.distinct(), a.aggregate(), a.watch()}},
		{"change", "To change data:", []*cobra.Command{a.update(), a.remove(), a.bulk(), a.drop(), a.createIndex(), a.dropIndex()}},
		{"move", "To move databases:", []*cobra.Command{a.copy(), a.dump(), a.restore()}},
		{"program", "To look after a program:", []*cobra.Command{a.migrate()}},
		{"serve", "To look after a server:", []*cobra.Command{a.top(), a.run(), a.fsync(), a.unlock(), a.killCursors()}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
}

// onCollection runs a command on the collection that the arguments name. prepare
// reads the arguments behind it, before anything is connected to.
func (a *app) onCollection(ctx context.Context, args []string, prepare func(rest []string) (func(*mgx.Collection) error, error)) error {
	uri, args := takeURI(args)
	database, collection, args, err := takeNamespace(uri, args)
	if err != nil {
		return err
	}
	f, err := prepare(args)
	if err != nil {
		return err
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		return f(client.Database(database).Collection(collection))
	})
}

// say prints a line of results.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format+"\n", args...)
	return outputError(err)
}
