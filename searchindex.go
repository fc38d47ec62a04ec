package mgx

import (
	"context"
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
)

// SearchIndex describes an Atlas Search index.
type SearchIndex struct {
	// Name is "default" if empty.
	Name string
	// Type is "search" or "vectorSearch"; "" is the server's default.
	Type string
	// Definition is the index's definition.
	Definition any
}

// CreateSearchIndex creates a search index and returns its name. The server
// builds it in the background.
func (c *Collection) CreateSearchIndex(ctx context.Context, index SearchIndex) (string, error) {
	names, err := c.CreateSearchIndexes(ctx, []SearchIndex{index})
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// CreateSearchIndexes creates search indexes and returns their names.
func (c *Collection) CreateSearchIndexes(ctx context.Context, indexes []SearchIndex) ([]string, error) {
	if c.err != nil {
		return nil, c.err
	}
	op := c.searchOp("createSearchIndexes", func(dst []byte) ([]byte, error) {
		dst, at := bsonwire.BeginArray(dst, "indexes")
		for i, index := range indexes {
			var in int
			dst, in = bsonwire.BeginDocument(dst, bsonwire.Index(i))
			dst = appendNonEmpty(dst, "name", index.Name)
			dst = appendNonEmpty(dst, "type", index.Type)
			var err error
			if dst, err = appendField(dst, "definition", index.Definition); err != nil {
				return dst, fmt.Errorf("search index %d: %w", i, err)
			}
			dst = bsonwire.End(dst, in)
		}
		return bsonwire.End(dst, at), nil
	})
	res, err := c.db.client.run(ctx, &op)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	var reply struct {
		Created []struct {
			Name string `bson:"name"`
		} `bson:"indexesCreated"`
	}
	if err := bson.Unmarshal(res.Body, &reply); err != nil || len(reply.Created) != len(indexes) {
		return nil, failure(ErrProtocol, "create search indexes: the reply of %s does not name the indexes", res.Server.Address())
	}
	names := make([]string, len(indexes))
	for i, created := range reply.Created {
		names[i] = created.Name
	}
	return names, nil
}

// ListSearchIndexes describes the collection's search indexes, or the one of a
// name if it is not empty.
func (c *Collection) ListSearchIndexes(ctx context.Context, name string, options ...AggregateOption) *Cursor {
	stage := bson.D{}
	if name != "" {
		stage = append(stage, bson.E{Key: "name", Value: name})
	}
	base := *c.base
	base.readConcern = nil // the server refuses one here
	plain := Collection{db: c.db, name: c.name, err: c.err, base: &base}
	return plain.Aggregate(ctx, bson.A{bson.D{{Key: "$listSearchIndexes", Value: stage}}}, options...)
}

// UpdateSearchIndex gives a search index another definition.
func (c *Collection) UpdateSearchIndex(ctx context.Context, name string, definition any) error {
	return c.searchCommand(ctx, "updateSearchIndex", func(dst []byte) ([]byte, error) {
		return appendField(bsonwire.AppendString(dst, "name", name), "definition", definition)
	})
}

// DropSearchIndex drops a search index. A collection that does not exist is no
// error.
func (c *Collection) DropSearchIndex(ctx context.Context, name string) error {
	err := c.searchCommand(ctx, "dropSearchIndex", func(dst []byte) ([]byte, error) {
		return bsonwire.AppendString(dst, "name", name), nil
	})
	return ignore(err, ErrNamespaceNotFound)
}

// searchOp is a command on search indexes: it carries no concerns.
func (c *Collection) searchOp(name string, body func([]byte) ([]byte, error)) exec.Op {
	return exec.Op{
		Name: name, Database: c.db.name, Collection: c.name, Access: exec.Other, Timeout: c.base.timeout,
		Body: func(dst []byte) ([]byte, error) { return body(bsonwire.AppendString(dst, name, c.name)) },
	}
}

func (c *Collection) searchCommand(ctx context.Context, name string, body func([]byte) ([]byte, error)) error {
	if c.err != nil {
		return c.err
	}
	op := c.searchOp(name, body)
	res, err := c.db.client.run(ctx, &op)
	if err == nil {
		res.Release()
	}
	return err
}
