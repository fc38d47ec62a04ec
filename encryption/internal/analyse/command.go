package analyse

import (
	"context"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// Source knows the schemas of collections.
type Source interface {
	// Schema returns what is known of a collection, from the user or, without that, from the server. A view is an error.
	Schema(ctx context.Context, database, collection string) (*Schema, error)
	// Local returns what the user has said of a collection; nil: nothing.
	Local(ctx context.Context, database, collection string) (*Schema, error)
}

// Analyser encrypts commands.
type Analyser struct {
	Source    Source
	Encrypter placeholder.Encrypter
	// BypassQueries leaves values as they are: whoever calls has encrypted them. Servers are told of Queryable Encryption
	// all the same.
	BypassQueries bool
}

// analysis is that of one command.
type analysis struct {
	marked
	ctx       context.Context
	source    Source
	encrypter placeholder.Encrypter

	name                 string // of the command
	database, collection string
	own                  *Schema // of the collection
	// kind is what the command's collections are encrypted with, queryable those with Queryable Encryption.
	kind      Kind
	queryable []namespaced

	// schema is of the collection whose documents are looked at, root what is known of these, vars of variables.
	schema *Schema
	root   *Node
	vars   map[string]*Node

	changed    bool // something is sent otherwise than it was given
	unanalysed bool // values are left as they are

	collation bool  // strings are compared by another than the simple collation
	payloads  int32 // of ranges, so far
}

type namespaced struct {
	namespace string
	*Schema
}

// verdict is what is done with a command.
type verdict uint8

const (
	refused verdict = iota // also of commands that are not known
	bypassed
	analysed
)

// commands are those that are known. See the specification "Client Side Encryption", on the allow-list.
var commands = map[string]verdict{
	"aggregate": analysed, "bulkWrite": analysed, "cleanupStructuredEncryptionData": analysed, "collMod": analysed,
	"compactStructuredEncryptionData": analysed, "count": analysed, "create": analysed, "createIndexes": analysed,
	"delete": analysed, "distinct": analysed, "explain": analysed, "find": analysed, "findAndModify": analysed,
	"findandmodify": analysed, "insert": analysed, "update": analysed,

	"abortTransaction": bypassed, "authenticate": bypassed, "buildInfo": bypassed, "buildinfo": bypassed, "commitTransaction": bypassed,
	"createSearchIndexes": bypassed, "drop": bypassed, "dropDatabase": bypassed, "dropIndexes": bypassed, "dropSearchIndex": bypassed,
	"endSessions": bypassed, "getCmdLineOpts": bypassed, "getLog": bypassed, "getMore": bypassed, "getnonce": bypassed, "hello": bypassed,
	"isMaster": bypassed, "ismaster": bypassed, "killAllSessions": bypassed, "killAllSessionsByPattern": bypassed,
	"killCursors": bypassed, "killSessions": bypassed, "listCollections": bypassed, "listDatabases": bypassed,
	"listIndexes": bypassed, "listSearchIndexes": bypassed, "logout": bypassed, "ping": bypassed, "refreshSessions": bypassed,
	"renameCollection": bypassed, "saslContinue": bypassed, "saslStart": bypassed, "startSession": bypassed, "updateSearchIndex": bypassed,
}

// Bypassed reports whether a command is sent as it is: it has no values of documents.
func Bypassed(command string) bool { return commands[command] == bypassed }

// Encrypt returns the command with the values of encrypted fields encrypted: command itself, if it concerns none. An
// error that is not one of keys is an *Error.
func (x *Analyser) Encrypt(ctx context.Context, database string, command bson.Raw) (bson.Raw, error) {
	if err := bsonwire.Validate(command); err != nil {
		return nil, refuse("the command is damaged: %v", err)
	}
	a := &analysis{ctx: ctx, source: x.Source, encrypter: x.Encrypter, database: database, unanalysed: x.BypassQueries}
	a.dst = make([]byte, 0, len(command)+len(command)/4)
	var start int
	a.dst, start = bsonwire.Begin(a.dst)
	if err := a.whatever(command); err != nil {
		return nil, err
	}
	a.dst = bsonwire.End(a.dst, start)
	if (a.kind == NoEncryption || a.kind == FieldLevel && len(a.places) == 0) && !a.changed {
		return command, nil
	}
	return a.encrypted(ctx, x.Encrypter)
}

// whatever appends the elements of any command.
func (a *analysis) whatever(command []byte) error {
	r := bsonwire.NewReader(command)
	if !r.Next() {
		return refuse("the command is empty")
	}
	a.name = string(r.Key())
	if a.name == "findandmodify" {
		a.name = "findAndModify"
	}
	switch commands[a.name] {
	case refused:
		return refuse("command not supported for auto encryption: %s", r.Key())
	case bypassed:
		a.copied(command)
		return nil
	}
	switch a.name {
	case "explain":
		return a.explain(command)
	case "bulkWrite":
		return a.bulkWrite(command)
	}
	name, ok := r.Value().AsString()
	switch {
	case !ok:
		return refuse("non-collection command not supported for auto encryption: %s", a.name)
	case name == "":
		return refuse("empty collection name on command: %s", a.name)
	}
	a.collection = name
	switch a.name {
	case "create", "collMod", "createIndexes":
		return a.definition(command)
	case "compactStructuredEncryptionData", "cleanupStructuredEncryptionData":
		return a.compaction(command)
	}
	s, err := a.source.Schema(a.ctx, a.database, name)
	if err != nil {
		return err
	}
	if err := a.begin(s); err != nil {
		return err
	}
	if a.unanalysed {
		a.copied(command)
	} else if err := a.elements(command); err != nil {
		return err
	}
	a.appendInformation()
	return nil
}

// copied appends the elements of a document as they are.
func (a *analysis) copied(doc []byte) {
	for r := bsonwire.NewReader(doc); r.Next(); {
		a.value(string(r.Key()), r.Value())
	}
}

// begin begins with the documents of a collection.
func (a *analysis) begin(s *Schema) error {
	a.own, a.schema, a.root, a.vars, a.collation = s, s, s.root, nil, false
	return a.uses(a.collection, s)
}

// appendInformation appends encryptionInformation, by which the server knows how to treat encrypted values.
func (a *analysis) appendInformation() {
	if len(a.queryable) == 0 {
		return
	}
	var at, schemas int
	a.dst, at = bsonwire.BeginDocument(a.dst, "encryptionInformation")
	a.dst = bsonwire.AppendInt32(a.dst, "type", 1)
	a.dst, schemas = bsonwire.BeginDocument(a.dst, "schema")
	seen := map[string]bool{}
	for _, q := range a.queryable {
		if !seen[q.namespace] {
			a.dst = bsonwire.AppendDocument(a.dst, q.namespace, q.Fields)
		}
		seen[q.namespace] = true
	}
	a.dst = bsonwire.End(bsonwire.End(a.dst, schemas), at)
}

// explain appends an explain, with the explained command in it.
func (a *analysis) explain(command []byte) error {
	for r := bsonwire.NewReader(command); r.Next(); {
		key, v := string(r.Key()), r.Value()
		if key != "explain" {
			if v.Type == bson.TypeEmbeddedDocument && !harmless[key] {
				return refuse("the field '%s' of explain is not known", key)
			}
			a.value(key, v)
			continue
		}
		inner, ok := v.AsDocument()
		if !ok {
			return refuse("explain needs a command")
		}
		if v, ok := bsonwire.Lookup(inner, "explain"); ok && v.Type == bson.TypeEmbeddedDocument {
			return refuse("explain cannot explain itself")
		}
		if err := a.document(key, func() error { return a.whatever(inner) }); err != nil {
			return err
		}
	}
	return nil
}

// harmless are fields of commands that hold nothing of documents.
var harmless = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(`
		$db lsid txnNumber autocommit startTransaction readConcern writeConcern maxTimeMS comment $readPreference $clusterTime
		apiVersion apiStrict apiDeprecationErrors rawData bypassDocumentValidation collation hint ordered let
		stmtId stmtIds isTimeseriesNamespace verbosity
		skip limit batchSize singleBatch returnKey showRecordId tailable awaitData oplogReplay noCursorTimeout
		allowPartialResults allowDiskUse ntoreturn readOnce
		cursor explain multi upsert new remove arrayFilters errorsOnly`) {
		m[name] = true
	}
	return m
}()

