package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/jsonlines"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const bulkHelp = `
Bulk reads writes in Extended JSON, from files or from the standard input, and runs
them in their order. Each is a document with one of these:

  {"insertOne":  {"document": {…}}}
  {"updateOne":  {"filter": {…}, "update": {"$set": {…}}, "upsert": true}}
  {"updateMany": {"filter": {…}, "update": […], "arrayFilters": […]}}
  {"replaceOne": {"filter": {…}, "replacement": {…}}}
  {"deleteOne":  {"filter": {…}, "hint": "item_1"}}
  {"deleteMany": {"filter": {…}, "collation": {"locale": "de"}}}

Updates, replacements and deletions also take collation and hint, updateOne and
replaceOne a sort.

Bulk ends at the first write that fails, and says in which line it stands and how many
ran before it. With --unordered, the server may run them in any order, and all are
tried. What is no write is found before its batch is sent.
`

const bulkExample = `  mgx bulk shop.orders writes.jsonl
  generate-writes | mgx bulk mongodb://localhost:27018/ shop.orders --unordered`

type bulkFlags struct {
	batch     int
	unordered bool
}

func (a *app) bulk() *cobra.Command {
	var flags bulkFlags
	cmd := &cobra.Command{
		Use:     "bulk [URI] DATABASE.COLLECTION [FILE...]",
		Short:   "Run many writes from files or the standard input",
		Long:    help(bulkHelp),
		Example: bulkExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(files []string) (func(*mgx.Collection) error, error) {
				if flags.batch < 1 {
					return nil, usageError{errors.New("--batch must be at least 1")}
				}
				if _, err := totalSize(a.In, files); err != nil { // finds files that cannot be read
					return nil, err
				}
				return func(c *mgx.Collection) error {
					b := bulkRun{app: a, flags: flags, collection: c, several: len(files) > 1}
					return b.run(ctx, files)
				}, nil
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&flags.batch, "batch", 1000, "send `n` writes at a time")
	f.BoolVar(&flags.unordered, "unordered", false, "let the server run them in any order, and try all")
	return cmd
}

// bulkRun runs the writes of all inputs.
type bulkRun struct {
	app        *app
	flags      bulkFlags
	collection *mgx.Collection
	several    bool

	name   string // of the input
	models []mgx.WriteModel
	lines  []int // of the models
	size   int   // of the models
	total  mgx.BulkWriteResult
	failed int
}

func (b *bulkRun) run(ctx context.Context, files []string) error {
	err := b.app.readInputs(ctx, files, nil, b)
	if errors.Is(err, errStopped) {
		err = nil
	}
	t := &b.total
	text := fmt.Sprintf("%s inserted, %s matched, %s changed, %s upserted, %s deleted",
		screen.Number(int(t.InsertedCount)), screen.Number(int(t.MatchedCount)), screen.Number(int(t.ModifiedCount)),
		screen.Number(int(t.UpsertedCount)), screen.Number(int(t.DeletedCount)))
	if b.failed > 0 {
		text += ", " + b.app.style(b.app.Out).Bad(screen.Count(b.failed, "write", "writes")+" failed")
	}
	if err == nil && b.failed > 0 {
		err = errPartly
	}
	if werr := b.app.say("%s", text); err == nil {
		err = werr
	}
	return err
}

func (b *bulkRun) begin(label string) { b.name = label }

func (b *bulkRun) malformed(ctx context.Context, wrong *jsonlines.Error) error {
	return b.refuse(ctx, wrong.Line, fmt.Errorf("column %d: %s", wrong.Column, wrong.Reason))
}

func (b *bulkRun) add(ctx context.Context, doc jsonlines.Document) error {
	model, err := parseWrite(doc.Raw)
	if err != nil {
		return b.refuse(ctx, doc.Line, err)
	}
	b.models, b.lines = append(b.models, model), append(b.lines, doc.Line)
	if b.size += len(doc.Raw); len(b.models) < b.flags.batch && b.size < maxBatchBytes {
		return nil
	}
	return b.flush(ctx)
}

// refuse reports what is no write. In order, those before it run, and none behind.
func (b *bulkRun) refuse(ctx context.Context, line int, reason error) error {
	if !b.flags.unordered {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	return b.fail(line, reason.Error())
}

// fail reports a write that did not work.
func (b *bulkRun) fail(line int, reason string) error {
	b.failed++
	b.app.tellOfLine(b.name, b.several, line, reason)
	if b.flags.unordered {
		return nil
	}
	return errStopped
}

// flush runs what was gathered.
func (b *bulkRun) flush(ctx context.Context) error {
	models, lines := b.models, b.lines
	b.models, b.lines, b.size = b.models[:0], b.lines[:0], 0
	if len(models) == 0 {
		return nil
	}
	var options []mgx.BulkOption
	if b.flags.unordered {
		options = append(options, mgx.Unordered())
	}
	res, err := b.collection.BulkWrite(ctx, models, options...)
	b.total.InsertedCount += res.InsertedCount
	b.total.MatchedCount += res.MatchedCount
	b.total.ModifiedCount += res.ModifiedCount
	b.total.UpsertedCount += res.UpsertedCount
	b.total.DeletedCount += res.DeletedCount
	var failed *mgx.BulkWriteError
	if err == nil {
		return nil
	}
	if !errors.As(err, &failed) {
		return b.broken(lines, err)
	}
	for _, w := range failed.WriteErrors {
		if w.Index < 0 || w.Index >= len(lines) {
			return fmt.Errorf("the server names write %d of %d: %w", w.Index, len(lines), w)
		}
		if err := b.fail(lines[w.Index], w.Message); err != nil {
			return err
		}
	}
	if failed.Err != nil {
		return b.broken(lines, failed.Err)
	}
	for _, w := range failed.WriteConcernErrors {
		return w // the writes ran, but are not as safe as asked for
	}
	return nil
}

// broken is the error of a batch that did not end.
func (b *bulkRun) broken(lines []int, err error) error {
	return unsure(b.name, lines, "writes may have run", err)
}

// writeFields are the fields of the kinds of writes: those that must be there, and
// those that may.
var writeFields = map[string]struct{ must, may []string }{
	"insertOne":  {[]string{"document"}, nil},
	"updateOne":  {[]string{"filter", "update"}, []string{"upsert", "arrayFilters", "collation", "hint", "sort"}},
	"updateMany": {[]string{"filter", "update"}, []string{"upsert", "arrayFilters", "collation", "hint"}},
	"replaceOne": {[]string{"filter", "replacement"}, []string{"upsert", "collation", "hint", "sort"}},
	"deleteOne":  {[]string{"filter"}, []string{"collation", "hint"}},
	"deleteMany": {[]string{"filter"}, []string{"collation", "hint"}},
}

// writeDocument is what the document of a write holds.
type writeDocument struct {
	Document     bson.Raw `bson:"document"`
	Filter       bson.Raw `bson:"filter"`
	Update       any      `bson:"update"`
	Replacement  bson.Raw `bson:"replacement"`
	Upsert       bool     `bson:"upsert"`
	ArrayFilters []any    `bson:"arrayFilters"`
	Collation    bson.Raw `bson:"collation"`
	Hint         any      `bson:"hint"`
	Sort         bson.Raw `bson:"sort"`
}

// parseWrite reads one write, strictly: what it does not know, somebody meant.
func parseWrite(doc bson.Raw) (m mgx.WriteModel, err error) {
	elements, err := doc.Elements()
	if err != nil {
		return m, err
	}
	if len(elements) != 1 {
		return m, fmt.Errorf("a write has one field, like insertOne, but this has %d", len(elements))
	}
	kind := elements[0].Key()
	fields, known := writeFields[kind]
	body, ok := elements[0].Value().DocumentOK()
	if !known || !ok {
		return m, fmt.Errorf("%q is no write; it can be insertOne, updateOne, updateMany, replaceOne, deleteOne or deleteMany, each with a document", kind)
	}
	if err := checkFields(kind, body, fields.must, fields.may); err != nil {
		return m, err
	}
	var w writeDocument
	if err := bson.Unmarshal(body, &w); err != nil {
		return m, fmt.Errorf("%s: %w", kind, err)
	}
	return w.model(kind), nil
}

func checkFields(kind string, body bson.Raw, must, may []string) error {
	elements, err := body.Elements()
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, e := range elements {
		have[e.Key()] = true
		if _, ok := e.Value().DocumentOK(); !ok && slices.Contains([]string{"document", "filter", "replacement"}, e.Key()) {
			return fmt.Errorf("%s: its %s is no document", kind, e.Key())
		}
	}
	for _, f := range must {
		if !have[f] {
			return fmt.Errorf("%s lacks its %s", kind, f)
		}
		delete(have, f)
	}
	for _, f := range may {
		delete(have, f)
	}
	for f := range have {
		return fmt.Errorf("%s has no %q; it can have %s", kind, f, strings.Join(append(must[:len(must):len(must)], may...), ", "))
	}
	return nil
}

func (w *writeDocument) model(kind string) mgx.WriteModel {
	switch kind {
	case "insertOne":
		return mgx.InsertOneModel(w.Document)
	case "updateOne":
		return mgx.UpdateOneModel(w.Filter, w.Update, options[mgx.UpdateModelOption](w)...)
	case "updateMany":
		return mgx.UpdateManyModel(w.Filter, w.Update, options[mgx.UpdateManyModelOption](w)...)
	case "replaceOne":
		return mgx.ReplaceOneModel(w.Filter, w.Replacement, options[mgx.ReplaceModelOption](w)...)
	case "deleteOne":
		return mgx.DeleteOneModel(w.Filter, options[mgx.DeleteModelOption](w)...)
	}
	return mgx.DeleteManyModel(w.Filter, options[mgx.DeleteModelOption](w)...)
}

// options are those that the write has. checkFields saw to it that its kind has
// them.
func options[T any](w *writeDocument) (list []T) {
	add := func(option any) { list = append(list, option.(T)) }
	if w.Collation != nil {
		add(mgx.WithCollation(w.Collation))
	}
	if w.Hint != nil {
		add(mgx.Hint(w.Hint))
	}
	if w.Upsert {
		add(mgx.Upsert())
	}
	if w.ArrayFilters != nil {
		add(mgx.ArrayFilters(w.ArrayFilters...))
	}
	if w.Sort != nil {
		add(mgx.SortBy(w.Sort))
	}
	return list
}
