package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
)

const updateHelp = `
Update changes the first document that matches a filter, or with --many all of them.
The update is a document of operators in Extended JSON, like {"$set":{"qty":3}}, or a
pipeline. --upsert inserts a document where none matches.
`

const updateExample = `  mgx update shop.orders '{"item":"tea"}' '{"$inc":{"qty":1}}'
  mgx update shop.orders '{}' '[{"$set":{"total":{"$multiply":["$qty","$price"]}}}]' --many
  mgx update shop.orders '{"_id":1}' '{"$set":{"lines.$[l].done":true}}' --array-filters '[{"l.qty":{"$lt":5}}]'`

type updateFlags struct {
	many, upsert       bool
	arrayFilters, hint string
}

func (a *app) update() *cobra.Command {
	var flags updateFlags
	cmd := &cobra.Command{
		Use:     "update [URI] DATABASE.COLLECTION FILTER UPDATE",
		Short:   "Change documents that match a filter",
		Long:    help(updateHelp),
		Example: updateExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				return a.prepareUpdate(ctx, rest, flags)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.many, "many", false, "change all documents that match")
	f.BoolVar(&flags.upsert, "upsert", false, "insert a document if none matches")
	f.StringVar(&flags.arrayFilters, "array-filters", "", "which elements $[name] means: a `list` of filters")
	f.StringVar(&flags.hint, "hint", "", hintUsage)
	return cmd
}

const hintUsage = "`index` to use: its name, or its keys as a document"

func (a *app) prepareUpdate(ctx context.Context, rest []string, flags updateFlags) (func(*mgx.Collection) error, error) {
	if len(rest) != 2 {
		return nil, usageError{errors.New("update what, and how? give a filter and an update, each quoted for the shell: '{…}'")}
	}
	filter, err := parseDocument("the filter", rest[0])
	if err != nil {
		return nil, err
	}
	var change any
	if change, err = parseUpdate("the update", rest[1]); err != nil {
		return nil, err
	}
	one, many, err := flags.options()
	if err != nil {
		return nil, err
	}
	return func(c *mgx.Collection) error {
		var res mgx.UpdateResult
		var err error
		if flags.many {
			res, err = c.UpdateMany(ctx, filter, change, many...)
		} else {
			res, err = c.UpdateOne(ctx, filter, change, one...)
		}
		if err != nil {
			return err
		}
		text := screen.Count(int(res.MatchedCount), "document", "documents") + " matched, " + screen.Number(int(res.ModifiedCount)) + " changed"
		if res.UpsertedCount > 0 {
			text += fmt.Sprintf(", inserted one with the _id %v", res.UpsertedID)
		}
		return a.say("%s", text)
	}, nil
}

// options returns the options that the flags stand for, for one document and for many.
func (u *updateFlags) options() (one []mgx.UpdateOption, many []mgx.UpdateManyOption, err error) {
	add := func(o interface {
		mgx.UpdateOption
		mgx.UpdateManyOption
	},
	) {
		one, many = append(one, o), append(many, o)
	}
	if u.upsert {
		add(mgx.Upsert())
	}
	if u.arrayFilters != "" {
		list, err := parseList("--array-filters", u.arrayFilters, "filter")
		if err != nil {
			return nil, nil, err
		}
		filters := make([]any, len(list))
		for i := range list {
			filters[i] = list[i]
		}
		add(mgx.ArrayFilters(filters...))
	}
	if u.hint != "" {
		hint, err := parseHint(u.hint)
		if err != nil {
			return nil, nil, err
		}
		add(mgx.Hint(hint))
	}
	return one, many, nil
}

// parseUpdate reads a document of operators, or a pipeline.
func parseUpdate(what, text string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		return parsePipeline(what, text)
	}
	d, err := parseDocument(what, text)
	if err != nil {
		return nil, err
	}
	if first, err := d.IndexErr(0); err != nil || !strings.HasPrefix(first.Key(), "$") {
		return nil, usageError{fmt.Errorf(`%s has no operators, like {"$set":{"qty":3}}; "mgx bulk" can replace whole documents`, what)}
	}
	return d, nil
}

// parseHint reads an index's name or keys.
func parseHint(text string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseDocument("--hint", text)
	}
	return text, nil
}

const deleteHelp = `
Delete removes the first document that matches a filter, or with --many all of them.
The filter has to be given, even if it is {}.
`

