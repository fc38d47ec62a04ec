package mgx

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/scripted"
)

// What cannot be called is an error, not a panic.
func TestNilFunctionsAndStreams(t *testing.T) {
	client, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	is(t, client.WithTransaction(t.Context(), nil), []error{ErrInvalidArgument}, "the function is nil")
	_, err := WithTransaction[int](t.Context(), client, nil)
	is(t, err, []error{ErrInvalidArgument}, "the function is nil")
	n := 0
	for e, err := range Changes[bson.D](t.Context(), nil) {
		if n++; e != nil {
			t.Errorf("an event of no stream: %v", e)
		}
		is(t, err, []error{ErrInvalidArgument}, "the stream is nil")
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
}

// slow is a server with transactions that takes its time for some commands, and tells
// which there were.
type slow struct {
	client *Client
	mu     sync.Mutex
	wait   map[string]time.Duration
	seen   []event.CommandStarted
	failed []string
}

func newSlow(t *testing.T, wait map[string]time.Duration, change func(*Options)) *slow {
	s := &slow{wait: wait}
	hello := scripted.Hello(bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30}, bson.E{Key: "msg", Value: "isdbgrid"})
	server := scripted.Listen(t, scripted.Greet(hello, func(p *scripted.Peer, r scripted.Request) bool {
		time.Sleep(wait[r.Name])
		if r.Name == "find" {
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "db.c"}, {"firstBatch", bson.A{}}}}}) == nil
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
	}))
	s.client = openClient(t, server, func(o *Options) {
		o.CommandMonitors = []*event.CommandMonitor{{
			Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
				s.mu.Lock()
				defer s.mu.Unlock()
				c := *e
				c.Command = append(bson.Raw(nil), e.Command...)
				s.seen = append(s.seen, c)
				return ctx
			},
			Failed: func(_ context.Context, e *event.CommandFailed) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.failed = append(s.failed, e.CommandName)
			},
		}}
		change(o)
	})
	s.seen = nil // what connects
	return s
}

func (s *slow) names() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, e := range s.seen {
		names = append(names, e.CommandName)
	}
	return strings.Join(names, " ")
}

