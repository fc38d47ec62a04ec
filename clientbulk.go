package mgx

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/wire"
	"github.com/mgxdb/mgx/internal/wireversion"
	"github.com/mgxdb/mgx/internal/write"
)

// ClientWrite is one write of a Client.BulkWrite.
type ClientWrite struct {
	// Collection is where to write: a handle that came from the same client. What
	// the handle says of write concerns does not count, the client and the call do.
	Collection *Collection
	// Model is what to write.
	Model WriteModel
}

// ClientBulkWriteResult is what a Client.BulkWrite did. Its counts are 0 for a
// write concern of w=0.
type ClientBulkWriteResult struct {
	InsertedCount, MatchedCount, ModifiedCount, DeletedCount, UpsertedCount int64
	// InsertResults, UpdateResults and DeleteResults are the results of the writes
	// that succeeded, by the index of the write. They are nil without
	// VerboseResults.
	InsertResults map[int]ClientInsertResult
	UpdateResults map[int]ClientUpdateResult
	DeleteResults map[int]ClientDeleteResult
	// Acknowledged is false for a write concern of w=0.
	Acknowledged bool
}

// ClientInsertResult is what an insert of a Client.BulkWrite did.
type ClientInsertResult struct {
	InsertedID any
}

// ClientUpdateResult is what an update or a replacement of a Client.BulkWrite did.
type ClientUpdateResult struct {
	MatchedCount, ModifiedCount int64
	// Upserted is true where a document was inserted instead; UpsertedID is its _id.
	Upserted   bool
	UpsertedID any
}

// ClientDeleteResult is what a deletion of a Client.BulkWrite did.
type ClientDeleteResult struct {
	DeletedCount int64
}

// ClientBulkWriteError is a Client.BulkWrite some of whose writes failed.
type ClientBulkWriteError struct {
	BulkWriteError
	// PartialResult is what the other writes did; nil if none is known to have
	// succeeded.
	PartialResult *ClientBulkWriteResult
}

// BulkWrite runs writes of several kinds on several collections, of several
// databases, in as few messages as the server's limits allow. It needs server 8.0;
// with an older one the error is an ErrUnsupported, and Collection.BulkWrite is
// there for one collection. See the specification "Bulk Write".
//
// In order, it stops at the first write that is refused; with Unordered, all are
// tried. The error is then a *ClientBulkWriteError, with the indexes of the
// writes, and what is known of the others is returned beside it. A write concern
// of w=0 needs Unordered, and allows no VerboseResults.
//
// It is retried like other writes, but for messages with an UpdateManyModel or a
// DeleteManyModel.
func (c *Client) BulkWrite(ctx context.Context, writes []ClientWrite, options ...ClientBulkOption) (ClientBulkWriteResult, error) {
	s := collect(c.base, options)
	w := clientBulk{severalWrites: newSeveralWrites(len(writes)), c: c, s: &s, writes: writes}
	if err := w.check(c.inTransaction(ctx)); err != nil {
		return ClientBulkWriteResult{}, fmt.Errorf("bulk write: %w", err)
	}
	w.split = write.Split{
		Total: len(writes), Ordered: !s.unordered, Extra: write.StatementOverhead, Account: &w.account,
		Append: w.appendWrite, Begin: w.startMessage, Cost: w.cost, Place: w.placeWrite,
	}
	op := writeOp("bulkWrite", "admin", "", &s)
	op.MinWireVersion, op.Body = wireversion.BulkWrite, w.appendBody
	op.Sequence, op.Second, op.MoreDocuments = "ops", "nsInfo", w.appendNamespaces
	retry := batchRetry{split: &w.split, op: &op, many: func(i int) bool { return writes[i].Model.many() }}
	op.Documents = retry.fill
	o, err := c.begin(ctx, &op)
	if err != nil {
		return ClientBulkWriteResult{}, fmt.Errorf("bulk write: %w", err)
	}
	o.bind(&w.binding)
	w.send(&w.split, func() (exec.Result, error) {
		w.binding = exec.Binding{Cursor: true, Request: w.binding.Request, Session: w.binding.Session}
		retry.begin()
		return o.run(&op)
	}, func(res exec.Result) (stop bool) { return w.read(o.ctx, res) })
	res, err := w.result()
	return res, o.end(err)
}

