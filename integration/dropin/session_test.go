package dropin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx/mgxtest"
	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func TestSessions(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	ctx := t.Context()
	for i, client := range []any{theirs, ours} {
		coll := invoke(invoke(client, "Database", "d")[0], "Collection", fmt.Sprint("s", i))[0]
		invoke(coll, "InsertOne", ctx, bson.D{{"_id", 0}})
	}
	sent["theirs"].take()
	sent["ours"].take()

	s, err := ours.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	if s.Client() != ours || len(s.ID()) == 0 || s.TransactionRunning() || s.OperationTime() != nil || ours.NumberSessionsInProgress() != 1 {
		t.Errorf("%v %v %v", s.ID(), s.OperationTime(), ours.NumberSessionsInProgress())
	}
	coll := ours.Database("d").Collection("s1")
	err = mongo.WithSession(ctx, s, func(ctx context.Context) error {
		if mongo.SessionFromContext(ctx) != s {
			t.Error("another session")
		}
		_, err := coll.InsertOne(ctx, bson.D{})
		return err
	})
	if err != nil || s.OperationTime() == nil || s.ClusterTime() == nil {
		t.Error(err, s.OperationTime(), s.ClusterTime())
	}
	if err := s.AdvanceClusterTime(s.ClusterTime()); err != nil {
		t.Error(err)
	}
	if err := s.AdvanceOperationTime(s.OperationTime()); err != nil {
		t.Error(err)
	}
	_, other := drivers(t, replicaSet(t), nil)
	if _, err := other.Database("d").Collection("c").InsertOne(mongo.NewSessionContext(ctx, s), bson.D{}); !errors.Is(err, mongo.ErrWrongClient) {
		t.Error(err)
	}
	s.EndSession(ctx)
	s.EndSession(ctx)
	if n := ours.NumberSessionsInProgress(); n != 0 {
		t.Error(n)
	}
	if err := s.StartTransaction(); err == nil {
		t.Error("a session that has ended starts a transaction")
	}
}