// rule is how a field of a command is analysed; nil: it is not.
func rule(of, key string) func(a *analysis, key string, v bsonwire.Value) error {
	switch of + "." + key {
	case "find.filter", "count.query", "distinct.query", "findAndModify.query", "bulkWrite.filter", "statement.q":
		return (*analysis).filterAt
	case "find.sort", "find.min", "find.max", "findAndModify.sort", "bulkWrite.sort", "statement.sort":
		return (*analysis).bounds
	case "find.projection", "findAndModify.fields":
		return (*analysis).projection
	case "findAndModify.update", "bulkWrite.updateMods", "statement.u":
		return (*analysis).change
	case "bulkWrite.document":
		return (*analysis).wholeAt
	case "insert.documents":
		return (*analysis).documents
	case "update.updates", "delete.deletes":
		return (*analysis).statements
	case "aggregate.pipeline":
		return (*analysis).pipeline
	case "distinct.key":
		return (*analysis).distinctKey
	}
	return nil
}

// elements appends the elements of a command on one collection.
func (a *analysis) elements(command []byte) error {
	a.settings(command)
	places := len(a.places)
	if err := a.each(a.name, command); err != nil {
		return err
	}
	if a.name == "findAndModify" {
		return a.upserts(isTrue(command, "upsert"), places)
	}
	return nil
}

