package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/archive"
	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
	"github.com/mgxdb/mgx/internal/transfer"
)

const restoreHelp = `
Restore reads a dump, of "mgx dump" or mongodump, and makes its collections, documents,
indexes and views on a server: of all databases in the folder, or of the one that
--from names. A folder of one database's files will do, too. --to, or a database in
the connection string, gives the database another name. The default folder is dump.

In the place of a folder may be an archive ("mongodump --archive", with --gzip or
not), or - for one on the standard input; what is no plain file is kept in a temporary
one. Or a single file of documents, like orders.bson, with the metadata beside it.

Where the target has one of the collections already, nothing is restored; --drop
replaces such collections, --merge adds to them: documents whose _id or other unique
key is there already stay as they are, and are counted. With --drop, a file is read
to its end before anything is dropped, and nothing is where there is no file of
documents.

A file that is damaged is restored up to there, and restore says at which byte that
is. Counts are compared in the end. What a dump has beside collections is told of and
left out: users, roles, an oplog. An empty timestamp at the top level of a document
becomes the time of the restoring: servers do that to documents that are inserted.
`

const restoreExample = `  mgx restore
  mgx restore mongodb://localhost:27018/ backup --from shop --to shop_test
  mgx restore mongodb://localhost/ backup --collections orders --drop
  mgx restore mongodb://localhost/ shop.archive.gz
  mgx restore mongodb://localhost/shop old/orders.bson`

type restoreFlags struct {
	moveFlags
	targetFlags
	from, to string
}

func (r *restoreFlags) addAll(f *pflag.FlagSet) {
	r.moveFlags.add(f)
	r.targetFlags.add(f)
	f.StringVar(&r.from, "from", "", "only the database of this `name`")
	f.StringVar(&r.to, "to", "", "another `name` for the database")
}

func (a *app) restore() *cobra.Command {
	var flags restoreFlags
	cmd := &cobra.Command{
		Use:     "restore [URI] [FOLDER|FILE]",
		Short:   "Bring a dump back",
		Long:    help(restoreHelp),
		Example: restoreExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, args := takeURI(args)
			dir := "dump"
			if len(args) > 0 {
				dir, args = args[0], args[1:]
			}
			options, err := mgx.ParseURI(uri)
			if err != nil {
				return usageError{err}
			}
			flags.to = cmp.Or(flags.to, options.Database)
			if err := cmp.Or(noMore(args), flags.moveFlags.check(), flags.targetFlags.check()); err != nil {
				return err
			}
			return a.restoreDump(cmd.Context(), uri, dir, &flags)
		},
	}
	flags.addAll(cmd.Flags())
	return cmd
}

func (a *app) restoreDump(ctx context.Context, uri, path string, flags *restoreFlags) (err error) {
	dump, done, err := a.openDump(ctx, path)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil {
		return err
	}
	databases, err := a.chooseDump(path, &dump, flags)
	if err != nil {
		return err
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		return a.runRestore(ctx, client, path, databases, flags)
	})
}

// openDump reads what there is in a folder, an archive, or a file of documents.
func (a *app) openDump(ctx context.Context, path string) (dump dumpdir.Dump, done func() error, err error) {
	done = func() error { return nil }
	in := io.Reader(&interruptible{ctx: ctx, r: a.In})
	if path != "-" {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return dump, done, err
		case info.IsDir():
			dump, err = dumpdir.ReadDir(path)
			return dump, done, err
		case !info.Mode().IsRegular():
			return dump, done, fmt.Errorf("%s is neither a folder nor a file; an archive may come through the standard input: -", path)
		}
		f, err := os.Open(path)
		if err != nil {
			return dump, done, err
		}
		done = f.Close
		begin := make([]byte, 4)
		n, _ := io.ReadFull(f, begin)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return dump, done, err
		}
		if !archive.Is(begin[:n]) || strings.HasSuffix(path, ".bson.gz") {
			dump, err = dumpdir.ReadFile(path)
			return dump, done, err
		}
		in = f
	}
	all, err := archive.Open(in, path)
	if err != nil {
		return dump, done, err
	}
	if all.Damage != nil {
		a.tell("%s %s: %v", a.style(a.Err).Warn("warning:"), path, all.Damage)
	}
	dump = dumpdir.Dump{Databases: all.Databases, Left: all.Left}
	if len(dump.Databases) == 0 {
		err = fmt.Errorf("%s has no collections", path)
	}
	closeFile := done
	return dump, func() error { return errors.Join(all.Close(), closeFile()) }, err
}

// chooseDump takes what is asked for of a dump, and tells what is left out of it.
func (a *app) chooseDump(dir string, dump *dumpdir.Dump, flags *restoreFlags) ([]dumpdir.Database, error) {
	all := dump.Databases
	var names []string
	for _, db := range all {
		names = append(names, db.Name)
	}
	chosen := all
	if flags.from != "" {
		chosen = slices.DeleteFunc(slices.Clone(all), func(db dumpdir.Database) bool { return db.Name != flags.from })
		if len(chosen) == 0 {
			return nil, fmt.Errorf("%s has no database %s, but %s", dir, flags.from, some(names))
		}
	}
	if flags.to != "" && len(chosen) > 1 {
		return nil, usageError{fmt.Errorf("%s has several databases, which cannot all be restored into %s; choose one with --from: %s", dir, flags.to, some(names))}
	}
	a.tellLeft(dump.Left)
	for _, db := range chosen {
		a.tellLeft(db.Left)
		for _, c := range db.List {
			if lacks := lacking(&c); lacks != "" && flags.wants(c.Name) {
				a.tell("%s %s.%s: there is no file of its %s", a.style(a.Err).Warn("warning:"), db.Name, c.Name, lacks)
			}
		}
	}
	return chosen, nil
}

// tellLeft says what of a dump is not restored.
func (a *app) tellLeft(left []dumpdir.Left) {
	for _, l := range left {
		text := l.Path
		if l.Why != "" {
			text += ": " + l.Why
		}
		a.tell("%s %s", a.style(a.Err).Warn("left out:"), text)
	}
}

// lacking is what a dump has no file of for a collection.
func lacking(c *dumpdir.Collection) string {
	switch {
	case c.Err != nil: // which says so
		return ""
	case !c.Metadata.Here():
		return "options and indexes, so it gets none"
	case c.Documents == "" && !c.Metadata.View():
		return "documents"
	}
	return ""
}

func (a *app) runRestore(ctx context.Context, client *mgx.Client, dir string, databases []dumpdir.Database, flags *restoreFlags) error {
	m := a.newMover("restored", &flags.moveFlags)
	m.options.Drop, m.options.Merge = flags.drop, flags.merge
	t := transfer.New(m.options)
	for i := range databases {
		from := &databases[i]
		name := cmp.Or(flags.to, from.Name)
		to := transfer.ServerDatabase{Database: transfer.Handle(client.Database(name))}
		if _, err := t.Add(ctx, from, &to, name+"."); err != nil {
			return m.explain(err)
		}
	}
	what := dir
	if len(databases) == 1 {
		what += " into " + cmp.Or(flags.to, databases[0].Name)
	}
	return m.move(ctx, t, what)
}
