package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mgxdb/mgx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Database is a handle of a database.
type Database struct {
	client  *Client
	mgx     *mgx.Database // nil: of a client that is not from Connect
	name    string
	codec   codec
	unacked bool  // writes are not acknowledged
	err     error // of the handle's options: what every operation returns
}

// Unwrap returns mgx's handle.
func (db *Database) Unwrap() *mgx.Database { return db.mgx }

// Client returns the client that the handle came from.
func (db *Database) Client() *Client { return db.client }

// Name returns the database's name.
func (db *Database) Name() string { return db.name }

// context is Client.context, and the error of the handle.
func (db *Database) context(ctx context.Context) (context.Context, error) {
	switch {
	case db.err != nil:
		return nil, db.err
	case db.mgx == nil:
		return nil, ErrClientDisconnected
	}
	return db.client.context(ctx)
}

// Collection returns a handle of a collection. Options override the database's.
func (db *Database) Collection(name string, opts ...options.Lister[options.CollectionOptions]) *Collection {
	c := &Collection{db: db, name: name, err: db.err}
	if db.mgx == nil {
		return c
	}
	args, err := merge(opts)
	if err != nil {
		c.err, args = err, new(options.CollectionOptions)
	}
	list, err := handle(args.ReadConcern, args.WriteConcern, args.ReadPreference)
	if err != nil {
		c.err = err
	}
	c.mgx = db.mgx.Collection(name, list...)
	c.codec = db.codec.with(args.BSONOptions, args.Registry)
	c.unacked = unacknowledged(args.WriteConcern, db.unacked)
	return c
}

// Aggregate runs a pipeline that begins without a collection.
func (db *Database) Aggregate(ctx context.Context, pipeline any, opts ...options.Lister[options.AggregateOptions]) (*Cursor, error) {
	ctx, err := db.context(ctx)
	if err != nil {
		return nil, err
	}
	return db.client.aggregate(ctx, db.codec, pipeline, opts, db.mgx.Aggregate)
}

// command prepares a command of the user's.
func (db *Database) command(ctx context.Context, cmd any, opts []options.Lister[options.RunCmdOptions]) (context.Context, bson.Raw, mgx.ReadPreferenceOption, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, nil, nil, err
	}
	rp, err := readPreference(args.ReadPreference)
	if err != nil {
		return nil, nil, nil, err
	}
	if ctx, err = db.context(ctx); err != nil {
		return nil, nil, nil, err
	}
	if isUnorderedMap(cmd) {
		return nil, nil, nil, ErrMapForOrderedArgument{ParamName: "cmd"}
	}
	doc, err := db.codec.document(cmd)
	return ctx, doc, mgx.WithReadPreference(rp), err
}

// RunCommand runs a command against the database and returns the server's reply. The
// command is sent as it is.
func (db *Database) RunCommand(ctx context.Context, runCommand any, opts ...options.Lister[options.RunCmdOptions]) *SingleResult {
	ctx, doc, rp, err := db.command(ctx, runCommand, opts)
	if err != nil {
		return &SingleResult{err: err}
	}
	raw, err := db.mgx.RunCommand(ctx, doc, rp).Raw()
	if err != nil {
		r := &SingleResult{err: convert(err), codec: db.codec}
		var server CommandError
		if errors.As(r.err, &server) {
			r.raw = server.Raw
		}
		return r
	}
	return &SingleResult{raw: raw, err: writeFailures(raw), codec: db.codec, Acknowledged: true}
}

// writeFailures are the write errors in the reply to a command that succeeded.
func writeFailures(reply bson.Raw) error {
	if reply.Lookup("writeErrors").IsZero() && reply.Lookup("writeConcernError").IsZero() {
		return nil
	}
	type failed struct {
		Index   int      `bson:"index"`
		Code    int      `bson:"code"`
		Name    string   `bson:"codeName"`
		Message string   `bson:"errmsg"`
		Details bson.Raw `bson:"errInfo"`
	}
	var has struct {
		Writes  []bson.Raw `bson:"writeErrors"`
		Concern bson.Raw   `bson:"writeConcernError"`
		Labels  []string   `bson:"errorLabels"`
	}
	plain := codec{}
	_ = plain.decode(reply, &has) // what cannot be read is left in the reply
	if len(has.Writes) == 0 && has.Concern == nil {
		return nil
	}
	e := WriteException{Labels: has.Labels, Raw: reply}
	for _, raw := range has.Writes {
		var f failed
		_ = plain.decode(raw, &f)
		e.WriteErrors = append(e.WriteErrors, WriteError{Index: f.Index, Code: f.Code, Message: f.Message, Details: f.Details, Raw: raw})
	}
	if has.Concern != nil {
		var f failed
		_ = plain.decode(has.Concern, &f)
		e.WriteConcernError = &WriteConcernError{Name: f.Name, Code: f.Code, Message: f.Message, Details: f.Details, Raw: has.Concern}
	}
	return e
}

