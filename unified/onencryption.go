package unified

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption"
)

// ErrNoKMS is what every request to a key management service ends with: there is none.
var ErrNoKMS = errors.New("no key management service is at hand, nor credentials for one")

func noKMS(context.Context, string, string) (net.Conn, error) { return nil, ErrNoKMS }

// localMasterKey is the one of the specification's tests.
const localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"

// kms are the KMS providers of a specification. Credentials that come from the environment are made up: no service is
// there to look at them.
func kms(spec bson.D) (map[string]encryption.Provider, error) {
	providers := map[string]encryption.Provider{}
	for _, e := range spec {
		d, _ := e.Value.(bson.D)
		text := func(name, madeUp string) string {
			v, ok := lookup(d, name)
			if s, isText := v.(string); isText {
				return s
			}
			if !ok {
				return ""
			}
			return madeUp
		}
		kind, _, _ := strings.Cut(e.Key, ":")
		switch kind {
		case "local":
			key, err := base64.StdEncoding.DecodeString(text("key", localMasterKey))
			if err != nil {
				return nil, malformedf("a local master key is not base64: %v", err)
			}
			providers[e.Key] = encryption.Local{Key: key}
		case "aws":
			providers[e.Key] = encryption.AWS{AccessKeyID: text("accessKeyId", "id"), SecretAccessKey: text("secretAccessKey", "secret"), SessionToken: text("sessionToken", "token")}
		case "azure":
			providers[e.Key] = encryption.Azure{TenantID: text("tenantId", "tenant"), ClientID: text("clientId", "id"), ClientSecret: text("clientSecret", "secret"), AccessToken: text("accessToken", "token")}
		case "gcp":
			providers[e.Key] = encryption.GCP{AccessToken: "token"}
		case "kmip":
			providers[e.Key] = encryption.KMIP{Endpoint: text("endpoint", "localhost:5698")}
		}
	}
	return providers, nil
}

// keyExpiration is what keyExpirationMS says.
func keyExpiration(spec bson.D) time.Duration {
	v, ok := lookup(spec, "keyExpirationMS")
	n, _ := integer(v)
	switch {
	case !ok:
		return 0
	case n == 0:
		return encryption.NeverExpire
	}
	return time.Duration(n) * time.Millisecond
}

// automatic is the automatic encryption of a client.
func automatic(spec bson.D) (mgx.Encryption, error) {
	o := encryption.AutoOptions{
		KeyVaultNamespace: get[string](spec, "keyVaultNamespace"), Dial: noKMS, KeyExpiration: keyExpiration(spec),
		BypassAutoEncryption: get[bool](spec, "bypassAutoEncryption"), BypassQueryAnalysis: get[bool](spec, "bypassQueryAnalysis"),
		SchemaMap: map[string]any{}, EncryptedFieldsMap: map[string]any{},
	}
	for _, e := range get[bson.D](spec, "schemaMap") {
		o.SchemaMap[e.Key] = e.Value
	}
	for _, e := range get[bson.D](spec, "encryptedFieldsMap") {
		o.EncryptedFieldsMap[e.Key] = e.Value
	}
	var err error
	if o.Providers, err = kms(get[bson.D](spec, "kmsProviders")); err != nil {
		return nil, err
	}
	return encryption.Auto(o), nil
}

func (r *run) newClientEncryption(spec bson.D) (*encryption.ClientEncryption, error) {
	c, err := entity[*client](&r.entities, get[string](spec, "keyVaultClient"))
	if err != nil {
		return nil, err
	}
	database, collection, _ := strings.Cut(get[string](spec, "keyVaultNamespace"), ".")
	providers, err := kms(get[bson.D](spec, "kmsProviders"))
	if err != nil {
		return nil, err
	}
	return encryption.New(&encryption.Options{
		KeyVault: c.Client.Database(database).Collection(collection), Providers: providers, Dial: noKMS, KeyExpiration: keyExpiration(spec),
	})
}

