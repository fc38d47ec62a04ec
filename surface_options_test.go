package mgx

import (
	"reflect"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// surfaceOptions are all options, with what they change in what is sent.
func surfaceOptions() []surfaceOption {
	return append(append(surfaceQueryOptions(), surfaceWriteOptions()...), surfaceOtherOptions()...)
}

func surfaceQueryOptions() []surfaceOption {
	one := bson.D{{Key: "a", Value: 1}}
	counting := func(stage, value string) sent {
		return sent{
			"aggregate.pipeline.1." + stage: value, "aggregate.pipeline.1.$group._id": gone, "aggregate.pipeline.1.$group.n.$sum": gone,
			"aggregate.pipeline.2.$group._id": "1", "aggregate.pipeline.2.$group.n.$sum": "1",
		}
	}
	inCursor := func(command string) sent {
		return sent{command + ".cursor.batchSize": "5", command + ".cursor": gone, "getMore.batchSize": "5"}
	}
	return []surfaceOption{
		choice("Sort", Sort("-a"), sent{"sort.a": "-1"}).ofStatement(),
		choice("SortBy", SortBy(one), sent{"sort.a": "1"}).ofStatement(),
		choice("Projection", Projection(one), sent{"fields.a": "1"}).
			in("Collection.Find", sent{"find.projection.a": "1"}).
			in("Collection.FindOne", sent{"find.projection.a": "1"}).
			in("FindOne", sent{"find.projection.a": "1"}),
		choice("Limit", Limit(5), sent{"limit": "5"}).in("Collection.CountDocuments", counting("$limit", "5")),
		choice("Skip", Skip(5), sent{"skip": "5"}).in("Collection.CountDocuments", counting("$skip", "5")),
		choice("BatchSize", BatchSize(5), sent{"batchSize": "5"}).andMore(sent{"batchSize": "5"}).
			in("Collection.Aggregate", inCursor("aggregate")).
			in("Collection.Watch", inCursor("aggregate")).
			in("Database.Watch", inCursor("aggregate")).
			in("Client.Watch", inCursor("aggregate")).
			in("Database.Aggregate", inCursor("aggregate")).
			in("Collection.ListSearchIndexes", inCursor("aggregate")).
			in("Collection.Aggregate, with $out", sent{"getMore.batchSize": "5"}).
			in("Collection.ListIndexes", inCursor("listIndexes")).
			in("Database.ListCollections", inCursor("listCollections")).
			in("Database.ListCollectionNames", inCursor("listCollections")).
			in("Database.RunCursorCommand", sent{"getMore.batchSize": "5"}),
		choice("Hint", Hint("a_1"), sent{"hint": "a_1"}).ofStatement(),
		choice("WithCollation", WithCollation(Collation{Locale: "de"}), sent{"collation.locale": "de"}).ofStatement(),
		choice("Let", Let(one), sent{"let.a": "1"}).
			in("Collection.BulkWrite", sent{"update.let.a": "1", "delete.let.a": "1"}),
		choice("Comment", Comment("why"), sent{"comment": "why"}).andMore(sent{"comment": "why"}).
			in("Collection.Watch", sent{"aggregate.comment": "why", "getMore.comment": "why"}).
			in("Database.Watch", sent{"aggregate.comment": "why", "getMore.comment": "why"}).
			in("Client.Watch", sent{"aggregate.comment": "why", "getMore.comment": "why"}).
			in("Collection.Aggregate, with $out", sent{"aggregate.comment": "why", "getMore.comment": "why"}).
			in("Collection.ListSearchIndexes", sent{"aggregate.comment": "why", "getMore.comment": "why"}).
			in("Collection.ListIndexes", sent{"listIndexes.comment": "why", "getMore.comment": "why"}).
			in("Database.RunCursorCommand", sent{"getMore.comment": "why"}).
			in("Collection.BulkWrite", sent{"insert.comment": "why", "update.comment": "why", "delete.comment": "why"}),
		choice("MaxTime", MaxTime(surfaceTime), sent{"maxTimeMS": "1500"}),
		choice("Timeout", Timeout(0), sent{}),
		choice("WithTimeoutMode", WithTimeoutMode(DefaultTimeoutMode), sent{}),
		choice("AllowDiskUse", AllowDiskUse(false), sent{"allowDiskUse": "false"}),
		choice("AllowPartialResults", AllowPartialResults(), sent{"allowPartialResults": "true"}),
		choice("NoCursorTimeout", NoCursorTimeout(), sent{"noCursorTimeout": "true"}),
		choice("Max", Max(one), sent{"max.a": "1"}),
		choice("Min", Min(one), sent{"min.a": "1"}),
		choice("ReturnKey", ReturnKey(), sent{"returnKey": "true"}),
		choice("ShowRecordID", ShowRecordID(), sent{"showRecordId": "true"}),
		choice("WithCursorType", WithCursorType(TailableAwait), sent{"tailable": "true", "awaitData": "true"}),
		choice("MaxAwaitTime", MaxAwaitTime(surfaceTime), sent{"no": "effect"}).
			in("Collection.Find", sent{}).
			in("Collection.Find, awaiting", sent{"getMore.maxTimeMS": "1500"}).
			in("Collection.Watch", sent{"getMore.maxTimeMS": "1500"}).
			in("Database.Watch", sent{"getMore.maxTimeMS": "1500"}).
			in("Client.Watch", sent{"getMore.maxTimeMS": "1500"}).
			in("Collection.Aggregate", sent{"getMore.maxTimeMS": "1500"}).
			in("Collection.Aggregate, with $out", sent{"getMore.maxTimeMS": "1500"}).
			in("Database.Aggregate", sent{"getMore.maxTimeMS": "1500"}).
			in("Collection.ListSearchIndexes", sent{"getMore.maxTimeMS": "1500"}).
			in("Database.RunCursorCommand", sent{"getMore.maxTimeMS": "1500"}),
		// It says when the next batch is asked for, not how: see TestPrefetch.
		choice("Prefetch", Prefetch(), sent{}),
		choice("Exhaust", Exhaust(), sent{}).in("Collection.Find", sent{"getMore." + flags: "65536"}),
	}
}

func surfaceWriteOptions() []surfaceOption {
	everywhere := func(path, value string, commands ...string) sent {
		s := sent{}
		for _, c := range commands {
			s[c+"."+path] = value
		}
		return s
	}
	const allBulk = "Collection.BulkWrite"
	return []surfaceOption{
		choice("Upsert", Upsert(), sent{"upsert": "true"}).ofStatement(),
		choice("ArrayFilters", ArrayFilters(bson.D{{Key: "e", Value: 1}}), sent{"arrayFilters.0.e": "1"}).ofStatement(),
		choice("ReturnAfter", ReturnAfter(), sent{"new": "true"}),
		choice("Unordered", Unordered(), sent{"ordered": "false"}).in(allBulk, everywhere("ordered", "false", "insert", "update", "delete")),
		choice("BypassDocumentValidation", BypassDocumentValidation(false), sent{"bypassDocumentValidation": "false"}).
			in("Collection.Aggregate", sent{}).in("Database.Aggregate", sent{}).in("Collection.ListSearchIndexes", sent{}).
			in(allBulk, everywhere("bypassDocumentValidation", "false", "insert", "update")),
		choice("RawData", RawData(), sent{"rawData": "true"}).in(allBulk, everywhere("rawData", "true", "insert", "update", "delete")),
		choice("AsRead", AsRead(), sent{}), // it needs something to inherit: see TestRunCommandAsRead
		choice("VerboseResults", VerboseResults(), sent{"errorsOnly": "false"}),
	}
}

func surfaceOtherOptions() []surfaceOption {
	handles := func(o surfaceOption, changes sent) surfaceOption {
		return o.in("Client.Database", changes).in("Database.Collection", changes).in("Database.With", changes).in("Collection.With", changes)
	}
	ts := TimeSeries{TimeField: "t"}
	secondary := WithReadPreference(ReadPreference{Mode: Secondary})
	majority := WithWriteConcern(Majority())
	return []surfaceOption{
		choice("NameOnly", NameOnly(), sent{"nameOnly": "true"}).
			in("Database.ListCollectionNames", sent{}).in("Client.ListDatabaseNames", sent{}), // they ask for it anyway
		choice("AuthorizedOnly", AuthorizedOnly(false), sent{"authorizedCollections": "false"}).
			in("Client.ListDatabases", sent{"listDatabases.authorizedDatabases": "false"}).
			in("Client.ListDatabaseNames", sent{"listDatabases.authorizedDatabases": "false"}),
		handles(choice("WithReadPreference", secondary, sent{"$readPreference.mode": "secondary"}), sent{"find.$readPreference.mode": "secondary"}),
		handles(choice("WithReadConcern", WithReadConcern("local"), sent{"readConcern.level": "local"}), sent{"find.readConcern.level": "local"}),
		handles(choice("WithWriteConcern", majority, sent{"writeConcern.w": "majority"}),
			sent{"insert.writeConcern.w": "majority", "drop.writeConcern.w": "majority"}).
			in("Collection.Aggregate", sent{}).in("Database.Aggregate", sent{}).in("Collection.ListSearchIndexes", sent{}).
			in("Collection.BulkWrite", sent{"insert.writeConcern.w": "majority", "update.writeConcern.w": "majority", "delete.writeConcern.w": "majority"}),
		choice("WithDocumentType", WithDocumentType(reflect.TypeFor[bson.M]()), sent{decoded: "bson.M with a bson.DateTime"}).
			in("Database.ListCollectionNames", sent{}),
		choice("WithTimeLocation", WithTimeLocation(time.UTC), sent{decoded: "bson.D with a time.Time"}).
			in("Database.ListCollectionNames", sent{}),
		choice("FullDocument", FullDocument("updateLookup"), sent{"pipeline.0.$changeStream.fullDocument": "updateLookup"}),
		choice("FullDocumentBeforeChange", FullDocumentBeforeChange("required"), sent{"pipeline.0.$changeStream.fullDocumentBeforeChange": "required"}),
		choice("ResumeAfter", ResumeAfter(bson.D{{Key: "a", Value: 1}}), sent{"pipeline.0.$changeStream.resumeAfter.a": "1"}),
		choice("StartAfter", StartAfter(bson.D{{Key: "a", Value: 1}}), sent{"pipeline.0.$changeStream.startAfter.a": "1"}),
		choice("StartAtOperationTime", StartAtOperationTime(bson.Timestamp{T: 1, I: 2}),
			sent{"pipeline.0.$changeStream.startAtOperationTime": `{"$timestamp":{"t":1,"i":2}}`}),
		choice("ShowExpandedEvents", ShowExpandedEvents(), sent{"pipeline.0.$changeStream.showExpandedEvents": "true"}),
		choice("SplitLargeEvents", SplitLargeEvents(), sent{"pipeline.1.$changeStreamSplitLargeEvent": "{}"}),
		choice("WithDisallowUnknownFields", WithDisallowUnknownFields(true), sent{}), // it needs other documents: see TestDecodingSettings
		choice("WithObjectIDAsHexString", WithObjectIDAsHexString(true), sent{}),     // the same
		choice("WithStrictUTF8", WithStrictUTF8(true), sent{}),                       // it needs other text: see TestTextThatIsNotUTF8
		choice("DropTarget", DropTarget(), sent{"dropTarget": "true"}),
		choice("CommitQuorum", CommitQuorum("majority"), sent{"commitQuorum": "majority"}),
		choice("Capped", Capped(100, 10), sent{"capped": "true", "size": "100", "max": "10"}),
		choice("Validator", Validator(bson.D{{Key: "a", Value: 1}}, "moderate", "warn"),
			sent{"validator.a": "1", "validationLevel": "moderate", "validationAction": "warn"}),
		choice("View", View("on", aStage), sent{"viewOn": "on", "pipeline.0.$match": "{}"}),
		choice("WithTimeSeries", WithTimeSeries(ts), sent{"timeseries.timeField": "t"}),
		choice("ExpireAfter", ExpireAfter(surfaceTime), sent{"expireAfterSeconds": "2"}),
		choice("Clustered", Clustered(bson.D{{Key: "unique", Value: true}}), sent{"clusteredIndex.unique": "true"}),
		choice("EncryptedFields", EncryptedFields(bson.D{{Key: "fields", Value: bson.A{}}}), sent{"encryptedFields.fields": "[]"}).
			in("Database.CreateCollection", sent{
				"create.clusteredIndex.key._id": "1", "create.clusteredIndex.unique": "true", "create.encryptedFields.fields": "{}",
				"createIndexes.$db": "d", "createIndexes.createIndexes": "c",
				"createIndexes.indexes.0.key.__safeContent__": "1", "createIndexes.indexes.0.name": "__safeContent___1",
			}).
			in("Collection.Drop", sent{}), // it drops more: see TestDropEncryptedCollection
		choice("PreAndPostImages", PreAndPostImages(true), sent{"changeStreamPreAndPostImages.enabled": "true"}),
		choice("IndexDefaults", IndexDefaults(bson.D{{Key: "a", Value: 1}}), sent{"indexOptionDefaults.a": "1"}),
		choice("StorageEngine", StorageEngine(bson.D{{Key: "a", Value: 1}}), sent{"storageEngine.a": "1"}),
	}
}
