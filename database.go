package mgx

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/exec"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// Database is a handle of a database. It is cheap, can be kept and shared, and
// does not mean that the database exists: servers create databases with their
// first document.
type Database struct {
	client *Client
	name   string
	err    error // an invalid name, for the first use to report
	base   *callOptions
}

// Name returns the database's name.
func (db *Database) Name() string { return db.name }

// Client returns the client that the handle came from.
func (db *Database) Client() *Client { return db.client }

// With returns another handle of the database, whose options override this one's.
// Handles of collections that came from this one stay as they are.
func (db *Database) With(options ...HandleOption) *Database {
	other := *db
	other.base = derive(db.base, options)
	return &other
}

// Collection returns a handle of a collection. Options override the database's.
// An invalid name is reported by the first operation, as an ErrInvalidName.
func (db *Database) Collection(name string, options ...HandleOption) *Collection {
	c := &Collection{db: db, name: name, err: db.err, base: derive(db.base, options)}
	if c.err == nil {
		c.err = checkCollectionName(name)
	}
	return c
}

// maxDatabaseName is the longest name of a database, in bytes.
const maxDatabaseName = 63

// checkDatabaseName applies the server manual's "Naming Restrictions", in the
// stricter form of Windows servers, so that data can be moved there.
func checkDatabaseName(name string) error {
	switch {
	case name == "":
		return failure(ErrInvalidName, "database name: it is empty")
	case name == "$external":
		return nil
	case len(name) > maxDatabaseName:
		return failure(ErrInvalidName, "database name %q…: it has %d bytes, at most %d are allowed", name[:maxDatabaseName], len(name), maxDatabaseName)
	}
	if i := strings.IndexAny(name, " .$/\\\x00\""); i >= 0 {
		return failure(ErrInvalidName, "database name %q: it contains %q", name, name[i])
	}
	return nil
}

// checkCollectionName applies the server manual's "Naming Restrictions".
func checkCollectionName(name string) error {
	switch {
	case name == "":
		return failure(ErrInvalidName, "collection name: it is empty")
	case strings.Contains(name, "\x00"):
		return failure(ErrInvalidName, "collection name %q: it contains a NUL byte", name)
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, "."):
		return failure(ErrInvalidName, "collection name %q: it starts or ends with a dot", name)
	case strings.Contains(name, ".."):
		return failure(ErrInvalidName, "collection name %q: it has an empty part between two dots", name)
	case strings.Contains(name, "$") && !strings.HasPrefix(name, "oplog.$main") && name != "$cmd":
		return failure(ErrInvalidName, "collection name %q: it contains '$'", name)
	}
	return nil
}

// RunCommand runs a command against the database and returns the server's
// reply. The command is sent as it is, to the server that the read preference
// says (the primary, if none is given: the database's does not count), and is
// never retried; AsRead changes both. Use a bson.D or a struct: the command's name
// must come first.
//
// Concerns and maxTimeMS are sent only if they are in the command; the database's
// do not count, but for AsRead. What mgx adds by itself must not be there: $db,
// $readPreference, lsid, $clusterTime and the fields of Options.ServerAPI. A field
// that is there twice, servers may refuse or take either of. Options.Timeout shortens
// a maxTimeMS that is longer. A write concern error is left in the reply.
func (db *Database) RunCommand(ctx context.Context, command any, options ...RunCommandOption) *SingleResult {
	if db.err != nil {
		return &SingleResult{err: db.err}
	}
	s := collect(db.verbatim(), options)
	if err := checkOrdered("command", command); err != nil {
		return &SingleResult{err: err}
	}
	body, err := appendDocument(nil, "command", command)
	if err != nil {
		return &SingleResult{err: err}
	}
	name, ok := firstKey(body)
	if !ok {
		return &SingleResult{err: failure(ErrInvalidArgument, "command: the document is empty")}
	}
	op := exec.Op{
		Name:           name,
		Operation:      "runCommand",
		Timeout:        s.timeout,
		Database:       db.name,
		Access:         exec.Other,
		ReadPreference: s.readPreference,
		RawData:        s.rawData,
		Body: func(dst []byte) ([]byte, error) {
			return append(dst, body[4:len(body)-1]...), nil
		},
	}
	op.ExplicitReadPreference = s.ownReadPreference
	if s.asRead {
		db.makeRead(&op, body, options)
	}
	res, err := db.client.run(ctx, &op)
	if err != nil {
		return &SingleResult{err: err}
	}
	defer res.Release()
	return &SingleResult{raw: bytes.Clone(res.Body), decode: db.client.decode(&s)}
}

// makeRead makes a read of a command that the caller wrote.
func (db *Database) makeRead(op *exec.Op, body []byte, options []RunCommandOption) {
	s := collect(db.base, options)
	op.Access, op.Retryable, op.ReadPreference = exec.Read, true, s.readPreference
	op.ExplicitReadConcern = s.ownReadConcern
	if _, given := bsonwire.Lookup(body, "readConcern"); !given && s.readConcern != nil {
		op.ReadConcern = *s.readConcern
	}
}

