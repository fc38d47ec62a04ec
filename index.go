package mgx

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// Index describes an index to create.
type Index struct {
	// Keys are the indexed fields with 1, -1, "text", "2dsphere", "hashed" and the
	// like: a bson.D, or another document whose order is certain. Keys makes one
	// from names.
	Keys any
	// Name defaults to the fields and their directions: "qty_-1_item_1".
	Name string
	// Unique refuses documents with keys that another one has, Sparse leaves out
	// documents without the fields, Hidden keeps the index from being used.
	Unique, Sparse, Hidden bool
	// ExpireAfter removes documents that long after the date in the field; nil
	// keeps them, 0 removes them when the date is past.
	ExpireAfter *time.Duration
	// PartialFilter indexes only the documents that it matches.
	PartialFilter any
	// Collation compares strings by a language's rules.
	Collation any
	// Extra are further options by the server manual's names ("wildcardProjection",
	// "weights", "default_language", "bits", …).
	Extra bson.D
}

// Keys makes index keys of fields, each ascending, or descending with a minus
// before it: Keys("-qty", "item").
func Keys(fields ...string) bson.D { return sortKeys(fields) }

// CreateIndex creates an index and returns its name. One that exists with the
// same keys and options is no error.
func (c *Collection) CreateIndex(ctx context.Context, index Index, options ...IndexOption) (string, error) {
	names, err := c.CreateIndexes(ctx, []Index{index}, options...)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// CreateIndexes creates indexes and returns their names.
func (c *Collection) CreateIndexes(ctx context.Context, indexes []Index, options ...IndexOption) ([]string, error) {
	if c.err != nil {
		return nil, c.err
	}
	if len(indexes) == 0 {
		return nil, failure(ErrInvalidArgument, "create indexes: there are none")
	}
	names := make([]string, len(indexes))
	var list []byte
	for i := range indexes {
		var err error
		list = bsonwire.AppendHeader(list, bson.TypeEmbeddedDocument, bsonwire.Index(i))
		if list, names[i], err = indexes[i].append(list); err != nil {
			return nil, fmt.Errorf("index %d: %w", i, err)
		}
	}
	err := c.db.command(ctx, "createIndexes", collect(c.base, options), func(dst []byte, s *settings) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "createIndexes", c.name)
		dst, at := bsonwire.BeginArray(dst, "indexes")
		dst = bsonwire.End(append(dst, list...), at)
		dst = appendMaxTime(dst, s.maxTime)
		return appendOptional(dst, "comment", s.comment)
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (ix *Index) append(dst []byte) ([]byte, string, error) {
	if ix.Keys == nil {
		return dst, "", failure(ErrInvalidArgument, "it has no keys")
	}
	if m, ok := ix.Keys.(bson.M); ok && len(m) > 1 {
		return dst, "", failure(ErrInvalidArgument, "its keys are a map, which has no order; use a bson.D")
	}
	dst, at := bsonwire.Begin(dst)
	start := len(dst) + len("\x03key\x00")
	dst, err := appendField(dst, "key", ix.Keys)
	if err != nil {
		return dst, "", err
	}
	name := ix.Name
	if name == "" {
		if name, err = indexName(dst[start:]); err != nil {
			return dst, "", err
		}
	}
	dst = bsonwire.AppendString(dst, "name", name)
	dst = appendTrue(dst, "unique", ix.Unique)
	dst = appendTrue(dst, "sparse", ix.Sparse)
	dst = appendTrue(dst, "hidden", ix.Hidden)
	if ix.ExpireAfter != nil {
		dst = bsonwire.AppendInt64(dst, "expireAfterSeconds", int64(*ix.ExpireAfter/time.Second))
	}
	if dst, err = appendAll(dst, field{"partialFilterExpression", ix.PartialFilter}, field{"collation", ix.Collation}); err != nil {
		return dst, "", err
	}
	for _, e := range ix.Extra {
		if dst, err = appendAny(dst, e.Key, e.Value); err != nil {
			return dst, "", err
		}
	}
	return bsonwire.End(dst, at), name, nil
}

// indexName joins keys and directions, as the specification "Index Management"
// says.
func indexName(keys []byte) (string, error) {
	var parts []string
	r := bsonwire.NewReader(keys)
	for r.Next() {
		v := r.Value()
		direction, ok := v.AsString()
		if !ok {
			n, isNumber := v.AsInt64()
			if !isNumber {
				return "", failure(ErrInvalidArgument, "the direction of key %q is neither a number nor a string", r.Key())
			}
			direction = fmt.Sprint(n)
		}
		parts = append(parts, string(r.Key()), direction)
	}
	if len(parts) == 0 {
		return "", failure(ErrInvalidArgument, "its keys are empty")
	}
	return strings.Join(parts, "_"), nil
}

// ListIndexes returns the collection's indexes as the server describes them. A
// collection that does not exist has none.
func (c *Collection) ListIndexes(ctx context.Context, options ...IndexOption) *Cursor {
	s := collect(c.base, options)
	cur := c.db.client.newCursor(ctx, c.db.name, "$cmd.listIndexes."+c.name, &s, c.err)
	cur.missingIsEmpty = true
	cur.op = exec.Op{
		Name: "listIndexes", Database: c.db.name, Access: exec.Other, Retryable: true, RawData: s.rawData,
		Body: func(dst []byte) ([]byte, error) {
			dst = appendCursorOption(bsonwire.AppendString(dst, "listIndexes", c.name), s.batchSize)
			return appendOptional(dst, "comment", s.comment)
		},
	}
	return cur
}

// DropIndex drops an index by its name.
func (c *Collection) DropIndex(ctx context.Context, name string, options ...IndexOption) error {
	if name == "" || name == "*" {
		return failure(ErrInvalidArgument, "drop index: %q is no index's name; use DropIndexes to drop all", name)
	}
	return c.dropIndexes(ctx, name, collect(c.base, options))
}

// DropIndexes drops every index but the one of _id.
func (c *Collection) DropIndexes(ctx context.Context, options ...IndexOption) error {
	return c.dropIndexes(ctx, "*", collect(c.base, options))
}

func (c *Collection) dropIndexes(ctx context.Context, name string, s settings) error {
	if c.err != nil {
		return c.err
	}
	err := c.db.command(ctx, "dropIndexes", s, func(dst []byte, s *settings) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "dropIndexes", c.name)
		dst = bsonwire.AppendString(dst, "index", name)
		dst = appendMaxTime(dst, s.maxTime)
		return appendOptional(dst, "comment", s.comment)
	})
	return ignore(err, ErrNamespaceNotFound)
}
