package mgx

import "github.com/mgxdb/mgx/bson"

// CollectionInfo describes a collection or view, as ListCollections returns it:
//
//	list, err := mgx.Collect[mgx.CollectionInfo](db.ListCollections(ctx, nil))
//
// With NameOnly there are only Name and Type. See the server manual, "listCollections",
// "Output".
type CollectionInfo struct {
	Name string `bson:"name"`
	// Type is "collection", "view" or "timeseries".
	Type string `bson:"type"`
	// Options are those that the collection was made with.
	Options bson.Raw `bson:"options"`
	Info    struct {
		ReadOnly bool `bson:"readOnly"`
		// UUID identifies the collection, through renamings; views have none.
		UUID *bson.Binary `bson:"uuid"`
	} `bson:"info"`
	// IDIndex is the index of _id; nil if there is none.
	IDIndex *IndexInfo `bson:"idIndex"`
}

// IndexInfo describes an index, as ListIndexes returns it:
//
//	list, err := mgx.Collect[mgx.IndexInfo](orders.ListIndexes(ctx))
//
// See the server manual, "listIndexes", "Output".
type IndexInfo struct {
	Name string `bson:"name"`
	// Keys are the indexed fields with their directions or kinds.
	Keys bson.D `bson:"key"`
	// Version is that of the index's format.
	Version int32 `bson:"v"`
	// Unique, Sparse and Hidden are as in Index. The index of _id is unique, though
	// servers do not say so.
	Unique bool `bson:"unique"`
	Sparse bool `bson:"sparse"`
	Hidden bool `bson:"hidden"`
	// ExpireAfterSeconds is nil for an index that removes nothing. Servers keep any kind
	// of number.
	ExpireAfterSeconds *float64 `bson:"expireAfterSeconds"`
	// PartialFilter and Collation are nil where there is none.
	PartialFilter bson.Raw `bson:"partialFilterExpression"`
	Collation     bson.Raw `bson:"collation"`
	// Extra are all further options, by the server manual's names.
	Extra bson.M `bson:",inline"`
}
