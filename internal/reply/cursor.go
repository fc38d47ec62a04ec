package reply

import (
	"errors"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Cursor is the cursor document of a reply.
type Cursor struct {
	// ID is 0 where the server has closed the cursor.
	ID int64
	// Namespace is database.collection; nil if the reply does not say it.
	Namespace []byte
	// Batch is the array of documents: see NextDocument.
	Batch []byte
	// PostBatchResumeToken is a change stream's; nil elsewhere.
	PostBatchResumeToken []byte
}

// What is wrong with the cursor of a reply.
var (
	errNoCursor   = errors.New("it has no cursor")
	errCursorID   = errors.New("the cursor has no integer as its id")
	errNoBatch    = errors.New("the cursor has neither a firstBatch nor a nextBatch")
	errNoDocument = errors.New("the batch holds something else than documents")
)

// ReadCursor reads the cursor document of a first or a later reply. The error says what
// is wrong with "it", the reply.
func ReadCursor(body []byte) (c Cursor, err error) {
	v, _ := bsonwire.Lookup(body, "cursor")
	doc, ok := v.AsDocument()
	if !ok {
		return c, errNoCursor
	}
	hasID, hasBatch := false, false
	r := bsonwire.NewReader(doc)
	for r.Next() {
		switch v := r.Value(); string(r.Key()) {
		case "id":
			c.ID, hasID = v.AsInt64()
		case "ns":
			c.Namespace, _ = v.AsStringBytes()
		case "firstBatch", "nextBatch":
			c.Batch, hasBatch = v.AsArray()
		case "postBatchResumeToken":
			c.PostBatchResumeToken, _ = v.AsDocument()
		}
	}
	switch err := r.Err(); {
	case err != nil:
		return c, err
	case !hasID:
		return c, errCursorID
	case !hasBatch:
		return c, errNoBatch
	}
	return c, nil
}

// NextDocument moves to the next document of a batch. It returns nil at the batch's end.
func NextDocument(batch *bsonwire.Reader) ([]byte, error) {
	if !batch.Next() {
		return nil, batch.Err()
	}
	doc, ok := batch.Value().AsDocument()
	if !ok {
		return nil, errNoDocument
	}
	return doc, nil
}

// SnapshotTime is the moment that a snapshot read saw: in the cursor, or, for commands
// that open none, in the reply itself.
func SnapshotTime(body []byte) (t, i uint32, ok bool) {
	v, found := bsonwire.Lookup(body, "cursor", "atClusterTime")
	if !found {
		v, _ = bsonwire.Lookup(body, "atClusterTime")
	}
	return v.AsTimestamp()
}
