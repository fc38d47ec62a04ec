package mongo

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Collection is a handle of a collection.
type Collection struct {
	db      *Database
	mgx     *mgx.Collection // nil: of a client that is not from Connect
	name    string
	codec   codec
	unacked bool  // writes are not acknowledged
	err     error // of the handle's options: what every operation returns
}

// Unwrap returns mgx's handle.
func (c *Collection) Unwrap() *mgx.Collection { return c.mgx }

// Name returns the collection's name.
func (c *Collection) Name() string { return c.name }

// Database returns the database that the handle came from.
func (c *Collection) Database() *Database { return c.db }

// Clone returns another handle of the collection, whose options override this one's.
func (c *Collection) Clone(opts ...options.Lister[options.CollectionOptions]) *Collection {
	args, err := merge(opts)
	if err != nil {
		return &Collection{db: c.db, mgx: c.mgx, name: c.name, codec: c.codec, unacked: c.unacked, err: err}
	}
	list, err := handle(args.ReadConcern, args.WriteConcern, args.ReadPreference)
	if err == nil {
		err = c.err
	}
	inner := c.mgx
	if inner != nil {
		inner = inner.With(list...)
	}
	return &Collection{
		db: c.db, mgx: inner, name: c.name, codec: c.codec.with(args.BSONOptions, args.Registry),
		unacked: unacknowledged(args.WriteConcern, c.unacked), err: err,
	}
}

// context is Client.context, and the error of the handle.
func (c *Collection) context(ctx context.Context) (context.Context, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.mgx == nil:
		return nil, ErrClientDisconnected
	}
	return c.db.client.context(ctx)
}

// Indexes returns the collection's indexes.
func (c *Collection) Indexes() IndexView { return IndexView{c} }

// SearchIndexes returns the collection's search indexes.
func (c *Collection) SearchIndexes() SearchIndexView { return SearchIndexView{c} }

// Drop drops the collection with its indexes. One that does not exist is no error.
func (c *Collection) Drop(ctx context.Context, opts ...options.Lister[options.DropCollectionOptions]) error {
	if _, err := merge(opts); err != nil {
		return err
	}
	ctx, err := c.context(ctx)
	if err != nil {
		return err
	}
	return convert(c.mgx.Drop(ctx))
}

// Watch opens a change stream on the collection.
func (c *Collection) Watch(ctx context.Context, pipeline any, opts ...options.Lister[options.ChangeStreamOptions]) (*ChangeStream, error) {
	if _, err := c.context(ctx); err != nil {
		return nil, err
	}
	return c.db.client.watch(ctx, c.codec, pipeline, opts, c.mgx.Watch)
}

// InsertOne inserts a document. One without _id gets a new ObjectID.
func (c *Collection) InsertOne(ctx context.Context, document any, opts ...options.Lister[options.InsertOneOptions]) (*InsertOneResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	ctx, err = c.context(ctx)
	if err != nil {
		return nil, err
	}
	var id any
	switch t := document.(type) {
	case nil:
		return nil, ErrNilDocument
	case []byte:
		document = bson.Raw(t)
	}
	if c.codec.official() {
		if document, id, err = c.codec.insertion(document); err != nil {
			return nil, err
		}
	}
	var list []mgx.InsertOption
	if is(args.BypassDocumentValidation) {
		list = append(list, mgx.BypassDocumentValidation(true))
	}
	if args.Comment != nil {
		comment, err := c.codec.value(args.Comment)
		if err != nil {
			return nil, err
		}
		list = append(list, mgx.Comment(comment))
	}
	res, err := c.mgx.InsertOne(ctx, document, list...)
	if err != nil {
		if errors.Is(err, mgx.ErrInvalidArgument) {
			if _, err := c.codec.document(document); err != nil {
				return nil, err
			}
		}
		return nil, convert(err)
	}
	if id == nil {
		id = res.InsertedID
	}
	return &InsertOneResult{InsertedID: id, Acknowledged: res.Acknowledged}, nil
}

