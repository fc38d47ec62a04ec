package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/cmd/mgx/internal/extjson"
)

// everything is the filter that all documents match: the empty document.
var everything = bson.Raw{5, 0, 0, 0, 0}

// filterIn reads a filter off the arguments; without one, all documents match.
func filterIn(rest []string) (filter bson.Raw, err error) {
	switch len(rest) {
	case 0:
		return everything, nil
	case 1:
		return parseDocument("the filter", rest[0])
	}
	return nil, usageError{errors.New("there is more than one filter; quote it for the shell: '…'")}
}

const countHelp = `
Count prints how many documents of a collection match a filter: all of them without
one. --estimate asks for the collection's metadata instead, which is fast, and may be
wrong after a crash and in sharded clusters.
`

func (a *app) count() *cobra.Command {
	var estimate bool
	cmd := &cobra.Command{
		Use:     "count [URI] DATABASE.COLLECTION [FILTER]",
		Short:   "Count documents",
		Long:    help(countHelp),
		Example: "  mgx count shop.orders\n  mgx count shop.orders '{\"qty\":{\"$gt\":1}}'\n  mgx count shop.orders --estimate",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				filter, err := filterIn(rest)
				if err == nil && estimate && len(rest) > 0 {
					err = usageError{errors.New("--estimate cannot have a filter")}
				}
				return func(c *mgx.Collection) error { return a.printCount(ctx, c, filter, estimate) }, err
			})
		},
	}
	cmd.Flags().BoolVar(&estimate, "estimate", false, "ask for the collection's metadata")
	return cmd
}

func (a *app) printCount(ctx context.Context, c *mgx.Collection, filter bson.Raw, estimate bool) (err error) {
	var n int64
	if estimate {
		n, err = c.EstimatedDocumentCount(ctx)
	} else {
		n, err = c.CountDocuments(ctx, filter)
	}
	if err != nil {
		return err
	}
	return a.say("%d", n)
}

const distinctHelp = `
Distinct prints the different values of a field in the documents that match a filter,
in Extended JSON, one a line.
`

func (a *app) distinct() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "distinct [URI] DATABASE.COLLECTION FIELD [FILTER]",
		Short:   "Print the different values of a field",
		Long:    help(distinctHelp),
		Example: "  mgx distinct shop.orders item\n  mgx distinct shop.orders customer.city '{\"qty\":{\"$gt\":1}}'",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				if len(rest) == 0 {
					return nil, usageError{errors.New("the values of which field? give its name")}
				}
				filter, err := filterIn(rest[1:])
				return func(c *mgx.Collection) error { return a.printDistinct(ctx, c, rest[0], filter, out.canonical) }, err
			})
		},
	}
	cmd.Flags().VarP(&out, "output", "o", outputUsage)
	return cmd
}

