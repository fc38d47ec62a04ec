package mgx

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/scripted"
)

// transactional is a server with sessions that answers a commit as it is told.
func transactional(t *testing.T, commit func() bson.D) (*Client, *atomic.Int32) {
	t.Helper()
	var commits atomic.Int32
	hello := scripted.Hello(
		bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}, bson.E{Key: "setName", Value: "rs"}, bson.E{Key: "msg", Value: "isdbgrid"})
	s := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "insert":
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
		case "commitTransaction":
			commits.Add(1)
			return p.Answer(r, commit()) == nil
		case "abortTransaction", "endSessions":
			return p.Answer(r, bson.D{{"ok", 1}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	return openClient(t, s), &commits
}

func refusedCommit(code int32, labels ...string) bson.D {
	list := bson.A{}
	for _, l := range labels {
		list = append(list, l)
	}
	return bson.D{{"ok", 0}, {"code", code}, {"errmsg", "no commit"}, {"errorLabels", list}}
}

// Prose test "Retry Timeout is Enforced", all three cases: after 120 seconds, nothing is
// repeated, and the error is a timeout that still shows what happened.
func TestWithTransactionGivesUpInTime(t *testing.T) {
	custom := &labelled{errors.New("mine"), fault.LabelTransientTransaction}
	for name, c := range map[string]struct {
		callback error
		commit   bson.D
		label    string
	}{
		"the callback fails":      {callback: custom, label: fault.LabelTransientTransaction},
		"the commit is not known": {commit: refusedCommit(91, fault.LabelUnknownTransactionCommit), label: fault.LabelUnknownTransactionCommit},
		"the commit was in vain":  {commit: refusedCommit(251, fault.LabelTransientTransaction), label: fault.LabelTransientTransaction},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := transactional(t, func() bson.D { return c.commit })
			ctx, s, err := client.StartSession(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.End(ctx)
			calls := 0
			tx := transacting{s: s, outer: t.Context(), began: time.Now().Add(-transactionLimit - time.Second), f: func(ctx context.Context) error {
				calls++
				if c.callback != nil {
					return c.callback
				}
				_, err := client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
				return err
			}}
			err = tx.run(ctx)
			if calls != 1 || !errors.Is(err, ErrTimeout) || !HasErrorLabel(err, c.label) {
				t.Errorf("%d calls: %v", calls, err)
			}
			if c.callback != nil && !errors.Is(err, c.callback) {
				t.Errorf("the callback's error is not in %v", err)
			}
		})
	}
}

// A deadline of the context is the limit, whatever 120 seconds say.
func TestWithTransactionEndsWithItsContext(t *testing.T) {
	client, commits := transactional(t, func() bson.D { return refusedCommit(251, fault.LabelTransientTransaction) })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := client.WithTransaction(ctx, func(ctx context.Context) error {
		_, err := client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
		return err
	})
	is(t, err, []error{ErrTimeout})
	if commits.Load() < 2 || time.Since(began) > 20*time.Second {
		t.Errorf("%d commits in %v", commits.Load(), time.Since(began))
	}
}

// Prose test "Callback Raises a Custom Error".
func TestWithTransactionReturnsTheCallbacksError(t *testing.T) {
	client, commits := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	own := errors.New("mine")
	calls := 0
	if err := client.WithTransaction(t.Context(), func(context.Context) error { calls++; return own }); err != own || calls != 1 || commits.Load() != 0 {
		t.Errorf("%v after %d calls and %d commits", err, calls, commits.Load())
	}
}

// Prose test "Callback Returns a Value".
func TestWithTransactionReturnsTheCallbacksValue(t *testing.T) {
	client, commits := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	v, err := WithTransaction(t.Context(), client, func(ctx context.Context) (string, error) {
		_, err := client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
		return "a value", err
	})
	if v != "a value" || err != nil || commits.Load() != 1 {
		t.Errorf("%q, %v, %d commits", v, err, commits.Load())
	}
	v, err = WithTransaction(t.Context(), client, func(context.Context) (string, error) { return "lost", errors.New("no") })
	if v != "" || err == nil {
		t.Errorf("after an error: %q, %v", v, err)
	}
}

// A callback that panics leaves no transaction behind.
func TestWithTransactionAbortsForAPanic(t *testing.T) {
	client, commits := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	var s *Session
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_ = client.WithTransaction(t.Context(), func(ctx context.Context) error {
			s = SessionFromContext(ctx)
			_, _ = client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
			panic("callback")
		})
	}()
	if commits.Load() != 0 || !s.Ended() || s.InTransaction() {
		t.Errorf("%d commits, ended %v, in a transaction %v", commits.Load(), s.Ended(), s.InTransaction())
	}
}

