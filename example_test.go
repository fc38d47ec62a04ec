package mgx_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// shop is a server with two orders, on which the item is unique.
func shop() (uri string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	orders := bson.A{
		bson.D{{"_id", 1}, {"item", "tea"}, {"qty", 2}},
		bson.D{{"_id", 2}, {"item", "rum"}, {"qty", 9}},
	}
	answer := func(p *scripted.Peer, r scripted.Request) bool {
		reply := bson.D{{"ok", 1}, {"n", 1}}
		switch r.Name {
		case "find":
			reply = bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "shop.orders"}, {"firstBatch", orders}}}}
		case "insert":
			reply = append(reply, bson.E{Key: "writeErrors", Value: bson.A{
				bson.D{{"index", 1}, {"code", 11000}, {"errmsg", "E11000 duplicate key error: item \"tea\""}},
			}})
		case "findAndModify":
			reply = bson.D{{"ok", 1}, {"value", found(r.Document, orders)}}
		case "dropIndexes":
			if direction, _ := r.Document.Lookup("index", "qty").AsInt64OK(); direction != -1 {
				reply = bson.D{{"ok", 0}, {"code", 27}, {"codeName", "IndexNotFound"}, {"errmsg", "can't find index with key"}}
			}
		case "aggregate":
			if _, err := r.Document.LookupErr("pipeline", "0", "$changeStream"); err == nil {
				sold := bson.D{{"_id", bson.D{{"_data", "01"}}}, {"operationType", "update"},
					{"ns", bson.D{{"db", "shop"}, {"coll", "orders"}}}, {"documentKey", bson.D{{"_id", 2}}},
					{"fullDocument", bson.D{{"_id", 2}, {"item", "rum"}, {"qty", 8}}}}
				reply = bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(7)}, {"ns", "shop.orders"}, {"firstBatch", bson.A{sold}}}}}
				break
			}
			totals := bson.A{bson.D{{"_id", "tea"}, {"qty", 2}}, bson.D{{"_id", "rum"}, {"qty", 9}}}
			reply = bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "shop.orders"}, {"firstBatch", totals}}}}
		case "update":
			reply = append(reply, bson.E{Key: "nModified", Value: 1})
		case "bulkWrite":
			reply = bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "admin.$cmd.bulkWrite"}, {"firstBatch", bson.A{}}}},
				{"nInserted", 1}, {"nMatched", 1}, {"nModified", 1}, {"nErrors", 0}}
		case "explode":
			reply = bson.D{{"ok", 0}, {"code", 59}, {"codeName", "CommandNotFound"}, {"errmsg", "no such command: 'explode'"}}
		}
		return p.Answer(r, reply) == nil
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				scripted.Greet(scripted.Hello(), answer)(&scripted.Peer{Conn: c})
			}()
		}
	}()
	return "mongodb://" + l.Addr().String() + "/shop", func() { _ = l.Close() }
}

func connect() (orders *mgx.Collection, done func()) {
	uri, stop := shop()
	client, err := mgx.Connect(context.Background(), uri)
	if err != nil {
		log.Fatal(err)
	}
	return client.Database("shop").Collection("orders"), func() {
		_ = client.Close(context.Background())
		stop()
	}
}

type Order struct {
	ID   int    `bson:"_id"`
	Item string `bson:"item"`
	Qty  int    `bson:"qty"`
}

func ExampleConnect() {
	uri, stop := shop()
	defer stop()

	ctx := context.Background()
	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		log.Fatal(err) // nobody answered: errors.Is(err, mgx.ErrConnectionFailure)
	}
	defer func() { _ = client.Close(ctx) }()

	db, err := client.DefaultDatabase() // the one that the URI names
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Collection("orders").Namespace())
	// Output: shop.orders
}

// Nobody listens there: the error has a line for each server.
func ExampleConnect_failure() {
	_, err := mgx.Connect(context.Background(), "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
	fmt.Println(errors.Is(err, mgx.ErrConnectionFailure), errors.Is(err, mgx.ErrServerSelection))
	// Output: true true
}

// A connection string fills the options; what it cannot express is set in them.
func ExampleParseURI() {
	options, err := mgx.ParseURI("mongodb://db1.example.com,db2.example.com/shop?replicaSet=rs0&w=majority")
	if err != nil {
		log.Fatal(err)
	}
	options.AppName = "checkout"
	options.ServerSelectionTimeout = 5 * time.Second
	fmt.Println(options.Hosts, options.ReplicaSet, options.WriteConcern.W)

	client, err := mgx.New(options) // connects in the background
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close(context.Background()) }()
	// Output: [db1.example.com:27017 db2.example.com:27017] rs0 majority
}

