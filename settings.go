package mgx

import (
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/sdam"
)

// settings are the options of one call. An option sets what it is about; the
// static types of the options see to it that an operation gets only those that
// it has.
type settings struct {
	sort, projection, hint, collation, let any
	max, min, comment, arrayFilters        any
	limit, skip                            int64
	batchSize                              int32
	cursor                                 CursorType
	prefetch, exhaust                      bool
	maxTime, maxAwait                      time.Duration

	upsert, unordered, returnAfter                 bool
	nameOnly, dropTarget, allowPartial, noTimeout  bool
	returnKey, showRecordID, rawData, verbose      bool
	asRead                                         bool
	allowDiskUse, authorizedOnly, bypassValidation *bool

	collection   *collectionSettings // nil: none
	commitQuorum any

	readPreference *sdam.ReadPreference
	readConcern    *string
	writeConcern   *exec.WriteConcern
	decode         func(*bson.DecodeOptions)
}

// option is what every option is; the interfaces below tell them apart.
type option func(*settings)

func (o option) apply(s *settings) { o(s) }

func (option) find()             {}
func (option) findOne()          {}
func (option) count()            {}
func (option) estimatedCount()   {}
func (option) distinct()         {}
func (option) aggregate()        {}
func (option) insert()           {}
func (option) insertMany()       {}
func (option) update()           {}
func (option) updateMany()       {}
func (option) replace()          {}
func (option) delete()           {}
func (option) findAndDelete()    {}
func (option) findAndReplace()   {}
func (option) findAndUpdate()    {}
func (option) updateModel()      {}
func (option) updateManyModel()  {}
func (option) replaceModel()     {}
func (option) deleteModel()      {}
func (option) bulk()             {}
func (option) clientBulk()       {}
func (option) createCollection() {}
func (option) modifyCollection() {}
func (option) rename()           {}
func (option) drop()             {}
func (option) createIndex()      {}
func (option) dropIndex()        {}
func (option) listIndexes()      {}
func (option) listCollections()  {}
func (option) listDatabases()    {}
func (option) run()              {}
func (option) runCursor()        {}
func (option) handle()           {}

type applier interface{ apply(*settings) }

// collect applies options in order, so that a later one wins.
func collect[O applier](base *settings, options []O) settings {
	if len(options) == 0 {
		return *base
	}
	s := *base
	for _, o := range options {
		o.apply(&s)
	}
	return s
}

// derive returns the settings of a handle: those that it was derived from, which
// nobody changes, if there are no options.
func derive(base *settings, options []HandleOption) *settings {
	if len(options) == 0 {
		return base
	}
	s := collect(base, options)
	return &s
}

