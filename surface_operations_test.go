package mgx

import (
	"github.com/mgxdb/mgx/bson"
)

// surfaceOperations are the operations that have options, with what they need.
func surfaceOperations() []surfaceOp {
	return append(append(surfaceReads(), surfaceWrites()...), surfaceRest()...)
}

var (
	aFilter = bson.D{{Key: "x", Value: 1}}
	aChange = bson.D{{Key: "$set", Value: bson.D{{Key: "y", Value: 2}}}}
	aWhole  = bson.D{{Key: "y", Value: 2}}
	aStage  = bson.A{bson.D{{Key: "$match", Value: bson.D{}}}}
	anOut   = bson.A{bson.D{{Key: "$out", Value: "o"}}}
)

func surfaceReads() []surfaceOp {
	ctx := surfaceContext
	aggregate := func(pipeline bson.A) func(s *surface, o ...AggregateOption) (any, error) {
		return func(s *surface, o ...AggregateOption) (any, error) { return first(s.c.Aggregate(ctx, pipeline, o...)) }
	}
	return []surfaceOp{
		offers("Collection.Find", "find", "", func(s *surface, o ...FindOption) (any, error) {
			return first(s.c.Find(ctx, aFilter, o...))
		}),
		offers("Collection.Find, awaiting", "find", "", func(s *surface, o ...FindOption) (any, error) {
			return first(s.c.Find(ctx, aFilter, append([]FindOption{WithCursorType(TailableAwait)}, o...)...))
		}).with("MaxAwaitTime", "MaxTime"),
		offers("Collection.FindOne", "find", "", func(s *surface, o ...FindOneOption) (any, error) {
			return single(s.c.FindOne(ctx, aFilter, o...))
		}),
		offers("FindOne", "find", "", func(s *surface, o ...FindOneOption) (any, error) {
			return FindOne[any](ctx, s.c, aFilter, o...)
		}),
		offers("Collection.CountDocuments", "aggregate", "", func(s *surface, o ...CountOption) (any, error) {
			return nothingOf(s.c.CountDocuments(ctx, aFilter, o...))
		}),
		offers("Collection.EstimatedDocumentCount", "count", "", func(s *surface, o ...EstimatedCountOption) (any, error) {
			return nothingOf(s.c.EstimatedDocumentCount(ctx, o...))
		}),
		offers("Collection.Distinct", "distinct", "", func(s *surface, o ...DistinctOption) (any, error) {
			list, err := s.c.Distinct(ctx, "k", aFilter, o...)
			return list[0], err
		}),
		offers("Distinct", "distinct", "", func(s *surface, o ...DistinctOption) (any, error) {
			list, err := Distinct[any](ctx, s.c, "k", aFilter, o...)
			return list[0], err
		}),
		offers("Collection.Aggregate", "aggregate", "", aggregate(aStage)),
		offers("Collection.Aggregate, with $out", "aggregate", "", aggregate(anOut)),
		offers("Database.Aggregate", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
			return first(s.db.Aggregate(ctx, aStage, o...))
		}),
		offers("Database.Aggregate, with $out", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
			return first(s.db.Aggregate(ctx, anOut, o...))
		}).with("BypassDocumentValidation", "WithWriteConcern"),
		offers("Collection.ListSearchIndexes", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
			return first(s.c.ListSearchIndexes(ctx, "i", o...))
		}),
	}
}

