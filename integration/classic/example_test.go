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
	ctx := context.Background()
	_, err := mgx.Connect(ctx, "mongodb://localhost:1/?serverSelectionTimeoutMS=100")
	fmt.Println(errors.Is(err, mgx.ErrConnectionFailure))

	options, err := mgx.ParseHosts([]string{"db1", "mongodb://db2:27018/shop"}, 27017)
	fmt.Println(options.Hosts, options.Database, err)
	// Output:
	// true
	// [db1:27017 db2:27018] shop <nil>
}

func Example_getitem() {
	client := open(context.Background())
	defer client.Close(context.Background())
	fmt.Println(client.Database("test-database").Name())
	_, err := client.Database("not valid").Collection("c").InsertOne(context.Background(), bson.D{})
	fmt.Println(errors.Is(err, mgx.ErrInvalidName))
	// Output:
	// test-database
	// true
}

func Example_disconnect() {
	ctx := context.Background()
	client := open(ctx)
	fmt.Println(client.Disconnect(ctx), client.Ping(ctx)) // opens again
	fmt.Println(client.Close(ctx), errors.Is(client.Ping(ctx), mgx.ErrClosed))
	// Output:
	// <nil> <nil>
	// <nil> true
}

func Example_alive() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Alive(ctx))
	// Output: true
}

func Example_properties() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.Host(), client.Port() > 0, len(client.Nodes()))
	fmt.Println(client.IsPrimary(), client.IsMongos())
	fmt.Println(client.MaxPoolSize(), client.MaxBSONSize(), client.MaxMessageSize())
	fmt.Println(client.ReadPreference(), client.LocalThreshold(), client.AutoStartRequest())
	// Output:
	// 127.0.0.1 true 1
	// true false
	// 100 16777216 48000000
	// {mode: primary} 15ms false
}

func Example_documentClass() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("document_class", mgx.WithDocumentType(reflect.TypeFor[bson.M]()))
	defer coll.Drop(ctx)
	_, _ = coll.InsertOne(ctx, bson.D{{"address", bson.D{{"city", "Oslo"}}}})
	doc, err := mgx.FindOne[struct{ Address any }](ctx, coll, nil)
	fmt.Printf("%T %v\n", doc.Address, err)
	// Output: bson.M <nil>
}

func Example_tzAware() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("tz_aware")
	defer coll.Drop(ctx)
	_, _ = coll.InsertOne(ctx, bson.D{{"at", time.Unix(0, 0)}})
	doc, err := mgx.FindOne[struct{ At any }](ctx, coll, nil, mgx.WithTimeLocation(time.UTC))
	fmt.Println(doc.At, err)
	// Output: 1970-01-01 00:00:00 +0000 UTC <nil>
}

func Example_readPreference() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	db := client.Database("example", mgx.WithReadPreference(mgx.ReadPreference{
		Mode: mgx.SecondaryPreferred, TagSets: []map[string]string{{"dc": "east"}, {}},
	}))
	n, err := db.Collection("none").CountDocuments(ctx, nil)
	fmt.Println(n, err)
	// Output: 0 <nil>
}

func Example_writeConcern() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	err := client.SetWriteConcern(mgx.Majority())
	fmt.Println(client.WriteConcern().W, err)
	err = client.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout = time.Second })
	fmt.Println(client.WriteConcern().W, client.WriteConcern().Timeout, err)
	// Output:
	// majority <nil>
	// majority 1s <nil>
}

func Example_fsync() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(errors.Is(client.Fsync(ctx, mgx.FsyncLock|mgx.FsyncAsync), mgx.ErrInvalidArgument))
	locked, err := client.IsLocked(ctx)
	fmt.Println(locked, err)
	// Output:
	// true
	// false <nil>
}

func Example_databases() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	_ = client.Database("example_db").CreateCollection(ctx, "c")
	names, err := client.ListDatabaseNames(ctx, bson.D{{"name", "example_db"}})
	fmt.Println(names, err)
	fmt.Println(client.DropDatabase(ctx, "example_db"))
	info, err := client.ServerInfo(ctx)
	fmt.Println(info.Version != "", err)
	_, err = client.DefaultDatabase()
	fmt.Println(errors.Is(err, mgx.ErrConfiguration))
	// Output:
	// [example_db] <nil>
	// <nil>
	// true <nil>
	// true
}

func Example_copyDatabase() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example_from").Collection("c")
	_, _ = coll.InsertMany(ctx, []bson.D{{{"_id", 1}}, {{"_id", 2}}})
	defer client.DropDatabase(ctx, "example_from")
	defer client.DropDatabase(ctx, "example_to")
	result, err := client.CopyDatabase(ctx, "example_from", "example_to", mgx.CopyOptions{})
	fmt.Println(result.Documents, err)
	// Output: 2 <nil>
}

func Example_startRequest() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example").Collection("requests")
	defer coll.Drop(ctx)

	ctx, req := client.StartRequest(ctx)
	defer req.End()
	_, err := coll.InsertOne(ctx, bson.D{{"_id", 1}}, mgx.WithWriteConcern(mgx.Unacknowledged()))
	n, err2 := coll.CountDocuments(ctx, nil) // the same connection: the write is there
	fmt.Println(n, err, err2)
	// Output: 1 <nil> <nil>
}

func Example_cursorManager() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	manager := mgx.NewBatchedCursors(client, 100)
	client.SetCursorManager(manager)
	cur := client.Database("example").Collection("none").Find(ctx, nil)
	fmt.Println(cur.Close(), client.KillCursors(ctx, 12345))
	manager.Flush()
	// Output: <nil> <nil>
}
