package mgx

import (
	"reflect"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/sdam"
)

//go:generate go run ./internal/optiongen

// callOptions are the options of one call. An option sets what it is about; the
// static types of the options see to it that an operation gets only those that
// it has. Which has which is the table of internal/optiongen.
type callOptions struct {
	statementOptions

	projection, let, max, min, comment any
	limit, skip                        int64
	batchSize                          int32
	cursor                             CursorType
	prefetch, exhaust                  bool
	maxTime, maxAwait                  time.Duration
	timeout                            exec.Timeout
	timeoutMode                        CursorTimeoutMode

	unordered, returnAfter                         bool
	nameOnly, dropTarget, allowPartial, noTimeout  bool
	returnKey, showRecordID, rawData, verbose      bool
	asRead                                         bool
	allowDiskUse, authorizedOnly, bypassValidation *bool

	collection   *collectionSettings   // nil: none
	watch        *changeStreamSettings // nil: none
	commitQuorum any

	readPreference *sdam.ReadPreference
	readConcern    *string
	writeConcern   *exec.WriteConcern
	// own… tells that the call says so, not a handle.
	ownReadConcern, ownReadPreference bool

	decode func(*bson.DecodeOptions)
}

// statementOptions are those of one statement, such as a write of a bulk.
type statementOptions struct {
	sort, hint, collation, arrayFilters any
	upsert                              bool
}

// option is what every option is; the interfaces of calloptions_gen.go tell them apart.
type option func(*callOptions)

func (o option) apply(s *callOptions) { o(s) }

type applier interface{ apply(*callOptions) }

// collect applies options in order, so that a later one wins.
func collect[O applier](base *callOptions, options []O) callOptions {
	if len(options) == 0 {
		return *base
	}
	s := *base
	for _, o := range options {
		o.apply(&s)
	}
	return s
}

// derive returns the options of a handle: those that it was derived from, which
// nobody changes, if there are no options.
func derive(base *callOptions, options []HandleOption) *callOptions {
	if len(options) == 0 {
		return base
	}
	s := collect(base, options)
	s.ownReadConcern, s.ownReadPreference, s.timeout.Explicit = false, false, false
	if w := s.writeConcern; w != nil && w.Explicit {
		inherited := *w
		inherited.Explicit = false
		s.writeConcern = &inherited
	}
	return &s
}

// Sort orders by fields, each ascending, or descending with a minus before it:
// Sort("-qty", "item"). On an update, the first document in that order is the
// one that changes (UpdateOne, ReplaceOne and their models need server 8.0).
func Sort(fields ...string) SortOption {
	return option(func(s *callOptions) { s.sort = sortKeys(fields) })
}

// SortBy orders by a sort document, for orders that Sort cannot express, such as
// a text score. A map of several fields has no order, and is an
// ErrInvalidArgument.
func SortBy(document any) SortOption { return option(func(s *callOptions) { s.sort = document }) }

// Projection says which fields the returned documents have:
// Projection(bson.D{{"item", 1}, {"_id", 0}}).
func Projection(document any) ProjectionOption {
	return option(func(s *callOptions) { s.projection = document })
}

// Limit bounds how many documents are returned or counted; 0 is no limit. A
// negative limit on Find asks for one batch of at most that many documents.
func Limit(n int64) LimitOption { return option(func(s *callOptions) { s.limit = n }) }

// Skip leaves out the first n documents.
func Skip(n int64) SkipOption { return option(func(s *callOptions) { s.skip = n }) }

// BatchSize is how many documents the server puts in one reply; 0 leaves it to
// the server (101 documents in the first one, then as many as fit in 16 MiB). A
// negative one on Find asks, like a negative Limit, for one batch of at most that
// many documents; elsewhere it is like 0. An aggregation that ends with $out or
// $merge returns no documents, and does not send it.
func BatchSize(n int32) BatchSizeOption { return option(func(s *callOptions) { s.batchSize = n }) }

// Hint makes the server use an index, given by name or by its keys. Servers before
// 4.4 refuse it on deletions and on the FindOneAnd… operations. With a write concern of
// w=0, where they could not say so, mgx does (ErrUnsupported), as with Comment, Let and
// Sort.
func Hint(index any) HintOption { return option(func(s *callOptions) { s.hint = index }) }

// WithCollation compares strings by a language's rules; without it, by those of the
// collection, by default byte by byte. The document is a Collation, or whatever
// encodes like one. On CreateCollection it becomes the collection's default.
func WithCollation(document any) CollationOption {
	return option(func(s *callOptions) { s.collation = document })
}

// Let defines variables that the operation's expressions can use as $$name. In a
// bulk they are for its updates and deletions. It needs server 5.0.
func Let(document any) LetOption { return option(func(s *callOptions) { s.let = document }) }

