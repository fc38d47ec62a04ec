package mgx

import (
	"bytes"
	"context"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
)

// read takes in the reply to a message, with all that its cursor holds, and reports
// whether to stop.
func (w *clientBulk) read(ctx context.Context, res exec.Result) (stop bool) {
	if _, concern := readWriteErrors(res.Body); concern != nil {
		w.errs.WriteConcernErrors = append(w.errs.WriteConcernErrors, concern)
	}
	refused := w.count(res.Body)
	w.seen = 0
	w.some = w.some || refused == 0 || w.s.unordered && refused < int64(w.split.Count())

	cur := w.c.newCursor(ctx, "admin", "$cmd.bulkWrite", w.s, nil)
	cur.batches.Command.Name, cur.batches.Binding = "bulkWrite", w.binding
	cur.started = true
	if err := cur.batches.Adopt(res); err != nil {
		cur.fail(ctx, cur.public(err))
	}
	for !stop && cur.Next() {
		stop = w.outcome(cur.Current())
	}
	if err := cur.Close(); err != nil && w.errs.Err == nil {
		w.errs.Err = err
		if refused > 0 {
			w.split.Doubt(w.seen) // which they are was in the rest
		}
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

// outcome takes in what became of one write, and reports whether to stop.
func (w *clientBulk) outcome(doc []byte) (stop bool) {
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
	i, known := w.split.Write(int(idx))
	if !known {
		w.split.Doubt(0)
		w.errs.Err = failure(ErrProtocol, "bulkWrite: the server has a result of write %d of %d", idx, w.split.Count())
		return true
	}
	w.seen = int(idx) + 1
	if !ok {
		failed := fault.Parse(bytes.Clone(doc))
		we := newWriteError(&failed)
		// In order, those before it were done.
		w.some = w.some || !w.s.unordered && idx > 0
		return !w.refuse(&w.split, "bulkWrite", we) || !w.s.unordered
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

// result returns result and error.
func (w *clientBulk) result() (ClientBulkWriteResult, error) {
	w.res.Acknowledged = w.account.Acknowledged
	err := w.finish()
	switch {
	case err == nil:
		return w.res, nil
	case err != error(&w.errs):
		return ClientBulkWriteResult{}, fmt.Errorf("bulk write: %w", err)
	}
	failed := &ClientBulkWriteError{BulkWriteError: w.errs}
	if !w.some {
		return ClientBulkWriteResult{Acknowledged: w.res.Acknowledged}, failed
	}
	partial := w.res
	failed.PartialResult = &partial
	return w.res, failed
}