func surfaceWrites() []surfaceOp {
	ctx := surfaceContext
	bulk := func(models ...WriteModel) func(*surface) (any, error) {
		return func(s *surface) (any, error) { return nothingOf(s.c.BulkWrite(ctx, models)) }
	}
	clientBulk := func(s *surface, m WriteModel, o ...ClientBulkOption) (any, error) {
		return nothingOf(s.BulkWrite(ctx, []ClientWrite{{Collection: s.c, Model: m}}, o...))
	}
	return []surfaceOp{
		offers("Collection.InsertOne", "insert", "", func(s *surface, o ...InsertOption) (any, error) {
			return nothingOf(s.c.InsertOne(ctx, aWhole, o...))
		}),
		offers("Collection.InsertMany", "insert", "", func(s *surface, o ...InsertManyOption) (any, error) {
			return nothingOf(s.c.InsertMany(ctx, []bson.D{aWhole}, o...))
		}),
		offers("Collection.UpdateOne", "update", "updates.0", func(s *surface, o ...UpdateOption) (any, error) {
			return nothingOf(s.c.UpdateOne(ctx, aFilter, aChange, o...))
		}),
		offers("Collection.UpdateByID", "update", "updates.0", func(s *surface, o ...UpdateOption) (any, error) {
			return nothingOf(s.c.UpdateByID(ctx, 1, aChange, o...))
		}),
		offers("Collection.UpdateMany", "update", "updates.0", func(s *surface, o ...UpdateManyOption) (any, error) {
			return nothingOf(s.c.UpdateMany(ctx, aFilter, aChange, o...))
		}),
		offers("Collection.ReplaceOne", "update", "updates.0", func(s *surface, o ...ReplaceOption) (any, error) {
			return nothingOf(s.c.ReplaceOne(ctx, aFilter, aWhole, o...))
		}),
		offers("Collection.DeleteOne", "delete", "deletes.0", func(s *surface, o ...DeleteOption) (any, error) {
			return nothingOf(s.c.DeleteOne(ctx, aFilter, o...))
		}),
		offers("Collection.DeleteMany", "delete", "deletes.0", func(s *surface, o ...DeleteOption) (any, error) {
			return nothingOf(s.c.DeleteMany(ctx, aFilter, o...))
		}),
		offers("Collection.FindOneAndDelete", "findAndModify", "", func(s *surface, o ...FindOneAndDeleteOption) (any, error) {
			return single(s.c.FindOneAndDelete(ctx, aFilter, o...))
		}),
		offers("FindOneAndDelete", "findAndModify", "", func(s *surface, o ...FindOneAndDeleteOption) (any, error) {
			return FindOneAndDelete[any](ctx, s.c, aFilter, o...)
		}),
		offers("Collection.FindOneAndReplace", "findAndModify", "", func(s *surface, o ...FindOneAndReplaceOption) (any, error) {
			return single(s.c.FindOneAndReplace(ctx, aFilter, aWhole, o...))
		}),
		offers("FindOneAndReplace", "findAndModify", "", func(s *surface, o ...FindOneAndReplaceOption) (any, error) {
			return FindOneAndReplace[any](ctx, s.c, aFilter, aWhole, o...)
		}),
		offers("Collection.FindOneAndUpdate", "findAndModify", "", func(s *surface, o ...FindOneAndUpdateOption) (any, error) {
			return single(s.c.FindOneAndUpdate(ctx, aFilter, aChange, o...))
		}),
		offers("FindOneAndUpdate", "findAndModify", "", func(s *surface, o ...FindOneAndUpdateOption) (any, error) {
			return FindOneAndUpdate[any](ctx, s.c, aFilter, aChange, o...)
		}),
		offers("Collection.BulkWrite", "", "", func(s *surface, o ...BulkOption) (any, error) {
			return nothingOf(s.c.BulkWrite(ctx, []WriteModel{
				InsertOneModel(aWhole), UpdateOneModel(aFilter, aChange), DeleteOneModel(aFilter),
			}, o...))
		}),
		offers("Client.BulkWrite", "bulkWrite", "", func(s *surface, o ...ClientBulkOption) (any, error) {
			return clientBulk(s, InsertOneModel(aWhole), o...)
		}),
		offers("UpdateOneModel", "update", "updates.0", func(s *surface, o ...UpdateModelOption) (any, error) {
			return bulk(UpdateOneModel(aFilter, aChange, o...))(s)
		}),
		offers("UpdateOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...UpdateModelOption) (any, error) {
			return clientBulk(s, UpdateOneModel(aFilter, aChange, o...))
		}),
		offers("UpdateManyModel", "update", "updates.0", func(s *surface, o ...UpdateManyModelOption) (any, error) {
			return bulk(UpdateManyModel(aFilter, aChange, o...))(s)
		}),
		offers("UpdateManyModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...UpdateManyModelOption) (any, error) {
			return clientBulk(s, UpdateManyModel(aFilter, aChange, o...))
		}),
		offers("ReplaceOneModel", "update", "updates.0", func(s *surface, o ...ReplaceModelOption) (any, error) {
			return bulk(ReplaceOneModel(aFilter, aWhole, o...))(s)
		}),
		offers("ReplaceOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...ReplaceModelOption) (any, error) {
			return clientBulk(s, ReplaceOneModel(aFilter, aWhole, o...))
		}),
		offers("DeleteOneModel", "delete", "deletes.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return bulk(DeleteOneModel(aFilter, o...))(s)
		}),
		offers("DeleteOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return clientBulk(s, DeleteOneModel(aFilter, o...))
		}),
		offers("DeleteManyModel", "delete", "deletes.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return bulk(DeleteManyModel(aFilter, o...))(s)
		}),
		offers("DeleteManyModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return clientBulk(s, DeleteManyModel(aFilter, o...))
		}),
	}
}