// RunCommandCursor runs a command whose reply opens a cursor.
func (db *Database) RunCommandCursor(ctx context.Context, runCommand any, opts ...options.Lister[options.RunCmdOptions]) (*Cursor, error) {
	ctx, doc, rp, err := db.command(ctx, runCommand, opts)
	if err != nil {
		return nil, err
	}
	return db.client.open(ctx, db.codec, func(ctx context.Context) *mgx.Cursor { return db.mgx.RunCursorCommand(ctx, doc, rp) })
}

// Drop drops the database with all its collections.
func (db *Database) Drop(ctx context.Context) error {
	ctx, err := db.context(ctx)
	if err != nil {
		return err
	}
	return convert(db.mgx.Drop(ctx))
}

// ListCollections lists the collections and views that match the filter.
func (db *Database) ListCollections(ctx context.Context, filter any, opts ...options.Lister[options.ListCollectionsOptions]) (*Cursor, error) {
	args, err := merge(opts)
	if err != nil {
		return nil, err
	}
	doc, err := db.codec.document(filter)
	if err != nil {
		return nil, err
	}
	if ctx, err = db.context(ctx); err != nil {
		return nil, err
	}
	var list []mgx.ListCollectionsOption
	if is(args.NameOnly) {
		list = append(list, mgx.NameOnly())
	}
	if args.BatchSize != nil {
		list = append(list, mgx.BatchSize(*args.BatchSize))
	}
	if args.AuthorizedCollections != nil {
		list = append(list, mgx.AuthorizedOnly(*args.AuthorizedCollections))
	}
	return db.client.open(ctx, db.codec, func(ctx context.Context) *mgx.Cursor { return db.mgx.ListCollections(ctx, doc, list...) })
}

// ListCollectionNames lists the names of the collections and views that match the
// filter.
func (db *Database) ListCollectionNames(ctx context.Context, filter any, opts ...options.Lister[options.ListCollectionsOptions]) ([]string, error) {
	opts = append(opts[:len(opts):len(opts)], options.ListCollections().SetNameOnly(true))
	cur, err := db.ListCollections(ctx, filter, opts...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = cur.Close(context.WithoutCancel(cur.given(ctx))) }()
	names := []string{}
	for cur.Next(ctx) {
		name, err := cur.Current.LookupErr("name")
		if err != nil {
			return nil, err
		}
		text, ok := name.StringValueOK()
		if !ok {
			return nil, fmt.Errorf("incorrect type for 'name'. got %v. want %v", name.Type, bson.TypeString)
		}
		names = append(names, text)
	}
	return names, cur.Err()
}

// ListCollectionSpecifications describes the collections and views that match the
// filter.
func (db *Database) ListCollectionSpecifications(ctx context.Context, filter any, opts ...options.Lister[options.ListCollectionsOptions]) ([]CollectionSpecification, error) {
	cur, err := db.ListCollections(ctx, filter, opts...)
	if err != nil {
		return nil, err
	}
	cur.codec = codec{}
	var list []struct {
		Name string `bson:"name"`
		Type string `bson:"type"`
		Info *struct {
			ReadOnly bool         `bson:"readOnly"`
			UUID     *bson.Binary `bson:"uuid"`
		} `bson:"info"`
		Options bson.Raw    `bson:"options"`
		IDIndex listedIndex `bson:"idIndex"`
	}
	if err := cur.All(ctx, &list); err != nil {
		return nil, err
	}
	specs := make([]CollectionSpecification, len(list))
	for i, c := range list {
		specs[i] = CollectionSpecification{Name: c.Name, Type: c.Type, Options: c.Options, IDIndex: IndexSpecification(c.IDIndex)}
		if c.Info != nil {
			specs[i].ReadOnly, specs[i].UUID = c.Info.ReadOnly, c.Info.UUID
		}
		if specs[i].IDIndex.Namespace == "" {
			specs[i].IDIndex.Namespace = db.Name() + "." + c.Name
		}
	}
	return specs, nil
}

// Watch opens a change stream on all collections of the database but the system's.
func (db *Database) Watch(ctx context.Context, pipeline any, opts ...options.Lister[options.ChangeStreamOptions]) (*ChangeStream, error) {
	if _, err := db.context(ctx); err != nil {
		return nil, err
	}
	return db.client.watch(ctx, db.codec, pipeline, opts, db.mgx.Watch)
}

// CreateView makes a read-only view of a collection, through a pipeline.
func (db *Database) CreateView(ctx context.Context, viewName, viewOn string, pipeline any, opts ...options.Lister[options.CreateViewOptions]) error {
	args, err := merge(opts)
	if err != nil {
		return err
	}
	stages, err := db.codec.pipeline(pipeline)
	if err != nil {
		return err
	}
	if ctx, err = db.context(ctx); err != nil {
		return err
	}
	list := []mgx.CreateCollectionOption{mgx.View(viewOn, stages)}
	if args.Collation != nil {
		list = append(list, mgx.WithCollation(collation(args.Collation)))
	}
	return convert(db.mgx.CreateCollection(ctx, viewName, list...))
}

