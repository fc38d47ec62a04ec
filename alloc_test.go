package mgx_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
)

// answering is a server in the process that answers the same to everything but
// hello, and allocates nothing once a connection is there.
func answering(t *testing.T, reply bson.D, interceptors ...*mgx.Interceptor) *mgx.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	hello := framed(t, bson.D{
		{"ok", 1.0}, {"isWritablePrimary", true}, {"helloOk", true}, {"minWireVersion", 0}, {"maxWireVersion", 21},
		{"maxBsonObjectSize", 16 << 20}, {"maxMessageSizeBytes", 48000000}, {"maxWriteBatchSize", 100000},
		{"logicalSessionTimeoutMinutes", 30}, {"readOnly", false},
	})
	other := framed(t, reply)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c, hello, other)
		}
	}()
	client, err := mgx.Open(t.Context(), &mgx.Options{Hosts: []string{l.Addr().String()}, Interceptors: interceptors})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// framed returns a document as the body of an OP_MSG.
func framed(t *testing.T, d bson.D) []byte {
	t.Helper()
	doc, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	f := append(make([]byte, 21, 21+len(doc)), doc...)
	binary.LittleEndian.PutUint32(f, uint32(len(f)))
	binary.LittleEndian.PutUint32(f[12:], 2013)
	return f
}

func answer(c net.Conn, hello, other []byte) {
	defer c.Close()
	r := bufio.NewReader(c)
	var out []byte
	for {
		head, err := r.Peek(32) // no command is shorter
		if err != nil {
			return
		}
		frame := other
		if name := string(head[26:31]); name == "hello" || name == "isMas" {
			frame = hello
		}
		out = append(out[:0], frame...)
		copy(out[8:12], head[4:8])
		if _, err := r.Discard(int(binary.LittleEndian.Uint32(head))); err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// TestAllocations fails when an operation comes to allocate more than it did: a
// change that pays for itself raises the number here, on purpose.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, and empties pools at random")
	}
	ctx := context.Background()
	doc := bson.D{{"_id", int32(7)}, {"name", "tea"}, {"tags", bson.A{"a", "b"}}}
	filter := bson.D{{"_id", int32(7)}}
	update := bson.D{{"$set", bson.D{{"name", "coffee"}}}}
	const n = 1000
	many, fresh := make([]bson.D, n), make([]bson.D, n)
	batch := make(bson.A, n)
	for i := range many {
		many[i], fresh[i], batch[i] = doc, doc[1:], doc
	}
	manyReply := bson.D{{"cursor", bson.D{{"firstBatch", batch}, {"id", int64(0)}, {"ns", "shop.tea"}}}, {"ok", 1.0}}
	for _, c := range []struct {
		name  string
		most  float64 // of the whole operation
		reply bson.D
		run   func(client *mgx.Client, coll *mgx.Collection) error
	}{
		{"ping", 1, bson.D{{"ok", 1.0}}, func(client *mgx.Client, _ *mgx.Collection) error { return client.Ping(ctx) }},
		{
			"find one into Raw", 3,
			bson.D{{"cursor", bson.D{{"firstBatch", bson.A{doc}}, {"id", int64(0)}, {"ns", "shop.tea"}}}, {"ok", 1.0}},
			func(_ *mgx.Client, coll *mgx.Collection) error {
				_, err := mgx.FindOne[bson.Raw](ctx, coll, filter)
				return err
			},
		},
		{"insert one", 7, bson.D{{"n", int32(1)}, {"ok", 1.0}}, func(_ *mgx.Client, coll *mgx.Collection) error {
			_, err := coll.InsertOne(ctx, doc)
			return err
		}},
		{"update one", 9, bson.D{{"n", int32(1)}, {"nModified", int32(1)}, {"ok", 1.0}}, func(_ *mgx.Client, coll *mgx.Collection) error {
			_, err := coll.UpdateOne(ctx, filter, update)
			return err
		}},
		// One for each _id. Collections of garbage, which empty pools, add a few.
		{"insert a thousand", n + 12, bson.D{{"n", int32(n)}, {"ok", 1.0}}, func(_ *mgx.Client, coll *mgx.Collection) error {
			_, err := coll.InsertMany(ctx, many)
			return err
		}},
		// One for every 64 new _ids.
		{"insert a thousand without _id", n/64 + 13, bson.D{{"n", int32(n)}, {"ok", 1.0}}, func(_ *mgx.Client, coll *mgx.Collection) error {
			_, err := coll.InsertMany(ctx, fresh)
			return err
		}},
		// Neither a document nor the batch that it is in is copied.
		{"look at a thousand", 3, manyReply, func(_ *mgx.Client, coll *mgx.Collection) error {
			cur := coll.Find(ctx, nil)
			for cur.Next() {
				_ = cur.Current()
			}
			return cur.Err()
		}},
		{"collect a thousand into Raw", 15, manyReply, func(_ *mgx.Client, coll *mgx.Collection) error {
			_, err := mgx.Collect[bson.Raw](coll.Find(ctx, nil))
			return err
		}},
		// The value is one allocation, its strings another, its slice the third.
		{"decode a thousand", 3*n + 3, manyReply, func(_ *mgx.Client, coll *mgx.Collection) error {
			cur := coll.Find(ctx, nil)
			for cur.Next() {
				var tea struct {
					ID   int32 `bson:"_id"`
					Name string
					Tags []string
				}
				if err := cur.Decode(&tea); err != nil {
					return err
				}
			}
			return cur.Err()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := answering(t, c.reply)
			coll := client.Database("shop").Collection("tea")
			if err := c.run(client, coll); err != nil {
				t.Fatal(err)
			}
			// A heartbeat or a collection of garbage in between adds some: the
			// best of a few runs counts.
			least := 1e9
			for range 5 {
				least = min(least, testing.AllocsPerRun(100, func() {
					if err := c.run(client, coll); err != nil {
						t.Error(err)
					}
				}))
			}
			t.Logf("%v allocations", least)
			if least > c.most {
				t.Errorf("%v allocations, %v at most", least, c.most)
			}
		})
	}
}

// TestAllocationsOfInterceptors: two that do nothing cost their notes and an event for
// each of their functions; none cost nothing, see TestAllocations.
func TestAllocationsOfInterceptors(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, and empties pools at random")
	}
	i := &mgx.Interceptor{
		Before: func(ctx context.Context, _ *event.OperationStarted) (context.Context, error) { return ctx, nil },
		After:  func(context.Context, *event.OperationEnded) error { return nil },
	}
	client := answering(t, bson.D{{"ok", 1.0}}, i, i)
	least := 1e9
	for range 5 {
		least = min(least, testing.AllocsPerRun(100, func() {
			if err := client.Ping(context.Background()); err != nil {
				t.Error(err)
			}
		}))
	}
	if least > 11 {
		t.Errorf("%v allocations, 11 at most", least)
	}
}
