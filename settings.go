package mgx

import (
	"reflect"
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

	upsert, unordered, returnAfter                          bool
	nameOnly, authorizedOnly, dropTarget, asRead            bool
	allowDiskUse, allowPartial, noTimeout, bypassValidation *bool
	returnKey, showRecordID, rawData, verbose               bool

	collection *collectionSettings // nil: none

	readPreference *sdam.ReadPreference
	readConcern    *string
	writeConcern   *exec.WriteConcern
	decode         func(*bson.DecodeOptions)
}

// option is what every option is; the interfaces below tell them apart.
type option func(*settings)

func (o option) apply(s *settings) { o(s) }

func (option) find()             {}
func (option) count()            {}
func (option) estimatedCount()   {}
func (option) distinct()         {}
func (option) aggregate()        {}
func (option) insert()           {}
func (option) update()           {}
func (option) replace()          {}
func (option) delete()           {}
func (option) findAndDelete()    {}
func (option) findAndReplace()   {}
func (option) findAndUpdate()    {}
func (option) createCollection() {}
func (option) list()             {}
func (option) run()              {}
func (option) index()            {}
func (option) drop()             {}
func (option) bulk()             {}
func (option) clientBulk()       {}

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
	// FindOption is an option of Find and FindOne.
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
	// InsertOption is an option of InsertOne and InsertMany.
	//
	// There are [BypassDocumentValidation], [Comment], [RawData], [Unordered],
	// [WithWriteConcern].
	InsertOption interface {
		applier
		insert()
	}
	// BulkOption is an option of BulkWrite, for all its writes.
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
	// UpdateOption is an option of UpdateOne and UpdateMany.
	//
	// There are [ArrayFilters], [BypassDocumentValidation], [Comment], [Hint],
	// [Let], [RawData], [Sort], [SortBy], [Upsert], [WithCollation],
	// [WithWriteConcern].
	UpdateOption interface {
		applier
		update()
	}
	// ReplaceOption is an option of ReplaceOne.
	//
	// There are [BypassDocumentValidation], [Comment], [Hint], [Let],
	// [RawData], [Sort], [SortBy], [Upsert], [WithCollation],
	// [WithWriteConcern].
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
	// [Sort], [SortBy], [WithCollation], [WithDocumentType],
	// [WithTimeLocation], [WithWriteConcern].
	FindOneAndDeleteOption interface {
		applier
		findAndDelete()
	}
	// FindOneAndReplaceOption is an option of FindOneAndReplace.
	//
	// There are [BypassDocumentValidation], [Comment], [Hint], [Let],
	// [MaxTime], [Projection], [RawData], [ReturnAfter], [Sort], [SortBy],
	// [Upsert], [WithCollation], [WithDocumentType], [WithTimeLocation],
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
	// IndexOption is an option of CreateIndex, CreateIndexes, ListIndexes,
	// DropIndex and DropIndexes.
	//
	// There are [Comment], [MaxTime], [RawData], [WithWriteConcern].
	IndexOption interface {
		applier
		index()
	}
	// CreateCollectionOption is an option of CreateCollection.
	//
	// There are [Capped], [Clustered], [Comment], [ExpireAfter],
	// [IndexDefaults], [PreAndPostImages], [StorageEngine], [Validator],
	// [View], [WithCollation], [WithTimeSeries], [WithWriteConcern].
	CreateCollectionOption interface {
		applier
		createCollection()
	}
	// DropOption is an option of Drop.
	//
	// There are [Comment], [WithWriteConcern].
	DropOption interface {
		applier
		drop()
	}
	// ListOption is an option of ListDatabases, ListDatabaseNames,
	// ListCollections and ListCollectionNames.
	//
	// There are [AuthorizedOnly], [BatchSize], [Comment], [NameOnly],
	// [Prefetch], [RawData], [WithDocumentType], [WithReadPreference],
	// [WithTimeLocation].
	ListOption interface {
		applier
		list()
	}
	// RunCommandOption is an option of RunCommand.
	//
	// There are [AsRead], [RawData], [WithDocumentType], [WithReadPreference],
	// [WithTimeLocation].
	RunCommandOption interface {
		applier
		run()
	}
)

