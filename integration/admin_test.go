package integration

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

func TestPing(t *testing.T) {
	client := connect(t)
	for range 3 {
		if err := client.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHandles(t *testing.T) {
	client := connect(t, func(o *mgx.Options) { o.Database = "shop" })
	db, err := client.DefaultDatabase()
	if err != nil || db.Name() != "shop" || db.Client() != client {
		t.Errorf("%v: %v", db, err)
	}
	c := db.Collection("orders.old")
	if c.Name() != "orders.old" || c.Namespace() != "shop.orders.old" || c.Database() != db {
		t.Errorf("%s in %s", c.Name(), c.Namespace())
	}
}

func TestRunCommand(t *testing.T) {
	db := database(t)
	var reply struct {
		OK      float64 `bson:"ok"`
		Version string  `bson:"version"`
	}
	if err := db.RunCommand(t.Context(), bson.D{{"buildInfo", 1}}).Decode(&reply); err != nil || reply.OK != 1 || reply.Version == "" {
		t.Errorf("%+v: %v", reply, err)
	}
	err := db.RunCommand(t.Context(), bson.D{{"noSuchCommand", 1}}).Err()
	var se *mgx.ServerError
	if !errors.As(err, &se) || se.Code != 59 || se.Name != "CommandNotFound" || se.Command != "noSuchCommand" || se.Address == "" || se.Raw == nil {
		t.Errorf("%v (%T)", err, err)
	} else if !strings.Contains(err.Error(), se.Address) || !strings.Contains(err.Error(), "code 59") {
		t.Errorf("the error is: %v", err)
	}
	for name, command := range map[string]any{"nil": nil, "empty": bson.D{}, "no document": 3} {
		if err := db.RunCommand(t.Context(), command).Err(); !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListDatabases(t *testing.T) {
	db := database(t)
	insert(t, db.Collection("c"), bson.D{{"_id", 1}})
	names, err := db.Client().ListDatabaseNames(t.Context(), nil)
	if err != nil || !slices.Contains(names, db.Name()) {
		t.Errorf("%v: %v", names, err)
	}
	list, err := db.Client().ListDatabases(t.Context(), bson.D{{"name", db.Name()}})
	if err != nil || len(list) != 1 || list[0].Name != db.Name() || list[0].Empty || list[0].SizeOnDisk <= 0 {
		t.Errorf("%+v: %v", list, err)
	}
	if names, err = db.Client().ListDatabaseNames(t.Context(), bson.D{{"name", "no_such_database"}}); err != nil || names == nil || len(names) != 0 {
		t.Errorf("%v: %v", names, err)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Errorf("dropped again: %v", err)
	}
	if names, err = db.Client().ListDatabaseNames(t.Context(), bson.D{{"name", db.Name()}}); err != nil || len(names) != 0 {
		t.Errorf("dropped, but there: %v: %v", names, err)
	}
}

func TestCollections(t *testing.T) {
	db := database(t)
	if names, err := db.ListCollectionNames(t.Context(), nil); err != nil || names == nil || len(names) != 0 {
		t.Errorf("of a new database: %v: %v", names, err)
	}
	for _, name := range []string{"a", "b.c", "d"} {
		if err := db.CreateCollection(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	err := db.CreateCollection(t.Context(), "a")
	if !errors.Is(err, mgx.ErrNamespaceExists) {
		t.Errorf("created twice: %v", err)
	}
	names, err := db.ListCollectionNames(t.Context(), nil)
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "b.c", "d"}) {
		t.Errorf("%v: %v", names, err)
	}
	names, err = db.ListCollectionNames(t.Context(), bson.D{{"name", "b.c"}}, mgx.BatchSize(1), mgx.Comment("c"))
	if err != nil || !slices.Equal(names, []string{"b.c"}) {
		t.Errorf("%v: %v", names, err)
	}
	type info struct{ Name, Type string }
	infos, err := mgx.Collect[info](db.ListCollections(t.Context(), bson.D{{"name", "d"}}))
	if err != nil || len(infos) != 1 || infos[0] != (info{"d", "collection"}) {
		t.Errorf("%v: %v", infos, err)
	}
	c := db.Collection("a")
	insert(t, c, numbered(3)...)
	for range 2 { // the second time it is not there
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.CountDocuments(t.Context(), nil); err != nil || n != 0 {
		t.Errorf("%d documents after Drop: %v", n, err)
	}
}

func TestCreateCollectionOptions(t *testing.T) {
	tests := []struct {
		needs   string
		options []mgx.CreateCollectionOption
		check   func(*testing.T, *mgx.Collection)
	}{
		{"capped collections", []mgx.CreateCollectionOption{mgx.Capped(1<<16, 3)}, func(t *testing.T, c *mgx.Collection) {
			info, err := mgx.Collect[bson.Raw](c.Database().ListCollections(t.Context(), bson.D{{"name", c.Name()}}))
			if err != nil || len(info) != 1 || !info[0].Lookup("options", "capped").Boolean() {
				t.Errorf("%v: %v", info, err)
			}
		}},
		{"views", []mgx.CreateCollectionOption{mgx.View("source", []bson.D{{{"$match", bson.D{{"_id", 2}}}}})}, func(t *testing.T, c *mgx.Collection) {
			insert(t, c.Database().Collection("source"), numbered(4)...)
			expect(t, found(t, c, nil), `{"_id":2,"a":2}`)
		}},
		{"validators", []mgx.CreateCollectionOption{mgx.Validator(bson.D{{"a", bson.D{{"$gt", 1}}}}, "strict", "error")}, func(t *testing.T, c *mgx.Collection) {
			var we *mgx.WriteError
			if _, err := c.InsertOne(t.Context(), bson.D{{"a", 1}}); !errors.As(err, &we) || we.Code != 121 || we.Details == nil {
				t.Errorf("an invalid document: %v", err)
			}
			if _, err := c.InsertOne(t.Context(), bson.D{{"a", 1}}, mgx.BypassDocumentValidation(true)); err != nil {
				t.Errorf("an invalid document past the validator: %v", err)
			}
		}},
		{"time series", []mgx.CreateCollectionOption{mgx.WithTimeSeries(mgx.TimeSeries{TimeField: "t", MetaField: "m", Granularity: "hours"}), mgx.ExpireAfter(time.Hour)}, func(t *testing.T, c *mgx.Collection) {
			insert(t, c, bson.D{{"_id", 1}, {"t", time.Now()}, {"m", "x"}})
		}},
		{"collation", []mgx.CreateCollectionOption{mgx.WithCollation(mgx.Collation{Locale: "en", Strength: 2})}, func(t *testing.T, c *mgx.Collection) {
			insert(t, c, bson.D{{"_id", "Tea"}})
			expect(t, found(t, c, bson.D{{"_id", "tEA"}}), `{"_id":"Tea"}`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.needs, func(t *testing.T) {
			needs(t, tt.needs)
			db := database(t)
			if err := db.CreateCollection(t.Context(), "made", tt.options...); err != nil {
				t.Fatal(err)
			}
			tt.check(t, db.Collection("made"))
		})
	}
}

func TestIndexes(t *testing.T) {
	c := collection(t, bson.D{{"_id", 1}, {"a", 1}, {"b", 1}})
	name, err := c.CreateIndex(t.Context(), mgx.Index{Keys: mgx.Keys("-a", "b"), Unique: true})
	if err != nil || name != "a_-1_b_1" {
		t.Fatalf("%q: %v", name, err)
	}
	if _, err := c.CreateIndex(t.Context(), mgx.Index{Keys: mgx.Keys("-a", "b"), Unique: true}); err != nil {
		t.Errorf("created again: %v", err)
	}
	names, err := c.CreateIndexes(t.Context(), []mgx.Index{{Keys: bson.D{{"x.y", 1}}}, {Keys: mgx.Keys("z"), Name: "mine"}}, mgx.Comment("c"))
	if err != nil || !slices.Equal(names, []string{"x.y_1", "mine"}) {
		t.Fatalf("%v: %v", names, err)
	}
	if _, err := c.InsertOne(t.Context(), bson.D{{"a", 1}, {"b", 1}}); !errors.Is(err, mgx.ErrDuplicateKey) {
		t.Errorf("a duplicate: %v", err)
	}
	type index struct {
		Name   string
		Key    bson.D
		Unique bool
	}
	list := func() (names []string) {
		t.Helper()
		for ix, err := range mgx.Each[index](c.ListIndexes(t.Context())) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, ix.Name)
			if ix.Name == "a_-1_b_1" && (!ix.Unique || text(ix.Key) != `{"a":-1,"b":1}`) {
				t.Errorf("%+v", ix)
			}
		}
		slices.Sort(names)
		return names
	}
	expect(t, list(), "_id_", "a_-1_b_1", "mine", "x.y_1")
	if err := c.DropIndex(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
	if err := c.DropIndex(t.Context(), "mine"); !errors.Is(err, mgx.ErrIndexNotFound) {
		t.Errorf("dropped again: %v", err)
	}
	expect(t, list(), "_id_", "a_-1_b_1", "x.y_1")
	if err := c.DropIndexes(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, list(), "_id_")
	if left, err := mgx.Collect[index](c.Database().Collection("missing").ListIndexes(t.Context())); err != nil || len(left) != 0 {
		t.Errorf("of a collection that is not there: %v: %v", left, err)
	}
	if err := c.Database().Collection("missing").DropIndexes(t.Context()); err != nil {
		t.Errorf("of a collection that is not there: %v", err)
	}
}

func TestIndexOptionsOfServers(t *testing.T) {
	hour := time.Hour
	tests := []struct {
		needs string
		index mgx.Index
		name  string
		field string // in the server's description
	}{
		{"TTL indexes", mgx.Index{Keys: mgx.Keys("t"), ExpireAfter: &hour}, "t_1", "expireAfterSeconds"},
		{"hidden indexes", mgx.Index{Keys: mgx.Keys("h"), Hidden: true}, "h_1", "hidden"},
		{"partial indexes", mgx.Index{Keys: mgx.Keys("p"), PartialFilter: bson.D{{"a", 1}}}, "p_1", "partialFilterExpression"},
		{"collation", mgx.Index{Keys: mgx.Keys("c"), Collation: mgx.Collation{Locale: "en"}}, "c_1", "collation"},
		{"text indexes", mgx.Index{Keys: bson.D{{"s", "text"}}, Extra: bson.D{{"default_language", "english"}}}, "s_text", "weights"},
	}
	for _, tt := range tests {
		t.Run(tt.needs, func(t *testing.T) {
			needs(t, tt.needs)
			c := collection(t, bson.D{{"_id", 1}})
			name, err := c.CreateIndex(t.Context(), tt.index)
			if err != nil || name != tt.name {
				t.Fatalf("%q: %v", name, err)
			}
			list, err := mgx.Collect[bson.Raw](c.ListIndexes(t.Context()))
			if err != nil || len(list) != 2 {
				t.Fatalf("%v: %v", list, err)
			}
			if _, err := list[1].LookupErr(tt.field); err != nil {
				t.Errorf("%v: %v", list[1], err)
			}
		})
	}
}

func TestIndexArguments(t *testing.T) {
	c := collection(t)
	for name, index := range map[string]mgx.Index{
		"no keys": {}, "empty keys": {Keys: bson.D{}}, "a map": {Keys: bson.M{"a": 1, "b": 1}}, "a direction": {Keys: bson.D{{"a", true}}},
	} {
		if _, err := c.CreateIndex(t.Context(), index); !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.CreateIndexes(t.Context(), nil); !errors.Is(err, mgx.ErrInvalidArgument) {
		t.Errorf("none: %v", err)
	}
	for _, name := range []string{"", "*"} {
		if err := c.DropIndex(t.Context(), name); !errors.Is(err, mgx.ErrInvalidArgument) {
			t.Errorf("drop %q: %v", name, err)
		}
	}
}
