package mgx

import (
	"context"
	"iter"
	"time"

	"github.com/mgxdb/mgx/bson"
)

// ChangeEvent is an event of a change stream, with documents of type T. Which fields it
// has depends on its kind, and on the stream's options and pipeline: the others are
// zero. See the server manual, "Change Events".
type ChangeEvent[T any] struct {
	// Token is the event's resume token: see ResumeAfter.
	Token bson.Raw `bson:"_id"`
	// Operation is what happened: insert, update, replace, delete, invalidate, drop,
	// dropDatabase or rename; with ShowExpandedEvents also create, createIndexes,
	// dropIndexes, modify, shardCollection, refineCollectionShardKey, reshardCollection
	// and what newer servers add.
	Operation string `bson:"operationType"`
	// Namespace is where; a dropDatabase has no collection. To is the new name of a
	// rename. NamespaceKind is what was created: collection, timeseries or view (server
	// 8.1).
	Namespace     Namespace  `bson:"ns"`
	To            *Namespace `bson:"to"`
	NamespaceKind string     `bson:"nsType"`
	// DocumentKey is the document's _id, and in a sharded collection its shard key.
	DocumentKey bson.Raw `bson:"documentKey"`
	// FullDocument is the document: of an insert or a replace as it came to be, of an
	// update as the option FullDocument says. It is nil where the document is not there
	// any more, and without that option.
	FullDocument *T `bson:"fullDocument"`
	// FullDocumentBeforeChange is the document as it was, with the option of that name.
	FullDocumentBeforeChange *T `bson:"fullDocumentBeforeChange"`
	// Update is what an update changed.
	Update *UpdateDescription `bson:"updateDescription"`
	// ClusterTime is when it happened, in the order of all operations; WallTime by the
	// server's clock (server 6.0).
	ClusterTime bson.Timestamp `bson:"clusterTime"`
	WallTime    time.Time      `bson:"wallTime"`
	// TxnNumber and SessionID name the transaction that the change is part of.
	TxnNumber *int64   `bson:"txnNumber"`
	SessionID bson.Raw `bson:"lsid"`
	// Description tells of an event that ShowExpandedEvents shows, and CollectionUUID of
	// which collection it is.
	Description    bson.Raw     `bson:"operationDescription"`
	CollectionUUID *bson.Binary `bson:"collectionUUID"`
	// Split says which fragment of an event it is, where the pipeline splits large ones
	// itself: see SplitLargeEvents.
	Split *SplitEvent `bson:"splitEvent"`
}

// Namespace is a database's collection.
type Namespace struct {
	Database   string `bson:"db"`
	Collection string `bson:"coll"`
}

// String returns database and collection, with a dot between.
func (n Namespace) String() string {
	if n.Collection == "" {
		return n.Database
	}
	return n.Database + "." + n.Collection
}

// UpdateDescription is what an update changed, with paths such as "items.0.qty".
type UpdateDescription struct {
	// UpdatedFields has the new values by their paths, RemovedFields the paths of fields
	// that are gone, TruncatedArrays the arrays that became shorter.
	UpdatedFields   bson.Raw         `bson:"updatedFields"`
	RemovedFields   []string         `bson:"removedFields"`
	TruncatedArrays []TruncatedArray `bson:"truncatedArrays"`
	// DisambiguatedPaths has the parts of paths that could be read in two ways, with
	// ShowExpandedEvents (server 6.1).
	DisambiguatedPaths bson.Raw `bson:"disambiguatedPaths"`
}

// TruncatedArray is an array that became shorter.
type TruncatedArray struct {
	Field   string `bson:"field"`
	NewSize int32  `bson:"newSize"`
}

// SplitEvent says that a document of a change stream is a fragment of an event: number
// Fragment, from 1, of Of.
type SplitEvent struct {
	Fragment int32 `bson:"fragment"`
	Of       int32 `bson:"of"`
}

// Changes goes through the events of a change stream as they come, and closes it,
// however the loop ends. An error comes as the last value, and so does that of the
// context when it ends.
//
//	for e, err := range mgx.Changes[Order](ctx, stream) { … }
func Changes[T any](ctx context.Context, s *ChangeStream) iter.Seq2[*ChangeEvent[T], error] {
	return func(yield func(*ChangeEvent[T], error) bool) {
		if s == nil {
			yield(nil, failure(ErrInvalidArgument, "changes: the stream is nil: Watch returned an error"))
			return
		}
		defer func() { _ = s.Close(ctx) }()
		for s.Next(ctx) {
			e := &ChangeEvent[T]{}
			if err := s.Decode(e); err != nil {
				yield(nil, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(nil, err)
		}
	}
}
