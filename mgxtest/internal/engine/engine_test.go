package engine

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// raw makes a document of Extended JSON. Single quotes stand for double ones.
func raw(t testing.TB, s string) []byte {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(strings.ReplaceAll(s, "'", `"`)), false, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raws makes the documents of a list.
func raws(t testing.TB, s string) [][]byte {
	t.Helper()
	v, err := bson.Raw(raw(t, `{'l':`+s+`}`)).LookupErr("l")
	if err != nil {
		t.Fatal(err)
	}
	values, err := v.Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	list := make([][]byte, len(values))
	for i, v := range values {
		list[i] = v.Document()
	}
	return list
}

func text(t testing.TB, docs ...[]byte) string {
	t.Helper()
	var parts []string
	for _, d := range docs {
		b, err := bson.MarshalExtJSON(bson.Raw(d), false, false)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, strings.ReplaceAll(string(b), `"`, "'"))
	}
	return strings.Join(parts, " ")
}

func code(err error) int32 {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return -1
}

func record(t testing.TB, doc string) *Record {
	t.Helper()
	r, err := newRecord(1, raw(t, doc))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFilter(t *testing.T) {
	const doc = `{'_id':1,'a':5,'s':'Tea','list':[1,2,3],'sub':{'x':1},'subs':[{'x':1,'y':2},{'x':3}],'n':null}`
	for _, c := range []struct {
		filter string
		want   bool
	}{
		{`{}`, true},
		{`{'a':5}`, true},
		{`{'a':{'$numberDouble':'5'}}`, true},
		{`{'a':{'$gt':5}}`, false},
		{`{'a':{'$gte':5,'$lt':6}}`, true},
		{`{'a':{'$ne':5}}`, false},
		{`{'a':{'$in':[1,5]}}`, true},
		{`{'a':{'$nin':[1,5]}}`, false},
		{`{'s':{'$in':[{'$regularExpression':{'pattern':'^t','options':'i'}}]}}`, true},
		{`{'s':{'$regex':'^t','$options':'i'}}`, true},
		{`{'s':{'$regex':'^t'}}`, false},
		{`{'s':{'$not':{'$regex':'^T'}}}`, false},
		{`{'s':{'$gt':1}}`, false},
		{`{'list':2}`, true},
		{`{'list':[1,2,3]}`, true},
		{`{'list':{'$size':3}}`, true},
		{`{'list':{'$all':[1,3]}}`, true},
		{`{'list':{'$elemMatch':{'$gt':1,'$lt':3}}}`, true},
		{`{'list.0':1}`, true},
		{`{'sub.x':1}`, true},
		{`{'sub':{'x':1}}`, true},
		{`{'subs.x':3}`, true},
		{`{'subs':{'$elemMatch':{'x':3,'y':2}}}`, false},
		{`{'n':null}`, true},
		{`{'missing':null}`, true},
		{`{'missing':{'$exists':true}}`, false},
		{`{'n':{'$exists':true}}`, true},
		{`{'a':{'$type':'int'}}`, true},
		{`{'a':{'$mod':[2,1]}}`, true},
		{`{'$or':[{'a':1},{'s':'Tea'}]}`, true},
		{`{'$and':[{'a':5},{'s':'x'}]}`, false},
		{`{'$nor':[{'a':1}]}`, true},
		{`{'$expr':{'$eq':[{'$add':['$a',1]},6]}}`, true},
		{`{'$comment':'why','a':5}`, true},
	} {
		f, err := ParseFilter(raw(t, c.filter), nil, nil)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
			continue
		}
		if got, err := f.Match(record(t, doc)); err != nil || got != c.want {
			t.Errorf("%s: %v (%v), want %v", c.filter, got, err, c.want)
		}
	}
}

