package encryption

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/encryption/internal/keyring"
)

// RewrapOptions are what data keys are encrypted under anew.
type RewrapOptions struct {
	// Provider is the name of the new KMS provider. "" leaves each key with its own, and its master key, whose current
	// version is used then.
	Provider string
	// MasterKey is the new master key, for all providers but local: see DataKeyOptions. It needs a Provider.
	MasterKey any
}

// RewrapResult is what RewrapManyDataKey did.
type RewrapResult struct {
	// BulkWriteResult is that of the write to the key vault; nil if no data key matched, and nothing was written.
	BulkWriteResult *mgx.BulkWriteResult
}

// RewrapManyDataKey decrypts all data keys that match the filter, and encrypts them anew: under another master key, or
// under another version of the same one. The data keys themselves stay as they are, and so does what they encrypted.
//
// A data key that somebody else changes meanwhile is overwritten. Back the key vault up before.
func (c *ClientEncryption) RewrapManyDataKey(ctx context.Context, filter any, options RewrapOptions) (RewrapResult, error) {
	result, err := c.rewrap(ctx, filter, &options)
	return result, wrap("rewrapping data keys", err)
}

func (c *ClientEncryption) rewrap(ctx context.Context, filter any, o *RewrapOptions) (RewrapResult, error) {
	if o.Provider == "" && o.MasterKey != nil {
		return RewrapResult{}, errors.New("a master key needs its provider")
	}
	ctx = mgx.WithoutSession(ctx)
	docs, err := mgx.Collect[bson.Raw](c.keys.vault.Find(ctx, filter))
	if err != nil || len(docs) == 0 {
		return RewrapResult{}, err
	}
	models := make([]mgx.WriteModel, len(docs))
	for i, doc := range docs {
		if models[i], err = c.rewrapOne(ctx, doc, o); err != nil {
			return RewrapResult{}, err
		}
	}
	result, err := c.keys.vault.BulkWrite(ctx, models)
	return RewrapResult{BulkWriteResult: &result}, err
}

func (c *ClientEncryption) rewrapOne(ctx context.Context, doc bson.Raw, o *RewrapOptions) (mgx.WriteModel, error) {
	d, err := keyring.ParseDocument(doc)
	if err != nil {
		return mgx.WriteModel{}, err
	}
	material, err := keyring.Unwrap(ctx, c.keys.provider, d)
	if err != nil {
		return mgx.WriteModel{}, err
	}
	defer material.Wipe()
	provider, master := o.Provider, o.MasterKey
	if provider == "" {
		provider, master = d.Provider, d.Master
	}
	wrapped, stored, err := c.wrapKey(ctx, provider, master, material[:])
	if err != nil {
		return mgx.WriteModel{}, fmt.Errorf("encrypting it anew: %w", err)
	}
	return mgx.UpdateOneModel(bson.D{{Key: "_id", Value: uuid(d.ID)}}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "masterKey", Value: stored}, {Key: "keyMaterial", Value: bson.Binary{Data: wrapped}}}},
		{Key: "$currentDate", Value: bson.D{{Key: "updateDate", Value: true}}},
	}), nil
}
