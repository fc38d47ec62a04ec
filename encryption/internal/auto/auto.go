// Package auto is automatic encryption for one client: it knows the schemas of collections, has commands analysed by
// them, and replies decrypted. It runs no commands: what it needs of clients comes as functions.
package auto

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/analyse"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// Config is what automatic encryption is made of.
type Config struct {
	Encrypter placeholder.Encrypter
	Decrypter placeholder.Decrypter
	// Collection returns what the server's listCollections says of a collection; nil: there is none.
	Collection func(ctx context.Context, database, name string) (bson.Raw, error)
	// SchemaMap and EncryptedFieldsMap are by namespace.
	SchemaMap, EncryptedFieldsMap map[string]bson.Raw
	// BypassEncryption decrypts only, BypassQueries leaves values as they are.
	BypassEncryption, BypassQueries bool
	// Now is the time; nil is the clock's.
	Now func() time.Time
}

// Cipher encrypts the commands of a client, and decrypts its replies. It is safe for concurrent use.
type Cipher struct {
	Config
	analyser analyse.Analyser

	mu    sync.Mutex
	local map[string]*analyse.Schema // of the user, by namespace, once they were read
	known map[string]entry           // of the server
}

// entry is what the server has said of a collection, or why that is of no use.
type entry struct {
	schema  *analyse.Schema
	err     error
	expires time.Time
}

// lifetime is how long it is taken for true.
const lifetime = time.Minute

// New returns a Cipher. The maps must agree.
func New(c Config) (*Cipher, error) {
	for _, ns := range slices.Sorted(maps.Keys(c.SchemaMap)) {
		if _, both := c.EncryptedFieldsMap[ns]; both {
			return nil, fmt.Errorf("%q is present in both schemaMap and encryptedFieldsMap: a collection has field level encryption or Queryable Encryption", ns)
		}
	}
	for _, m := range []map[string]bson.Raw{c.SchemaMap, c.EncryptedFieldsMap} {
		for _, ns := range slices.Sorted(maps.Keys(m)) {
			if db, coll, ok := strings.Cut(ns, "."); !ok || db == "" || coll == "" {
				return nil, fmt.Errorf("%q in schemaMap or encryptedFieldsMap is no namespace, as database.collection", ns)
			}
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	x := &Cipher{Config: c, local: map[string]*analyse.Schema{}, known: map[string]entry{}}
	x.analyser = analyse.Analyser{Source: x, Encrypter: c.Encrypter, BypassQueries: c.BypassQueries}
	return x, nil
}

// Encrypts reports whether a command has to go through Encrypt.
func (c *Cipher) Encrypts(command string) bool {
	return !c.BypassEncryption && !analyse.Bypassed(command)
}

// Encrypt encrypts a command.
func (c *Cipher) Encrypt(ctx context.Context, database string, command bson.Raw) (bson.Raw, error) {
	return c.analyser.Encrypt(ctx, database, command)
}

// Decrypt decrypts a reply.
func (c *Cipher) Decrypt(ctx context.Context, reply bson.Raw) (bson.Raw, error) {
	return c.Decrypter.Decrypt(ctx, reply)
}

// EncryptedFields are those that the user has given; nil: none.
func (c *Cipher) EncryptedFields(database, collection string) bson.Raw {
	return c.EncryptedFieldsMap[database+"."+collection]
}

// Local is analyse.Source's.
func (c *Cipher) Local(ctx context.Context, database, collection string) (*analyse.Schema, error) {
	ns := database + "." + collection
	c.mu.Lock()
	s := c.local[ns]
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	var err error
	if fields, ok := c.EncryptedFieldsMap[ns]; ok {
		s, err = analyse.FromEncryptedFields(ctx, collection, fields, c.Encrypter)
	} else if schema, ok := c.SchemaMap[ns]; ok {
		s, err = analyse.FromJSONSchema(schema, true)
	}
	if s == nil || err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local[ns] = s
	return s, nil
}

// Schema is analyse.Source's.
func (c *Cipher) Schema(ctx context.Context, database, collection string) (*analyse.Schema, error) {
	if s, err := c.Local(ctx, database, collection); s != nil || err != nil {
		return s, err
	}
	ns := database + "." + collection
	c.mu.Lock()
	e, ok := c.known[ns]
	c.mu.Unlock()
	if ok && c.Now().Before(e.expires) {
		return e.schema, e.err
	}
	info, err := c.Collection(ctx, database, collection)
	if err != nil {
		return nil, fmt.Errorf("listCollections, for the schema of %s: %w", ns, err)
	}
	e = entry{expires: c.Now().Add(lifetime)}
	e.schema, e.err = c.read(ctx, ns, collection, info)
	var unsafe *analyse.Error
	if e.err == nil || errors.Is(e.err, ErrView) || errors.As(e.err, &unsafe) { // what the key vault said may be otherwise next time
		c.remember(ns, e)
	}
	return e.schema, e.err
}

func (c *Cipher) remember(ns string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	maps.DeleteFunc(c.known, func(_ string, old entry) bool { return !now.Before(old.expires) })
	c.known[ns] = e
}

// Forget has the server asked again.
func (c *Cipher) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
}

// ErrView is a view, whose schema is not known.
var ErrView = errors.New("cannot auto encrypt a view")

// read reads what listCollections says of a collection.
func (c *Cipher) read(ctx context.Context, ns, collection string, info bson.Raw) (*analyse.Schema, error) {
	if info == nil {
		return analyse.Plain(), nil
	}
	if kind, _ := bsonwire.Lookup(info, "type"); isText(kind, "view") {
		return nil, fmt.Errorf("%w: %s", ErrView, ns)
	}
	if v, ok := bsonwire.Lookup(info, "options", "encryptedFields"); ok {
		fields, ok := v.AsDocument()
		if !ok {
			return nil, fmt.Errorf("the server's encryptedFields of %s are no document", ns)
		}
		return analyse.FromEncryptedFields(ctx, collection, fields, c.Encrypter)
	}
	v, _ := bsonwire.Lookup(info, "options", "validator")
	validator, ok := v.AsDocument()
	if !ok {
		return analyse.Plain(), nil
	}
	v, _ = bsonwire.Lookup(validator, "$jsonSchema")
	schema, ok := v.AsDocument()
	if !ok {
		return analyse.Plain(), nil
	}
	s, err := analyse.FromJSONSchema(schema, false)
	if err == nil && s.Kind != analyse.NoEncryption && siblings(validator) {
		return nil, fmt.Errorf("schema requires encryption, but collection JSON schema validator has siblings: that of %s must be one $jsonSchema alone", ns)
	}
	return s, err
}

func isText(v bsonwire.Value, s string) bool {
	got, ok := v.AsString()
	return ok && got == s
}

// siblings reports whether a document has more than one field.
func siblings(doc []byte) bool {
	n := 0
	for r := bsonwire.NewReader(doc); r.Next(); {
		n++
	}
	return n > 1
}