// onClientEncryption runs an operation of a ClientEncryption.
func (r *run) onClientEncryption(c *encryption.ClientEncryption, name string, a *arguments) (result, error) {
	id, _ := lookup(a.d, "id")
	key, _ := id.(bson.Binary)
	switch name {
	case "createDataKey":
		return r.createDataKey(c, a)
	case "rewrapManyDataKey":
		return r.rewrapManyDataKey(c, a)
	case "deleteKey":
		res, err := c.DeleteKey(r.ctx, key)
		return value(bson.D{{Key: "deletedCount", Value: res.DeletedCount}}), err
	case "getKey":
		return keyDocument(c.GetKey(r.ctx, key))
	case "getKeys":
		list, err := mgx.Collect[bson.D](c.GetKeys(r.ctx))
		return documents(list), err
	case "getKeyByAltName":
		return keyDocument(c.GetKeyByAltName(r.ctx, get[string](a.d, "keyAltName")))
	case "addKeyAltName":
		return keyDocument(c.AddKeyAltName(r.ctx, key, get[string](a.d, "keyAltName")))
	case "removeKeyAltName":
		return keyDocument(c.RemoveKeyAltName(r.ctx, key, get[string](a.d, "keyAltName")))
	case "encrypt":
		v, _ := lookup(a.d, "value")
		o, err := encryptOptions(get[bson.D](a.d, "opts"))
		if err != nil {
			return nothing, err
		}
		encrypted, err := c.Encrypt(r.ctx, v, o)
		return value(encrypted), err
	case "decrypt":
		v, _ := lookup(a.d, "value")
		binary, _ := v.(bson.Binary)
		raw, err := c.Decrypt(r.ctx, binary)
		if err != nil {
			return nothing, err
		}
		decrypted, _, err := toValue(raw)
		return value(decrypted), err
	}
	return nothing, unknown("clientEncryption", name)
}

// keyDocument is a result that is a data key, or null.
func keyDocument(doc bson.Raw, err error) (result, error) {
	if err != nil || doc == nil {
		return nothing, ignoreMissing(err)
	}
	var d bson.D
	if err := bson.Unmarshal(doc, &d); err != nil {
		return nothing, err
	}
	return value(d), nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, mgx.ErrNoDocuments) {
		return nil
	}
	return err
}

// dataKeyOptions are the options that createDataKey and rewrapManyDataKey share.
func (r *run) createDataKey(c *encryption.ClientEncryption, a *arguments) (result, error) {
	opts := get[bson.D](a.d, "opts")
	o := encryption.DataKeyOptions{}
	if master, ok := lookup(opts, "masterKey"); ok {
		o.MasterKey = master
	}
	for _, name := range get[bson.A](opts, "keyAltNames") {
		s, _ := name.(string)
		o.AltNames = append(o.AltNames, s)
	}
	if material, ok := lookup(opts, "keyMaterial"); ok {
		b, _ := material.(bson.Binary)
		o.Material = b.Data
	}
	id, err := c.CreateDataKey(r.ctx, get[string](a.d, "kmsProvider"), o)
	return value(id), err
}

func (r *run) rewrapManyDataKey(c *encryption.ClientEncryption, a *arguments) (result, error) {
	opts := get[bson.D](a.d, "opts")
	o := encryption.RewrapOptions{Provider: get[string](opts, "provider")}
	if master, ok := lookup(opts, "masterKey"); ok {
		o.MasterKey = master
	}
	res, err := c.RewrapManyDataKey(r.ctx, get[bson.D](a.d, "filter"), o)
	if err != nil || res.BulkWriteResult == nil {
		return value(bson.D{}), err
	}
	b := res.BulkWriteResult
	return value(bson.D{{Key: "bulkWriteResult", Value: bson.D{
		{Key: "insertedCount", Value: b.InsertedCount}, {Key: "matchedCount", Value: b.MatchedCount}, {Key: "modifiedCount", Value: b.ModifiedCount},
		{Key: "deletedCount", Value: b.DeletedCount}, {Key: "upsertedCount", Value: b.UpsertedCount},
		{Key: "upsertedIds", Value: bson.D{}}, {Key: "insertedIds", Value: bson.D{}},
	}}}), nil
}

func encryptOptions(opts bson.D) (encryption.EncryptOptions, error) {
	o := encryption.EncryptOptions{}
	for _, e := range opts {
		switch e.Key {
		case "keyId":
			o.KeyID, _ = e.Value.(bson.Binary)
		case "keyAltName":
			o.KeyAltName, _ = e.Value.(string)
		case "algorithm":
			s, _ := e.Value.(string)
			o.Algorithm = encryption.Algorithm(s)
		default:
			return o, malformedf("encrypt has no option %q", e.Key)
		}
	}
	return o, nil
}
