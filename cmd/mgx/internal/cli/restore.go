package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/cmd/mgx/internal/dumpdir"
	"github.com/mgxdb/mgx/cmd/mgx/internal/progress"
	"github.com/mgxdb/mgx/internal/catalog"
)

const restoreHelp = `
Restore reads a dump, of "mgx dump" or mongodump, and makes its collections, documents,
indexes and views on a server: of all databases in the folder, or of the one that
--from names. A folder of one database's files will do, too. --to, or a database in
the connection string, gives the database another name. The default folder is dump.

Where the target has one of the collections already, nothing is restored; --drop
replaces such collections, --merge adds to them. With --drop, a file is read to its
end before anything is dropped, and nothing is where there is no file of documents.

A file that is damaged is restored up to there, and restore says at which byte that
is. Counts are compared in the end. What a dump has beside collections is told of and
left out: users, roles, an oplog. An empty timestamp at the top level of a document
becomes the time of the restoring: servers do that to documents that are inserted.
`

const restoreExample = `  mgx restore
  mgx restore mongodb://localhost:27018/ backup --from shop --to shop_test
  mgx restore mongodb://localhost/ backup --collections orders --drop`

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
		Use:     "restore [URI] [FOLDER]",
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
			databases, err := a.chooseDump(dir, &flags)
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				return a.runRestore(cmd.Context(), client, dir, databases, &flags)
			})
		},
	}
	flags.addAll(cmd.Flags())
	return cmd
}

// chooseDump reads what there is in a folder, and tells what is left out of it.
func (a *app) chooseDump(dir string, flags *restoreFlags) ([]dumpdir.Database, error) {
	all, err := dumpdir.ReadDir(dir)
	if err != nil {
		return nil, err
	}
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
	for _, db := range chosen {
		for _, path := range db.Left {
			a.tell("%s %s", a.style(a.Err).Warn("left out:"), path)
		}
		for _, c := range db.Collections {
			if lacks := lacking(&c); lacks != "" && flags.wants(c.Name) {
				a.tell("%s %s.%s: there is no file of its %s", a.style(a.Err).Warn("warning:"), db.Name, c.Name, lacks)
			}
		}
	}
	return chosen, nil
}

// lacking is what a dump has no file of for a collection.
func lacking(c *dumpdir.Collection) string {
	switch {
	case !c.Metadata.Here():
		return "options and indexes, so it gets none"
	case c.Documents == "" && !c.Metadata.View():
		return "documents"
	}
	return ""
}

// restoreTask is a collection to restore.
type restoreTask struct {
	db       *mgx.Database
	from     dumpdir.Collection
	existing bool
}

