package dropin

import (
	"context"
	"testing"
	"time"

	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type order struct {
	ID   int    `bson:"_id"`
	Item string `bson:"item"`
	Qty  int    `bson:"qty"`
}

// step is a call that both drivers make, on their collection, database or client.
type step struct {
	on, method string
	args       []any
}

func coll(method string, args ...any) step { return step{"collection", method, args} }
func db(method string, args ...any) step   { return step{"database", method, args} }

// steps are calls whose results and errors both drivers should have alike. They run in
// their order.
func steps() []step {
	dup := bson.D{{"_id", 1}}
	inc := bson.D{{"$inc", bson.D{{"qty", 1}}}}
	return []step{
		coll("InsertOne", order{1, "tea", 2}),
		coll("InsertOne", order{1, "tea", 2}),
		coll("InsertOne", nil),
		coll("InsertOne", make(chan int)),
		coll("InsertOne", []byte("\x05\x00\x00\x00")),
		coll("InsertMany", []any{order{2, "tea", 5}, order{3, "salt", 7}, bson.M{"_id": int64(4), "item": "oil"}}),
		coll("InsertMany", []order{{5, "a", 1}, {1, "b", 2}, {6, "c", 3}}),
		coll("InsertMany", []order{{7, "a", 1}, {1, "b", 2}, {8, "c", 3}}, options.InsertMany().SetOrdered(false)),
		coll("InsertMany", []any{}),
		coll("InsertMany", order{}),
		coll("InsertMany", []any{order{9, "", 0}, nil}),
		coll("Find", bson.D{}, options.Find().SetSort(bson.D{{"_id", -1}}).SetLimit(3)),
		coll("Find", bson.D{{"qty", bson.D{{"$gt", 2}}}}, options.Find().SetSort(bson.D{{"_id", 1}}).SetBatchSize(1)),
		coll("Find", nil),
		coll("Find", bson.D{}, options.Find().SetSort(bson.M{"a": 1, "b": 1})),
		coll("Find", bson.D{{"$nope", 1}}),
		coll("Find", bson.D{}, options.Find().SetProjection(bson.D{{"item", 1}}).SetSkip(1).SetSort(bson.D{{"_id", 1}})),
		coll("FindOne", dup),
		coll("FindOne", bson.D{{"_id", 100}}),
		coll("FindOne", bson.D{}, options.FindOne().SetSort(bson.D{{"_id", -1}})),
		coll("FindOne", nil),
		coll("UpdateOne", dup, inc),
		coll("UpdateOne", dup, bson.D{{"qty", 1}}),
		coll("UpdateOne", dup, bson.D{}),
		coll("UpdateOne", dup, nil),
		coll("UpdateOne", bson.D{{"_id", 20}}, inc, options.UpdateOne().SetUpsert(true)),
		coll("UpdateByID", 1, inc),
		coll("UpdateByID", nil, inc),
		coll("UpdateMany", bson.D{{"item", "tea"}}, inc),
		coll("UpdateOne", dup, bson.D{{"$nope", 1}}),
		coll("ReplaceOne", dup, bson.D{{"item", "new"}}),
		coll("ReplaceOne", dup, inc),
		coll("ReplaceOne", bson.D{{"_id", 21}}, bson.D{{"item", "up"}}, options.Replace().SetUpsert(true)),
		coll("FindOneAndUpdate", dup, inc, options.FindOneAndUpdate().SetReturnDocument(options.After)),
		coll("FindOneAndUpdate", bson.D{{"_id", 100}}, inc),
		coll("FindOneAndReplace", dup, bson.D{{"item", "x"}}),
		coll("FindOneAndReplace", dup, inc),
		coll("FindOneAndDelete", bson.D{{"_id", 21}}),
		coll("FindOneAndDelete", bson.D{{"_id", 21}}),
		coll("CountDocuments", bson.D{}),
		coll("CountDocuments", bson.D{{"item", "tea"}}, options.Count().SetLimit(1)),
		coll("CountDocuments", nil),
		coll("EstimatedDocumentCount"),
		coll("Distinct", "item", bson.D{}),
		coll("Distinct", "item", nil),
		coll("Aggregate", mongo.Pipeline{{{"$match", bson.D{{"item", "tea"}}}}, {{"$sort", bson.D{{"_id", 1}}}}}),
		coll("Aggregate", bson.A{bson.M{"$count": "n"}}),
		coll("Aggregate", bson.D{{"$match", bson.D{}}}),
		coll("Aggregate", nil),
		coll("Aggregate", mongo.Pipeline{{{"$nope", 1}}}),
		coll("BulkWrite", []mongo.WriteModel{
			mongo.NewInsertOneModel().SetDocument(order{30, "b", 1}),
			mongo.NewUpdateOneModel().SetFilter(bson.D{{"_id", 30}}).SetUpdate(inc),
			mongo.NewReplaceOneModel().SetFilter(bson.D{{"_id", 31}}).SetReplacement(bson.D{{"item", "r"}}),
			mongo.NewDeleteOneModel().SetFilter(bson.D{{"_id", 30}}),
			mongo.NewDeleteManyModel().SetFilter(bson.D{{"_id", 31}}),
		}),
		coll("BulkWrite", []mongo.WriteModel{mongo.NewInsertOneModel().SetDocument(dup), mongo.NewInsertOneModel().SetDocument(order{32, "", 1})}),
		coll("BulkWrite", []mongo.WriteModel{mongo.NewInsertOneModel().SetDocument(dup), mongo.NewInsertOneModel().SetDocument(order{33, "", 1})}, options.BulkWrite().SetOrdered(false)),
		coll("BulkWrite", []mongo.WriteModel{mongo.NewUpdateManyModel().SetFilter(bson.D{{"_id", 31}}).SetUpdate(inc).SetUpsert(true)}),
		coll("BulkWrite", []mongo.WriteModel{}),
		coll("BulkWrite", []mongo.WriteModel{nil}),
		coll("DeleteOne", dup),
		coll("DeleteMany", bson.D{{"item", "tea"}}),
		coll("DeleteMany", nil),
		coll("DeleteOne", bson.D{{"$nope", 1}}),
		db("RunCommand", bson.D{{"ping", 1}}),
		db("RunCommand", bson.D{{"nope", 1}}),
		db("RunCommand", bson.M{"a": 1, "b": 2}),
		db("RunCommandCursor", bson.D{{"find", "calls"}, {"filter", bson.D{{"_id", 33}}}}),
		db("RunCommandCursor", bson.D{{"ping", 1}}),
		db("CreateCollection", "made"),
		db("CreateCollection", "made"),
		db("ListCollectionNames", bson.D{{"name", "made"}}),
		db("ListCollectionNames", nil),
		db("Drop"),
		db("Drop"),
	}
}

func TestCallsAlike(t *testing.T) {
	theirs, ours := drivers(t, server.URI(), nil)
	ctx := t.Context()
	on := func(kind string, ours *mongo.Client, theirs *official.Client) (any, any) {
		a, b := theirs.Database("theirs"), ours.Database("ours")
		if kind == "database" {
			return a, b
		}
		return a.Collection("calls"), b.Collection("calls")
	}
	_, _ = theirs.Database("theirs").RunCommand(ctx, bson.D{{"dropDatabase", 1}}).Raw()
	_, _ = ours.Database("ours").RunCommand(ctx, bson.D{{"dropDatabase", 1}}).Raw()
	for i, s := range steps() {
		a, b := on(s.on, ours, theirs)
		args := append([]any{ctx}, s.args...)
		want, got := outcome(ctx, invoke(a, s.method, args...)), outcome(ctx, invoke(b, s.method, args...))
		if got != want {
			t.Errorf("step %d, %s%v:\n ours   %s\n theirs %s", i, s.method, s.args, got, want)
		}
	}
}

// TestFailuresAlike compares what programs learn when no server answers, or time is over.
func TestFailuresAlike(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*options.ClientOptions)
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		uri    string
	}{
		"nobody listens": {uri: "mongodb://127.0.0.1:1/", change: func(o *options.ClientOptions) { o.SetServerSelectionTimeout(200 * time.Millisecond) }},
		"deadline over": {uri: server.URI(), ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Now().Add(-time.Second))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := drivers(t, c.uri, c.change)
			ctx, cancel := context.WithCancel(t.Context())
			if c.ctx != nil {
				ctx, cancel = c.ctx(t.Context())
			}
			defer cancel()
			want := outcome(ctx, invoke(theirs.Database("d").Collection("c"), "InsertOne", ctx, bson.D{}))
			got := outcome(ctx, invoke(ours.Database("d").Collection("c"), "InsertOne", ctx, bson.D{}))
			if got != want {
				t.Errorf("\n ours   %s\n theirs %s", got, want)
			}
		})
	}
}

func TestDisconnectedAlike(t *testing.T) {
	theirs, ours := drivers(t, server.URI(), nil)
	ctx := t.Context()
	for _, err := range []error{theirs.Disconnect(ctx), ours.Disconnect(ctx)} {
		if err != nil {
			t.Error(err)
		}
	}
	want, got := errorKind(theirs.Ping(ctx, nil)), errorKind(ours.Ping(ctx, nil))
	if got != want {
		t.Errorf("ours %s, theirs %s", got, want)
	}
}
