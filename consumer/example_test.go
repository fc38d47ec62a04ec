package consumer_test

import (
	"context"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/consumer"
)

type order struct {
	ID   bson.ObjectID `bson:"_id"`
	Item string
}

// Each order gets one invoice: the invoice and the position are one transaction.
func ExampleRun() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/?replicaSet=rs0")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.Background())
	shop := client.Database("shop")
	invoices := shop.Collection("invoices")

	err = consumer.Run(ctx, shop.Collection("orders"), "invoices", func(ctx context.Context, e *mgx.ChangeEvent[order]) error {
		_, err := invoices.InsertOne(ctx, bson.D{{Key: "order", Value: e.FullDocument.ID}})
		return err
	}, consumer.Options{
		Store:         consumer.InCollection(shop.Collection("consumers")),
		Pipeline:      bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "operationType", Value: "insert"}}}}},
		Transactional: client,
	})
	fmt.Println(err)
}
