package mgx

import (
	"bytes"
	"context"
	"math"
	"sync"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/reply"
)

// Find returns a cursor over the documents that match the filter. It sends
// nothing before the first document is asked for.
func (c *Collection) Find(ctx context.Context, filter any, options ...FindOption) *Cursor {
	s := collect(c.base, options)
	cur := c.db.client.newCursor(ctx, c.db.name, c.name, &s, c.err)
	cur.batches.Limit, cur.tails = max(s.limit, 0), s.cursor != NonTailable
	if c.err != nil {
		return cur
	}
	if s.cursor == TailableAwait {
		cur.batches.AwaitMS = s.awaitMS()
	}
	op := &cur.batches.Command
	*op = c.read("find", &s)
	op.Body = func(dst []byte) ([]byte, error) { return c.appendFind(dst, filter, &s, false) }
	return cur
}

// Prefetch asks for the next batch while the current one is used: faster for who
// reads to the end, at the price of one batch more in memory and a goroutine while
// it is on its way. It does not count in a transaction, whose commands follow each other.
func Prefetch() CursorOption { return option(func(s *callOptions) { s.prefetch = true }) }

// Exhaust has the server send batch after batch without being asked. It needs a
// connection of its own, and closes it if the cursor is closed before its end. It does not
// count in a transaction.
func Exhaust() FindOption { return option(func(s *callOptions) { s.exhaust = true }) }

// awaitMS is maxAwait in milliseconds: at least one, since 0 is the server's default.
func (s *callOptions) awaitMS() int64 {
	if s.maxAwait <= 0 {
		return 0
	}
	return max(s.maxAwait.Milliseconds(), 1)
}

// FindOne returns the first document that matches the filter. Where there is
// none, the result's error is ErrNoDocuments. The package's function of the same
// name returns it typed.
func (c *Collection) FindOne(ctx context.Context, filter any, options ...FindOneOption) *SingleResult {
	f := c.findOne(ctx, filter, options)
	defer f.free()
	if f.err != nil {
		return &SingleResult{err: f.err}
	}
	return &SingleResult{raw: bytes.Clone(f.doc), decode: c.db.client.decode(&f.s)}
}

// FindOne returns the first document that matches the filter, or
// ErrNoDocuments.
func FindOne[T any](ctx context.Context, c *Collection, filter any, options ...FindOneOption) (T, error) {
	f := c.findOne(ctx, filter, options)
	defer f.free()
	var v T
	if f.err != nil {
		return v, f.err
	}
	if raw, ok := any(&v).(*bson.Raw); ok {
		*raw = bytes.Clone(f.doc)
		return v, nil
	}
	err := decodeDocument(c.db.client.decode(&f.s), f.doc, &v)
	return v, err
}

// findOne is a FindOne, with all that it needs in one place. They are used again:
// what a call costs is then its document.
type findOne struct {
	c      *Collection
	filter any
	s      callOptions
	op     exec.Op
	res    exec.Result
	doc    bson.Raw // a view into res
	err    error
	body   func(dst []byte) ([]byte, error) // appendTo, bound once
}

var findOnes = sync.Pool{New: func() any {
	f := &findOne{}
	f.body = f.appendTo
	return f
}}

// findOne runs the operation. The caller uses the document, and then frees it all.
func (c *Collection) findOne(ctx context.Context, filter any, options []FindOneOption) *findOne {
	f := findOnes.Get().(*findOne)
	if f.err = c.err; f.err != nil {
		return f
	}
	f.c, f.filter, f.s = c, filter, collect(c.base, options)
	f.op = c.read("find", &f.s)
	f.op.Body = f.body
	if f.res, f.err = c.db.client.run(ctx, &f.op); f.err == nil {
		f.err = f.read()
	}
	return f
}

func (f *findOne) appendTo(dst []byte) ([]byte, error) {
	return f.c.appendFind(dst, f.filter, &f.s, true)
}

// free gives back the reply's buffer and f itself.
func (f *findOne) free() {
	f.res.Release()
	*f = findOne{body: f.body}
	findOnes.Put(f)
}

// read takes the document out of the reply.
func (f *findOne) read() (err error) {
	if f.doc, err = firstDocument(f.op.Name, &f.res); err == nil && f.doc == nil {
		err = ErrNoDocuments
	}
	return err
}

// firstDocument returns the first document of the batch in a reply, nil if there is none.
func firstDocument(command string, res *exec.Result) (bson.Raw, error) {
	cursor, err := reply.ReadCursor(res.Body)
	if err == nil {
		batch := bsonwire.NewReader(cursor.Batch)
		var doc []byte
		if doc, err = reply.NextDocument(&batch); err == nil {
			return doc, nil
		}
	}
	return nil, toPublic(command, &exec.ReplyError{Address: res.Server.Address(), Command: command, Err: err})
}

