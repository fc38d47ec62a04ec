package engine

import (
	"slices"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

func sortRecords(records []*Record, spec bson.D) error {
	columns, err := mongokit.Columns(&spec)
	if err != nil {
		return Errorf(CodeBadValue, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
	}
	slices.SortStableFunc(records, func(a, b *Record) int {
		return bsonkit.Order(a.doc(), b.doc(), columns, false)
	})
	return nil
}
