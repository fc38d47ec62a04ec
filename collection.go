package mgx

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Collection is a handle of a collection. It is cheap, can be kept and shared,
// and does not mean that the collection exists: servers create collections with
// their first document.
//
// Filters, documents, updates and the like may be a bson.D, bson.M or bson.Raw,
// a struct, a map, or anything with one of the bson package's marshalling
// interfaces. A nil filter matches every document.
type Collection struct {
	db   *Database
	name string
	err  error // an invalid name, for the first use to report
	base *callOptions
}

// With returns another handle of the collection, whose options override this one's.
func (c *Collection) With(options ...HandleOption) *Collection {
	other := *c
	other.base = derive(c.base, options)
	return &other
}

// Name returns the collection's name.
func (c *Collection) Name() string { return c.name }

// Database returns the database that the handle came from.
func (c *Collection) Database() *Database { return c.db }

// Namespace returns database and collection, with a dot between.
func (c *Collection) Namespace() string { return c.db.name + "." + c.name }

// Timeout returns what bounds each operation of the handle, unless the call says
// otherwise; 0: nothing does. See the option Timeout.
func (c *Collection) Timeout() time.Duration { return c.db.client.timeoutOf(c.base) }

// read begins a reading operation.
func (c *Collection) read(name string, s *callOptions) exec.Op {
	op := exec.Op{
		Name: name, Database: c.db.name, Collection: c.name, Access: exec.Read, Retryable: true, ReadPreference: s.readPreference,
		MaxTime: s.maxTime, RawData: s.rawData, Timeout: s.timeout,
	}
	op.ExplicitReadConcern, op.ExplicitReadPreference = s.ownReadConcern, s.ownReadPreference
	if s.readConcern != nil {
		op.ReadConcern = *s.readConcern
	}
	return op
}

// Drop drops the collection with its indexes. One that does not exist is no
// error.
//
// With EncryptedFields, or on a client with Options.Encryption that knows (from its own
// options, or from the server) that the collection has Queryable Encryption, the
// collections that the server keeps beside it are dropped first.
func (c *Collection) Drop(ctx context.Context, options ...DropCollectionOption) error {
	s := collect(c.base, options)
	if c.err != nil {
		return c.err
	}
	return c.db.drop(ctx, c.name, &s)
}

// CountDocuments counts the documents that match the filter, by looking at them.
// For a quick count of all, see EstimatedDocumentCount.
//
// The filter becomes a $match of an aggregation, which takes no $where, $near and
// $nearSphere: use $expr, or $geoWithin with $center or $centerSphere. See the
// server manual, "$match", "Restrictions".
func (c *Collection) CountDocuments(ctx context.Context, filter any, options ...CountOption) (int64, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return 0, c.err
	}
	op := c.read("aggregate", &s)
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "aggregate", c.name)
		dst, err := appendCountPipeline(dst, filter, &s)
		if err != nil {
			return dst, err
		}
		dst = appendCursorOption(dst, 0)
		if dst, err = appendOrdered(dst, field{"hint", s.hint}); err != nil {
			return dst, err
		}
		return appendAll(dst, field{"collation", s.collation}, field{"comment", s.comment})
	}
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return 0, err
	}
	defer res.Release()
	counted, err := firstDocument("count", &res)
	if counted == nil {
		return 0, err // no document matched: there is no group
	}
	v, _ := bsonwire.Lookup(counted, "n")
	n, ok := v.AsInt64()
	if !ok {
		return 0, failure(ErrProtocol, "count: the server's count is no number")
	}
	return n, nil
}

