package exec

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/pool"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/topology"
)

// A pool that was cleared does not use up the one retry: nothing was sent.
func TestTurnedAwayDoesNotCount(t *testing.T) {
	cleared, lost := &failedAttempt{pool: true}, &failedAttempt{network: true}
	r := run{x: &Executor{RetryReads: true}, op: &Op{Retryable: true}, b: &free}
	for range 3 {
		if !r.mayRetry(context.Background(), cleared) {
			t.Fatal("an operation that was turned away gives up")
		}
	}
	if !r.mayRetry(context.Background(), lost) {
		t.Error("no retry is left for the first failure that counts")
	}
	if !r.mayRetry(context.Background(), cleared) {
		t.Error("the retry gives up when it is turned away")
	}
	if r.mayRetry(context.Background(), lost) {
		t.Error("a second retry")
	}
	n := 0
	for r.mayRetry(context.Background(), cleared) {
		n++
	}
	if n > maxTurnedAway {
		t.Errorf("turned away %d times, and no end", n)
	}
}

func TestRetryBudget(t *testing.T) {
	lost := failedAttempt{network: true}
	busy := failedAttempt{code: 462, overloaded: true, refused: true}
	noRoom := failedAttempt{network: true, handshake: true, overloaded: true, refused: true}
	for name, c := range map[string]struct {
		x        *Executor
		op       *Op
		failures []failedAttempt
		want     int
	}{
		"a read":                             {&Executor{RetryReads: true}, &Op{Retryable: true}, []failedAttempt{lost, lost, lost}, 1},
		"a read, with timeoutMS":             {&Executor{RetryReads: true}, &Op{Retryable: true, Timed: true}, []failedAttempt{lost, lost, lost}, 3},
		"no adaptive retries":                {&Executor{RetryReads: true}, &Op{Retryable: true}, []failedAttempt{busy}, 0},
		"no adaptive retries, no connection": {&Executor{RetryReads: true}, &Op{Retryable: true}, []failedAttempt{noRoom}, 0},
		"no connection, thrice":              {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Retryable: true}, []failedAttempt{noRoom, noRoom, noRoom}, 2},
		"overloaded":                         {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Retryable: true}, []failedAttempt{busy, busy, busy}, 2},
		"overloaded, with timeoutMS":         {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Retryable: true, Timed: true}, []failedAttempt{busy, busy, busy}, 2},
		"first lost, then overloaded":        {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Retryable: true}, []failedAttempt{lost, busy, busy}, 2},
		"first overloaded, then lost":        {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Retryable: true}, []failedAttempt{busy, lost, lost}, 2},
		"an update of many":                  {&Executor{RetryWrites: true, MaxAdaptiveRetries: 2}, &Op{Access: Write}, []failedAttempt{busy, busy, busy}, 2},
		"an update of many, no retryWrites":  {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Access: Write}, []failedAttempt{busy}, 0},
		"a command, no retryWrites":          {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Access: Other}, []failedAttempt{busy}, 0},
		"a command":                          {&Executor{RetryReads: true, RetryWrites: true, MaxAdaptiveRetries: 2}, &Op{Access: Other}, []failedAttempt{busy}, 1},
		"a getMore":                          {&Executor{RetryReads: true, MaxAdaptiveRetries: 2}, &Op{Name: "getMore", Access: Other}, []failedAttempt{busy}, 1},
		"an update of many, connection lost": {&Executor{RetryWrites: true}, &Op{Access: Write}, []failedAttempt{lost}, 0},
		"an update of many, pool cleared":    {&Executor{RetryWrites: true}, &Op{Access: Write}, []failedAttempt{{pool: true}}, 1},
		"an update of many, interrupted":     {&Executor{RetryWrites: true}, &Op{Access: Write}, []failedAttempt{{pool: true, sent: true}}, 0},
	} {
		r := run{x: c.x, op: c.op, b: &free}
		got := 0
		for i := range c.failures {
			if !r.mayRetry(context.Background(), &c.failures[i]) {
				break
			}
			got++
		}
		if got != c.want {
			t.Errorf("%s: %d retries, want %d", name, got, c.want)
		}
	}
}

