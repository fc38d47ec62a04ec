package mgx

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/scripted"
)

// How documents are decoded is said by the client, a handle or a call; the innermost
// counts.
func TestDecodingSettings(t *testing.T) {
	id := bson.NewObjectID()
	script := scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		doc := bson.D{{"_id", id}, {"more", 1}}
		return p.Answer(r, bson.D{{"ok", 1}, {"value", doc}, {"values", bson.A{doc}},
			{"cursor", bson.D{{"id", int64(0)}, {"ns", "d.c"}, {"firstBatch", bson.A{doc}}}}}) == nil
	})
	type order struct {
		ID string `bson:"_id"`
	}
	ctx := t.Context()
	plain := openClient(t, scripted.Listen(t, script))
	client := openClient(t, scripted.Listen(t, script), func(o *Options) { o.ObjectIDAsHexString, o.DisallowUnknownFields = true, true })
	hex, all, none := WithObjectIDAsHexString(true), WithDisallowUnknownFields(true), WithDisallowUnknownFields(false)
	for name, test := range map[string]struct {
		c       *Collection
		options []DecodeOption
		fails   string
	}{
		"by default":       {plain.Database("d").Collection("c"), nil, "ObjectIDAsHexString"},
		"client":           {client.Database("d").Collection("c"), nil, "unknown fields"},
		"client and call":  {client.Database("d").Collection("c"), []DecodeOption{none}, ""},
		"database":         {plain.Database("d", hex).Collection("c"), nil, ""},
		"collection":       {plain.Database("d").Collection("c", hex, all), nil, "unknown fields"},
		"call":             {plain.Database("d").Collection("c"), []DecodeOption{hex}, ""},
		"call, the second": {plain.Database("d").Collection("c"), []DecodeOption{hex, all}, "unknown fields"},
		"call that undoes": {client.Database("d").Collection("c", none), []DecodeOption{WithObjectIDAsHexString(false)}, "ObjectIDAsHexString"},
	} {
		var find []FindOption
		var one []FindOneOption
		var distinct []DistinctOption
		var change []FindOneAndUpdateOption
		for _, o := range test.options {
			find, one, distinct, change = append(find, o), append(one, o), append(distinct, o), append(change, o)
		}
		list, err := Collect[order](test.c.Find(ctx, nil, find...))
		first, oneErr := FindOne[order](ctx, test.c, nil, one...)
		values, distinctErr := Distinct[order](ctx, test.c, "a", nil, distinct...)
		changed, changeErr := FindOneAndUpdate[order](ctx, test.c, nil, bson.D{{"$set", bson.D{{"a", 1}}}}, change...)
		if test.fails == "" {
			for _, err := range []error{err, oneErr, distinctErr, changeErr} {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err == nil && (list[0].ID != id.Hex() || first.ID != id.Hex() || values[0].ID != id.Hex() || changed.ID != id.Hex()) {
				t.Errorf("%s: %v %v %v %v", name, list, first, values, changed)
			}
			continue
		}
		for i, err := range []error{err, oneErr, distinctErr, changeErr} {
			if err == nil {
				t.Errorf("%s, operation %d: no error", name, i)
				continue
			}
			is(t, err, nil, test.fails)
		}
	}
}
