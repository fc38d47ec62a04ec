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
		operation("Collection.Find", "find", "", func(s *surface, o ...FindOption) (any, error) {
			return first(s.c.Find(ctx, aFilter, o...))
		}),
		operation("Collection.Find, awaiting", "find", "", func(s *surface, o ...FindOption) (any, error) {
			return first(s.c.Find(ctx, aFilter, append([]FindOption{WithCursorType(TailableAwait)}, o...)...))
		}).with("MaxAwaitTime", "MaxTime"),
		operation("Collection.FindOne", "find", "", func(s *surface, o ...FindOneOption) (any, error) {
			return single(s.c.FindOne(ctx, aFilter, o...))
		}),
		operation("FindOne", "find", "", func(s *surface, o ...FindOneOption) (any, error) {
			return FindOne[any](ctx, s.c, aFilter, o...)
		}),
		operation("Collection.CountDocuments", "aggregate", "", func(s *surface, o ...CountOption) (any, error) {
			return nothingOf(s.c.CountDocuments(ctx, aFilter, o...))
		}),
		operation("Collection.EstimatedDocumentCount", "count", "", func(s *surface, o ...EstimatedCountOption) (any, error) {
			return nothingOf(s.c.EstimatedDocumentCount(ctx, o...))
		}),
		operation("Collection.Distinct", "distinct", "", func(s *surface, o ...DistinctOption) (any, error) {
			list, err := s.c.Distinct(ctx, "k", aFilter, o...)
			return list[0], err
		}),
		operation("Distinct", "distinct", "", func(s *surface, o ...DistinctOption) (any, error) {
			list, err := Distinct[any](ctx, s.c, "k", aFilter, o...)
			return list[0], err
		}),
		operation("Collection.Aggregate", "aggregate", "", aggregate(aStage)),
		operation("Collection.Aggregate, with $out", "aggregate", "", aggregate(anOut)),
		operation("Database.Aggregate", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
			return first(s.db.Aggregate(ctx, aStage, o...))
		}),
		operation("Database.Aggregate, with $out", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
			return first(s.db.Aggregate(ctx, anOut, o...))
		}).with("BypassDocumentValidation", "WithWriteConcern"),
		operation("Collection.ListSearchIndexes", "aggregate", "", func(s *surface, o ...AggregateOption) (any, error) {
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
		operation("Collection.InsertOne", "insert", "", func(s *surface, o ...InsertOption) (any, error) {
			return nothingOf(s.c.InsertOne(ctx, aWhole, o...))
		}),
		operation("Collection.InsertMany", "insert", "", func(s *surface, o ...InsertManyOption) (any, error) {
			return nothingOf(s.c.InsertMany(ctx, []bson.D{aWhole}, o...))
		}),
		operation("Collection.UpdateOne", "update", "updates.0", func(s *surface, o ...UpdateOption) (any, error) {
			return nothingOf(s.c.UpdateOne(ctx, aFilter, aChange, o...))
		}),
		operation("Collection.UpdateMany", "update", "updates.0", func(s *surface, o ...UpdateManyOption) (any, error) {
			return nothingOf(s.c.UpdateMany(ctx, aFilter, aChange, o...))
		}),
		operation("Collection.ReplaceOne", "update", "updates.0", func(s *surface, o ...ReplaceOption) (any, error) {
			return nothingOf(s.c.ReplaceOne(ctx, aFilter, aWhole, o...))
		}),
		operation("Collection.DeleteOne", "delete", "deletes.0", func(s *surface, o ...DeleteOption) (any, error) {
			return nothingOf(s.c.DeleteOne(ctx, aFilter, o...))
		}),
		operation("Collection.DeleteMany", "delete", "deletes.0", func(s *surface, o ...DeleteOption) (any, error) {
			return nothingOf(s.c.DeleteMany(ctx, aFilter, o...))
		}),
		operation("Collection.FindOneAndDelete", "findAndModify", "", func(s *surface, o ...FindOneAndDeleteOption) (any, error) {
			return single(s.c.FindOneAndDelete(ctx, aFilter, o...))
		}),
		operation("Collection.FindOneAndReplace", "findAndModify", "", func(s *surface, o ...FindOneAndReplaceOption) (any, error) {
			return single(s.c.FindOneAndReplace(ctx, aFilter, aWhole, o...))
		}),
		operation("Collection.FindOneAndUpdate", "findAndModify", "", func(s *surface, o ...FindOneAndUpdateOption) (any, error) {
			return single(s.c.FindOneAndUpdate(ctx, aFilter, aChange, o...))
		}),
		operation("Collection.BulkWrite", "", "", func(s *surface, o ...BulkOption) (any, error) {
			return nothingOf(s.c.BulkWrite(ctx, []WriteModel{
				InsertOneModel(aWhole), UpdateOneModel(aFilter, aChange), DeleteOneModel(aFilter),
			}, o...))
		}),
		operation("Client.BulkWrite", "bulkWrite", "", func(s *surface, o ...ClientBulkOption) (any, error) {
			return clientBulk(s, InsertOneModel(aWhole), o...)
		}),
		operation("UpdateOneModel", "update", "updates.0", func(s *surface, o ...UpdateModelOption) (any, error) {
			return bulk(UpdateOneModel(aFilter, aChange, o...))(s)
		}),
		operation("UpdateOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...UpdateModelOption) (any, error) {
			return clientBulk(s, UpdateOneModel(aFilter, aChange, o...))
		}),
		operation("UpdateManyModel", "update", "updates.0", func(s *surface, o ...UpdateManyModelOption) (any, error) {
			return bulk(UpdateManyModel(aFilter, aChange, o...))(s)
		}),
		operation("UpdateManyModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...UpdateManyModelOption) (any, error) {
			return clientBulk(s, UpdateManyModel(aFilter, aChange, o...))
		}),
		operation("ReplaceOneModel", "update", "updates.0", func(s *surface, o ...ReplaceModelOption) (any, error) {
			return bulk(ReplaceOneModel(aFilter, aWhole, o...))(s)
		}),
		operation("ReplaceOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...ReplaceModelOption) (any, error) {
			return clientBulk(s, ReplaceOneModel(aFilter, aWhole, o...))
		}),
		operation("DeleteOneModel", "delete", "deletes.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return bulk(DeleteOneModel(aFilter, o...))(s)
		}),
		operation("DeleteOneModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return clientBulk(s, DeleteOneModel(aFilter, o...))
		}),
		operation("DeleteManyModel", "delete", "deletes.0", func(s *surface, o ...DeleteModelOption) (any, error) {
			return bulk(DeleteManyModel(aFilter, o...))(s)
		}),
		operation("DeleteManyModel, of a client", "bulkWrite", "ops.0", func(s *surface, o ...DeleteModelOption) (any, error) {
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
		operation("Database.CreateCollection", "create", "", func(s *surface, o ...CreateCollectionOption) (any, error) {
			return only(s.db.CreateCollection(ctx, "c", o...))
		}),
		operation("Database.ModifyCollection", "collMod", "", func(s *surface, o ...ModifyCollectionOption) (any, error) {
			return only(s.db.ModifyCollection(ctx, "c", bson.D{{Key: "validationLevel", Value: "off"}}, o...))
		}),
		operation("Collection.Rename", "renameCollection", "", func(s *surface, o ...RenameOption) (any, error) {
			return nothingOf(s.c.Rename(ctx, "b", o...))
		}),
		operation("Collection.Drop", "drop", "", func(s *surface, o ...DropOption) (any, error) { return only(s.c.Drop(ctx, o...)) }),
		operation("Database.Drop", "dropDatabase", "", func(s *surface, o ...DropOption) (any, error) { return only(s.db.Drop(ctx, o...)) }),
		operation("Client.DropDatabase", "dropDatabase", "", func(s *surface, o ...DropOption) (any, error) {
			return only(s.DropDatabase(ctx, "d", o...))
		}),
		operation("Collection.CreateIndex", "createIndexes", "", func(s *surface, o ...CreateIndexOption) (any, error) {
			return nothingOf(s.c.CreateIndex(ctx, Index{Keys: Keys("a")}, o...))
		}),
		operation("Collection.CreateIndexes", "createIndexes", "", func(s *surface, o ...CreateIndexOption) (any, error) {
			return nothingOf(s.c.CreateIndexes(ctx, []Index{{Keys: Keys("a")}, {Keys: Keys("b")}}, o...))
		}),
		operation("Collection.DropIndex", "dropIndexes", "", func(s *surface, o ...DropIndexOption) (any, error) {
			return only(s.c.DropIndex(ctx, "a_1", o...))
		}),
		operation("Collection.DropIndexes", "dropIndexes", "", func(s *surface, o ...DropIndexOption) (any, error) {
			return only(s.c.DropIndexes(ctx, o...))
		}),
		operation("Collection.ListIndexes", "listIndexes", "", func(s *surface, o ...ListIndexesOption) (any, error) {
			return first(s.c.ListIndexes(ctx, o...))
		}),
		operation("Database.ListCollections", "listCollections", "", func(s *surface, o ...ListCollectionsOption) (any, error) {
			return first(s.db.ListCollections(ctx, aFilter, o...))
		}),
		operation("Database.ListCollectionNames", "listCollections", "", func(s *surface, o ...ListCollectionsOption) (any, error) {
			return nothingOf(s.db.ListCollectionNames(ctx, nil, o...))
		}),
		operation("Client.ListDatabases", "listDatabases", "", func(s *surface, o ...ListDatabasesOption) (any, error) {
			return nothingOf(s.ListDatabases(ctx, aFilter, o...))
		}),
		operation("Client.ListDatabaseNames", "listDatabases", "", func(s *surface, o ...ListDatabasesOption) (any, error) {
			return nothingOf(s.ListDatabaseNames(ctx, aFilter, o...))
		}),
		operation("Database.RunCommand", "custom", "", func(s *surface, o ...RunCommandOption) (any, error) {
			v, err := single(s.db.RunCommand(ctx, bson.D{{Key: "custom", Value: 1}}, o...))
			if d, ok := v.(bson.D); ok && err == nil {
				return d[3].Value, nil // a document of the reply, as other operations return
			}
			return v.(bson.M)["value"], err
		}),
		operation("Database.RunCursorCommand", "customs", "", func(s *surface, o ...RunCursorOption) (any, error) {
			return first(s.db.RunCursorCommand(ctx, bson.D{{Key: "customs", Value: 1}}, o...))
		}),
		operation("Client.Database", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.Database("d", o...).Collection("c"))
		}),
		operation("Database.Collection", "", "", func(s *surface, o ...HandleOption) (any, error) {
			return through(s.db.Collection("c", o...))
		}),
	}
}