// Options that several operations take.
type (
	// anyRead is an option of every reading operation.
	anyRead interface {
		FindOption
		CountOption
		EstimatedCountOption
		DistinctOption
		AggregateOption
	}
	// anyWrite is an option of every writing operation.
	anyWrite interface {
		InsertOption
		BulkOption
		ClientBulkOption
		anyModify
	}
	// anyModify is an option of every operation that changes what it finds.
	anyModify interface {
		UpdateOption
		ReplaceOption
		DeleteOption
		FindOneAndDeleteOption
		FindOneAndReplaceOption
		FindOneAndUpdateOption
	}
	// findAndModify is an option of the three FindOneAnd… operations.
	findAndModify interface {
		FindOneAndDeleteOption
		FindOneAndReplaceOption
		FindOneAndUpdateOption
	}
	// updating is an option of the updating operations.
	updating interface {
		UpdateOption
		ReplaceOption
		FindOneAndReplaceOption
		FindOneAndUpdateOption
	}
)

// SortOption is what Sort and SortBy return.
type SortOption interface {
	FindOption
	UpdateOption
	ReplaceOption
	findAndModify
}

// Sort orders by fields, each ascending, or descending with a minus before it:
// Sort("-qty", "item"). On an update, the first document in that order is the
// one that changes (UpdateOne and ReplaceOne need server 8.0).
func Sort(fields ...string) SortOption {
	return option(func(s *settings) { s.sort = sortKeys(fields) })
}

// SortBy orders by a sort document, for orders that Sort cannot express, such as
// a text score.
func SortBy(document any) SortOption { return option(func(s *settings) { s.sort = document }) }

// ProjectionOption is what Projection returns.
type ProjectionOption interface {
	FindOption
	findAndModify
}

// Projection says which fields the returned documents have:
// Projection(bson.D{{"item", 1}, {"_id", 0}}).
func Projection(document any) ProjectionOption {
	return option(func(s *settings) { s.projection = document })
}

// LimitOption is what Limit returns.
type LimitOption interface {
	FindOption
	CountOption
}

// Limit bounds how many documents are returned or counted; 0 is no limit. A
// negative limit on Find asks for one batch of at most that many documents.
func Limit(n int64) LimitOption { return option(func(s *settings) { s.limit = n }) }

// SkipOption is what Skip returns.
type SkipOption interface {
	FindOption
	CountOption
}

// Skip leaves out the first n documents.
func Skip(n int64) SkipOption { return option(func(s *settings) { s.skip = n }) }

// CursorOption is what BatchSize and Prefetch return.
type CursorOption interface {
	FindOption
	AggregateOption
	ListOption
	RunCursorOption
}

// BatchSize is how many documents the server puts in one reply; 0 leaves it to
// the server (101 documents in the first one, then as many as fit in 16 MiB).
func BatchSize(n int32) CursorOption { return option(func(s *settings) { s.batchSize = n }) }

// HintOption is what Hint returns.
type HintOption interface {
	FindOption
	CountOption
	DistinctOption
	AggregateOption
	anyModify
}

// Hint makes the server use an index, given by name or by its keys.
func Hint(index any) HintOption { return option(func(s *settings) { s.hint = index }) }

// CollationOption is what WithCollation returns.
type CollationOption interface {
	FindOption
	CountOption
	DistinctOption
	AggregateOption
	CreateCollectionOption
	anyModify
}

// WithCollation compares strings by a language's rules. The document is a
// Collation, or whatever encodes like one.
func WithCollation(document any) CollationOption {
	return option(func(s *settings) { s.collation = document })
}

// LetOption is what Let returns.
type LetOption interface {
	BulkOption
	ClientBulkOption
	FindOption
	AggregateOption
	anyModify
}

// Let defines variables that the operation's expressions can use as $$name.
func Let(document any) LetOption { return option(func(s *settings) { s.let = document }) }

// CommentOption is what Comment returns.
type CommentOption interface {
	RunCursorOption
	anyRead
	anyWrite
	ListOption
	IndexOption
	CreateCollectionOption
	DropOption
}