func appendCountPipeline(dst []byte, filter any, s *callOptions) ([]byte, error) {
	dst, at := bsonwire.BeginArray(dst, "pipeline")
	stages := 0
	stage := func() string { stages++; return bsonwire.Index(stages - 1) }

	dst, match := bsonwire.BeginDocument(dst, stage())
	dst, err := appendField(dst, "$match", filter)
	if err != nil {
		return dst, err
	}
	dst = bsonwire.End(dst, match)
	for _, bound := range []struct {
		name string
		n    int64
	}{{"$skip", s.skip}, {"$limit", s.limit}} {
		if bound.n != 0 {
			var in int
			dst, in = bsonwire.BeginDocument(dst, stage())
			dst = bsonwire.AppendInt64(dst, bound.name, bound.n)
			dst = bsonwire.End(dst, in)
		}
	}
	dst, in := bsonwire.BeginDocument(dst, stage())
	dst, group := bsonwire.BeginDocument(dst, "$group")
	dst = bsonwire.AppendInt32(dst, "_id", 1)
	dst, sum := bsonwire.BeginDocument(dst, "n")
	dst = bsonwire.AppendInt32(dst, "$sum", 1)
	for _, open := range []int{sum, group, in, at} {
		dst = bsonwire.End(dst, open)
	}
	return dst, nil
}

// EstimatedDocumentCount returns the number of documents by the collection's
// metadata: at once, but after an unclean shutdown, or with orphaned documents
// on shards, not exactly. It runs the command count: see the server manual, "count",
// "Behavior". The servers 5.0.0 to 5.0.8 and 5.1 to 5.3.1 refuse that command where
// Options.ServerAPI is strict.
func (c *Collection) EstimatedDocumentCount(ctx context.Context, options ...EstimatedCountOption) (int64, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return 0, c.err
	}
	op := c.read("count", &s)
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "count", c.name)
		return appendOptional(dst, "comment", s.comment)
	}
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return 0, ignore(err, ErrNamespaceNotFound)
	}
	defer res.Release()
	v, _ := bsonwire.Lookup(res.Body, "n")
	n, ok := v.AsInt64()
	if !ok {
		return 0, failure(ErrProtocol, "count: the server's count is no number")
	}
	return n, nil
}

// Distinct returns the different values of a field in the documents that match
// the filter. The package's function of the same name returns them typed.
func (c *Collection) Distinct(ctx context.Context, fieldName string, filter any, options ...DistinctOption) ([]any, error) {
	return Distinct[any](ctx, c, fieldName, filter, options...)
}

// Distinct returns the different values of a field in the documents that match
// the filter.
func Distinct[T any](ctx context.Context, c *Collection, fieldName string, filter any, options ...DistinctOption) ([]T, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return nil, c.err
	}
	op := c.read("distinct", &s)
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "distinct", c.name)
		dst = bsonwire.AppendString(dst, "key", fieldName)
		dst, err := appendField(dst, "query", filter)
		if err != nil {
			return dst, err
		}
		if dst, err = appendOrdered(dst, field{"hint", s.hint}); err != nil {
			return dst, err
		}
		return appendAll(dst, field{"collation", s.collation}, field{"comment", s.comment})
	}
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	v, _ := bsonwire.Lookup(res.Body, "values")
	array, ok := v.AsArray()
	if !ok {
		return nil, failure(ErrProtocol, "distinct: the reply of %s has no values", res.Server.Address())
	}
	dec := c.db.client.decode(&s)
	list := []T{}
	r := bsonwire.NewReader(array)
	for r.Next() {
		var value T
		v := r.Value()
		if err := dec.UnmarshalValue(v.Type, v.Data, &value); err != nil {
			return nil, category(err, ErrInvalidArgument)
		}
		list = append(list, value)
	}
	if err := r.Err(); err != nil {
		return nil, category(err, ErrProtocol)
	}
	return list, nil
}

// Aggregate runs a pipeline over the collection's documents. pipeline is a slice
// of stages.
//
// Like Find, it sends nothing before the first document is asked for, unless the
// pipeline ends with $out or $merge: such a pipeline runs at once.
func (c *Collection) Aggregate(ctx context.Context, pipeline any, options ...AggregateOption) *Cursor {
	return c.db.client.aggregate(ctx, aggregation{
		database: c.db.name, collection: c.name, err: c.err, pipeline: pipeline, options: collect(c.base, options),
	})
}

type aggregation struct {
	database, collection string // no collection: the database
	err                  error
	pipeline             any
	options              callOptions
}