// The timeout of a session bounds WithTransaction as a whole, whatever the client's is:
// its operations share it, even under a context without it, and the abort has it anew.
func TestTimeoutOfASessionInWithTransaction(t *testing.T) {
	const timeout = 300 * time.Millisecond
	s := newSlow(t, map[string]time.Duration{"insert": 10 * timeout, "abortTransaction": 10 * timeout}, func(o *Options) { o.Timeout = time.Minute })
	ctx, session, err := s.client.StartSession(t.Context(), &SessionOptions{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	defer session.End(ctx)
	coll := s.client.Database("db").Collection("c", Timeout(time.Hour))
	var took time.Duration
	began := time.Now()
	err = s.client.WithTransaction(ctx, func(context.Context) error {
		defer func() { took = time.Since(began) }()
		_, err := coll.InsertOne(session.Context(context.Background()), bson.D{})
		return err
	})
	is(t, err, []error{ErrTimeout})
	if took < timeout-20*time.Millisecond || took > 5*timeout {
		t.Errorf("the operation took %v", took)
	}
	if all := time.Since(began); all < 2*timeout-40*time.Millisecond || all > 8*timeout {
		t.Errorf("with the abort, it took %v", all)
	}
	if names := s.names(); names != "insert abortTransaction" {
		t.Errorf("sent: %s", names)
	}
	if ms := s.seen[0].Command.Lookup("maxTimeMS").AsInt64(); ms > timeout.Milliseconds() {
		t.Errorf("the server has %d ms", ms)
	}
	if got := strings.Join(s.failed, " "); got != "insert abortTransaction" {
		t.Errorf("failed: %s", got)
	}
}

// In a WithTransaction that has a timeout, an operation cannot have another one.
func TestTimeoutOfACallInWithTransaction(t *testing.T) {
	for name, o := range map[string]struct{ client, session time.Duration }{
		"the client's": {client: time.Minute}, "the session's": {session: time.Minute}, "none": {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSlow(t, nil, func(options *Options) { options.Timeout = o.client })
			ctx, session, err := s.client.StartSession(t.Context(), &SessionOptions{Timeout: o.session})
			if err != nil {
				t.Fatal(err)
			}
			defer session.End(ctx)
			db := s.client.Database("db")
			coll := db.Collection("c")
			operations := map[string]func(context.Context) error{
				"insert": func(ctx context.Context) error {
					_, err := coll.InsertOne(ctx, bson.D{}, Timeout(time.Second))
					return err
				},
				"find":        func(ctx context.Context) error { return coll.Find(ctx, nil, Timeout(time.Second)).All(&[]bson.D{}) },
				"run command": func(ctx context.Context) error { return db.RunCommand(ctx, bson.D{{"ping", 1}}, Timeout(0)).Err() },
				"insert many": func(ctx context.Context) error {
					_, err := coll.InsertMany(ctx, []bson.D{{}}, Timeout(time.Second))
					return err
				},
				"bulk": func(ctx context.Context) error {
					_, err := coll.BulkWrite(ctx, []WriteModel{InsertOneModel(bson.D{})}, Timeout(time.Second))
					return err
				},
			}
			for name, do := range operations {
				err := s.client.WithTransaction(ctx, do)
				if o.client+o.session == 0 && err != nil {
					t.Errorf("%s: %v", name, err)
				} else if o.client+o.session > 0 {
					is(t, err, []error{ErrInvalidArgument}, "WithTransaction")
				}
				// After it, calls have timeouts again.
				if err := do(ctx); err != nil {
					t.Errorf("%s, outside of transactions: %v", name, err)
				}
			}
			err = s.client.WithTransaction(ctx, func(ctx context.Context) error {
				_, err := coll.With(Timeout(time.Nanosecond)).InsertOne(ctx, bson.D{})
				return err
			})
			if limited := o.client+o.session > 0; limited != (err == nil) {
				t.Errorf("with the timeout of a handle: %v", err)
			}
		})
	}
	client, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	_, _, err := client.StartSession(t.Context(), &SessionOptions{Timeout: -1})
	is(t, err, []error{ErrInvalidArgument}, "negative")
}

// A refusal that nothing says could pass is the error, also where the time is over.
func TestRefusedCommitWhenTheTimeIsOver(t *testing.T) {
	client, _ := transactional(t, func() bson.D { return refusedCommit(123) })
	ctx, s, err := client.StartSession(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End(ctx)
	tx := transacting{s: s, outer: ctx, began: time.Now().Add(-transactionLimit - time.Second), f: func(ctx context.Context) error {
		_, err := client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
		return err
	}}
	var refused *ServerError
	if err := tx.run(ctx); errors.Is(err, ErrTimeout) || !errors.As(err, &refused) || refused.Code != 123 {
		t.Errorf("%v", err)
	}
}

// Who cancels the context is told so, beside what was to be repeated.
func TestWithTransactionIsCancelledInAPause(t *testing.T) {
	client, _ := transactional(t, func() bson.D { return bson.D{{"ok", 1}} })
	client.exec.Jitter = func() float64 { return 1 }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := &labelled{errors.New("mine"), fault.LabelTransientTransaction}
	calls := 0
	err := client.WithTransaction(ctx, func(context.Context) error {
		if calls++; calls == 8 { // the pause is a tenth of a second
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		return last
	})
	if calls != 8 || !errors.Is(err, context.Canceled) || !errors.Is(err, last) || errors.Is(err, ErrTimeout) {
		t.Errorf("%d calls: %v", calls, err)
	}
}

// The timeout of a call counts before that of the session.
func TestTimeoutOfAWithTransaction(t *testing.T) {
	const timeout = 200 * time.Millisecond
	s := newSlow(t, map[string]time.Duration{"insert": 10 * timeout, "abortTransaction": 10 * timeout}, func(*Options) {})
	ctx, session, err := s.client.StartSession(t.Context(), &SessionOptions{Timeout: time.Hour, Transactions: TransactionOptions{Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer session.End(ctx)
	began := time.Now()
	err = s.client.WithTransaction(ctx, func(ctx context.Context) error {
		_, err := s.client.Database("db").Collection("c").InsertOne(ctx, bson.D{})
		return err
	}, &TransactionOptions{Timeout: timeout})
	is(t, err, []error{ErrTimeout})
	if took := time.Since(began); took < 2*timeout-40*time.Millisecond || took > 8*timeout {
		t.Errorf("it took %v", took)
	}
	is(t, session.StartTransaction(&TransactionOptions{Timeout: -1}), []error{ErrInvalidArgument}, "negative")
}
