package mgx

import (
	"context"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// batches sends a number of statements in as few messages as the server's limits
// allow. Each is encoded once: one that does not fit any more begins the next
// message.
type batches struct {
	op    exec.Op
	total int
	// append encodes a statement. It may be called again, for a retry.
	append func(dst []byte, i int) ([]byte, error)
	// extra is what a statement may take beyond the size of a document.
	extra   int
	ordered bool
	// index is which of the caller's writes a statement is; nil: the same.
	index func(i int) int
	// What a bulk over several namespaces does besides: prepare looks at the batch
	// that begins at first; begin is told of the limits whenever it is encoded, and
	// may change them; place completes a statement, and returns how many bytes more
	// the message needs for it.
	prepare func()
	begin   func(*exec.Limits)
	place   func(i int, statement []byte) (int, error)

	first int    // of the batch
	n     int    // in the batch
	spill []byte // a statement that did not fit in its batch
	at    int    // which statement that is
	tried int    // up to here, the server may have got what failed
	acked bool   // the server answers
	errs  BulkWriteError
}

// run sends the batches until all are done, or, if they are ordered, one fails.
// reply reads what is particular to the operation; first is the index that the
// reply's count from.
func (b *batches) run(o *operation, reply func(body []byte, first int)) {
	b.each(o, func(res exec.Result) (stop bool) {
		reply(res.Body, b.first)
		stop = b.readErrors(res.Body)
		res.Release()
		return stop
	})
}

// each sends the batches, and gives the replies to read, which tells whether to
// stop, and releases them.
func (b *batches) each(o *operation, read func(exec.Result) (stop bool)) {
	b.op.Documents = b.fill
	for b.first < b.total {
		if b.prepare != nil {
			b.prepare()
		}
		res, err := o.run(&b.op)
		if err != nil {
			b.errs.Err = err
			if res.Sent {
				b.tried = b.first + b.n
			}
			break
		}
		stop := false
		if b.acked = !res.Unacknowledged; b.acked {
			stop = read(res)
		}
		b.first += b.n
		if stop {
			break
		}
	}
	b.errs.Unsent = min(b.first, b.total)
}

// fill fills a message with statements.
func (b *batches) fill(dst []byte, limits exec.Limits) ([]byte, error) {
	limits.MaxDocument += b.extra
	if b.begin != nil {
		b.begin(&limits)
	}
	end := len(dst) + limits.Room
	b.n = 0
	for i := b.first; i < b.total && b.n < limits.MaxBatch; i++ {
		at := len(dst)
		var err error
		if i == b.at && len(b.spill) > 0 {
			dst = append(dst, b.spill...)
		} else if dst, err = b.append(dst, i); err != nil {
			return dst, b.indexed(i, err)
		}
		if b.place != nil {
			more, err := b.place(i, dst[at:])
			if err != nil {
				return dst, b.indexed(i, err)
			}
			end -= more
		}
		if len(dst) > end && b.n > 0 {
			b.spill, b.at = append(b.spill[:0], dst[at:]...), i
			return dst[:at], nil
		}
		if err := checkSize(len(dst)-at, limits); err != nil {
			return dst, b.indexed(i, err)
		}
		b.n++
	}
	if b.first+b.n == b.total {
		b.spill = nil
	}
	return dst, nil
}

// indexed names a statement by its position, in errors.
func (b *batches) indexed(i int, err error) error {
	if b.index != nil {
		i = b.index(i)
	}
	return indexed(i, err)
}

// readErrors takes the errors out of a reply, and tells whether to stop.
func (b *batches) readErrors(reply []byte) (stop bool) {
	writeErrors, concern := readWriteErrors(reply)
	for _, we := range writeErrors {
		if we.Index < 0 || we.Index >= b.n {
			b.errs.Err = failure(ErrProtocol, "%s: the server refuses statement %d of %d", b.op.Name, we.Index, b.n)
			return true
		}
		we.Index += b.first
		b.errs.WriteErrors = append(b.errs.WriteErrors, we)
	}
	if concern != nil {
		b.errs.WriteConcernErrors = append(b.errs.WriteConcernErrors, concern)
	}
	if len(writeErrors) == 0 || !b.ordered {
		return false
	}
	// The server stopped at the first statement that it refused.
	b.n = max(writeErrors[0].Index-b.first+1, 0)
	return true
}

// err returns what happened, nil if all went well.
func (b *batches) err() error {
	e := &b.errs
	switch {
	case e.Err != nil && b.first == 0 && len(e.WriteErrors) == 0:
		return e.Err // nothing happened but this
	case e.Err == nil && len(e.WriteErrors) == 0 && len(e.WriteConcernErrors) == 0:
		return nil
	}
	return e
}

// inserter inserts many documents.
type inserter struct {
	c    *Collection
	docs elements
	// newIDs are those that documents without _id get.
	newIDs newIDs
	res    InsertManyResult // without InsertedIDs, for documents that are sent as they are
}

func (in *inserter) run(ctx context.Context, s *settings) error {
	b := batches{
		op: in.c.insertOp(s), total: in.docs.len(), ordered: !s.unordered, append: in.append,
	}
	o, err := in.c.db.client.begin(ctx, &b.op)
	if err != nil {
		clear(in.res.InsertedIDs)
		return err
	}
	b.run(&o, func(reply []byte, _ int) {
		v, _ := bsonwire.Lookup(reply, "n")
		n, _ := v.AsInt64()
		in.res.InsertedCount += n
	})
	err = b.err()
	o.end(err)
	in.res.Acknowledged = b.acked
	if in.res.InsertedIDs != nil {
		for _, we := range b.errs.WriteErrors {
			in.res.InsertedIDs[we.Index] = nil
		}
		clear(in.res.InsertedIDs[max(b.errs.Unsent, b.tried):])
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
