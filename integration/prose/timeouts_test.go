package prose

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/gridfs"
	"github.com/mgxdb/mgx/mgxtest"
)

// The prose tests of the specification "Client Side Operations Timeout". Number 2 is about
// mongocryptd, 3 about ClientEncryption: they are in the module encryption, where there
// are any.

func timeout(d time.Duration) func(*mgx.Options) { return func(o *mgx.Options) { o.Timeout = d } }

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, mgx.ErrTimeout) {
		t.Errorf("the error is no timeout: %v", err)
	}
}

// within fails where something took much longer than it may: the machine may be busy.
func within(t *testing.T, began time.Time, most time.Duration) {
	t.Helper()
	if took := time.Since(began); took > most+5*time.Second {
		t.Errorf("it took %v, and may take %v", took, most)
	}
}

// smallBatches makes servers take 30 writes in a message, so that several messages do not
// take long.
func smallBatches(dep *mgxtest.Deployment) { answerHello(dep, standaloneHello(30)) }

func TestTimeouts01MultiBatchInserts(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		smallBatches(dep)
		c := connect(t, dep, timeout(2*time.Second))
		block(t, dep, 2, 1010*time.Millisecond, "insert")
		docs := make([]bson.D, 50)
		for i := range docs {
			docs[i] = bson.D{{Key: "a", Value: "b"}}
		}
		_, err := c.coll().InsertMany(endless(t), docs)
		wantTimeout(t, err)
		if names := c.names(); !slices.Equal(names, []string{"insert", "insert"}) {
			t.Errorf("sent: %v", names)
		}
	})
}

// authenticated are a deployment's users, and clients that log in by SCRAM.
var authenticated = mgxtest.Users(mgxtest.User{Name: "ann", Password: "secret"})

// poolEvents are what the connection pools of a client tell.
type poolEvents struct{ created, ready, closed chan struct{} }

func (p *poolEvents) watch(o *mgx.Options) {
	p.created, p.ready, p.closed = make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{}, 100)
	o.PoolMonitors = []func(event.PoolEvent){func(e event.PoolEvent) {
		var to chan struct{}
		switch e.(type) {
		case event.ConnectionCreated:
			to = p.created
		case event.ConnectionReady:
			to = p.ready
		case event.ConnectionClosed:
			to = p.closed
		default:
			return
		}
		select {
		case to <- struct{}{}:
		default: // enough are there
		}
	}}
}

func published(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Errorf("no event tells that a connection %s", what)
	}
}

// background makes a client whose pool keeps a connection, with a timeout. It is not
// used: the pool works by itself.
func background(t *testing.T, dep *mgxtest.Deployment, name string, timeout time.Duration) *poolEvents {
	t.Helper()
	var p poolEvents
	o, err := mgx.ParseURI(dep.URI())
	check(t, err)
	o.MinPoolSize, o.Timeout, o.AppName = 1, timeout, name
	p.watch(o)
	c, err := mgx.New(o)
	check(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return &p
}

func TestTimeouts04BackgroundConnectionPooling(t *testing.T) {
	t.Run("timeoutMS used for handshake commands", func(t *testing.T) {
		on(t, []string{replicaSet, sharded}, func(t *testing.T, dep *mgxtest.Deployment) {
			const name = "timeoutBackgroundPoolTest"
			defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"saslContinue"}, Times: 1, Block: 15 * ms, AppName: name})()
			p := background(t, dep, name, 10*ms)
			published(t, "is created", p.created)
			published(t, "is closed", p.closed)
		}, authenticated)
	})
	t.Run("timeoutMS is refreshed for each handshake command", func(t *testing.T) {
		on(t, []string{replicaSet, sharded}, func(t *testing.T, dep *mgxtest.Deployment) {
			const name = "refreshTimeoutBackgroundPoolTest"
			defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"hello", "isMaster", "saslContinue"}, Block: 30 * ms, AppName: name})()
			p := background(t, dep, name, 50*ms) // less than both together
			published(t, "is created", p.created)
			published(t, "is ready", p.ready)
		}, authenticated)
	})
}

