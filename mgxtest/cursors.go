package mgxtest

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

const (
	defaultBatch  = 101
	maxBatchBytes = 16 << 20
	defaultAwait  = time.Second
)

// cursor is an open cursor. Ordinary ones hold what is left of their result;
// tailable ones and change streams look for more.
type cursor struct {
	id    int64
	ns    string
	batch []bson.Raw
	// done means that nothing will follow the batch, as after a limit.
	done bool
	// The session and the transaction that it was made in.
	lsid      string
	txn       bool
	txnNumber int64

	tail  *tail
	await bool
	watch *stream
	// atTime is the point in time of a snapshot read.
	atTime timestamp
}

// tail follows a capped collection.
type tail struct {
	ns     string
	uuid   [16]byte
	after  int64
	filter *engine.Filter
	proj   *engine.Projection
}

func init() {
	register(
		&command{name: "getMore", txn: true, v1: true, fields: "collection batchSize term lastKnownCommittedOpTime includeQueryStatsMetrics", run: cmdGetMore},
		&command{name: "killCursors", txn: true, v1: true, fields: "cursors", run: cmdKillCursors},
	)
}

// take removes up to n documents from the front, or as many as a message
// holds for a negative n.
func (c *cursor) take(n int64) bson.A {
	out := bson.A{}
	size := 0
	for len(c.batch) > 0 && (n < 0 || int64(len(out)) < n) {
		next := c.batch[0]
		if size += len(next); size > maxBatchBytes && len(out) > 0 {
			break
		}
		out = append(out, next)
		c.batch = c.batch[1:]
	}
	return out
}

// openCursor makes the reply with the first batch and keeps the cursor if
// there is or may be more. A negative size is the server's default.
func (d *mongod) openCursor(r *request, c *cursor, size int64, single bool) bson.D {
	n := size
	if n < 0 {
		n = defaultBatch
	}
	first := c.take(n)
	open := !single && (len(c.batch) > 0 || c.tail != nil || c.watch != nil || int64(len(first)) == n && !c.done)
	if open {
		d.lastCur = randomID()
		c.id, c.lsid, c.txn, c.txnNumber = d.lastCur, r.lsid, r.inTxn, r.txnNumber
		d.cursors[c.id] = c
	}
	cur := doc("firstBatch", first, "id", c.id, "ns", c.ns)
	if !c.atTime.zero() {
		cur = append(cur, doc("atClusterTime", c.atTime.bson())...)
	}
	if c.watch != nil {
		cur = append(cur, doc("postBatchResumeToken", c.watch.tokenAfter(first, c.batch))...)
	}
	return doc("cursor", cur)
}

// checkSession refuses a getMore out of another session or transaction than the
// cursor's (src/mongo/db/cursor_manager).
func (c *cursor) checkSession(r *request) error {
	switch {
	case c.lsid != "" && r.lsid == "":
		return failf(50737, "Cannot run getMore on cursor %d, which was created in session %x, without an lsid", c.id, c.lsid)
	case c.lsid == "" && r.lsid != "":
		return failf(50738, "Cannot run getMore on cursor %d, which was not created in a session, in session %x", c.id, r.lsid)
	case c.lsid != r.lsid:
		return failf(50739, "Cannot run getMore on cursor %d, which was created in session %x, in session %x", c.id, c.lsid, r.lsid)
	case c.txn && !r.inTxn:
		return failf(50740, "Cannot run getMore on cursor %d, which was created in a transaction, without a txnNumber", c.id)
	case !c.txn && r.inTxn:
		return failf(50741, "Cannot run getMore on cursor %d, which was not created in a transaction, in transaction %d", c.id, r.txnNumber)
	case c.txn && c.txnNumber != r.txnNumber:
		return failf(50742, "Cannot run getMore on cursor %d, which was created in transaction %d, in transaction %d", c.id, c.txnNumber, r.txnNumber)
	}
	return nil
}