// Commands that only one server can answer are not retried when it is lost, but when
// it had no room for them.
func TestRetryOfBoundCommands(t *testing.T) {
	lost, busy := failedAttempt{network: true}, failedAttempt{code: 462, overloaded: true, refused: true}
	for name, b := range map[string]*Binding{
		"in a request":     NewRequest().Binding(),
		"to a server":      {Server: &Server{}},
		"an opened cursor": {Server: &Server{}, Cursor: true, opened: true},
	} {
		for _, c := range []struct {
			f    failedAttempt
			want bool
		}{{lost, false}, {busy, true}} {
			r := run{x: &Executor{RetryReads: true, MaxAdaptiveRetries: 1}, op: &Op{Retryable: true}, b: b}
			if got := r.mayRetry(context.Background(), &c.f); got != c.want {
				t.Errorf("%s, %+v: retried %v", name, c.f, got)
			}
		}
	}
	r := run{x: &Executor{RetryReads: true}, op: &Op{Retryable: true}, b: &Binding{Cursor: true}}
	if !r.mayRetry(context.Background(), &lost) {
		t.Error("the command that opens a cursor is not retried")
	}
}

func TestNoRetryAfterTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := run{x: &Executor{RetryReads: true}, op: &Op{Retryable: true}, b: &free}
	if r.mayRetry(ctx, &failedAttempt{network: true}) {
		t.Error("a retry after the context ended")
	}
}

// What the caller hears of: the last error that tells of an attempt, and none that
// says that the server did nothing, as long as there is another.
func TestWhichErrorCounts(t *testing.T) {
	type attempt struct {
		err  string
		sent bool
		f    *failedAttempt // nil: not worth a retry
	}
	lost := func(name string) attempt { return attempt{name, true, &failedAttempt{network: true}} }
	none := func(name string) attempt {
		return attempt{name, true, &failedAttempt{code: 10107, labels: []string{fault.LabelNoWritesPerformed}}}
	}
	for name, c := range map[string]struct {
		attempts []attempt
		want     string
	}{
		"one":                             {[]attempt{lost("a")}, "a"},
		"both were sent":                  {[]attempt{lost("a"), lost("b")}, "b"},
		"no server for the retry":         {[]attempt{lost("a"), {"b", false, nil}}, "a"},
		"the retry was turned away":       {[]attempt{lost("a"), {"b", false, &failedAttempt{pool: true}}}, "a"},
		"the retry got no connection":     {[]attempt{lost("a"), {"b", false, &failedAttempt{network: true, handshake: true}}}, "b"},
		"only turned away":                {[]attempt{{"a", false, &failedAttempt{pool: true}}, {"b", false, &failedAttempt{pool: true}}}, "a"},
		"turned away, then sent":          {[]attempt{{"a", false, &failedAttempt{pool: true}}, lost("b")}, "b"},
		"the retry wrote nothing":         {[]attempt{lost("a"), none("b")}, "a"},
		"neither wrote anything":          {[]attempt{none("a"), none("b")}, "a"},
		"the first wrote nothing":         {[]attempt{none("a"), lost("b")}, "b"},
		"the retry's context ended":       {[]attempt{lost("a"), {"b", true, nil}}, "b"},
		"three, the last wrote nothing":   {[]attempt{lost("a"), lost("b"), none("c")}, "b"},
		"three, the middle wrote nothing": {[]attempt{lost("a"), none("b"), {"c", false, nil}}, "a"},
	} {
		r := run{x: &Executor{}, op: &Op{}}
		var err error
		for i, a := range c.attempts {
			r.sent = a.sent
			if i == len(c.attempts)-1 {
				_, err = r.settle(context.Background(), Result{}, a.f, errors.New(a.err))
			} else {
				r.remember(Result{}, a.f, errors.New(a.err))
			}
		}
		var retry *RetryError
		if errors.As(err, &retry) {
			if retry.Retry.Error() != c.attempts[len(c.attempts)-1].err {
				t.Errorf("%s: the retry's error is %q", name, retry.Retry)
			}
			err = retry.Err
		}
		if err.Error() != c.want {
			t.Errorf("%s: %q, want %q", name, err, c.want)
		}
	}
}

// A reply with a write concern error is the result when its retry comes to
// nothing.
func TestReplyOutlivesItsRetry(t *testing.T) {
	r := run{x: &Executor{}, op: &Op{}, sent: true}
	first := Result{Reply: conn.Reply{Body: bson.Raw("first")}}
	r.remember(first, &failedAttempt{code: 91, writeConcern: true}, nil)
	r.sent = false
	res, err := r.settle(context.Background(), Result{}, nil, errors.New("no server"))
	if err != nil || string(res.Body) != "first" {
		t.Errorf("%q, %v; want the first reply", res.Body, err)
	}
}

