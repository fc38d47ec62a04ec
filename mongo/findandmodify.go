package mongo

import (
	"context"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// modify is what the FindOneAnd… have in common.
type modify struct {
	updateOptions
	projection, sort any
	returned         *options.ReturnDocument
}

func (m modify) gather(c codec, failed *error) []any {
	list := m.updateOptions.gather(&c, failed)
	more, err := gather[any](c, func(g *gatherer[any]) {
		g.document(m.projection, func(v any) any { return mgx.Projection(v) })
		g.ordered("sort", m.sort, func(v any) any { return mgx.SortBy(v) })
		if m.returned != nil && *m.returned == options.After {
			g.add(mgx.ReturnAfter())
		}
	})
	if *failed == nil {
		*failed = err
	}
	return append(list, more...)
}

// FindOneAndDelete removes the first document that matches the filter, and returns it.
func (c *Collection) FindOneAndDelete(ctx context.Context, filter any, opts ...options.Lister[options.FindOneAndDeleteOptions]) *SingleResult {
	args, err := merge(opts)
	if err != nil {
		return &SingleResult{err: err}
	}
	m := modify{updateOptions{nil, nil, args.Collation, args.Comment, args.Hint, nil, args.Let}, args.Projection, args.Sort, nil}
	run := func(ctx context.Context, filter, _ any, list ...mgx.FindOneAndDeleteOption) *mgx.SingleResult {
		return c.mgx.FindOneAndDelete(ctx, filter, list...)
	}
	return findAndModify(ctx, c, filter, nil, func(any) (any, error) { return nil, nil }, m, run)
}

// FindOneAndReplace replaces the first document that matches the filter, and returns it
// as it was, or is.
func (c *Collection) FindOneAndReplace(ctx context.Context, filter, replacement any, opts ...options.Lister[options.FindOneAndReplaceOptions]) *SingleResult {
	args, err := merge(opts)
	if err != nil {
		return &SingleResult{err: err}
	}
	m := modify{
		updateOptions{nil, args.BypassDocumentValidation, args.Collation, args.Comment, args.Hint, args.Upsert, args.Let},
		args.Projection, args.Sort, args.ReturnDocument,
	}
	return findAndModify(ctx, c, filter, replacement, func(v any) (any, error) { return c.codec.replacement(v) }, m, c.mgx.FindOneAndReplace)
}

// FindOneAndUpdate changes the first document that matches the filter, and returns it as
// it was, or is.
func (c *Collection) FindOneAndUpdate(ctx context.Context, filter, update any, opts ...options.Lister[options.FindOneAndUpdateOptions]) *SingleResult {
	args, err := merge(opts)
	if err != nil {
		return &SingleResult{err: err}
	}
	m := modify{
		updateOptions{args.ArrayFilters, args.BypassDocumentValidation, args.Collation, args.Comment, args.Hint, args.Upsert, args.Let},
		args.Projection, args.Sort, args.ReturnDocument,
	}
	return findAndModify(ctx, c, filter, update, c.codec.update, m, c.mgx.FindOneAndUpdate)
}

func findAndModify[O any](ctx context.Context, c *Collection, filter, to any, encode func(any) (any, error), m modify, run func(context.Context, any, any, ...O) *mgx.SingleResult) *SingleResult {
	doc, err := c.codec.document(filter)
	if err != nil {
		return &SingleResult{err: err}
	}
	encoded, err := encode(to)
	if err != nil {
		return &SingleResult{err: err}
	}
	list := []O{}
	for _, o := range m.gather(c.codec, &err) {
		list = append(list, o.(O))
	}
	if err != nil {
		return &SingleResult{err: err}
	}
	if ctx, err = c.context(ctx); err != nil {
		return &SingleResult{err: err}
	}
	r := single(c.codec, run(ctx, doc, encoded, list...))
	r.Acknowledged = !c.unacked
	if isWriteException(r.err) {
		r.raw = bson.Raw(nil)
	}
	return r
}
