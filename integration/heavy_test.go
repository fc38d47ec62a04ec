package integration

import (
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// More documents than a message may hold go in several.
func TestInsertManySplitsByCount(t *testing.T) {
	if testing.Short() {
		t.Skip("inserts more than 100,000 documents")
	}
	var r recorder
	db := database(t, r.watch)
	c := db.Collection("c")
	var hello struct {
		MaxWriteBatchSize int `bson:"maxWriteBatchSize"`
	}
	if err := db.RunCommand(t.Context(), bson.D{{"hello", 1}}).Decode(&hello); err != nil {
		t.Fatal(err)
	}
	n := hello.MaxWriteBatchSize + 17
	docs := make([]struct {
		ID int32 `bson:"_id"`
	}, n)
	for i := range docs {
		docs[i].ID = int32(i)
	}
	res, err := c.InsertMany(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	if res.InsertedCount != int64(n) || len(res.InsertedIDs) != n || res.InsertedIDs[n-1] != int32(n-1) {
		t.Errorf("%d inserted, %d ids", res.InsertedCount, len(res.InsertedIDs))
	}
	sent := r.take("insert")
	if len(sent) != 2 || count(t, sent[0], "documents") != hello.MaxWriteBatchSize || count(t, sent[1], "documents") != 17 {
		t.Errorf("%d messages", len(sent))
	}
	r.mu.Lock()
	ids := map[int64]bool{}
	for _, e := range r.started {
		if e.CommandName == "insert" {
			ids[e.OperationID] = true
		}
	}
	r.mu.Unlock()
	if len(ids) != 1 {
		t.Errorf("the batches have %d operation ids", len(ids))
	}
	if there, err := c.CountDocuments(t.Context(), nil); err != nil || there != int64(n) {
		t.Errorf("%d are there: %v", there, err)
	}
}

// Documents too large for one message go in several, none too many.
func TestInsertManySplitsBySize(t *testing.T) {
	if testing.Short() {
		t.Skip("inserts 60 MB")
	}
	var r recorder
	c := database(t, r.watch).Collection("c")
	big := strings.Repeat("x", 10<<20)
	docs := make([]bson.D, 6)
	for i := range docs {
		docs[i] = bson.D{{"_id", i}, {"text", big}}
	}
	docs[5] = bson.D{{"_id", 0}, {"text", "a duplicate in the second message"}}
	res, err := c.InsertMany(t.Context(), docs)
	var bulk *mgx.BulkWriteError
	if !errors.As(err, &bulk) || len(bulk.WriteErrors) != 1 || bulk.WriteErrors[0].Index != 5 {
		t.Fatalf("%.200v", err)
	}
	if res.InsertedCount != 5 || res.InsertedIDs[4] != int32(4) || res.InsertedIDs[5] != nil {
		t.Errorf("%d inserted, ids %v", res.InsertedCount, res.InsertedIDs)
	}
	sent := r.take("insert")
	if len(sent) != 2 || count(t, sent[0], "documents") != 4 || count(t, sent[1], "documents") != 2 {
		t.Errorf("%d messages", len(sent))
	}
	if n, err := c.CountDocuments(t.Context(), nil); err != nil || n != 5 {
		t.Errorf("%d are there: %v", n, err)
	}
}
