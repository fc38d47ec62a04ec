package mgx

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/reply"
)

// InsertOneResult is what InsertOne did.
type InsertOneResult struct {
	// InsertedID is the document's _id: an ObjectID made by mgx if the document
	// had none. Beside an error it is nil if the server refused the document or was
	// not asked; otherwise the _id is what to look for, to know whether the document
	// is there.
	InsertedID any
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// UpdateResult is what an update or a replacement did. Its counts are 0 for a
// write concern of w=0.
type UpdateResult struct {
	// MatchedCount is how many documents the filter matched, ModifiedCount how
	// many of them changed, UpsertedCount how many were inserted instead (0 or 1).
	MatchedCount, ModifiedCount, UpsertedCount int64
	// UpsertedID is the _id of the inserted document, nil otherwise.
	UpsertedID any
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// DeleteResult is what a deletion did.
type DeleteResult struct {
	DeletedCount int64
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// InsertOne inserts a document. One without _id gets a new ObjectID; the value
// passed in is not changed.
//
// A refused document is a *WriteError (ErrDuplicateKey, …), an unconfirmed one a
// *WriteConcernError beside a valid result.
func (c *Collection) InsertOne(ctx context.Context, document any, options ...InsertOption) (InsertOneResult, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return InsertOneResult{}, c.err
	}
	var res InsertOneResult
	op := c.writeOp(&insertCommand, &s)
	op.Documents = func(dst []byte, limits exec.Limits) ([]byte, error) {
		at := len(dst)
		dst, err := appendInsert(dst, document, &res.InsertedID, nil)
		if err == nil {
			err = insertCommand.fits(len(dst)-at, limits)
		}
		if err != nil {
			err = fmt.Errorf("insert into %s: %w", c.Namespace(), err)
		}
		return dst, err
	}
	answer, err := c.db.client.run(ctx, &op)
	if err != nil {
		if !answer.Sent {
			res.InsertedID = nil
		}
		return res, err
	}
	defer answer.Release()
	res.Acknowledged = answer.Answered()
	if err := singleWriteError(op.Name, &answer); err != nil {
		if !isWriteConcernOnly(err) {
			res.InsertedID = nil
		}
		return res, err
	}
	return res, nil
}

// UpdateOne changes the first document that matches the filter, by a document
// of update operators or a pipeline.
func (c *Collection) UpdateOne(ctx context.Context, filter, update any, options ...UpdateOption) (UpdateResult, error) {
	s := collect(c.base, options)
	return c.update(ctx, filter, &s, false, func(dst []byte) ([]byte, error) { return appendUpdate(dst, "u", update) })
}

// UpdateByID changes the document with an _id, by a document of update operators or a
// pipeline. nil is no _id to look for here: an ErrInvalidArgument.
func (c *Collection) UpdateByID(ctx context.Context, id, update any, options ...UpdateOption) (UpdateResult, error) {
	if id == nil {
		return UpdateResult{}, failure(ErrInvalidArgument, "update by id: nil is no _id")
	}
	return c.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, update, options...)
}

// UpdateMany changes every document that matches the filter, by a document of
// update operators or a pipeline. It is not retried.
func (c *Collection) UpdateMany(ctx context.Context, filter, update any, options ...UpdateManyOption) (UpdateResult, error) {
	s := collect(c.base, options)
	return c.update(ctx, filter, &s, true, func(dst []byte) ([]byte, error) { return appendUpdate(dst, "u", update) })
}

// ReplaceOne replaces the first document that matches the filter, except for its
// _id.
func (c *Collection) ReplaceOne(ctx context.Context, filter, replacement any, options ...ReplaceOption) (UpdateResult, error) {
	s := collect(c.base, options)
	return c.update(ctx, filter, &s, false, func(dst []byte) ([]byte, error) { return appendReplacement(dst, "u", replacement) })
}

func (c *Collection) update(ctx context.Context, filter any, s *callOptions, many bool, change func([]byte) ([]byte, error)) (UpdateResult, error) {
	answer, counts, err := c.writeOne(ctx, &updateCommand, s, !many, func(dst []byte) ([]byte, error) {
		return appendUpdateStatement(dst, filter, &s.statementOptions, many, change)
	})
	defer answer.Release()
	res := UpdateResult{
		MatchedCount: counts.Matched(), ModifiedCount: counts.Modified, UpsertedCount: int64(len(counts.Upserted)),
		Acknowledged: answer.Answered(),
	}
	for _, u := range counts.Upserted {
		res.UpsertedID = decodeID(u.ID, c.db.client.decode(s))
	}
	return res, err
}

func appendUpdateStatement(dst []byte, filter any, s *statementOptions, many bool, change func([]byte) ([]byte, error)) ([]byte, error) {
	dst, err := appendField(dst, "q", filter)
	if err != nil {
		return dst, err
	}
	if dst, err = change(dst); err != nil {
		return dst, err
	}
	return appendUpdateOptions(appendTrue(dst, "multi", many), s)
}

func appendUpdateOptions(dst []byte, s *statementOptions) ([]byte, error) {
	dst = appendTrue(dst, "upsert", s.upsert)
	dst, err := appendAll(dst, field{"collation", s.collation}, field{"arrayFilters", s.arrayFilters})
	if err != nil {
		return dst, err
	}
	return appendOrdered(dst, field{"hint", s.hint}, field{"sort", s.sort})
}

func appendDeleteStatement(dst []byte, filter any, many bool, s *statementOptions) ([]byte, error) {
	dst, err := appendField(dst, "q", filter)
	if err != nil {
		return dst, err
	}
	limit := int32(1)
	if many {
		limit = 0
	}
	return appendDeleteOptions(bsonwire.AppendInt32(dst, "limit", limit), s)
}

func appendDeleteOptions(dst []byte, s *statementOptions) ([]byte, error) {
	dst, err := appendOptional(dst, "collation", s.collation)
	if err != nil {
		return dst, err
	}
	return appendOrdered(dst, field{"hint", s.hint})
}

// DeleteOne removes the first document that matches the filter.
func (c *Collection) DeleteOne(ctx context.Context, filter any, options ...DeleteOption) (DeleteResult, error) {
	return c.delete(ctx, filter, false, collect(c.base, options))
}

// DeleteMany removes every document that matches the filter. It is not retried.
func (c *Collection) DeleteMany(ctx context.Context, filter any, options ...DeleteOption) (DeleteResult, error) {
	return c.delete(ctx, filter, true, collect(c.base, options))
}

func (c *Collection) delete(ctx context.Context, filter any, many bool, s callOptions) (DeleteResult, error) {
	answer, counts, err := c.writeOne(ctx, &deleteCommand, &s, !many, func(dst []byte) ([]byte, error) {
		return appendDeleteStatement(dst, filter, many, &s.statementOptions)
	})
	defer answer.Release()
	return DeleteResult{DeletedCount: counts.N, Acknowledged: answer.Answered()}, err
}

// writeOne runs a command with one statement. The counts are views of its reply; without
// one they are 0.
func (c *Collection) writeOne(
	ctx context.Context, command *writeCommand, s *callOptions, retryable bool, statement func([]byte) ([]byte, error),
) (exec.Result, reply.Counts, error) {
	if c.err != nil {
		return exec.Result{}, reply.Counts{}, c.err
	}
	op := c.writeOp(command, s)
	op.Retryable = retryable
	op.Documents = func(dst []byte, limits exec.Limits) ([]byte, error) {
		dst, at := bsonwire.Begin(dst)
		dst, err := statement(dst)
		if err != nil {
			return dst, err
		}
		dst = bsonwire.End(dst, at)
		return dst, command.fits(len(dst)-at, limits)
	}
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return exec.Result{}, reply.Counts{}, err
	}
	return res, reply.ReadCounts(res.Body), singleWriteError(command.name, &res)
}