// TestTransactionsAlike runs transactions on both drivers and compares what they send.
func TestTransactionsAlike(t *testing.T) {
	theirs, ours, sent := recorded(t, replicaSet(t), nil)
	ctx := t.Context()
	wc := &writeconcern.WriteConcern{W: "majority", Journal: pointer(true)}
	for name, o := range map[string]*options.TransactionOptionsBuilder{
		"none": options.Transaction(), "ReadConcern": options.Transaction().SetReadConcern(readconcern.Snapshot()),
		"WriteConcern": options.Transaction().SetWriteConcern(wc), "ReadPreference": options.Transaction().SetReadPreference(readpref.Primary()),
	} {
		for _, end := range []string{"CommitTransaction", "AbortTransaction"} {
			got := both(t, name+" "+end, sent["ours"], sent["theirs"], func(own bool) error {
				var client any = theirs
				if own {
					client = ours
				}
				s := invoke(client, "StartSession")[0]
				defer invoke(s, "EndSession", ctx)
				if err := invoke(s, "StartTransaction", o)[0]; err != nil {
					return err.(error)
				}
				in := officialSession(ctx, s)
				if own, ok := s.(*mongo.Session); ok {
					in = mongo.NewSessionContext(ctx, own)
				}
				coll := invoke(invoke(client, "Database", "d")[0], "Collection", "c")[0]
				invoke(coll, "InsertOne", in, bson.D{{"a", 1}})
				err, _ := invoke(s, end, ctx)[0].(error)
				return err
			})
			if !strings.Contains(got, "startTransaction: true") || (name == "WriteConcern") != strings.Contains(got, "j: true") {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestWithTransaction(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	_, ours := drivers(t, dep.URI(), nil)
	ctx := t.Context()
	coll := ours.Database("d").Collection("c")
	s, err := ours.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(ctx)
	// A write that fails for a moment repeats all of it, though its error is one of the
	// official driver's types.
	dep.FailCommand(mgxtest.FailCommand{Commands: []string{"insert"}, Times: 1, ErrorCode: 112, ErrorLabels: []string{"TransientTransactionError"}})
	calls := 0
	v, err := s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		calls++
		if mongo.SessionFromContext(ctx) != s || !s.TransactionRunning() {
			t.Error("not in the session's transaction")
		}
		_, err := coll.InsertOne(ctx, bson.D{{"_id", 1}})
		return "value", err
	})
	if v != "value" || err != nil || calls != 2 {
		t.Error(v, err, calls)
	}
	own := errors.New("own")
	v, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		_, err := coll.InsertOne(ctx, bson.D{{"_id", 2}})
		return err, own
	})
	if v != nil || err != own {
		t.Error(v, err)
	}
	if n, err := coll.CountDocuments(ctx, bson.D{}); n != 1 || err != nil {
		t.Error(n, err)
	}
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		_, err := coll.InsertOne(ctx, bson.D{{"_id", 1}})
		return nil, err
	})
	if _, ok := err.(mongo.WriteException); !ok || !mongo.IsDuplicateKeyError(err) {
		t.Errorf("%T %v", err, err)
	}
	if err := ours.UseSession(ctx, func(ctx context.Context) error {
		_, err := mongo.SessionFromContext(ctx).WithTransaction(ctx, func(ctx context.Context) (any, error) {
			return coll.DeleteMany(ctx, bson.D{})
		})
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestServerFailuresAlike compares the errors that servers give.
func TestServerFailuresAlike(t *testing.T) {
	dep := mgxtest.ReplicaSet(t, 1)
	theirs, ours := drivers(t, dep.URI(), func(o *options.ClientOptions) { o.SetRetryWrites(false).SetRetryReads(false) })
	for name, fail := range map[string]mgxtest.FailCommand{
		"refused":       {ErrorCode: 13},
		"not primary":   {ErrorCode: 10107},
		"labelled":      {ErrorCode: 112, ErrorLabels: []string{"TransientTransactionError"}},
		"closed":        {CloseConnection: true},
		"max time":      {ErrorCode: 50},
		"write concern": {WriteConcernError: &mgxtest.WriteConcernError{Code: 100, Message: "no"}},
	} {
		for _, method := range []string{"InsertOne", "InsertMany", "BulkWrite", "Find", "FindOneAndUpdate", "Drop"} {
			fail.Commands = []string{"insert", "find", "findAndModify", "drop"}
			if fail.WriteConcernError != nil && (method == "Find" || method == "Drop") {
				continue // which has none; whose error is of no public type
			}
			args := map[string][]any{
				"InsertOne": {bson.D{}}, "InsertMany": {[]any{bson.D{}}}, "Find": {bson.D{}},
				"BulkWrite":        {[]mongo.WriteModel{mongo.NewInsertOneModel().SetDocument(bson.D{})}},
				"FindOneAndUpdate": {bson.D{}, bson.D{{"$set", bson.D{{"a", 1}}}}},
			}[method]
			run := func(client any) string {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_ = invoke(client, "Ping", ctx, nil)
				coll := invoke(invoke(client, "Database", "d")[0], "Collection", "c")[0]
				off := dep.FailCommand(fail)
				defer off()
				results := invoke(coll, method, append([]any{ctx}, args...)...)
				return describe(ctx, results[len(results)-1])
			}
			if want, got := run(theirs), run(ours); got != want {
				t.Errorf("%s of %s:\n ours   %s\n theirs %s", name, method, got, want)
			}
		}
	}
}

func TestChangeStreams(t *testing.T) {
	theirs, ours := drivers(t, replicaSet(t), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o := options.ChangeStream().SetFullDocument(options.UpdateLookup).SetMaxAwaitTime(100 * time.Millisecond)
	pipeline := mongo.Pipeline{{{"$match", bson.D{{"operationType", "insert"}}}}}
	a, err := theirs.Database("d").Collection("c").Watch(ctx, pipeline, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ours.Database("d").Collection("c").Watch(ctx, pipeline, o)
	if err != nil {
		t.Fatal(err)
	}
	if b.TryNext(ctx) || b.Err() != nil {
		t.Error(b.Current, b.Err())
	}
	for i := range 3 {
		if _, err := ours.Database("d").Collection("c").InsertOne(ctx, bson.D{{"_id", i}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if !a.Next(ctx) || !b.Next(ctx) {
			t.Fatal(a.Err(), b.Err())
		}
		var x, y bson.M
		if err := errors.Join(a.Decode(&x), b.Decode(&y)); err != nil || !reflect.DeepEqual(x, y) || string(a.ResumeToken()) != string(b.ResumeToken()) {
			t.Errorf("event %d: ours %v, theirs %v (%v)", i, y, x, err)
		}
	}
	if b.ID() == 0 || b.RemainingBatchLength() != 0 {
		t.Error(b.ID(), b.RemainingBatchLength())
	}
	short, end := context.WithTimeout(ctx, 50*time.Millisecond)
	defer end()
	if b.Next(short) || !mongo.IsTimeout(b.Err()) {
		t.Error(b.Err())
	}
	for _, err := range []error{a.Close(ctx), b.Close(ctx)} {
		if err != nil {
			t.Error(err)
		}
	}
	again, err := ours.Watch(ctx, nil, options.ChangeStream().SetStartAfter(b.ResumeToken()))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(ctx)
	if _, err := ours.Database("e").Collection("c").InsertOne(ctx, bson.D{}); err != nil {
		t.Fatal(err)
	}
	if !again.Next(ctx) {
		t.Error(again.Err())
	}
}
