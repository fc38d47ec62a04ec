package exec

import (
	"context"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/sdam"
)

// A write that may have taken effect is sent again only under a number that the
// server knows it by.
func TestMayRetryWrite(t *testing.T) {
	for name, c := range map[string]struct {
		f      failure
		number int64
		want   bool
	}{
		"no connection":                   {failure{pool: true}, 0, true},
		"handshake":                       {failure{network: true, handshake: true}, 0, true},
		"interrupted":                     {failure{pool: true, sent: true}, 0, false},
		"interrupted, with a number":      {failure{pool: true, sent: true}, 1, true},
		"lost connection":                 {failure{network: true}, 0, false},
		"lost connection, with a number":  {failure{network: true}, 1, true},
		"refused":                         {failure{code: 1, wireVersion: 21}, 1, false},
		"labelled":                        {failure{code: 1, labels: []string{LabelRetryableWrite}}, 1, true},
		"labelled, but without a number":  {failure{code: 1, labels: []string{LabelRetryableWrite}}, 0, false},
		"interrupted, labelled as before": {failure{pool: true, sent: true, labels: []string{LabelRetryableWrite}}, 0, false},
	} {
		r := run{x: &Executor{RetryWrites: true}, op: &Op{Access: Write, Retryable: true}, txnNumber: c.number}
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
		doc = bsonwire.End(op.appendEnvelope(doc, &env, false), at)
		if _, got := bsonwire.Lookup(doc, "maxTimeMS"); got != want {
			t.Errorf("%s: maxTimeMS is there: %v, want %v", name, got, want)
		}
	}
}