// Prose test "Retry Backoff is Enforced": the pauses before 30 retries.
func TestPausesBetweenTransactions(t *testing.T) {
	var sum time.Duration
	for retry := 1; retry <= 30; retry++ {
		sum += pauseBefore(retry, 1)
		if pauseBefore(retry, 0) != 0 {
			t.Errorf("retry %d: a pause without jitter", retry)
		}
	}
	if sum < 1250*time.Millisecond || sum > 30*transactionMaxPause {
		t.Errorf("30 retries pause for %v", sum)
	}
	for retry, want := range map[int]time.Duration{1: 7500 * time.Microsecond, 2: 11250 * time.Microsecond, 3: 16875 * time.Microsecond, 1000: transactionMaxPause} {
		if got := pauseBefore(retry, 1); got != want {
			t.Errorf("retry %d: %v, want %v", retry, got, want)
		}
	}
}

// What cannot be is an error that says so, and leaves the session as it was.
func TestMisuseOfTransactions(t *testing.T) {
	client, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	coll := client.Database("db").Collection("c", WithWriteConcern(Unacknowledged()))
	ctx, s, err := client.StartSession(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End(ctx)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wrong := func(err error, text string) {
		t.Helper()
		is(t, err, []error{ErrInvalidArgument}, text)
	}
	wrong(s.CommitTransaction(ctx), "no transaction started")
	wrong(s.AbortTransaction(ctx), "no transaction started")
	none := Unacknowledged()
	wrong(s.StartTransaction(&TransactionOptions{WriteConcern: &none}), "transactions do not support unacknowledged write concerns")

	secondary := ReadPreference{Mode: Secondary}
	must(s.StartTransaction(&TransactionOptions{ReadPreference: &secondary}))
	wrong(s.StartTransaction(nil), "Transaction already in progress")
	wrong(client.WithTransaction(ctx, func(context.Context) error { return nil }), "Transaction already in progress")
	_, err = coll.CountDocuments(ctx, nil)
	wrong(err, "read preference in a transaction must be primary")
	_, err = coll.InsertOne(ctx, bson.D{}, WithWriteConcern(Majority()))
	wrong(err, "Cannot set write concern after starting a transaction")
	_, err = coll.CountDocuments(ctx, nil, WithReadConcern("majority"))
	wrong(err, "Cannot set read concern after starting a transaction")
	if s.TransactionState() != TransactionStarting {
		t.Errorf("errors of the client's own lead to %s", s.TransactionState())
	}
	// The handle's w=0 does not count.
	res, err := coll.InsertOne(ctx, bson.D{})
	if err != nil || !res.Acknowledged {
		t.Errorf("%+v, %v", res, err)
	}
	must(s.CommitTransaction(ctx))
	must(s.CommitTransaction(ctx))
	wrong(s.AbortTransaction(ctx), "cannot call abortTransaction after calling commitTransaction")
	_, err = coll.InsertOne(ctx, bson.D{})
	wrong(err, "unacknowledged")
	if s.TransactionState() != TransactionNone {
		t.Errorf("another operation leads to %s", s.TransactionState())
	}
	must(s.StartTransaction(nil))
	must(s.AbortTransaction(ctx))
	wrong(s.AbortTransaction(ctx), "Cannot call abortTransaction twice")
	wrong(s.CommitTransaction(ctx), "cannot call commitTransaction after calling abortTransaction")
	s.End(ctx)
	wrong(s.StartTransaction(nil), "the session has ended")
	wrong(s.CommitTransaction(ctx), "the session has ended")

	_, snapshot, err := client.StartSession(t.Context(), &SessionOptions{Snapshot: true})
	must(err)
	defer snapshot.End(t.Context())
	wrong(snapshot.StartTransaction(nil), "transactions are not supported in snapshot sessions")
}

// A repeated commit asks for a majority, and otherwise for what was asked for before.
func TestWriteConcernOfARepeatedCommit(t *testing.T) {
	journal := true
	for name, c := range map[string]struct{ before, after WriteConcern }{
		"none":         {WriteConcern{}, WriteConcern{W: "majority", Timeout: commitTimeout}},
		"a number":     {WriteConcern{W: 2, Journal: &journal}, WriteConcern{W: "majority", Timeout: commitTimeout, Journal: &journal}},
		"with timeout": {WriteConcern{W: "majority", Timeout: time.Second}, WriteConcern{W: "majority", Timeout: time.Second}},
	} {
		before := c.before.internal()
		if got := publicConcern(surely(before)); got.String() != c.after.String() {
			t.Errorf("%s: %v, want %v", name, got, c.after)
		}
		if publicConcern(before).String() != c.before.String() {
			t.Errorf("%s: the transaction's own is changed", name)
		}
	}
}

// Which failed commits may have taken effect.
func TestLabelsOfCommits(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"network":             {category(errors.New("gone"), ErrConnectionFailure, ErrAutoReconnect), true},
		"no server":           {category(errors.New("none"), ErrServerSelection, ErrConnectionFailure), true},
		"MaxTimeMSExpired":    {&ServerError{Code: fault.MaxTimeMSExpired}, true},
		"retryable":           {&ServerError{Code: 91, Labels: []string{fault.LabelRetryableWrite}}, true},
		"another":             {&ServerError{Code: 251}, false},
		"wtimeout":            {&WriteConcernError{Code: 64}, true},
		"unsatisfiable":       {&WriteConcernError{Code: fault.UnsatisfiableWriteConcern}, false},
		"unknown concern":     {&WriteConcernError{Code: fault.UnknownReplWriteConcern}, false},
		"of the client's own": {failure(ErrInvalidArgument, "no"), false},
	} {
		if got := HasErrorLabel(labelCommit(c.err), fault.LabelUnknownTransactionCommit); got != c.want {
			t.Errorf("%s: labelled %v", name, got)
		}
	}
	if labelCommit(nil) != nil {
		t.Error("an error of nothing")
	}
}

