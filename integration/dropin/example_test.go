package dropin

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A program of the official driver's, with the import path of package mongo changed.
func Example() {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(server.URI()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect(ctx)
	orders := client.Database("example").Collection("orders")
	if err := orders.Drop(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := orders.InsertMany(ctx, []any{bson.M{"_id": 1, "item": "tea"}, bson.M{"_id": 2, "item": "salt"}}); err != nil {
		log.Fatal(err)
	}
	cur, err := orders.Find(ctx, bson.M{}, options.Find().SetSort(bson.D{{"item", 1}}))
	if err != nil {
		log.Fatal(err)
	}
	var list []struct{ Item string }
	if err := cur.All(ctx, &list); err != nil {
		log.Fatal(err)
	}
	_, err = orders.InsertOne(ctx, bson.M{"_id": 1})
	fmt.Println(list, mongo.IsDuplicateKeyError(err))

	// One call at a time can move on to mgx.
	names, err := mgx.Distinct[string](ctx, orders.Unwrap(), "item", nil)
	fmt.Println(len(names), err)

	// What is not supported says so.
	_, err = orders.Find(ctx, bson.M{}, options.Find().SetOplogReplay(true)) //nolint:staticcheck // to show what becomes of it
	fmt.Println(errors.Is(err, mgx.ErrUnsupported), err)
	// Output:
	// [{salt} {tea}] true
	// 2 <nil>
	// true mongo: the option options.FindOptions.OplogReplay is not supported: servers ignore it since version 4.4
}