// The options that each operation takes.
type (
	// FindOption is an option of Find.
	//
	// There are [AllowDiskUse], [AllowPartialResults], [BatchSize], [Comment],
	// [Exhaust], [Hint], [Let], [Limit], [Max], [MaxAwaitTime], [MaxTime],
	// [Min], [NoCursorTimeout], [Prefetch], [Projection], [RawData],
	// [ReturnKey], [ShowRecordID], [Skip], [Sort], [SortBy], [WithCollation],
	// [WithCursorType], [WithDocumentType], [WithReadConcern],
	// [WithReadPreference], [WithTimeLocation].
	FindOption interface {
		applier
		find()
	}
	// FindOneOption is an option of FindOne.
	//
	// There are [AllowDiskUse], [AllowPartialResults], [Comment], [Hint], [Let],
	// [Max], [MaxTime], [Min], [Projection], [RawData], [ReturnKey],
	// [ShowRecordID], [Skip], [Sort], [SortBy], [WithCollation],
	// [WithDocumentType], [WithReadConcern], [WithReadPreference],
	// [WithTimeLocation].
	FindOneOption interface {
		applier
		findOne()
	}
	// CountOption is an option of CountDocuments.
	//
	// There are [Comment], [Hint], [Limit], [MaxTime], [RawData], [Skip],
	// [WithCollation], [WithReadConcern], [WithReadPreference].
	CountOption interface {
		applier
		count()
	}
	// EstimatedCountOption is an option of EstimatedDocumentCount.
	//
	// There are [Comment], [MaxTime], [RawData], [WithReadConcern],
	// [WithReadPreference].
	EstimatedCountOption interface {
		applier
		estimatedCount()
	}
	// DistinctOption is an option of Distinct.
	//
	// There are [Comment], [Hint], [MaxTime], [RawData], [WithCollation],
	// [WithDocumentType], [WithReadConcern], [WithReadPreference],
	// [WithTimeLocation].
	DistinctOption interface {
		applier
		distinct()
	}
	// AggregateOption is an option of Aggregate.
	//
	// There are [AllowDiskUse], [BatchSize], [BypassDocumentValidation],
	// [Comment], [Hint], [Let], [MaxAwaitTime], [MaxTime], [Prefetch],
	// [RawData], [WithCollation], [WithDocumentType], [WithReadConcern],
	// [WithReadPreference], [WithTimeLocation], [WithWriteConcern].
	AggregateOption interface {
		applier
		aggregate()
	}
	// InsertOption is an option of InsertOne.
	//
	// There are [BypassDocumentValidation], [Comment], [RawData],
	// [WithWriteConcern].
	InsertOption interface {
		applier
		insert()
	}
	// InsertManyOption is an option of InsertMany.
	//
	// There are [BypassDocumentValidation], [Comment], [RawData], [Unordered],
	// [WithWriteConcern].
	InsertManyOption interface {
		applier
		insertMany()
	}
	// UpdateOption is an option of UpdateOne.
	//
	// There are [ArrayFilters], [BypassDocumentValidation], [Comment], [Hint],
	// [Let], [RawData], [Sort], [SortBy], [Upsert], [WithCollation],
	// [WithWriteConcern].
	UpdateOption interface {
		applier
		update()
	}
	// UpdateManyOption is an option of UpdateMany.
	//
	// There are [ArrayFilters], [BypassDocumentValidation], [Comment], [Hint],
	// [Let], [RawData], [Upsert], [WithCollation], [WithWriteConcern].
	UpdateManyOption interface {
		applier
		updateMany()
	}
	// ReplaceOption is an option of ReplaceOne.
	//
	// There are [BypassDocumentValidation], [Comment], [Hint], [Let], [RawData],
	// [Sort], [SortBy], [Upsert], [WithCollation], [WithWriteConcern].
	ReplaceOption interface {
		applier
		replace()
	}
	// DeleteOption is an option of DeleteOne and DeleteMany.
	//
	// There are [Comment], [Hint], [Let], [RawData], [WithCollation],
	// [WithWriteConcern].
	DeleteOption interface {
		applier
		delete()
	}
	// FindOneAndDeleteOption is an option of FindOneAndDelete.
	//
	// There are [Comment], [Hint], [Let], [MaxTime], [Projection], [RawData],
	// [Sort], [SortBy], [WithCollation], [WithDocumentType], [WithTimeLocation],
	// [WithWriteConcern].
	FindOneAndDeleteOption interface {
		applier
		findAndDelete()
	}
	// FindOneAndReplaceOption is an option of FindOneAndReplace.
	//
	// There are [BypassDocumentValidation], [Comment], [Hint], [Let], [MaxTime],
	// [Projection], [RawData], [ReturnAfter], [Sort], [SortBy], [Upsert],
	// [WithCollation], [WithDocumentType], [WithTimeLocation],
	// [WithWriteConcern].
	FindOneAndReplaceOption interface {
		applier
		findAndReplace()
	}
	// FindOneAndUpdateOption is an option of FindOneAndUpdate.
	//
	// There are [ArrayFilters], [BypassDocumentValidation], [Comment], [Hint],
	// [Let], [MaxTime], [Projection], [RawData], [ReturnAfter], [Sort],
	// [SortBy], [Upsert], [WithCollation], [WithDocumentType],
	// [WithTimeLocation], [WithWriteConcern].
	FindOneAndUpdateOption interface {
		applier
		findAndUpdate()
	}
	// BulkOption is an option of Collection.BulkWrite, for all its writes.
	//
	// There are [BypassDocumentValidation], [Comment], [Let], [RawData],
	// [Unordered], [WithWriteConcern].
	BulkOption interface {
		applier
		bulk()
	}
	// ClientBulkOption is an option of Client.BulkWrite, for all its writes.
	//
	// There are [BypassDocumentValidation], [Comment], [Let], [RawData],
	// [Unordered], [VerboseResults], [WithWriteConcern].
	ClientBulkOption interface {
		applier
		clientBulk()
	}
	// UpdateModelOption is an option of UpdateOneModel.
	//
	// There are [ArrayFilters], [Hint], [Sort], [SortBy], [Upsert],
	// [WithCollation].
	UpdateModelOption interface {
		applier
		updateModel()
	}
	// UpdateManyModelOption is an option of UpdateManyModel.
	//
	// There are [ArrayFilters], [Hint], [Upsert], [WithCollation].
	UpdateManyModelOption interface {
		applier
		updateManyModel()
	}
	// ReplaceModelOption is an option of ReplaceOneModel.
	//
	// There are [Hint], [Sort], [SortBy], [Upsert], [WithCollation].
	ReplaceModelOption interface {
		applier
		replaceModel()
	}
	// DeleteModelOption is an option of DeleteOneModel and DeleteManyModel.
	//
	// There are [Hint], [WithCollation].
	DeleteModelOption interface {
		applier
		deleteModel()
	}
	// CreateCollectionOption is an option of CreateCollection.
	//
	// There are [Capped], [Clustered], [Comment], [ExpireAfter],
	// [IndexDefaults], [PreAndPostImages], [StorageEngine], [Validator], [View],
	// [WithCollation], [WithTimeSeries], [WithWriteConcern].
	CreateCollectionOption interface {
		applier
		createCollection()
	}
	// ModifyCollectionOption is an option of ModifyCollection.
	//
	// There are [Comment], [WithWriteConcern].
	ModifyCollectionOption interface {
		applier
		modifyCollection()
	}
	// RenameOption is an option of Rename.
	//
	// There are [Comment], [DropTarget], [WithWriteConcern].
	RenameOption interface {
		applier
		rename()
	}
	// DropOption is an option of Collection.Drop, Database.Drop and DropDatabase.
	//
	// There are [Comment], [WithWriteConcern].
	DropOption interface {
		applier
		drop()
	}
	// CreateIndexOption is an option of CreateIndex and CreateIndexes.
	//
	// There are [Comment], [CommitQuorum], [MaxTime], [RawData],
	// [WithWriteConcern].
	CreateIndexOption interface {
		applier
		createIndex()
	}
	// DropIndexOption is an option of DropIndex and DropIndexes.
	//
	// There are [Comment], [MaxTime], [RawData], [WithWriteConcern].
	DropIndexOption interface {
		applier
		dropIndex()
	}
	// ListIndexesOption is an option of ListIndexes.
	//
	// There are [BatchSize], [Comment], [Prefetch], [RawData],
	// [WithDocumentType], [WithTimeLocation].
	ListIndexesOption interface {
		applier
		listIndexes()
	}
	// ListCollectionsOption is an option of ListCollections and ListCollectionNames.
	//
	// There are [AuthorizedOnly], [BatchSize], [Comment], [NameOnly],
	// [Prefetch], [RawData], [WithDocumentType], [WithReadPreference],
	// [WithTimeLocation].
	ListCollectionsOption interface {
		applier
		listCollections()
	}
	// ListDatabasesOption is an option of ListDatabases and ListDatabaseNames.
	//
	// There are [AuthorizedOnly], [Comment], [NameOnly], [WithReadPreference].
	ListDatabasesOption interface {
		applier
		listDatabases()
	}
	// RunCommandOption is an option of RunCommand.
	//
	// There are [AsRead], [RawData], [WithDocumentType], [WithReadPreference],
	// [WithTimeLocation].
	RunCommandOption interface {
		applier
		run()
	}
	// RunCursorOption is an option of RunCursorCommand.
	//
	// There are [BatchSize], [Comment], [MaxAwaitTime], [Prefetch],
	// [WithDocumentType], [WithReadPreference], [WithTimeLocation].
	RunCursorOption interface {
		applier
		runCursor()
	}
	// HandleOption is an option of Client.Database and Database.Collection.
	//
	// There are [WithDocumentType], [WithReadConcern], [WithReadPreference],
	// [WithTimeLocation], [WithWriteConcern].
	HandleOption interface {
		applier
		handle()
	}
)
