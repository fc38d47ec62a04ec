package unified

import (
	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// searching are the operations about a collection's search indexes.
var searching = map[string]func(r *run, c *mgx.Collection, a *arguments) (result, error){
	"createSearchIndex":   createSearchIndex,
	"createSearchIndexes": createSearchIndexes,
	"updateSearchIndex":   updateSearchIndex,
	"dropSearchIndex":     dropSearchIndex,
	"listSearchIndexes":   listSearchIndexes,
}

func createSearchIndex(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("model"); err != nil {
		return nothing, err
	}
	var index mgx.SearchIndex
	err := a.each(func(key string, v argument) bool {
		index = searchIndex(v, v.document())
		return key == "model"
	})
	if err != nil {
		return nothing, err
	}
	name, err := c.CreateSearchIndex(r.ctx, index)
	return value(name), err
}

func createSearchIndexes(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("models"); err != nil {
		return nothing, err
	}
	var list []mgx.SearchIndex
	err := a.each(func(key string, v argument) bool {
		for _, item := range v.list() {
			spec, _ := item.(bson.D)
			list = append(list, searchIndex(v, spec))
		}
		return key == "models"
	})
	if err != nil {
		return nothing, err
	}
	names, err := c.CreateSearchIndexes(r.ctx, list)
	return value(texts(names)), err
}

func searchIndex(v argument, spec bson.D) mgx.SearchIndex {
	var index mgx.SearchIndex
	v.check((&arguments{d: spec}).each(func(key string, x argument) bool {
		switch key {
		case "name":
			index.Name = x.text()
		case "type":
			index.Type = x.text()
		case "definition":
			index.Definition = x.document()
		default:
			return false
		}
		return true
	}))
	return index
}

func updateSearchIndex(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("name", "definition"); err != nil {
		return nothing, err
	}
	var name string
	var definition bson.D
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "name":
			name = v.text()
		case "definition":
			definition = v.document()
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	return nothing, c.UpdateSearchIndex(r.ctx, name, definition)
}

func dropSearchIndex(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("name"); err != nil {
		return nothing, err
	}
	var name string
	err := a.each(func(key string, v argument) bool {
		name = v.text()
		return key == "name"
	})
	if err != nil {
		return nothing, err
	}
	return nothing, c.DropSearchIndex(r.ctx, name)
}

func listSearchIndexes(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var name string
	var options []mgx.AggregateOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "name":
			name = v.text()
		case "aggregationOptions":
			_, o, err := aggregation(&arguments{d: append(bson.D{{Key: "pipeline", Value: bson.A{}}}, v.document()...)})
			v.check(err)
			options = o
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	return all(c.ListSearchIndexes(r.ctx, name, options...))
}
