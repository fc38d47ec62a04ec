package mgx

import (
	"context"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// DropTarget drops the collection that has the new name already.
func DropTarget() RenameOption { return option(func(s *callOptions) { s.dropTarget = true }) }

// Rename gives the collection another name in its database, and returns a handle
// for it. A collection that has the name already is an ErrNamespaceExists, unless
// DropTarget is given.
func (c *Collection) Rename(ctx context.Context, to string, options ...RenameOption) (*Collection, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := checkCollectionName(to); err != nil {
		return nil, err
	}
	s := collect(c.base, options)
	err := c.db.client.Database("admin").command(ctx, "renameCollection", "", s, func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "renameCollection", c.Namespace())
		dst = bsonwire.AppendString(dst, "to", c.db.name+"."+to)
		return appendOptional(appendTrue(dst, "dropTarget", s.dropTarget), "comment", s.comment)
	})
	if err != nil {
		return nil, err
	}
	return &Collection{db: c.db, name: to, base: c.base}, nil
}

// ModifyCollection changes a collection's or view's settings: the fields of the
// collMod command, as the server manual lists them
// (bson.D{{"validator", …}, {"validationLevel", "strict"}}).
func (db *Database) ModifyCollection(ctx context.Context, name string, changes any, options ...ModifyCollectionOption) error {
	if err := checkCollectionName(name); err != nil {
		return err
	}
	body, err := appendDocument(nil, "changes", changes)
	if err != nil {
		return err
	}
	return db.command(ctx, "collMod", name, collect(db.base, options), func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "collMod", name)
		return appendOptional(append(dst, body[4:len(body)-1]...), "comment", s.comment)
	})
}
