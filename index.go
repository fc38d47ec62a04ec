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
	// Name defaults to the fields and their directions: "qty_-1_item_1". The index of
	// _id is always "_id_".
	Name string
	// Unique refuses documents with keys that another one has, Sparse leaves out
	// documents without the fields, Hidden keeps the index from being used.
	Unique, Sparse, Hidden bool
	// ExpireAfter removes documents that long after the date in the field, in whole
	// seconds (a part of one counts as one); nil keeps them, 0 removes them when the
	// date is past.
	ExpireAfter *time.Duration
	// PartialFilter indexes only the documents that it matches.
	PartialFilter any
	// Collation compares strings by a language's rules.
	Collation any
	// WildcardProjection says which fields a wildcard index (of "$**") has, or has
	// not: bson.D{{"a", 1}}. nil is all.
	WildcardProjection any

	// Weights say how much each field of a text index counts: bson.D{{"title", 10}};
	// 1 for those that are not named.
	Weights any
	// DefaultLanguage is the language of a text index's documents, "english" if
	// empty; LanguageOverride the field that names another one in a document,
	// "language" if empty.
	DefaultLanguage, LanguageOverride string
	// TextVersion and SphereVersion are the versions of a text index and of a 2dsphere
	// index; 0 is the server's newest.
	TextVersion, SphereVersion int32
	// Bits is the precision of a 2d index, from 1 to 32; 0 is the server's default of
	// 26. Min and Max bound its values; nil is -180 and 180.
	Bits     int32
	Min, Max *float64

	// StorageEngine passes options to the server's storage engine.
	StorageEngine any
	// Extra are further options by the server manual's names.
	Extra bson.D
}

// Keys makes index keys of fields, each ascending, or descending with a minus
// before it: Keys("-qty", "item").
func Keys(fields ...string) bson.D { return sortKeys(fields) }

// CommitQuorum says which members of a replica set must have built an index before
// it is ready: a number of them, "majority", a name from the replica set's
// configuration, or "votingMembers", the server's default. It needs server 4.4;
// older ones are an ErrUnsupported.
func CommitQuorum(members any) CreateIndexOption {
	return option(func(s *callOptions) { s.commitQuorum = members })
}

// CreateIndex creates an index and returns its name. One that exists with the
// same keys and options is no error.
func (c *Collection) CreateIndex(ctx context.Context, index Index, options ...CreateIndexOption) (string, error) {
	names, err := c.CreateIndexes(ctx, []Index{index}, options...)
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// CreateIndexes creates indexes and returns their names.
func (c *Collection) CreateIndexes(ctx context.Context, indexes []Index, options ...CreateIndexOption) ([]string, error) {
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
	err := c.db.command(ctx, "createIndexes", c.name, collect(c.base, options), func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "createIndexes", c.name)
		dst, at := bsonwire.BeginArray(dst, "indexes")
		dst = bsonwire.End(append(dst, list...), at)
		return appendAll(dst, field{"commitQuorum", s.commitQuorum}, field{"comment", s.comment})
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
	if err := checkOrdered("keys", ix.Keys); err != nil {
		return dst, "", err
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
		dst = appendSeconds(dst, "expireAfterSeconds", *ix.ExpireAfter)
	}
	if dst, err = ix.appendSpecial(dst); err != nil {
		return dst, "", err
	}
	for _, e := range ix.Extra {
		if dst, err = appendAny(dst, e.Key, e.Value); err != nil {
			return dst, "", err
		}
	}
	return bsonwire.End(dst, at), name, nil
}

// appendSpecial appends the options that are documents, and those of special kinds
// of indexes.
func (ix *Index) appendSpecial(dst []byte) ([]byte, error) {
	dst = appendNonEmpty(dst, "default_language", ix.DefaultLanguage)
	dst = appendNonEmpty(dst, "language_override", ix.LanguageOverride)
	for _, n := range []struct {
		name  string
		value int32
	}{{"textIndexVersion", ix.TextVersion}, {"2dsphereIndexVersion", ix.SphereVersion}, {"bits", ix.Bits}} {
		if n.value != 0 {
			dst = bsonwire.AppendInt32(dst, n.name, n.value)
		}
	}
	if ix.Min != nil {
		dst = bsonwire.AppendDouble(dst, "min", *ix.Min)
	}
	if ix.Max != nil {
		dst = bsonwire.AppendDouble(dst, "max", *ix.Max)
	}
	return appendAll(dst, field{"partialFilterExpression", ix.PartialFilter}, field{"collation", ix.Collation},
		field{"wildcardProjection", ix.WildcardProjection}, field{"weights", ix.Weights}, field{"storageEngine", ix.StorageEngine})
}

// indexName joins keys and directions, as the specification "Index Management"
// says. The index of _id has a name of its own.
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
	if len(parts) == 2 && parts[0] == "_id" && parts[1] == "1" {
		return "_id_", nil
	}
	return strings.Join(parts, "_"), nil
}

