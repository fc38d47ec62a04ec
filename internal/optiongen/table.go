package main

// operation is a type of options, with the calls that take it.
type operation struct {
	// name is the type's name without "Option".
	name string
	// of says in the type's comment what its options are of.
	of string
	// calls are the functions and methods that take the options, with the command
	// that each runs.
	calls []call
}

type call struct {
	name    string
	command string // "": several, or none of its own
}

// operations are in the order of the page.
var operations = []operation{
	{"Find", "Find", []call{{"Collection.Find", "find"}}},
	{"FindOne", "FindOne", []call{{"Collection.FindOne", "find"}, {"FindOne", "find"}}},
	{"Count", "CountDocuments", []call{{"Collection.CountDocuments", "aggregate"}}},
	{"EstimatedCount", "EstimatedDocumentCount", []call{{"Collection.EstimatedDocumentCount", "count"}}},
	{"Distinct", "Distinct", []call{{"Collection.Distinct", "distinct"}, {"Distinct", "distinct"}}},
	{"Aggregate", "Aggregate and ListSearchIndexes", []call{
		{"Collection.Aggregate", "aggregate"}, {"Database.Aggregate", "aggregate"}, {"Collection.ListSearchIndexes", "aggregate"},
	}},
	{"Insert", "InsertOne", []call{{"Collection.InsertOne", "insert"}}},
	{"InsertMany", "InsertMany", []call{{"Collection.InsertMany", "insert"}}},
	{"Update", "UpdateOne and UpdateByID", []call{{"Collection.UpdateOne", "update"}, {"Collection.UpdateByID", "update"}}},
	{"UpdateMany", "UpdateMany", []call{{"Collection.UpdateMany", "update"}}},
	{"Replace", "ReplaceOne", []call{{"Collection.ReplaceOne", "update"}}},
	{"Delete", "DeleteOne and DeleteMany", []call{{"Collection.DeleteOne", "delete"}, {"Collection.DeleteMany", "delete"}}},
	{"FindOneAndDelete", "FindOneAndDelete", []call{{"Collection.FindOneAndDelete", "findAndModify"}, {"FindOneAndDelete", "findAndModify"}}},
	{"FindOneAndReplace", "FindOneAndReplace", []call{{"Collection.FindOneAndReplace", "findAndModify"}, {"FindOneAndReplace", "findAndModify"}}},
	{"FindOneAndUpdate", "FindOneAndUpdate", []call{{"Collection.FindOneAndUpdate", "findAndModify"}, {"FindOneAndUpdate", "findAndModify"}}},
	{"Bulk", "Collection.BulkWrite, for all its writes", []call{{"Collection.BulkWrite", ""}}},
	{"ClientBulk", "Client.BulkWrite, for all its writes", []call{{"Client.BulkWrite", "bulkWrite"}}},
	{"UpdateModel", "UpdateOneModel", []call{{"UpdateOneModel", "update"}}},
	{"UpdateManyModel", "UpdateManyModel", []call{{"UpdateManyModel", "update"}}},
	{"ReplaceModel", "ReplaceOneModel", []call{{"ReplaceOneModel", "update"}}},
	{"DeleteModel", "DeleteOneModel and DeleteManyModel", []call{{"DeleteOneModel", "delete"}, {"DeleteManyModel", "delete"}}},
	{"CreateCollection", "CreateCollection", []call{{"Database.CreateCollection", "create"}}},
	{"ModifyCollection", "ModifyCollection", []call{{"Database.ModifyCollection", "collMod"}}},
	{"Rename", "Rename", []call{{"Collection.Rename", "renameCollection"}}},
	{"DropCollection", "Collection.Drop", []call{{"Collection.Drop", "drop"}}},
	{"Drop", "Database.Drop and DropDatabase", []call{{"Database.Drop", "dropDatabase"}, {"Client.DropDatabase", "dropDatabase"}}},
	{"CreateIndex", "CreateIndex and CreateIndexes", []call{{"Collection.CreateIndex", "createIndexes"}, {"Collection.CreateIndexes", "createIndexes"}}},
	{"DropIndex", "DropIndex, DropIndexByKeys and DropIndexes", []call{
		{"Collection.DropIndex", "dropIndexes"}, {"Collection.DropIndexByKeys", "dropIndexes"}, {"Collection.DropIndexes", "dropIndexes"},
	}},
	{"ListIndexes", "ListIndexes", []call{{"Collection.ListIndexes", "listIndexes"}}},
	{"ListCollections", "ListCollections and ListCollectionNames", []call{
		{"Database.ListCollections", "listCollections"}, {"Database.ListCollectionNames", "listCollections"},
	}},
	{"ListDatabases", "ListDatabases and ListDatabaseNames", []call{{"Client.ListDatabases", "listDatabases"}, {"Client.ListDatabaseNames", "listDatabases"}}},
	{"RunCommand", "RunCommand", []call{{"Database.RunCommand", ""}}},
	{"RunCursor", "RunCursorCommand", []call{{"Database.RunCursorCommand", ""}}},
	{"Watch", "Watch", []call{{"Collection.Watch", "aggregate"}, {"Database.Watch", "aggregate"}, {"Client.Watch", "aggregate"}}},
	{"Handle", "Client.Database, Database.Collection and the With of handles", []call{
		{"Client.Database", ""}, {"Database.Collection", ""}, {"Database.With", ""}, {"Collection.With", ""},
	}},
}