// Comment is shown in the server's log, its profiler and currentOp.
func Comment(value any) CommentOption { return option(func(s *settings) { s.comment = value }) }

// MaxTimeOption is what MaxTime returns.
type MaxTimeOption interface {
	anyRead
	findAndModify
	IndexOption
}

// MaxTime makes the server stop the operation after d, with an ErrTimeout. A
// deadline of the context bounds the client's wait; this one bounds the server's
// work.
func MaxTime(d time.Duration) MaxTimeOption { return option(func(s *settings) { s.maxTime = d }) }

// UpsertOption is what Upsert returns.
type UpsertOption interface{ updating }

// Upsert inserts a document where none matches.
func Upsert() UpsertOption { return option(func(s *settings) { s.upsert = true }) }

// ArrayFiltersOption is what ArrayFilters returns.
type ArrayFiltersOption interface {
	UpdateOption
	FindOneAndUpdateOption
}

// ArrayFilters say which elements of arrays an update with $[name] changes.
func ArrayFilters(filters ...any) ArrayFiltersOption {
	return option(func(s *settings) { s.arrayFilters = filters })
}

// ReturnAfterOption is what ReturnAfter returns.
type ReturnAfterOption interface {
	FindOneAndReplaceOption
	FindOneAndUpdateOption
}

// ReturnAfter returns the document as it is after the change, not before.
func ReturnAfter() ReturnAfterOption { return option(func(s *settings) { s.returnAfter = true }) }

// UnorderedOption is what Unordered returns.
type UnorderedOption interface {
	InsertOption
	BulkOption
	ClientBulkOption
}

// Unordered goes on after a write that failed, in whatever order the server
// likes. Without it, a bulk stops at the first failure.
func Unordered() UnorderedOption { return option(func(s *settings) { s.unordered = true }) }

// BypassOption is what BypassDocumentValidation returns.
type BypassOption interface {
	BulkOption
	ClientBulkOption
	InsertOption
	AggregateOption
	updating
}

// BypassDocumentValidation writes (or does not write) documents that the
// collection's validator would refuse. The server's default is false.
func BypassDocumentValidation(bypass bool) BypassOption {
	return option(func(s *settings) { s.bypassValidation = &bypass })
}

// RawDataOption is what RawData returns.
type RawDataOption interface {
	anyRead
	anyWrite
	ListOption
	IndexOption
	RunCommandOption
}

// RawData works on the documents as they are stored: on the buckets of a time
// series collection instead of its measurements. Servers before 8.2 do not know
// it; nothing is sent to them.
func RawData() RawDataOption { return option(func(s *settings) { s.rawData = true }) }

// AsRead has RunCommand treat the command as mgx's own reads: it goes where the
// read preference says, the database's if none is given, takes the database's read
// concern unless the command has one, and is sent again after failures that a second
// attempt may cure, unless RetryReads is off. It is for commands that change nothing,
// such as dbStats.
func AsRead() RunCommandOption { return option(func(s *settings) { s.asRead = true }) }

// VerboseResults has Client.BulkWrite return a result for each write, not only the
// counts of all.
func VerboseResults() ClientBulkOption { return option(func(s *settings) { s.verbose = true }) }

// DiskUseOption is what AllowDiskUse returns.
type DiskUseOption interface {
	FindOption
	AggregateOption
}

// AllowDiskUse lets (or forbids) the server to spill to disk what does not fit
// in memory.
func AllowDiskUse(allow bool) DiskUseOption {
	return option(func(s *settings) { s.allowDiskUse = &allow })
}

// AllowPartialResults accepts an answer without the shards that cannot be
// reached.
func AllowPartialResults() FindOption {
	yes := true
	return option(func(s *settings) { s.allowPartial = &yes })
}

// NoCursorTimeout keeps an idle cursor on the server for longer than its ten
// minutes. Close the cursor when done.
func NoCursorTimeout() FindOption {
	yes := true
	return option(func(s *settings) { s.noTimeout = &yes })
}

// Max and Min bound the index keys that a query looks at; they need a Hint.
func Max(document any) FindOption { return option(func(s *settings) { s.max = document }) }