func TestTimeouts05BlockingIteration(t *testing.T) {
	t.Run("tailable cursors", func(t *testing.T) {
		on(t, []string{standalone, replicaSet, sharded, loadBalanced}, func(t *testing.T, dep *mgxtest.Deployment) {
			internal := connect(t, dep)
			check(t, internal.Database("db").CreateCollection(bounded(t), "coll", mgx.Capped(1<<20, 0)))
			_, err := internal.coll().InsertOne(bounded(t), bson.D{{Key: "x", Value: 1}})
			check(t, err)
			block(t, dep, 0, 15*ms, "getMore")
			c := connect(t, dep, timeout(20*ms))
			cur := c.coll().Find(endless(t), nil, mgx.WithCursorType(mgx.Tailable))
			defer cur.Close()
			if !cur.Next() || cur.Current().Lookup("x").AsInt64() != 1 || cur.ID() == 0 {
				t.Fatalf("the document is %s, the cursor %d: %v", cur.Current(), cur.ID(), cur.Err())
			}
			if names := c.names(); !slices.Equal(names, []string{"find"}) {
				t.Errorf("sent: %v", names)
			}
			if cur.Next() {
				t.Error("a second document")
			}
			wantTimeout(t, cur.Err())
			if names := c.names(); len(names) < 2 || !slices.Equal(names[:2], []string{"getMore", "getMore"}) {
				t.Errorf("sent: %v", names)
			}
		})
	})
	t.Run("change streams", func(t *testing.T) {
		on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
			_, err := connect(t, dep).coll().InsertOne(bounded(t), bson.D{})
			check(t, err)
			block(t, dep, 0, 15*ms, "getMore")
			c := connect(t, dep, timeout(20*ms))
			// The simulated server waits for events as long as it may.
			stream, err := c.coll().Watch(endless(t), nil, mgx.MaxAwaitTime(time.Millisecond))
			check(t, err)
			defer func() { _ = stream.Close(context.Background()) }()
			if stream.ID() == 0 {
				t.Error("the stream has no cursor")
			}
			if stream.Next(endless(t)) {
				t.Error("an event")
			}
			wantTimeout(t, stream.Err())
			if names := c.names(); len(names) < 3 || !slices.Equal(names[:3], []string{"aggregate", "getMore", "getMore"}) {
				t.Errorf("sent: %v", names)
			}
		})
	})
}

// bucket makes a bucket of an empty database, whose collections are there.
func bucket(t *testing.T, dep *mgxtest.Deployment, limit time.Duration, options gridfs.Options) (*client, *gridfs.Bucket) {
	t.Helper()
	internal := connect(t, dep)
	for _, name := range []string{"fs.files", "fs.chunks"} {
		check(t, internal.Database("db").CreateCollection(bounded(t), name))
	}
	c := connect(t, dep, timeout(limit))
	b, err := gridfs.New(c.Database("db"), options)
	check(t, err)
	return c, b
}

func TestTimeouts06GridFSUpload(t *testing.T) {
	all := []string{standalone, replicaSet, sharded, loadBalanced}
	t.Run("uploads via openUploadStream can be timed out", func(t *testing.T) {
		on(t, all, func(t *testing.T, dep *mgxtest.Deployment) {
			_, b := bucket(t, dep, 150*time.Millisecond, gridfs.Options{})
			block(t, dep, 1, 200*time.Millisecond, "insert")
			up, err := b.OpenUpload(endless(t), "filename")
			check(t, err)
			_, err = up.Write([]byte{0x12})
			check(t, err)
			wantTimeout(t, up.Close())
		})
	})
	t.Run("aborting an upload stream can be timed out", func(t *testing.T) {
		on(t, all, func(t *testing.T, dep *mgxtest.Deployment) {
			if slow {
				t.Skip("under the race detector, a simulated server takes longer than the timeout for 4 MiB")
			}
			// There is nothing to abort of a stream whose chunks were not sent: mgx sends
			// those of 4 MiB together.
			_, b := bucket(t, dep, 1500*time.Millisecond, gridfs.Options{ChunkSize: 2 << 20})
			block(t, dep, 1, 2*time.Second, "delete")
			up, err := b.OpenUpload(endless(t), "filename")
			check(t, err)
			_, err = up.Write(make([]byte, 4<<20))
			check(t, err)
			wantTimeout(t, up.Abort())
		})
	})
}

func TestTimeouts07GridFSDownload(t *testing.T) {
	on(t, []string{standalone, replicaSet, sharded, loadBalanced}, func(t *testing.T, dep *mgxtest.Deployment) {
		c, b := bucket(t, dep, 150*time.Millisecond, gridfs.Options{})
		id := bson.ObjectID{11: 5}
		_, err := connect(t, dep).Database("db").Collection("fs.files").InsertOne(bounded(t), bson.D{
			{Key: "_id", Value: id}, {Key: "length", Value: int64(10)}, {Key: "chunkSize", Value: int32(4)}, {Key: "uploadDate", Value: time.Unix(0, 0)},
			{Key: "filename", Value: "length-10"}, {Key: "metadata", Value: bson.D{}}})
		check(t, err)
		down, err := b.OpenDownload(endless(t), id)
		check(t, err)
		defer func() { _ = down.Close() }()
		block(t, dep, 1, 200*time.Millisecond, "find")
		_, err = new(bytes.Buffer).ReadFrom(down)
		wantTimeout(t, err)
		var collections []string
		for _, e := range c.take() {
			if e.CommandName == "find" {
				collections = append(collections, e.Command.Lookup("find").StringValue())
			}
		}
		if !slices.Equal(collections, []string{"fs.files", "fs.chunks"}) {
			t.Errorf("found in: %v", collections)
		}
	})
}