// option is a type that functions return, with the operations that take it.
type option struct {
	// result is the type: one of its own, or that of the only operation that takes it.
	result string
	takers []string
	makers []maker
}

// maker is a function that makes an option.
type maker struct {
	name string
	// field is the command's field that the option becomes, as the page has it.
	field string
	// at is that field in the calls where it is another one.
	at map[string]string
}

// list joins names of operations and groups of them.
func list(parts ...any) []string {
	var names []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			names = append(names, p)
		case []string:
			names = append(names, p...)
		}
	}
	return names
}

// Operations that have options in common.
var (
	query         = list("Find", "FindOne")
	reading       = list(query, "Count", "EstimatedCount", "Distinct", "Aggregate")
	updating      = list("Update", "UpdateMany", "Replace", "FindOneAndReplace", "FindOneAndUpdate")
	modifying     = list(updating, "Delete", "FindOneAndDelete")
	writing       = list("Insert", "InsertMany", "Bulk", "ClientBulk", modifying)
	findAndModify = list("FindOneAndDelete", "FindOneAndReplace", "FindOneAndUpdate")
	updatingModel = list("UpdateModel", "UpdateManyModel", "ReplaceModel")
	model         = list(updatingModel, "DeleteModel")
	managing      = list("CreateCollection", "ModifyCollection", "Rename", "DropCollection", "Drop", "CreateIndex", "DropIndex")
	listing       = list("ListDatabases", "ListCollections", "ListIndexes")
)

// What the page says where an option becomes no field.
const (
	nothing  = "—"
	decoding = "how documents are decoded"
)

// on gives several calls the same.
func on(field string, calls ...string) map[string]string {
	m := map[string]string{}
	for _, c := range calls {
		m[c] = field
	}
	return m
}