// clientBulk is a Client.BulkWrite under way.
type clientBulk struct {
	severalWrites
	split  write.Split
	c      *Client
	s      *callOptions
	writes []ClientWrite
	ids    []any // of inserted documents; the same ones in a retry
	newIDs newIDs
	// binding is that of the message at hand, whose reply opens a cursor.
	binding exec.Binding

	names []string // the namespaces, each once
	ns    []int    // of each write, an index of names
	// The namespaces of the message at hand: slot is where each of names is in it,
	// or -1, used the way back.
	slot, used []int

	unacknowledged bool
	maxDocument    int
	bodySize       int

	res  ClientBulkWriteResult
	some bool // at least one write succeeded
	seen int  // results come in order: so many of the message's writes they have told of
}

// check refuses what cannot be, and finds the namespaces.
func (w *clientBulk) check(inTransaction bool) error {
	if len(w.writes) == 0 {
		return failure(ErrInvalidArgument, "there are no writes")
	}
	concern := w.s.writeConcern
	if concern == nil {
		concern = w.c.writeConcern.Load()
		w.s.writeConcern = concern
	}
	w.unacknowledged = !inTransaction && !concern.Acknowledged()
	switch {
	case w.unacknowledged && w.s.verbose:
		return failure(ErrInvalidArgument, "Cannot request unacknowledged write concern and verbose results: with w=0 there are none")
	case w.unacknowledged && !w.s.unordered:
		return failure(ErrInvalidArgument, "Cannot request unacknowledged write concern and ordered writes: w=0 needs Unordered, as nobody is told where an ordered bulk stops")
	}
	if err := w.findNamespaces(); err != nil {
		return err
	}
	w.ids, w.newIDs.total = make([]any, len(w.writes)), len(w.writes)
	if w.s.verbose {
		w.res.InsertResults = map[int]ClientInsertResult{}
		w.res.UpdateResults = map[int]ClientUpdateResult{}
		w.res.DeleteResults = map[int]ClientDeleteResult{}
	}
	return nil
}

func (w *clientBulk) findNamespaces() error {
	handles, index := map[*Collection]int{}, map[string]int{}
	w.ns = make([]int, len(w.writes))
	for i := range w.writes {
		c := w.writes[i].Collection
		at, known := handles[c]
		if !known {
			switch {
			case c == nil:
				return failure(ErrInvalidArgument, "write %d has no collection", i)
			case c.err != nil:
				return fmt.Errorf("write %d: %w", i, c.err)
			case c.db.client != w.c:
				return failure(ErrInvalidArgument, "write %d: the collection %s is another client's", i, c.Namespace())
			}
			name := c.Namespace()
			if at, known = index[name]; !known { // there may be two handles of one collection
				at = len(w.names)
				index[name] = at
				w.names, w.slot = append(w.names, name), append(w.slot, -1)
			}
			handles[c] = at
		}
		w.ns[i] = at
	}
	return nil
}

func (w *clientBulk) appendBody(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = bsonwire.AppendInt32(dst, "bulkWrite", 1)
	dst = bsonwire.AppendBoolean(dst, "errorsOnly", !w.s.verbose)
	dst = bsonwire.AppendBoolean(dst, "ordered", !w.s.unordered)
	dst = appendBool(dst, "bypassDocumentValidation", w.s.bypassValidation)
	dst, err := appendAll(dst, field{"let", w.s.let}, field{"comment", w.s.comment})
	w.bodySize = len(dst) - start + len(emptyDocument)
	return dst, err
}

// messageOverhead is what the specification sets aside for all that is in a
// message besides the command's own fields and its sequences.
const messageOverhead = 1000