func (a *app) runRestore(ctx context.Context, client *mgx.Client, dir string, databases []dumpdir.Database, flags *restoreFlags) error {
	began := time.Now()
	var tasks []restoreTask
	for _, from := range databases {
		name := cmp.Or(flags.to, from.Name)
		// What was just written is counted, so not on a secondary.
		db := client.Database(name, mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Primary}))
		more, err := restoreTasks(ctx, db, from, flags)
		if err != nil {
			return err
		}
		tasks = append(tasks, more...)
	}
	if err := flags.missing(len(tasks), func(name string) bool {
		return slices.ContainsFunc(tasks, func(t restoreTask) bool { return t.from.Name == name })
	}); err != nil {
		return err
	}
	// Views come last, since servers check what they are on.
	slices.SortStableFunc(tasks, func(a, b restoreTask) int {
		return cmp.Compare(order(a.from.Metadata.View()), order(b.from.Metadata.View()))
	})
	m := a.newMover("restored", flags.quiet)
	list := make([]mgx.CopiedCollection, len(tasks))
	views := 0
	for i, t := range tasks {
		list[i] = mgx.CopiedCollection{Name: t.db.Name() + "." + t.from.Name, View: t.from.Metadata.View()}
		views += order(list[i].View)
	}
	first := len(list) - views
	restore := func(offset int) func(c *mgx.CopiedCollection, i int) error {
		return func(c *mgx.CopiedCollection, i int) error {
			one := restoring{mover: m, restoreTask: tasks[offset+i], out: c, flags: flags}
			return one.run(ctx)
		}
	}
	err := cmp.Or(
		m.each(ctx, flags.parallel, list[:first], restore(0)),
		m.each(ctx, 1, list[first:], restore(first)))
	what := dir
	if len(databases) == 1 {
		what += " into " + cmp.Or(flags.to, databases[0].Name)
	}
	return m.summary(ctx, what, total(list, began), err)
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// restoreTasks lists what to restore into a database, and refuses to overwrite.
func restoreTasks(ctx context.Context, db *mgx.Database, from dumpdir.Database, flags *restoreFlags) (tasks []restoreTask, err error) {
	existing, err := mgx.Collect[catalog.Collection](db.ListCollections(ctx, nil))
	if err != nil {
		return nil, err
	}
	for _, c := range from.Collections {
		if !flags.wants(c.Name) {
			continue
		}
		at := slices.IndexFunc(existing, func(e catalog.Collection) bool { return e.Name == c.Name })
		t := restoreTask{db: db, from: c, existing: at >= 0}
		switch {
		case !t.existing || flags.drop:
		case !flags.merge:
			return nil, fmt.Errorf("%s has a collection %q already; nothing was restored\n--drop replaces collections that are restored, --merge adds to them", db.Name(), c.Name)
		case existing[at].View() != c.Metadata.View():
			return nil, fmt.Errorf("of %q, one of dump and target is a view and the other a collection, which cannot be merged; nothing was restored", c.Name)
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// restoring is one collection on its way.
type restoring struct {
	*mover
	restoreTask
	out   *mgx.CopiedCollection
	flags *restoreFlags

	before int64 // documents that the target had
	read   int64 // bytes of the file
	began  time.Time
	shown  time.Time
}

func (r *restoring) run(ctx context.Context) error {
	r.began = time.Now()
	buckets := strings.HasPrefix(filepath.Base(r.from.Documents), dumpdir.Buckets(""))
	if buckets && !r.from.Metadata.TimeSeries() {
		return fmt.Errorf("%s has the measurements of a time series, but there are no metadata that say which", r.from.Documents)
	}
	if err := r.create(ctx); err != nil {
		return err
	}
	if r.from.Metadata.View() {
		return nil
	}
	c := r.db.Collection(r.from.Name)
	if buckets {
		c = r.db.Collection(dumpdir.Buckets(r.from.Name))
	}
	if r.from.Documents != "" {
		if err := r.documents(ctx, c); err != nil {
			return err
		}
	}
	n, err := c.CountDocuments(ctx, nil)
	if err != nil {
		return err
	}
	if want := r.before + r.out.Documents; n != want {
		return fmt.Errorf("verification: it should have %d documents, and has %d", want, n)
	}
	return r.indexes(ctx)
}

// create makes the collection, and drops one of its name if it has to.
func (r *restoring) create(ctx context.Context) (err error) {
	c := r.db.Collection(r.from.Name)
	switch {
	case r.existing && r.flags.merge:
		if !r.from.Metadata.View() {
			r.before, err = c.CountDocuments(ctx, nil)
		}
		return err
	case r.existing:
		// A file that is damaged must not cost what is there.
		if err := r.check(ctx); err != nil {
			return fmt.Errorf("nothing was dropped: %w", err)
		}
		r.out.Begun = true
		if err := c.Drop(ctx); err != nil {
			return err
		}
	}
	spec := catalog.Collection{Name: r.from.Name, Options: r.from.Metadata.Options}
	command, at := bsonwire.Begin(nil)
	command = bsonwire.End(spec.AppendCreate(command), at)
	if err := r.db.RunCommand(ctx, bson.Raw(command)).Err(); err != nil {
		return err
	}
	r.out.Begun = true
	return nil
}

// check reads the file to its end.
func (r *restoring) check(ctx context.Context) error {
	if r.from.Documents == "" {
		if r.from.Metadata.View() {
			return nil
		}
		return errors.New("the dump has no file of its documents")
	}
	return r.each(ctx, nil, func([]byte) error { return nil })
}

// each calls f with the documents of the file, whose bytes are used again.
func (r *restoring) each(ctx context.Context, count func(n int), f func(doc []byte) error) (err error) {
	in, err := dumpdir.Open(r.from.Documents, count)
	if err != nil {
		return fmt.Errorf("%s: %w", r.from.Documents, err)
	}
	defer func() { _ = in.Close() }() // only read
	var doc []byte
	for {
		doc, err = in.Next(doc[:0])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", r.from.Documents, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := f(doc); err != nil {
			return err
		}
	}
}

// A batch is as much as makes a message worth it.
const (
	restoreBatchDocuments = 2000
	restoreBatchBytes     = 8 << 20
)

func (r *restoring) documents(ctx context.Context, c *mgx.Collection) error {
	var options []mgx.InsertManyOption
	if _, err := r.from.Metadata.Options.LookupErr("validator"); err == nil || r.from.Metadata.TimeSeries() {
		// They were there, whatever the validator says of them.
		options = append(options, mgx.BypassDocumentValidation(true))
	}
	var docs []bson.Raw
	size := 0
	flush := func() error {
		if len(docs) == 0 {
			return nil
		}
		res, err := c.InsertMany(ctx, docs, options...)
		r.out.Documents += res.InsertedCount
		for _, d := range docs[:min(int(res.InsertedCount), len(docs))] {
			r.out.Bytes += int64(len(d))
		}
		r.out.Begun = r.out.Begun || res.InsertedCount > 0
		docs, size = docs[:0], 0
		r.report("")
		return err
	}
	err := r.each(ctx, func(n int) { r.read += int64(n) }, func(doc []byte) error {
		docs = append(docs, slices.Clone(doc))
		if size += len(doc); size < restoreBatchBytes && len(docs) < restoreBatchDocuments {
			return nil
		}
		return flush()
	})
	var damaged *dumpdir.DamagedError
	if err == nil || errors.As(err, &damaged) {
		err = errors.Join(err, flush())
	}
	return err
}

func (r *restoring) report(stage string) {
	if now := time.Now(); stage != "" || now.Sub(r.shown) > progress.Interval {
		r.shown = now
		r.show.Set(r.out.Name, progress.State{Done: r.read, Total: r.from.Size, Text: amount(r.out.Documents, 0, r.out.Bytes) + stage})
	}
}

func (r *restoring) indexes(ctx context.Context) error {
	spec := catalog.Collection{Name: r.from.Name, Options: r.from.Metadata.Options}
	command, at := bsonwire.Begin(nil)
	command = bsonwire.AppendString(command, "createIndexes", r.from.Name)
	command, n := spec.AppendIndexes(command, "indexes", r.from.Metadata.Indexes)
	if n == 0 {
		return nil
	}
	r.report(", building indexes")
	if err := r.db.RunCommand(ctx, bson.Raw(bsonwire.End(command, at))).Err(); err != nil {
		return fmt.Errorf("indexes: %w", err)
	}
	r.out.Indexes = n
	return nil
}