// singleWriteError returns the errors in the reply to a single write.
func singleWriteError(command string, reply *exec.Result) error {
	writeErrors, concern := readWriteErrors(reply.Body)
	if len(writeErrors) > 0 {
		writeErrors[0].command, writeErrors[0].address = command, reply.Server.Address()
	}
	switch {
	case len(writeErrors) > 0 && concern != nil:
		return errors.Join(writeErrors[0], concern)
	case len(writeErrors) > 0:
		return writeErrors[0]
	case concern != nil:
		return concern
	}
	return nil
}

func isWriteConcernOnly(err error) bool {
	var we *WriteError
	return !errors.As(err, &we)
}

// writeConcernErrorIn returns the write concern error in a reply.
func writeConcernErrorIn(reply []byte) error {
	if _, concern := readWriteErrors(reply); concern != nil {
		return concern
	}
	return nil
}

// readWriteErrors copies the errors out of the reply to a write.
func readWriteErrors(reply []byte) (list []*WriteError, concern *WriteConcernError) {
	writes, unconfirmed := fault.ParseWrites(reply)
	for i := range writes {
		list = append(list, newWriteError(&writes[i]))
	}
	if unconfirmed != nil {
		concern = newWriteConcernError(unconfirmed)
	}
	return list, concern
}
