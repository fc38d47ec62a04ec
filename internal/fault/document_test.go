package fault

import (
	"bytes"
	"errors"
	"reflect"
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

func TestParse(t *testing.T) {
	details := bson.D{{Key: "why", Value: 1}}
	for name, c := range map[string]struct {
		doc  bson.D
		want Document
		text string
	}{
		"a reply": {
			bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "stepping down"}, {Key: "code", Value: 189}, {Key: "codeName", Value: "PrimarySteppedDown"},
				{Key: "errorLabels", Value: bson.A{"RetryableWriteError", 5}}, {Key: "topologyVersion", Value: details}},
			Document{Code: 189, Name: "PrimarySteppedDown", Message: "stepping down", Labels: []string{"RetryableWriteError"}, TopologyVersion: document(t, details)},
			"stepping down (PrimarySteppedDown, code 189)",
		},
		"the old form": {
			bson.D{{Key: "$err", Value: "not master"}, {Key: "code", Value: 13435}},
			Document{Code: 13435, Message: "not master"}, "not master (code 13435)",
		},
		"both forms": {
			bson.D{{Key: "$err", Value: "old"}, {Key: "errmsg", Value: "new"}},
			Document{Message: "new"}, "new",
		},
		"an element of writeErrors": {
			bson.D{{Key: "index", Value: int64(3)}, {Key: "code", Value: 11000.0}, {Key: "errmsg", Value: "E11000"}, {Key: "errInfo", Value: details}},
			Document{Index: 3, Code: 11000, Message: "E11000", Details: document(t, details)}, "E11000 (code 11000)",
		},
		"a result of bulkWrite": {
			bson.D{{Key: "ok", Value: 0}, {Key: "idx", Value: 2}, {Key: "code", Value: 121}},
			Document{Index: 2, Code: 121}, "the server refused without a reason (code 121)",
		},
		"a write concern error": {
			bson.D{{Key: "code", Value: 64}, {Key: "codeName", Value: "WriteConcernTimeout"}, {Key: "errmsg", Value: "waiting"}, {Key: "errorLabels", Value: bson.A{"x"}}},
			Document{Code: 64, Name: "WriteConcernTimeout", Message: "waiting", Labels: []string{"x"}}, "waiting (WriteConcernTimeout, code 64)",
		},
		"other types": {
			bson.D{{Key: "code", Value: "x"}, {Key: "codeName", Value: 1}, {Key: "errmsg", Value: bson.D{}}, {Key: "errorLabels", Value: "x"}, {Key: "errInfo", Value: 1}},
			Document{}, "the server refused without a reason",
		},
		"a code out of range": {bson.D{{Key: "code", Value: int64(1) << 40}}, Document{}, "the server refused without a reason"},
	} {
		raw := document(t, c.doc)
		c.want.Raw = raw
		got := Parse(raw)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
		if text := got.Text(); text != c.text {
			t.Errorf("%s: %q, want %q", name, text, c.text)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		reply bson.D
		want  bool
	}{
		{bson.D{{Key: "ok", Value: 1}}, false}, {bson.D{{Key: "ok", Value: 1.0}}, false}, {bson.D{{Key: "ok", Value: true}}, false},
		{bson.D{{Key: "ok", Value: 0}}, true}, {bson.D{{Key: "ok", Value: false}}, true}, {bson.D{{Key: "ok", Value: "1"}}, true},
		{bson.D{}, true}, {bson.D{{Key: "$err", Value: "x"}}, true},
	} {
		reply := document(t, c.reply)
		if got := Refused(reply); got != c.want {
			t.Errorf("%v: %v", c.reply, got)
		}
		if got := Refuse(reply); (got != nil) != c.want {
			t.Errorf("%v: %v", c.reply, got)
		}
	}
}

func TestParseWrites(t *testing.T) {
	reply := document(t, bson.D{
		{Key: "ok", Value: 1}, {Key: "n", Value: 1},
		{Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: 1}, {Key: "code", Value: 11000}}, 5, bson.D{{Key: "index", Value: 2}}}},
		{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 91}, {Key: "errmsg", Value: "bye"}, {Key: "errorLabels", Value: bson.A{"own"}}}},
		{Key: "errorLabels", Value: bson.A{"top"}},
	})
	writes, concern := ParseWrites(reply)
	clear(reply) // nothing may be a view of it
	if len(writes) != 2 || writes[0].Index != 1 || writes[0].Code != 11000 || writes[1].Index != 2 {
		t.Errorf("writes: %+v", writes)
	}
	if concern == nil || concern.Code != 91 || concern.Message != "bye" || !reflect.DeepEqual(concern.Labels, []string{"own", "top"}) {
		t.Fatalf("concern: %+v", concern)
	}
	if err := bsonwire.Validate(concern.Raw); err != nil {
		t.Error(err)
	}
	if writes, concern := ParseWrites(nil); writes != nil || concern != nil {
		t.Error("an unacknowledged write has errors")
	}
}

func TestFirstWriteError(t *testing.T) {
	refused := bson.D{{Key: "ok", Value: 0}, {Key: "idx", Value: 1}, {Key: "code", Value: 11000}}
	batch := func(docs ...any) bson.D {
		return bson.D{{Key: "id", Value: int64(0)}, {Key: "firstBatch", Value: bson.A(docs)}}
	}
	for name, c := range map[string]struct {
		reply bson.D
		code  int32
		there bool
	}{
		"nothing":    {bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}}, 0, false},
		"insert":     {bson.D{{Key: "ok", Value: 1}, {Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: 1}, {Key: "code", Value: 11000}}}}}, 11000, true},
		"no errors":  {bson.D{{Key: "ok", Value: 1}, {Key: "nErrors", Value: 0}, {Key: "cursor", Value: batch(bson.D{{Key: "ok", Value: 1}})}}, 0, false},
		"bulk write": {bson.D{{Key: "ok", Value: 1}, {Key: "nErrors", Value: 1}, {Key: "cursor", Value: batch(bson.D{{Key: "ok", Value: 1}}, 5, refused)}}, 11000, true},
		"later":      {bson.D{{Key: "ok", Value: 1}, {Key: "nErrors", Value: 1}, {Key: "cursor", Value: batch(bson.D{{Key: "ok", Value: 1}})}}, 0, true},
	} {
		reply := document(t, c.reply)
		d := FirstWriteError(reply)
		clear(reply)
		if (d != nil) != c.there || d != nil && d.Code != c.code {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document(f, bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: "x"}, {Key: "code", Value: 1}, {Key: "errorLabels", Value: bson.A{"a"}}}))
	f.Add(document(f, bson.D{{Key: "ok", Value: 1}, {Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: 1}}}}, {Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 1}}}}))
	f.Add(document(f, bson.D{{Key: "$err", Value: "x"}}))
	f.Add([]byte{5, 0, 0})
	f.Fuzz(func(t *testing.T, doc []byte) {
		before := bytes.Clone(doc)
		d := Parse(doc)
		if d.Text() == "" {
			t.Error("an error without a text")
		}
		ParseWrites(doc)
		FirstWriteError(doc)
		if r := Refuse(doc); r != nil && !errors.As(error(r), new(*Refusal)) {
			t.Error("not a refusal")
		}
		if !bytes.Equal(doc, before) {
			t.Error("the document was changed")
		}
	})
}
