package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/internal/catalog"
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

// dumpTask is a collection to dump.
type dumpTask struct {
	db   *mgx.Database
	dir  string
	spec catalog.Collection
}

func (a *app) runDump(ctx context.Context, client *mgx.Client, database string, flags *dumpFlags) error {
	began := time.Now()
	names := []string{database}
	if database == "" {
		var err error
		if names, err = client.ListDatabaseNames(ctx, nil); err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == "local" || n == "config" })
	}
	var tasks []dumpTask
	for _, name := range names {
		more, err := dumpTasks(ctx, client.Database(name), flags)
		if errors.Is(err, errNoCollections) && database == "" {
			continue // it may be dropped since it was listed
		}
		if err != nil {
			return err
		}
		tasks = append(tasks, more...)
	}
	if err := flags.missing(len(tasks), func(name string) bool {
		return slices.ContainsFunc(tasks, func(t dumpTask) bool { return t.spec.Name == name })
	}); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := os.MkdirAll(t.dir, 0o700); err != nil {
			return err
		}
	}
	m := a.newMover("dumped", flags.quiet)
	list := make([]mgx.CopiedCollection, len(tasks))
	for i, t := range tasks {
		list[i] = mgx.CopiedCollection{Name: t.db.Name() + "." + t.spec.Name, View: t.spec.View()}
	}
	err := m.each(ctx, flags.parallel, list, func(c *mgx.CopiedCollection, i int) error {
		return m.dump(ctx, tasks[i], c, flags.gzip)
	})
	what := cmp.Or(database, "all databases")
	return m.summary(ctx, fmt.Sprintf("%s in %s", what, flags.dir), total(list, began), err)
}

var errNoCollections = errors.New("it has no collections")

// dumpTasks lists what to dump of a database, and sees that there is a place for it.
func dumpTasks(ctx context.Context, db *mgx.Database, flags *dumpFlags) (tasks []dumpTask, err error) {
	specs, err := mgx.Collect[catalog.Collection](db.ListCollections(ctx, nil))
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		return nil, fmt.Errorf("there is no database %s, or %w", db.Name(), errNoCollections)
	}
	dir := filepath.Join(flags.dir, db.Name())
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s has files already; nothing was dumped; choose another folder with -o, or remove it", dir)
	}
	for _, s := range specs {
		if !catalog.Internal(s.Name) && flags.wants(s.Name) {
			tasks = append(tasks, dumpTask{db: db, dir: dir, spec: s})
		}
	}
	return tasks, nil
}

// dump writes the files of a collection.
func (m *mover) dump(ctx context.Context, t dumpTask, out *mgx.CopiedCollection, gz bool) error {
	meta := dumpdir.Metadata{Options: t.spec.Options, Type: t.spec.Type, CollectionName: t.spec.Name}
	if id := t.spec.Info.UUID.Data; len(id) > 0 {
		meta.UUID = fmt.Sprintf("%x", id)
	}
	if t.spec.View() {
		return meta.Write(t.dir, gz)
	}
	c := t.db.Collection(t.spec.Name)
	var err error
	if meta.Indexes, err = mgx.Collect[bson.Raw](c.ListIndexes(ctx)); err != nil {
		return err
	}
	for _, spec := range meta.Indexes {
		if name, _ := spec.Lookup("name").StringValueOK(); name != "_id_" {
			out.Indexes++
		}
	}
	var expected int64
	if t.spec.TimeSeries() {
		c = t.db.Collection(dumpdir.Buckets(t.spec.Name))
	} else if expected, err = c.EstimatedDocumentCount(ctx); err != nil {
		return err
	}
	path, err := m.dumpDocuments(ctx, c, t, out, expected, gz)
	if err != nil {
		out.Documents, out.Bytes = 0, 0 // what there was is removed
		return err
	}
	// Documents without their metadata would be restored without their indexes.
	if err := meta.Write(t.dir, gz); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (m *mover) dumpDocuments(ctx context.Context, c *mgx.Collection, t dumpTask, out *mgx.CopiedCollection, expected int64, gz bool) (path string, err error) {
	f, err := dumpdir.CreateDocuments(t.dir, t.spec.Name, t.spec.TimeSeries(), gz)
	if err != nil {
		return "", err
	}
	cur := c.Find(ctx, nil, mgx.Prefetch())
	defer func() { _ = cur.Close() }() // its error is Err's
	p := mgx.CopyProgress{Collection: out.Name, Total: expected}
	began := time.Now()
	shown := began
	for cur.Next() {
		doc := cur.Current()
		if _, err := f.Write(doc); err != nil {
			return "", errors.Join(err, f.Abort())
		}
		out.Documents++
		out.Bytes += int64(len(doc))
		if out.Documents%100 == 0 && time.Since(shown) > progress.Interval {
			shown = time.Now()
			p.Documents, p.Bytes, p.Elapsed = out.Documents, out.Bytes, shown.Sub(began)
			m.progress(p)
		}
	}
	if err := cur.Err(); err != nil {
		return "", errors.Join(err, f.Abort())
	}
	return f.Path(), f.Close()
}