// Comment is shown in the server's log, its profiler and currentOp. It can be any
// value; servers before 4.4 take a string, and on Find, FindOne and aggregations
// alone.
func Comment(value any) CommentOption { return option(func(s *callOptions) { s.comment = value }) }

// MaxTime makes the server stop the operation after d, with an ErrTimeout; it has
// millisecond precision, and there is no limit by default. A deadline of the
// context bounds the client's wait; this one bounds the server's work. Of a cursor
// it bounds all of that, until its end. It does not count where there is a Timeout, which
// is to be preferred. See also Cursor.Explain.
func MaxTime(d time.Duration) MaxTimeOption { return option(func(s *callOptions) { s.maxTime = d }) }

// Timeout bounds the whole operation (timeoutMS): the wait for a server and a
// connection, all that is sent, and retries, of which there are as many as there is
// time for. It is an ErrTimeout. 0 is no limit, a negative one an
// ErrInvalidArgument.
//
// On a handle it bounds each operation of the handle, and of those derived from it,
// in the place of Options.Timeout. Of it and a deadline of the context the earlier one
// counts. Where it is set, MaxTime, the timeout of a write concern, SocketTimeout and
// WaitQueueTimeout do not count. What it bounds of a cursor is the matter of
// WithTimeoutMode. In a WithTransaction that has a timeout, that counts instead of a
// handle's, and the option of a call is an ErrInvalidArgument.
func Timeout(d time.Duration) TimeoutOption {
	switch {
	case d == 0:
		d = exec.NoTimeout
	case d < 0:
		d = exec.NoTimeout - 1
	}
	return option(func(s *callOptions) { s.timeout = exec.Timeout{Limit: d, Explicit: true} })
}

// CursorTimeoutMode says what a timeout bounds of a cursor.
type CursorTimeoutMode uint8

const (
	// DefaultTimeoutMode is Iteration for tailable cursors, and CursorLifetime for
	// others.
	DefaultTimeoutMode CursorTimeoutMode = iota
	// CursorLifetime bounds all that the cursor asks the server, from its first
	// command on. Documents that are there are returned after that, too.
	CursorLifetime
	// Iteration bounds the first command, and then each call of Next, by itself.
	Iteration
)

// WithTimeoutMode says what Timeout, or that of the handle or client, bounds of a
// cursor; without any it is an ErrInvalidArgument, as are CursorLifetime for tailable
// cursors and Iteration for pipelines that end with $out or $merge.
func WithTimeoutMode(m CursorTimeoutMode) TimeoutModeOption {
	return option(func(s *callOptions) { s.timeoutMode = m })
}

// Upsert inserts a document where none matches.
func Upsert() UpsertOption { return option(func(s *callOptions) { s.upsert = true }) }

// ArrayFilters say which elements of arrays an update with $[name] changes.
func ArrayFilters(filters ...any) ArrayFiltersOption {
	if filters == nil {
		filters = []any{} // an array all the same
	}
	return option(func(s *callOptions) { s.arrayFilters = filters })
}

// ReturnAfter returns the document as it is after the change, not before.
func ReturnAfter() ReturnAfterOption { return option(func(s *callOptions) { s.returnAfter = true }) }

// Unordered goes on after a write that failed, in whatever order the server
// likes. Without it, a bulk stops at the first failure.
func Unordered() UnorderedOption { return option(func(s *callOptions) { s.unordered = true }) }

// BypassDocumentValidation writes (or does not write) documents that the
// collection's validator would refuse. The server's default is false. On an
// aggregation it is for pipelines that end with $out or $merge.
func BypassDocumentValidation(bypass bool) BypassOption {
	return option(func(s *callOptions) { s.bypassValidation = &bypass })
}

// RawData works on the documents as they are stored: on the buckets of a time
// series collection instead of its measurements. Servers before 8.2 do not know
// it; nothing is sent to them.
func RawData() RawDataOption { return option(func(s *callOptions) { s.rawData = true }) }

// AsRead has RunCommand treat the command as mgx's own reads: it goes where the
// read preference says, the database's if none is given, takes the database's read
// concern unless the command has one, and is sent again after failures that a second
// attempt may cure, unless RetryReads is off. It is for commands that change nothing,
// such as dbStats.
func AsRead() RunCommandOption { return option(func(s *callOptions) { s.asRead = true }) }

// VerboseResults has Client.BulkWrite return a result for each write, not only the
// counts of all.
func VerboseResults() ClientBulkOption { return option(func(s *callOptions) { s.verbose = true }) }

// AllowDiskUse lets (or forbids) the server to spill to disk what does not fit
// in memory. By default it is the server's configuration that decides. On Find and
// FindOne it needs server 4.4.
func AllowDiskUse(allow bool) DiskUseOption {
	return option(func(s *callOptions) { s.allowDiskUse = &allow })
}

// AllowPartialResults accepts an answer without the shards that cannot be
// reached.
func AllowPartialResults() QueryOption {
	return option(func(s *callOptions) { s.allowPartial = true })
}