func with(maps ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// options are in the order of the page.
var options = []option{
	{"SortOption", list(query, "Update", "Replace", findAndModify, "UpdateModel", "ReplaceModel"), []maker{
		{name: "Sort", field: "`sort`"}, {name: "SortBy", field: "`sort`"},
	}},
	{"ProjectionOption", list(query, findAndModify), []maker{
		{"Projection", "`fields`", on("`projection`", "Collection.Find", "Collection.FindOne", "FindOne")},
	}},
	{"LimitOption", list("Find", "Count"), []maker{{"Limit", "`limit`", on("`$limit`", "Collection.CountDocuments")}}},
	{"SkipOption", list(query, "Count"), []maker{{"Skip", "`skip`", on("`$skip`", "Collection.CountDocuments")}}},
	{"BatchSizeOption", list(cursors, "Watch"), []maker{{"BatchSize", "`cursor.batchSize`, getMore: `batchSize`", with(
		on("`batchSize`, getMore: `batchSize`", "Collection.Find"), on("getMore: `batchSize`", "Database.RunCursorCommand"),
	)}}},
	{"HintOption", list(query, "Count", "Distinct", "Aggregate", modifying, model), []maker{{name: "Hint", field: "`hint`"}}},
	{"CollationOption", list(query, "Count", "Distinct", "Aggregate", "Watch", "CreateCollection", modifying, model), []maker{
		{name: "WithCollation", field: "`collation`"},
	}},
	{"LetOption", list(query, "Aggregate", "Bulk", "ClientBulk", modifying), []maker{{name: "Let", field: "`let`"}}},
	{"CommentOption", list("RunCursor", "Watch", reading, writing, managing, listing), []maker{{"Comment", "`comment`", with(
		on("`comment`, getMore: `comment`", "Collection.Find", "Collection.Aggregate", "Database.Aggregate", "Collection.ListSearchIndexes", "Collection.ListIndexes"),
		on("`comment`, getMore: `comment`", watches...),
		on("getMore: `comment`", "Database.RunCursorCommand"),
	)}}},
	{"MaxTimeOption", list(reading, findAndModify, "CreateIndex", "DropIndex"), []maker{{name: "MaxTime", field: "`maxTimeMS`"}}},
	{"TimeoutOption", list(reading, writing, managing, listing, "RunCommand", "RunCursor", "Watch", "Handle"), []maker{{name: "Timeout", field: nothing}}},
	{"TimeoutModeOption", cursors, []maker{{name: "WithTimeoutMode", field: nothing}}},
	{"DiskUseOption", list(query, "Aggregate"), []maker{{name: "AllowDiskUse", field: "`allowDiskUse`"}}},
	{"QueryOption", query, []maker{{name: "AllowPartialResults", field: "`allowPartialResults`"}}},
	{"FindOption", list("Find"), []maker{{name: "NoCursorTimeout", field: "`noCursorTimeout`"}}},
	{"QueryOption", query, []maker{
		{name: "Max", field: "`max`"}, {name: "Min", field: "`min`"},
		{name: "ReturnKey", field: "`returnKey`"}, {name: "ShowRecordID", field: "`showRecordId`"},
	}},
	{"FindOption", list("Find"), []maker{{name: "WithCursorType", field: "`awaitData`, `tailable`"}}},
	{"AwaitOption", list("RunCursor", "Find", "Aggregate", "Watch"), []maker{{name: "MaxAwaitTime", field: "getMore: `maxTimeMS`"}}},
	{"CursorOption", cursors, []maker{{name: "Prefetch", field: nothing}}},
	{"FindOption", list("Find"), []maker{{name: "Exhaust", field: "getMore: the message's exhaustAllowed"}}},
	{"UpsertOption", list(updating, updatingModel), []maker{{name: "Upsert", field: "`upsert`"}}},
	{"ArrayFiltersOption", list("Update", "UpdateMany", "FindOneAndUpdate", "UpdateModel", "UpdateManyModel"), []maker{
		{name: "ArrayFilters", field: "`arrayFilters`"},
	}},
	{"ReturnAfterOption", list("FindOneAndReplace", "FindOneAndUpdate"), []maker{{name: "ReturnAfter", field: "`new`"}}},
	{"UnorderedOption", list("InsertMany", "Bulk", "ClientBulk"), []maker{{name: "Unordered", field: "`ordered`"}}},
	{"BypassOption", list("Bulk", "ClientBulk", "Insert", "InsertMany", "Aggregate", updating), []maker{
		{"BypassDocumentValidation", "`bypassDocumentValidation`", on(nothing, "Collection.ListSearchIndexes")},
	}},
	{"RawDataOption", list(reading, writing, "CreateIndex", "DropIndex", "ListCollections", "ListIndexes", "RunCommand"), []maker{
		{name: "RawData", field: "`rawData`"},
	}},
	{"RunCommandOption", list("RunCommand"), []maker{{name: "AsRead", field: nothing}}},
	{"ClientBulkOption", list("ClientBulk"), []maker{{name: "VerboseResults", field: "`errorsOnly`"}}},
	{"NamesOption", list("ListDatabases", "ListCollections"), []maker{
		{"NameOnly", "`nameOnly`", on(nothing, "Database.ListCollectionNames", "Client.ListDatabaseNames")},
	}},
	{"AuthorizedOption", list("ListDatabases", "ListCollections"), []maker{
		{"AuthorizedOnly", "`authorizedDatabases`", on("`authorizedCollections`", "Database.ListCollections", "Database.ListCollectionNames")},
	}},
	{"ReadPreferenceOption", list(reading, "ListDatabases", "ListCollections", "RunCommand", "RunCursor", "Watch", "Handle"), []maker{
		{name: "WithReadPreference", field: "`$readPreference`"},
	}},
	{"ReadConcernOption", list(reading, "Watch", "Handle"), []maker{{name: "WithReadConcern", field: "`readConcern`"}}},
	{"WriteConcernOption", list(writing, "Aggregate", managing, "Handle"), []maker{
		{"WithWriteConcern", "`writeConcern`", on(nothing, "Collection.ListSearchIndexes")},
	}},
	{"DecodeOption", list(query, "Distinct", "Aggregate", "ListCollections", "ListIndexes", "RunCommand", "RunCursor", "Watch", findAndModify, "Handle"), []maker{
		{"WithDocumentType", decoding, on(nothing, "Database.ListCollectionNames")},
		{"WithTimeLocation", decoding, on(nothing, "Database.ListCollectionNames")},
		{name: "WithStrictUTF8", field: nothing},
		{name: "WithDisallowUnknownFields", field: nothing},
		{name: "WithObjectIDAsHexString", field: nothing},
	}},
	{"WatchOption", list("Watch"), []maker{
		{name: "FullDocument", field: "`$changeStream`"},
		{name: "FullDocumentBeforeChange", field: "`$changeStream`"},
		{name: "ResumeAfter", field: "`$changeStream`"},
		{name: "StartAfter", field: "`$changeStream`"},
		{name: "StartAtOperationTime", field: "`$changeStream`"},
		{name: "ShowExpandedEvents", field: "`$changeStream`"},
		{name: "SplitLargeEvents", field: "`$changeStreamSplitLargeEvent`"},
	}},
	{"RenameOption", list("Rename"), []maker{{name: "DropTarget", field: "`dropTarget`"}}},
	{"CreateIndexOption", list("CreateIndex"), []maker{{name: "CommitQuorum", field: "`commitQuorum`"}}},
	{"CreateCollectionOption", list("CreateCollection"), []maker{
		{name: "Capped", field: "`capped`, `max`, `size`"},
		{name: "Validator", field: "`validationAction`, `validationLevel`, `validator`"},
		{name: "View", field: "`pipeline`, `viewOn`"},
		{name: "WithTimeSeries", field: "`timeseries`"},
		{name: "ExpireAfter", field: "`expireAfterSeconds`"},
		{name: "Clustered", field: "`clusteredIndex`"},
		{name: "PreAndPostImages", field: "`changeStreamPreAndPostImages`"},
		{name: "IndexDefaults", field: "`indexOptionDefaults`"},
		{name: "StorageEngine", field: "`storageEngine`"},
	}},
	{"EncryptedFieldsOption", list("CreateCollection", "DropCollection"), []maker{{"EncryptedFields", "`encryptedFields`", on(nothing, "Collection.Drop")}}},
}

// cursors are the operations that return cursors over several batches.
var cursors = list("Find", "Aggregate", "ListCollections", "ListIndexes", "RunCursor")

// watches are the calls that open change streams.
var watches = []string{"Collection.Watch", "Database.Watch", "Client.Watch"}
