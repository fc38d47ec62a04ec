package mongo

import (
	"context"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Find returns a cursor over the documents that match the filter.
func (c *Collection) Find(ctx context.Context, filter any, opts ...options.Lister[options.FindOptions]) (*Cursor, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	doc, err := c.codec.document(filter)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.FindOption](c.codec, func(g *gatherer[mgx.FindOption]) {
		for _, o := range queryOptions(g.codec, &g.err, queryArgs(args)) {
			g.add(o.(mgx.FindOption))
		}
		g.document(args.Let, func(v any) mgx.FindOption { return mgx.Let(v) })
		addCursorOptions(g, args)
	})
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	if c.db.client.timeout > 0 {
		list = append(list, mgx.WithTimeoutMode(mgx.Iteration))
	}
	return c.db.client.open(ctx, c.codec, func(ctx context.Context) *mgx.Cursor { return c.mgx.Find(ctx, doc, list...) })
}

func addCursorOptions(g *gatherer[mgx.FindOption], args *options.FindOptions) {
	if args.AllowDiskUse != nil {
		g.add(mgx.AllowDiskUse(*args.AllowDiskUse))
	}
	if args.BatchSize != nil {
		g.add(mgx.BatchSize(*args.BatchSize))
	}
	if args.CursorType != nil {
		switch *args.CursorType {
		case options.Tailable:
			g.add(mgx.WithCursorType(mgx.Tailable))
		case options.TailableAwait:
			g.add(mgx.WithCursorType(mgx.TailableAwait))
		}
	}
	if args.Limit != nil {
		g.add(mgx.Limit(*args.Limit))
	}
	if args.MaxAwaitTime != nil {
		g.add(mgx.MaxAwaitTime(*args.MaxAwaitTime))
	}
	if is(args.NoCursorTimeout) {
		g.add(mgx.NoCursorTimeout())
	}
}

// FindOne returns the first document that matches the filter.
func (c *Collection) FindOne(ctx context.Context, filter any, opts ...options.Lister[options.FindOneOptions]) *SingleResult {
	args, err := merge(opts)
	if err != nil {
		return &SingleResult{err: err}
	}
	doc, err := c.codec.document(filter)
	if err != nil {
		return &SingleResult{err: err}
	}
	list, err := gather[mgx.FindOneOption](c.codec, func(g *gatherer[mgx.FindOneOption]) {
		for _, o := range queryOptions(g.codec, &g.err, oneArgs(args)) {
			g.add(o.(mgx.FindOneOption))
		}
	})
	if err != nil {
		return &SingleResult{err: err}
	}
	if ctx, err = c.context(ctx); err != nil {
		return &SingleResult{err: err}
	}
	return single(c.codec, c.mgx.FindOne(ctx, doc, list...))
}

// query is what Find and FindOne have in common.
type query struct {
	partial, returnKey, showRecordID *bool
	collation                        *options.Collation
	comment, hint, max, min          any
	projection, sort                 any
	skip                             *int64
}

func queryArgs(a *options.FindOptions) query {
	return query{a.AllowPartialResults, a.ReturnKey, a.ShowRecordID, a.Collation, a.Comment, a.Hint, a.Max, a.Min, a.Projection, a.Sort, a.Skip}
}

func oneArgs(a *options.FindOneOptions) query {
	return query{a.AllowPartialResults, a.ReturnKey, a.ShowRecordID, a.Collation, a.Comment, a.Hint, a.Max, a.Min, a.Projection, a.Sort, a.Skip}
}

func queryOptions(c codec, failed *error, q query) []any {
	list, err := gather[any](c, func(g *gatherer[any]) {
		if is(q.partial) {
			g.add(mgx.AllowPartialResults())
		}
		if is(q.returnKey) {
			g.add(mgx.ReturnKey())
		}
		if is(q.showRecordID) {
			g.add(mgx.ShowRecordID())
		}
		if q.collation != nil {
			g.add(mgx.WithCollation(collation(q.collation)))
		}
		g.value(q.comment, func(v any) any { return mgx.Comment(v) })
		g.ordered("hint", q.hint, func(v any) any { return mgx.Hint(v) })
		g.document(q.max, func(v any) any { return mgx.Max(v) })
		g.document(q.min, func(v any) any { return mgx.Min(v) })
		g.document(q.projection, func(v any) any { return mgx.Projection(v) })
		g.ordered("sort", q.sort, func(v any) any { return mgx.SortBy(v) })
		if q.skip != nil {
			g.add(mgx.Skip(*q.skip))
		}
	})
	if *failed == nil {
		*failed = err
	}
	return list
}

// Aggregate runs a pipeline over the collection's documents.
func (c *Collection) Aggregate(ctx context.Context, pipeline any, opts ...options.Lister[options.AggregateOptions]) (*Cursor, error) {
	ctx, err := c.context(ctx)
	if err != nil {
		return nil, err
	}
	return c.db.client.aggregate(ctx, c.codec, pipeline, opts, c.mgx.Aggregate)
}

