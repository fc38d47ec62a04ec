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
}

var (
	alone    = []int{1}
	together = []int{1, 64}
	byID     = bson.D{{"_id", int32(7)}}
	setX     = bson.D{{"$set", bson.D{{"x", int32(1)}}}}
)

// operations lists what is measured.
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
			name: "ping", goroutines: together, deadlines: alone,
			mgx:      func(ctx context.Context, db *mgx.Database) error { return db.Client().Ping(ctx) },
			official: func(ctx context.Context, db *official.Database) error { return db.Client().Ping(ctx, nil) },
		},
		findOne[bson.Raw]("Raw", []int{1, 16, 64, 256}, together),
		findOne[bson.D]("D", together, nil),
		findOne[bsonbench.Tweet]("struct", together, nil),
		insertOne("small", small, together),
		insertOne("large", large, alone),
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
			name: "updateOne", goroutines: together,
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
		list = append(list, find[bson.Raw]("Raw", n), find[bson.D]("D", n), find[bsonbench.ThreeOfTweet]("three", n))
	}
	return list, nil
}

func insertOne(name string, doc bson.D, goroutines []int) operation {
	return operation{
		name: "insertOne/" + name, goroutines: goroutines,
		mgx: func(ctx context.Context, db *mgx.Database) error {
			_, err := db.Collection("one").InsertOne(ctx, doc)
			return err
		},
		official: func(ctx context.Context, db *official.Database) error {
			_, err := db.Collection("one").InsertOne(ctx, doc)
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
	check := func(seen int, err error) error {
		if err == nil && seen != n {
			err = fmt.Errorf("%d documents instead of %d", seen, n)
		}
		return err
	}
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
			return check(seen, c.Err())
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
			return check(seen, c.Err())
		},
	}
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