func TestFilterCollation(t *testing.T) {
	f, err := ParseFilter(raw(t, `{'s':'TEA'}`), nil, raw(t, `{'locale':'en','strength':2}`))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Match(record(t, `{'_id':1,'s':'tea'}`)); !ok || err != nil {
		t.Errorf("case matters: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	for _, c := range []struct{ doc, filter, update, want string }{
		{`{'_id':1,'a':1}`, `{}`, `{'$set':{'b.c':2}}`, `{'_id':1,'a':1,'b':{'c':2}}`},
		{`{'_id':1,'a':1}`, `{}`, `{'$inc':{'a':2,'n':1}}`, `{'_id':1,'a':3,'n':1}`},
		{`{'_id':1,'a':3}`, `{}`, `{'$mul':{'a':2}}`, `{'_id':1,'a':6}`},
		{`{'_id':1,'a':1}`, `{}`, `{'$unset':{'a':''}}`, `{'_id':1}`},
		{`{'_id':1,'a':1}`, `{}`, `{'$rename':{'a':'b'}}`, `{'_id':1,'b':1}`},
		{`{'_id':1,'a':5}`, `{}`, `{'$min':{'a':2},'$max':{'b':1}}`, `{'_id':1,'a':2,'b':1}`},
		{`{'_id':1,'l':[1]}`, `{}`, `{'$push':{'l':2}}`, `{'_id':1,'l':[1,2]}`},
		{`{'_id':1,'l':[1,2]}`, `{}`, `{'$pop':{'l':-1}}`, `{'_id':1,'l':[2]}`},
		{`{'_id':1,'a':1}`, `{}`, `{'z':1}`, `{'_id':1,'z':1}`},
		{`{'_id':1,'l':[1,2,3]}`, `{'l':2}`, `{'$set':{'l.$':9}}`, `{'_id':1,'l':[1,9,3]}`},
	} {
		f, err := ParseFilter(raw(t, c.filter), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := ParseUpdate(raw(t, c.update), nil, nil)
		if err != nil {
			t.Errorf("%s: %v", c.update, err)
			continue
		}
		got, changed, err := u.Apply(record(t, c.doc), f)
		if err != nil || !changed {
			t.Errorf("%s: changed %v, %v", c.update, changed, err)
			continue
		}
		if text(t, got) != c.want {
			t.Errorf("%s: %s, want %s", c.update, text(t, got), c.want)
		}
	}
}

func TestUpdateArrayFilters(t *testing.T) {
	f, _ := ParseFilter(nil, nil, nil)
	u, err := ParseUpdate(raw(t, `{'$set':{'l.$[e]':0}}`), raws(t, `[{'e':{'$gt':1}}]`), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := u.Apply(record(t, `{'_id':1,'l':[1,2,3]}`), f)
	if err != nil || text(t, got) != `{'_id':1,'l':[1,0,0]}` {
		t.Errorf("%v %v", got, err)
	}
}

func TestUpdatePipeline(t *testing.T) {
	f, _ := ParseFilter(nil, nil, nil)
	u, err := ParsePipelineUpdate(raws(t, `[{'$set':{'b':{'$add':['$a','$$more']}}},{'$unset':'a'}]`), raw(t, `{'more':2}`))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := u.Apply(record(t, `{'_id':1,'a':1}`), f)
	if err != nil || text(t, got) != `{'_id':1,'b':3}` {
		t.Errorf("%v", err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	f, _ := ParseFilter(nil, nil, nil)
	for update, want := range map[string]int32{
		`{'$nope':{'a':1}}`:        CodeFailedToParse,
		`{'$set':1}`:               CodeFailedToParse,
		`{'a':1,'$set':{'b':1}}`:   CodeDollarPrefixedField,
		`{'$set':{'_id':2}}`:       CodeImmutableField,
		`{'_id':2}`:                CodeImmutableField,
		`{'$inc':{'s':1}}`:         CodeBadValue,
		`{'$set':{'a':1,'a.b':1}}`: CodeConflictingUpdate,
	} {
		u, err := ParseUpdate(raw(t, update), nil, nil)
		if err == nil {
			_, _, err = u.Apply(record(t, `{'_id':1,'a':1,'s':'x'}`), f)
		}
		if err == nil || want != CodeBadValue && code(err) != want {
			t.Errorf("%s: %v, want code %d", update, err, want)
		}
	}
}

func TestUpsert(t *testing.T) {
	f, err := ParseFilter(raw(t, `{'a':1,'b':{'$gt':2}}`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := ParseUpdate(raw(t, `{'$set':{'c':3},'$setOnInsert':{'d':4}}`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := u.Upsert(f)
	if err != nil || text(t, got) != `{'a':1,'c':3,'d':4}` {
		t.Errorf("%s (%v)", text(t, got), err)
	}
}

func TestAggregate(t *testing.T) {
	const input = `[{'_id':1,'k':'x','n':1,'l':[1,2]},{'_id':2,'k':'y','n':2,'l':[]},{'_id':3,'k':'x','n':3}]`
	for _, c := range []struct{ pipeline, want string }{
		{`[{'$match':{'k':'x'}},{'$count':'n'}]`, `{'n':2}`},
		{`[{'$sort':{'n':-1}},{'$limit':1},{'$project':{'_id':1}}]`, `{'_id':3}`},
		{`[{'$sort':{'n':1}},{'$skip':2},{'$project':{'n':1,'_id':0}}]`, `{'n':3}`},
		{`[{'$group':{'_id':'$k','sum':{'$sum':'$n'}}},{'$sort':{'_id':1}}]`, `{'_id':'x','sum':4} {'_id':'y','sum':2}`},
		{`[{'$sortByCount':'$k'}]`, `{'_id':'x','count':2} {'_id':'y','count':1}`},
		{`[{'$unwind':'$l'},{'$project':{'l':1}}]`, `{'_id':1,'l':1} {'_id':1,'l':2}`},
		{`[{'$unwind':{'path':'$l','preserveNullAndEmptyArrays':true}},{'$count':'n'}]`, `{'n':4}`},
		{`[{'$match':{'_id':2}},{'$set':{'m':{'$multiply':['$n',10]}}},{'$unset':['l','k']}]`, `{'_id':2,'n':2,'m':20}`},
		{`[{'$match':{'_id':2}},{'$replaceWith':{'was':'$k'}}]`, `{'was':'y'}`},
		{`[{'$facet':{'few':[{'$limit':1},{'$project':{'_id':1}}],'count':[{'$count':'n'}]}}]`, `{'few':[{'_id':1}],'count':[{'n':3}]}`},
		{`[{'$limit':1},{'$project':{'_id':0,'v':{'$cond':[{'$gt':['$n',0]},'plus','minus']}}}]`, `{'v':'plus'}`},
		{`[{'$limit':1},{'$project':{'_id':0,'v':{'$map':{'input':'$l','in':{'$add':['$$this',1]}}}}}]`, `{'v':[2,3]}`},
		{`[{'$limit':1},{'$project':{'_id':0,'v':{'$range':[3,0,-1]}}}]`, `{'v':[3,2,1]}`},
		{`[{'$limit':1},{'$project':{'_id':0,'v':{'$slice':['$l',-1]}}}]`, `{'v':[2]}`},
	} {
		got, err := Aggregate(&Environment{}, raws(t, c.pipeline), raws(t, input))
		if err != nil || text(t, got...) != c.want {
			t.Errorf("%s: %s (%v), want %s", c.pipeline, text(t, got...), err, c.want)
		}
	}
}

// What a server refuses, and what no number of documents makes sense of.
func TestAggregateRefuses(t *testing.T) {
	for _, pipeline := range []string{
		`[{'$nope':1}]`, `[{}]`, `[{'$match':1}]`, `[{'$limit':0}]`, `[{'$limit':-1}]`, `[{'$skip':-1}]`,
		`[{'$project':{}}]`, `[{'$sort':{}}]`, `[{'$sort':{'a':'x'}}]`, `[{'$unwind':'l'}]`, `[{'$replaceWith':1}]`,
		`[{'$set':{'a':{'$divide':[1,0]}}}]`, `[{'$set':{'a':{'$mod':[1,0]}}}]`, `[{'$set':{'a':{'$nope':1}}}]`,
		`[{'$set':{'a':{'$range':[0,9223372036854775807]}}}]`,
		`[{'$set':{'a':{'$range':[-9223372036854775807,9223372036854775807]}}}]`,
		`[{'$set':{'a':{'$slice':['$l',0,-1]}}}]`, `[{'$set':{'a':'$$nope'}}]`,
		`[{'$set':{'a':{'$substrCP':['abc',1]}}}]`, `[{'$lookup':{'from':'x','as':'y'}}]`,
	} {
		if _, err := Aggregate(&Environment{}, raws(t, pipeline), raws(t, `[{'_id':1,'l':[1,2]}]`)); err == nil {
			t.Errorf("%s is taken", pipeline)
		}
	}
}

func TestProjection(t *testing.T) {
	const doc = `{'_id':1,'a':{'b':1,'c':2},'l':[1,2,3],'subs':[{'x':1},{'x':2}]}`
	for projection, want := range map[string]string{
		`{}`:                     doc,
		`{'a.b':1}`:              `{'_id':1,'a':{'b':1}}`,
		`{'a':0,'l':0,'subs':0}`: `{'_id':1}`,
		`{'_id':0,'subs.x':1}`:   `{'subs':[{'x':1},{'x':2}]}`,
		`{'_id':0,'l':{'$slice':-1},'a':0,'subs':0}`: `{'l':[3]}`,
		`{'_id':0,'subs':{'$elemMatch':{'x':2}}}`:    `{'subs':[{'x':2}]}`,
		`{'_id':0,'n':{'$size':'$l'}}`:               `{'n':3}`,
	} {
		p, err := ParseProjection(raw(t, projection), nil)
		if err != nil {
			t.Errorf("%s: %v", projection, err)
			continue
		}
		got, err := p.Apply(record(t, doc))
		if err != nil || text(t, got) != want {
			t.Errorf("%s: %s (%v), want %s", projection, text(t, got), err, want)
		}
	}
	if _, err := ParseProjection(raw(t, `{'a':1,'b':0}`), nil); err == nil {
		t.Error("inclusion and exclusion together are taken")
	}
}

func newTestStore(t testing.TB, docs ...string) (*Store, *Collection) {
	t.Helper()
	s := NewStore()
	op, err := s.Create(&Definition{NS: "db.c"})
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(op)
	for _, d := range docs {
		insert(t, s, d)
	}
	return s, s.Collection("db.c")
}

func insert(t testing.TB, s *Store, doc string) {
	t.Helper()
	op, err := s.Insert("db.c", raw(t, doc), false)
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(op)
}

func TestUniqueIndex(t *testing.T) {
	s, _ := newTestStore(t, `{'_id':1,'a':1,'l':[1,2]}`)
	for _, spec := range []string{
		`{'key':{'a':1},'name':'a_1','unique':true}`,
		`{'key':{'l':1},'name':'l_1','unique':true,'sparse':true}`,
		`{'key':{'p':1},'name':'p_1','unique':true,'partialFilterExpression':{'on':true}}`,
	} {
		ix, err := ParseIndex(raw(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		op, err := s.CreateIndex("db.c", ix)
		if err != nil {
			t.Fatal(err)
		}
		s.Apply(op)
	}
	for doc, ok := range map[string]bool{
		`{'_id':1,'a':9}`:                   false, // the _id
		`{'_id':2,'a':{'$numberLong':'1'}}`: false, // equal numbers of other types
		`{'_id':3,'a':3,'l':[2]}`:           false, // an element of the array
		`{'_id':4,'a':4,'p':1,'on':true}`:   true,
	} {
		op, err := s.Insert("db.c", raw(t, doc), false)
		if ok != (err == nil) || err != nil && code(err) != CodeDuplicateKey {
			t.Errorf("%s: %v", doc, err)
		}
		if err == nil {
			s.Apply(op)
		}
	}
	if _, err := s.Insert("db.c", raw(t, `{'_id':5,'a':5,'p':1,'on':true}`), false); code(err) != CodeDuplicateKey {
		t.Errorf("in the partial index: %v", err)
	}
	if _, err := s.Insert("db.c", raw(t, `{'_id':6,'a':6,'p':1}`), false); err != nil {
		t.Errorf("outside of the partial index: %v", err)
	}
}

// A snapshot does not see what comes later, nor does the store see what is done
// to its snapshot.
func TestSnapshot(t *testing.T) {
	s, c := newTestStore(t, `{'_id':1}`)
	snap := s.Snapshot()
	insert(t, s, `{'_id':2}`)
	if n := snap.Collection("db.c").Len(); n != 1 || c.Len() != 2 {
		t.Errorf("the snapshot has %d documents, the store %d", n, c.Len())
	}
	snap.Apply(snap.Delete("db.c", snap.Collection("db.c").Get(Key(int32(1)))))
	if c.Get(Key(int32(1))) == nil {
		t.Error("the snapshot's deletion reached the store")
	}
}

func TestViews(t *testing.T) {
	s, _ := newTestStore(t, `{'_id':1,'a':1}`, `{'_id':2,'a':2}`)
	view := func(ns, on, pipeline string) error {
		op, err := s.Create(&Definition{NS: ns, View: &View{On: on, Pipeline: raws(t, pipeline)}})
		if err == nil {
			s.Apply(op)
		}
		return err
	}
	if err := view("db.v", "c", `[{'$match':{'a':2}}]`); err != nil {
		t.Fatal(err)
	}
	if err := view("db.vv", "v", `[{'$project':{'a':1,'_id':0}}]`); err != nil {
		t.Fatal(err)
	}
	docs, err := s.Documents("db.vv")
	if err != nil || text(t, docs...) != `{'a':2}` {
		t.Errorf("%s (%v)", text(t, docs...), err)
	}
	// A view of itself, over a second one.
	if err := view("db.x", "y", `[]`); err != nil {
		t.Fatal(err)
	}
	if err := view("db.y", "x", `[]`); err == nil {
		if _, err := s.Documents("db.x"); err == nil {
			t.Error("views of each other have documents")
		}
	}
}

func TestKey(t *testing.T) {
	for _, same := range []string{
		`[1,{'$numberLong':'1'},{'$numberDouble':'1.0'},{'$numberDecimal':'1.00'}]`,
		`[{'$numberDouble':'1e30'},{'$numberDecimal':'1E+30'}]`,
		`[0,{'$numberDouble':'-0.0'},{'$numberDecimal':'0E+10'}]`,
		`[{'$numberDouble':'0.5'},{'$numberDecimal':'0.50'}]`,
	} {
		values := list(t, same)
		for _, v := range values[1:] {
			if Key(v) != Key(values[0]) {
				t.Errorf("%s: %v differs", same, v)
			}
		}
	}
	different := list(t, `[1,'1',true,null,{'$oid':'000000000000000000000001'},[1],{'a':1},{'$date':{'$numberLong':'1'}},{'$timestamp':{'t':0,'i':1}},{'$minKey':1},{'$maxKey':1}]`)
	seen := map[string]any{}
	for _, v := range different {
		if other, ok := seen[Key(v)]; ok {
			t.Errorf("%v is the same as %v", v, other)
		}
		seen[Key(v)] = v
	}
}

func list(t testing.TB, s string) bson.A {
	t.Helper()
	d, err := decode(raw(t, `{'l':`+s+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return d[0].Value.(bson.A)
}
