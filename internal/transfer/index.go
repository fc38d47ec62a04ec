package transfer

import (
	"math"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// index is an index for createIndexes.
type index struct {
	name string
	spec []byte
}

// OwnIndexes are the collection's indexes without those that come with it, which are
// the one of _id and a clustered one.
func (c *Collection) OwnIndexes() []bson.Raw {
	return slices.DeleteFunc(slices.Clone(c.Indexes), comesWithCollection)
}

// indexes are the indexes to make.
func (c *Collection) indexes() []index {
	_, collated := bsonwire.Lookup(c.Options, "collation")
	var list []index
	for _, spec := range c.OwnIndexes() {
		list = append(list, index{stringOf(spec, "name"), indexSpec(spec, collated)})
	}
	return list
}

func comesWithCollection(spec bson.Raw) bool {
	if clustered, ok := bsonwire.Lookup(spec, "clustered"); ok {
		if yes, _ := clustered.AsBool(); yes {
			return true
		}
	}
	return stringOf(spec, "name") == "_id_"
}

// createIndexes is the command that makes indexes.
func createIndexes(collection string, list []index) []byte {
	command, at := bsonwire.Begin(nil)
	command = bsonwire.AppendString(command, "createIndexes", collection)
	command, array := bsonwire.BeginArray(command, "indexes")
	for i := range list {
		command = bsonwire.AppendDocument(command, bsonwire.Index(i), list[i].spec)
	}
	return bsonwire.End(bsonwire.End(command, array), at)
}

// simpleCollation is what an index without a word on collation has.
var simpleCollation = bson.D{{Key: "locale", Value: "simple"}}

// indexSpec returns one index for createIndexes. Left out is the version, which the
// target chooses, the namespace, which servers before 4.4 tell and later ones refuse,
// and dropDups, which no server takes any more. Where the collection has a collation,
// an index without one would get it. What servers once took, and now refuse, is
// written as they understood it.
func indexSpec(spec bson.Raw, collated bool) []byte {
	doc, at := bsonwire.Begin(nil)
	sphere, versioned := false, false
	for r := bsonwire.NewReader(spec); r.Next(); {
		switch key := string(r.Key()); key {
		case "ns", "v", "dropDups":
		case "key":
			doc, sphere = appendKeys(doc, r.Value())
		case "expireAfterSeconds":
			doc = appendExpiry(doc, r.Value())
		default:
			collated = collated && key != "collation"
			versioned = versioned || key == sphereVersion
			doc = bsonwire.AppendValue(doc, key, r.Value())
		}
	}
	if collated {
		simple, err := bson.Marshal(simpleCollation)
		if err == nil {
			doc = bsonwire.AppendDocument(doc, "collation", simple)
		}
	}
	if sphere && !versioned {
		// It is older than versions are, and a new one may refuse its documents.
		doc = bsonwire.AppendInt32(doc, sphereVersion, 1)
	}
	return bsonwire.End(doc, at)
}

const (
	sphere        = "2dsphere"
	sphereVersion = "2dsphereIndexVersion"
)

// appendKeys appends the keys of an index, and reports whether one is of a sphere.
// Servers before 3.4 took any value for a direction, and what was neither a negative
// number nor a text for ascending.
func appendKeys(dst []byte, keys bsonwire.Value) (out []byte, ofSphere bool) {
	doc, ok := keys.AsDocument()
	if !ok {
		return bsonwire.AppendValue(dst, "key", keys), false
	}
	dst, at := bsonwire.BeginDocument(dst, "key")
	for r := bsonwire.NewReader(doc); r.Next(); {
		key, v := string(r.Key()), r.Value()
		kind, isText := v.AsString()
		if isText && kind != "" || v.IsNumber() && !zero(v) {
			dst = bsonwire.AppendValue(dst, key, v)
		} else {
			dst = bsonwire.AppendInt32(dst, key, 1)
		}
		ofSphere = ofSphere || kind == sphere
	}
	return bsonwire.End(dst, at), ofSphere
}

// zero reports whether a number is zero or none.
func zero(v bsonwire.Value) bool {
	if i, ok := v.AsInt64(); ok {
		return i == 0
	}
	if f, ok := v.AsDouble(); ok {
		return f == 0 || math.IsNaN(f)
	}
	d, ok := v.AsDecimal128()
	i, _, err := d.BigInt()
	return ok && (err != nil && d.IsNaN() || err == nil && i.Sign() == 0)
}

// appendExpiry appends after how many seconds documents expire. NaN, which servers
// take for the longest time or for none, and what is longer than that is the longest.
func appendExpiry(dst []byte, v bsonwire.Value) []byte {
	f, ok := v.AsDouble()
	i, whole := v.AsInt64()
	if ok && (math.IsNaN(f) || f > math.MaxInt32) || whole && i > math.MaxInt32 {
		return bsonwire.AppendInt32(dst, "expireAfterSeconds", math.MaxInt32)
	}
	return bsonwire.AppendValue(dst, "expireAfterSeconds", v)
}
