package encryption

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/cipher"
	"github.com/mgxdb/mgx/encryption/internal/keyring"
	"github.com/mgxdb/mgx/internal/spectest"
)

// localKey is the local master key of the specification's tests.
const localKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"

// withKeys is a ClientEncryption whose key vault has these documents.
func withKeys(t testing.TB, providers map[string]Provider, docs ...bson.Raw) *ClientEncryption {
	t.Helper()
	options, err := mgx.ParseURI("mongodb://localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	client, err := mgx.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.WithoutCancel(t.Context())) })
	c, err := New(&Options{KeyVault: client.Database("keyvault").Collection("datakeys"), Providers: providers})
	if err != nil {
		t.Fatal(err)
	}
	find := func(_ context.Context, ids [][16]byte, names []string) ([]bson.Raw, error) {
		var found []bson.Raw
		for _, doc := range docs {
			d, err := keyring.ParseDocument(doc)
			if err != nil {
				return nil, err
			}
			if slices.Contains(ids, d.ID) || slices.ContainsFunc(d.AltNames, func(n string) bool { return slices.Contains(names, n) }) {
				found = append(found, doc)
			}
		}
		return found, nil
	}
	c.keys.ring = keyring.New(keyring.Options{Find: find, Provider: c.keys.provider, Lifetime: DefaultKeyExpiration})
	c.keys.cipher = cipher.New(c.keys.ring.Keys)
	return c
}

func local(t testing.TB) map[string]Provider {
	t.Helper()
	p, err := ParseLocal(localKey)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Provider{"local": p}
}

// specDocument reads Extended JSON of the specification.
func specDocument(t testing.TB, name ...string) bson.Raw {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{spectest.Dir(t, "client-side-encryption")}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON(data, false, &d); err != nil {
		t.Fatal(err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func look(doc []byte, path ...string) bsonwire.Value {
	v, _ := bsonwire.Lookup(doc, path...)
	return v
}

func textAt(doc []byte, path ...string) string {
	s, _ := look(doc, path...).AsString()
	return s
}

// TestCorpus is the specification's corpus: values of every type, encrypted in every way, and which of them are refused.
// Of the encrypted values, those under the local master key can be compared: the master keys of the other providers are
// in services of the cloud. Of these, encryption and decryption are tested under keys of this test's own.
func TestCorpus(t *testing.T) {
	corpus, encrypted := specDocument(t, "corpus", "corpus.json"), specDocument(t, "corpus", "corpus-encrypted.json")
	localDoc := specDocument(t, "corpus", "corpus-key-local.json")
	docs := []bson.Raw{localDoc}
	ids := map[string]bson.Binary{"local": {Subtype: 4, Data: mustBinary(t, look(localDoc, "_id"))}}
	for _, kind := range []string{"aws", "azure", "gcp", "kmip"} {
		doc := substitute(t, specDocument(t, "corpus", "corpus-key-"+kind+".json"), localDoc)
		docs = append(docs, doc)
		ids[kind] = bson.Binary{Subtype: 4, Data: mustBinary(t, look(doc, "_id"))}
	}
	c := withKeys(t, local(t), docs...)
	tested, compared := 0, 0
	for r := bsonwire.NewReader(corpus); r.Next(); {
		field, name := r.Value(), string(r.Key())
		if field.Type != bson.TypeEmbeddedDocument {
			continue
		}
		tested++
		kind, allowed := textAt(field.Data, "kms"), false
		allowed, _ = look(field.Data, "allowed").AsBool()
		options := EncryptOptions{Algorithm: map[string]Algorithm{"rand": Random, "det": Deterministic}[textAt(field.Data, "algo")]}
		if textAt(field.Data, "identifier") == "altname" {
			options.KeyAltName = kind
		} else {
			options.KeyID = ids[kind]
		}
		value := look(field.Data, "value")
		got, err := c.Encrypt(t.Context(), value.Raw(), options)
		if allowed != (err == nil) {
			t.Errorf("%s: allowed is %v, and the error %v", name, allowed, err)
		}
		expected := look(encrypted, name, "value")
		if !allowed {
			if !expected.Equal(value) {
				t.Errorf("%s: the corpus encrypts what is not allowed", name)
			}
			continue
		}
		back, err := c.Decrypt(t.Context(), got)
		if err != nil || back.Type != value.Type || !bytes.Equal(back.Value, value.Data) {
			t.Errorf("%s: came back as %v (%v), want %v", name, back, err, value.Raw())
		}
		if kind != "local" {
			continue
		}
		compared++
		theirs := mustBinary(t, expected)
		if options.Algorithm == Deterministic && !bytes.Equal(got.Data, theirs) {
			t.Errorf("%s: encrypted to %x, want %x", name, got.Data, theirs)
		}
		if options.Algorithm == Random && bytes.Equal(got.Data, theirs) {
			t.Errorf("%s: random encryption repeats the corpus", name)
		}
		back, err = c.Decrypt(t.Context(), bson.Binary{Subtype: 6, Data: theirs})
		if err != nil || back.Type != value.Type || !bytes.Equal(back.Value, value.Data) {
			t.Errorf("%s: the corpus' value decrypts to %v (%v), want %v", name, back, err, value.Raw())
		}
	}
	if tested < 700 || compared < 100 {
		t.Errorf("%d fields tested, %d compared", tested, compared)
	}
	t.Logf("%d fields, %d of them compared byte for byte or by decryption", tested, compared)
}

// substitute is a key's document with the material and master key of another.
func substitute(t *testing.T, doc, other bson.Raw) bson.Raw {
	t.Helper()
	var d bson.D
	for r := bsonwire.NewReader(doc); r.Next(); {
		v := r.Value()
		if key := string(r.Key()); key == "keyMaterial" || key == "masterKey" {
			v = look(other, key)
		}
		d = append(d, bson.E{Key: string(r.Key()), Value: v.Raw()})
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func mustBinary(t testing.TB, v bsonwire.Value) []byte {
	t.Helper()
	_, b, ok := v.AsBinary()
	if !ok {
		t.Fatalf("%v is no binary", v.Raw())
	}
	return b
}
