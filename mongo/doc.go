// Package mongo is the API of go.mongodb.org/mongo-driver/v2/mongo on top of mgx: a
// program moves from one to the other, and back, by one import path.
//
//	import "github.com/mgxdb/mgx/mongo" // was "go.mongodb.org/mongo-driver/v2/mongo"
//
// Options, BSON types, events, errors, results and write models are the official
// packages' own types, so code that takes or returns them need not change: packages
// options, bson, event, readpref, readconcern and writeconcern are imported from where
// they were. Client, Database, Collection, Cursor, Session and what else talks to a
// server are this package's, with the same methods.
//
// What this package does not have does not compile. An option that it does not have is
// an error of the call that gets it, which names the option: none is ignored. That error
// is an mgx.ErrUnsupported.
//
// Documents are encoded and decoded by mgx's codec, which does what the official one
// does by default, and by the official one where a Registry or BSONOptions are given.
//
// Errors are what the official driver returns: CommandError, WriteException,
// BulkWriteException, ErrNoDocuments and so on. Those of commands also wrap mgx's own
// error, so errors.Is(err, mgx.ErrNotPrimary) works beside mongo.IsTimeout(err).
// Client.Unwrap, Database.Unwrap and Collection.Unwrap return mgx's handles, to move
// on one call at a time.
//
// docs/from-official.md lists the differences.
package mongo