func ExampleCollect() {
	orders, done := connect()
	defer done()

	list, err := mgx.Collect[Order](orders.Find(context.Background(), bson.D{{"qty", bson.D{{"$gt", 1}}}}, mgx.Sort("item"), mgx.Limit(10)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(list)
	// Output: [{1 tea 2} {2 rum 9}]
}

func ExampleEach() {
	orders, done := connect()
	defer done()

	for order, err := range mgx.Each[Order](orders.Find(context.Background(), nil)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(order.Item, order.Qty)
	}
	// Output:
	// tea 2
	// rum 9
}

func ExampleFindOne() {
	orders, done := connect()
	defer done()

	order, err := mgx.FindOne[Order](context.Background(), orders, bson.D{{"item", "tea"}})
	switch {
	case errors.Is(err, mgx.ErrNoDocuments):
		fmt.Println("no tea")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(order.Qty)
	}
	// Output: 2
}

func ExampleCursor() {
	orders, done := connect()
	defer done()

	cur := orders.Find(context.Background(), nil, mgx.Projection(bson.D{{"item", 1}}))
	defer func() { _ = cur.Close() }()
	for cur.Next() {
		fmt.Println(cur.Current().Lookup("item").StringValue())
	}
	if err := cur.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// tea
	// rum
}

// The error tells which documents were refused, and why.
func ExampleBulkWriteError() {
	orders, done := connect()
	defer done()

	_, err := orders.InsertMany(context.Background(), []Order{{3, "gin", 1}, {4, "tea", 1}}, mgx.Unordered())
	if failed, ok := errors.AsType[*mgx.BulkWriteError](err); ok {
		for _, e := range failed.WriteErrors {
			fmt.Printf("document %d: %s, duplicate: %v\n", e.Index, e.Message, errors.Is(e, mgx.ErrDuplicateKey))
		}
	}
	// Output: document 1: E11000 duplicate key error: item "tea", duplicate: true
}

// The first write that is refused ends the bulk, unless it is mgx.Unordered().
func ExampleCollection_BulkWrite() {
	orders, done := connect()
	defer done()

	res, err := orders.BulkWrite(context.Background(), []mgx.WriteModel{
		mgx.UpdateOneModel(bson.D{{"item", "rum"}}, bson.D{{"$inc", bson.D{{"qty", -1}}}}, mgx.Upsert()),
		mgx.DeleteManyModel(bson.D{{"qty", 0}}),
	})
	fmt.Println(res.MatchedCount, res.DeletedCount, err)
	// Output: 1 1 <nil>
}

// A unique index refuses the document.
func ExampleCollection_InsertOne() {
	orders, done := connect()
	defer done()

	_, err := orders.InsertOne(context.Background(), Order{ID: 3, Item: "tea", Qty: 1})
	switch {
	case errors.Is(err, mgx.ErrDuplicateKey):
		fmt.Println("there is tea already")
	case err != nil:
		log.Fatal(err)
	}
	// Output: there is tea already
}

// With Upsert, what matches nothing is inserted: then UpsertedID is not nil.
func ExampleCollection_UpdateOne() {
	orders, done := connect()
	defer done()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	res, err := orders.UpdateOne(ctx, bson.D{{"item", "tea"}}, bson.D{{"$inc", bson.D{{"qty", 1}}}}, mgx.Upsert())
	if errors.Is(err, mgx.ErrTimeout) {
		fmt.Println("no answer in time: it is not known whether the server has done it")
		return
	}
	fmt.Println(res.MatchedCount, res.ModifiedCount, res.UpsertedID, err)
	// Output: 1 1 <nil> <nil>
}

// An order and the stock that it takes from, in one message.
func ExampleClient_BulkWrite() {
	orders, done := connect()
	defer done()
	stock := orders.Database().Collection("stock")

	res, err := orders.Database().Client().BulkWrite(context.Background(), []mgx.ClientWrite{
		{orders, mgx.InsertOneModel(Order{ID: 3, Item: "tea", Qty: 4})},
		{stock, mgx.UpdateOneModel(bson.D{{"item", "tea"}}, bson.D{{"$inc", bson.D{{"qty", -4}}}})},
	})
	fmt.Println(res.InsertedCount, res.ModifiedCount, err)
	// Output: 1 1 <nil>
}

// A client in one screen.
func Example() {
	uri, stop := shop()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)

	orders := client.Database("shop").Collection("orders")
	res, err := orders.UpdateOne(ctx, bson.D{{"item", "tea"}}, bson.D{{"$inc", bson.D{{"qty", 1}}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("changed:", res.ModifiedCount)

	list, err := mgx.Collect[Order](orders.Find(ctx, bson.D{{"qty", bson.D{{"$gt", 1}}}}, mgx.Sort("-qty")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("orders:", len(list))
	// Output:
	// changed: 1
	// orders: 2
}

func ExampleOpen() {
	uri, stop := shop()
	defer stop()
	ctx := context.Background()

	options, err := mgx.ParseURI(uri)
	if err != nil {
		log.Fatal(err)
	}
	options.AppName = "checkout"
	options.ReadPreference = mgx.ReadPreference{Mode: mgx.SecondaryPreferred}
	options.Timeout = 5 * time.Second

	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	fmt.Println(client.ReadPreference(), client.IsPrimary())
	// Output: {mode: secondaryPreferred} true
}

func ExampleClient_StartRequest() {
	orders, done := connect()
	defer done()
	client := orders.Database().Client()

	// Operations in ctx share one connection, so the write arrives before the read
	// that follows it, though nobody waits for it.
	ctx, req := client.StartRequest(context.Background())
	defer req.End()
	res, err := orders.DeleteOne(ctx, bson.D{{"item", "rum"}}, mgx.WithWriteConcern(mgx.Unacknowledged()))
	fmt.Println(res.Acknowledged, err)
	_, err = mgx.FindOne[Order](ctx, orders, bson.D{{"item", "tea"}})
	fmt.Println(err)
	// Output:
	// false <nil>
	// <nil>
}

func ExampleClient_ChangeWriteConcern() {
	orders, done := connect()
	defer done()
	client := orders.Database().Client()

	// One of its options; the next write waits accordingly, through handles that
	// exist already, too.
	err := client.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout = 2 * time.Second })
	fmt.Println(client.WriteConcern(), err)
	// Output: {timeout: 2s} <nil>
}

func ExampleDatabase_RunCommand() {
	orders, done := connect()
	defer done()

	var reply struct {
		OK float64 `bson:"ok"`
	}
	err := orders.Database().RunCommand(context.Background(), bson.D{{"ping", 1}}).Decode(&reply)
	fmt.Println(reply.OK, err)
	// Output: 1 <nil>
}

func ExampleCollection_Aggregate() {
	orders, done := connect()
	defer done()

	pipeline := []bson.D{
		{{"$group", bson.D{{"_id", "$item"}, {"qty", bson.D{{"$sum", "$qty"}}}}}},
		{{"$sort", bson.D{{"qty", 1}}}},
	}
	type total struct {
		Item string `bson:"_id"`
		Qty  int    `bson:"qty"`
	}
	for t, err := range mgx.Each[total](orders.Aggregate(context.Background(), pipeline)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Item, t.Qty)
	}
	// Output:
	// tea 2
	// rum 9
}

func ExampleCollection_CreateIndex() {
	orders, done := connect()
	defer done()

	name, err := orders.CreateIndex(context.Background(), mgx.Index{Keys: mgx.Keys("item", "-qty"), Unique: true})
	fmt.Println(name, err)
	// Output: item_1_qty_-1 <nil>
}

func ExampleServerError() {
	orders, done := connect()
	defer done()

	err := orders.Database().RunCommand(context.Background(), bson.D{{"explode", 1}}).Err()
	if refused, ok := errors.AsType[*mgx.ServerError](err); ok {
		fmt.Println(refused.Code, refused.Name, refused.Message)
	}
	// Output: 59 CommandNotFound no such command: 'explode'
}

func ExampleCollection_FindOneAndUpdate() {
	orders, done := connect()
	defer done()

	var order Order
	err := orders.FindOneAndUpdate(context.Background(),
		bson.D{{"item", "coffee"}}, bson.D{{"$inc", bson.D{{"qty", -1}}}}, mgx.ReturnAfter()).Decode(&order)
	fmt.Println(err)
	// Output: no documents matched
}

func ExampleKeys() {
	fmt.Println(mgx.Keys("-qty", "item"))
	// Output: {"qty":{"$numberInt":"-1"},"item":{"$numberInt":"1"}}
}

func ExampleReadPreference() {
	near := mgx.ReadPreference{Mode: mgx.Nearest, TagSets: []map[string]string{{"region": "eu"}, {}}}
	fmt.Println(near)
	// Output: {mode: nearest, tagSets: [{region: eu}, {}]}
}

// A document that cannot be sent takes no other with it, and the error says what became
// of each.
func ExampleBulkWriteError_Outcome() {
	orders, done := connect()
	defer done()

	docs := []any{Order{3, "gin", 1}, bson.D{{"item", make(chan int)}}, Order{4, "tea", 1}, Order{5, "ale", 1}}
	_, err := orders.InsertMany(context.Background(), docs, mgx.Unordered())
	if failed, ok := errors.AsType[*mgx.BulkWriteError](err); ok {
		for i := range docs {
			fmt.Println(i, failed.Outcome(i))
		}
	}
	// Output:
	// 0 done
	// 1 refused
	// 2 refused
	// 3 done
}