func (c *Client) aggregate(ctx context.Context, a aggregation) *Cursor {
	s := &a.options
	name := a.collection
	if name == "" {
		name = "$cmd.aggregate"
	}
	cur := c.newCursor(ctx, a.database, name, s, a.err)
	if a.err != nil {
		return cur
	}
	stages, err := appendPipeline(nil, "pipeline", a.pipeline)
	if err != nil {
		cur.err = err
		return cur
	}
	writes := writesOutput(stages)
	if writes && s.timeoutMode == Iteration && cur.err == nil {
		cur.err = failure(ErrInvalidArgument, "aggregate: a pipeline that ends with $out or $merge has no iteration to bound")
	}
	if cur.err != nil {
		return cur
	}
	op := &cur.batches.Command
	*op = exec.Op{
		Name: "aggregate", Database: a.database, Collection: a.collection, Access: exec.Read, Retryable: !writes, ReadPreference: s.readPreference,
		MaxTime: s.maxTime, RawData: s.rawData, Timeout: s.timeout,
		Body: func(dst []byte) ([]byte, error) { return a.append(dst, stages, writes) },
	}
	op.ExplicitReadConcern, op.ExplicitReadPreference = s.ownReadConcern, s.ownReadPreference
	if s.readConcern != nil {
		op.ReadConcern = *s.readConcern
	}
	if writes {
		op.Access, op.WriteConcern = exec.ReadThenWrite, s.writeConcern
		if s.let != nil {
			op.MinWireUnacknowledged = wireversion.WriteLet
		}
		cur.verify = writeConcernErrorIn
	}
	cur.batches.AwaitMS = s.awaitMS()
	if writes {
		cur.start(ctx)
	}
	return cur
}

func (a *aggregation) append(dst, stages []byte, writes bool) ([]byte, error) {
	s := &a.options
	if a.collection == "" {
		dst = bsonwire.AppendInt32(dst, "aggregate", 1)
	} else {
		dst = bsonwire.AppendString(dst, "aggregate", a.collection)
	}
	dst = append(dst, stages...)
	batchSize := s.batchSize
	if writes {
		batchSize = 0 // a batch size of 0 documents would keep the pipeline from running
	}
	dst = appendCursorOption(dst, batchSize)
	dst = appendBool(dst, "allowDiskUse", s.allowDiskUse)
	if writes {
		dst = appendBool(dst, "bypassDocumentValidation", s.bypassValidation)
	}
	dst, err := appendOrdered(dst, field{"hint", s.hint})
	if err != nil {
		return dst, err
	}
	return appendAll(dst, field{"collation", s.collation}, field{"let", s.let}, field{"comment", s.comment})
}

// writesOutput reports whether a pipeline element ends with $out or $merge.
func writesOutput(pipeline []byte) bool {
	v, ok := bsonwire.Lookup(wrapElement(pipeline), "pipeline")
	stages, isArray := v.AsArray()
	if !ok || !isArray {
		return false
	}
	var last []byte
	r := bsonwire.NewReader(stages)
	for r.Next() {
		last, _ = r.Value().AsDocument()
	}
	name, _ := firstKey(last)
	return name == "$out" || name == "$merge"
}

// wrapElement makes a document of one element.
func wrapElement(element []byte) []byte {
	doc, at := bsonwire.Begin(make([]byte, 0, len(element)+5))
	return bsonwire.End(append(doc, element...), at)
}

// ignore drops errors of a category that means success.
func ignore(err, harmless error) error {
	if err != nil && isServer(err, harmless) {
		return nil
	}
	return err
}

// SingleResult is a reply of one document, or the error of getting it.
type SingleResult struct {
	raw    bson.Raw
	err    error
	decode *bson.DecodeOptions
}

// Decode decodes the document into the value that v points to, or returns the
// operation's error: ErrNoDocuments if nothing matched. With an ErrWriteConcern it
// does both.
func (r *SingleResult) Decode(v any) error {
	if r.raw == nil {
		return r.err
	}
	if err := decodeDocument(r.decode, r.raw, v); err != nil {
		return errors.Join(err, r.err)
	}
	return r.err
}

// Raw returns the document as it came.
func (r *SingleResult) Raw() (bson.Raw, error) { return r.raw, r.err }

// Err returns the operation's error.
func (r *SingleResult) Err() error { return r.err }
