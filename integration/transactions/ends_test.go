package transactions

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// A commit that an interceptor refuses has not been sent: nothing may have taken effect,
// and repeating it comes to nothing.
func TestRefusedCommitOfAnInterceptor(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	refusal, commits := errors.New("not today"), 0
	ctx, c, _ := open(t, dep, err, func(o *mgx.Options) {
		o.Interceptors = []*mgx.Interceptor{{Before: func(ctx context.Context, op *event.OperationStarted) (context.Context, error) {
			if op.Name != "commitTransaction" {
				return ctx, nil
			}
			commits++
			return ctx, refusal
		}}}
	})
	err = c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
		_, err := c.InsertOne(ctx, bson.D{})
		return err
	})
	if commits != 1 || !errors.Is(err, refusal) || mgx.HasErrorLabel(err, "UnknownTransactionCommitResult") {
		t.Errorf("%d commits: %v", commits, err)
	}
}

// What the server was too busy for and did when it was asked again has not ended the
// transaction, which may be repeated for another reason.
func TestOverloadedInATransaction(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, _ := open(t, dep, err)
	defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 462, ErrorLabels: []string{"SystemOverloadedError", "RetryableError"}})()
	calls := 0
	check(t, c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
		_, err := c.InsertOne(ctx, bson.D{})
		if calls++; calls == 1 {
			t.Cleanup(dep.FailCommand(mgxtest.FailCommand{Commands: []string{"commitTransaction"}, Times: 1, ErrorCode: 251, ErrorLabels: []string{"TransientTransactionError"}}))
		}
		return err
	}))
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

// A cursor of a transaction whose time is over does not get in the way of the operations
// that come after it.
func TestExpiredCursorInATransaction(t *testing.T) {
	for kind, start := range deployments {
		t.Run(kind, func(t *testing.T) {
			dep, err := start()
			ctx, c, _ := open(t, dep, err)
			for i := range 5 {
				_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i + 1}})
				check(t, err)
			}
			defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"getMore"}, Block: 100 * time.Millisecond})()
			check(t, c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
				cur := c.Find(ctx, nil, mgx.BatchSize(2))
				defer cur.Close()
				cur.Next()
				cur.Next()
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				if cur.NextContext(short) || !errors.Is(cur.Err(), mgx.ErrTimeout) {
					t.Errorf("no timeout: %v", cur.Err())
				}
				_, err := c.InsertOne(ctx, bson.D{{Key: "n", Value: 1}})
				return err
			}))
		})
	}
}
