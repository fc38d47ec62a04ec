package clientbench

import (
	"context"
	"fmt"
	"strings"

	official "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bench/internal/bsonbench"
	"github.com/mgxdb/mgx/bson"
)

const (
	database      = "bench"
	manyDocuments = 10000
)

// operation is something that both clients do.
type operation struct {
	name       string
	goroutines []int
	deadlines  []int // goroutine counts to measure with a deadline, too
	mgx        func(ctx context.Context, db *mgx.Database) error
	official   func(ctx context.Context, db *official.Database) error
	// noBare: what it sends cannot be sent again, or is beside the point.
	noBare bool
}

var (
	alone    = []int{1}
	together = []int{1, 64}
	matrix   = []int{1, 16, 64, 256}
	byID     = bson.D{{"_id", int32(7)}}
	setX     = bson.D{{"$set", bson.D{{"x", int32(1)}}}}
)

// operations lists what is measured against canned replies.
func operations(docs map[string]bson.Raw) ([]operation, error) {
	var small, large bson.D
	if err := bson.Unmarshal(docs["small"], &small); err != nil {
		return nil, err
	}
	if err := bson.Unmarshal(docs["large"], &large); err != nil {
		return nil, err
	}
	many := make([]bson.D, manyDocuments)
	for i := range many {
		many[i] = small
	}
	list := []operation{
		{
			name: "ping", goroutines: matrix, deadlines: matrix,
			mgx:      func(ctx context.Context, db *mgx.Database) error { return db.Client().Ping(ctx) },
			official: func(ctx context.Context, db *official.Database) error { return db.Client().Ping(ctx, nil) },
		},
		findOne[bson.Raw]("Raw", matrix, matrix),
		findOne[bson.D]("D", together, nil),
		findOne[bsonbench.Tweet]("struct", matrix, matrix),
		insertOne("small", small, matrix, matrix),
		insertOne("large", large, alone, nil),
		{
			name: "insertMany/10000", goroutines: alone,
			mgx: func(ctx context.Context, db *mgx.Database) error {
				_, err := db.Collection("many").InsertMany(ctx, many)
				return err
			},
			official: func(ctx context.Context, db *official.Database) error {
				_, err := db.Collection("many").InsertMany(ctx, many)
				return err
			},
		},
		{
			name: "updateOne", goroutines: matrix, deadlines: matrix,
			mgx: func(ctx context.Context, db *mgx.Database) error {
				_, err := db.Collection("one").UpdateOne(ctx, byID, setX)
				return err
			},
			official: func(ctx context.Context, db *official.Database) error {
				_, err := db.Collection("one").UpdateOne(ctx, byID, setX)
				return err
			},
		},
	}
	for _, n := range []int{2000, 10000} {
		list = append(list, find[bson.Raw]("Raw", n), collect(n), find[bson.D]("D", n), find[bsonbench.ThreeOfTweet]("three", n))
	}
	return list, nil
}

// collect keeps what find looks at.
func collect(n int) operation {
	collection := fmt.Sprintf("tweets%d", n)
	return operation{
		name: fmt.Sprintf("find/%d/keptRaw", n), goroutines: alone,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			list, err := mgx.Collect[bson.Raw](db.Collection(collection).Find(ctx, nil))
			return checkSeen(len(list), n, err)
		},
		official: func(ctx context.Context, db *official.Database) error {
			c, err := db.Collection(collection).Find(ctx, bson.D{})
			if err != nil {
				return err
			}
			var list []bson.Raw
			err = c.All(ctx, &list)
			return checkSeen(len(list), n, err)
		},
	}
}

func checkSeen(seen, want int, err error) error {
	if err == nil && seen != want {
		err = fmt.Errorf("%d documents instead of %d", seen, want)
	}
	return err
}

func insertOne(name string, doc bson.D, goroutines, deadlines []int) operation {
	return operation{
		name: "insertOne/" + name, goroutines: goroutines, deadlines: deadlines,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			_, err := db.Collection("inserted").InsertOne(ctx, doc)
			return err
		},
		official: func(ctx context.Context, db *official.Database) error {
			_, err := db.Collection("inserted").InsertOne(ctx, doc)
			return err
		},
	}
}

