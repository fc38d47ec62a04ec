package transactions

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/mgxtest"
)

// deployments are the kinds that have transactions.
var deployments = map[string]func(...mgxtest.Option) (*mgxtest.Deployment, error){
	"replica set":   func(o ...mgxtest.Option) (*mgxtest.Deployment, error) { return mgxtest.NewReplicaSet(1, o...) },
	"sharded":       mgxtest.NewSharded,
	"load-balanced": mgxtest.NewLoadBalanced,
}

// A refused operation aborts the transaction on the server. Where the function does not
// return its error, repeating would go on until the time is up, in vain: the error is
// that of the operation, at once.
func TestRefusedOperationThatNobodyTells(t *testing.T) {
	taken := bson.D{{Key: "_id", Value: 0}}
	insert := func(ctx context.Context, c *mgx.Collection) {
		_, _ = c.InsertOne(ctx, taken)
	}
	for name, ways := range map[string]struct {
		refuse func(context.Context, *mgx.Collection)
		after  func(context.Context, *mgx.Collection) error
	}{
		"insert": {refuse: insert},
		"insert many": {refuse: func(ctx context.Context, c *mgx.Collection) {
			_, _ = c.InsertMany(ctx, []bson.D{{{Key: "_id", Value: 1}}, taken})
		}},
		"bulk": {refuse: func(ctx context.Context, c *mgx.Collection) {
			_, _ = c.BulkWrite(ctx, []mgx.WriteModel{mgx.InsertOneModel(taken)}, mgx.Unordered())
		}},
		"client bulk": {refuse: func(ctx context.Context, c *mgx.Collection) {
			_, _ = c.Database().Client().BulkWrite(ctx, []mgx.ClientWrite{
				{Collection: c, Model: mgx.InsertOneModel(bson.D{{Key: "_id", Value: 1}})}, {Collection: c, Model: mgx.InsertOneModel(taken)}})
		}},
		"find and modify": {refuse: func(ctx context.Context, c *mgx.Collection) {
			_ = c.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "$set", Value: bson.D{{Key: "unique", Value: 1}}}}, mgx.Upsert()).Err()
		}},
		"another operation after it": {refuse: insert, after: func(ctx context.Context, c *mgx.Collection) error {
			return c.FindOne(ctx, nil).Err()
		}},
	} {
		for kind, start := range deployments {
			t.Run(name+"/"+kind, func(t *testing.T) {
				dep, err := start()
				ctx, c, _ := open(t, dep, err)
				_, err = c.UpdateOne(ctx, nil, bson.D{{Key: "$set", Value: bson.D{{Key: "unique", Value: 1}}}})
				check(t, err)
				_, err = c.CreateIndex(ctx, mgx.Index{Keys: mgx.Keys("unique"), Unique: true, Sparse: true})
				check(t, err)
				calls := 0
				err = c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
					calls++
					ways.refuse(ctx, c)
					if ways.after != nil {
						return ways.after(ctx, c)
					}
					return nil
				})
				if calls != 1 || !errors.Is(err, mgx.ErrDuplicateKey) || !strings.Contains(err.Error(), "E11000") || !strings.Contains(err.Error(), "did not return the error") {
					t.Errorf("%d calls: %v", calls, err)
				}
				if mgx.HasErrorLabel(err, "TransientTransactionError") {
					t.Error("the error says that repeating helps")
				}
			})
		}
	}
}

// Who labels an error as one that may pass wants the transaction to be repeated,
// whatever was refused in it.
func TestRepeatedOnPurpose(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, _ := open(t, dep, err)
	calls := 0
	check(t, c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
		_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: calls}})
		if calls++; err != nil {
			return passing{err}
		}
		return nil
	}))
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

type passing struct{ error }

func (passing) HasLabel(label string) bool { return label == "TransientTransactionError" }

