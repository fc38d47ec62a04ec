package mgx

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// What stands in a log at night: the command, the server, and what was wrong.
func TestErrorTexts(t *testing.T) {
	oid := bson.ObjectID{0x50, 0x7f, 0x1f, 0x77}
	found := func(id any) bson.D {
		doc := bson.D{{"_id", id}, {"qty", "two"}}
		return bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "shop.orders"}, {"firstBatch", bson.A{doc}}}}}
	}
	refused := bson.A{bson.D{{"index", 0}, {"code", 11000}, {"errmsg", "E11000 duplicate key"}}}
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "insert", "update", "delete":
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 0}, {"writeErrors", refused}}) == nil
		case "find":
			return p.Answer(r, found(r.Document.Lookup("filter", "_id"))) == nil
		case "count":
			return false // hangs up
		}
		return p.Answer(r, bson.D{{"ok", 1}}) == nil
	}))
	c := openClient(t, s, func(o *Options) { off := false; o.RetryReads = &off })
	orders := c.Database("shop").Collection("orders")
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	type order struct {
		Qty int `bson:"qty"`
	}
	find := func(ctx context.Context, id any) error {
		_, err := FindOne[order](ctx, orders, bson.D{{"_id", id}})
		return err
	}
	for name, tt := range map[string]struct {
		do   func() error
		want string
	}{
		"insert": {
			func() error { _, err := orders.InsertOne(ctx, bson.D{}); return err },
			"insert on ADDRESS: E11000 duplicate key (code 11000)",
		},
		"update": {
			func() error { _, err := orders.UpdateOne(ctx, nil, bson.D{{"$set", bson.D{{"a", 1}}}}); return err },
			"update on ADDRESS: E11000",
		},
		"delete": {
			func() error { _, err := orders.DeleteOne(ctx, nil); return err },
			"delete on ADDRESS: E11000",
		},
		"insertMany": {
			func() error { _, err := orders.InsertMany(ctx, []bson.D{{}}); return err },
			"bulk write: write 0: E11000",
		},
		"no BSON": {
			func() error { _, err := orders.InsertOne(ctx, bson.D{{"c", make(chan int)}}); return err },
			"insert into shop.orders: error encoding key c: ",
		},
		"cancelled": {func() error { return find(ended, 1) }, "find: write ADDRESS: context canceled"},
		"lost": {
			func() error { _, err := orders.EstimatedDocumentCount(ctx); return err },
			"count: read ADDRESS: the server closed the connection",
		},
		"integer": {
			func() error { return find(ctx, 7) },
			"decode the document with _id 7 into a *mgx.order: error decoding key qty: cannot decode string into int",
		},
		"ObjectID":       {func() error { return find(ctx, oid) }, "decode the document with _id " + oid.Hex() + " into"},
		"possible token": {func() error { return find(ctx, "hunter2") }, "decode into a *mgx.order"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.do()
			want := strings.ReplaceAll(tt.want, "ADDRESS", s.Address)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v\ndoes not begin with %s", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret: %v", err)
			}
			if _, ok := errors.AsType[*bson.DecodeError](err); ok != strings.HasPrefix(tt.want, "decode") {
				t.Errorf("a DecodeError: %v", ok)
			}
		})
	}
}

// A nil context is an error before anything is lent or sent.
func TestNilContext(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), scripted.Ping))
	orders := openClient(t, s).Database("shop").Collection("orders")
	var none context.Context
	_, err := Collect[bson.D](orders.Find(none, nil))
	is(t, err, []error{ErrInvalidArgument}, "find: the context is nil")
	_, err = orders.InsertOne(none, bson.D{})
	is(t, err, []error{ErrInvalidArgument}, "insert: the context is nil")
	_, err = Connect(none, "mongodb://"+s.Address)
	is(t, err, []error{ErrInvalidArgument}, "connect: the context is nil")
}

// A duplicate key is one in the reply as a whole, of findAndModify, and in the
// errors of single writes, whichever code the server has for it.
func TestDuplicateKey(t *testing.T) {
	var said bson.D
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		switch r.Name {
		case "findAndModify":
			return p.Answer(r, append(bson.D{{"ok", 0}}, said...)) == nil
		case "insert", "update":
			return p.Answer(r, bson.D{{"ok", 1}, {"n", 0}, {"writeErrors", bson.A{append(bson.D{{"index", 0}}, said...)}}}) == nil
		}
		return scripted.Ping(p, r)
	}))
	items := openClient(t, s).Database("shop").Collection("items")
	for _, c := range []struct {
		code      int
		message   string
		duplicate bool
	}{
		{11000, "E11000 duplicate key error", true}, {11001, "", true}, {12582, "", true},
		{16460, "error inserting 1 documents to shard s at version 1|1 :: caused by :: E11000 duplicate key error", true},
		{16460, "error inserting 1 documents to shard s", false},
		{121, "Document failed validation, not E11000", false},
	} {
		said = bson.D{{"code", c.code}, {"errmsg", c.message}}
		for name, write := range map[string]func() error{
			"insertOne":  func() error { _, err := items.InsertOne(t.Context(), bson.D{}); return err },
			"insertMany": func() error { _, err := items.InsertMany(t.Context(), []bson.D{{}}); return err },
			"updateOne": func() error {
				_, err := items.UpdateOne(t.Context(), nil, bson.D{{"$set", bson.D{{"a", 1}}}})
				return err
			},
			"findOneAndUpdate": func() error {
				return items.FindOneAndUpdate(t.Context(), nil, bson.D{{"$set", bson.D{{"a", 1}}}}).Err()
			},
		} {
			if err := write(); err == nil || errors.Is(err, ErrDuplicateKey) != c.duplicate {
				t.Errorf("%s, code %d, %q: %v", name, c.code, c.message, err)
			}
		}
	}
}
