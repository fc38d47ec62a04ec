package mgx

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
	"github.com/mgxdb/mgx/internal/transfer"
)

// Errors name a model by its place among all, not among those of its command.
func TestBulkErrorNamesTheModel(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	c := openClient(t, s).Database("db").Collection("c")
	for _, options := range [][]BulkOption{nil, {Unordered()}} {
		_, err := c.BulkWrite(t.Context(), []WriteModel{DeleteOneModel(nil), InsertOneModel(bson.D{}), InsertOneModel(nil)}, options...)
		is(t, err, []error{ErrInvalidArgument}, "write 2")
	}
}

// What a group of models came to was acknowledged, though a later one failed.
func TestBulkIsAcknowledgedThoughAGroupFails(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "update" {
			return p.Answer(r, bson.D{{"ok", 0}, {"errmsg", "no"}, {"code", 1}}) == nil
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}}) == nil
	}))
	c := openClient(t, s).Database("db").Collection("c")
	res, err := c.BulkWrite(t.Context(), []WriteModel{DeleteOneModel(nil), UpdateOneModel(nil, bson.D{{"$set", bson.D{{"a", 1}}}})})
	if err == nil || !res.Acknowledged || res.DeletedCount != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A server's count of inserted documents is not believed where memory depends on it.
func TestTransferWithAbsurdCounts(t *testing.T) {
	for n, want := range map[int64]int64{-1: 0, -1 << 63: 0, 1: 12, 2: 24, 1<<63 - 1: 24} {
		s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
			return p.Answer(r, bson.D{{"ok", 1}, {"n", n}}) == nil
		}))
		raw, err := bson.Marshal(bson.D{{"a", 1}})
		if err != nil {
			t.Fatal(err)
		}
		db := transferred(openClient(t, s).Database("db"))
		if res, err := db.Insert(t.Context(), "c", []bson.Raw{raw, raw}, transfer.InsertOptions{}); err != nil || res.Bytes != want {
			t.Errorf("n: %d: %+v, %v; want %d bytes", n, res, err, want)
		}
	}
}

type panics struct{}

func (panics) MarshalBSON() ([]byte, error) { panic("on purpose") }

// A panic in a user's type, which a server of HTTP for one catches, takes no
// connection with it.
func TestPanicWhileEncoding(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	client := openClient(t, s, func(o *Options) { o.MaxPoolSize = ptr(1) })
	c := client.Database("db").Collection("c")
	in, req := client.StartRequest(t.Context())
	defer req.End()
	for name, call := range map[string]func(){
		"InsertOne": func() { _, _ = c.InsertOne(t.Context(), panics{}) },
		"Find":      func() { _, _ = Collect[bson.D](c.Find(t.Context(), panics{})) },
		"FindOne":   func() { _, _ = FindOne[bson.D](t.Context(), c, panics{}) },
		"a request": func() { _, _ = c.InsertOne(in, panics{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			call()
		}()
		if name == "a request" {
			req.End()
		}
		if stats := client.topology.Servers()[0].Pool().Stats(); stats.InUse != 0 {
			t.Errorf("%s: %d connections are in use", name, stats.InUse)
		}
	}
}
