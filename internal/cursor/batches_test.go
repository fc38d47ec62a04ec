package cursor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// script answers commands in order, and keeps what it was asked.
type script struct {
	t       *testing.T
	desc    sdam.Server
	answers []any // documents, or errors
	names   []string
	bodies  []bson.Raw
}

var errGone = fmt.Errorf("getMore: %w", fault.ErrCursorNotFound)

func (s *script) Run(_ context.Context, op *exec.Op, b *exec.Binding) (exec.Result, error) {
	body, err := op.Body([]byte{0, 0, 0, 0})
	if err != nil {
		return exec.Result{}, err
	}
	body = append(body, 0)
	body[0], body[1] = byte(len(body)), byte(len(body)>>8)
	s.names, s.bodies = append(s.names, op.Name), append(s.bodies, body)
	if len(s.answers) == 0 {
		return exec.Result{}, errors.New("there is no answer left")
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if err, ok := answer.(error); ok {
		return exec.Result{}, err
	}
	raw, err := bson.Marshal(answer)
	if err != nil {
		s.t.Fatal(err)
	}
	return exec.Result{Reply: conn.Reply{Body: raw}, Desc: &s.desc}, nil
}

func (s *script) Shares(context.Context) bool { return false }
func (s *script) Abandon(int64) bool          { return false }

func batch(key string, id int64, token string, ids ...int32) bson.D {
	docs := bson.A{}
	for _, n := range ids {
		docs = append(docs, bson.D{{Key: "_id", Value: n}})
	}
	c := bson.D{{Key: "id", Value: id}, {Key: "ns", Value: "d.here"}, {Key: key, Value: docs}}
	if token != "" {
		c = append(c, bson.E{Key: "postBatchResumeToken", Value: bson.D{{Key: "t", Value: token}}})
	}
	return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: c}}
}

func open(t *testing.T, config Config, answers ...any) (*Batches, *script) {
	s := &script{t: t, answers: answers, desc: sdam.Server{MaxWireVersion: 8}}
	config.Runner, config.Open, config.Context = s, &Registry{}, t.Context()
	config.Command = exec.Op{Name: "find", Database: "d", Body: func(dst []byte) ([]byte, error) { return dst, nil }}
	return &Batches{Config: config}, s
}

func step(t *testing.T, b *Batches, want int32) {
	t.Helper()
	ok, err := b.Next()
	if got, _ := b.Current().Lookup("_id").AsInt64OK(); err != nil || !ok || got != int64(want) {
		t.Errorf("the document %v, %v, expected %d", b.Current(), err, want)
	}
}

func TestBatches(t *testing.T) {
	comment := func(dst []byte) ([]byte, error) { return append(dst, "\x10comment\x00\x01\x00\x00\x00"...), nil }
	b, s := open(t, Config{Collection: "there", BatchSize: 2, Limit: 5, Comment: comment},
		batch("firstBatch", 9, "a", 1, 2), batch("nextBatch", 9, "b", 3, 4), batch("nextBatch", 0, "", 5))
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	step(t, b, 1)
	if b.AtLast() || b.Remaining() != 1 || string(b.ResumeToken()) == "" || b.ID() != 9 {
		t.Errorf("after the first document: last %v, %d remain, token %s, id %d", b.AtLast(), b.Remaining(), b.ResumeToken(), b.ID())
	}
	kept := b.Keep()
	step(t, b, 2)
	if ok, err := b.Next(); !b.AtLast() || ok || err != nil {
		t.Errorf("a document behind the last: %v, %v", ok, err)
	}
	for range 2 {
		if err := b.More(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step(t, b, 5)
	if b.ResumeToken() != nil || b.ID() != 0 {
		t.Errorf("at the end: token %s, id %d", b.ResumeToken(), b.ID())
	}
	b.Close(t.Context())
	if kept.Lookup("_id").AsInt64() != 1 || !slices.Equal(s.names, []string{"find", "getMore", "getMore"}) {
		t.Errorf("kept %v, asked %v", kept, s.names)
	}
	for i, size := range []int64{2, 1} { // servers that old end a cursor with its limit
		more := s.bodies[i+1]
		if more.Lookup("batchSize").AsInt64() != size || more.Lookup("collection").StringValue() != "here" {
			t.Errorf("getMore %d: %v", i, more)
		}
		if _, err := more.LookupErr("comment"); err == nil {
			t.Error("a comment for a server before 4.4")
		}
	}
}

func TestCloseKillsOnce(t *testing.T) {
	for _, test := range []struct {
		answers []any
		asked   []string
	}{
		{[]any{batch("firstBatch", 9, "", 1), bson.D{{Key: "ok", Value: 1}}}, []string{"find", "killCursors"}},
		{[]any{batch("firstBatch", 0, "", 1)}, []string{"find"}},
	} {
		b, s := open(t, Config{}, test.answers...)
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Close(t.Context())
		b.Close(t.Context())
		if !slices.Equal(s.names, test.asked) {
			t.Errorf("asked %v", s.names)
		}
	}
}

// A cursor that the server does not have is not killed, one that failed otherwise is.
func TestFailedCursor(t *testing.T) {
	for _, test := range []struct {
		err   error
		asked []string
	}{
		{errGone, []string{"find", "getMore"}},
		{errors.New("no"), []string{"find", "getMore", "killCursors"}},
	} {
		b, s := open(t, Config{}, batch("firstBatch", 9, ""), test.err)
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := b.More(t.Context())
		if !errors.Is(err, test.err) {
			t.Errorf("%v", err)
		}
		b.Close(t.Context())
		if !slices.Equal(s.names, test.asked) {
			t.Errorf("asked %v", s.names)
		}
	}
}

func TestUnreadableReplies(t *testing.T) {
	for name, reply := range map[string]bson.D{
		"no cursor": {{Key: "ok", Value: 1}},
		"no batch":  batch("otherBatch", 9, ""),
		"no number": {{Key: "cursor", Value: bson.D{{Key: "id", Value: "9"}}}},
	} {
		b, _ := open(t, Config{}, reply)
		var unreadable *exec.ReplyError
		if err := b.Start(t.Context()); !errors.As(err, &unreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ := open(t, Config{}, bson.D{{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "firstBatch", Value: bson.A{1}}}}})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var unreadable *exec.ReplyError
	if _, err := b.Next(); !errors.As(err, &unreadable) {
		t.Errorf("a number as a document: %v", err)
	}
}
