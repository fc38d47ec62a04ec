package engine

import (
	"encoding/json"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// FuzzQuery has the engine work on documents, queries, updates and pipelines that
// make no sense. Whatever a client sends, it gets an answer: no panic, no endless
// work.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		`{"filter":{"a":{"$gt":1},"l":{"$elemMatch":{"$gt":1}},"s":{"$regex":"^T","$options":"i"}}}`,
		`{"filter":{"$or":[{"a":1},{"$expr":{"$eq":["$a",{"$add":[1,2]}]}}]}}`,
		`{"filter":{"l":2},"update":{"$set":{"l.$":1,"b.c":2},"$inc":{"n":1},"$push":{"m":1}}}`,
		`{"update":{"$mul":{"a":2},"$min":{"b":1},"$rename":{"s":"t"},"$pop":{"l":1},"$unset":{"n":""}}}`,
		`{"update":{"$push":{"l":{"$each":[1,2],"$slice":-2,"$sort":1,"$position":0}},"$pull":{"m":1},"$bit":{"a":{"and":1}}}}`,
		`{"pipeline":[{"$match":{"a":1}},{"$group":{"_id":"$a","n":{"$sum":1},"l":{"$push":"$s"}}},{"$sort":{"n":-1}},{"$limit":1},{"$skip":1}]}`,
		`{"pipeline":[{"$project":{"x":{"$cond":[{"$gt":["$a",1]},{"$substrCP":["$s",1,2]},{"$range":[0,5,2]}]},"y":{"$slice":["$l",1,-1]}}}]}`,
		`{"pipeline":[{"$unwind":{"path":"$l","includeArrayIndex":"i"}},{"$set":{"z":{"$reduce":{"input":"$l","initialValue":0,"in":{"$add":["$$value","$$this"]}}}}}]}`,
		`{"pipeline":[{"$facet":{"a":[{"$count":"n"}]}},{"$lookup":{"from":"c","localField":"a","foreignField":"a","as":"j"}},{"$unionWith":"c"}]}`,
		`{"pipeline":[{"$set":{"a":{"$mod":["$a",0]},"b":{"$divide":[1,"$a"]},"c":{"$subtract":[{"$date":{"$numberLong":"1"}},"x"]},"d":{"$arrayToObject":[["a"]]}}}]}`,
		`{"projection":{"a":1,"l":{"$slice":[1,-1]},"subs":{"$elemMatch":{"x":1}},"l.$":1}}`,
		`{"sort":{"a":1,"l":-1},"filter":{"l":{"$size":-1}}}`,
		`{"index":{"key":{"a":1,"l.x":-1},"name":"i","unique":true,"partialFilterExpression":{"a":{"$exists":true}}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var req struct {
			Filter, Update, Projection, Sort, Index bson.Raw
			Pipeline                                []bson.Raw
		}
		// The parser loops for ever on some text that is no JSON.
		if len(input) > 4096 || !json.Valid(input) || bson.UnmarshalExtJSON(input, false, &req) != nil {
			return
		}
		s, c := newTestStore(t,
			`{'_id':1,'a':1,'s':'Tea','l':[1,2,3],'subs':[{'x':1},{'x':2}]}`,
			`{'_id':2,'a':{'$numberDouble':'2.5'},'n':null,'l':[]}`,
			`{'_id':{'k':1},'a':'x','t':{'$date':{'$numberLong':'1'}},'m':{'$minKey':1}}`)
		filter, err := ParseFilter(req.Filter, nil, nil)
		if err != nil {
			known(t, err)
			filter, _ = ParseFilter(nil, nil, nil)
		}
		query := &Find{Filter: filter, Sort: req.Sort, Skip: 1, Limit: 2}
		query.Projection, err = ParseProjection(req.Projection, filter)
		known(t, err)
		found, err := query.Run(c)
		known(t, err)
		for _, r := range found {
			_, err := query.Projection.Apply(r)
			known(t, err)
		}
		if req.Update != nil {
			update(t, req.Update, filter, c)
		}
		if req.Index != nil {
			ix, err := ParseIndex(req.Index)
			known(t, err)
			if err == nil {
				_, err = s.CreateIndex("db.c", ix)
				known(t, err)
			}
		}
		stages := make([][]byte, len(req.Pipeline))
		for i, st := range req.Pipeline {
			stages[i] = st
		}
		docs, err := s.Documents("db.c")
		known(t, err)
		_, err = Aggregate(&Environment{Store: s, DB: "db"}, stages, docs)
		known(t, err)
	})
}

func update(t *testing.T, doc bson.Raw, filter *Filter, c *Collection) {
	u, err := ParseUpdate(doc, nil, nil)
	if err != nil {
		known(t, err)
		return
	}
	known(t, c.Scan(filter, func(r *Record) bool {
		raw, _, err := u.Apply(r, filter)
		known(t, err)
		if err == nil && bson.Raw(raw).Validate() != nil {
			t.Errorf("%s makes a damaged document of %s", doc, bson.Raw(r.Raw))
		}
		return true
	}))
	_, err = u.Upsert(filter)
	known(t, err)
}

// known fails for an error without a code for the client.
func known(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%v is a %T, which has no code", err, err)
	}
}
