package mgx_test

import (
	"context"
	"fmt"

	"github.com/mgxdb/mgx"
)

// A program that wants to hear of fields that it does not know, and has identifiers as
// text.
func ExampleWithDisallowUnknownFields() {
	ctx := context.Background()
	options, err := mgx.ParseURI("mongodb://localhost:27017/shop")
	if err != nil {
		panic(err)
	}
	options.ObjectIDAsHexString = true
	client, err := mgx.New(options)
	if err != nil {
		panic(err)
	}
	defer client.Close(ctx)
	type order struct {
		ID   string `bson:"_id,omitzero"`
		Item string
	}
	orders := client.Database("shop").Collection("orders", mgx.WithDisallowUnknownFields(true))
	o, err := mgx.FindOne[order](ctx, orders, nil)
	fmt.Println(o.ID, err)
}
