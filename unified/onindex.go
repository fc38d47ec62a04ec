package unified

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// indexing are the operations about a collection's indexes.
var indexing = map[string]func(r *run, c *mgx.Collection, a *arguments) (result, error){
	"createIndex":    createIndex,
	"createIndexes":  createIndexes,
	"dropIndex":      dropIndex,
	"dropIndexes":    dropIndexes,
	"listIndexes":    listIndexes,
	"listIndexNames": listIndexNames,
}

func createIndex(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("keys"); err != nil {
		return nothing, err
	}
	var index mgx.Index
	var options []mgx.CreateIndexOption
	err := a.each(func(key string, v argument) bool {
		return readIndex(&index, key, v) || add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	name, err := c.CreateIndex(r.ctx, index, options...)
	return value(name), err
}

func createIndexes(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("models"); err != nil {
		return nothing, err
	}
	var list []mgx.Index
	var options []mgx.CreateIndexOption
	err := a.each(func(key string, v argument) bool {
		if key != "models" {
			return add(&options, key, v)
		}
		for _, item := range v.list() {
			var index mgx.Index
			model, _ := item.(bson.D)
			v.check((&arguments{d: model}).each(func(key string, v argument) bool { return readIndex(&index, key, v) }))
			list = append(list, index)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	names, err := c.CreateIndexes(r.ctx, list, options...)
	return value(texts(names)), err
}

// readIndex takes one of an index's options, by the names of the specification "Index
// Management". It returns false for what is none.
func readIndex(index *mgx.Index, key string, v argument) bool {
	switch key {
	case "keys":
		index.Keys = v.document()
	case "name":
		index.Name = v.text()
	case "unique":
		index.Unique = v.bool()
	case "sparse":
		index.Sparse = v.bool()
	case "hidden":
		index.Hidden = v.bool()
	case "expireAfterSeconds":
		d := v.seconds()
		index.ExpireAfter = &d
	case "partialFilterExpression":
		index.PartialFilter = v.document()
	case "collation":
		index.Collation = v.document()
	case "wildcardProjection":
		index.WildcardProjection = v.document()
	case "storageEngine":
		index.StorageEngine = v.document()
	case "version":
		index.Extra = append(index.Extra, bson.E{Key: "v", Value: v.value})
	case "background", "bucketSize", "prepareUnique":
		index.Extra = append(index.Extra, bson.E{Key: key, Value: v.value})
	default:
		return readGeoOrText(index, key, v)
	}
	return true
}

// readGeoOrText is readIndex for the options of indexes on text and places.
func readGeoOrText(index *mgx.Index, key string, v argument) bool {
	bound := func() *float64 {
		n, ok := number(v.value)
		if !ok {
			v.from.wrong(key, "a number", v.value)
		}
		return &n
	}
	switch key {
	case "weights":
		index.Weights = v.document()
	case "defaultLanguage", "default_language":
		index.DefaultLanguage = v.text()
	case "languageOverride", "language_override":
		index.LanguageOverride = v.text()
	case "textIndexVersion", "textVersion":
		index.TextVersion = int32(v.int())
	case "2dsphereIndexVersion", "sphereVersion":
		index.SphereVersion = int32(v.int())
	case "bits":
		index.Bits = int32(v.int())
	case "min":
		index.Min = bound()
	case "max":
		index.Max = bound()
	default:
		return false
	}
	return true
}

func dropIndex(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("name"); err != nil {
		return nothing, err
	}
	var name string
	var options []mgx.DropIndexOption
	err := a.each(func(key string, v argument) bool {
		if key == "name" {
			name = v.text()
			return true
		}
		return add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	return nothing, c.DropIndex(r.ctx, name, options...)
}

func dropIndexes(r *run, c *mgx.Collection, a *arguments) (result, error) {
	options, err := only[mgx.DropIndexOption](a)
	if err != nil {
		return nothing, err
	}
	return nothing, c.DropIndexes(r.ctx, options...)
}

func listIndexes(r *run, c *mgx.Collection, a *arguments) (result, error) {
	options, err := only[mgx.ListIndexesOption](a)
	if err != nil {
		return nothing, err
	}
	return all(c.ListIndexes(r.ctx, options...))
}

func listIndexNames(r *run, c *mgx.Collection, a *arguments) (result, error) {
	res, err := listIndexes(r, c, a)
	if err != nil {
		return nothing, err
	}
	names := bson.A{}
	for _, item := range res.value.(bson.A) {
		names = append(names, get[string](item.(bson.D), "name"))
	}
	return value(names), nil
}
