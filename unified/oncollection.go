package unified

import (
	"errors"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// onCollection runs an operation on a collection.
func (r *run) onCollection(c *mgx.Collection, name string, a *arguments) (result, error) {
	switch name {
	case "find":
		filter, options, err := finding[mgx.FindOption](a)
		if err != nil {
			return nothing, err
		}
		return all(c.Find(r.ctx, filter, options...))
	case "findOne":
		filter, options, err := finding[mgx.FindOneOption](a)
		if err != nil {
			return nothing, err
		}
		return orNothing(one(c.FindOne(r.ctx, filter, options...)))
	case "createFindCursor":
		filter, options, err := finding[mgx.FindOption](a)
		if err != nil {
			return nothing, err
		}
		return opened(c.Find(r.ctx, filter, options...))
	case "aggregate":
		pipeline, options, err := aggregation(a)
		if err != nil {
			return nothing, err
		}
		return all(c.Aggregate(r.ctx, pipeline, options...))
	case "createChangeStream":
		return r.watch(c.Watch, a)
	case "countDocuments":
		return r.countDocuments(c, a)
	case "estimatedDocumentCount":
		return r.estimatedDocumentCount(c, a)
	case "count", "mapReduce":
		return r.runDeprecated(c, name, a)
	case "distinct":
		return r.distinct(c, a)
	case "rename":
		return r.rename(c, a)
	case "drop":
		return nothing, r.drop(c, a)
	}
	if write, ok := writes[name]; ok {
		return write(r, c, a)
	}
	if manage, ok := indexing[name]; ok {
		return manage(r, c, a)
	}
	if search, ok := searching[name]; ok {
		return search(r, c, a)
	}
	return nothing, unknown("collection", name)
}

// orNothing makes a document that is not there a result, not an error.
func orNothing(res result, err error) (result, error) {
	if errors.Is(err, mgx.ErrNoDocuments) {
		return nothing, nil
	}
	return res, err
}

// finding reads the arguments of find and findOne.
func finding[O any](a *arguments) (filter any, options []O, err error) {
	if err := a.need("filter"); err != nil {
		return nil, nil, err
	}
	err = a.each(func(key string, v argument) bool {
		if key == "filter" {
			filter = v.document()
			return true
		}
		return add(&options, key, v)
	})
	return filter, options, err
}

// aggregation reads the arguments of aggregate.
func aggregation(a *arguments) (pipeline any, options []mgx.AggregateOption, err error) {
	if err := a.need("pipeline"); err != nil {
		return nil, nil, err
	}
	err = a.each(func(key string, v argument) bool {
		if key == "pipeline" {
			pipeline = v.list()
			return true
		}
		return add(&options, key, v)
	})
	return pipeline, options, err
}

// only reads the arguments of operations that have none but options.
func only[O any](a *arguments) (options []O, err error) {
	err = a.each(func(key string, v argument) bool { return add(&options, key, v) })
	return options, err
}

func (r *run) countDocuments(c *mgx.Collection, a *arguments) (result, error) {
	filter, options, err := finding[mgx.CountOption](a)
	if err != nil {
		return nothing, err
	}
	n, err := c.CountDocuments(r.ctx, filter, options...)
	return value(n), err
}

func (r *run) estimatedDocumentCount(c *mgx.Collection, a *arguments) (result, error) {
	options, err := only[mgx.EstimatedCountOption](a)
	if err != nil {
		return nothing, err
	}
	n, err := c.EstimatedDocumentCount(r.ctx, options...)
	return value(n), err
}

// runDeprecated runs an operation that mgx has no method for, as a command. The
// specification "Retryable Reads" wants count to be retried and mapReduce not.
func (r *run) runDeprecated(c *mgx.Collection, name string, a *arguments) (result, error) {
	command := bson.D{{Key: name, Value: c.Name()}}
	field := "results"
	var options []mgx.RunCommandOption
	if name == "count" {
		field = "n"
		options = append(options, mgx.AsRead())
	}
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "filter":
			command = append(command, bson.E{Key: "query", Value: v.document()})
		case "limit", "skip", "hint", "collation", "comment", "maxTimeMS", "map", "reduce", "out":
			command = append(command, bson.E{Key: key, Value: v.value})
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	var reply bson.D
	if err := c.Database().RunCommand(r.ctx, command, options...).Decode(&reply); err != nil {
		return nothing, err
	}
	v, ok := lookup(reply, field)
	return result{value: v, found: ok}, nil
}

func (r *run) distinct(c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("fieldName", "filter"); err != nil {
		return nothing, err
	}
	var field string
	var filter any
	var options []mgx.DistinctOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "fieldName":
			field = v.text()
		case "filter":
			filter = v.document()
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	list, err := c.Distinct(r.ctx, field, filter, options...)
	return value(bson.A(list)), err
}

func (r *run) rename(c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("to"); err != nil {
		return nothing, err
	}
	var to string
	var options []mgx.RenameOption
	err := a.each(func(key string, v argument) bool {
		if key == "to" {
			to = v.text()
			return true
		}
		return add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	renamed, err := c.Rename(r.ctx, to, options...)
	return result{save: renamed}, err
}

func (r *run) drop(c *mgx.Collection, a *arguments) error {
	options, err := only[mgx.DropCollectionOption](a)
	if err != nil {
		return err
	}
	return c.Drop(r.ctx, options...)
}