func (a *app) printDistinct(ctx context.Context, c *mgx.Collection, field string, filter bson.Raw, canonical bool) error {
	values, err := mgx.Distinct[bson.RawValue](ctx, c, field, filter)
	if err != nil {
		return err
	}
	for _, v := range values {
		line, err := valueText(v, canonical)
		if err != nil {
			return err
		}
		if err := a.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// valueText is a value in Extended JSON.
func valueText(v bson.RawValue, canonical bool) (string, error) {
	raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		return "", err
	}
	doc, err := extjson.Marshal(raw, canonical)
	if err != nil {
		return "", err
	}
	var fields struct{ V json.RawMessage }
	err = json.Unmarshal(doc, &fields)
	return string(fields.V), err
}

const aggregateHelp = `
Aggregate runs a pipeline, an array of stages in Extended JSON, on a collection or a
database, and prints what comes out of it, in Extended JSON, one document a line. One
stage needs no array. --explain prints the server's plan instead.
`

const aggregateExample = `  mgx aggregate shop.orders '[{"$match":{"qty":{"$gt":1}}},{"$group":{"_id":"$item","n":{"$sum":"$qty"}}}]'
  mgx aggregate shop.orders '{"$sample":{"size":3}}'
  mgx aggregate admin '{"$currentOp":{"idleCursors":true}}'`

type aggregateFlags struct {
	allowDisk, explain bool
	batch              int32
	output             output
}

func (a *app) aggregate() *cobra.Command {
	var flags aggregateFlags
	cmd := &cobra.Command{
		Use:     "aggregate [URI] DATABASE[.COLLECTION] PIPELINE",
		Short:   "Run an aggregation pipeline",
		Long:    help(aggregateHelp),
		Example: aggregateExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runAggregate(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.allowDisk, "allow-disk-use", false, "let the server write temporary files")
	f.BoolVar(&flags.explain, "explain", false, "print the server's plan")
	f.Int32Var(&flags.batch, "batch", 0, "ask for `n` documents at a time (default: as the server likes)")
	f.VarP(&flags.output, "output", "o", outputUsage)
	return cmd
}

func (a *app) runAggregate(ctx context.Context, args []string, flags aggregateFlags) error {
	uri, args := takeURI(args)
	if len(args) != 2 {
		return usageError{errors.New("aggregate what and how? give database.collection and a pipeline, quoted for the shell: '[…]'")}
	}
	database, collection, _ := strings.Cut(args[0], ".")
	stages, err := parsePipeline("the pipeline", args[1])
	if err != nil {
		return err
	}
	if flags.batch < 0 {
		return usageError{errors.New("--batch cannot be negative")}
	}
	var options []mgx.AggregateOption
	if flags.allowDisk {
		options = append(options, mgx.AllowDiskUse(true))
	}
	if flags.batch > 0 {
		options = append(options, mgx.BatchSize(flags.batch))
	}
	return a.withClient(ctx, uri, func(client *mgx.Client) error {
		db := client.Database(database)
		var cur *mgx.Cursor
		if collection == "" {
			cur = db.Aggregate(ctx, stages, options...)
		} else {
			cur = db.Collection(collection).Aggregate(ctx, stages, options...)
		}
		if !flags.explain {
			return a.print(cur, flags.output.canonical)
		}
		plan, err := cur.Explain("")
		if err != nil {
			return err
		}
		return a.printDocument(plan, flags.output.canonical)
	})
}

// printDocument prints one document for reading.
func (a *app) printDocument(doc bson.Raw, canonical bool) error {
	b, err := indented(doc, canonical)
	if err != nil {
		return err
	}
	_, err = a.Out.Write(b)
	return outputError(err)
}

// parsePipeline reads an array of stages, or one stage.
func parsePipeline(what, text string) ([]bson.Raw, error) {
	return parseList(what, text, "stage")
}

// parseList reads an array in Extended JSON, or one document as an array of one.
func parseList(what, text, element string) ([]bson.Raw, error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "[") {
		one, err := parseDocument(what, text)
		return []bson.Raw{one}, err
	}
	if _, err := parseJSON(what, text); err != nil {
		return nil, err
	}
	// Extended JSON begins with a document.
	d, err := parseDocument(what, `{"v":`+text+`}`)
	if err != nil {
		return nil, err
	}
	elements, err := d.Elements()
	if err != nil || len(elements) != 1 {
		return nil, usageError{fmt.Errorf("%s is no array", what)}
	}
	values, err := elements[0].Value().Array().Values()
	if err != nil {
		return nil, err
	}
	list := make([]bson.Raw, len(values))
	for i, v := range values {
		doc, ok := v.DocumentOK()
		if !ok {
			return nil, usageError{fmt.Errorf("%s: %s %d is no document", what, element, i)}
		}
		list[i] = doc
	}
	return list, nil
}

const runHelp = `
Run runs a command on a database, as it is, and prints the server's reply. See the
server manual, "Database Commands". It succeeds if the server says so; a reply that
tells of failed writes is printed as it is.
`

func (a *app) run() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "run [URI] DATABASE COMMAND",
		Short:   "Run a command",
		Long:    help(runHelp),
		Example: "  mgx run admin '{\"serverStatus\":1}'\n  mgx run shop '{\"collMod\":\"orders\",\"validationLevel\":\"moderate\"}'",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, args := takeURI(args)
			if len(args) != 2 {
				return usageError{errors.New("run what, where? give a database and a command, quoted for the shell: '{…}'")}
			}
			command, err := parseDocument("the command", args[1])
			if err != nil {
				return err
			}
			return a.withClient(cmd.Context(), uri, func(client *mgx.Client) error {
				reply, err := client.Database(args[0]).RunCommand(cmd.Context(), command).Raw()
				if err != nil {
					return err
				}
				return a.printDocument(reply, out.canonical)
			})
		},
	}
	cmd.Flags().VarP(&out, "output", "o", outputUsage)
	return cmd
}
