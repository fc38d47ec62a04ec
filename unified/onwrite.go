package unified

import (
	"strconv"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// writes are the writing operations of a collection.
var writes = map[string]func(r *run, c *mgx.Collection, a *arguments) (result, error){
	"insertOne":         insertOne,
	"insertMany":        insertMany,
	"updateOne":         updateOne,
	"updateMany":        updateMany,
	"replaceOne":        replaceOne,
	"deleteOne":         deleteOne,
	"deleteMany":        deleteMany,
	"findOneAndDelete":  findOneAndDelete,
	"findOneAndReplace": findOneAndReplace,
	"findOneAndUpdate":  findOneAndUpdate,
	"bulkWrite":         bulkWrite,
}

func insertOne(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("document"); err != nil {
		return nothing, err
	}
	var doc any
	var options []mgx.InsertOption
	err := a.each(func(key string, v argument) bool {
		if key == "document" {
			doc = v.document()
			return true
		}
		return add(&options, key, v)
	})
	if err != nil {
		return nothing, err
	}
	res, err := c.InsertOne(r.ctx, doc, options...)
	return value(bson.D{{Key: "insertedId", Value: res.InsertedID}, {Key: "acknowledged", Value: res.Acknowledged}}), err
}

func insertMany(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("documents"); err != nil {
		return nothing, err
	}
	var docs bson.A
	var options []mgx.InsertManyOption
	err := a.each(func(key string, v argument) bool {
		switch key {
		case "documents":
			docs = v.list()
		default:
			return add(&options, key, v)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	res, err := c.InsertMany(r.ctx, []any(docs), options...)
	bulk := mgx.BulkWriteResult{InsertedCount: res.InsertedCount, Acknowledged: res.Acknowledged, InsertedIDs: map[int]any{}}
	for i, id := range res.InsertedIDs {
		if id != nil {
			bulk.InsertedIDs[i] = id
		}
	}
	return value(bulkResult(&bulk)), err
}

// changing are the arguments of all operations that change what they find.
type changing struct {
	filter, update any // update: also the replacement
}

// options collects the options of an operation whose arguments are read.
type options[O any] struct {
	c    changing
	list []O
}

// read reads the arguments: the filter, options, and what change knows.
func (o *options[O]) read(a *arguments, change func(key string, v argument) bool) error {
	if err := a.need("filter"); err != nil {
		return err
	}
	return a.each(func(key string, v argument) bool {
		if key == "filter" {
			o.c.filter = v.document()
			return true
		}
		return change(key, v) || add(&o.list, key, v)
	})
}

// readModel is read for a model.
func (o *options[O]) readModel(a *arguments, change func(key string, v argument) bool) error {
	return o.read(a, func(key string, v argument) bool { return key == "namespace" || change(key, v) })
}

func (o *options[O]) updating(key string, v argument) bool {
	if key == "update" {
		o.c.update = v.value
	}
	return key == "update"
}

func (o *options[O]) replacing(key string, v argument) bool {
	if key == "replacement" {
		o.c.update = v.document()
	}
	return key == "replacement"
}

func updateResult(res mgx.UpdateResult, err error) (result, error) {
	d := bson.D{
		{Key: "matchedCount", Value: res.MatchedCount}, {Key: "modifiedCount", Value: res.ModifiedCount},
		{Key: "upsertedCount", Value: res.UpsertedCount}, {Key: "acknowledged", Value: res.Acknowledged},
	}
	if res.UpsertedID != nil {
		d = append(d, bson.E{Key: "upsertedId", Value: res.UpsertedID})
	}
	return value(d), err
}

func updateOne(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.UpdateOption]
	if err := o.read(a, o.updating); err != nil {
		return nothing, err
	}
	return updateResult(c.UpdateOne(r.ctx, o.c.filter, o.c.update, o.list...))
}

func updateMany(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.UpdateManyOption]
	if err := o.read(a, o.updating); err != nil {
		return nothing, err
	}
	return updateResult(c.UpdateMany(r.ctx, o.c.filter, o.c.update, o.list...))
}

func replaceOne(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.ReplaceOption]
	if err := o.read(a, o.replacing); err != nil {
		return nothing, err
	}
	return updateResult(c.ReplaceOne(r.ctx, o.c.filter, o.c.update, o.list...))
}

func noMore(string, argument) bool { return false }

func deleteResult(res mgx.DeleteResult, err error) (result, error) {
	return value(bson.D{{Key: "deletedCount", Value: res.DeletedCount}, {Key: "acknowledged", Value: res.Acknowledged}}), err
}

func deleteOne(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.DeleteOption]
	if err := o.read(a, noMore); err != nil {
		return nothing, err
	}
	return deleteResult(c.DeleteOne(r.ctx, o.c.filter, o.list...))
}

