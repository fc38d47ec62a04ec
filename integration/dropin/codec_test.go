package dropin

import (
	"fmt"
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// everything has a field for each of the BSON options.
type everything struct {
	ID     any    `bson:"_id,omitempty"`
	JSON   string `json:"json_name"`
	Empty  string
	Small  int64
	Map    map[string]int
	Slice  []int
	Bytes  []byte
	Zero   struct{ A int } `bson:",omitempty"`
	Keys   map[int]string
	Float  float64
	Any    any
	Nested any
	Time   any
}

// TestBSONOptions has both drivers write and read with each of the BSON options.
func TestBSONOptions(t *testing.T) {
	typ := reflect.TypeFor[options.BSONOptions]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		t.Run(name, func(t *testing.T) {
			o := &options.BSONOptions{}
			reflect.ValueOf(o).Elem().Field(i).SetBool(true)
			theirs, ours, sent := recorded(t, server.URI(), func(c *options.ClientOptions) { c.SetBSONOptions(o) })
			ctx := t.Context()
			a, b := theirs.Database("bsonoptions").Collection("c"), ours.Database("bsonoptions").Collection("c")
			_ = a.Drop(ctx)
			sent["theirs"].take()
			id := bson.NewObjectID()
			v := everything{ID: id, JSON: "x", Small: 3, Keys: map[int]string{1: "a"}, Float: 2.5, Any: []byte("b"), Nested: bson.D{{"x", 1}}, Time: bson.DateTime(1000)}
			want := outcome(ctx, invoke(a, "InsertOne", ctx, v))
			wantSent := sent["theirs"].take()
			_ = a.Drop(ctx)
			got := outcome(ctx, invoke(b, "InsertOne", ctx, v))
			if gotSent := sent["ours"].take(); got != want || gotSent != wantSent {
				t.Errorf("\n ours   %s %s\n theirs %s %s", got, gotSent, want, wantSent)
			}
			for _, to := range []func() any{
				func() any { return &everything{} }, func() any { return &bson.M{"Old": 1} }, func() any { return &bson.D{} },
				func() any { return &struct{ Float int }{} }, func() any {
					return &struct {
						ID string `bson:"_id"`
					}{}
				},
			} {
				x, y := to(), to()
				errX, errY := a.FindOne(ctx, bson.D{}).Decode(x), b.FindOne(ctx, bson.D{}).Decode(y)
				if (errX == nil) != (errY == nil) || !reflect.DeepEqual(x, y) {
					t.Errorf("%T:\n ours   %+v %v\n theirs %+v %v", x, y, errY, x, errX)
				}
			}
			var x, y []any
			errX, errY := a.Distinct(ctx, "_id", bson.D{}).Decode(&x), b.Distinct(ctx, "_id", bson.D{}).Decode(&y)
			if fmt.Sprint(x, errX) != fmt.Sprint(y, errY) {
				t.Errorf("distinct: ours %v %v, theirs %v %v", y, errY, x, errX)
			}
		})
	}
}
