// Package catalog turns what a server says of collections and indexes into the
// commands that make the same ones somewhere else: bytes in, bytes out.
package catalog

import (
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// Collection is a collection or view as listCollections describes it.
type Collection struct {
	Name    string   `bson:"name"`
	Type    string   `bson:"type"`
	Options bson.Raw `bson:"options"`
	Info    struct {
		UUID bson.Binary `bson:"uuid"`
	} `bson:"info"`
}

// View tells whether it is a view.
func (c *Collection) View() bool { return c.Type == "view" }

// TimeSeries tells whether it is a time series collection.
func (c *Collection) TimeSeries() bool { return c.Type == "timeseries" }

// Internal tells whether a collection of this name is the server's own: views are
// in system.views, measurements of time series in system.buckets. Stored functions,
// in system.js, are their users'.
func Internal(name string) bool {
	return strings.HasPrefix(name, "system.") && name != "system.js"
}

// createIgnored are options that servers told of in the past, and that a create
// command does not take any more.
var createIgnored = []string{"create", "autoIndexId", "temp", "uuid"}

// AppendCreate appends the fields of a create command for the collection.
func (c *Collection) AppendCreate(dst []byte) []byte {
	dst = bsonwire.AppendString(dst, "create", c.Name)
	for r := bsonwire.NewReader(c.Options); r.Next(); {
		if key := string(r.Key()); !slices.Contains(createIgnored, key) {
			dst = bsonwire.AppendValue(dst, key, r.Value())
		}
	}
	return dst
}

// AppendIndexes appends an array of indexes, as createIndexes takes it, and returns
// how many there are in it: specs as listIndexes describes them, without those that
// come with the collection, which are the one of _id and a clustered one.
func (c *Collection) AppendIndexes(dst []byte, key string, specs []bson.Raw) ([]byte, int) {
	_, collated := bsonwire.Lookup(c.Options, "collation")
	dst, at := bsonwire.BeginArray(dst, key)
	n := 0
	for _, spec := range specs {
		if comesWithCollection(spec) {
			continue
		}
		dst = bsonwire.AppendDocument(dst, bsonwire.Index(n), indexSpec(spec, collated))
		n++
	}
	return bsonwire.End(dst, at), n
}

func comesWithCollection(spec bson.Raw) bool {
	if clustered, ok := bsonwire.Lookup(spec, "clustered"); ok {
		if yes, _ := clustered.AsBool(); yes {
			return true
		}
	}
	name, _ := bsonwire.Lookup(spec, "name")
	s, _ := name.AsString()
	return s == "_id_"
}

// simpleCollation is what an index without a word on collation has.
var simpleCollation = bson.D{{"locale", "simple"}}

// indexSpec returns one index for createIndexes. Left out is the version, which the
// target chooses, and the namespace, which servers before 4.4 tell and later ones
// refuse. Where the collection has a collation, an index without one would get it.
func indexSpec(spec bson.Raw, collated bool) []byte {
	doc, at := bsonwire.Begin(nil)
	for r := bsonwire.NewReader(spec); r.Next(); {
		key := string(r.Key())
		if key == "collation" {
			collated = false
		}
		if key != "ns" && key != "v" {
			doc = bsonwire.AppendValue(doc, key, r.Value())
		}
	}
	if collated {
		simple, err := bson.Marshal(simpleCollation)
		if err == nil {
			doc = bsonwire.AppendDocument(doc, "collation", simple)
		}
	}
	return bsonwire.End(doc, at)
}