func deleteMany(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.DeleteOption]
	if err := o.read(a, noMore); err != nil {
		return nothing, err
	}
	return deleteResult(c.DeleteMany(r.ctx, o.c.filter, o.list...))
}

func findOneAndDelete(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.FindOneAndDeleteOption]
	if err := o.read(a, noMore); err != nil {
		return nothing, err
	}
	return orNothing(one(c.FindOneAndDelete(r.ctx, o.c.filter, o.list...)))
}

func findOneAndReplace(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.FindOneAndReplaceOption]
	if err := o.read(a, o.replacing); err != nil {
		return nothing, err
	}
	return orNothing(one(c.FindOneAndReplace(r.ctx, o.c.filter, o.c.update, o.list...)))
}

func findOneAndUpdate(r *run, c *mgx.Collection, a *arguments) (result, error) {
	var o options[mgx.FindOneAndUpdateOption]
	if err := o.read(a, o.updating); err != nil {
		return nothing, err
	}
	return orNothing(one(c.FindOneAndUpdate(r.ctx, o.c.filter, o.c.update, o.list...)))
}

func bulkWrite(r *run, c *mgx.Collection, a *arguments) (result, error) {
	if err := a.need("requests"); err != nil {
		return nothing, err
	}
	var models []mgx.WriteModel
	var options []mgx.BulkOption
	err := a.each(func(key string, v argument) bool {
		if key != "requests" {
			return add(&options, key, v)
		}
		for _, item := range v.list() {
			m, err := model(item)
			v.check(err)
			models = append(models, m)
		}
		return true
	})
	if err != nil {
		return nothing, err
	}
	res, err := c.BulkWrite(r.ctx, models, options...)
	return value(bulkResult(&res)), err
}

// model reads one write of a bulk.
func model(item any) (mgx.WriteModel, error) {
	d, ok := item.(bson.D)
	if !ok || len(d) != 1 {
		return mgx.WriteModel{}, malformedf("%s is no write model", show(item))
	}
	spec, _ := d[0].Value.(bson.D)
	a := &arguments{d: spec}
	switch d[0].Key {
	case "insertOne":
		doc, ok := lookup(spec, "document")
		_, named := lookup(spec, "namespace")
		if !ok || len(spec) > 1 && !named || len(spec) > 2 {
			return mgx.WriteModel{}, malformedf("%s inserts something else than a document", show(item))
		}
		return mgx.InsertOneModel(doc), nil
	case "updateOne":
		var o options[mgx.UpdateModelOption]
		err := o.readModel(a, o.updating)
		return mgx.UpdateOneModel(o.c.filter, o.c.update, o.list...), err
	case "updateMany":
		var o options[mgx.UpdateManyModelOption]
		err := o.readModel(a, o.updating)
		return mgx.UpdateManyModel(o.c.filter, o.c.update, o.list...), err
	case "replaceOne":
		var o options[mgx.ReplaceModelOption]
		err := o.readModel(a, o.replacing)
		return mgx.ReplaceOneModel(o.c.filter, o.c.update, o.list...), err
	case "deleteOne":
		var o options[mgx.DeleteModelOption]
		err := o.readModel(a, noMore)
		return mgx.DeleteOneModel(o.c.filter, o.list...), err
	case "deleteMany":
		var o options[mgx.DeleteModelOption]
		err := o.readModel(a, noMore)
		return mgx.DeleteManyModel(o.c.filter, o.list...), err
	}
	return mgx.WriteModel{}, malformedf("there is no write model %q", d[0].Key)
}

func bulkResult(res *mgx.BulkWriteResult) bson.D {
	return bson.D{
		{Key: "insertedCount", Value: res.InsertedCount}, {Key: "matchedCount", Value: res.MatchedCount},
		{Key: "modifiedCount", Value: res.ModifiedCount}, {Key: "deletedCount", Value: res.DeletedCount},
		{Key: "upsertedCount", Value: res.UpsertedCount}, {Key: "insertedIds", Value: byIndex(res.InsertedIDs)},
		{Key: "upsertedIds", Value: byIndex(res.UpsertedIDs)}, {Key: "acknowledged", Value: res.Acknowledged},
	}
}

func byIndex(ids map[int]any) bson.D {
	d := bson.D{}
	for i, id := range ids {
		d = append(d, bson.E{Key: strconv.Itoa(i), Value: id})
	}
	return d
}
