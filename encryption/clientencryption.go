package encryption

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/kms"
)

// A ClientEncryption makes and manages data keys, and encrypts and decrypts values explicitly. It is safe for concurrent
// use.
//
// What it does with the key vault runs outside of the session that a context may have.
type ClientEncryption struct{ keys *keys }

// New returns a ClientEncryption. It does no I/O.
func New(options *Options) (*ClientEncryption, error) {
	k, err := newKeys(options)
	if err != nil {
		return nil, wrap("options", err)
	}
	return &ClientEncryption{keys: k}, nil
}

// Close wipes the data keys and local master keys in memory. What needs them afterwards is an mgx.ErrClosed; the client
// of the key vault stays open.
func (c *ClientEncryption) Close() { c.keys.forget() }

// EnsureIndex makes the unique index that the key vault should have: on keyAltNames, where there are any. Without it, two
// data keys that get the same alternate name at the same time both keep it.
func (c *ClientEncryption) EnsureIndex(ctx context.Context) error {
	exists := bson.D{{Key: "keyAltNames", Value: bson.D{{Key: "$exists", Value: true}}}}
	_, err := c.keys.vault.CreateIndex(mgx.WithoutSession(ctx), mgx.Index{Keys: bson.D{{Key: "keyAltNames", Value: 1}}, Unique: true, PartialFilter: exists})
	return wrap("making the key vault's index", err)
}

// The master keys of the key management services, for DataKeyOptions and RewrapOptions. A document with the same fields
// does as well.
type (
	// AWSMasterKey is a key of AWS KMS. Region and Key are required.
	AWSMasterKey struct {
		Region string `bson:"region"`
		// Key is the Amazon Resource Name (ARN).
		Key string `bson:"key"`
		// Endpoint is another host to ask than kms.<region>.amazonaws.com, with or without a port.
		Endpoint string `bson:"endpoint,omitempty"`
	}
	// AzureMasterKey is a key of Azure Key Vault. KeyVaultEndpoint and KeyName are required.
	AzureMasterKey struct {
		// KeyVaultEndpoint is a host, with or without a port, such as example.vault.azure.net.
		KeyVaultEndpoint string `bson:"keyVaultEndpoint"`
		KeyName          string `bson:"keyName"`
		// KeyVersion is the primary version, by default.
		KeyVersion string `bson:"keyVersion,omitempty"`
	}
	// GCPMasterKey is a key of Google Cloud KMS. ProjectID, Location, KeyRing and KeyName are required.
	GCPMasterKey struct {
		ProjectID string `bson:"projectId"`
		Location  string `bson:"location"`
		KeyRing   string `bson:"keyRing"`
		KeyName   string `bson:"keyName"`
		// KeyVersion is the primary version, by default.
		KeyVersion string `bson:"keyVersion,omitempty"`
		// Endpoint is another host to ask than cloudkms.googleapis.com, with or without a port.
		Endpoint string `bson:"endpoint,omitempty"`
	}
	// KMIPMasterKey is a key on a KMIP server. Without any, the server gets a new one.
	KMIPMasterKey struct {
		// KeyID is the Unique Identifier of a Secret Data object of 96 bytes, or, if Delegated, of an AES key. Without it
		// the server gets a new one.
		KeyID string `bson:"keyId,omitempty"`
		// Endpoint is another host to ask than the provider's, with or without a port.
		Endpoint string `bson:"endpoint,omitempty"`
		// Delegated leaves it to the server to encrypt and decrypt data keys: the master key does not leave it.
		Delegated bool `bson:"delegated,omitempty"`
	}
)

// DataKeyOptions are what a new data key has beside its provider.
type DataKeyOptions struct {
	// MasterKey is what the data key is encrypted under: an AWSMasterKey, AzureMasterKey, GCPMasterKey or KMIPMasterKey,
	// or a document with the same fields. It is required by AWS, Azure and GCP; local has none.
	MasterKey any
	// AltNames are names that the key can be found by beside its identifier.
	AltNames []string
	// Material is the key itself, 96 bytes; by default it is random.
	Material []byte
}

// CreateDataKey makes a data key, encrypts it by the provider with this name, and stores it in the key vault. It returns
// the key's identifier: a UUID (binary subtype 4).
func (c *ClientEncryption) CreateDataKey(ctx context.Context, provider string, options DataKeyOptions) (bson.Binary, error) {
	id, err := c.createDataKey(ctx, provider, &options)
	return id, wrap("creating a data key", err)
}

func (c *ClientEncryption) createDataKey(ctx context.Context, provider string, o *DataKeyOptions) (bson.Binary, error) {
	var material aead.Key
	defer material.Wipe()
	switch len(o.Material) {
	case 0:
		rand.Read(material[:])
	case aead.KeySize:
		copy(material[:], o.Material)
	default:
		return bson.Binary{}, fmt.Errorf("the material of a data key has %d bytes, not %d", aead.KeySize, len(o.Material))
	}
	wrapped, master, err := c.wrapKey(ctx, provider, o.MasterKey, material[:])
	if err != nil {
		return bson.Binary{}, err
	}
	id := newUUID()
	now := bson.NewDateTimeFromTime(time.Now())
	doc := bson.D{{Key: "_id", Value: id}}
	if len(o.AltNames) > 0 {
		doc = append(doc, bson.E{Key: "keyAltNames", Value: o.AltNames})
	}
	doc = append(doc, bson.E{Key: "keyMaterial", Value: bson.Binary{Data: wrapped}}, bson.E{Key: "creationDate", Value: now},
		bson.E{Key: "updateDate", Value: now}, bson.E{Key: "status", Value: int32(0)}, bson.E{Key: "masterKey", Value: master})
	if _, err := c.keys.vault.InsertOne(mgx.WithoutSession(ctx), doc); err != nil {
		return bson.Binary{}, err
	}
	return id, nil
}