func findOne[T any](form string, goroutines, deadlines []int) operation {
	return operation{
		name: "findOne/" + form, goroutines: goroutines, deadlines: deadlines,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			_, err := mgx.FindOne[T](ctx, db.Collection("one"), byID)
			return err
		},
		official: func(ctx context.Context, db *official.Database) error {
			r := db.Collection("one").FindOne(ctx, byID)
			if form == "Raw" {
				_, err := r.Raw()
				return err
			}
			var v T
			return r.Decode(&v)
		},
	}
}

// find goes through the documents of a cursor, and decodes each. Into Raw it
// looks at each where it is, which both clients allow until the next one.
func find[T any](form string, n int) operation {
	collection := fmt.Sprintf("tweets%d", n)
	raw := form == "Raw"
	return operation{
		name: fmt.Sprintf("find/%d/%s", n, form), goroutines: alone,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			c := db.Collection(collection).Find(ctx, nil)
			seen := 0
			for c.Next() {
				if raw {
					seen += min(len(c.Current()), 1)
					continue
				}
				var v T
				if err := c.Decode(&v); err != nil {
					return err
				}
				seen++
			}
			return checkSeen(seen, n, c.Err())
		},
		official: func(ctx context.Context, db *official.Database) error {
			c, err := db.Collection(collection).Find(ctx, bson.D{})
			if err != nil {
				return err
			}
			defer func() { _ = c.Close(ctx) }()
			seen := 0
			for c.Next(ctx) {
				if raw {
					seen += min(len(c.Current), 1)
					continue
				}
				var v T
				if err := c.Decode(&v); err != nil {
					return err
				}
				seen++
			}
			return checkSeen(seen, n, c.Err())
		},
	}
}

// storedTweets are two batches.
const storedTweets = 200

// stored lists what is measured against a server that stores.
func stored(docs map[string]bson.Raw) ([]operation, error) {
	all, err := operations(docs)
	if err != nil {
		return nil, err
	}
	var list []operation
	all = append(all, find[bson.Raw]("Raw", storedTweets), find[bson.D]("D", storedTweets), find[bsonbench.ThreeOfTweet]("three", storedTweets))
	for _, op := range all {
		switch op.name {
		case "ping", "findOne/Raw", "findOne/struct", "insertOne/small", "updateOne", "find/200/Raw", "find/200/D", "find/200/three":
			op.deadlines, op.noBare = nil, true
			if len(op.goroutines) > 1 {
				op.goroutines = together
			}
			list = append(list, op)
		}
	}
	return list, nil
}

// clients are the two of one case, each with its own pool.
type clients struct {
	mgx      *mgx.Client
	official *official.Client
	frames   recorder
}

func connect(ctx context.Context, address string) (*clients, error) {
	uri := "mongodb://" + address
	c := &clients{}
	var err error
	if c.mgx, err = mgx.Connect(ctx, uri); err != nil {
		return nil, err
	}
	if c.official, err = official.Connect(options.Client().ApplyURI(uri)); err != nil {
		c.close(ctx)
		return nil, err
	}
	return c, nil
}

func (c *clients) close(ctx context.Context) {
	if c.mgx != nil {
		_ = c.mgx.Close(ctx)
	}
	if c.official != nil {
		_ = c.official.Disconnect(ctx)
	}
}

// framesOf returns what mgx sends for an operation, as the bare socket will.
func (c *clients) framesOf(ctx context.Context, address string, op *operation) ([][]byte, error) {
	o, err := mgx.ParseURI("mongodb://" + address)
	if err != nil {
		return nil, err
	}
	o.DialContext = c.frames.dial
	client, err := mgx.New(o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close(ctx) }()
	if err := client.Ping(ctx); err != nil {
		return nil, err
	}
	return c.frames.record(func() error { return op.mgx(ctx, client.Database(database)) })
}

// name of a case: the operation, the goroutines, and whether there is a deadline.
func caseName(op string, goroutines int, deadline bool) string {
	parts := []string{op, fmt.Sprintf("g%d", goroutines)}
	if deadline {
		parts = append(parts, "deadline")
	}
	return strings.Join(parts, "/")
}