// Prose tests of sessions 1, 2, 5, 6: what sessions cannot be used for, and their pool.
func TestMisuseOfSessions(t *testing.T) {
	client, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	other, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	yes := true
	for text, o := range map[string]SessionOptions{
		"exclude each other": {Snapshot: true, CausalConsistency: &yes},
		"needs Snapshot":     {SnapshotTime: bson.Timestamp{T: 1}},
	} {
		_, _, err := client.StartSession(t.Context(), &o)
		is(t, err, []error{ErrInvalidArgument}, text)
	}
	ctx, s, err := client.StartSession(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = client.StartSession(ctx, nil)
	is(t, err, []error{ErrInvalidArgument}, "has a session already")
	operations := map[string]func(*Client, context.Context) error{
		"insert": func(c *Client, ctx context.Context) error {
			_, err := c.Database("db").Collection("c").InsertOne(ctx, bson.D{})
			return err
		},
		"bulk": func(c *Client, ctx context.Context) error {
			_, err := c.Database("db").Collection("c").BulkWrite(ctx, []WriteModel{InsertOneModel(bson.D{})})
			return err
		},
		"client bulk": func(c *Client, ctx context.Context) error {
			_, err := c.BulkWrite(ctx, []ClientWrite{{Collection: c.Database("db").Collection("c"), Model: InsertOneModel(bson.D{})}})
			return err
		},
		"find": func(c *Client, ctx context.Context) error {
			return c.Database("db").Collection("c").Find(ctx, nil).All(&[]bson.D{})
		},
		"run command": func(c *Client, ctx context.Context) error {
			return c.Database("db").RunCommand(ctx, bson.D{{"ping", 1}}).Err()
		},
		"with transaction": func(c *Client, ctx context.Context) error {
			return c.WithTransaction(ctx, func(context.Context) error { return nil })
		},
		"ping": func(c *Client, ctx context.Context) error { return c.Ping(ctx) },
	}
	for name, do := range operations {
		t.Run(name, func(t *testing.T) { is(t, do(other, ctx), []error{ErrInvalidArgument}, "another client's") })
	}
	if err := other.Ping(WithoutSession(ctx)); err != nil {
		t.Errorf("without the session: %v", err)
	}
	s.End(ctx)
	s.End(ctx)
	for name, do := range operations {
		t.Run(name+", ended", func(t *testing.T) { is(t, do(client, ctx), []error{ErrInvalidArgument}, "has ended") })
	}
	if _, again, err := client.StartSession(ctx, nil); err != nil {
		t.Errorf("a session after one that has ended: %v", err)
	} else {
		again.End(ctx)
	}

	ids := func() (list []string) {
		_, a, _ := client.StartSession(t.Context(), nil)
		_, b, _ := client.StartSession(t.Context(), nil)
		list = append(list, string(a.ID()), string(b.ID()))
		a.End(t.Context())
		b.End(t.Context())
		return list
	}
	first, second := ids(), ids()
	if first[0] != second[1] || first[1] != second[0] {
		t.Error("the pool of sessions is not last in, first out")
	}
}

// Prose test 19: an explicit session needs a server that has sessions.
func TestSessionsOnServersWithout(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if strings.Contains("find insert", r.Name) {
			t.Errorf("%s was sent", r.Name)
		}
		return scripted.Ping(p, r)
	}))
	c := openClient(t, s)
	ctx, session, err := c.StartSession(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.End(ctx)
	_, err = c.Database("db").Collection("c").InsertOne(ctx, bson.D{})
	is(t, err, []error{ErrUnsupported}, "sessions are not supported")
	is(t, c.Database("db").Collection("c").FindOne(ctx, nil).Err(), []error{ErrUnsupported}, "sessions are not supported")
}