func (c *Client) aggregate(ctx context.Context, codec codec, pipeline any, opts []options.Lister[options.AggregateOptions], run func(context.Context, any, ...mgx.AggregateOption) *mgx.Cursor) (*Cursor, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	stages, err := codec.pipeline(pipeline)
	if err != nil {
		return nil, err
	}
	list, err := aggregateOptions(codec, args)
	if err != nil {
		return nil, err
	}
	if c.timeout > 0 && !writesOut(stages) {
		list = append(list, mgx.WithTimeoutMode(mgx.Iteration))
	}
	return c.open(ctx, codec, func(lasting context.Context) *mgx.Cursor {
		if writesOut(stages) {
			return run(ctx, stages, list...) // which is all that there is to bound
		}
		return run(lasting, stages, list...)
	})
}

func aggregateOptions(c codec, args *options.AggregateOptions) ([]mgx.AggregateOption, error) {
	return gather[mgx.AggregateOption](c, func(g *gatherer[mgx.AggregateOption]) {
		if args.AllowDiskUse != nil {
			g.add(mgx.AllowDiskUse(*args.AllowDiskUse))
		}
		if args.BatchSize != nil {
			g.add(mgx.BatchSize(*args.BatchSize))
		}
		if is(args.BypassDocumentValidation) {
			g.add(mgx.BypassDocumentValidation(true))
		}
		if args.Collation != nil {
			g.add(mgx.WithCollation(collation(args.Collation)))
		}
		if args.MaxAwaitTime != nil {
			g.add(mgx.MaxAwaitTime(*args.MaxAwaitTime))
		}
		g.value(args.Comment, func(v any) mgx.AggregateOption { return mgx.Comment(v) })
		g.ordered("hint", args.Hint, func(v any) mgx.AggregateOption { return mgx.Hint(v) })
		g.document(args.Let, func(v any) mgx.AggregateOption { return mgx.Let(v) })
	})
}

// CountDocuments counts the documents that match the filter.
func (c *Collection) CountDocuments(ctx context.Context, filter any, opts ...options.Lister[options.CountOptions]) (int64, error) {
	args, err := merge(opts)
	if err != nil {
		return 0, err
	}
	doc, err := c.codec.document(filter)
	if err != nil {
		return 0, err
	}
	list, err := gather[mgx.CountOption](c.codec, func(g *gatherer[mgx.CountOption]) {
		if args.Collation != nil {
			g.add(mgx.WithCollation(collation(args.Collation)))
		}
		g.value(args.Comment, func(v any) mgx.CountOption { return mgx.Comment(v) })
		g.ordered("hint", args.Hint, func(v any) mgx.CountOption { return mgx.Hint(v) })
		if args.Limit != nil {
			g.add(mgx.Limit(*args.Limit))
		}
		if args.Skip != nil {
			g.add(mgx.Skip(*args.Skip))
		}
	})
	if err != nil {
		return 0, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return 0, err
	}
	n, err := c.mgx.CountDocuments(ctx, doc, list...)
	return n, convert(err)
}

// EstimatedDocumentCount returns the number of documents by the collection's metadata.
func (c *Collection) EstimatedDocumentCount(ctx context.Context, opts ...options.Lister[options.EstimatedDocumentCountOptions]) (int64, error) {
	args, err := merge(opts)
	if err != nil {
		return 0, err
	}
	list, err := gather[mgx.EstimatedCountOption](c.codec, func(g *gatherer[mgx.EstimatedCountOption]) {
		g.value(args.Comment, func(v any) mgx.EstimatedCountOption { return mgx.Comment(v) })
	})
	if err != nil {
		return 0, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return 0, err
	}
	n, err := c.mgx.EstimatedDocumentCount(ctx, list...)
	return n, convert(err)
}

// Distinct returns the different values of a field in the documents that match the
// filter.
func (c *Collection) Distinct(ctx context.Context, fieldName string, filter any, opts ...options.Lister[options.DistinctOptions]) *DistinctResult {
	args, err := merge(opts)
	if err != nil {
		return &DistinctResult{err: err}
	}
	doc, err := c.codec.document(filter)
	if err != nil {
		return &DistinctResult{err: err}
	}
	list, err := gather[mgx.DistinctOption](c.codec, func(g *gatherer[mgx.DistinctOption]) {
		if args.Collation != nil {
			g.add(mgx.WithCollation(collation(args.Collation)))
		}
		g.value(args.Comment, func(v any) mgx.DistinctOption { return mgx.Comment(v) })
		g.ordered("hint", args.Hint, func(v any) mgx.DistinctOption { return mgx.Hint(v) })
	})
	if err != nil {
		return &DistinctResult{err: err}
	}
	if ctx, err = c.context(ctx); err != nil {
		return &DistinctResult{err: err}
	}
	values, err := mgx.Distinct[bson.RawValue](ctx, c.mgx, fieldName, doc, list...)
	return distinctValues(c.codec, values, err)
}
