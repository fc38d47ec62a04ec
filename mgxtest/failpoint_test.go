package mgxtest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx/mgxtest"
)

func TestFailCommandRetries(t *testing.T) {
	for name, fc := range map[string]mgxtest.FailCommand{
		"error":      {Commands: []string{"insert"}, Times: 1, ErrorCode: 11600},
		"connection": {Commands: []string{"insert"}, Times: 1, CloseConnection: true},
		"write concern": {Commands: []string{"insert"}, Times: 1,
			WriteConcernError: &mgxtest.WriteConcernError{Code: 91, Message: "Replication is being shut down"}},
	} {
		t.Run(name, func(t *testing.T) {
			dep := mgxtest.ReplicaSet(t, 1)
			ctx := context10(t)
			var mu sync.Mutex
			numbers := map[int64]int{}
			dep.OnCommand(func(c mgxtest.Command) {
				if n, ok := c.Body.Lookup("txnNumber").Int64OK(); ok && c.Name == "insert" {
					mu.Lock()
					numbers[n]++
					mu.Unlock()
				}
			})
			coll := connect(t, dep.URI()).Database("shop").Collection("orders")
			dep.FailCommand(fc)
			_, err := coll.InsertOne(ctx, kv("_id", 1))
			must(t, err)
			if n := count(t, coll, kv()); n != 1 {
				t.Errorf("counted %d", n)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(numbers) != 1 || numbers[1] != 2 {
				t.Errorf("transaction numbers and how often they came: %v", numbers)
			}
		})
	}
}

func TestFailCommandModes(t *testing.T) {
	dep := mgxtest.Standalone(t)
	ctx := context10(t)
	client := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetAppName("one").SetRetryReads(false) })
	admin := client.Database("admin")
	ping := func() error { return admin.RunCommand(ctx, kv("ping", 1)).Err() }
	set := func(mode any, data bson.D) {
		t.Helper()
		must(t, admin.RunCommand(ctx, kv("configureFailPoint", "failCommand", "mode", mode, "data", data)).Err())
	}
	fails := func(want ...bool) {
		t.Helper()
		for i, w := range want {
			if err := ping(); (err != nil) != w {
				t.Errorf("ping %d: %v", i, err)
			}
		}
	}
	fail := kv("failCommands", bson.A{"ping"}, "errorCode", 96)
	set(kv("times", 2), fail)
	fails(true, true, false)
	set(kv("skip", 1), fail)
	fails(false, true, true)
	set("alwaysOn", fail)
	fails(true, true, true)
	set("off", nil)
	fails(false)
	set("alwaysOn", append(fail, bson.E{Key: "appName", Value: "other"}))
	fails(false)
	set("alwaysOn", append(fail, bson.E{Key: "appName", Value: "one"}))
	fails(true)
	set(kv("times", 1), kv("failCommands", bson.A{"ping"}, "blockConnection", true, "blockTimeMS", 50))
	start := time.Now()
	fails(false)
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("a blocked command took %v", d)
	}
}

func TestErrorLabels(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	ctx := t.Context() // without a deadline the driver retries once
	coll := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetRetryWrites(true) }).Database("shop").Collection("orders")
	insert := func(fc mgxtest.FailCommand) mongo.ServerError {
		t.Helper()
		defer dep.FailCommand(fc)()
		_, err := coll.InsertOne(ctx, kv())
		var se mongo.ServerError
		if !errors.As(err, &se) {
			t.Fatalf("got %v", err)
		}
		return se
	}
	if se := insert(mgxtest.FailCommand{Commands: []string{"insert"}, ErrorCode: 91}); !se.HasErrorLabel("RetryableWriteError") {
		t.Errorf("no label on a retryable code: %v", se)
	}
	if se := insert(mgxtest.FailCommand{Commands: []string{"insert"}, ErrorCode: 91, ErrorLabels: []string{}}); se.HasErrorLabel("RetryableWriteError") {
		t.Errorf("a label that the fail point took away: %v", se)
	}
	if se := insert(mgxtest.FailCommand{Commands: []string{"insert"}, ErrorCode: 112}); se.HasErrorLabel("RetryableWriteError") {
		t.Errorf("a label on a code that is not retryable: %v", se)
	}
}

