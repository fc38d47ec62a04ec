package mgx

import (
	"context"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// EncryptedFields says which fields of a collection Queryable Encryption encrypts, as the
// server manual's "Queryable Encryption" has it: for CreateCollection, which also creates
// the collections and the index that the server needs for it, and for Drop, which drops
// these collections. Without it, Options.Encryption may know them.
func EncryptedFields(fields any) EncryptedFieldsOption {
	return option(func(s *callOptions) { s.creation().encryptedFields = fields })
}

// safeContent is the field in which the server finds documents by encrypted values.
const safeContent = "__safeContent__"

// encryptedFields are those of the collection that were given for the call, or else to
// the client's encryption; nil: none.
func (db *Database) encryptedFields(name string, s *callOptions) (bson.Raw, error) {
	if s.collection != nil && s.collection.encryptedFields != nil {
		doc, at := bsonwire.Begin(nil)
		doc, err := appendOptional(doc, "f", s.collection.encryptedFields)
		if err != nil {
			return nil, err
		}
		v, _ := bsonwire.Lookup(bsonwire.End(doc, at), "f")
		fields, ok := v.AsDocument()
		if !ok {
			return nil, failure(ErrInvalidArgument, "encrypted fields: they must be a document")
		}
		return fields, nil
	}
	if c := db.client.cipher; c != nil {
		return c.EncryptedFields(db.name, name), nil
	}
	return nil, nil
}

// stateCollections are the names of those that the server keeps beside a collection.
func stateCollections(name string, fields bson.Raw) (names []string) {
	for _, kind := range []string{"esc", "ecoc"} {
		v, _ := bsonwire.Lookup(fields, kind+"Collection")
		own, ok := v.AsString()
		if !ok {
			own = "enxcol_." + name + "." + kind
		}
		names = append(names, own)
	}
	return names
}

// create creates a collection, and what its encrypted fields need.
func (db *Database) create(ctx context.Context, name string, s callOptions) error {
	if db.err != nil {
		return db.err
	}
	fields, err := db.encryptedFields(name, &s)
	if err != nil {
		return err
	}
	op := db.commandOp("create", name, &s, func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "create", name)
		dst, err := s.creation().append(dst)
		if err != nil {
			return dst, err
		}
		if fields != nil {
			dst = bsonwire.AppendDocument(dst, "encryptedFields", fields)
		}
		if dst, err = appendOptional(dst, "collation", s.collation); err != nil {
			return dst, err
		}
		return appendOptional(dst, "comment", s.comment)
	})
	if fields == nil {
		return db.several(ctx, op)
	}
	var ops []exec.Op
	for _, state := range stateCollections(name, fields) {
		op := db.commandOp("create", state, &s, func(dst []byte, s *callOptions) ([]byte, error) {
			dst = bsonwire.AppendString(dst, "create", state)
			dst, index := bsonwire.BeginDocument(dst, "clusteredIndex")
			dst, key := bsonwire.BeginDocument(dst, "key")
			dst = bsonwire.End(bsonwire.AppendInt32(dst, "_id", 1), key)
			dst = bsonwire.End(bsonwire.AppendBoolean(dst, "unique", true), index)
			return appendOptional(dst, "comment", s.comment)
		})
		op.MinWireVersion = wireversion.QueryableEncryption
		op.MinWireReason = "Driver support of Queryable Encryption is incompatible with server. Upgrade server to use Queryable Encryption."
		ops = append(ops, op)
	}
	index := db.commandOp("createIndexes", name, &s, func(dst []byte, s *callOptions) ([]byte, error) {
		dst = bsonwire.AppendString(dst, "createIndexes", name)
		dst, list := bsonwire.BeginArray(dst, "indexes")
		dst, first := bsonwire.BeginDocument(dst, "0")
		dst, key := bsonwire.BeginDocument(dst, "key")
		dst = bsonwire.End(bsonwire.AppendInt32(dst, safeContent, 1), key)
		dst = bsonwire.End(bsonwire.AppendString(dst, "name", safeContent+"_1"), first)
		return appendOptional(bsonwire.End(dst, list), "comment", s.comment)
	})
	return db.several(ctx, append(ops, op, index)...)
}

// several runs commands one after another, as one operation that is called as its first
// command is, until one fails.
func (db *Database) several(ctx context.Context, ops ...exec.Op) error {
	o, err := db.client.begin(ctx, &ops[0])
	if err != nil {
		return err
	}
	for i := range ops {
		if err = o.runOnly(&ops[i]); err != nil {
			break
		}
	}
	return o.end(err)
}

// runOnly runs a command whose reply does not matter beyond its errors.
func (o *operation) runOnly(op *exec.Op) error {
	res, err := o.run(op)
	if err != nil {
		return err
	}
	defer res.Release()
	return writeConcernErrorIn(res.Body)
}

// drop drops a collection, and what the server keeps for its encrypted fields.
func (db *Database) drop(ctx context.Context, name string, s *callOptions) error {
	fields, err := db.encryptedFields(name, s)
	if err != nil {
		return err
	}
	drop := func(name string) exec.Op {
		return db.commandOp("drop", name, s, func(dst []byte, s *callOptions) ([]byte, error) {
			return appendOptional(bsonwire.AppendString(dst, "drop", name), "comment", s.comment)
		})
	}
	last := drop(name)
	o, err := db.client.begin(ctx, &last)
	if err != nil {
		return err
	}
	if fields == nil && db.client.cipher != nil {
		fields, err = db.storedFields(&o, name)
	}
	var names []string
	if fields != nil {
		names = stateCollections(name, fields)
	}
	for _, name := range append(names, name) {
		if err != nil {
			break
		}
		op := drop(name)
		err = ignore(o.runOnly(&op), ErrNamespaceNotFound)
	}
	return o.end(err)
}

// storedFields asks the server for the encrypted fields of a collection; nil: it has none.
func (db *Database) storedFields(o *operation, name string) (bson.Raw, error) {
	op := exec.Op{
		Name: "listCollections", Database: db.name, Access: exec.Other, Retryable: true,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendInt32(dst, "listCollections", 1)
			dst, filter := bsonwire.BeginDocument(dst, "filter")
			dst = bsonwire.End(bsonwire.AppendString(dst, "name", name), filter)
			return appendCursorOption(dst, 0), nil
		},
	}
	res, err := o.run(&op)
	if err != nil {
		return nil, ignore(err, fault.ErrNamespaceNotFound)
	}
	defer res.Release()
	v, _ := bsonwire.Lookup(res.Body, "cursor", "firstBatch", "0", "options", "encryptedFields")
	fields, ok := v.AsDocument()
	if !ok {
		return nil, nil
	}
	return append(bson.Raw(nil), fields...), nil
}