// NoCursorTimeout keeps an idle cursor on the server for longer than its ten
// minutes. Close the cursor when done.
func NoCursorTimeout() FindOption {
	return option(func(s *callOptions) { s.noTimeout = true })
}

// Max is the exclusive upper bound of the index keys that a query looks at; it needs
// a Hint.
func Max(document any) QueryOption { return option(func(s *callOptions) { s.max = document }) }

// Min is the inclusive lower bound of the index keys that a query looks at; it
// needs a Hint.
func Min(document any) QueryOption { return option(func(s *callOptions) { s.min = document }) }

// ReturnKey returns only the index keys of the documents.
func ReturnKey() QueryOption { return option(func(s *callOptions) { s.returnKey = true }) }

// ShowRecordID adds a field $recordId to each document.
func ShowRecordID() QueryOption { return option(func(s *callOptions) { s.showRecordID = true }) }

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
func WithCursorType(t CursorType) FindOption { return option(func(s *callOptions) { s.cursor = t }) }

// MaxAwaitTime is how long the server waits for new documents of a TailableAwait
// cursor before it answers with none: a second, if none is given. It is the
// maxTimeMS of getMore. On Find it has no effect on other types of cursors, in
// aggregations the server refuses it for pipelines that do not wait.
func MaxAwaitTime(d time.Duration) AwaitOption {
	return option(func(s *callOptions) { s.maxAwait = d })
}

// NameOnly lists names and types alone, which needs no locks on the server.
// ListDatabaseNames and ListCollectionNames ask for it by themselves.
func NameOnly() NamesOption { return option(func(s *callOptions) { s.nameOnly = true }) }

// AuthorizedOnly lists what the user may access, or, if it is false, all, which
// then needs the right to list all. Without it, ListDatabases lists what the user
// may see, while ListCollections needs the right. A user without needs
// ListCollectionNames, or NameOnly, besides.
func AuthorizedOnly(only bool) AuthorizedOption {
	return option(func(s *callOptions) { s.authorizedOnly = &only })
}

// WithReadPreference says which servers may answer, for this call or for a
// database's or collection's handle. The lists of databases and collections, and
// RunCommand and RunCursorCommand, do not follow a handle or the client: they go to
// the primary unless the call says otherwise. One that cannot be (tag sets or a
// MaxStaleness of the primary, a MaxStaleness below 90 seconds) is an
// ErrConfiguration of the first operation that uses it.
func WithReadPreference(p ReadPreference) ReadPreferenceOption {
	rp := p.internal()
	return option(func(s *callOptions) { s.readPreference, s.ownReadPreference = rp, true })
}

// WithReadConcern says how durable what is read must be; "" is the server's default, like
// ReadConcernServerDefault.
func WithReadConcern(concern ReadConcern) ReadConcernOption {
	level := concern.level()
	return option(func(s *callOptions) { s.readConcern, s.ownReadConcern = &level, true })
}

// WithWriteConcern says what a write waits for. On an aggregation it is for
// pipelines that end with $out or $merge. One that no server takes is an
// ErrConfiguration of the first operation that uses it.
func WithWriteConcern(w WriteConcern) WriteConcernOption {
	wc := w.internal()
	wc.Explicit = true
	return option(func(s *callOptions) { s.writeConcern = wc })
}

// WithDocumentType sets the type of documents that are decoded into an any, as
// Options.DocumentType does for the client.
func WithDocumentType(t reflect.Type) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.DocumentType = t })
}

// WithStrictUTF8 makes text in the documents of the operation an error that is not UTF-8,
// or, if strict is false, decodes it as it is, as by default. See Options.StrictUTF8.
func WithStrictUTF8(strict bool) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.StrictUTF8 = strict })
}

// WithDisallowUnknownFields makes it an error to decode a document into a struct that lacks a field for one of its
// elements, or, if disallow is false, skips such elements, as by default. See Options.DisallowUnknownFields.
func WithDisallowUnknownFields(disallow bool) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.DisallowUnknownFields = disallow })
}

// WithObjectIDAsHexString decodes ObjectIDs into strings, or, if hex is false, does not, as by default. See
// Options.ObjectIDAsHexString.
func WithObjectIDAsHexString(hex bool) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.ObjectIDAsHexString = hex })
}

// WithTimeLocation makes dates that are decoded into an any come as time.Time in
// a location, as Options.TimeLocation does for the client; nil leaves them
// bson.DateTime.
func WithTimeLocation(loc *time.Location) DecodeOption {
	return decoding(func(d *bson.DecodeOptions) { d.TimeAware, d.Location = loc != nil, loc })
}

// decoding adds to how the call's documents are decoded.
func decoding(change func(*bson.DecodeOptions)) option {
	return func(s *callOptions) {
		before := s.decode
		s.decode = func(d *bson.DecodeOptions) {
			if before != nil {
				before(d)
			}
			change(d)
		}
	}
}