// Min is the inclusive lower bound of the index keys that a query looks at; it
// needs a Hint.
func Min(document any) FindOption { return option(func(s *settings) { s.min = document }) }

// ReturnKey returns only the index keys of the documents.
func ReturnKey() FindOption { return option(func(s *settings) { s.returnKey = true }) }

// ShowRecordID adds a field $recordId to each document.
func ShowRecordID() FindOption { return option(func(s *settings) { s.showRecordID = true }) }

// CursorType says how a Find's cursor behaves at the end of its results.
type CursorType uint8

const (
	// NonTailable ends with the last document: the default.
	NonTailable CursorType = iota
	// Tailable stays open at the end of a capped collection.
	Tailable
	// TailableAwait is Tailable, and the server waits for new documents before it
	// answers.
	TailableAwait
)

// WithCursorType chooses how the cursor behaves at the end of its results.
func WithCursorType(t CursorType) FindOption { return option(func(s *settings) { s.cursor = t }) }

// AwaitOption is what MaxAwaitTime returns.
type AwaitOption interface {
	RunCursorOption
	FindOption
	AggregateOption
}

// MaxAwaitTime is how long the server waits for new documents of a TailableAwait
// cursor before it answers with none.
func MaxAwaitTime(d time.Duration) AwaitOption { return option(func(s *settings) { s.maxAwait = d }) }

// NameOnly lists names and types alone, which needs no locks on the server.
func NameOnly() ListOption { return option(func(s *settings) { s.nameOnly = true }) }

// AuthorizedOnly lists what the user may access, where he may not list all.
func AuthorizedOnly() ListOption { return option(func(s *settings) { s.authorizedOnly = true }) }

// ReadPreferenceOption is what WithReadPreference returns.
type ReadPreferenceOption interface {
	RunCursorOption
	anyRead
	ListOption
	RunCommandOption
	HandleOption
}

// WithReadPreference says which servers may answer, for this call or for a
// database's or collection's handle.
func WithReadPreference(p ReadPreference) ReadPreferenceOption {
	rp := p.internal()
	return option(func(s *settings) { s.readPreference = rp })
}

// ReadConcernOption is what WithReadConcern returns.
type ReadConcernOption interface {
	anyRead
	HandleOption
}

// WithReadConcern says how durable what is read must be: "local", "available",
// "majority", "linearizable" or "snapshot"; "" is the server's default.
func WithReadConcern(level string) ReadConcernOption {
	return option(func(s *settings) { s.readConcern = &level })
}

// WriteConcernOption is what WithWriteConcern returns.
type WriteConcernOption interface {
	anyWrite
	AggregateOption
	IndexOption
	CreateCollectionOption
	DropOption
	HandleOption
}

// WithWriteConcern says what a write waits for. One that no server takes is an
// ErrConfiguration of the first operation that uses it.
func WithWriteConcern(w WriteConcern) WriteConcernOption {
	wc := w.internal()
	return option(func(s *settings) { s.writeConcern = wc })
}

// DecodeOption is what WithDocumentType and WithTimeLocation return.
type DecodeOption interface {
	FindOption
	DistinctOption
	AggregateOption
	ListOption
	RunCommandOption
	findAndModify
	HandleOption
}

// WithDocumentType sets the type of documents that are decoded into an any, as
// Options.DocumentType does for the client.
func WithDocumentType(t reflect.Type) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.DocumentType = t })
}

// WithTimeLocation makes dates that are decoded into an any come as time.Time in
// a location, as Options.TimeLocation does for the client; nil leaves them
// bson.DateTime.
func WithTimeLocation(loc *time.Location) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.TimeAware, d.Location = loc != nil, loc })
}

// decoding adds to how the call's documents are decoded.
func decoding(change func(*bson.DecodeOptions)) option {
	return func(s *settings) {
		before := s.decode
		s.decode = func(d *bson.DecodeOptions) {
			if before != nil {
				before(d)
			}
			change(d)
		}
	}
}

// HandleOption is an option of Client.Database and Database.Collection.
//
// There are [WithDocumentType], [WithReadConcern], [WithReadPreference],
// [WithTimeLocation], [WithWriteConcern].
type HandleOption interface {
	applier
	handle()
}

func (option) handle() {}
