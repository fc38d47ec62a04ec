package mongo

import (
	"context"
	"fmt"

	"github.com/mgxdb/mgx"
	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// BulkWrite runs writes of several kinds.
func (c *Collection) BulkWrite(ctx context.Context, models []WriteModel, opts ...options.Lister[options.BulkWriteOptions]) (*BulkWriteResult, error) {
	if len(models) == 0 {
		return nil, fmt.Errorf("invalid models: %w", ErrEmptySlice)
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	writes := make([]mgx.WriteModel, len(models))
	for i, m := range models {
		if m == nil {
			return nil, fmt.Errorf("invalid model at index %d: %w", i, ErrNilDocument)
		}
		if writes[i], err = writeModel(c.codec, m); err != nil {
			return &BulkWriteResult{}, err
		}
	}
	list, err := gather[mgx.BulkOption](c.codec, func(g *gatherer[mgx.BulkOption]) {
		if is(args.BypassDocumentValidation) {
			g.add(mgx.BypassDocumentValidation(true))
		}
		if args.Ordered != nil && !*args.Ordered {
			g.add(mgx.Unordered())
		}
		g.value(args.Comment, func(v any) mgx.BulkOption { return mgx.Comment(v) })
		g.document(args.Let, func(v any) mgx.BulkOption { return mgx.Let(v) })
	})
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	res, err := c.mgx.BulkWrite(ctx, writes, list...)
	to := &BulkWriteResult{
		InsertedCount: res.InsertedCount, MatchedCount: res.MatchedCount, ModifiedCount: res.ModifiedCount,
		DeletedCount: res.DeletedCount, UpsertedCount: res.UpsertedCount, UpsertedIDs: map[int64]any{}, Acknowledged: res.Acknowledged,
	}
	for i, id := range res.UpsertedIDs {
		to.UpsertedIDs[int64(i)] = id
	}
	if err != nil && res.InsertedCount+res.MatchedCount+res.DeletedCount+res.UpsertedCount == 0 {
		to.Acknowledged = false // nothing was
	}
	return to, bulkException(err, models)
}

// statement is a write of a bulk, whichever kind of bulk that is.
type statement struct {
	kind         int
	filter, to   any
	arrayFilters []any
	collation    *options.Collation
	hint, sort   any
	upsert       *bool
}

const (
	insertOne = iota
	deleteOne
	deleteMany
	replaceOne
	updateOne
	updateMany
)

func writeModel(c codec, m WriteModel) (mgx.WriteModel, error) {
	switch m := m.(type) {
	case *official.InsertOneModel:
		return statement{kind: insertOne, to: m.Document}.encode(c)
	case *official.DeleteOneModel:
		return statement{kind: deleteOne, filter: m.Filter, collation: m.Collation, hint: m.Hint}.encode(c)
	case *official.DeleteManyModel:
		return statement{kind: deleteMany, filter: m.Filter, collation: m.Collation, hint: m.Hint}.encode(c)
	case *official.ReplaceOneModel:
		return statement{replaceOne, m.Filter, m.Replacement, nil, m.Collation, m.Hint, m.Sort, m.Upsert}.encode(c)
	case *official.UpdateOneModel:
		return statement{updateOne, m.Filter, m.Update, m.ArrayFilters, m.Collation, m.Hint, m.Sort, m.Upsert}.encode(c)
	case *official.UpdateManyModel:
		return statement{updateMany, m.Filter, m.Update, m.ArrayFilters, m.Collation, m.Hint, nil, m.Upsert}.encode(c)
	}
	return mgx.WriteModel{}, fmt.Errorf("%T is no model of a bulk write", m)
}

func clientWriteModel(c codec, m ClientWriteModel) (mgx.WriteModel, error) {
	switch m := m.(type) {
	case *official.ClientInsertOneModel:
		return statement{kind: insertOne, to: m.Document}.encode(c)
	case *official.ClientDeleteOneModel:
		return statement{kind: deleteOne, filter: m.Filter, collation: m.Collation, hint: m.Hint}.encode(c)
	case *official.ClientDeleteManyModel:
		return statement{kind: deleteMany, filter: m.Filter, collation: m.Collation, hint: m.Hint}.encode(c)
	case *official.ClientReplaceOneModel:
		return statement{replaceOne, m.Filter, m.Replacement, nil, m.Collation, m.Hint, m.Sort, m.Upsert}.encode(c)
	case *official.ClientUpdateOneModel:
		return statement{updateOne, m.Filter, m.Update, m.ArrayFilters, m.Collation, m.Hint, m.Sort, m.Upsert}.encode(c)
	case *official.ClientUpdateManyModel:
		return statement{updateMany, m.Filter, m.Update, m.ArrayFilters, m.Collation, m.Hint, nil, m.Upsert}.encode(c)
	}
	return mgx.WriteModel{}, fmt.Errorf("%T is no model of a client's bulk write", m)
}

func (s statement) encode(c codec) (mgx.WriteModel, error) {
	none := mgx.WriteModel{}
	if s.kind == insertOne {
		doc, _, err := c.insertion(s.to)
		if err != nil {
			return none, err
		}
		return mgx.InsertOneModel(doc), nil
	}
	filter, err := c.document(s.filter)
	if err != nil {
		return none, err
	}
	list := updateOptions{arrayFilters: s.arrayFilters, collation: s.collation, hint: s.hint, upsert: s.upsert}.gather(&c, &err)
	if err != nil {
		return none, err
	}
	if s.sort != nil {
		sort, err := c.ordered("sort", s.sort)
		if err != nil {
			return none, err
		}
		list = append(list, mgx.SortBy(sort))
	}
	var to any
	switch s.kind {
	case deleteOne:
		return mgx.DeleteOneModel(filter, typed[mgx.DeleteModelOption](list)...), nil
	case deleteMany:
		return mgx.DeleteManyModel(filter, typed[mgx.DeleteModelOption](list)...), nil
	case replaceOne:
		to, err = c.replacement(s.to)
	default:
		to, err = c.update(s.to)
	}
	switch {
	case err != nil:
		return none, err
	case s.kind == replaceOne:
		return mgx.ReplaceOneModel(filter, to, typed[mgx.ReplaceModelOption](list)...), nil
	case s.kind == updateOne:
		return mgx.UpdateOneModel(filter, to, typed[mgx.UpdateModelOption](list)...), nil
	}
	return mgx.UpdateManyModel(filter, to, typed[mgx.UpdateManyModelOption](list)...), nil
}

// typed are options as those of an operation.
func typed[O any](list []any) []O {
	out := make([]O, len(list))
	for i, o := range list {
		out[i] = o.(O)
	}
	return out
}
