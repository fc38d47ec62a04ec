package unified

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// indexing are the operations about a collection's indexes.
var indexing = map[string]func(r *run, c *mgx.Collection, a *arguments) (result, error){
	"createIndex":    createIndex,
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
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	name, err := c.CreateIndex(r.ctx, index, options...)
	return value(name), err
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
