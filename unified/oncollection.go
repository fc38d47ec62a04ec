package unified

import (
	"errors"
	"strings"

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
	case "countDocuments":
		return r.countDocuments(c, a)
	case "estimatedDocumentCount":
		return r.estimatedDocumentCount(c, a)
	case "count", "mapReduce":
		return r.runDeprecated(c, name, a)
	case "distinct":
		return r.distinct(c, a)
	case "rename":
		return nothing, r.rename(c, a)
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
	add := func(o any) { options = append(options, o.(O)) }
	err = a.each(func(key string, v argument) bool {
		switch key {
		case "filter":
			filter = v.document()
		case "sort":
			add(mgx.SortBy(v.document()))
		case "projection":
			add(mgx.Projection(v.document()))
		case "limit":
			add(mgx.Limit(v.int()))
		case "skip":
			add(mgx.Skip(v.int()))
		case "batchSize":
			add(mgx.BatchSize(int32(v.int())))
		case "hint":
			add(mgx.Hint(v.value))
		case "collation":
			add(mgx.WithCollation(v.document()))
		case "let":
			add(mgx.Let(v.document()))
		case "comment":
			add(mgx.Comment(v.value))
		case "maxTimeMS":
			add(mgx.MaxTime(v.milliseconds()))
		default:
			return findingMore(key, v, add)
		}
		return true
	})
	return filter, options, err
}

// findingMore reads the rarer arguments of find.
func findingMore(key string, v argument, add func(any)) bool {
	switch key {
	case "allowDiskUse":
		add(mgx.AllowDiskUse(v.bool()))
	case "allowPartialResults":
		if v.bool() {
			add(mgx.AllowPartialResults())
		}
	case "noCursorTimeout":
		if v.bool() {
			add(mgx.NoCursorTimeout())
		}
	case "max":
		add(mgx.Max(v.document()))
	case "min":
		add(mgx.Min(v.document()))
	case "returnKey":
		if v.bool() {
			add(mgx.ReturnKey())
		}
	case "showRecordId":
		if v.bool() {
			add(mgx.ShowRecordID())
		}
	case "cursorType":
		types := map[string]mgx.CursorType{"nontailable": mgx.NonTailable, "tailable": mgx.Tailable, "tailableawait": mgx.TailableAwait}
		t, ok := types[strings.ToLower(v.text())]
		if !ok {
			v.from.wrong(v.key, "a cursor type", v.value)
		}
		add(mgx.WithCursorType(t))
	case "maxAwaitTimeMS":
		add(mgx.MaxAwaitTime(v.milliseconds()))
	case "rawData":
		if v.bool() {
			add(mgx.RawData())
		}
	default:
		return false
	}
	return true
}

// aggregation reads the arguments of aggregate.
func aggregation(a *arguments) (pipeline any, options []mgx.AggregateOption, err error) {
	if err := a.need("pipeline"); err != nil {
		return nil, nil, err
	}
	add := func(o mgx.AggregateOption) { options = append(options, o) }
	err = a.each(func(key string, v argument) bool {
		switch key {
		case "pipeline":
			pipeline = v.list()
		case "batchSize":
			add(mgx.BatchSize(int32(v.int())))
		case "allowDiskUse":
			add(mgx.AllowDiskUse(v.bool()))
		case "collation":
			add(mgx.WithCollation(v.document()))
		case "hint":
			add(mgx.Hint(v.value))
		case "let":
			add(mgx.Let(v.document()))
		case "comment":
			add(mgx.Comment(v.value))
		case "maxTimeMS":
			add(mgx.MaxTime(v.milliseconds()))
		case "maxAwaitTimeMS":
			add(mgx.MaxAwaitTime(v.milliseconds()))
		case "bypassDocumentValidation":
			add(mgx.BypassDocumentValidation(v.bool()))
		case "rawData":
			if v.bool() {
				add(mgx.RawData())
			}
		default:
			return false
		}
		return true
	})
	return pipeline, options, err
}

func (r *run) countDocuments(c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("filter"); err != nil {
		return nothing, err
	}
	var filter any
	var options []mgx.CountOption
	add := func(o mgx.CountOption) { options = append(options, o) }
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "filter":
			filter = v.document()
		case "limit":
			add(mgx.Limit(v.int()))
		case "skip":
			add(mgx.Skip(v.int()))
		case "hint":
			add(mgx.Hint(v.value))
		case "collation":
			add(mgx.WithCollation(v.document()))
		case "comment":
			add(mgx.Comment(v.value))
		case "maxTimeMS":
			add(mgx.MaxTime(v.milliseconds()))
		case "rawData":
			if v.bool() {
				add(mgx.RawData())
			}
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	n, err := c.CountDocuments(r.ctx, filter, options...)
	return value(n), err
}

func (r *run) estimatedDocumentCount(c *mgx.Collection, a *arguments) (result, error) {
	var options []mgx.EstimatedCountOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "comment":
			options = append(options, mgx.Comment(v.value))
		case "maxTimeMS":
			options = append(options, mgx.MaxTime(v.milliseconds()))
		case "rawData":
			if v.bool() {
				options = append(options, mgx.RawData())
			}
		default:
			return false
		}
		return true
	})
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
		case "rawData":
			if v.bool() {
				options = append(options, mgx.RawData())
			}
		default:
			return false
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
	add := func(o mgx.DistinctOption) { options = append(options, o) }
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "fieldName":
			field = v.text()
		case "filter":
			filter = v.document()
		case "hint":
			add(mgx.Hint(v.value))
		case "collation":
			add(mgx.WithCollation(v.document()))
		case "comment":
			add(mgx.Comment(v.value))
		case "maxTimeMS":
			add(mgx.MaxTime(v.milliseconds()))
		case "rawData":
			if v.bool() {
				add(mgx.RawData())
			}
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	list, err := c.Distinct(r.ctx, field, filter, options...)
	return value(bson.A(list)), err
}

func (r *run) rename(c *mgx.Collection, a *arguments) error {
	if err := a.need("to"); err != nil {
		return err
	}
	var to string
	var options []mgx.RenameOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "to":
			to = v.text()
		case "dropTarget":
			if v.bool() {
				options = append(options, mgx.DropTarget())
			}
		default:
			return false
		}
		return true
	})
	if err != nil {
		return err
	}
	_, err = c.Rename(r.ctx, to, options...)
	return err
}