// Two operations of a transaction at once are an error before anything is sent, and the
// transaction is none the worse for it.
func TestConcurrentOperations(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, s := open(t, dep, err)
	blocked := make(chan struct{}, 1)
	defer dep.OnCommand(func(c mgxtest.Command) {
		if c.Name == "find" {
			blocked <- struct{}{}
		}
	})()
	block := mgxtest.FailCommand{Commands: []string{"find"}, Times: 1, Block: 300 * time.Millisecond}
	defer dep.FailCommand(block)()
	err = c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
		done := make(chan error)
		go func() { done <- c.FindOne(ctx, nil).Err() }()
		<-blocked
		_, err := c.InsertOne(ctx, bson.D{})
		if !errors.Is(err, mgx.ErrInvalidArgument) || !strings.Contains(err.Error(), "another operation of the transaction is under way") {
			t.Errorf("beside another operation: %v", err)
		}
		if err := <-done; err != nil {
			return err
		}
		_, err = c.InsertOne(ctx, bson.D{})
		return err
	})
	check(t, err)
	var names []string
	for _, e := range s.take() {
		names = append(names, e.CommandName)
	}
	if strings.Join(names, " ") != "find insert commitTransaction" {
		t.Errorf("sent: %v", names)
	}

	// A function that does not wait for its operations has nothing to commit.
	defer dep.FailCommand(block)()
	done := make(chan error, 1)
	err = c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
		go func() { done <- c.FindOne(ctx, nil).Err() }()
		<-blocked
		return nil
	})
	if !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("a commit beside an operation: %v", err)
	}
	<-done
	var last event.CommandStarted
	for _, e := range s.take() {
		last = e
	}
	if last.CommandName != "abortTransaction" {
		t.Errorf("the last command is %s", last.CommandName)
	}
}

// Batches that are asked for in advance would get in the way of a transaction's other
// operations.
func TestPrefetchInATransaction(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, _ := open(t, dep, err)
	for i := range 20 {
		_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i + 1}})
		check(t, err)
	}
	for name, option := range map[string]mgx.FindOption{"prefetch": mgx.Prefetch(), "exhaust": mgx.Exhaust()} {
		t.Run(name, func(t *testing.T) {
			check(t, c.Database().Client().WithTransaction(ctx, func(ctx context.Context) error {
				cur, n := c.Find(ctx, nil, option, mgx.BatchSize(3)), 0
				defer cur.Close()
				for cur.Next() {
					if _, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: n}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}}); err != nil {
						return err
					}
					n++
				}
				if n != 21 {
					t.Errorf("%d documents", n)
				}
				return cur.Err()
			}))
		})
	}
}

// The default of a server can be asked for, whatever the session and the client say.
func TestServersReadConcern(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, s := open(t, dep, err, func(o *mgx.Options) { o.ReadConcern = mgx.ReadConcernMajority })
	in, session, err := c.Database().Client().StartSession(ctx, &mgx.SessionOptions{Transactions: mgx.TransactionOptions{ReadConcern: mgx.ReadConcernSnapshot}})
	check(t, err)
	defer session.End(ctx)
	for concern, want := range map[mgx.ReadConcern]string{
		"": `"snapshot"`, mgx.ReadConcernLocal: `"local"`, mgx.ReadConcernServerDefault: "",
	} {
		check(t, c.Database().Client().WithTransaction(in, func(ctx context.Context) error {
			return c.FindOne(ctx, nil).Err()
		}, &mgx.TransactionOptions{ReadConcern: concern}))
		if got := s.take()[0].Command.Lookup("readConcern", "level").String(); got != want {
			t.Errorf("%q: sent %s", concern, got)
		}
	}
	_, err = c.With(mgx.WithReadConcern(mgx.ReadConcernServerDefault)).CountDocuments(ctx, nil)
	check(t, err)
	if got := s.take()[0].Command.Lookup("readConcern").String(); got != "" {
		t.Errorf("outside of transactions: sent %s", got)
	}
}

// A copy is no part of a session.
func TestCopyDatabaseInASession(t *testing.T) {
	dep, err := mgxtest.NewReplicaSet(1)
	ctx, c, _ := open(t, dep, err)
	client := c.Database().Client()
	err = client.WithTransaction(ctx, func(ctx context.Context) error {
		_, err := client.CopyDatabase(ctx, "test", "copy", mgx.CopyOptions{})
		if !errors.Is(err, mgx.ErrInvalidArgument) || !strings.Contains(err.Error(), "WithoutSession") {
			t.Errorf("in a transaction: %v", err)
		}
		_, err = client.CopyDatabase(mgx.WithoutSession(ctx), "test", "copy", mgx.CopyOptions{})
		return err
	})
	check(t, err)
}
