package mongo_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/mongo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A program of the official driver's, with the import path of package mongo changed, that
// moves on to mgx one call at a time.
func Example() {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://localhost:27017"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect(ctx)
	orders := client.Database("shop").Collection("orders")
	if _, err := orders.InsertOne(ctx, bson.M{"_id": 1, "item": "tea"}); mongo.IsDuplicateKeyError(err) {
		fmt.Println("it is there already")
	}
	items, err := mgx.Distinct[string](ctx, orders.Unwrap(), "item", nil)
	fmt.Println(items, err)
}
