// Package keyring has data keys: it reads the key vault's documents, decrypts what is in them by the key management
// services, and keeps it for a while.
package keyring

import (
	"fmt"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
)

// A Document is a data key as the key vault has it: encrypted under a master key.
type Document struct {
	ID       [16]byte
	AltNames []string
	// Provider is the name of the KMS provider, Master the master key's document.
	Provider string
	Master   bson.Raw
	// Wrapped is the encrypted material.
	Wrapped []byte
}

// ParseDocument reads a document of the key vault. The result aliases it.
func ParseDocument(doc bson.Raw) (*Document, error) {
	if err := bsonwire.ValidateStructure(doc); err != nil {
		return nil, fmt.Errorf("a data key's document is damaged: %w", err)
	}
	look := func(path ...string) bsonwire.Value {
		v, _ := bsonwire.Lookup(doc, path...)
		return v
	}
	var d Document
	subtype, id, ok := look("_id").AsBinary()
	if !ok || subtype != bson.TypeBinaryUUID || len(id) != 16 {
		return nil, fmt.Errorf("a data key's _id is not a UUID (binary subtype 4)")
	}
	d.ID = [16]byte(id)
	if v := look("version"); !v.IsZero() {
		if n, ok := v.AsInt64(); !ok || n != 0 {
			return nil, fmt.Errorf("the data key %x has a version that is unknown: update mgx", d.ID)
		}
	}
	if _, d.Wrapped, ok = look("keyMaterial").AsBinary(); !ok {
		return nil, fmt.Errorf("the data key %x has no keyMaterial", d.ID)
	}
	if d.Master, ok = look("masterKey").AsDocument(); !ok {
		return nil, fmt.Errorf("the data key %x has no masterKey", d.ID)
	}
	if d.Provider, ok = look("masterKey", "provider").AsString(); !ok {
		return nil, fmt.Errorf("the master key of the data key %x names no provider", d.ID)
	}
	names := look("keyAltNames")
	if names.IsZero() {
		return &d, nil
	}
	list, ok := names.AsArray()
	if !ok {
		return nil, fmt.Errorf("keyAltNames of the data key %x is not an array", d.ID)
	}
	for r := bsonwire.NewReader(list); r.Next(); {
		name, ok := r.Value().AsString()
		if !ok {
			return nil, fmt.Errorf("keyAltNames of the data key %x has something else than strings", d.ID)
		}
		d.AltNames = append(d.AltNames, name)
	}
	return &d, nil
}