func TestTimeouts08ServerSelection(t *testing.T) {
	for name, options := range map[string]string{
		"serverSelectionTimeoutMS if timeoutMS is not set": "serverSelectionTimeoutMS=100",
		"timeoutMS if it is lower":                         "timeoutMS=100&serverSelectionTimeoutMS=30000",
		"serverSelectionTimeoutMS if it is lower":          "timeoutMS=30000&serverSelectionTimeoutMS=100",
		"serverSelectionTimeoutMS if timeoutMS is 0":       "timeoutMS=0&serverSelectionTimeoutMS=100",
	} {
		t.Run(name, func(t *testing.T) {
			o, err := mgx.ParseURI("mongodb://invalid/?" + options)
			check(t, err)
			c, err := mgx.New(o)
			check(t, err)
			defer func() { _ = c.Close(context.Background()) }()
			began := time.Now()
			err = c.Database("admin").RunCommand(endless(t), bson.D{{Key: "ping", Value: 1}}).Err()
			if !errors.Is(err, mgx.ErrServerSelection) {
				t.Errorf("the error is %v", err)
			}
			within(t, began, 100*time.Millisecond)
		})
	}
	for name, times := range map[string][2]time.Duration{
		"timeoutMS for connection handshakes if it is lower":                {10 * ms, time.Minute},
		"serverSelectionTimeoutMS for connection handshakes if it is lower": {time.Minute, 10 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, []string{standalone, replicaSet, sharded, loadBalanced}, func(t *testing.T, dep *mgxtest.Deployment) {
				limited, err := mgx.ParseURI(dep.URI())
				check(t, err)
				limited.Timeout, limited.ServerSelectionTimeout, limited.AppName = times[0], times[1], "handshake"
				fresh, err := mgx.New(limited)
				check(t, err)
				defer func() { _ = fresh.Close(context.Background()) }()
				defer dep.FailCommand(mgxtest.FailCommand{Commands: []string{"saslContinue"}, Block: 10 * time.Second, AppName: "handshake"})()
				began := time.Now()
				_, err = fresh.Database("db").Collection("coll").InsertOne(endless(t), bson.D{{Key: "x", Value: 1}})
				wantTimeout(t, err)
				within(t, began, 10*ms)
			}, authenticated)
		})
	}
}

func TestTimeouts09EndSession(t *testing.T) {
	const limit = 150 * time.Millisecond
	for name, where := range map[string]struct{ client, session, call time.Duration }{
		"the client's timeoutMS":         {client: limit},
		"the session's defaultTimeoutMS": {session: limit},
		"the call's":                     {call: limit},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
				check(t, connect(t, dep).Database("db").CreateCollection(bounded(t), "coll"))
				c := connect(t, dep, timeout(where.client))
				block(t, dep, 1, 10*time.Second, "abortTransaction")
				ctx, session, err := c.StartSession(endless(t), &mgx.SessionOptions{Timeout: where.session})
				check(t, err)
				check(t, session.StartTransaction(nil))
				_, err = c.coll().InsertOne(ctx, bson.D{{Key: "x", Value: 1}})
				check(t, err)
				if where.call > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, where.call)
					defer cancel()
				}
				c.take()
				began := time.Now()
				session.End(ctx)
				within(t, began, limit)
				// End has no error: servers abort by themselves what nobody ends.
				if got := c.failures(); !slices.Equal(got, []string{"abortTransaction"}) {
					t.Errorf("failed: %v", got)
				}
				if !session.Ended() {
					t.Error("the session has not ended")
				}
			})
		})
	}
}

func TestTimeouts10ConvenientTransactions(t *testing.T) {
	on(t, clustered, func(t *testing.T, dep *mgxtest.Deployment) {
		check(t, connect(t, dep).Database("db").CreateCollection(bounded(t), "coll"))
		c := connect(t, dep, timeout(150*time.Millisecond))
		ctx, session, err := c.StartSession(endless(t), nil)
		check(t, err)
		defer session.End(context.Background())
		block(t, dep, 2, 200*time.Millisecond, "insert", "abortTransaction")
		c.take()
		err = c.WithTransaction(ctx, func(ctx context.Context) error {
			_, err := c.coll().InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
			return err
		})
		wantTimeout(t, err)
		if failed, names := c.failures(), c.names(); !slices.Equal(failed, names) || !slices.Equal(names, []string{"insert", "abortTransaction"}) {
			t.Errorf("sent: %v, failed: %v", names, failed)
		}
	})
}

func TestTimeouts11MultiBatchBulkWrites(t *testing.T) {
	on(t, []string{standalone}, func(t *testing.T, dep *mgxtest.Deployment) {
		smallBatches(dep)
		c := connect(t, dep, timeout(2*time.Second))
		block(t, dep, 2, 1010*time.Millisecond, "bulkWrite")
		writes := make([]mgx.ClientWrite, 50)
		for i := range writes {
			writes[i] = mgx.ClientWrite{Collection: c.coll(), Model: mgx.InsertOneModel(bson.D{{Key: "a", Value: "b"}})}
		}
		_, err := c.BulkWrite(endless(t), writes)
		wantTimeout(t, err)
		if names := c.names(); !slices.Equal(names, []string{"bulkWrite", "bulkWrite"}) {
			t.Errorf("sent: %v", names)
		}
	})
}
