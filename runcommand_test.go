package mgx

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// commandServer records commands and answers them.
func commandServer(t *testing.T, answer func(p *scripted.Peer, r scripted.Request) error, hello ...bson.E) (*scripted.Server, *recorder) {
	t.Helper()
	rec := &recorder{}
	return scripted.Listen(t, rec.greet(func(scripted.Request) bson.D { return scripted.Hello(hello...) }, answer)), rec
}

// commands are the bodies of the commands with a name that came so far.
func (r *recorder) commands(name string) (list []bson.Raw) {
	r.each(func(req scripted.Request) {
		if req.Name == name {
			list = append(list, req.Document)
		}
	})
	return list
}

func fieldNames(d bson.Raw) (names []string) {
	elems, _ := d.Elements()
	for _, e := range elems {
		names = append(names, e.Key())
	}
	return names
}

// stepsDown answers the first command with an error that a second attempt may cure.
func stepsDown() func(p *scripted.Peer, r scripted.Request) error {
	var n atomic.Int32
	return func(p *scripted.Peer, r scripted.Request) error {
		if r.Name == "dbStats" && n.Add(1) == 1 {
			return p.Answer(r, bson.D{{"ok", 0}, {"code", 11602}, {"errmsg", "interrupted"}})
		}
		return p.Answer(r, bson.D{{"ok", 1}})
	}
}

func TestRunCommandIsSentOnce(t *testing.T) {
	s, rec := commandServer(t, stepsDown())
	db := openClient(t, s).Database("shop", WithReadConcern("majority"))
	err := db.RunCommand(t.Context(), bson.D{{"dbStats", 1}}).Err()
	if se := new(ServerError); !errors.As(err, &se) || se.Code != 11602 {
		t.Errorf("error %v", err)
	}
	sent := rec.commands("dbStats")
	if len(sent) != 1 || slices.Contains(fieldNames(sent[0]), "readConcern") {
		t.Errorf("sent: %v", sent)
	}
}

func TestRunCommandAsRead(t *testing.T) {
	s, rec := commandServer(t, stepsDown(), bson.E{Key: "maxWireVersion", Value: 27})
	db := openClient(t, s).Database("shop", WithReadConcern("majority"), WithReadPreference(ReadPreference{Mode: Nearest}))
	if err := db.RunCommand(t.Context(), bson.D{{"dbStats", 1}}, AsRead(), RawData()).Err(); err != nil {
		t.Fatal(err)
	}
	sent := rec.commands("dbStats")
	if len(sent) != 2 {
		t.Fatalf("sent %d times", len(sent))
	}
	for _, d := range sent {
		if level, _ := d.Lookup("readConcern", "level").StringValueOK(); level != "majority" {
			t.Errorf("read concern of %v", d)
		}
		if raw, _ := d.Lookup("rawData").BooleanOK(); !raw {
			t.Errorf("no raw data: %v", d)
		}
	}
}

func TestRunCommandAsReadKeepsItsOwn(t *testing.T) {
	s, rec := commandServer(t, stepsDown())
	c := openClient(t, s, func(o *Options) { o.RetryReads = new(bool) })
	db := c.Database("shop", WithReadConcern("majority"))
	command := bson.D{{"dbStats", 1}, {"readConcern", bson.D{{"level", "local"}}}}
	if err := db.RunCommand(t.Context(), command, AsRead()).Err(); err == nil {
		t.Error("RetryReads is off, but there was no error")
	}
	sent := rec.commands("dbStats")
	if len(sent) != 1 {
		t.Fatalf("sent %d times", len(sent))
	}
	names := fieldNames(sent[0])
	if i := slices.Index(names, "readConcern"); i < 0 || slices.Contains(names[i+1:], "readConcern") {
		t.Errorf("sent %v", sent[0])
	}
}

func TestBypassDocumentValidation(t *testing.T) {
	s, rec := commandServer(t, scriptedOK)
	coll := openClient(t, s).Database("shop").Collection("orders")
	for _, options := range [][]InsertOption{nil, {BypassDocumentValidation(true)}, {BypassDocumentValidation(false)}} {
		if _, err := coll.InsertOne(t.Context(), bson.D{{"_id", 1}}, options...); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, d := range rec.commands("insert") {
		v, err := d.LookupErr("bypassDocumentValidation")
		if err != nil {
			got = append(got, "none")
			continue
		}
		got = append(got, v.String())
	}
	if want := []string{"none", "true", "false"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func scriptedOK(p *scripted.Peer, r scripted.Request) error {
	return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}})
}

// TestGetMoreWithLimit is about the last batch of a limit.
func TestGetMoreWithLimit(t *testing.T) {
	for _, c := range []struct {
		wire int
		want []int32
	}{
		{8, []int32{3, 1}},
		{25, []int32{3, 3}}, // a batch of 1 would leave the cursor open
	} {
		left := 7
		s, rec := commandServer(t, func(p *scripted.Peer, r scripted.Request) error {
			batch := "nextBatch"
			if r.Name == "find" {
				batch, left = "firstBatch", 7
			}
			docs := bson.A{}
			for ; left > 0 && len(docs) < 3; left-- {
				docs = append(docs, bson.D{{"_id", left}})
			}
			id := int64(0)
			if left > 0 {
				id = 9
			}
			return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", id}, {"ns", "shop.orders"}, {batch, docs}}}})
		}, bson.E{Key: "maxWireVersion", Value: c.wire})
		list, err := Collect[bson.Raw](openClient(t, s).Database("shop").Collection("orders").Find(t.Context(), nil, BatchSize(3), Limit(7)))
		if err != nil || len(list) != 7 {
			t.Errorf("wire version %d: %d documents, %v", c.wire, len(list), err)
		}
		var got []int32
		for _, d := range rec.commands("getMore") {
			got = append(got, d.Lookup("batchSize").Int32())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("wire version %d: batch sizes %v, want %v", c.wire, got, c.want)
		}
	}
}
