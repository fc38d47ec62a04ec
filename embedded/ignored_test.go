package embedded

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// TestIgnored runs what a MongoDB server refuses: the package's documentation says what of
// that passes here, and what does not.
func TestIgnored(t *testing.T) {
	s := start(t, Options{})
	insert(t, s.URI(), "tea")
	find := func(more ...bson.E) bson.D { return append(bson.D{{Key: "find", Value: "orders"}}, more...) }
	only := func(key string, value any) bson.D { return bson.D{{Key: key, Value: value}} }
	with(t, s.URI(), func(c *mongo.Client) {
		for name, tt := range map[string]struct {
			command bson.D
			passes  bool
			found   int
		}{
			"hint of no index":      {find(bson.E{Key: "hint", Value: "no_such_index"}), true, 1},
			"min of no index":       {find(bson.E{Key: "min", Value: only("nope", 1)}), true, 1},
			"max of no index":       {find(bson.E{Key: "max", Value: only("nope", 1)}), true, 1},
			"read concern":          {find(bson.E{Key: "readConcern", Value: only("level", "snapshot")}), true, 1},
			"strict API":            {append(bson.D{{Key: "distinct", Value: "orders"}, {Key: "key", Value: "_id"}}, bson.E{Key: "apiVersion", Value: "1"}, bson.E{Key: "apiStrict", Value: true}), true, 0},
			"operator":              {find(bson.E{Key: "filter", Value: only("_id", only("$nope", 1))}), false, 0},
			"operator, no document": {bson.D{{Key: "find", Value: "empty"}, {Key: "filter", Value: only("_id", only("$nope", 1))}}, true, 0},
			"operator at the top":   {find(bson.E{Key: "filter", Value: only("$nope", 1)}), false, 0},
			"option of find":        {find(bson.E{Key: "nope", Value: 1}), false, 0},
			"stage":                 {bson.D{{Key: "aggregate", Value: "orders"}, {Key: "pipeline", Value: bson.A{only("$nope", 1)}}, {Key: "cursor", Value: bson.D{}}}, false, 0},
			"command":               {only("nope", 1), false, 0},
		} {
			t.Run(name, func(t *testing.T) {
				var reply struct {
					Cursor struct {
						FirstBatch []bson.Raw `bson:"firstBatch"`
					} `bson:"cursor"`
				}
				err := c.Database("shop").RunCommand(t.Context(), tt.command).Decode(&reply)
				if (err == nil) != tt.passes || len(reply.Cursor.FirstBatch) != tt.found {
					t.Errorf("passes: %v with %d documents (%v), want %v with %d", err == nil, len(reply.Cursor.FirstBatch), err, tt.passes, tt.found)
				}
			})
		}
	})
}