func (a *app) remove() *cobra.Command {
	var many bool
	var hint string
	cmd := &cobra.Command{
		Use:     "delete [URI] DATABASE.COLLECTION FILTER",
		Short:   "Remove documents that match a filter",
		Long:    help(deleteHelp),
		Example: "  mgx delete shop.orders '{\"_id\":7}'\n  mgx delete shop.orders '{\"qty\":0}' --many",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				if len(rest) == 0 {
					return nil, usageError{errors.New("delete which documents? give a filter, quoted for the shell: '{…}'")}
				}
				filter, err := filterIn(rest)
				if err != nil {
					return nil, err
				}
				var options []mgx.DeleteOption
				if hint != "" {
					h, err := parseHint(hint)
					if err != nil {
						return nil, err
					}
					options = append(options, mgx.Hint(h))
				}
				return func(c *mgx.Collection) error { return a.runDelete(ctx, c, filter, many, options) }, nil
			})
		},
	}
	cmd.Flags().BoolVar(&many, "many", false, "remove all documents that match")
	cmd.Flags().StringVar(&hint, "hint", "", hintUsage)
	return cmd
}

func (a *app) runDelete(ctx context.Context, c *mgx.Collection, filter bson.Raw, many bool, options []mgx.DeleteOption) error {
	write := c.DeleteOne
	if many {
		write = c.DeleteMany
	}
	res, err := write(ctx, filter, options...)
	if err != nil {
		return err
	}
	return a.say("%s deleted", screen.Count(int(res.DeletedCount), "document", "documents"))
}

const createIndexHelp = `
Create-index creates an index, unless there is one like it. The keys are names of
fields, each with a minus before it for descending order, or a document in Extended
JSON, like {"place":"2dsphere"}. It returns when the index is built.
`

type indexFlags struct {
	name           string
	unique, sparse bool
	partial        string
	expire         time.Duration
}

func (a *app) createIndex() *cobra.Command {
	var flags indexFlags
	cmd := &cobra.Command{
		Use:     "create-index [URI] DATABASE.COLLECTION KEYS",
		Short:   "Create an index",
		Long:    help(createIndexHelp),
		Example: "  mgx create-index shop.orders -- -qty,item\n  mgx create-index shop.users email --unique\n  mgx create-index shop.sessions seen --expire-after 24h",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				index, err := flags.index(rest, cmd.Flags().Changed("expire-after"))
				return func(c *mgx.Collection) error {
					name, err := c.CreateIndex(ctx, index)
					if err != nil {
						return err
					}
					return a.say("%s", name)
				}, err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.name, "name", "", "`name` of the index (default: made of its keys)")
	f.BoolVar(&flags.unique, "unique", false, "refuse documents with the same keys")
	f.BoolVar(&flags.sparse, "sparse", false, "leave out documents without the fields")
	f.StringVar(&flags.partial, "partial", "", "only documents that match this `filter`")
	f.DurationVar(&flags.expire, "expire-after", 0, "remove documents this `time` after the date in the field")
	return cmd
}

func (f *indexFlags) index(rest []string, expires bool) (index mgx.Index, err error) {
	if len(rest) != 1 {
		return index, usageError{errors.New("an index of what? give the fields, like item,-qty")}
	}
	keys, err := parseFields("KEYS", rest[0], -1)
	if err != nil {
		return index, err
	}
	index = mgx.Index{Keys: keys, Name: f.name, Unique: f.unique, Sparse: f.sparse}
	if f.partial != "" {
		if index.PartialFilter, err = parseDocument("--partial", f.partial); err != nil {
			return index, err
		}
	}
	if expires {
		index.ExpireAfter = &f.expire
	}
	return index, nil
}

func (a *app) dropIndex() *cobra.Command {
	return &cobra.Command{
		Use:     "drop-index [URI] DATABASE.COLLECTION NAME",
		Short:   "Drop an index",
		Long:    `Drop-index drops an index by its name; "mgx indexes" lists the names.`,
		Example: "  mgx drop-index shop.orders item_1_qty_-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.onCollection(ctx, args, func(rest []string) (func(*mgx.Collection) error, error) {
				if len(rest) != 1 || rest[0] == "*" {
					return nil, usageError{errors.New(`drop which index? give the name of one, as "mgx indexes" shows it`)}
				}
				return func(c *mgx.Collection) error {
					if err := c.DropIndex(ctx, rest[0]); err != nil {
						return err
					}
					return a.say("index %s of %s dropped", rest[0], c.Namespace())
				}, nil
			})
		},
	}
}