// CreateCollection creates a collection.
func (db *Database) CreateCollection(ctx context.Context, name string, opts ...options.Lister[options.CreateCollectionOptions]) error {
	args, err := merge(opts)
	if err != nil {
		return err
	}
	list, err := db.creation(args)
	if err != nil {
		return err
	}
	if ctx, err = db.context(ctx); err != nil {
		return err
	}
	return convert(db.mgx.CreateCollection(ctx, name, list...))
}

func (db *Database) creation(args *options.CreateCollectionOptions) ([]mgx.CreateCollectionOption, error) {
	var list []mgx.CreateCollectionOption
	add := func(o mgx.CreateCollectionOption) { list = append(list, o) }
	switch {
	case is(args.Capped):
		var size, most int64
		set(&size, args.SizeInBytes)
		set(&most, args.MaxDocuments)
		add(mgx.Capped(size, most))
	case args.SizeInBytes != nil:
		return nil, &unsupportedError{"options.CreateCollectionOptions.SizeInBytes without Capped", "only capped collections have a size"}
	case args.MaxDocuments != nil:
		return nil, &unsupportedError{"options.CreateCollectionOptions.MaxDocuments without Capped", "only capped collections have a limit"}
	}
	if args.Collation != nil {
		add(mgx.WithCollation(collation(args.Collation)))
	}
	if args.ExpireAfterSeconds != nil {
		add(mgx.ExpireAfter(time.Duration(*args.ExpireAfterSeconds) * time.Second))
	}
	validator, err := db.codec.optional(args.Validator)
	if err != nil {
		return nil, err
	}
	var level, action string
	set(&level, args.ValidationLevel)
	set(&action, args.ValidationAction)
	if validator != nil || level != "" || action != "" {
		add(mgx.Validator(validator, level, action))
	}
	for _, document := range []struct {
		value  any
		option func(any) mgx.CreateCollectionOption
	}{{args.StorageEngine, mgx.StorageEngine}, {args.ClusteredIndex, mgx.Clustered}} {
		if document.value == nil {
			continue
		}
		doc, err := db.codec.document(document.value)
		if err != nil {
			return nil, err
		}
		add(document.option(doc))
	}
	nested, err := db.nestedCreation(args)
	return append(list, nested...), err
}

// nestedCreation are the options of a collection that have options themselves.
func (db *Database) nestedCreation(args *options.CreateCollectionOptions) ([]mgx.CreateCollectionOption, error) {
	var list []mgx.CreateCollectionOption
	if args.ChangeStreamPreAndPostImages != nil {
		doc, err := db.codec.document(args.ChangeStreamPreAndPostImages)
		if err != nil {
			return nil, err
		}
		elements, err := doc.Elements()
		if err != nil {
			return nil, err
		}
		enabled, ok := doc.Lookup("enabled").BooleanOK()
		if len(elements) != 1 || !ok {
			return nil, &unsupportedError{"options.CreateCollectionOptions.ChangeStreamPreAndPostImages", "it is a document with enabled, a boolean, alone"}
		}
		list = append(list, mgx.PreAndPostImages(enabled))
	}
	if args.DefaultIndexOptions != nil {
		defaults, err := merge([]options.Lister[options.DefaultIndexOptions]{args.DefaultIndexOptions})
		if err != nil {
			return nil, err
		}
		doc := bson.D{}
		if defaults.StorageEngine != nil {
			engine, err := db.codec.document(defaults.StorageEngine)
			if err != nil {
				return nil, err
			}
			doc = append(doc, bson.E{Key: "storageEngine", Value: engine})
		}
		list = append(list, mgx.IndexDefaults(doc))
	}
	if args.TimeSeriesOptions != nil {
		ts, err := merge([]options.Lister[options.TimeSeriesOptions]{args.TimeSeriesOptions})
		if err != nil {
			return nil, err
		}
		to := mgx.TimeSeries{TimeField: ts.TimeField}
		set(&to.MetaField, ts.MetaField)
		set(&to.Granularity, ts.Granularity)
		set(&to.BucketMaxSpan, ts.BucketMaxSpan)
		set(&to.BucketRounding, ts.BucketRounding)
		list = append(list, mgx.WithTimeSeries(to))
	}
	return list, nil
}

// collation is the document of a collation.
func collation(c *options.Collation) mgx.Collation {
	return mgx.Collation{
		Locale: c.Locale, CaseLevel: c.CaseLevel, CaseFirst: c.CaseFirst, Strength: c.Strength, NumericOrdering: c.NumericOrdering,
		Alternate: c.Alternate, MaxVariable: c.MaxVariable, Normalization: c.Normalization, Backwards: c.Backwards,
	}
}
