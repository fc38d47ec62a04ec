package mgx

import (
	"context"
	"errors"
	"io"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/transfer"
)

func init() {
	transfer.Handle = func(db any) transfer.Database { return transferred(db.(*Database)) }
}

// transferDatabase is a database as package transfer moves it.
type transferDatabase struct{ db *Database }

// transferred makes sure that the server acknowledges what is written.
func transferred(db *Database) transferDatabase {
	concern := db.base.writeConcern
	if concern == nil {
		concern = db.client.writeConcern.Load()
	}
	if concern.Acknowledged() {
		return transferDatabase{db}
	}
	return transferDatabase{&Database{client: db.client, name: db.name, err: db.err, base: derive(db.base, []HandleOption{WithWriteConcern(WriteConcern{W: 1})})}}
}

func (d transferDatabase) Name() string { return d.db.name }

func (d transferDatabase) ListCollections(ctx context.Context) ([]transfer.Collection, error) {
	return Collect[transfer.Collection](d.db.ListCollections(ctx, nil))
}

func (d transferDatabase) ListIndexes(ctx context.Context, collection string) ([]bson.Raw, error) {
	return Collect[bson.Raw](d.db.Collection(collection).ListIndexes(ctx))
}

func (d transferDatabase) Estimate(ctx context.Context, collection string) (int64, error) {
	return d.db.Collection(collection).EstimatedDocumentCount(ctx)
}

func (d transferDatabase) Count(ctx context.Context, collection string) (int64, error) {
	return d.db.Collection(collection).CountDocuments(ctx, nil)
}

func (d transferDatabase) CountWritten(ctx context.Context, collection string) (int64, error) {
	return d.db.Collection(collection, WithReadPreference(ReadPreference{Mode: Primary})).CountDocuments(ctx, nil)
}

func (d transferDatabase) Drop(ctx context.Context, collection string) error {
	return d.db.Collection(collection).Drop(ctx)
}

func (d transferDatabase) Run(ctx context.Context, command bson.Raw) error {
	name, _ := firstKey(command)
	v, _ := bsonwire.Lookup(command, name)
	collection, _ := v.AsString()
	return d.db.command(ctx, name, collection, *d.db.base, func(dst []byte, _ *callOptions) ([]byte, error) {
		return append(dst, command[4:len(command)-1]...), nil
	})
}

func (d transferDatabase) Refused(err error) bool {
	var se *ServerError
	return errors.As(err, &se)
}

func (d transferDatabase) Existed(err error) bool { return isServer(err, ErrNamespaceExists) }

// Insert inserts documents as they are.
func (d transferDatabase) Insert(ctx context.Context, collection string, docs []bson.Raw, o transfer.InsertOptions) (transfer.Written, error) {
	in := inserter{c: d.db.Collection(collection), docs: elements{raw: docs}}
	if in.c.err != nil {
		return transfer.Written{}, in.c.err
	}
	s := *d.db.base
	s.unordered = o.Merge
	if o.BypassValidation {
		s.bypassValidation = &o.BypassValidation
	}
	err := in.run(ctx, &s)
	written := transfer.Written{Documents: in.res.InsertedCount}
	var refused []*WriteError
	var bulk *BulkWriteError
	if errors.As(err, &bulk) {
		refused = bulk.WriteErrors
		if o.Merge {
			written.Duplicates, err = duplicates(bulk)
		}
	}
	written.Bytes = sizeWithout(docs, written.Documents, refused)
	return written, err
}

// duplicates counts documents that are there already, and returns what else went
// wrong.
func duplicates(bulk *BulkWriteError) (n int64, err error) {
	others := *bulk
	others.WriteErrors = nil
	for _, we := range bulk.WriteErrors {
		if errors.Is(we, ErrDuplicateKey) {
			n++
		} else {
			others.WriteErrors = append(others.WriteErrors, we)
		}
	}
	if len(others.WriteErrors)+len(others.WriteConcernErrors) == 0 && others.Err == nil {
		return n, nil
	}
	return n, &others
}

// sizeWithout adds up the sizes of the first n documents that were not refused.
func sizeWithout(docs []bson.Raw, n int64, refused []*WriteError) (size int64) {
	at := 0
	for i := 0; i < len(docs) && n > 0; i++ {
		for at < len(refused) && refused[at].Index < i {
			at++
		}
		if at < len(refused) && refused[at].Index == i {
			continue
		}
		size += int64(len(docs[i]))
		n--
	}
	return size
}

// transferBatch is how many documents are read at a time: enough to make a message
// worth it, few enough that reading and writing overlap. Servers send at most 16 MiB.
const transferBatch = 4000

func (d transferDatabase) Find(ctx context.Context, collection string) transfer.Cursor {
	return transferCursor{d.db.Collection(collection).Find(ctx, nil, BatchSize(transferBatch))}
}

type transferCursor struct{ *Cursor }

// Next moves to the end of the next reply's documents, and hands these over with the
// reply.
func (t transferCursor) Next(ctx context.Context, batch *transfer.Batch) error {
	c := t.Cursor
	if !c.NextContext(ctx) {
		if c.err != nil {
			return c.err
		}
		return io.EOF
	}
	batch.Docs = append(batch.Docs, c.Current())
	for c.take() {
		batch.Docs = append(batch.Docs, c.Current())
	}
	if c.err != nil {
		batch.Docs = batch.Docs[:0] // the reply is gone, and others use its memory
		return c.err
	}
	reply := c.batches.TakeReply()
	batch.Release = reply.Release
	return nil
}