func surfaceRest() []surfaceOp {
	ctx := surfaceContext
	// through uses a handle for what handles have an influence on.
	through := func(c *Collection) (any, error) {
		if _, err := c.InsertOne(ctx, aWhole); err != nil {
			return nil, err
		}
		if err := c.Drop(ctx); err != nil {
			return nil, err
		}
		return single(c.FindOne(ctx, aFilter))
	}
	return []surfaceOp{
		offers("Database.CreateCollection", "create", "", func(s *surface, o ...CreateCollectionOption) (any, error) {
			return only(s.db.CreateCollection(ctx, "c", o...))
		}),
		offers("Database.ModifyCollection", "collMod", "", func(s *surface, o ...ModifyCollectionOption) (any, error) {
			return only(s.db.ModifyCollection(ctx, "c", bson.D{{Key: "validationLevel", Value: "off"}}, o...))
		}),
		offers("Collection.Rename", "renameCollection", "", func(s *surface, o ...RenameOption) (any, error) {
			return nothingOf(s.c.Rename(ctx, "b", o...))
		}),
		offers("Collection.Drop", "drop", "", func(s *surface, o ...DropCollectionOption) (any, error) { return only(s.c.Drop(ctx, o...)) }),
		offers("Database.Drop", "dropDatabase", "", func(s *surface, o ...DropOption) (any, error) { return only(s.db.Drop(ctx, o...)) }),
		offers("Client.DropDatabase", "dropDatabase", "", func(s *surface, o ...DropOption) (any, error) {
			return only(s.DropDatabase(ctx, "d", o...))
		}),
		offers("Collection.CreateIndex", "createIndexes", "", func(s *surface, o ...CreateIndexOption) (any, error) {
			return nothingOf(s.c.CreateIndex(ctx, Index{Keys: Keys("a")}, o...))
		}),
		offers("Collection.CreateIndexes", "createIndexes", "", func(s *surface, o ...CreateIndexOption) (any, error) {
			return nothingOf(s.c.CreateIndexes(ctx, []Index{{Keys: Keys("a")}, {Keys: Keys("b")}}, o...))
		}),
		offers("Collection.DropIndex", "dropIndexes", "", func(s *surface, o ...DropIndexOption) (any, error) {
			return only(s.c.DropIndex(ctx, "a_1", o...))
		}),
		offers("Collection.DropIndexByKeys", "dropIndexes", "", func(s *surface, o ...DropIndexOption) (any, error) {
			return only(s.c.DropIndexByKeys(ctx, Keys("a"), o...))
		}),
		offers("Collection.DropIndexes", "dropIndexes", "", func(s *surface, o ...DropIndexOption) (any, error) {
			return only(s.c.DropIndexes(ctx, o...))
		}),
		offers("Collection.ListIndexes", "listIndexes", "", func(s *surface, o ...ListIndexesOption) (any, error) {
			return first(s.c.ListIndexes(ctx, o...))
		}),
		offers("Database.ListCollections", "listCollections", "", func(s *surface, o ...ListCollectionsOption) (any, error) {
			return first(s.db.ListCollections(ctx, aFilter, o...))
		}),
		offers("Database.ListCollectionNames", "listCollections", "", func(s *surface, o ...ListCollectionsOption) (any, error) {
			return nothingOf(s.db.ListCollectionNames(ctx, nil, o...))
		}),
		offers("Client.ListDatabases", "listDatabases", "", func(s *surface, o ...ListDatabasesOption) (any, error) {
			return nothingOf(s.ListDatabases(ctx, aFilter, o...))
		}),
		offers("Client.ListDatabaseNames", "listDatabases", "", func(s *surface, o ...ListDatabasesOption) (any, error) {
			return nothingOf(s.ListDatabaseNames(ctx, aFilter, o...))
		}),
		offers("Database.RunCommand", "custom", "", func(s *surface, o ...RunCommandOption) (any, error) {
			v, err := single(s.db.RunCommand(ctx, bson.D{{Key: "custom", Value: 1}}, o...))
			if d, ok := v.(bson.D); ok && err == nil {
				return d[3].Value, nil // a document of the reply, as other operations return
			}
			return v.(bson.M)["value"], err
		}),
		offers("Database.RunCursorCommand", "customs", "", func(s *surface, o ...RunCursorOption) (any, error) {
			return first(s.db.RunCursorCommand(ctx, bson.D{{Key: "customs", Value: 1}}, o...))
		}),
		offers("Collection.Watch", "aggregate", "", func(s *surface, o ...WatchOption) (any, error) {
			return changes(s.c.Watch(ctx, nil, o...))
		}),
		offers("Database.Watch", "aggregate", "", func(s *surface, o ...WatchOption) (any, error) {
			return changes(s.db.Watch(ctx, nil, o...))
		}),
		offers("Client.Watch", "aggregate", "", func(s *surface, o ...WatchOption) (any, error) {
			return changes(s.Watch(ctx, nil, o...))
		}),
		offers("Client.Database", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.Database("d", o...).Collection("c"))
		}),
		offers("Database.Collection", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.db.Collection("c", o...))
		}),
		offers("Database.With", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.db.With(o...).Collection("c"))
		}),
		offers("Collection.With", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.c.With(o...))
		}),
	}
}