func TestTransactionsCommitAbortConflict(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...mgxtest.Option) *mgxtest.Deployment{
		"replica set":   func(t testing.TB, o ...mgxtest.Option) *mgxtest.Deployment { return mgxtest.ReplicaSet(t, 3, o...) },
		"sharded":       mgxtest.Sharded,
		"load balanced": mgxtest.LoadBalanced,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context10(t)
			client := connect(t, start(t).URI())
			coll := client.Database("shop").Collection("orders")
			_, err := coll.InsertOne(ctx, kv("_id", 1, "n", 0))
			must(t, err)
			s, err := client.StartSession()
			must(t, err)
			defer s.EndSession(ctx)
			_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
				if _, err := coll.InsertOne(ctx, kv("_id", 2)); err != nil {
					return nil, err
				}
				if n, err := coll.CountDocuments(ctx, kv()); err != nil || n != 2 {
					t.Errorf("inside: %d, %v", n, err)
				}
				if n := count(t, coll, kv()); n != 1 {
					t.Errorf("outside: %d", n)
				}
				return coll.UpdateOne(ctx, kv("_id", 1), kv("$inc", kv("n", 1)))
			})
			must(t, err)
			if n := count(t, coll, kv()); n != 2 {
				t.Errorf("after the commit: %d", n)
			}
			must(t, s.StartTransaction())
			sctx := mongo.NewSessionContext(ctx, s)
			_, err = coll.DeleteMany(sctx, kv())
			must(t, err)
			must(t, s.AbortTransaction(ctx))
			if n := count(t, coll, kv()); n != 2 {
				t.Errorf("after the abort: %d", n)
			}
			conflict(t, client, coll)
		})
	}
}

// conflict lets two transactions write the same document.
func conflict(t *testing.T, client *mongo.Client, coll *mongo.Collection) {
	ctx := context10(t)
	one, err := client.StartSession()
	must(t, err)
	defer one.EndSession(ctx)
	two, err := client.StartSession()
	must(t, err)
	defer two.EndSession(ctx)
	must(t, one.StartTransaction())
	must(t, two.StartTransaction())
	inc := func(s *mongo.Session) error {
		_, err := coll.UpdateOne(mongo.NewSessionContext(ctx, s), kv("_id", 1), kv("$inc", kv("n", 1)))
		return err
	}
	must(t, inc(one))
	var se mongo.ServerError
	if err := inc(two); !errors.As(err, &se) || !se.HasErrorCode(112) || !se.HasErrorLabel("TransientTransactionError") {
		t.Errorf("the second writer got %v", err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := coll.UpdateOne(ctx, kv("_id", 1), kv("$inc", kv("n", 10)))
		waits <- err
	}()
	must(t, one.CommitTransaction(ctx))
	must(t, <-waits)
	var got struct{ N int }
	must(t, coll.FindOne(ctx, kv("_id", 1)).Decode(&got))
	if got.N != 12 {
		t.Errorf("n is %d, expected 12", got.N)
	}
}

func TestTransactionSurvivesFailoverByRetry(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 3)
	ctx := context10(t)
	client := connect(t, dep.URI())
	coll := client.Database("shop").Collection("orders")
	must(t, client.Database("shop").CreateCollection(ctx, "orders"))
	s, err := client.StartSession()
	must(t, err)
	defer s.EndSession(ctx)
	runs := 0
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		runs++
		if _, err := coll.InsertOne(ctx, kv("_id", 1)); err != nil {
			return nil, err
		}
		if runs == 1 {
			must(t, dep.StepDown())
		}
		return coll.InsertOne(ctx, kv("_id", 2))
	})
	must(t, err)
	if runs < 2 {
		t.Errorf("the transaction ran %d times", runs)
	}
	if n := count(t, coll, kv()); n != 2 {
		t.Errorf("counted %d", n)
	}
	// A lost answer to the commit is asked for again.
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"commitTransaction"}, Times: 1, CloseConnection: true})
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) { return coll.InsertOne(ctx, kv("_id", 3)) })
	must(t, err)
	if n := count(t, coll, kv()); n != 3 {
		t.Errorf("counted %d", n)
	}
}

func TestParameter(t *testing.T) {
	dep := mgxtest.Sharded(t, mgxtest.Parameter("requireApiVersion", true), mgxtest.Parameter("acceptApiVersion2", true))
	ctx := context10(t)
	plain := connect(t, dep.URI()).Database("admin")
	code := func(command bson.D) int32 {
		var ce mongo.CommandError
		if err := plain.RunCommand(ctx, command).Err(); err != nil && !errors.As(err, &ce) {
			t.Fatal(err)
		}
		return ce.Code
	}
	for _, c := range []struct {
		command bson.D
		code    int32
	}{
		{kv("ping", 1), 498870},
		{kv("ping", 1, "apiVersion", "1"), 0},
		{kv("ping", 1, "apiVersion", "3"), 322},
		{kv("testVersion2", 1, "apiVersion", "2", "apiStrict", true), 0},
		{kv("testVersion2", 1, "apiVersion", "1", "apiStrict", true), 323},
		{kv("testDeprecationInVersion2", 1, "apiVersion", "1", "apiDeprecationErrors", true), 0},
		{kv("testDeprecationInVersion2", 1, "apiVersion", "2", "apiDeprecationErrors", true), 324},
	} {
		if got := code(c.command); got != c.code {
			t.Errorf("%v: code %d, want %d", c.command, got, c.code)
		}
	}
	declared := connect(t, dep.URI(), func(o *options.ClientOptions) { o.SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion1)) })
	var reply struct {
		Required bool `bson:"requireApiVersion"`
	}
	must(t, declared.Database("admin").RunCommand(ctx, kv("getParameter", 1, "requireApiVersion", 1)).Decode(&reply))
	if !reply.Required {
		t.Error("getParameter does not report it")
	}
}
