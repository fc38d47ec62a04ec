package mgx_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

func ExampleClient_WithTransaction() {
	ctx := context.Background()
	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/bank?replicaSet=rs0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close(ctx)
	accounts := client.Database("bank").Collection("accounts")
	transfer := func(ctx context.Context) error {
		if _, err := accounts.UpdateOne(ctx, bson.D{{"_id", "ann"}}, bson.D{{"$inc", bson.D{{"cents", -500}}}}); err != nil {
			return err
		}
		_, err := accounts.UpdateOne(ctx, bson.D{{"_id", "bob"}}, bson.D{{"$inc", bson.D{{"cents", 500}}}})
		return err
	}
	switch err := client.WithTransaction(ctx, transfer); {
	case err == nil:
		fmt.Println("done")
	case mgx.HasErrorLabel(err, "UnknownTransactionCommitResult"):
		fmt.Println("it may have happened:", err)
	default:
		fmt.Println("it did not happen:", err)
	}
}

func ExampleWithTransaction() {
	ctx := context.Background()
	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/bank?replicaSet=rs0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close(ctx)
	accounts := client.Database("bank").Collection("accounts")
	cents, err := mgx.WithTransaction(ctx, client, func(ctx context.Context) (int, error) {
		account, err := mgx.FindOne[struct{ Cents int }](ctx, accounts, bson.D{{"_id", "ann"}})
		if err != nil {
			return 0, err
		}
		if account.Cents < 500 {
			return 0, errors.New("not enough")
		}
		_, err = accounts.UpdateOne(ctx, bson.D{{"_id", "ann"}}, bson.D{{"$inc", bson.D{{"cents", -500}}}})
		return account.Cents - 500, err
	})
	fmt.Println(cents, err)
}

func ExampleClient_StartSession() {
	ctx := context.Background()
	client, err := mgx.Connect(ctx, "mongodb://localhost:27017/shop?replicaSet=rs0&readPreference=secondaryPreferred")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close(ctx)
	ctx, session, err := client.StartSession(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.End(ctx)
	orders := client.Database("shop").Collection("orders")
	if _, err := orders.InsertOne(ctx, bson.D{{"item", "tea"}}); err != nil {
		fmt.Println(err)
		return
	}
	// A secondary answers, and has the order.
	fmt.Println(orders.FindOne(ctx, bson.D{{"item", "tea"}}).Raw())
}
