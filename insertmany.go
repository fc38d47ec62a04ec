package mgx

import (
	"context"

	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/write"
)

// InsertManyResult is what InsertMany did.
type InsertManyResult struct {
	// InsertedIDs are the _ids of the documents, in their order; nil where a
	// document was not inserted. Those of a message that failed are there: whether
	// its documents are is not known.
	InsertedIDs []any
	// InsertedCount is how many the server says it inserted; 0 if it was not
	// asked.
	InsertedCount int64
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// InsertMany inserts the documents of a slice, in as few messages as the
// server's limits allow. Documents without _id get new ObjectIDs.
//
// It stops at the first document that is refused; with Unordered, it goes on
// behind it. The error is then a *BulkWriteError, which tells what happened to
// which document. So it is with a document that cannot be sent, because it cannot be
// encoded or is above the server's size limit: those before it are inserted, and with
// Unordered those behind it.
func (c *Collection) InsertMany(ctx context.Context, documents any, options ...InsertManyOption) (InsertManyResult, error) {
	s := collect(c.base, options)
	if c.err != nil {
		return InsertManyResult{}, c.err
	}
	docs, err := elementsOf(documents)
	if err != nil {
		return InsertManyResult{}, err
	}
	if docs.len() == 0 {
		return InsertManyResult{}, failure(ErrInvalidArgument, "insert many: there are no documents")
	}
	in := inserter{c: c, docs: docs, newIDs: newIDs{total: docs.len()}, res: InsertManyResult{InsertedIDs: make([]any, docs.len())}}
	err = in.run(ctx, &s)
	return in.res, err
}

// inserter inserts many documents.
type inserter struct {
	severalWrites
	c    *Collection
	docs elements
	// newIDs are those that documents without _id get.
	newIDs newIDs
	res    InsertManyResult // without InsertedIDs, for documents that are sent as they are
}

func (in *inserter) run(ctx context.Context, s *callOptions) error {
	in.severalWrites = newSeveralWrites(in.docs.len())
	op := in.c.writeOp(&insertCommand, s)
	o, err := in.c.db.client.begin(ctx, &op)
	if err != nil {
		clear(in.res.InsertedIDs)
		return err
	}
	split := write.Split{Total: in.docs.len(), Ordered: !s.unordered, Append: in.append, Account: &in.account}
	op.Documents = split.Fill
	in.send(&split, func() (exec.Result, error) { return o.run(&op) }, func(res exec.Result) bool {
		defer res.Release()
		in.res.InsertedCount += reply.ReadCounts(res.Body).N
		return in.takeErrors(&split, op.Name, res.Body)
	})
	in.res.Acknowledged = in.account.Acknowledged
	err = o.end(in.finish())
	if err == nil || in.res.InsertedIDs == nil {
		return err
	}
	for i, o := range in.account.Outcomes {
		if o == write.NotAttempted || o == write.Refused {
			in.res.InsertedIDs[i] = nil
		}
	}
	return err
}

// append appends a document; without a place for its _id, as it is.
func (in *inserter) append(dst []byte, i int) ([]byte, error) {
	if in.res.InsertedIDs == nil {
		return append(dst, in.docs.raw[i]...), nil
	}
	return appendInsert(dst, in.docs.at(i), &in.res.InsertedIDs[i], &in.newIDs)
}
