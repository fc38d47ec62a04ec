package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/mgxdb/mgx/bson"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

// listFlags say how a list is printed.
type listFlags struct{ names, json bool }

func (l *listFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&l.names, "names", false, "print the names alone, one a line")
	f.BoolVar(&l.json, "json", false, "print what the server says, in Extended JSON, one a line")
}

func (l *listFlags) check() error {
	if l.names && l.json {
		return usageError{errors.New("--names and --json exclude each other")}
	}
	return nil
}

// columns are rows of text, aligned.
type columns struct {
	b bytes.Buffer
	w *tabwriter.Writer
}

func newColumns() *columns {
	c := &columns{}
	c.w = tabwriter.NewWriter(&c.b, 0, 0, 2, ' ', 0)
	return c
}

func (c *columns) row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = c.w.Write([]byte{'\t'}) // into memory
		}
		_, _ = c.w.Write([]byte(cell))
	}
	_, _ = c.w.Write([]byte{'\n'})
}

func (a *app) printColumns(c *columns) error {
	_ = c.w.Flush()
	_, err := a.Out.Write(c.b.Bytes())
	return outputError(err)
}

// printLines prints values in Extended JSON, one a line.
func (a *app) printLines(list []bson.Raw, canonical bool) error {
	out := newDocuments(a.Out, canonical)
	for _, doc := range list {
		if err := out.write(doc); err != nil {
			return err
		}
	}
	return out.flush()
}

const dbsHelp = `
Dbs lists the databases of a server with their sizes on disk: those that the user may
see.
`

func (a *app) dbs() *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "dbs [URI]",
		Short:   "List the databases",
		Long:    help(dbsHelp),
		Example: "  mgx dbs\n  mgx dbs mongodb://localhost:27018/ --names",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := onlyURI(args)
			if err := errors.Join(err, flags.check()); err != nil {
				return err
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				return a.printDatabases(cmd.Context(), client, flags)
			})
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

func (a *app) printDatabases(ctx context.Context, client *mgx.Client, flags listFlags) error {
	list, err := client.ListDatabases(ctx, nil)
	if err != nil {
		return err
	}
	rows := newColumns()
	for _, d := range list {
		switch {
		case flags.names:
			rows.row(screen.Name(d.Name))
		case flags.json:
			line, err := bson.MarshalExtJSON(d, false, false)
			if err != nil {
				return err
			}
			rows.row(string(line))
		default:
			rows.row(screen.Name(d.Name), bytesText(d.SizeOnDisk))
		}
	}
	return a.printColumns(rows)
}

const collectionsHelp = `
Collections lists the collections and views of a database, with their kinds and what
is special about them. --counts adds how many documents they have by their metadata.
`

func (a *app) collections() *cobra.Command {
	var flags listFlags
	var counts bool
	cmd := &cobra.Command{
		Use:     "collections [URI] [DATABASE]",
		Short:   "List the collections and views of a database",
		Long:    help(collectionsHelp),
		Example: "  mgx collections shop\n  mgx collections mongodb://localhost:27018/shop --counts\n  mgx collections shop --json | jq .options.validator",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, args, err := needDatabase(args)
			if err := errors.Join(err, noMore(args), flags.check()); err != nil {
				return err
			}
			return a.withClient(cmd.Context(), p.uri, func(client *mgx.Client) error {
				return a.printCollections(cmd.Context(), client.Database(p.database), flags, counts)
			})
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().BoolVar(&counts, "counts", false, "tell how many documents there are")
	return cmd
}

func (a *app) printCollections(ctx context.Context, db *mgx.Database, flags listFlags, counts bool) error {
	list, err := mgx.Collect[bson.Raw](db.ListCollections(ctx, nil))
	if err != nil {
		return err
	}
	if flags.json {
		return a.printLines(list, false)
	}
	rows := newColumns()
	for _, spec := range list {
		name := text(spec, "name")
		if flags.names {
			rows.row(screen.Name(name))
			continue
		}
		cells := []string{screen.Name(name), text(spec, "type")}
		if counts {
			n := ""
			if text(spec, "type") == "collection" {
				count, err := db.Collection(name).EstimatedDocumentCount(ctx)
				if err != nil {
					return fmt.Errorf("count %s: %w", name, err)
				}
				n = screen.Number(int(count))
			}
			cells = append(cells, n)
		}
		if about := special(spec); about != "" {
			cells = append(cells, about)
		}
		rows.row(cells...)
	}
	return a.printColumns(rows)
}

// special is what a collection's options say, in a few words.
func special(spec bson.Raw) (about string) {
	options, _ := spec.Lookup("options").DocumentOK()
	add := func(text string) {
		if about != "" {
			about += ", "
		}
		about += text
	}
	if on := text(options, "viewOn"); on != "" {
		add("on " + screen.Name(on))
	}
	if flag(options, "capped") {
		add("capped at " + bytesText(number(options, "size")))
	}
	if series, ok := options.Lookup("timeseries").DocumentOK(); ok {
		add("by " + screen.Name(text(series, "timeField")))
	}
	if _, err := options.LookupErr("validator"); err == nil {
		add("validated")
	}
	if collation, ok := options.Lookup("collation").DocumentOK(); ok {
		add("collation " + text(collation, "locale"))
	}
	return about
}

const indexesHelp = `
Indexes lists the indexes of a collection: their names, keys and options. See
"mgx create-index" and "mgx drop-index" for more.
`

func (a *app) indexes() *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "indexes [URI] DATABASE.COLLECTION",
		Short:   "List the indexes of a collection",
		Long:    help(indexesHelp),
		Example: "  mgx indexes shop.orders\n  mgx indexes shop.orders --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onCollection(cmd.Context(), args, func(rest []string) (func(*mgx.Collection) error, error) {
				return func(c *mgx.Collection) error { return a.printIndexes(cmd.Context(), c, flags) }, errors.Join(noMore(rest), flags.check())
			})
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

func (a *app) printIndexes(ctx context.Context, c *mgx.Collection, flags listFlags) error {
	list, err := mgx.Collect[bson.Raw](c.ListIndexes(ctx))
	if err != nil {
		return err
	}
	if flags.json {
		return a.printLines(list, false)
	}
	rows := newColumns()
	for _, spec := range list {
		if flags.names {
			rows.row(screen.Name(text(spec, "name")))
			continue
		}
		var rest bson.D
		if err := bson.Unmarshal(spec, &rest); err != nil {
			return err
		}
		rest = without(rest, "name", "key", "v", "ns")
		key, _ := spec.Lookup("key").DocumentOK()
		line, err := extjson.Marshal(key, false)
		if err != nil {
			return err
		}
		cells := []string{screen.Name(text(spec, "name")), string(line)}
		if len(rest) > 0 {
			options, err := bson.Marshal(rest)
			if err == nil {
				line, err = extjson.Marshal(options, false)
			}
			if err != nil {
				return err
			}
			cells = append(cells, string(line))
		}
		rows.row(cells...)
	}
	return a.printColumns(rows)
}

func without(d bson.D, keys ...string) bson.D {
	var rest bson.D
next:
	for _, e := range d {
		for _, k := range keys {
			if e.Key == k {
				continue next
			}
		}
		rest = append(rest, e)
	}
	return rest
}