// InsertMany inserts the documents of a slice.
func (c *Collection) InsertMany(ctx context.Context, documents any, opts ...options.Lister[options.InsertManyOptions]) (*InsertManyResult, error) {
	slice := reflect.ValueOf(documents)
	if slice.Kind() != reflect.Slice {
		return nil, fmt.Errorf("invalid documents: %w", ErrNotSlice)
	}
	if slice.Len() == 0 {
		return nil, fmt.Errorf("invalid documents: %w", ErrEmptySlice)
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	docs, ids := make([]bson.Raw, slice.Len()), make([]any, slice.Len())
	for i := range docs {
		if docs[i], ids[i], err = c.codec.insertion(slice.Index(i).Interface()); err != nil {
			return nil, err
		}
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	var list []mgx.InsertManyOption
	if is(args.BypassDocumentValidation) {
		list = append(list, mgx.BypassDocumentValidation(true))
	}
	ordered := args.Ordered == nil || *args.Ordered
	if !ordered {
		list = append(list, mgx.Unordered())
	}
	if args.Comment != nil {
		comment, err := c.codec.value(args.Comment)
		if err != nil {
			return nil, err
		}
		list = append(list, mgx.Comment(comment))
	}
	res, err := c.mgx.InsertMany(ctx, docs, list...)
	if err == nil {
		return &InsertManyResult{InsertedIDs: ids, Acknowledged: res.Acknowledged}, nil
	}
	err = bulkException(err, nil)
	e, ok := err.(BulkWriteException)
	if !ok {
		return nil, err
	}
	return &InsertManyResult{InsertedIDs: inserted(ids, e.WriteErrors, ordered), Acknowledged: true}, err
}

// inserted leaves out the identifiers of documents that were refused, or not sent after
// one that was.
func inserted(ids []any, refused []BulkWriteError, ordered bool) []any {
	failed := map[int]bool{}
	for _, e := range refused {
		failed[e.Index] = true
	}
	if len(failed) == 0 {
		return ids
	}
	var kept []any
	for i, id := range ids {
		switch {
		case !failed[i]:
			kept = append(kept, id)
		case ordered:
			return kept
		}
	}
	return kept
}

// DeleteOne removes the first document that matches the filter.
func (c *Collection) DeleteOne(ctx context.Context, filter any, opts ...options.Lister[options.DeleteOneOptions]) (*DeleteResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	res, err := c.delete(ctx, filter, (*options.DeleteManyOptions)(args), c.mgx.DeleteOne)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// DeleteMany removes every document that matches the filter.
func (c *Collection) DeleteMany(ctx context.Context, filter any, opts ...options.Lister[options.DeleteManyOptions]) (*DeleteResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	return c.delete(ctx, filter, args, c.mgx.DeleteMany)
}

func (c *Collection) delete(ctx context.Context, filter any, args *options.DeleteManyOptions, run func(context.Context, any, ...mgx.DeleteOption) (mgx.DeleteResult, error)) (*DeleteResult, error) {
	doc, err := c.codec.document(filter)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.DeleteOption](c.codec, func(g *gatherer[mgx.DeleteOption]) {
		if args.Collation != nil {
			g.add(mgx.WithCollation(collation(args.Collation)))
		}
		g.value(args.Comment, func(v any) mgx.DeleteOption { return mgx.Comment(v) })
		g.ordered("hint", args.Hint, func(v any) mgx.DeleteOption { return mgx.Hint(v) })
		g.document(args.Let, func(v any) mgx.DeleteOption { return mgx.Let(v) })
	})
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	res, err := run(ctx, doc, list...)
	if err = convert(err); err != nil && !isWriteException(err) {
		return nil, err
	}
	return &DeleteResult{DeletedCount: res.DeletedCount, Acknowledged: res.Acknowledged || err != nil}, err
}

// UpdateByID changes the document with an _id.
func (c *Collection) UpdateByID(ctx context.Context, id, update any, opts ...options.Lister[options.UpdateOneOptions]) (*UpdateResult, error) {
	if id == nil {
		return nil, fmt.Errorf("invalid id: %w", ErrNilValue)
	}
	return c.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, update, opts...)
}

// UpdateOne changes the first document that matches the filter.
func (c *Collection) UpdateOne(ctx context.Context, filter, update any, opts ...options.Lister[options.UpdateOneOptions]) (*UpdateResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.UpdateOption](c.codec, func(g *gatherer[mgx.UpdateOption]) {
		u := updateOptions{args.ArrayFilters, args.BypassDocumentValidation, args.Collation, args.Comment, args.Hint, args.Upsert, args.Let}
		for _, o := range u.gather(&g.codec, &g.err) {
			g.add(o.(mgx.UpdateOption))
		}
		g.ordered("sort", args.Sort, func(v any) mgx.UpdateOption { return mgx.SortBy(v) })
	})
	if err != nil {
		return nil, err
	}
	res, err := change(ctx, c, filter, update, c.codec.update, list, c.mgx.UpdateOne)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// UpdateMany changes every document that matches the filter.
func (c *Collection) UpdateMany(ctx context.Context, filter, update any, opts ...options.Lister[options.UpdateManyOptions]) (*UpdateResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.UpdateManyOption](c.codec, func(g *gatherer[mgx.UpdateManyOption]) {
		u := updateOptions{args.ArrayFilters, args.BypassDocumentValidation, args.Collation, args.Comment, args.Hint, args.Upsert, args.Let}
		for _, o := range u.gather(&g.codec, &g.err) {
			g.add(o.(mgx.UpdateManyOption))
		}
	})
	if err != nil {
		return nil, err
	}
	return change(ctx, c, filter, update, c.codec.update, list, c.mgx.UpdateMany)
}

// ReplaceOne replaces the first document that matches the filter, except for its _id.
func (c *Collection) ReplaceOne(ctx context.Context, filter, replacement any, opts ...options.Lister[options.ReplaceOptions]) (*UpdateResult, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.ReplaceOption](c.codec, func(g *gatherer[mgx.ReplaceOption]) {
		u := updateOptions{nil, args.BypassDocumentValidation, args.Collation, args.Comment, args.Hint, args.Upsert, args.Let}
		for _, o := range u.gather(&g.codec, &g.err) {
			g.add(o.(mgx.ReplaceOption))
		}
		g.ordered("sort", args.Sort, func(v any) mgx.ReplaceOption { return mgx.SortBy(v) })
	})
	if err != nil {
		return nil, err
	}
	encode := func(v any) (any, error) { return c.codec.replacement(v) }
	res, err := change(ctx, c, filter, replacement, encode, list, c.mgx.ReplaceOne)
	if err != nil {
		return nil, err
	}
	return res, nil
}

// change runs an update or a replacement.
func change[O any](ctx context.Context, c *Collection, filter, to any, encode func(any) (any, error), list []O, run func(context.Context, any, any, ...O) (mgx.UpdateResult, error)) (*UpdateResult, error) {
	doc, err := c.codec.document(filter)
	if err != nil {
		return nil, err
	}
	encoded, err := encode(to)
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	res, err := run(ctx, doc, encoded, list...)
	if err = convert(err); err != nil && !isWriteException(err) {
		return nil, err
	}
	return &UpdateResult{
		MatchedCount: res.MatchedCount, ModifiedCount: res.ModifiedCount, UpsertedCount: res.UpsertedCount,
		UpsertedID: res.UpsertedID, Acknowledged: res.Acknowledged || err != nil,
	}, err
}
