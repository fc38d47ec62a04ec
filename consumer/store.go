package consumer

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// ErrConflict is what a Store's Swap returns when the version is another one.
var ErrConflict = errors.New("consumer: the record has been changed by another")

// Store keeps what consumers must not forget: small documents under keys, with a version
// that each change makes one larger. The documents are the package's own business.
type Store interface {
	// Load returns what is stored under a key, and its version; nil and 0 if there is
	// nothing. It must not return what a later Swap, acknowledged before, has replaced.
	Load(ctx context.Context, key string) (value bson.Raw, version int64, err error)
	// Swap stores a value under the key, with the next version, if the version there is
	// the given one, 0 if nothing is stored yet. Otherwise it returns ErrConflict. It
	// must be durable when it returns.
	Swap(ctx context.Context, key string, version int64, value bson.Raw) error
}

// CollectionStore is a Store in a collection, a document for each record. Several
// consumers can share it.
type CollectionStore struct{ c *mgx.Collection }

// InCollection returns a store in a collection. It reads and writes with the majority,
// whatever the handle says: what is stored there is not rolled back. In a transaction it
// is part of that.
func InCollection(c *mgx.Collection) *CollectionStore {
	db := c.Database()
	return &CollectionStore{c: db.Collection(c.Name(),
		mgx.WithWriteConcern(mgx.Majority()), mgx.WithReadConcern("majority"), mgx.WithReadPreference(mgx.ReadPreference{Mode: mgx.Primary}))}
}

// record is a document of the collection.
type record struct {
	ID      string   `bson:"_id"`
	Version int64    `bson:"version"`
	Value   bson.Raw `bson:"value"`
}

// Load implements Store.
func (s *CollectionStore) Load(ctx context.Context, key string) (bson.Raw, int64, error) {
	r, err := mgx.FindOne[record](ctx, s.c, bson.D{{Key: "_id", Value: key}})
	if errors.Is(err, mgx.ErrNoDocuments) {
		return nil, 0, nil
	}
	return r.Value, r.Version, err
}

// Swap implements Store.
func (s *CollectionStore) Swap(ctx context.Context, key string, version int64, value bson.Raw) error {
	if version == 0 {
		_, err := s.c.InsertOne(ctx, record{ID: key, Version: 1, Value: value})
		if errors.Is(err, mgx.ErrDuplicateKey) {
			return ErrConflict
		}
		return err
	}
	res, err := s.c.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}, {Key: "version", Value: version}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: version + 1}, {Key: "value", Value: value}}}})
	if err == nil && res.MatchedCount == 0 {
		return ErrConflict
	}
	return err
}