func (c *Collection) appendFind(dst []byte, filter any, s *callOptions, single bool) ([]byte, error) {
	dst = bsonwire.AppendString(dst, "find", c.name)
	dst, err := appendField(dst, "filter", filter)
	if err != nil {
		return dst, err
	}
	if s.sort != nil || s.projection != nil {
		if dst, err = appendOrdered(dst, field{"sort", s.sort}); err != nil {
			return dst, err
		}
		if dst, err = appendOptional(dst, "projection", s.projection); err != nil {
			return dst, err
		}
	}
	if s.skip != 0 {
		dst = bsonwire.AppendInt64(dst, "skip", s.skip)
	}
	if single {
		dst = bsonwire.AppendInt64(dst, "limit", 1)
		dst = bsonwire.AppendBoolean(dst, "singleBatch", true)
	} else {
		dst = appendBounds(dst, s.limit, s.batchSize)
	}
	return c.appendFindExtras(dst, s)
}

// appendBounds appends limit and batch size, as the specification "Find, getMore and
// killCursors commands" maps them: a negative one asks for a single batch.
func appendBounds(dst []byte, limit int64, batchSize int32) []byte {
	single := limit < 0 || batchSize < 0
	limit, batch := max(limit, -limit), max(int64(batchSize), -int64(batchSize))
	switch {
	case single && limit != 0:
		batch = limit // or the server would end the batch at 101 documents
	case !single && batch == limit && batch != 0:
		batch++ // a batch of just the limit's size would leave the cursor open
	}
	if limit != 0 {
		dst = bsonwire.AppendInt64(dst, "limit", limit)
	}
	if batch != 0 {
		dst = bsonwire.AppendInt32(dst, "batchSize", int32(min(batch, math.MaxInt32)))
	}
	return appendTrue(dst, "singleBatch", single)
}

func (c *Collection) appendFindExtras(dst []byte, s *callOptions) ([]byte, error) {
	dst = appendBool(dst, "allowDiskUse", s.allowDiskUse)
	dst = appendTrue(dst, "allowPartialResults", s.allowPartial)
	dst = appendTrue(dst, "noCursorTimeout", s.noTimeout)
	dst = appendTrue(dst, "returnKey", s.returnKey)
	dst = appendTrue(dst, "showRecordId", s.showRecordID)
	dst = appendTrue(dst, "tailable", s.cursor != NonTailable)
	dst = appendTrue(dst, "awaitData", s.cursor == TailableAwait)
	dst, err := appendOrdered(dst, field{"hint", s.hint}, field{"max", s.max}, field{"min", s.min})
	if err != nil {
		return dst, err
	}
	return appendAll(dst, field{"collation", s.collation}, field{"let", s.let}, field{"comment", s.comment})
}

// FindOneAndDelete removes the first document that matches the filter, and
// returns it as it was.
func (c *Collection) FindOneAndDelete(ctx context.Context, filter any, options ...FindOneAndDeleteOption) *SingleResult {
	s := collect(c.base, options)
	return c.findAndModify(ctx, filter, &s, func(dst []byte) ([]byte, error) {
		return bsonwire.AppendBoolean(dst, "remove", true), nil
	})
}

// FindOneAndReplace replaces the first document that matches the filter, and
// returns it as it was before, or, with ReturnAfter, as it is now.
func (c *Collection) FindOneAndReplace(ctx context.Context, filter, replacement any, options ...FindOneAndReplaceOption) *SingleResult {
	s := collect(c.base, options)
	return c.findAndModify(ctx, filter, &s, func(dst []byte) ([]byte, error) {
		return appendReplacement(dst, "update", replacement)
	})
}

// FindOneAndUpdate changes the first document that matches the filter, and
// returns it as it was before, or, with ReturnAfter, as it is now.
func (c *Collection) FindOneAndUpdate(ctx context.Context, filter, update any, options ...FindOneAndUpdateOption) *SingleResult {
	s := collect(c.base, options)
	return c.findAndModify(ctx, filter, &s, func(dst []byte) ([]byte, error) {
		return appendUpdate(dst, "update", update)
	})
}

func (c *Collection) findAndModify(ctx context.Context, filter any, s *callOptions, change func([]byte) ([]byte, error)) *SingleResult {
	if c.err != nil {
		return &SingleResult{err: c.err}
	}
	op := writeOp("findAndModify", c.db.name, c.name, s)
	op.Retryable = true
	op.Body = func(dst []byte) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "findAndModify", c.name)
		dst, err := appendField(dst, "query", filter)
		if err != nil {
			return dst, err
		}
		if dst, err = change(dst); err != nil {
			return dst, err
		}
		dst = appendTrue(dst, "new", s.returnAfter)
		dst = appendTrue(dst, "upsert", s.upsert)
		dst = appendBool(dst, "bypassDocumentValidation", s.bypassValidation)
		if dst, err = appendOrdered(dst, field{"sort", s.sort}, field{"hint", s.hint}); err != nil {
			return dst, err
		}
		return appendAll(dst,
			field{"fields", s.projection}, field{"collation", s.collation},
			field{"arrayFilters", s.arrayFilters}, field{"let", s.let}, field{"comment", s.comment})
	}
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return &SingleResult{err: err}
	}
	defer res.Release()
	r := &SingleResult{decode: c.db.client.decode(s)}
	if v, ok := bsonwire.Lookup(res.Body, "value"); ok {
		doc, _ := v.AsDocument()
		r.raw = bytes.Clone(doc)
	}
	// The document is there whether or not enough members have confirmed it.
	if r.err = writeConcernErrorIn(res.Body); r.err == nil && r.raw == nil {
		r.err = ErrNoDocuments
	}
	return r
}
