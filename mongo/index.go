package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// IndexView is the indexes of a collection.
type IndexView struct{ coll *Collection }

// listedIndex is an index as servers describe it.
type listedIndex struct {
	Name               string   `bson:"name"`
	Namespace          string   `bson:"ns"`
	KeysDocument       bson.Raw `bson:"key"`
	Version            int32    `bson:"v"`
	ExpireAfterSeconds *int32   `bson:"expireAfterSeconds"`
	Sparse             *bool    `bson:"sparse"`
	Unique             *bool    `bson:"unique"`
	Clustered          *bool    `bson:"clustered"`
}

// List returns the indexes as the server describes them.
func (iv IndexView) List(ctx context.Context, opts ...options.Lister[options.ListIndexesOptions]) (*Cursor, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	if ctx, err = iv.coll.context(ctx); err != nil {
		return nil, err
	}
	var list []mgx.ListIndexesOption
	if args.BatchSize != nil {
		list = append(list, mgx.BatchSize(*args.BatchSize))
	}
	return iv.coll.db.client.open(ctx, iv.coll.codec, func(ctx context.Context) *mgx.Cursor { return iv.coll.mgx.ListIndexes(ctx, list...) })
}

// ListSpecifications describes the indexes.
func (iv IndexView) ListSpecifications(ctx context.Context, opts ...options.Lister[options.ListIndexesOptions]) ([]IndexSpecification, error) {
	cur, err := iv.List(ctx, opts...)
	if err != nil {
		return nil, err
	}
	cur.codec = codec{}
	var list []listedIndex
	if err := cur.All(ctx, &list); err != nil {
		return nil, err
	}
	specs := make([]IndexSpecification, len(list))
	for i, index := range list {
		specs[i] = IndexSpecification(index)
		specs[i].Namespace = iv.coll.mgx.Namespace()
	}
	return specs, nil
}

// CreateOne creates an index and returns its name.
func (iv IndexView) CreateOne(ctx context.Context, model IndexModel, opts ...options.Lister[options.CreateIndexesOptions]) (string, error) {
	names, err := iv.CreateMany(ctx, []IndexModel{model}, opts...)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// CreateMany creates indexes and returns their names.
func (iv IndexView) CreateMany(ctx context.Context, models []IndexModel, opts ...options.Lister[options.CreateIndexesOptions]) ([]string, error) {
	c := iv.coll
	indexes, names := make([]mgx.Index, len(models)), make([]string, len(models))
	for i, m := range models {
		var err error
		if indexes[i], err = c.codec.index(m); err != nil {
			return nil, err
		}
		names[i] = indexes[i].Name
	}
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	list, err := gather[mgx.CreateIndexOption](c.codec, func(g *gatherer[mgx.CreateIndexOption]) {
		g.value(args.CommitQuorum, func(v any) mgx.CreateIndexOption { return mgx.CommitQuorum(v) })
	})
	if err != nil {
		return nil, err
	}
	if ctx, err = c.context(ctx); err != nil {
		return nil, err
	}
	if _, err := c.mgx.CreateIndexes(ctx, indexes, list...); err != nil {
		return nil, convert(err)
	}
	return names, nil
}

// index is an index to create. Its options are sent as they are given.
func (c codec) index(m IndexModel) (mgx.Index, error) {
	none := mgx.Index{}
	if m.Keys == nil {
		return none, errors.New("index model keys cannot be nil")
	}
	if isUnorderedMap(m.Keys) {
		return none, ErrMapForOrderedArgument{ParamName: "keys"}
	}
	keys, err := c.document(m.Keys)
	if err != nil {
		return none, err
	}
	args, err := merge([]options.Lister[options.IndexOptions]{m.Options})
	if err != nil {
		return none, err
	}
	index := mgx.Index{Keys: keys}
	if args.Name != nil {
		index.Name = *args.Name
	} else if index.Name, err = indexName(keys); err != nil {
		return none, err
	}
	index.Extra, err = c.indexOptions(args)
	return index, err
}

func (c codec) indexOptions(args *options.IndexOptions) (bson.D, error) {
	var d bson.D
	put := func(key string, v any) { d = append(d, bson.E{Key: key, Value: v}) }
	opt(put, "expireAfterSeconds", args.ExpireAfterSeconds)
	opt(put, "sparse", args.Sparse)
	opt(put, "unique", args.Unique)
	opt(put, "hidden", args.Hidden)
	opt(put, "v", args.Version)
	opt(put, "default_language", args.DefaultLanguage)
	opt(put, "language_override", args.LanguageOverride)
	opt(put, "textIndexVersion", args.TextVersion)
	opt(put, "2dsphereIndexVersion", args.SphereVersion)
	opt(put, "bits", args.Bits)
	opt(put, "max", args.Max)
	opt(put, "min", args.Min)
	opt(put, "bucketSize", args.BucketSize)
	if args.Collation != nil {
		put("collation", collation(args.Collation))
	}
	for _, document := range []struct {
		key   string
		value any
	}{
		{"storageEngine", args.StorageEngine}, {"weights", args.Weights},
		{"partialFilterExpression", args.PartialFilterExpression}, {"wildcardProjection", args.WildcardProjection},
	} {
		if document.value == nil {
			continue
		}
		doc, err := c.document(document.value)
		if err != nil {
			return nil, err
		}
		put(document.key, doc)
	}
	return d, nil
}

// opt puts a value that is there.
func opt[T any](put func(string, any), key string, v *T) {
	if v != nil {
		put(key, *v)
	}
}

// indexName is the name of an index that was given none.
func indexName(keys bson.Raw) (string, error) {
	elements, err := keys.Elements()
	if err != nil {
		return "", err
	}
	parts := make([]string, 0, 2*len(elements))
	for _, e := range elements {
		v := e.Value()
		switch v.Type {
		case bson.TypeInt32:
			parts = append(parts, e.Key(), fmt.Sprint(v.Int32()))
		case bson.TypeInt64:
			parts = append(parts, e.Key(), fmt.Sprint(v.Int64()))
		case bson.TypeString:
			parts = append(parts, e.Key(), v.StringValue())
		default:
			return "", ErrInvalidIndexValue
		}
	}
	return strings.Join(parts, "_"), nil
}

// DropOne drops an index by its name.
func (iv IndexView) DropOne(ctx context.Context, name string, opts ...options.Lister[options.DropIndexesOptions]) error {
	if name == "*" {
		return ErrMultipleIndexDrop
	}
	return iv.drop(ctx, opts, func(ctx context.Context) error { return iv.coll.mgx.DropIndex(ctx, name) })
}

// DropWithKey drops the index with just these keys.
func (iv IndexView) DropWithKey(ctx context.Context, keySpecDocument any, opts ...options.Lister[options.DropIndexesOptions]) error {
	keys, err := iv.coll.codec.document(keySpecDocument)
	if err != nil {
		return err
	}
	return iv.drop(ctx, opts, func(ctx context.Context) error { return iv.coll.mgx.DropIndexByKeys(ctx, keys) })
}

// DropAll drops every index but the one of _id.
func (iv IndexView) DropAll(ctx context.Context, opts ...options.Lister[options.DropIndexesOptions]) error {
	return iv.drop(ctx, opts, func(ctx context.Context) error { return iv.coll.mgx.DropIndexes(ctx) })
}

func (iv IndexView) drop(ctx context.Context, opts []options.Lister[options.DropIndexesOptions], run func(context.Context) error) error {
	if _, err := merge(opts); err != nil {
		return err
	}
	ctx, err := iv.coll.context(ctx)
	if err != nil {
		return err
	}
	return convert(run(ctx))
}