func TestBackoff(t *testing.T) {
	for i, c := range []struct {
		base   time.Duration
		retry  int
		jitter float64
		want   time.Duration
	}{
		// The sum of the two pauses is what the specification's first prose test
		// measures: 0.6 s; of its fifth, 0.3 s.
		{defaultBackoff, 1, 1, 200 * time.Millisecond},
		{defaultBackoff, 2, 1, 400 * time.Millisecond},
		{50 * time.Millisecond, 1, 1, 100 * time.Millisecond},
		{50 * time.Millisecond, 2, 1, 200 * time.Millisecond},
		{defaultBackoff, 3, 0.5, 400 * time.Millisecond},
		{defaultBackoff, 1, 0, 0},
		{defaultBackoff, 1000, 1, maxBackoff},
		{maxBackoff, 1000, 1, maxBackoff},
		{time.Millisecond, 2, 1, 4 * time.Millisecond},
	} {
		if got := backoff(c.base, c.retry, c.jitter); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
	for ms, want := range map[any]time.Duration{
		nil: defaultBackoff, int32(0): defaultBackoff, int32(-5): defaultBackoff, "x": defaultBackoff,
		int32(20): 20 * time.Millisecond, int64(1) << 62: maxBackoff, 7.0: 7 * time.Millisecond,
	} {
		doc := bson.D{{Key: "ok", Value: 0}}
		if ms != nil {
			doc = append(doc, bson.E{Key: "baseBackoffMS", Value: ms})
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if got := baseBackoff(&ServerError{Document: fault.Parse(raw)}); got != want {
			t.Errorf("baseBackoffMS %v: %v, want %v", ms, got, want)
		}
	}
	if got := baseBackoff(errors.New("no reply")); got != defaultBackoff {
		t.Errorf("without a reply: %v", got)
	}
}

// The labels count whatever the user allows: an overloaded server is not asked again
// for another reason either.
func TestOverloadIsNoted(t *testing.T) {
	for _, most := range []int{0, 2} {
		r := run{x: &Executor{MaxAdaptiveRetries: most}}
		var f failedAttempt
		r.noteOverload(&f, &conn.Error{Op: "dial", Overload: true})
		if !f.overloaded || !f.refused {
			t.Errorf("maxAdaptiveRetries=%d: %+v", most, f)
		}
	}
}

// Which servers a retry keeps off while there is another.
func TestAvoid(t *testing.T) {
	lost, busy := failedAttempt{network: true}, failedAttempt{code: 462, overloaded: true, refused: true}
	for name, c := range map[string]struct {
		settings sdam.Settings
		retarget bool
		failure  failedAttempt
		want     bool
	}{
		"a member, lost":                 {sdam.Settings{SetName: "rs"}, true, lost, false},
		"a member, its pool was cleared": {sdam.Settings{SetName: "rs"}, true, failedAttempt{pool: true}, false},
		"a member, overloaded":           {sdam.Settings{SetName: "rs"}, false, busy, false},
		"a member, overloaded, retarget": {sdam.Settings{SetName: "rs"}, true, busy, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.Seeds = []string{"a:1"}
			top := topology.New(topology.Config[*conn.Conn]{
				Settings:    c.settings,
				DialMonitor: func(context.Context, string) (topology.MonitorConn, error) { return nil, errors.New("none") },
				NewPool: func(string, func(pool.DialFailure)) *Pool {
					return pool.New(pool.Options[*conn.Conn]{})
				},
				Classify: func(error) sdam.Failure { return sdam.Failure{} },
			})
			top.Connect()
			defer func() { _ = top.Close(context.Background()) }()
			r := run{x: &Executor{Topology: top, Retarget: c.retarget}}
			r.avoid(top.Servers()[0], &c.failure)
			if got := len(r.avoided) > 0; got != c.want {
				t.Errorf("avoided: %v", r.avoided)
			}
		})
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name        string
			after       time.Duration // of the client's end
			limit, want time.Duration
			goesOn      bool
		}{
			{"to its end", time.Minute, time.Minute, time.Second, true},
			{"until the context ends", time.Minute, time.Millisecond, time.Millisecond, false},
			{"until the client is closed", time.Millisecond, time.Minute, time.Millisecond, true},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), test.limit)
			closed := make(chan struct{})
			timer := time.AfterFunc(test.after, func() { close(closed) })
			began := time.Now()
			if goesOn := pause(ctx, time.Second, closed); goesOn != test.goesOn || time.Since(began) != test.want {
				t.Errorf("%s: %v after %v", test.name, goesOn, time.Since(began))
			}
			timer.Stop()
			cancel()
		}
	})
}
