package mgx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/scripted"
)

// hinting makes an interceptor that writes down what it sees.
func hinting(lines *[]string, name string, refuse error) *Interceptor {
	say := func(ctx context.Context, format string, args ...any) {
		path, _ := ctx.Value(trail{}).(string)
		*lines = append(*lines, name+" "+path+" "+fmt.Sprintf(format, args...))
	}
	return &Interceptor{
		Before: func(ctx context.Context, e *event.OperationStarted) (context.Context, error) {
			say(ctx, "before %s %s.%s", e.Name, e.Database, e.Collection)
			if refuse != nil && e.Collection == "secret" {
				return ctx, refuse
			}
			return deeper(ctx, name), nil
		},
		After: func(ctx context.Context, e *event.OperationEnded) error {
			say(ctx, "after %v", e.Err)
			if e.Err == nil {
				return errors.New("nobody hears of this")
			}
			return fmt.Errorf("%s: %w", name, e.Err)
		},
	}
}

func TestInterceptors(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "find":
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(7)}, {"ns", "db.c"}, {"firstBatch", bson.A{bson.D{}}}}}}) == nil
		case "getMore":
			return p.Answer(r, bson.D{{"ok", 0}, {"code", 43}, {"errmsg", "gone"}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	refused := errors.New("not you")
	var lines []string
	c := openClient(t, s, func(o *Options) {
		o.Interceptors = []*Interceptor{hinting(&lines, "outer", nil), nil, {}, hinting(&lines, "inner", refused)}
	})
	db := c.Database("db")
	lines = nil
	for _, step := range []struct {
		name string
		do   func() error
		is   error
		want []string
	}{
		{"success", func() error { _, err := db.Collection("c").InsertOne(t.Context(), bson.D{}); return err }, nil, []string{
			"outer  before insert db.c", "inner /outer before insert db.c", "inner /outer/inner after <nil>", "outer /outer after <nil>",
		}},
		{"refusal", func() error { _, err := db.Collection("secret").InsertMany(t.Context(), []bson.D{{}}); return err }, refused, []string{
			"outer  before insert db.secret", "inner /outer before insert db.secret", "outer /outer after not you",
		}},
		{"refusal of a bulk", func() error {
			_, err := db.Collection("secret").BulkWrite(t.Context(), []WriteModel{InsertOneModel(bson.D{})})
			return err
		}, refused, []string{
			"outer  before bulkWrite db.secret", "inner /outer before bulkWrite db.secret", "outer /outer after not you",
		}},
		{"a batch of a cursor", func() error {
			cur := db.Collection("c").Find(t.Context(), nil)
			for cur.Next() {
			}
			return cur.Err()
		}, ErrCursorNotFound, []string{
			"outer  before find db.c", "inner /outer before find db.c", "inner /outer/inner after <nil>", "outer /outer after <nil>",
			"outer  before getMore db.c", "inner /outer before getMore db.c",
			"inner /outer/inner after getMore on " + s.Address + ": gone (code 43)", "outer /outer after inner: getMore on " + s.Address + ": gone (code 43)",
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			lines = nil
			err := step.do()
			if !errors.Is(err, step.is) || step.is == nil && err != nil {
				t.Errorf("%v", err)
			}
			if !slices.Equal(lines, step.want) {
				t.Errorf("%q\nwant\n%q", lines, step.want)
			}
		})
	}
}

// The context that Before returns bounds the operation, and monitors hear of what
// interceptors made of it.
func TestInterceptorBoundsOperation(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "find" {
			<-hold
			return false
		}
		return scripted.Ping(p, r)
	}))
	explained := errors.New("explained")
	var ended error
	var cancel context.CancelFunc
	c := openClient(t, s, func(o *Options) {
		o.OperationMonitors = []*event.OperationMonitor{{Ended: func(_ context.Context, e *event.OperationEnded) { ended = e.Err }}}
		o.Interceptors = []*Interceptor{{
			Before: func(ctx context.Context, e *event.OperationStarted) (context.Context, error) {
				if e.Name != "find" {
					return nil, nil
				}
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				return ctx, nil
			},
			After: func(_ context.Context, e *event.OperationEnded) error {
				if e.Err == nil {
					return nil
				}
				cancel()
				return errors.Join(explained, e.Err)
			},
		}}
	})
	_, err := FindOne[bson.D](t.Context(), c.Database("db").Collection("c"), nil)
	is(t, err, []error{ErrTimeout, explained})
	is(t, ended, []error{ErrTimeout, explained})
}
