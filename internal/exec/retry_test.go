package exec

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// A write that may have taken effect is sent again only under a number that the
// server knows it by.
func TestMayRetryWrite(t *testing.T) {
	for name, c := range map[string]struct {
		f      failedAttempt
		number int64
		want   bool
	}{
		"no connection":                   {failedAttempt{pool: true}, 0, true},
		"handshake":                       {failedAttempt{network: true, handshake: true}, 0, true},
		"interrupted":                     {failedAttempt{pool: true, sent: true}, 0, false},
		"interrupted, with a number":      {failedAttempt{pool: true, sent: true}, 1, true},
		"lost connection":                 {failedAttempt{network: true}, 0, false},
		"lost connection, with a number":  {failedAttempt{network: true}, 1, true},
		"refused":                         {failedAttempt{code: 1, wireVersion: 21}, 1, false},
		"labelled":                        {failedAttempt{code: 1, labels: []string{fault.LabelRetryableWrite}}, 1, true},
		"labelled, but without a number":  {failedAttempt{code: 1, labels: []string{fault.LabelRetryableWrite}}, 0, false},
		"interrupted, labelled as before": {failedAttempt{pool: true, sent: true, labels: []string{fault.LabelRetryableWrite}}, 0, false},
	} {
		r := run{x: &Executor{RetryWrites: true}, op: &Op{Access: Write, Retryable: true}, txnNumber: c.number, b: &free}
		if got := r.mayRetry(context.Background(), &c.f); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Of what a client with timeoutMS sends, a getMore carries no maxTimeMS: servers
// refuse it on cursors that do not wait for data.
func TestMaxTimeOfDeadline(t *testing.T) {
	env := envelope{desc: &sdam.Server{}, deadline: time.Now().Add(time.Minute)}
	for name, want := range map[string]bool{"find": true, "insert": true, "getMore": false} {
		op := Op{Name: name, Database: "d", Access: Other}
		doc, at := bsonwire.Begin(nil)
		doc = bsonwire.End(op.appendEnvelope(doc, at, &env, false), at)
		if _, got := bsonwire.Lookup(doc, "maxTimeMS"); got != want {
			t.Errorf("%s: maxTimeMS is there: %v, want %v", name, got, want)
		}
	}
}

// A command has one maxTimeMS: the shorter of its own and what is left of the
// deadline.
func TestMaxTimeBesideTheCommandsOwn(t *testing.T) {
	env := envelope{desc: &sdam.Server{}, deadline: time.Now().Add(time.Minute)}
	long := int64(time.Hour / time.Millisecond)
	for name, c := range map[string]struct {
		own         func([]byte) []byte
		least, most int64
	}{
		"none":        {func(b []byte) []byte { return b }, 50_000, 60_000},
		"shorter":     {func(b []byte) []byte { return bsonwire.AppendInt64(b, "maxTimeMS", 7) }, 7, 7},
		"longer":      {func(b []byte) []byte { return bsonwire.AppendInt64(b, "maxTimeMS", long) }, 50_000, 60_000},
		"longer, int": {func(b []byte) []byte { return bsonwire.AppendInt32(b, "maxTimeMS", int32(long)) }, 50_000, 60_000},
		"no limit":    {func(b []byte) []byte { return bsonwire.AppendInt32(b, "maxTimeMS", 0) }, 50_000, 60_000},
		"negative":    {func(b []byte) []byte { return bsonwire.AppendInt64(b, "maxTimeMS", -1) }, -1, -1},
	} {
		op := Op{Name: "find", Database: "d", Access: Other}
		doc, at := bsonwire.Begin([]byte("before"))
		doc = bsonwire.End(op.appendEnvelope(c.own(doc), at, &env, false), at)[at:]
		if err := bsonwire.Validate(doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var found []int64
		for r := bsonwire.NewReader(doc); r.Next(); {
			if string(r.Key()) == "maxTimeMS" {
				n, _ := r.Value().AsInt64()
				found = append(found, n)
			}
		}
		if len(found) != 1 || found[0] < c.least || found[0] > c.most {
			t.Errorf("%s: maxTimeMS is %v, not one from %d to %d", name, found, c.least, c.most)
		}
	}
}

// What was not sent says why, in two cases.
func TestLateError(t *testing.T) {
	for want, err := range map[string]*LateError{
		"not sent, as the time was up":                     {Left: -time.Second, MinRTT: time.Millisecond},
		"5ms were left, and the server takes at least 7ms": {Left: 5 * time.Millisecond, MinRTT: 7 * time.Millisecond},
	} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "0s") {
			t.Errorf("%v", err)
		}
	}
}

// An operation that there is no time left to repeat says so, and what went wrong.
func TestLateErrorsAreTimeouts(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	refused := &ServerError{Command: "find"}
	r := run{op: &Op{Timed: true}}
	var server *ServerError
	if err := r.late(ctx, refused); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &server) {
		t.Errorf("timed: %v", err)
	}
	r.op.Timed = false
	if err := r.late(ctx, refused); err != error(refused) {
		t.Errorf("not timed: %v", err)
	}
}
