package mgx

import (
	"errors"
	"reflect"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// What servers say of collections and indexes has its place in the types for it.
func TestListingTypes(t *testing.T) {
	uuid := bson.Binary{Subtype: 4, Data: make([]byte, 16)}
	collections := bson.A{
		bson.D{{"name", "c"}, {"type", "collection"}, {"options", bson.D{{"capped", true}}}, {"info", bson.D{{"readOnly", false}, {"uuid", uuid}}},
			{"idIndex", bson.D{{"v", 2}, {"key", bson.D{{"_id", 1}}}, {"name", "_id_"}}}},
		bson.D{{"name", "v"}, {"type", "view"}, {"options", bson.D{{"viewOn", "c"}}}, {"info", bson.D{{"readOnly", true}}}},
	}
	indexes := bson.A{
		bson.D{{"v", 2}, {"key", bson.D{{"a", 1}, {"b", "text"}}}, {"name", "i"}, {"unique", true}, {"sparse", true}, {"hidden", true},
			{"expireAfterSeconds", int64(5)}, {"partialFilterExpression", bson.D{{"a", 1}}}, {"collation", bson.D{{"locale", "de"}}}, {"weights", bson.D{{"b", 1}}}},
		bson.D{{"v", 1}, {"key", bson.D{{"_id", 1}}}, {"name", "_id_"}, {"expireAfterSeconds", 2.5}},
	}
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		list := collections
		if r.Name == "listIndexes" {
			list = indexes
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"cursor", bson.D{{"id", int64(0)}, {"ns", "d.c"}, {"firstBatch", list}}}}) == nil
	}))
	db := openClient(t, s).Database("d")
	got, err := Collect[CollectionInfo](db.ListCollections(t.Context(), nil))
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if c := got[0]; c.Name != "c" || c.Type != "collection" || !c.Options.Lookup("capped").Boolean() || c.Info.ReadOnly || c.Info.UUID == nil ||
		!reflect.DeepEqual(*c.Info.UUID, uuid) || c.IDIndex == nil || c.IDIndex.Name != "_id_" {
		t.Errorf("%+v", c)
	}
	if v := got[1]; v.Type != "view" || !v.Info.ReadOnly || v.Info.UUID != nil || v.IDIndex != nil {
		t.Errorf("%+v", v)
	}
	list, err := Collect[IndexInfo](db.Collection("c").ListIndexes(t.Context()))
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	i := list[0]
	if i.Name != "i" || i.Version != 2 || !i.Unique || !i.Sparse || !i.Hidden || i.ExpireAfterSeconds == nil || *i.ExpireAfterSeconds != 5 ||
		!reflect.DeepEqual(i.Keys, bson.D{{"a", int32(1)}, {"b", "text"}}) || i.PartialFilter.Lookup("a").Int32() != 1 ||
		i.Collation.Lookup("locale").StringValue() != "de" || len(i.Extra) != 1 || i.Extra["weights"] == nil {
		t.Errorf("%+v", i)
	}
	if i := list[1]; *i.ExpireAfterSeconds != 2.5 || i.Unique || i.PartialFilter != nil || i.Collation != nil {
		t.Errorf("%+v", i)
	}
}

// The typed forms return the document beside an unconfirmed write, and say what is
// wrong with an argument before anything is sent.
func TestTypedForms(t *testing.T) {
	type item struct {
		ID int32 `bson:"_id"`
	}
	var value any = bson.D{{"_id", 7}}
	var index bson.RawValue
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		if r.Name == "dropIndexes" {
			index = r.Document.Lookup("index")
		}
		return p.Answer(r, bson.D{{"ok", 1}, {"n", 1}, {"value", value}, {"writeConcernError", bson.D{{"code", 64}, {"errmsg", "late"}}}}) == nil
	}))
	c := openClient(t, s).Database("d").Collection("c")
	change := bson.D{{"$set", bson.D{{"a", 1}}}}
	for _, call := range []func() (item, error){
		func() (item, error) { return FindOneAndDelete[item](t.Context(), c, nil) },
		func() (item, error) { return FindOneAndReplace[item](t.Context(), c, nil, bson.D{}) },
		func() (item, error) { return FindOneAndUpdate[item](t.Context(), c, nil, change) },
	} {
		if v, err := call(); v.ID != 7 || !errors.Is(err, ErrWriteConcern) {
			t.Error(v, err)
		}
	}
	value = nil
	if _, err := FindOneAndDelete[item](t.Context(), c, nil); !errors.Is(err, ErrNoDocuments) && !errors.Is(err, ErrWriteConcern) {
		t.Error(err)
	}
	if err := c.DropIndexByKeys(t.Context(), Keys("-a", "b")); !errors.Is(err, ErrWriteConcern) || index.String() != `{"a": {"$numberInt":"-1"},"b": {"$numberInt":"1"}}` {
		t.Error(index, err)
	}
	for _, keys := range []any{nil, bson.D{}, bson.M{"a": 1, "b": 1}, 3, "a_1"} {
		is(t, c.DropIndexByKeys(t.Context(), keys), []error{ErrInvalidArgument})
	}
	is(t, second(c.UpdateByID(t.Context(), nil, change)), []error{ErrInvalidArgument}, "_id")
	// The handle that another was made from is what it was.
	other := c.With(WithWriteConcern(Unacknowledged()))
	if res, err := other.InsertOne(t.Context(), bson.D{}); err != nil || res.Acknowledged || other.Name() != "c" {
		t.Error(res, err)
	}
	if res, _ := c.InsertOne(t.Context(), bson.D{}); !res.Acknowledged {
		t.Error(res)
	}
}
