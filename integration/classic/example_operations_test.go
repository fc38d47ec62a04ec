package classic

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/mgxtest"
)

// simulated connects to a simulated server, for what the package's server lacks.
func simulated(ctx context.Context) (client *mgx.Client, end func()) {
	server, err := mgxtest.NewStandalone()
	if err != nil {
		log.Fatal(err)
	}
	client, err = mgx.Connect(ctx, server.URI())
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close(ctx)
		server.Close()
	}
}

func Example_writeConcern() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	err := client.SetWriteConcern(mgx.Majority())
	fmt.Println(client.WriteConcern(), err)
	// One option alone; the next write has it.
	err = client.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout = time.Second })
	fmt.Println(client.WriteConcern(), err)
	// Output:
	// {w: majority} <nil>
	// {w: majority, timeout: 1s} <nil>
}

func Example_safe() {
	options, err := mgx.ParseURI("mongodb://db1/?safe=false")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(options.WriteConcern)
	// Output: {w: 0}
}

func Example_lastErrorOptions() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	_ = client.SetWriteConcern(mgx.WriteConcern{W: 2, Timeout: time.Second}) // set_lasterror_options
	fmt.Println(client.WriteConcern())                                       // get_lasterror_options

	// unset_lasterror_options, of one and of all
	_ = client.ChangeWriteConcern(func(w *mgx.WriteConcern) { w.Timeout = 0 })
	fmt.Println(client.WriteConcern())
	_ = client.ChangeWriteConcern(func(w *mgx.WriteConcern) { *w = mgx.WriteConcern{} })
	fmt.Println(client.WriteConcern())
	// Output:
	// {w: 2, timeout: 1s}
	// {w: 2}
	// {}
}

func Example_fsync() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	fmt.Println(client.Fsync(ctx, mgx.FsyncWait))
	fmt.Println(errors.Is(client.Fsync(ctx, mgx.FsyncLock|mgx.FsyncAsync), mgx.ErrInvalidArgument))
	// Output:
	// <nil>
	// true
}

func Example_isLocked() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	before, _ := client.IsLocked(ctx)
	_ = client.Fsync(ctx, mgx.FsyncLock)
	locked, err := client.IsLocked(ctx)
	fmt.Println(before, locked, err)
	// Output: false true <nil>
}

func Example_unlock() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	fmt.Println(client.Fsync(ctx, mgx.FsyncLock))
	// Now the data files can be copied.
	fmt.Println(client.Unlock(ctx))
	// Output:
	// <nil>
	// <nil>
}

func Example_databaseNames() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	_ = client.Database("example_names").CreateCollection(ctx, "c")
	defer client.DropDatabase(ctx, "example_names")
	names, err := client.ListDatabaseNames(ctx, bson.D{{"name", "example_names"}})
	fmt.Println(names, err)
	// Output: [example_names] <nil>
}

func Example_dropDatabase() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	fmt.Println(client.DropDatabase(ctx, "example_dropped"))
	fmt.Println(client.Database("example_dropped").Drop(ctx))
	// Output:
	// <nil>
	// <nil>
}

func Example_serverInfo() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	info, err := client.ServerInfo(ctx)
	fmt.Println(info.Version != "", info.MaxBSONSize, err)
	// Output: true 16777216 <nil>
}

func Example_getDefaultDatabase() {
	options, err := mgx.ParseURI("mongodb://db1/my_database")
	if err != nil {
		log.Fatal(err)
	}
	client, err := mgx.New(options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(context.Background())
	db, err := client.DefaultDatabase()
	fmt.Println(db.Name(), err)
	// Output: my_database <nil>
}

func Example_copyDatabase() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	coll := client.Database("example_from").Collection("c")
	if _, err := coll.InsertMany(ctx, []bson.D{{{"_id", 1}}, {{"_id", 2}}}); err != nil {
		log.Fatal(err)
	}
	defer client.DropDatabase(ctx, "example_from")
	defer client.DropDatabase(ctx, "example_to")
	result, err := client.CopyDatabase(ctx, "example_from", "example_to", mgx.CopyOptions{
		// FromHost, Username, Password: of another server.
		Progress: func(p mgx.CopyProgress) {
			if p.Done {
				fmt.Println(p.Collection, p.Documents, p.Err)
			}
		},
	})
	fmt.Println(result.Documents, err)
	// Output:
	// c 2 <nil>
	// 2 <nil>
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

func Example_inRequest() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	_, req := client.StartRequest(ctx)
	fmt.Println(req.Active())
	req.End()
	fmt.Println(req.Active())
	// Output:
	// true
	// false
}

func Example_endRequest() {
	ctx := context.Background()
	client := open(ctx)
	defer client.Close(ctx)
	ctx, req := client.StartRequest(ctx)
	_, same := client.StartRequest(ctx) // nested: counted
	same.End()
	fmt.Println(req.Active())
	req.End()
	req.End() // harmless
	fmt.Println(req.Active())
	// Output:
	// true
	// false
}

func Example_autoStartRequest() {
	ctx := context.Background()
	options, err := mgx.ParseURI(uri)
	if err != nil {
		log.Fatal(err)
	}
	options.AutoStartRequest = true
	client, err := mgx.Open(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close(ctx)

	// As a server's handler might do it: one connection for the call.
	call, end := context.WithCancel(ctx)
	defer end() // gives it back
	call = mgx.WithAffinity(call)
	fmt.Println(client.AutoStartRequest(), client.Ping(call))
	// Output: true <nil>
}

// batchOfTwo returns a cursor that stays open on the server.
func batchOfTwo(ctx context.Context, client *mgx.Client) *mgx.Cursor {
	coll := client.Database("example").Collection("cursors")
	if _, err := coll.InsertMany(ctx, []bson.D{{{"x", 1}}, {{"x", 2}}, {{"x", 3}}}); err != nil {
		log.Fatal(err)
	}
	cur := coll.Find(ctx, nil, mgx.BatchSize(2))
	cur.Next()
	return cur
}

func Example_closeCursor() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	cur := batchOfTwo(ctx, client)
	fmt.Println(client.CloseCursor(ctx, cur.ID()))
	_, err := mgx.Collect[bson.D](cur)
	fmt.Println(errors.Is(err, mgx.ErrCursorNotFound))
	// Output:
	// <nil>
	// true
}

func Example_killCursors() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	a, b := batchOfTwo(ctx, client), batchOfTwo(ctx, client)
	fmt.Println(client.KillCursors(ctx, a.ID(), b.ID())) // one command
	// Output: <nil>
}

func Example_setCursorManager() {
	ctx := context.Background()
	client, end := simulated(ctx)
	defer end()
	manager := mgx.NewBatchedCursors(client, 100)
	client.SetCursorManager(manager)
	fmt.Println(batchOfTwo(ctx, client).Close()) // not killed yet
	manager.Flush()                              // now it is
	// Output: <nil>
}
