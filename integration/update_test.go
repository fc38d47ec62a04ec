package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// result is a result as text: matched, modified, upserted, the id.
func result(r mgx.UpdateResult) string {
	return text(bson.D{{"m", r.MatchedCount}, {"mod", r.ModifiedCount}, {"up", r.UpsertedCount}, {"id", r.UpsertedID}, {"ack", r.Acknowledged}})
}

func TestUpdates(t *testing.T) {
	inc := bson.D{{"$inc", bson.D{{"n", 1}}}}
	tests := []struct {
		name  string
		run   func(*mgx.Collection) (mgx.UpdateResult, error)
		want  string
		there []string
	}{
		{"one", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateOne(t.Context(), bson.D{{"a", 1}}, inc)
		}, `{"m":1,"mod":1,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1,"n":1}`, `{"_id":2,"a":1}`}},
		{"one, same as before", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateOne(t.Context(), bson.D{{"_id", 1}}, bson.M{"$set": bson.M{"a": 1}})
		}, `{"m":1,"mod":0,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`}},
		{"one, none there", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateOne(t.Context(), bson.D{{"a", 9}}, inc)
		}, `{"m":0,"mod":0,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`}},
		{"one, upsert of a given id", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateOne(t.Context(), bson.D{{"_id", 9}}, inc, mgx.Upsert())
		}, `{"m":0,"mod":0,"up":1,"id":9,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`, `{"_id":9,"n":1}`}},
		{"upsert that finds one", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateOne(t.Context(), bson.D{{"_id", 2}}, inc, mgx.Upsert(), mgx.Comment("x"), mgx.Hint("_id_"), mgx.BypassDocumentValidation(true))
		}, `{"m":1,"mod":1,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1,"n":1}`}},
		{"many", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateMany(t.Context(), bson.D{{"a", 1}}, inc)
		}, `{"m":2,"mod":2,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1,"n":1}`, `{"_id":2,"a":1,"n":1}`}},
		{"many, some as before", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateMany(t.Context(), nil, bson.D{{"$max", bson.D{{"_id", 0}, {"a", 1}}}})
		}, `{"m":2,"mod":0,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`}},
		{"many, upsert", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.UpdateMany(t.Context(), bson.D{{"_id", "new"}}, bson.D{{"$set", bson.D{{"z", true}}}}, mgx.Upsert())
		}, `{"m":0,"mod":0,"up":1,"id":"new","ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`, `{"_id":"new","z":true}`}},
		{"replace", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.ReplaceOne(t.Context(), bson.D{{"_id", 2}}, struct{ Item string }{"tea"})
		}, `{"m":1,"mod":1,"up":0,"id":null,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"item":"tea"}`}},
		{"replace, upsert", func(c *mgx.Collection) (mgx.UpdateResult, error) {
			return c.ReplaceOne(t.Context(), bson.D{{"_id", 5}}, bson.D{{"item", "rum"}}, mgx.Upsert())
		}, `{"m":0,"mod":0,"up":1,"id":5,"ack":true}`, []string{`{"_id":1,"a":1}`, `{"_id":2,"a":1}`, `{"_id":5,"item":"rum"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := collection(t, bson.D{{"_id", 1}, {"a", 1}}, bson.D{{"_id", 2}, {"a", 1}})
			res, err := tt.run(c)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, []string{result(res)}, tt.want)
			expect(t, found(t, c, nil), tt.there...)
		})
	}
}

// An upsert without an id gets one from the server.
func TestUpsertMakesID(t *testing.T) {
	c := collection(t)
	res, err := c.UpdateOne(t.Context(), bson.D{{"item", "tea"}}, bson.D{{"$set", bson.D{{"qty", 1}}}}, mgx.Upsert())
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := res.UpsertedID.(bson.ObjectID); !ok || id.IsZero() || res.UpsertedCount != 1 || res.MatchedCount != 0 {
		t.Errorf("%+v", res)
	}
	if n, err := c.CountDocuments(t.Context(), bson.D{{"_id", res.UpsertedID}}); n != 1 {
		t.Errorf("%d documents have it: %v", n, err)
	}
}

func TestUpdateErrors(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}, {"a", "text"}}, bson.D{{"_id", 2}})
	if _, err := c.CreateIndex(t.Context(), mgx.Index{Keys: mgx.Keys("u"), Unique: true}); err != nil {
		t.Log(err) // documents 1 and 2 have no u: a server may refuse the index
	}
	var we *mgx.WriteError
	_, err := c.UpdateOne(t.Context(), bson.D{{"_id", 1}}, bson.D{{"$inc", bson.D{{"a", 1}}}})
	if !errors.As(err, &we) || we.Code == 0 || we.Message == "" {
		t.Errorf("$inc of a string: %v (%T)", err, err)
	}
	_, err = c.UpdateOne(t.Context(), bson.D{{"_id", 1}}, bson.D{{"$nonsense", bson.D{{"a", 1}}}})
	if err == nil || errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("an operator that no server has: %v", err)
	}
	_, err = c.ReplaceOne(t.Context(), bson.D{{"_id", 1}}, bson.D{{"_id", 3}})
	if !errors.As(err, &we) {
		t.Errorf("a changed _id: %v (%T)", err, err)
	}
	expect(t, found(t, c, nil), `{"_id":1,"a":"text"}`, `{"_id":2}`)
}

func TestUpdateOptionsOfServers(t *testing.T) {
	setup := func(t *testing.T) *mgx.Collection {
		return collection(t, bson.D{{"_id", 1}, {"s", "Tea"}, {"l", bson.A{1, 5}}}, bson.D{{"_id", 2}, {"s", "rum"}, {"l", bson.A{2}}})
	}
	tests := []struct {
		needs string
		run   func(*mgx.Collection) error
		there []string
	}{
		{"pipeline update", func(c *mgx.Collection) error {
			_, err := c.UpdateOne(t.Context(), bson.D{{"_id", 1}}, []bson.D{{{"$set", bson.D{{"s", "$l"}}}}})
			return err
		}, []string{`{"_id":1,"s":[1,5],"l":[1,5]}`, `{"_id":2,"s":"rum","l":[2]}`}},
		{"arrayFilters", func(c *mgx.Collection) error {
			_, err := c.UpdateMany(t.Context(), nil, bson.D{{"$set", bson.D{{"l.$[e]", 0}}}}, mgx.ArrayFilters(bson.D{{"e", bson.D{{"$gt", 1}}}}))
			return err
		}, []string{`{"_id":1,"s":"Tea","l":[1,0]}`, `{"_id":2,"s":"rum","l":[0]}`}},
		{"collation", func(c *mgx.Collection) error {
			_, err := c.DeleteOne(t.Context(), bson.D{{"s", "tEA"}}, mgx.WithCollation(mgx.Collation{Locale: "en", Strength: 2}))
			return err
		}, []string{`{"_id":2,"s":"rum","l":[2]}`}},
		{"let", func(c *mgx.Collection) error {
			_, err := c.DeleteMany(t.Context(), bson.D{{"$expr", bson.D{{"$eq", bson.A{"$_id", "$$x"}}}}}, mgx.Let(bson.D{{"x", 1}}))
			return err
		}, []string{`{"_id":2,"s":"rum","l":[2]}`}},
		{"update sort", func(c *mgx.Collection) error {
			_, err := c.UpdateOne(t.Context(), nil, bson.D{{"$set", bson.D{{"l", 0}}}}, mgx.Sort("-_id"))
			return err
		}, []string{`{"_id":1,"s":"Tea","l":[1,5]}`, `{"_id":2,"s":"rum","l":0}`}},
	}
	for _, tt := range tests {
		t.Run(tt.needs, func(t *testing.T) {
			needs(t, tt.needs)
			c := setup(t)
			if err := tt.run(c); err != nil {
				t.Fatal(err)
			}
			expect(t, found(t, c, nil), tt.there...)
		})
	}
}

func TestDeletes(t *testing.T) {
	c := collection(t, numbered(6)...)
	res, err := c.DeleteOne(t.Context(), bson.D{{"a", bson.D{{"$gte", 0}}}})
	if err != nil || res.DeletedCount != 1 || !res.Acknowledged {
		t.Errorf("one: %+v: %v", res, err)
	}
	if res, err = c.DeleteOne(t.Context(), bson.D{{"a", 77}}); err != nil || res.DeletedCount != 0 {
		t.Errorf("none: %+v: %v", res, err)
	}
	if res, err = c.DeleteMany(t.Context(), bson.D{{"_id", bson.D{{"$gte", 4}}}}, mgx.Hint("_id_"), mgx.Comment("c")); err != nil || res.DeletedCount != 2 {
		t.Errorf("many: %+v: %v", res, err)
	}
	if n, _ := c.CountDocuments(t.Context(), nil); n != 3 {
		t.Errorf("%d left", n)
	}
	if res, err = c.DeleteMany(t.Context(), nil); err != nil || res.DeletedCount != 3 {
		t.Errorf("all: %+v: %v", res, err)
	}
}

func TestFindOneAnd(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}, {"n", 1}}, bson.D{{"_id", 2}, {"n", 2}}, bson.D{{"_id", 3}, {"n", 3}})
	inc := bson.D{{"$inc", bson.D{{"n", 10}}}}
	tests := []struct {
		name string
		res  func() *mgx.SingleResult
		want string // "": no documents
	}{
		{"update returns the old", func() *mgx.SingleResult { return c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 1}}, inc) }, `{"_id":1,"n":1}`},
		{"update returns the new", func() *mgx.SingleResult {
			return c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 1}}, inc, mgx.ReturnAfter(), mgx.MaxTime(time.Minute), mgx.Comment("c"))
		}, `{"_id":1,"n":21}`},
		{"update by sort", func() *mgx.SingleResult {
			return c.FindOneAndUpdate(t.Context(), nil, inc, mgx.Sort("-_id"), mgx.ReturnAfter())
		}, `{"_id":3,"n":13}`},
		{"update of none", func() *mgx.SingleResult { return c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 9}}, inc) }, ""},
		{"update, upsert, old", func() *mgx.SingleResult {
			return c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 4}}, inc, mgx.Upsert())
		}, ""},
		{"update, upsert, new", func() *mgx.SingleResult {
			return c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 5}}, inc, mgx.Upsert(), mgx.ReturnAfter())
		}, `{"_id":5,"n":10}`},
		{"replace", func() *mgx.SingleResult {
			return c.FindOneAndReplace(t.Context(), bson.D{{"_id", 2}}, bson.D{{"z", 1}})
		}, `{"_id":2,"n":2}`},
		{"replace returns the new", func() *mgx.SingleResult {
			return c.FindOneAndReplace(t.Context(), bson.D{{"_id", 2}}, bson.D{{"z", 2}}, mgx.ReturnAfter())
		}, `{"_id":2,"z":2}`},
		{"delete", func() *mgx.SingleResult { return c.FindOneAndDelete(t.Context(), bson.D{{"_id", 2}}) }, `{"_id":2,"z":2}`},
		{"delete of none", func() *mgx.SingleResult { return c.FindOneAndDelete(t.Context(), bson.D{{"_id", 2}}) }, ""},
		{"delete by sort", func() *mgx.SingleResult { return c.FindOneAndDelete(t.Context(), nil, mgx.Sort("-_id")) }, `{"_id":5,"n":10}`},
	}
	for _, tt := range tests {
		res := tt.res()
		raw, err := res.Raw()
		switch {
		case tt.want == "":
			if !errors.Is(err, mgx.ErrNoDocuments) {
				t.Errorf("%s: %v: %v", tt.name, raw, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case text(raw) != tt.want:
			t.Errorf("%s: %s, want %s", tt.name, text(raw), tt.want)
		}
	}
	expect(t, found(t, c, nil), `{"_id":1,"n":21}`, `{"_id":3,"n":13}`, `{"_id":4,"n":10}`)

	t.Run("projection", func(t *testing.T) {
		needs(t, "findAndModify fields")
		raw, err := c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 1}}, inc, mgx.Projection(bson.D{{"_id", 1}})).Raw()
		if err != nil || text(raw) != `{"_id":1}` {
			t.Errorf("%v: %v", raw, err)
		}
	})
	t.Run("error", func(t *testing.T) {
		err := c.FindOneAndUpdate(t.Context(), bson.D{{"_id", 1}}, bson.D{{"$inc", bson.D{{"_id", 1}}}}).Err()
		var se *mgx.ServerError
		if !errors.As(err, &se) || se.Command != "findAndModify" {
			t.Errorf("%v (%T)", err, err)
		}
	})
}

func TestUpdateArguments(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}})
	operators, plain := bson.D{{"$set", bson.D{{"a", 1}}}}, bson.D{{"a", 1}}
	for name, err := range map[string]error{
		"update with nil":               second(c.UpdateOne(t.Context(), nil, nil)),
		"update with a document":        second(c.UpdateOne(t.Context(), nil, plain)),
		"update with an empty document": second(c.UpdateMany(t.Context(), nil, bson.D{})),
		"update with an empty pipeline": second(c.UpdateMany(t.Context(), nil, []bson.D{})),
		"update with a number":          second(c.UpdateOne(t.Context(), nil, 3)),
		"replace with nil":              second(c.ReplaceOne(t.Context(), nil, nil)),
		"replace with operators":        second(c.ReplaceOne(t.Context(), nil, operators)),
		"findAnd with a document":       c.FindOneAndUpdate(t.Context(), nil, plain).Err(),
		"findAnd with operators":        c.FindOneAndReplace(t.Context(), nil, operators).Err(),
		"a filter that is no document":  second(c.DeleteOne(t.Context(), 3)),
		"a filter that cannot encode":   second(c.DeleteMany(t.Context(), bson.D{{"a", make(chan int)}})),
	} {
		if !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	expect(t, found(t, c, nil), `{"_id":1}`)
}

func second[T any](_ T, err error) error { return err }
