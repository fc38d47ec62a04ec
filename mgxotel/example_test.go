package mgxotel_test

import (
	"context"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxotel"
)

// The providers are set up where the program begins, by the SDK or an agent; everything
// else is one call.
func ExampleInstrument() {
	ctx := context.Background()
	options, err := mgx.ParseURI("mongodb://localhost:27017/shop")
	if err != nil {
		log.Fatal(err)
	}
	mgxotel.Instrument(options, mgxotel.Config{
		QueryTextMaxLength:  1000, // commands are in their spans
		CommentTraceContext: true, // and the trace in the server's slow query log
	})
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)

	// A span "find shop.orders" below the one in ctx, with a span "find" below it.
	_, err = mgx.FindOne[bson.D](ctx, client.Database("shop").Collection("orders"), bson.D{{Key: "item", Value: "tea"}})
	if err != nil {
		log.Fatal(err)
	}
}