func cmdGetMore(d *mongod, r *request) (bson.D, error) {
	v, _ := r.get("getMore")
	id, ok := v.Int64OK()
	if !ok {
		return nil, failf(codeTypeMismatch, "BSON field 'getMore.getMore' is the wrong type '%s', expected type 'long'", typeNameOf(v))
	}
	coll := r.text("collection")
	if coll == "" {
		return nil, failf(codeMissingField, "BSON field 'getMore.collection' is missing but a required field")
	}
	c := d.cursors[id]
	if c == nil {
		return nil, failf(codeCursorNotFound, "cursor id %d not found", id)
	}
	if ns := r.db + "." + coll; ns != c.ns {
		return nil, failf(codeUnauthorized, "Requested getMore on namespace '%s', but cursor belongs to a different namespace %s", ns, c.ns)
	}
	if err := c.checkSession(r); err != nil {
		return nil, err
	}
	if r.inTxn {
		if _, err := d.transaction(r); err != nil {
			return nil, err
		}
	}
	if _, given := r.get("maxTimeMS"); given && !c.await && c.watch == nil {
		return nil, failf(codeBadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
	}
	size := r.number("batchSize", 0)
	if size < 0 {
		return nil, failf(51024, "BSON field 'batchSize' value must be >= 0, actual value '%d'", size)
	}
	if size == 0 {
		size = -1
	}
	r.streams = c.watch != nil
	if err := d.failGetMore(c.ns); err != nil {
		return nil, err
	}
	if err := d.pause(r, "waitAfterPinningCursorBeforeGetMoreBatch", c.ns); err != nil {
		return nil, err
	}
	if c.tail != nil || c.watch != nil {
		if err := d.awaitMore(r, c); err != nil {
			if c.watch != nil {
				delete(d.cursors, id)
			}
			return nil, err
		}
	}
	next := c.take(size)
	out := doc("nextBatch", next, "id", c.id, "ns", c.ns)
	if c.tail == nil && c.watch == nil && len(c.batch) == 0 && (size < 0 || int64(len(next)) < size || c.done) ||
		c.watch != nil && c.watch.invalidated && len(c.batch) == 0 {
		delete(d.cursors, id)
		out[1].Value = int64(0)
	}
	if c.watch != nil {
		out = append(out, doc("postBatchResumeToken", c.watch.tokenAfter(next, c.batch))...)
	}
	return doc("cursor", out), nil
}

// awaitMore fills the batch of a tailable cursor or change stream, waiting for
// data as long as the request allows.
func (d *mongod) awaitMore(r *request, c *cursor) error {
	limit := r.maxTime
	if limit == 0 {
		limit = defaultAwait
	}
	if !c.await {
		limit = 0
	}
	ctx, stop := context.WithTimeout(r.ctx, limit)
	defer stop()
	var failed error
	err := d.set.wait(ctx, func() bool {
		if d.cursors[c.id] != c {
			failed = failf(codeCursorKilled, "cursor was killed")
			if cause := context.Cause(r.ctx); cause != nil {
				failed = interruption(cause)
			}
			return true
		}
		failed = d.refill(c)
		return failed != nil || len(c.batch) > 0 || c.watch != nil && c.watch.invalidated || !c.await
	})
	if failed != nil {
		return failed
	}
	if err != nil && context.Cause(ctx) == context.DeadlineExceeded && r.ctx.Err() == nil {
		return nil
	}
	return err
}

func (d *mongod) refill(c *cursor) error {
	if len(c.batch) > 0 {
		return nil
	}
	if c.watch != nil {
		return c.watch.refill(d, c)
	}
	t := c.tail
	store := d.store
	if system, err := d.systemStore(t.ns); err != nil {
		return err
	} else if system != nil {
		store = system
	}
	coll := store.Collection(t.ns)
	if coll == nil || coll.UUID != t.uuid {
		delete(d.cursors, c.id)
		return failf(175, "collection dropped. UUID changed")
	}
	if t.after > 0 && coll.LostAfter(t.after) {
		delete(d.cursors, c.id)
		return failf(136, "CollectionScan died due to position in capped collection being deleted. ")
	}
	return coll.ScanAfter(t.filter, t.after, func(rec *engine.Record) bool {
		raw, err := t.proj.Apply(rec)
		if err != nil {
			return false
		}
		c.batch = append(c.batch, raw)
		t.after = rec.ID
		return true
	})
}

func cmdKillCursors(d *mongod, r *request) (bson.D, error) {
	v, _ := r.get("cursors")
	arr, ok := v.ArrayOK()
	if !ok {
		return nil, failf(codeMissingField, "BSON field 'killCursors.cursors' is missing but a required field")
	}
	values, _ := arr.Values()
	if len(values) == 0 {
		return nil, failf(codeBadValue, "Must specify at least one cursor id")
	}
	killed, missing := bson.A{}, bson.A{}
	for _, item := range values {
		id, _ := asInt(item)
		if d.cursors[id] != nil {
			delete(d.cursors, id)
			killed = append(killed, id)
		} else {
			missing = append(missing, id)
		}
	}
	d.set.wake()
	return doc("cursorsKilled", killed, "cursorsNotFound", missing, "cursorsAlive", bson.A{}, "cursorsUnknown", bson.A{}), nil
}
