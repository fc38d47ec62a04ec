package mgx_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// found is the order that a findAndModify returns: as it was, or with the option new as
// it is after the change.
func found(command bson.Raw, orders bson.A) any {
	item := command.Lookup("query", "item").StringValue()
	for _, o := range orders {
		order := o.(bson.D)
		if order[1].Value != item {
			continue
		}
		if after, _ := command.Lookup("new").BooleanOK(); after {
			sold := command.Lookup("update", "$inc", "qty").AsInt64()
			return bson.D{order[0], order[1], {"qty", int64(order[2].Value.(int)) + sold}}
		}
		return order
	}
	return nil
}

// A handle with another write concern; the one that it was derived from keeps its own.
func ExampleCollection_With() {
	orders, done := connect()
	defer done()
	ctx := context.Background()
	unheard := orders.With(mgx.WithWriteConcern(mgx.Unacknowledged()))

	sold := bson.D{{"$inc", bson.D{{"qty", -1}}}}
	res, err := unheard.UpdateOne(ctx, bson.D{{"item", "tea"}}, sold)
	fmt.Println(res.Acknowledged, err)
	res, err = orders.UpdateOne(ctx, bson.D{{"item", "tea"}}, sold)
	fmt.Println(res.Acknowledged, err)
	// Output:
	// false <nil>
	// true <nil>
}

func ExampleCollection_UpdateByID() {
	orders, done := connect()
	defer done()
	ctx := context.Background()

	res, err := orders.UpdateByID(ctx, 1, bson.D{{"$set", bson.D{{"qty", 3}}}})
	fmt.Println(res.MatchedCount, res.ModifiedCount, err)

	// An _id that was forgotten does not change some document or other.
	_, err = orders.UpdateByID(ctx, nil, bson.D{{"$set", bson.D{{"qty", 3}}}})
	fmt.Println(errors.Is(err, mgx.ErrInvalidArgument))
	// Output:
	// 1 1 <nil>
	// true
}

func ExampleFindOneAndUpdate() {
	orders, done := connect()
	defer done()

	order, err := mgx.FindOneAndUpdate[Order](context.Background(), orders,
		bson.D{{"item", "rum"}}, bson.D{{"$inc", bson.D{{"qty", -1}}}}, mgx.ReturnAfter())
	fmt.Println(order, err)
	// Output: {2 rum 8} <nil>
}

// Without ReturnAfter, it is the document as it was.
func ExampleFindOneAndReplace() {
	orders, done := connect()
	defer done()

	old, err := mgx.FindOneAndReplace[Order](context.Background(), orders,
		bson.D{{"item", "rum"}}, bson.D{{"item", "gin"}, {"qty", 4}})
	fmt.Println(old, err)
	// Output: {2 rum 9} <nil>
}

func ExampleFindOneAndDelete() {
	orders, done := connect()
	defer done()
	ctx := context.Background()

	gone, err := mgx.FindOneAndDelete[Order](ctx, orders, bson.D{{"item", "tea"}})
	fmt.Println(gone, err)

	_, err = mgx.FindOneAndDelete[Order](ctx, orders, bson.D{{"item", "coffee"}})
	fmt.Println(errors.Is(err, mgx.ErrNoDocuments))
	// Output:
	// {1 tea 2} <nil>
	// true
}

// The index with these keys, whatever its name is.
func ExampleCollection_DropIndexByKeys() {
	orders, done := connect()
	defer done()
	ctx := context.Background()

	fmt.Println(orders.DropIndexByKeys(ctx, mgx.Keys("item", "-qty")))

	err := orders.DropIndexByKeys(ctx, mgx.Keys("item"))
	if refused, ok := errors.AsType[*mgx.ServerError](err); ok {
		fmt.Println(refused.Name)
	}
	// Output:
	// <nil>
	// IndexNotFound
}

// A program that begins again where it was keeps the token of the last event, and passes
// it to mgx.ResumeAfter.
func ExampleChangeStream() {
	orders, done := connect()
	defer done()
	ctx := context.Background()

	stream, err := orders.Watch(ctx, nil, mgx.FullDocument("updateLookup"))
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range mgx.Changes[Order](ctx, stream) { // which closes the stream
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Operation, *event.FullDocument)
		break // a service goes on
	}
	fmt.Println(stream.ResumeToken())
	// Output:
	// update {2 rum 8}
	// {"_data": "01"}
}