// ListIndexes returns the collection's indexes as the server describes them: with v,
// key, name and their options (ns is not there from server 4.4 on). A collection that
// does not exist has none. It asks the primary. An IndexInfo holds one.
func (c *Collection) ListIndexes(ctx context.Context, options ...ListIndexesOption) *Cursor {
	s := collect(c.base, options)
	cur := c.db.client.newCursor(ctx, c.db.name, "$cmd.listIndexes."+c.name, &s, c.err)
	cur.missingIsEmpty = true
	cur.batches.Command = exec.Op{
		Name: "listIndexes", Database: c.db.name, Collection: c.name, Access: exec.Other, Retryable: true, RawData: s.rawData, Timeout: s.timeout,
		Body: func(dst []byte) ([]byte, error) {
			dst = appendCursorOption(bsonwire.AppendString(dst, "listIndexes", c.name), s.batchSize)
			return appendOptional(dst, "comment", s.comment)
		},
	}
	return cur
}

// DropIndex drops an index by its name.
func (c *Collection) DropIndex(ctx context.Context, name string, options ...DropIndexOption) error {
	if name == "" || name == "*" {
		return failure(ErrInvalidArgument, "drop index: %q is no index's name; use DropIndexes to drop all", name)
	}
	return c.dropIndexes(ctx, name, collect(c.base, options))
}

// DropIndexByKeys drops the index with just these keys and directions, given as for
// Index.Keys. Servers cannot drop a text index so, nor tell apart indexes with the same
// keys: DropIndex takes a name.
func (c *Collection) DropIndexByKeys(ctx context.Context, keys any, options ...DropIndexOption) error {
	if keys == nil {
		return failure(ErrInvalidArgument, "drop index: nil is no keys")
	}
	if err := checkOrdered("keys", keys); err != nil {
		return err
	}
	doc, err := appendDocument(nil, "keys", keys)
	if err != nil {
		return err
	}
	if len(doc) <= len(emptyDocument) {
		return failure(ErrInvalidArgument, "drop index: the keys are empty")
	}
	return c.dropIndexes(ctx, bson.Raw(doc), collect(c.base, options))
}

// DropIndexes drops every index but the one of _id.
func (c *Collection) DropIndexes(ctx context.Context, options ...DropIndexOption) error {
	return c.dropIndexes(ctx, "*", collect(c.base, options))
}

// dropIndexes drops the index of a name or keys.
func (c *Collection) dropIndexes(ctx context.Context, index any, s callOptions) error {
	if c.err != nil {
		return c.err
	}
	err := c.db.command(ctx, "dropIndexes", c.name, s, func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "dropIndexes", c.name)
		return appendAll(dst, field{"index", index}, field{"comment", s.comment})
	})
	return ignore(err, ErrNamespaceNotFound)
}
