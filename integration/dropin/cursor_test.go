package dropin

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

func officialSession(ctx context.Context, s any) context.Context {
	if s, ok := s.(*official.Session); ok {
		return official.NewSessionContext(ctx, s)
	}
	return ctx
}

func filled(t *testing.T, ours *mongo.Client, n int) *mongo.Collection {
	t.Helper()
	coll := ours.Database("cursors").Collection(t.Name())
	_ = coll.Drop(t.Context())
	docs := make([]bson.D, n)
	for i := range docs {
		docs[i] = bson.D{{"_id", i}}
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return coll
}

func TestCursors(t *testing.T) {
	_, ours := drivers(t, server.URI(), nil)
	coll := filled(t, ours, 10)
	// The context of Find bounds Find alone.
	ctx, cancel := context.WithCancel(t.Context())
	cur, err := coll.Find(ctx, bson.D{}, options.Find().SetBatchSize(4).SetSort(bson.D{{"_id", 1}}))
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	if cur.ID() == 0 || cur.RemainingBatchLength() != 4 || cur.Current != nil {
		t.Error(cur.ID(), cur.RemainingBatchLength(), cur.Current)
	}
	cur.SetBatchSize(2)
	var kept []bson.Raw
	for cur.Next(t.Context()) {
		kept = append(kept, cur.Current)
		if len(kept) == 5 && cur.RemainingBatchLength() != 1 {
			t.Error(cur.RemainingBatchLength())
		}
	}
	if cur.Err() != nil || cur.ID() != 0 || cur.Close(t.Context()) != nil {
		t.Error(cur.Err(), cur.ID())
	}
	for i, doc := range kept { // they stay what they were
		if id := doc.Lookup("_id").Int32(); int(id) != i {
			t.Errorf("document %d is %d", i, id)
		}
	}
	if len(kept) != 10 {
		t.Error(len(kept))
	}
}

func TestCursorAll(t *testing.T) {
	_, ours := drivers(t, server.URI(), nil)
	coll := filled(t, ours, 5)
	find := func() *mongo.Cursor {
		cur, err := coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(2).SetSort(bson.D{{"_id", 1}}))
		if err != nil {
			t.Fatal(err)
		}
		return cur
	}
	list := []order{{ID: 9, Item: "kept"}}
	if err := find().All(t.Context(), &list); err != nil || len(list) != 5 || list[0] != (order{0, "kept", 0}) {
		t.Error(list, err)
	}
	var boxed any = []bson.M{}
	if err := find().All(t.Context(), &boxed); err != nil || len(boxed.([]bson.M)) != 5 {
		t.Error(boxed, err)
	}
	for _, v := range []any{list, &order{}} {
		if err := find().All(t.Context(), v); err == nil {
			t.Errorf("%T is taken", v)
		}
	}
	cur := find()
	if !cur.Next(t.Context()) || cur.Close(t.Context()) != nil || cur.Next(t.Context()) {
		t.Error(cur.Current, cur.Err())
	}
}

func TestTailable(t *testing.T) {
	_, ours := drivers(t, replicaSet(t), nil)
	ctx := t.Context()
	if err := ours.Database("d").CreateCollection(ctx, "capped", options.CreateCollection().SetCapped(true).SetSizeInBytes(1<<16)); err != nil {
		t.Fatal(err)
	}
	coll := ours.Database("d").Collection("capped")
	if _, err := coll.InsertOne(ctx, bson.D{{"_id", 1}}); err != nil {
		t.Fatal(err)
	}
	cur, err := coll.Find(ctx, bson.D{}, options.Find().SetCursorType(options.TailableAwait).SetMaxAwaitTime(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close(ctx)
	if !cur.TryNext(ctx) || cur.TryNext(ctx) || cur.Err() != nil || cur.ID() == 0 {
		t.Fatal(cur.Err(), cur.ID())
	}
	if _, err := coll.InsertOne(ctx, bson.D{{"_id", 2}}); err != nil {
		t.Fatal(err)
	}
	if !cur.Next(ctx) || cur.Current.Lookup("_id").Int32() != 2 {
		t.Error(cur.Current, cur.Err())
	}
}

func TestMadeResults(t *testing.T) {
	ctx := t.Context()
	cur, err := mongo.NewCursorFromDocuments([]any{bson.D{{"a", 1}}, order{ID: 2}}, nil, nil)
	if err != nil || cur.RemainingBatchLength() != 2 {
		t.Fatal(err)
	}
	var list []bson.M
	if err := cur.All(ctx, &list); err != nil || fmt.Sprint(list[0]["a"]) != "1" || len(list) != 2 {
		t.Error(list, err)
	}
	own := errors.New("own")
	if cur, err = mongo.NewCursorFromDocuments([]any{bson.D{}}, own, nil); err != nil || cur.Next(ctx) || cur.Err() != own {
		t.Error(err, cur.Err())
	}
	if _, err = mongo.NewCursorFromDocuments([]any{nil}, nil, nil); !errors.Is(err, mongo.ErrNilDocument) {
		t.Error(err)
	}
	var o order
	if err := mongo.NewSingleResultFromDocument(order{ID: 3}, nil, nil).Decode(&o); err != nil || o.ID != 3 {
		t.Error(o, err)
	}
	if err := mongo.NewSingleResultFromDocument(order{}, own, nil).Decode(&o); err != own {
		t.Error(err)
	}
	if err := mongo.NewSingleResultFromDocument(nil, nil, nil).Err(); !errors.Is(err, mongo.ErrNilDocument) {
		t.Error(err)
	}
}

func TestUnacknowledged(t *testing.T) {
	theirs, ours := drivers(t, server.URI(), nil)
	ctx := t.Context()
	o := options.Collection().SetWriteConcern(writeconcern.Unacknowledged())
	a, b := theirs.Database("unacked").Collection("c", o), ours.Database("unacked").Collection("c", o)
	for method, args := range map[string][]any{
		"InsertOne": {bson.D{{"_id", 1}}}, "InsertMany": {[]any{bson.D{{"_id", 1}}}}, "DeleteOne": {bson.D{}},
		"UpdateOne": {bson.D{}, bson.D{{"$set", bson.D{{"a", 1}}}}}, "BulkWrite": {[]mongo.WriteModel{mongo.NewInsertOneModel().SetDocument(bson.D{})}},
	} {
		args = append([]any{ctx}, args...)
		if want, got := outcome(ctx, invoke(a, method, args...)), outcome(ctx, invoke(b, method, args...)); got != want {
			t.Errorf("%s:\n ours   %s\n theirs %s", method, got, want)
		}
	}
	if r := b.FindOneAndDelete(ctx, bson.D{}); r.Acknowledged || !errors.Is(r.Err(), mongo.ErrNoDocuments) {
		t.Error(r.Acknowledged, r.Err())
	}
}
