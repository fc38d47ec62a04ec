package engine

import (
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// The cases are those of jstests/change_streams/expanded_update_description.js, of the
// server's tests of its update nodes, and of the manual's page on update events.
func TestDescribe(t *testing.T) {
	long := strings.Repeat("*", 128)
	for name, c := range map[string]struct {
		old, update    string
		filters        []string
		updated, paths string
		removed        []string
		truncated      []Truncation
	}{
		"whole subdocument":   {old: `{"s":{"x":1,"y":2}}`, update: `{"$set":{"s":{"x":1,"y":3}}}`, updated: `{"s":{"x":1,"y":3}}`},
		"whole array":         {old: `{"a":[1,2,3]}`, update: `{"$set":{"a":[1,2,9]}}`, updated: `{"a":[1,2,9]}`},
		"nested field":        {old: `{"s":{"x":1,"y":2}}`, update: `{"$set":{"s.y":3}}`, updated: `{"s.y":3}`},
		"nothing changed":     {old: `{"s":1,"y":1}`, update: `{"$set":{"s":1,"y":2}}`, updated: `{"y":2}`},
		"created below":       {old: `{"y":1}`, update: `{"$set":{"a.b.c":1,"a.b.d":2}}`, updated: `{"a":{"b":{"c":1,"d":2}}}`},
		"inc":                 {old: `{"n":1}`, update: `{"$inc":{"n":2}}`, updated: `{"n":3}`},
		"unset":               {old: `{"n":1,"m":1}`, update: `{"$unset":{"n":"","z":""}}`, updated: `{}`, removed: []string{"n"}},
		"rename":              {old: `{"n":1}`, update: `{"$rename":{"n":"m"}}`, updated: `{"m":1}`, removed: []string{"n"}},
		"pop":                 {old: `{"a":[1,2,3]}`, update: `{"$pop":{"a":1}}`, updated: `{"a":[1,2]}`},
		"pull":                {old: `{"a":[1,2,3]}`, update: `{"$pull":{"a":2}}`, updated: `{"a":[1,3]}`},
		"addToSet":            {old: `{"a":[1,2]}`, update: `{"$addToSet":{"a":3}}`, updated: `{"a":[1,2,3]}`},
		"push":                {old: `{"a":[1,2]}`, update: `{"$push":{"a":3}}`, updated: `{"a.2":3}`},
		"push each":           {old: `{"a":[1]}`, update: `{"$push":{"a":{"$each":[2,3]}}}`, updated: `{"a.1":2,"a.2":3}`},
		"push to empty":       {old: `{"a":[]}`, update: `{"$push":{"a":3}}`, updated: `{"a":[3]}`},
		"push to none":        {old: `{"y":1}`, update: `{"$push":{"a":3}}`, updated: `{"a":[3]}`},
		"push slice":          {old: `{"a":[1,2]}`, update: `{"$push":{"a":{"$each":[3],"$slice":-2}}}`, updated: `{"a":[2,3]}`},
		"push position":       {old: `{"a":[1,2]}`, update: `{"$push":{"a":{"$each":[3],"$position":0}}}`, updated: `{"a":[3,1,2]}`},
		"element":             {old: `{"a":[1,2]}`, update: `{"$set":{"a.1":5}}`, updated: `{"a.1":5}`},
		"filtered, one":       {old: `{"a":[{"x":1},{"x":2}]}`, update: `{"$set":{"a.$[e].x":9}}`, filters: []string{`{"e.x":2}`}, updated: `{"a.1.x":9}`},
		"filtered, several":   {old: `{"a":[{"x":1},{"x":2}]}`, update: `{"$set":{"a.$[e].x":9}}`, filters: []string{`{"e.x":{"$gt":0}}`}, updated: `{"a":[{"x":9},{"x":9}]}`},
		"all, one changed":    {old: `{"a":[{"x":9},{"x":2}]}`, update: `{"$set":{"a.$[].x":9}}`, updated: `{"a.1":{"x":9}}`},
		"name like an index":  {old: `{"a":[{"1":1}]}`, update: `{"$set":{"a.0.1":2}}`, updated: `{"a.0.1":2}`, paths: `{"a.0.1":["a",0,"1"]}`},
		"numeric name":        {old: `{"a":{"1":1}}`, update: `{"$set":{"a.1":2}}`, updated: `{"a.1":2}`, paths: `{"a.1":["a","1"]}`},
		"pipeline":            {old: `{"s":{"x":1,"y":2,"z":"` + long + `"}}`, update: `[{"$set":{"s.y":3}}]`, updated: `{"s.y":3}`},
		"pipeline, truncated": {old: `{"a":["` + long + `",1]}`, update: `[{"$set":{"a":["` + long + `"]}}]`, updated: `{}`, truncated: []Truncation{{"a", 1}}},
		"pipeline, dotted name": {old: `{"k":"` + long + `","d.o":1}`, update: `[{"$replaceWith":{"$setField":{"field":"d.o","input":"$$ROOT","value":2}}}]`,
			updated: `{"d.o":2}`, paths: `{"d.o":["d.o"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore()
			if _, err := s.Create(&Definition{NS: "a.b"}); err != nil {
				t.Fatal(err)
			}
			op, err := s.Insert("a.b", fromJSON(t, `{"_id":1,`+c.old[1:]), false)
			if err != nil {
				t.Fatal(err)
			}
			var u *Update
			if c.update[0] == '[' {
				stages := fromJSON(t, `{"s":`+c.update+`}`)
				d, _ := decode(stages)
				var list [][]byte
				for _, st := range d[0].Value.(bson.A) {
					raw, _ := encode(st.(bson.D))
					list = append(list, raw)
				}
				u, err = ParsePipelineUpdate(list, nil)
			} else {
				var filters [][]byte
				for _, f := range c.filters {
					filters = append(filters, fromJSON(t, f))
				}
				u, err = ParseUpdate(fromJSON(t, c.update), filters, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			f, _ := ParseFilter(nil, nil, nil)
			raw, _, err := u.Apply(op.New, f)
			if err != nil {
				t.Fatal(err)
			}
			if op, err = s.Update("a.b", op.New, raw, u, f, false); err != nil {
				t.Fatal(err)
			}
			d, err := op.Describe()
			if err != nil || d == nil {
				t.Fatalf("%v %v", d, err)
			}
			if c.paths == "" {
				c.paths = "{}"
			}
			if c.removed == nil {
				c.removed = []string{}
			}
			if c.truncated == nil {
				c.truncated = []Truncation{}
			}
			if got := bson.Raw(d.Updated).String(); got != bson.Raw(fromJSON(t, c.updated)).String() {
				t.Errorf("updated %s, want %s", got, c.updated)
			}
			if got := bson.Raw(d.Paths).String(); got != bson.Raw(fromJSON(t, c.paths)).String() {
				t.Errorf("paths %s, want %s", got, c.paths)
			}
			if !reflect.DeepEqual(d.Removed, c.removed) || !reflect.DeepEqual(d.Truncated, c.truncated) {
				t.Errorf("removed %v, truncated %v", d.Removed, d.Truncated)
			}
		})
	}
}

// A pipeline that leaves less than it changed is told as a replacement.
func TestDescribeReplacingPipeline(t *testing.T) {
	s := NewStore()
	if _, err := s.Create(&Definition{NS: "a.b"}); err != nil {
		t.Fatal(err)
	}
	op, err := s.Insert("a.b", fromJSON(t, `{"_id":1,"x":1}`), false)
	if err != nil {
		t.Fatal(err)
	}
	u, err := ParsePipelineUpdate([][]byte{fromJSON(t, `{"$set":{"x":2}}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := ParseFilter(nil, nil, nil)
	raw, _, _ := u.Apply(op.New, f)
	if op, err = s.Update("a.b", op.New, raw, u, f, false); err != nil {
		t.Fatal(err)
	}
	if d, err := op.Describe(); d != nil || err != nil {
		t.Errorf("%+v %v", d, err)
	}
}

func fromJSON(t *testing.T, s string) []byte {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
