package encryption

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// CreateEncryptedCollection creates a collection with Queryable Encryption, and a data key by the provider with this
// name for each of its fields whose keyId is null. It returns encryptedFields with the new keys in them: also beside an
// error, so that it is known which keys there are already.
//
// It changes nothing for clients that there are: to encrypt by the result, give it to a new client, in
// AutoOptions.EncryptedFieldsMap, or let that ask the server for it.
func (c *ClientEncryption) CreateEncryptedCollection(ctx context.Context, db *mgx.Database, name string, encryptedFields any, provider string, masterKey any, options ...mgx.CreateCollectionOption) (*mgx.Collection, bson.Raw, error) {
	const op = "creating an encrypted collection"
	fields, err := document("encryptedFields", encryptedFields)
	if err != nil {
		return nil, nil, wrap(op, err)
	}
	if fields == nil {
		return nil, nil, wrap(op, errors.New("no encryptedFields are defined for the collection"))
	}
	if err := bsonwire.Validate(fields); err != nil {
		return nil, nil, wrap(op, err)
	}
	complete, err := c.withKeys(ctx, fields, provider, masterKey)
	if err != nil {
		return nil, complete, wrap(op, err)
	}
	if err := db.CreateCollection(ctx, name, append([]mgx.CreateCollectionOption{mgx.EncryptedFields(complete)}, options...)...); err != nil {
		return nil, complete, wrap(op, err)
	}
	return db.Collection(name), complete, nil
}

// withKeys gives fields whose keyId is null new keys. Beside an error there are those that were made.
func (c *ClientEncryption) withKeys(ctx context.Context, fields bson.Raw, provider string, master any) (complete bson.Raw, failed error) {
	doc, start := bsonwire.Begin(nil)
	for r := bsonwire.NewReader(fields); r.Next(); {
		list, isArray := r.Value().AsArray()
		if string(r.Key()) != "fields" || !isArray {
			doc = bsonwire.AppendValue(doc, string(r.Key()), r.Value())
			continue
		}
		var array int
		doc, array = bsonwire.BeginArray(doc, "fields")
		i := 0
		for r := bsonwire.NewReader(list); r.Next(); i++ {
			field, isDoc := r.Value().AsDocument()
			keyID, has := bsonwire.Lookup(field, "keyId")
			if !isDoc || !has || keyID.Type != bson.TypeNull || failed != nil {
				doc = bsonwire.AppendValue(doc, bsonwire.Index(i), r.Value())
				continue
			}
			var id bson.Binary
			if id, failed = c.createDataKey(ctx, provider, &DataKeyOptions{MasterKey: master}); failed != nil {
				doc = bsonwire.AppendValue(doc, bsonwire.Index(i), r.Value())
				continue
			}
			var at int
			doc, at = bsonwire.BeginDocument(doc, bsonwire.Index(i))
			for r := bsonwire.NewReader(field); r.Next(); {
				if string(r.Key()) == "keyId" {
					doc = bsonwire.AppendBinary(doc, "keyId", id.Subtype, id.Data)
					continue
				}
				doc = bsonwire.AppendValue(doc, string(r.Key()), r.Value())
			}
			doc = bsonwire.End(doc, at)
		}
		doc = bsonwire.End(doc, array)
	}
	return bsonwire.End(doc, start), failed
}