// startMessage starts over with the namespaces of a message.
func (w *clientBulk) startMessage(limits *exec.Limits) error {
	for _, at := range w.used {
		w.slot[at] = -1
	}
	w.used = w.used[:0]
	limits.Room = min(limits.Room-wire.SequenceOverhead("nsInfo"), limits.MaxMessage-messageOverhead-w.bodySize)
	if !w.unacknowledged {
		// The server says by itself what is too large, of this write alone.
		limits.MaxDocument = math.MaxInt
		return nil
	}
	w.maxDocument = limits.MaxDocument - write.StatementOverhead
	if w.bodySize > limits.MaxDocument {
		return failure(ErrDocumentTooLarge, "the command takes %d bytes, the server accepts %d; it was not sent", w.bodySize, limits.MaxDocument)
	}
	return nil
}

// appendWrite encodes a write. All three commands' names have six letters: see
// slotOffset.
func (w *clientBulk) appendWrite(dst []byte, i int) ([]byte, error) {
	m := &w.writes[i].Model
	dst, at := bsonwire.Begin(dst)
	var err error
	switch m.kind {
	case writeInsert:
		dst = bsonwire.AppendInt32(dst, "insert", 0)
		dst = bsonwire.AppendHeader(dst, bson.TypeEmbeddedDocument, "document")
		dst, err = appendInsert(dst, m.document, &w.ids[i], &w.newIDs)
	case writeDeleteOne, writeDeleteMany:
		dst = bsonwire.AppendInt32(dst, "delete", 0)
		if dst, err = appendField(dst, "filter", m.filter); err == nil {
			dst = bsonwire.AppendBoolean(dst, "multi", m.many())
			dst, err = appendDeleteOptions(dst, m.options())
		}
	default:
		dst = bsonwire.AppendInt32(dst, "update", 0)
		if dst, err = appendField(dst, "filter", m.filter); err != nil {
			break
		}
		if dst, err = m.appendChange(dst, "updateMods"); err == nil {
			dst = bsonwire.AppendBoolean(dst, "multi", m.many())
			dst, err = appendUpdateOptions(dst, m.options())
		}
	}
	if err != nil {
		return dst, err
	}
	return bsonwire.End(dst, at), nil
}

// slotOffset is where an encoded write has the number of its namespace: behind the
// document's length, and the type and the name of the first field.
const slotOffset = 4 + 1 + len("insert\x00")

// cost is what the message needs for a write's namespace, if it is the first one of
// it. What the server would refuse, where it cannot say so, is an error.
func (w *clientBulk) cost(i int, statement []byte) (more int, err error) {
	if w.unacknowledged {
		if err := w.checkSizes(i, statement); err != nil {
			return 0, err
		}
	}
	if at := w.ns[i]; w.slot[at] < 0 {
		more = namespaceSize(w.names[at])
	}
	return more, nil
}

// placeWrite gives a write the number that its namespace has in this message, which is
// another one in each.
func (w *clientBulk) placeWrite(i int, statement []byte) {
	at := w.ns[i]
	if w.slot[at] < 0 {
		w.slot[at] = len(w.used)
		w.used = append(w.used, at)
	}
	binary.LittleEndian.PutUint32(statement[slotOffset:], uint32(w.slot[at]))
}

// checkSizes refuses a document that the server would.
func (w *clientBulk) checkSizes(i int, statement []byte) error {
	var key string
	switch w.writes[i].Model.kind {
	case writeInsert:
		key = "document"
	case writeReplaceOne:
		key = "updateMods"
	default:
		return nil
	}
	v, _ := bsonwire.Lookup(statement, key)
	return write.Fits(len(v.Data), 0, exec.Limits{MaxDocument: w.maxDocument, Room: math.MaxInt})
}

func namespaceSize(name string) int {
	return len(emptyDocument) + len("\x02ns\x00") + 4 + len(name) + 1
}

// appendNamespaces appends the namespaces of the writes in the message.
func (w *clientBulk) appendNamespaces(dst []byte) []byte {
	for _, at := range w.used {
		var in int
		dst, in = bsonwire.Begin(dst)
		dst = bsonwire.End(bsonwire.AppendString(dst, "ns", w.names[at]), in)
	}
	return dst
}
