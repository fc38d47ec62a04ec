package reply

import (
	"errors"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Cursor is the cursor document of a reply.
type Cursor struct {
	// ID is 0 where the server has closed the cursor.
	ID int64
	// Namespace is database.collection; nil if the reply does not tell it.
	Namespace []byte
	// Batch is the array of documents.
	Batch []byte
	// PostBatchResumeToken is a change stream's; nil elsewhere.
	PostBatchResumeToken []byte
	// AtClusterTime is the snapshot's; zero elsewhere.
	AtClusterTime bsonwire.Value
}

// What is wrong with the cursor of a reply.
var (
	errNoCursor = errors.New("has no cursor")
	errCursorID = errors.New("has a cursor without an integer as id")
	errNoBatch  = errors.New("has a cursor without documents")
)

// ReadCursor reads the cursor document, of a first or a later reply. The error's
// text goes on from what names the reply.
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
		case "atClusterTime":
			c.AtClusterTime = v
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
