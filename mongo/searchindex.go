package mongo

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// SearchIndexView is the search indexes of a collection.
type SearchIndexView struct{ coll *Collection }

// List describes the search indexes, or the one of a name.
func (siv SearchIndexView) List(ctx context.Context, searchIdxOpts options.Lister[options.SearchIndexesOptions], opts ...options.Lister[options.ListSearchIndexesOptions]) (*Cursor, error) {
	index, err := merge([]options.Lister[options.SearchIndexesOptions]{searchIdxOpts})
	if err != nil {
		return nil, err
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	var list []mgx.AggregateOption
	if args.AggregateOptions != nil {
		if err := refuse(args.AggregateOptions); err != nil {
			return nil, err
		}
		if list, err = aggregateOptions(siv.coll.codec, args.AggregateOptions); err != nil {
			return nil, err
		}
	}
	var name string
	set(&name, index.Name)
	if ctx, err = siv.coll.context(ctx); err != nil {
		return nil, err
	}
	return siv.coll.db.client.open(ctx, siv.coll.codec, func(ctx context.Context) *mgx.Cursor {
		return siv.coll.mgx.ListSearchIndexes(ctx, name, list...)
	})
}

// CreateOne creates a search index and returns its name.
func (siv SearchIndexView) CreateOne(ctx context.Context, model SearchIndexModel, opts ...options.Lister[options.CreateSearchIndexesOptions]) (string, error) {
	names, err := siv.CreateMany(ctx, []SearchIndexModel{model}, opts...)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// CreateMany creates search indexes and returns their names.
func (siv SearchIndexView) CreateMany(ctx context.Context, models []SearchIndexModel, opts ...options.Lister[options.CreateSearchIndexesOptions]) ([]string, error) {
	if _, err := merge(opts); err != nil {
		return nil, err
	}
	indexes := make([]mgx.SearchIndex, len(models))
	for i, m := range models {
		if m.Definition == nil {
			return nil, errors.New("search index model definition cannot be nil")
		}
		definition, err := siv.coll.codec.document(m.Definition)
		if err != nil {
			return nil, err
		}
		indexes[i].Definition = definition
		args, err := merge([]options.Lister[options.SearchIndexesOptions]{m.Options})
		if err != nil {
			return nil, err
		}
		set(&indexes[i].Name, args.Name)
		set(&indexes[i].Type, args.Type)
	}
	ctx, err := siv.coll.context(ctx)
	if err != nil {
		return nil, err
	}
	names, err := siv.coll.mgx.CreateSearchIndexes(ctx, indexes)
	return names, convert(err)
}

// DropOne drops a search index. A collection that does not exist is no error.
func (siv SearchIndexView) DropOne(ctx context.Context, name string, opts ...options.Lister[options.DropSearchIndexOptions]) error {
	if name == "*" {
		return ErrMultipleIndexDrop
	}
	if _, err := merge(opts); err != nil {
		return err
	}
	ctx, err := siv.coll.context(ctx)
	if err != nil {
		return err
	}
	return convert(siv.coll.mgx.DropSearchIndex(ctx, name))
}

// UpdateOne gives a search index another definition.
func (siv SearchIndexView) UpdateOne(ctx context.Context, name string, definition any, opts ...options.Lister[options.UpdateSearchIndexOptions]) error {
	if _, err := merge(opts); err != nil {
		return err
	}
	doc, err := siv.coll.codec.document(definition)
	if err != nil {
		return err
	}
	if ctx, err = siv.coll.context(ctx); err != nil {
		return err
	}
	return convert(siv.coll.mgx.UpdateSearchIndex(ctx, name, doc))
}
