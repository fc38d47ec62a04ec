package mgx

import (
	"bytes"
	"context"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
)

// read takes in the reply to a message, with all that its cursor holds, and tells
// whether to stop.
func (w *clientBulk) read(ctx context.Context, res exec.Result) (stop bool) {
	w.res.Acknowledged = true
	if _, concern := readWriteErrors(res.Body); concern != nil {
		w.errs.WriteConcernErrors = append(w.errs.WriteConcernErrors, concern)
	}
	refused := w.count(res.Body)
	w.some = w.some || refused == 0 || !w.ordered && refused < int64(w.n)

	cur := w.c.newCursor(ctx, "admin", "$cmd.bulkWrite", w.s, nil)
	cur.batches.Command.Name, cur.batches.Binding = w.op.Name, w.binding
	cur.started = true
	if err := cur.batches.Adopt(res); err != nil {
		cur.fail(ctx, cur.public(err))
	}
	for !stop && cur.Next() {
		stop = w.result(cur.Current())
	}
	if err := cur.Close(); err != nil && w.errs.Err == nil {
		w.errs.Err = err
	}
	return stop || w.errs.Err != nil
}

// count adds the counts of a reply, and returns how many writes were refused.
func (w *clientBulk) count(reply []byte) (refused int64) {
	counts := []struct {
		key string
		sum *int64
	}{
		{"nErrors", &refused}, {"nInserted", &w.res.InsertedCount}, {"nMatched", &w.res.MatchedCount},
		{"nModified", &w.res.ModifiedCount}, {"nUpserted", &w.res.UpsertedCount}, {"nDeleted", &w.res.DeletedCount},
	}
	for r := bsonwire.NewReader(reply); r.Next(); {
		for _, c := range counts {
			if string(r.Key()) == c.key {
				n, _ := r.Value().AsInt64()
				*c.sum += n
			}
		}
	}
	return refused
}

// result takes in what became of one write, and tells whether to stop.
func (w *clientBulk) result(doc []byte) (stop bool) {
	var (
		idx, n, modified int64 = -1, 0, 0
		ok, upserted     bool
		id               bsonwire.Value
	)
	for r := bsonwire.NewReader(doc); r.Next(); {
		switch v := r.Value(); string(r.Key()) {
		case "ok":
			ok, _ = v.AsBool()
		case "idx":
			idx, _ = v.AsInt64()
		case "n":
			n, _ = v.AsInt64()
		case "nModified":
			modified, _ = v.AsInt64()
		case "upserted":
			d, _ := v.AsDocument()
			id, upserted = bsonwire.Lookup(d, "_id")
		}
	}
	if idx < 0 || idx >= int64(w.n) {
		w.errs.Err = failure(ErrProtocol, "bulkWrite: the server has a result of write %d of %d", idx, w.n)
		return true
	}
	i := w.first + int(idx)
	if !ok {
		return w.refuse(i, doc)
	}
	w.some = true
	if !w.s.verbose {
		return false
	}
	switch w.writes[i].Model.kind {
	case writeInsert:
		w.res.InsertResults[i] = ClientInsertResult{InsertedID: w.ids[i]}
	case writeDeleteOne, writeDeleteMany:
		w.res.DeleteResults[i] = ClientDeleteResult{DeletedCount: n}
	default:
		res := ClientUpdateResult{MatchedCount: n, ModifiedCount: modified, Upserted: upserted}
		if upserted {
			res.UpsertedID = decodeID(id, w.c.decode(w.s))
		}
		w.res.UpdateResults[i] = res
	}
	return false
}

// refuse takes in the error of a write.
func (w *clientBulk) refuse(i int, doc []byte) (stop bool) {
	failed := fault.Parse(bytes.Clone(doc))
	we := newWriteError(&failed)
	we.Index = i
	w.errs.WriteErrors = append(w.errs.WriteErrors, we)
	if !w.ordered {
		return false
	}
	// The server stopped at this write: those before it were done.
	w.some = w.some || i > w.first
	w.n = i - w.first + 1
	return true
}

// finish returns result and error.
func (w *clientBulk) finish() (ClientBulkWriteResult, error) {
	e := &w.errs
	known := w.some || len(e.WriteErrors) > 0 || len(e.WriteConcernErrors) > 0
	switch {
	case e.Err != nil && !known && w.first == 0:
		return ClientBulkWriteResult{}, fmt.Errorf("bulk write: %w", e.Err)
	case e.Err == nil && len(e.WriteErrors) == 0 && len(e.WriteConcernErrors) == 0:
		return w.res, nil
	}
	failed := &ClientBulkWriteError{BulkWriteError: *e}
	if !w.some {
		return ClientBulkWriteResult{Acknowledged: w.res.Acknowledged}, failed
	}
	partial := w.res
	failed.PartialResult = &partial
	return w.res, failed
}
