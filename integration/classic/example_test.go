package classic

import (
	"context"
	"errors"
	"fmt"
	"log"
	"reflect"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// open connects to this package's server, for the examples.
func open(ctx context.Context) *mgx.Client {
	client, err := mgx.Connect(ctx, uri)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func Example_constructor() {
	options, err := mgx.ParseHosts([]string{"db1", "mongodb://db2:27018/shop?w=2"}, 27017)
	if err != nil {
		log.Fatal(err)
	}
	options.MaxPoolSize = new(20)
	fmt.Println(options.Hosts, options.Database, options.WriteConcern)
	// client, err := mgx.Open(ctx, options)

	_, err = mgx.Connect(context.Background(), "mongodb://localhost:1/?serverSelectionTimeoutMS=100")
	fmt.Println(errors.Is(err, mgx.ErrConnectionFailure))
	// Output:
	// [db1:27017 db2:27018] shop {w: 2}
	// true
}

// Reads and single writes are tried again by themselves where that is safe. What is
// left is for the application to decide.
func Example_autoReconnect() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("auto_reconnect")
	defer coll.Drop(ctx)

	increment := bson.D{{"$inc", bson.D{{"n", 1}}}}
	_, err := coll.UpdateMany(ctx, nil, increment)
	if errors.Is(err, mgx.ErrAutoReconnect) {
		// The connection was lost; the update may or may not have been done.
		_, err = coll.UpdateMany(ctx, nil, increment)
	}
	fmt.Println(err)
	// Output: <nil>
}

func Example_getitem() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Database("test-database").Name())
	_, err := client.Database("not valid").Collection("c").InsertOne(ctx, bson.D{})
	fmt.Println(errors.Is(err, mgx.ErrInvalidName))
	// Output:
	// test-database
	// true
}

func Example_disconnect() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Disconnect(ctx))
	fmt.Println(client.Ping(ctx)) // opens again
	// Output:
	// <nil>
	// <nil>
}

func Example_close() {
	ctx := context.Background()
	client := open(ctx)
	fmt.Println(client.Close(ctx))
	fmt.Println(errors.Is(client.Ping(ctx), mgx.ErrClosed))
	// Output:
	// <nil>
	// true
}

func Example_alive() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Alive(ctx))
	// A more certain way:
	fmt.Println(client.Ping(ctx))
	// Output:
	// true
	// <nil>
}

func Example_repr() {
	options, err := mgx.ParseURI("mongodb://ann:sesame@db1,db2:27018")
	if err != nil {
		log.Fatal(err)
	}
	client, err := mgx.New(options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.Background())
	fmt.Println(client)
	// Output: mgx.Client(db1:27017,db2:27018)
}

func Example_host() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Host())
	// Output: 127.0.0.1
}

func Example_port() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Port() > 0)
	// Output: true
}

func Example_nodes() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Nodes()[0] == fmt.Sprintf("%s:%d", client.Host(), client.Port()))
	// Output: true
}

func Example_isPrimary() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.IsPrimary()) // a standalone server takes writes
	// Output: true
}

func Example_isMongos() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.IsMongos())
	// Output: false
}

func Example_maxPoolSize() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.MaxPoolSize())
	// Output: 100
}

func Example_maxBSONSize() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.MaxBSONSize())
	// Output: 16777216
}

func Example_maxMessageSize() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.MaxMessageSize())
	// Output: 48000000
}

func Example_documentClass() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("document_class", mgx.WithDocumentType(reflect.TypeFor[bson.M]()))
	defer coll.Drop(ctx)
	if _, err := coll.InsertOne(ctx, bson.D{{"address", bson.D{{"city", "Oslo"}}}}); err != nil {
		log.Fatal(err)
	}
	doc, err := mgx.FindOne[struct{ Address any }](ctx, coll, nil)
	fmt.Printf("%T %v\n", doc.Address, err)
	fmt.Println(client.DocumentType()) // the client's own did not change
	// Output:
	// bson.M <nil>
	// bson.D
}

func Example_tzAware() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("tz_aware")
	defer coll.Drop(ctx)
	if _, err := coll.InsertOne(ctx, bson.D{{"at", time.Unix(0, 0)}}); err != nil {
		log.Fatal(err)
	}
	naive, err := mgx.FindOne[struct{ At any }](ctx, coll, nil)
	fmt.Printf("%T %v\n", naive.At, err)
	aware, err := mgx.FindOne[struct{ At any }](ctx, coll, nil, mgx.WithTimeLocation(time.UTC))
	fmt.Println(aware.At, err)
	// Output:
	// bson.DateTime <nil>
	// 1970-01-01 00:00:00 +0000 UTC <nil>
}

func Example_readPreference() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.ReadPreference())
	db := client.Database("example", mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.SecondaryPreferred}))
	n, err := db.Collection("none").CountDocuments(ctx, nil)
	fmt.Println(n, err)
	// Output:
	// {mode: primary}
	// 0 <nil>
}

func Example_tagSets() {
	options, err := mgx.ParseURI("mongodb://db1/?readPreference=nearest" +
		"&readPreferenceTags=dc:ny&readPreferenceTags=dc:la&readPreferenceTags=")
	if err != nil {
		log.Fatal(err)
	}
	// New York, else Los Angeles, else anywhere.
	fmt.Println(options.ReadPreference.TagSets)
	// Output: [map[dc:ny] map[dc:la] map[]]
}

func Example_secondaryAcceptableLatencyMS() {
	ctx := context.Background()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		log.Fatal(err)
	}
	options.LocalThreshold = 30 * time.Millisecond
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)
	fmt.Println(client.LocalThreshold())
	// Output: 30ms
}

func Example_slaveOkay() {
	options, err := mgx.ParseURI("mongodb://db1/?slaveOk=true")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(options.ReadPreference)
	fmt.Println(options.Warnings()[0])
	// Output:
	// {mode: secondaryPreferred}
	// slaveOk: deprecated; write readPreference=secondaryPreferred
}
