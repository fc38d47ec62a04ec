package reply

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

func document(t testing.TB, d bson.D) []byte {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadHead(t *testing.T) {
	doc := bson.D{{Key: "a", Value: 1}}
	h, err := ReadHead(document(t, bson.D{
		{Key: "n", Value: 1}, {Key: "ok", Value: 1.0}, {Key: "$clusterTime", Value: doc}, {Key: "topologyVersion", Value: doc},
		{Key: "writeConcernError", Value: doc}, {Key: "recoveryToken", Value: doc}, {Key: "errorLabels", Value: bson.A{"x"}},
		{Key: "operationTime", Value: bson.Timestamp{T: 1, I: 2}},
	}))
	if err != nil || !h.OK {
		t.Fatalf("%+v, %v", h, err)
	}
	for name, got := range map[string][]byte{"cluster time": h.ClusterTime, "topology version": h.TopologyVersion, "write concern error": h.WriteConcernError, "recovery token": h.RecoveryToken} {
		if string(got) != string(document(t, doc)) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if h.Labels == nil || h.OperationTime.Type != bson.TypeTimestamp {
		t.Errorf("%+v", h)
	}
	if h, err := ReadHead(document(t, bson.D{{Key: "ok", Value: 0}, {Key: "$clusterTime", Value: 1}})); err != nil || h.OK || h.ClusterTime != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := ReadHead([]byte{9, 0, 0, 0, 1}); err == nil {
		t.Error("a damaged reply was read")
	}
}

func TestWithLabel(t *testing.T) {
	labelled := WithLabel(document(t, bson.D{{Key: "ok", Value: 1}}), "x")
	if got := bson.Raw(labelled).String(); got != `{"ok": {"$numberInt":"1"},"errorLabels": ["x"]}` || bsonwire.Validate(labelled) != nil {
		t.Error(got)
	}
}

func TestReadCounts(t *testing.T) {
	c := ReadCounts(document(t, bson.D{
		{Key: "n", Value: 3}, {Key: "nModified", Value: 1.0},
		{Key: "upserted", Value: bson.A{bson.D{{Key: "index", Value: 2}, {Key: "_id", Value: "a"}}, bson.D{{Key: "index", Value: int64(4)}, {Key: "_id", Value: 7}}}},
	}))
	if c.N != 3 || c.Matched() != 1 || c.Modified != 1 || len(c.Upserted) != 2 || c.Upserted[0].Index != 2 || c.Upserted[1].Index != 4 {
		t.Errorf("%+v", c)
	}
	if id, _ := c.Upserted[0].ID.AsString(); id != "a" {
		t.Errorf("_id %q", id)
	}
}

func TestReadCursor(t *testing.T) {
	c, err := ReadCursor(document(t, bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(5)}, {Key: "ns", Value: "d.c"}, {Key: "nextBatch", Value: bson.A{bson.D{}, 1}},
		{Key: "postBatchResumeToken", Value: bson.D{{Key: "_data", Value: "x"}}},
	}}}))
	if err != nil || c.ID != 5 || string(c.Namespace) != "d.c" || c.PostBatchResumeToken == nil {
		t.Errorf("%+v, %v", c, err)
	}
	batch := bsonwire.NewReader(c.Batch)
	if doc, err := NextDocument(&batch); len(doc) != 5 || err != nil {
		t.Errorf("%v, %v", doc, err)
	}
	if doc, err := NextDocument(&batch); doc != nil || err != errNoDocument {
		t.Errorf("of a number: %v, %v", doc, err)
	}
	if doc, err := NextDocument(&batch); doc != nil || err != nil {
		t.Errorf("at the end: %v, %v", doc, err)
	}
	for want, bad := range map[error][]any{
		errNoCursor: {1, nil},
		errCursorID: {bson.D{{Key: "id", Value: "x"}, {Key: "firstBatch", Value: bson.A{}}}, bson.D{{Key: "firstBatch", Value: bson.A{}}}},
		errNoBatch:  {bson.D{{Key: "id", Value: 0}, {Key: "firstBatch", Value: 1}}, bson.D{{Key: "id", Value: 0}, {Key: "lastBatch", Value: bson.A{}}}},
	} {
		for _, cursor := range bad {
			if _, err := ReadCursor(document(t, bson.D{{Key: "cursor", Value: cursor}})); err != want {
				t.Errorf("%v: %v, want %v", cursor, err, want)
			}
		}
	}
}

func TestSnapshotTime(t *testing.T) {
	at := bson.E{Key: "atClusterTime", Value: bson.Timestamp{T: 7, I: 2}}
	for want, d := range map[uint32]bson.D{7: {{Key: "cursor", Value: bson.D{at}}}, 0: {{Key: "cursor", Value: bson.D{}}}} {
		if at, _, ok := SnapshotTime(document(t, d)); at != want || ok != (want > 0) {
			t.Errorf("%v: %d, %v", d, at, ok)
		}
	}
	if at, i, ok := SnapshotTime(document(t, bson.D{at})); at != 7 || i != 2 || !ok {
		t.Errorf("%d, %d, %v", at, i, ok)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(document(f, bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: 1}, {Key: "firstBatch", Value: bson.A{bson.D{}}}}}}))
	f.Add(document(f, bson.D{{Key: "n", Value: 1}, {Key: "upserted", Value: bson.A{bson.D{{Key: "index", Value: 1}}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := ReadHead(body); err == nil {
			if bsonwire.Validate(body) == nil && bsonwire.Validate(WithLabel(body, "x")) != nil {
				t.Error("the label damages the reply")
			}
		}
		ReadCounts(body)
		SnapshotTime(body)
		c, err := ReadCursor(body)
		if err == nil && c.Batch == nil {
			t.Error("a cursor without documents")
		}
		for batch := bsonwire.NewReader(c.Batch); ; {
			if doc, err := NextDocument(&batch); err != nil || doc == nil {
				break
			}
		}
	})
}