// newUUID is a random UUID, of version 4.
func newUUID() bson.Binary {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return uuid(id)
}

// wrapKey encrypts material, and returns with it the master key's document for the key vault.
func (c *ClientEncryption) wrapKey(ctx context.Context, provider string, master any, material []byte) ([]byte, bson.D, error) {
	p, err := c.keys.provider(provider)
	if err != nil {
		return nil, nil, err
	}
	raw, err := document("the master key", master)
	if err != nil {
		return nil, nil, err
	}
	if master == nil && kindNeedsMaster(provider) {
		return nil, nil, fmt.Errorf("the KMS provider %s needs a master key", provider)
	}
	wrapped, stored, err := p.Wrap(ctx, raw, material)
	if err != nil {
		return nil, nil, err
	}
	if len(wrapped) == 0 {
		return nil, nil, fmt.Errorf("the KMS provider %s returned nothing", provider)
	}
	return wrapped, append(bson.D{{Key: "provider", Value: provider}}, stored...), nil
}

// document encodes a document; nil is none.
func document(what string, v any) (bson.Raw, error) {
	if v == nil {
		return nil, nil
	}
	raw, err := bson.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s is no document: %w", what, err)
	}
	return raw, nil
}

// keyFilter finds a data key by its identifier.
func keyFilter(id bson.Binary) (bson.D, error) {
	if _, err := idOf(id); err != nil {
		return nil, err
	}
	return bson.D{{Key: "_id", Value: id}}, nil
}

// idOf is the identifier in a UUID.
func idOf(id bson.Binary) ([16]byte, error) {
	if id.Subtype != bson.TypeBinaryUUID || len(id.Data) != 16 {
		return [16]byte{}, errors.New("a data key's identifier is a UUID: a binary of subtype 4 with 16 bytes")
	}
	return [16]byte(id.Data), nil
}

// GetKey returns the key vault's document of a data key, or an mgx.ErrNoDocuments.
func (c *ClientEncryption) GetKey(ctx context.Context, id bson.Binary) (bson.Raw, error) {
	filter, err := keyFilter(id)
	if err != nil {
		return nil, wrap("getting a data key", err)
	}
	raw, err := c.keys.vault.FindOne(mgx.WithoutSession(ctx), filter).Raw()
	return raw, wrap("getting a data key", err)
}

// GetKeyByAltName returns the key vault's document of the data key with this alternate name, or an mgx.ErrNoDocuments.
func (c *ClientEncryption) GetKeyByAltName(ctx context.Context, name string) (bson.Raw, error) {
	raw, err := c.keys.vault.FindOne(mgx.WithoutSession(ctx), bson.D{{Key: "keyAltNames", Value: name}}).Raw()
	return raw, wrap("getting a data key", err)
}

// GetKeys returns a cursor over all documents of the key vault.
func (c *ClientEncryption) GetKeys(ctx context.Context) *mgx.Cursor {
	return c.keys.vault.Find(mgx.WithoutSession(ctx), nil)
}

// DeleteKey removes a data key from the key vault. Nobody can decrypt any more what was encrypted with it, once
// programs that use it have forgotten it: see Options.KeyExpiration.
func (c *ClientEncryption) DeleteKey(ctx context.Context, id bson.Binary) (mgx.DeleteResult, error) {
	filter, err := keyFilter(id)
	if err != nil {
		return mgx.DeleteResult{}, wrap("deleting a data key", err)
	}
	result, err := c.keys.vault.DeleteOne(mgx.WithoutSession(ctx), filter)
	return result, wrap("deleting a data key", err)
}

// AddKeyAltName gives a data key an alternate name. It returns the key's document as it was before, or an
// mgx.ErrNoDocuments.
func (c *ClientEncryption) AddKeyAltName(ctx context.Context, id bson.Binary, name string) (bson.Raw, error) {
	return c.updateKey(ctx, "adding an alternate name to a data key", id,
		bson.D{{Key: "$addToSet", Value: bson.D{{Key: "keyAltNames", Value: name}}}})
}

// RemoveKeyAltName takes an alternate name from a data key. It returns the key's document as it was before, or an
// mgx.ErrNoDocuments.
func (c *ClientEncryption) RemoveKeyAltName(ctx context.Context, id bson.Binary, name string) (bson.Raw, error) {
	// A list that becomes empty is removed: the unique index is on those that exist.
	names := bson.D{{Key: "$cond", Value: bson.A{
		bson.D{{Key: "$eq", Value: bson.A{"$keyAltNames", bson.A{name}}}},
		"$$REMOVE",
		bson.D{{Key: "$filter", Value: bson.D{{Key: "input", Value: "$keyAltNames"}, {Key: "cond", Value: bson.D{{Key: "$ne", Value: bson.A{"$$this", name}}}}}}},
	}}}
	return c.updateKey(ctx, "removing an alternate name from a data key", id,
		bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "keyAltNames", Value: names}}}}})
}

func (c *ClientEncryption) updateKey(ctx context.Context, op string, id bson.Binary, update any) (bson.Raw, error) {
	filter, err := keyFilter(id)
	if err != nil {
		return nil, wrap(op, err)
	}
	raw, err := c.keys.vault.FindOneAndUpdate(mgx.WithoutSession(ctx), filter, update).Raw()
	return raw, wrap(op, err)
}

// kindNeedsMaster reports whether a provider's data keys name a master key.
func kindNeedsMaster(provider string) bool {
	kind := kms.Kind(provider)
	return kind != "local" && kind != "kmip" // a KMIP server makes one
}