// verbatim are the options of commands that are sent as they are: of the
// database's, only how to decode counts, and the timeout.
func (db *Database) verbatim() *callOptions {
	return &callOptions{decode: db.base.decode, timeout: db.base.timeout}
}

// Aggregate runs a pipeline that starts without a collection, such as one with
// $currentOp or $documents.
func (db *Database) Aggregate(ctx context.Context, pipeline any, options ...AggregateOption) *Cursor {
	return db.client.aggregate(ctx, aggregation{
		database: db.name, err: db.err, pipeline: pipeline, options: collect(db.base, options),
	})
}

// Drop drops the database with all its collections. One that does not exist is
// no error.
func (db *Database) Drop(ctx context.Context, options ...DropOption) error {
	return db.command(ctx, "dropDatabase", "", collect(db.base, options), func(dst []byte, s *callOptions) ([]byte, error) {
		return appendOptional(bsonwire.AppendInt32(dst, "dropDatabase", 1), "comment", s.comment)
	})
}

// CreateCollection creates a collection. Servers also create collections with
// their first document; this one is for those with options.
//
// With EncryptedFields, or on a client whose Options.Encryption has some for this name,
// it also creates what Queryable Encryption needs (server 7.0): the collections
// enxcol_.<name>.esc and enxcol_.<name>.ecoc, and the index of __safeContent__.
func (db *Database) CreateCollection(ctx context.Context, name string, options ...CreateCollectionOption) error {
	if err := checkCollectionName(name); err != nil {
		return err
	}
	return db.create(ctx, name, collect(db.base, options))
}

// Timeout returns what bounds each operation of the handle, unless the call says
// otherwise; 0: nothing does. See the option Timeout.
func (db *Database) Timeout() time.Duration { return db.client.timeoutOf(db.base) }

// command runs a writing command whose reply does not matter beyond its errors.
// collection is what it works on, if that is one.
func (db *Database) command(ctx context.Context, name, collection string, s callOptions, body func(dst []byte, s *callOptions) ([]byte, error)) error {
	if db.err != nil {
		return db.err
	}
	op := db.commandOp(name, collection, &s, body)
	res, err := db.client.run(ctx, &op)
	if err != nil {
		return err
	}
	defer res.Release()
	return writeConcernErrorIn(res.Body)
}

// commandOp is the command of [Database.command].
func (db *Database) commandOp(name, collection string, s *callOptions, body func(dst []byte, s *callOptions) ([]byte, error)) exec.Op {
	op := writeOp(name, db.name, collection, s)
	op.Body = func(dst []byte) ([]byte, error) { return body(dst, s) }
	if s.commitQuorum != nil {
		op.MinWireVersion = wireversion.CommitQuorum
	}
	return op
}

// onPrimary are the options of a list: it comes from the primary, unless the call
// has another read preference.
func (s *callOptions) onPrimary() *callOptions {
	if s.readPreference == nil {
		return s
	}
	primary := *s
	primary.readPreference = nil
	return &primary
}

// ListCollections lists the collections and views that match the filter, as the
// server describes them: with name, type, options, info and idIndex (whose field ns
// is not there from server 4.4 on). A CollectionInfo holds one.
func (db *Database) ListCollections(ctx context.Context, filter any, options ...ListCollectionsOption) *Cursor {
	s := collect(db.base.onPrimary(), options)
	return db.listCollections(ctx, filter, &s)
}

func (db *Database) listCollections(ctx context.Context, filter any, s *callOptions) *Cursor {
	c := db.client.newCursor(ctx, db.name, "$cmd.listCollections", s, db.err)
	c.batches.Comment = nil // the server has getMores inherit it
	c.batches.Command = exec.Op{
		Name: "listCollections", Database: db.name, Access: exec.Other, Retryable: true, ReadPreference: s.readPreference, RawData: s.rawData, Timeout: s.timeout,
		Body: func(dst []byte) ([]byte, error) {
			dst = bsonwire.AppendInt32(dst, "listCollections", 1)
			dst, err := appendField(dst, "filter", filter)
			if err != nil {
				return dst, err
			}
			dst = appendCursorOption(dst, s.batchSize)
			dst = appendTrue(dst, "nameOnly", s.nameOnly)
			dst = appendBool(dst, "authorizedCollections", s.authorizedOnly)
			return appendOptional(dst, "comment", s.comment)
		},
	}
	return c
}

// ListCollectionNames lists the names of the collections and views that match
// the filter.
func (db *Database) ListCollectionNames(ctx context.Context, filter any, options ...ListCollectionsOption) ([]string, error) {
	s := collect(db.base.onPrimary(), options)
	doc, err := appendDocument(nil, "filter", filter)
	if err != nil {
		return nil, err
	}
	// The server filters what it lists: a filter may look at more than names.
	s.nameOnly = true
	for r := bsonwire.NewReader(doc); r.Next(); {
		s.nameOnly = s.nameOnly && string(r.Key()) == "name"
	}
	names := []string{}
	for doc, err := range Each[bson.Raw](db.listCollections(ctx, bson.Raw(doc), &s)) {
		if err != nil {
			return nil, err
		}
		name, _ := doc.Lookup("name").StringValueOK()
		names = append(names, name)
	}
	return names, nil
}
