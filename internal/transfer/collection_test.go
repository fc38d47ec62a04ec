package transfer

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

func raw(t *testing.T, json string) bson.Raw {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func text(t *testing.T, elements []byte) string {
	t.Helper()
	doc, at := bsonwire.Begin(nil)
	doc = bsonwire.End(append(doc, elements...), at)
	if err := bsonwire.Validate(doc); err != nil {
		t.Fatal(err)
	}
	return bson.Raw(doc).String()
}

func TestAppendCreate(t *testing.T) {
	for _, test := range []struct{ options, want string }{
		{"", `{"create": "c"}`},
		{`{}`, `{"create": "c"}`},
		{`{"capped":true,"size":1024,"max":{"$numberLong":"7"}}`, `{"create": "c","capped": true,"size": {"$numberInt":"1024"},"max": {"$numberLong":"7"}}`},
		{`{"create":"old","temp":false,"autoIndexId":true,"viewOn":"a","pipeline":[]}`, `{"create": "c","viewOn": "a","pipeline": []}`},
	} {
		c := Collection{Name: "c"}
		if test.options != "" {
			c.Options = raw(t, test.options)
		}
		if got := text(t, c.AppendCreate(nil)); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.options, got, test.want)
		}
	}
}

func TestCreateIndexes(t *testing.T) {
	specs := func(list ...string) (all []bson.Raw) {
		for _, s := range list {
			all = append(all, raw(t, s))
		}
		return all
	}
	const id = `{"v":2,"key":{"_id":1},"name":"_id_"}`
	for _, test := range []struct {
		name, options string
		specs         []bson.Raw
		n             int
		want          string
	}{
		{"none", `{}`, specs(id), 0, `{"indexes": []}`},
		{"clustered", `{}`, specs(`{"v":2,"key":{"_id":1},"name":"mine","unique":true,"clustered":true}`), 0, `{"indexes": []}`},
		{"old", `{}`, specs(id, `{"v":1,"ns":"db.c","key":{"a":-1.0},"name":"a_-1","sparse":true}`), 1,
			`{"indexes": [{"key": {"a": {"$numberDouble":"-1.0"}},"name": "a_-1","sparse": true}]}`},
		{"collations", `{"collation":{"locale":"de"}}`,
			specs(id, `{"v":2,"key":{"a":1},"name":"a","collation":{"locale":"fr"}}`, `{"v":2,"key":{"b":1},"name":"b"}`), 2,
			`{"indexes": [{"key": {"a": {"$numberInt":"1"}},"name": "a","collation": {"locale": "fr"}},` +
				`{"key": {"b": {"$numberInt":"1"}},"name": "b","collation": {"locale": "simple"}}]}`},
		{"old directions", `{}`, specs(`{"key":{"a":0,"b":true,"c":"","d":-0.5,"e":{"$numberDouble":"NaN"},"f":{"$numberDecimal":"0"},"g":{"$numberLong":"-1"},"h":null},"name":"x"}`,
			`{"key":{"place":"2dsphere","n":{"$numberDouble":"0.0"}},"name":"y","dropDups":true}`, `{"key":{"place":"2dsphere"},"name":"z","2dsphereIndexVersion":3}`), 3,
			`{"indexes": [{"key": {"a": {"$numberInt":"1"},"b": {"$numberInt":"1"},"c": {"$numberInt":"1"},"d": {"$numberDouble":"-0.5"},"e": {"$numberInt":"1"},` +
				`"f": {"$numberInt":"1"},"g": {"$numberLong":"-1"},"h": {"$numberInt":"1"}},"name": "x"},` +
				`{"key": {"place": "2dsphere","n": {"$numberInt":"1"}},"name": "y","2dsphereIndexVersion": {"$numberInt":"1"}},` +
				`{"key": {"place": "2dsphere"},"name": "z","2dsphereIndexVersion": {"$numberInt":"3"}}]}`},
		{"expiry", `{}`, specs(`{"key":{"a":1},"name":"a","expireAfterSeconds":{"$numberDouble":"NaN"}}`, `{"key":{"b":1},"name":"b","expireAfterSeconds":{"$numberDouble":"1e12"}}`,
			`{"key":{"c":1},"name":"c","expireAfterSeconds":{"$numberDouble":"7"}}`, `{"key":{"d":1},"name":"d","expireAfterSeconds":{"$numberLong":"3000000000"}}`), 4,
			`{"indexes": [{"key": {"a": {"$numberInt":"1"}},"name": "a","expireAfterSeconds": {"$numberInt":"2147483647"}},` +
				`{"key": {"b": {"$numberInt":"1"}},"name": "b","expireAfterSeconds": {"$numberInt":"2147483647"}},` +
				`{"key": {"c": {"$numberInt":"1"}},"name": "c","expireAfterSeconds": {"$numberDouble":"7.0"}},` +
				`{"key": {"d": {"$numberInt":"1"}},"name": "d","expireAfterSeconds": {"$numberInt":"2147483647"}}]}`},
	} {
		c := Collection{Name: "c", Options: raw(t, test.options)}
		c.Indexes = test.specs
		list := c.indexes()
		v, _ := bsonwire.Lookup(createIndexes("c", list), "indexes")
		doc, _ := v.AsArray()
		if got := text(t, bsonwire.AppendArray(nil, "indexes", doc)); got != test.want || len(list) != test.n {
			t.Errorf("%s: %d in %s\nwant %d in %s", test.name, len(list), got, test.n, test.want)
		}
	}
}

func TestInternal(t *testing.T) {
	for name, want := range map[string]bool{"orders": false, "system.views": true, "system.buckets.x": true, "system.js": false, "systems": false} {
		if Internal(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