// settings takes note of what bears on the rest: variables, and how strings are compared.
func (a *analysis) settings(doc []byte) {
	for _, key := range []string{"let", "c", "constants"} {
		v, _ := bsonwire.Lookup(doc, key)
		vars, ok := v.AsDocument()
		if !ok {
			continue
		}
		if a.vars == nil {
			a.vars = map[string]*Node{}
		}
		for r := bsonwire.NewReader(vars); r.Next(); {
			a.vars[string(r.Key())] = plain // they cannot be made of fields
		}
	}
	if v, ok := bsonwire.Lookup(doc, "collation"); ok {
		locale, _ := bsonwire.Lookup(v.Data, "locale")
		name, _ := locale.AsString()
		a.collation = name != "simple"
	}
}

func isTrue(doc []byte, key string) bool {
	v, _ := bsonwire.Lookup(doc, key)
	on, ok := truth(v)
	return ok && on
}

// each appends the elements of a document by what is known of each.
func (a *analysis) each(of string, doc []byte) error {
	first := true
	for r := bsonwire.NewReader(doc); r.Next(); first = false {
		key, v := string(r.Key()), r.Value()
		var err error
		switch rule := rule(of, key); {
		case rule != nil:
			err = rule(a, key, v)
		case first && of == a.name, harmless[key], harmlessIn[of+"."+key], !a.own.root.encrypted():
			a.value(key, v)
		default:
			err = refuse("the field '%s' of %s is not known, and may have values of encrypted fields", key, a.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var harmlessIn = map[string]bool{
	"statement.c": true, "bulkWrite.constants": true, "bulkWrite.insert": true, "bulkWrite.update": true, "bulkWrite.delete": true,
	"findAndModify.findandmodify": true,
}

func (a *analysis) bounds(key string, v bsonwire.Value) error {
	a.value(key, v)
	return a.paths(key, v)
}

func (a *analysis) wholeAt(key string, v bsonwire.Value) error {
	doc, ok := v.AsDocument()
	if !ok {
		return refuse("'%s' must be a document", key)
	}
	return a.document(key, func() error { return a.whole(doc) })
}

func (a *analysis) documents(key string, v bsonwire.Value) error {
	list, ok := v.AsArray()
	if !ok {
		return refuse("'%s' must be an array", key)
	}
	return a.array(key, list, a.wholeAt)
}

// statements appends the array of an update or a delete.
func (a *analysis) statements(key string, v bsonwire.Value) error {
	list, ok := v.AsArray()
	if !ok {
		return refuse("'%s' must be an array", key)
	}
	return a.array(key, list, func(key string, v bsonwire.Value) error {
		doc, ok := v.AsDocument()
		if !ok {
			return refuse("a statement must be a document")
		}
		return a.statement(key, "statement", doc)
	})
}

// statement appends one write of several.
func (a *analysis) statement(key, of string, doc []byte) error {
	vars, collation, places := a.vars, a.collation, len(a.places)
	a.settings(doc)
	err := a.document(key, func() error {
		err := a.each(of, doc)
		if err == nil && a.name == "update" && a.schema.Kind == Queryable && a.root.encrypted() {
			a.defaults(doc, "multi", "upsert") // as query analysis writes them
		}
		return err
	})
	if err == nil {
		err = a.upserts(isTrue(doc, "upsert"), places)
	}
	a.vars, a.collation = vars, collation
	return err
}

// defaults appends booleans that a document does not have.
func (a *analysis) defaults(doc []byte, keys ...string) {
	for _, key := range keys {
		if _, has := bsonwire.Lookup(doc, key); !has {
			a.dst = bsonwire.AppendBoolean(a.dst, key, false)
		}
	}
}

// distinctKey appends the key of distinct, whose values must be seen to be equal.
func (a *analysis) distinctKey(key string, v bsonwire.Value) error {
	path, _ := v.AsString()
	p := a.root.follow(path)
	switch {
	case !p.touches():
	case p.beyond || p.inArray || p.node.field == nil:
		return refuse("The distinct key is not allowed to be an encrypted prefix, or below an encrypted field: '%s'", path)
	case p.node.field.pointer != nil:
		return refuse("The distinct key is not allowed to be marked for encryption with a non-UUID keyId: '%s'", path)
	case p.node.field.algorithm != placeholder.Deterministic:
		return refuse("The distinct key is not allowed to be marked for encryption with the randomized encryption algorithm: '%s'", path)
	}
	a.value(key, v)
	return nil
}

// projection appends which fields a query returns.
func (a *analysis) projection(key string, v bsonwire.Value) error {
	doc, ok := v.AsDocument()
	if !ok || !a.root.encrypted() {
		a.value(key, v)
		return nil
	}
	return a.document(key, func() error {
		for r := bsonwire.NewReader(doc); r.Next(); {
			key, v := string(r.Key()), r.Value()
			if ops, ok := operators(v); ok {
				r := bsonwire.NewReader(ops)
				r.Next()
				switch op := string(r.Key()); op {
				case "$meta":
					a.value(key, v)
					continue
				case "$elemMatch", "$slice":
					if a.root.follow(key).touches() {
						return refuse("the projection %s is not supported on the encrypted field '%s'", op, key)
					}
					a.value(key, v)
					continue
				}
			}
			if _, err := a.expression(key, v); err != nil {
				return err
			}
		}
		return nil
	})
}
