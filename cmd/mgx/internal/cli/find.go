package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
)

const findHelp = `
Find prints the documents of a collection that match a filter, in Extended JSON, one
a line, so that it can be piped into jq, into "mgx insert", or into a file.

The filter is a document in Extended JSON; without one, all documents match. --sort
takes the names of fields, each with a minus before it for descending order, or a
document in Extended JSON; --project takes the names of fields to show, or with a
minus to leave out, or a document.
`

const findExample = `  mgx find shop.orders
  mgx find mongodb://localhost/ shop.orders '{"qty":{"$gt":1}}' --sort -qty,item --limit 10
  mgx find shop.orders '{"_id":{"$oid":"507f1f77bcf86cd799439011"}}' --project item,-_id
  mgx find shop.orders -o canonical | gzip > orders.jsonl.gz`

type findFlags struct {
	sort, project string
	limit, skip   int64
	batch         int32
	output        output
}

func (a *app) find() *cobra.Command {
	var flags findFlags
	cmd := &cobra.Command{
		Use:     "find [URI] DATABASE.COLLECTION [FILTER]",
		Short:   "Print the documents that match a filter",
		Long:    help(findHelp),
		Example: findExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runFind(cmd.Context(), args, &flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.sort, "sort", "", "`fields` to sort by: -qty,item, or a document")
	f.StringVar(&flags.project, "project", "", "`fields` to show: item,-_id, or a document")
	f.Int64Var(&flags.limit, "limit", 0, "print at most `n` documents (default: all)")
	f.Int64Var(&flags.skip, "skip", 0, "leave out the first `n` documents")
	f.Int32Var(&flags.batch, "batch", 0, "ask for `n` documents at a time (default: as the server likes)")
	f.VarP(&flags.output, "output", "o", outputUsage)
	return cmd
}

func (a *app) runFind(ctx context.Context, args []string, flags *findFlags) error {
	uri, args := takeURI(args)
	database, collection, args, err := takeNamespace(uri, args)
	if err != nil {
		return err
	}
	filter := everything
	if len(args) > 1 {
		return usageError{errors.New("there is more than one filter; quote it for the shell: '…'")}
	}
	if len(args) == 1 {
		if filter, err = parseDocument("the filter", args[0]); err != nil {
			return err
		}
	}
	options, err := flags.options()
	if err != nil {
		return err
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		cur := client.Database(database).Collection(collection).Find(ctx, filter, options...)
		return a.print(cur, flags.output.canonical)
	})
}

func (f *findFlags) options() ([]mgx.FindOption, error) {
	var options []mgx.FindOption
	if f.limit < 0 || f.skip < 0 || f.batch < 0 {
		return nil, usageError{errors.New("--limit, --skip and --batch cannot be negative")}
	}
	if f.sort != "" {
		d, err := parseFields("--sort", f.sort, -1)
		if err != nil {
			return nil, err
		}
		options = append(options, mgx.SortBy(d))
	}
	if f.project != "" {
		d, err := parseFields("--project", f.project, 0)
		if err != nil {
			return nil, err
		}
		options = append(options, mgx.Projection(d))
	}
	if f.limit > 0 {
		options = append(options, mgx.Limit(f.limit))
	}
	if f.skip > 0 {
		options = append(options, mgx.Skip(f.skip))
	}
	if f.batch > 0 {
		options = append(options, mgx.BatchSize(f.batch))
	}
	return options, nil
}

// print writes a cursor's documents and closes it, also when nobody reads on.
func (a *app) print(cur *mgx.Cursor, canonical bool) error {
	defer func() { _ = cur.Close() }() // its error is Err's
	out := newDocuments(a.Out, canonical)
	for cur.Next() {
		if err := out.write(cur.Current()); err != nil {
			return err
		}
	}
	return errors.Join(out.flush(), cur.Err())
}
