package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// A write with w=0 waits for nothing; it is there a little later.
func TestUnacknowledged(t *testing.T) {
	var r recorder
	db := database(t, r.watch)
	c := db.Collection("c", mgx.WithWriteConcern(mgx.Unacknowledged()))
	seen := db.Collection("c")
	eventually := func(what string, filter any, want int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			n, err := seen.CountDocuments(t.Context(), filter)
			if err != nil {
				t.Fatal(err)
			}
			if n == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d documents, want %d", what, n, want)
			}
		}
	}
	one, err := c.InsertOne(t.Context(), bson.D{{"_id", 1}})
	if err != nil || one.Acknowledged || one.InsertedID != int32(1) {
		t.Errorf("insert one: %+v: %v", one, err)
	}
	eventually("insert one", nil, 1)
	if _, err := c.InsertOne(t.Context(), bson.D{{"_id", 1}}); err != nil {
		t.Errorf("a duplicate, which nobody tells of: %v", err)
	}
	many, err := c.InsertMany(t.Context(), numbered(200)[2:])
	if err != nil || many.Acknowledged || len(many.InsertedIDs) != 198 {
		t.Errorf("insert many: %d ids: %v", len(many.InsertedIDs), err)
	}
	eventually("insert many", nil, 199)
	up, err := c.UpdateMany(t.Context(), bson.D{{"a", 3}}, bson.D{{"$set", bson.D{{"b", 1}}}})
	if err != nil || up != (mgx.UpdateResult{}) {
		t.Errorf("update: %+v: %v", up, err)
	}
	eventually("update", bson.D{{"b", 1}}, 20)
	del, err := c.DeleteMany(t.Context(), bson.D{{"b", 1}})
	if err != nil || del != (mgx.DeleteResult{}) {
		t.Errorf("delete: %+v: %v", del, err)
	}
	eventually("delete", bson.D{{"b", 1}}, 0)

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.started {
		if e.CommandName != "insert" && e.CommandName != "update" && e.CommandName != "delete" {
			continue
		}
		if w, ok := e.Command.Lookup("writeConcern", "w").AsInt64OK(); !ok || w != 0 {
			t.Errorf("%s has the write concern %v", e.CommandName, e.Command.Lookup("writeConcern"))
		}
		if _, err := e.Command.LookupErr("lsid"); err == nil {
			t.Errorf("%s has a session, which w=0 must not have", e.CommandName)
		}
	}
	for _, e := range r.succeeded {
		if e.CommandName == "update" && text(e.Reply) != `{"ok":1}` {
			t.Errorf("the reply to an unacknowledged update is %s", text(e.Reply))
		}
	}
	if len(r.started) != len(r.succeeded)+len(r.failed) {
		t.Errorf("%d commands started, %d succeeded, %d failed", len(r.started), len(r.succeeded), len(r.failed))
	}
}

// The nearest of call, collection, database and client decides.
func TestConcernsAreInherited(t *testing.T) {
	var r recorder
	one, wtimeout := 1, 5*time.Second
	client := connect(t, r.watch, func(o *mgx.Options) {
		o.WriteConcern = mgx.WriteConcern{W: one, Timeout: wtimeout}
		o.ReadConcern = "local"
	})
	name := databaseName(t, serverURI)
	c := client.Database(name).Collection("c")
	majority := client.Database(name, mgx.WithWriteConcern(mgx.Majority()), mgx.WithReadConcern("majority"))

	write := func(what string, c *mgx.Collection, want string, options ...mgx.InsertOption) {
		t.Helper()
		if _, err := c.InsertOne(t.Context(), bson.D{}, options...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := ""
		if v, err := r.last(t, "insert").LookupErr("writeConcern"); err == nil {
			got = text(v.Document())
		}
		if got != want {
			t.Errorf("%s: the write concern is %s, want %s", what, got, want)
		}
	}
	write("client", c, `{"w":1,"wtimeout":5000}`)
	write("database", majority.Collection("c"), `{"w":"majority"}`)
	write("collection", majority.Collection("c", mgx.WithWriteConcern(mgx.WriteConcern{})), ``)
	yes := true
	write("call", c, `{"w":1,"j":true}`, mgx.WithWriteConcern(mgx.WriteConcern{W: 1, Journal: &yes}))

	read := func(what string, c *mgx.Collection, want string, options ...mgx.FindOneOption) {
		t.Helper()
		if err := c.FindOne(t.Context(), nil, options...).Err(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := ""
		if v, err := r.last(t, "find").LookupErr("readConcern"); err == nil {
			got = text(v.Document())
		}
		if got != want {
			t.Errorf("%s: the read concern is %s, want %s", what, got, want)
		}
	}
	read("client", c, `{"level":"local"}`)
	read("database", majority.Collection("c"), `{"level":"majority"}`)
	read("call", majority.Collection("c"), ``, mgx.WithReadConcern(""))
	if v, err := r.last(t, "insert").LookupErr("readConcern"); err == nil {
		t.Errorf("a write has the read concern %v", v)
	}
	if v, err := r.last(t, "find").LookupErr("writeConcern"); err == nil {
		t.Errorf("a read has the write concern %v", v)
	}
}

func TestWrongConcerns(t *testing.T) {
	yes := true
	for name, w := range map[string]mgx.WriteConcern{
		"negative": {W: -1}, "a float": {W: 1.5}, "w=0 with journal": {W: 0, Journal: &yes}, "negative timeout": {Timeout: -1},
	} {
		o := must[*mgx.Options](t)(mgx.ParseURI(serverURI))
		o.WriteConcern = w
		if _, err := mgx.New(o); !errors.Is(err, mgx.ErrConfiguration) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
