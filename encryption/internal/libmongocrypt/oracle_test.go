//go:build libmongocrypt

package libmongocrypt

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/cipher"
	"github.com/mgxdb/mgx/encryption/internal/keyring"
	"github.com/mgxdb/mgx/encryption/internal/kms"
	"github.com/mgxdb/mgx/encryption/internal/placeholder"
)

// A pair is the library and this module, with the same data key.
type pair struct {
	theirs *Crypt
	ours   *cipher.Cipher
	id     [16]byte
	key    bson.Raw
}

func newPair(t testing.TB, theirKey bool) *pair {
	t.Helper()
	master := bytes.Repeat([]byte("m"), 96)
	theirs, err := New(master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(theirs.Close)
	local, err := kms.NewLocal(master)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{theirs: theirs, id: [16]byte{1, 2, 3}}
	if theirKey {
		if p.key, err = theirs.DataKey(); err != nil {
			t.Fatal(err)
		}
		_, id, _ := look(p.key, "_id").AsBinary()
		p.id = [16]byte(id)
	} else {
		var material aead.Key
		material[0], material[50], material[95] = 1, 2, 3
		wrapped, _, err := local.Wrap(context.Background(), nil, material[:])
		if err != nil {
			t.Fatal(err)
		}
		now := bson.DateTime(0)
		p.key, err = bson.Marshal(bson.D{{"_id", bson.Binary{Subtype: 4, Data: p.id[:]}}, {"keyMaterial", bson.Binary{Data: wrapped}},
			{"creationDate", now}, {"updateDate", now}, {"status", int32(0)}, {"masterKey", bson.D{{"provider", "local"}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	ring := keyring.New(keyring.Options{
		Find:     func(context.Context, [][16]byte, []string) ([]bson.Raw, error) { return []bson.Raw{p.key}, nil },
		Provider: func(string) (kms.Provider, error) { return local, nil },
	})
	p.ours = cipher.New(ring.Keys)
	return p
}

func look(doc []byte, path ...string) bsonwire.Value {
	v, _ := bsonwire.Lookup(doc, path...)
	return v
}

func raw(t testing.TB, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(bson.D{{"v", v}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var values = []any{"text", "", strings.Repeat("long ", 1000), int32(-1), int64(1) << 40, bson.DateTime(12345), bson.ObjectID{1, 2}, bson.Regex{Pattern: "^a", Options: "i"},
	bson.Timestamp{T: 1, I: 2}, bson.Binary{Data: []byte{1, 2}}, bson.JavaScript("f()")}

// moreValues are only for random encryption.
var moreValues = []any{1.5, true, bson.D{{"a", bson.A{1, "x"}}}, bson.A{1, 2}, bson.NewDecimal128(1, 2)}

// TestBothWays encrypts with one, and decrypts with the other.
func TestBothWays(t *testing.T) {
	t.Logf("libmongocrypt %s", Version())
	for _, theirKey := range []bool{false, true} {
		p := newPair(t, theirKey)
		for algorithm, name := range map[placeholder.Algorithm]string{
			placeholder.Deterministic: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", placeholder.Random: "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
		} {
			list := values
			if algorithm == placeholder.Random {
				list = append(values[:len(values):len(values)], moreValues...)
			}
			for _, v := range list {
				doc := raw(t, v)
				theirs, err := p.theirs.Encrypt(doc, p.id, p.key, name, -1)
				if err != nil {
					t.Fatalf("%v: %v", v, err)
				}
				got, err := p.ours.Encrypt(t.Context(), []placeholder.Placeholder{{Value: look(doc, "v"), Key: placeholder.Key{ID: p.id}, Algorithm: algorithm}})
				if err != nil {
					t.Fatal(err)
				}
				ours := raw(t, bson.Binary{Subtype: 6, Data: got[0]})
				if algorithm == placeholder.Deterministic && !bytes.Equal(ours, theirs) {
					t.Errorf("%v: encrypted to %x, by libmongocrypt to %x", v, ours, theirs)
				}
				if back, err := p.ours.Decrypt(t.Context(), theirs); err != nil || !bytes.Equal(back, doc) {
					t.Errorf("%v: decrypted what libmongocrypt encrypted to %v (%v)", v, back, err)
				}
				if back, err := p.theirs.Decrypt(ours, p.key); err != nil || !bytes.Equal(back, doc) {
					t.Errorf("%v: libmongocrypt decrypted to %v (%v)", v, back, err)
				}
			}
		}
	}
}

// TestQueryableVersion1 decrypts Queryable Encryption's first version, which libmongocrypt wrote until 1.8. (What this
// module writes is version 2, which libmongocrypt reads since 1.8: the vectors' tests have that.)
func TestQueryableVersion1(t *testing.T) {
	p := newPair(t, true)
	for _, c := range []struct {
		name       string
		contention int64
	}{{"Unindexed", -1}, {"Indexed", 3}} {
		for _, v := range values {
			doc := raw(t, v)
			theirs, err := p.theirs.Encrypt(doc, p.id, p.key, c.name, c.contention)
			if err != nil {
				t.Fatalf("%s %v: %v", c.name, v, err)
			}
			if back, err := p.ours.Decrypt(t.Context(), theirs); err != nil || !bytes.Equal(back, doc) {
				t.Errorf("%s %v: decrypted to %v (%v)", c.name, v, back, err)
			}
		}
	}
}

// TestSameRefusals compares what is refused.
func TestSameRefusals(t *testing.T) {
	p := newPair(t, false)
	for algorithm, name := range map[placeholder.Algorithm]string{
		placeholder.Deterministic: "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", placeholder.Random: "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
	} {
		for _, v := range append(append(values[:len(values):len(values)], moreValues...), nil, bson.MinKey{}, bson.MaxKey{}, bson.Undefined{}, bson.CodeWithScope{Code: "x", Scope: bson.D{}}, bson.Symbol("s")) {
			doc := raw(t, v)
			_, theirs := p.theirs.Encrypt(doc, p.id, p.key, name, -1)
			_, ours := p.ours.Encrypt(t.Context(), []placeholder.Placeholder{{Value: look(doc, "v"), Key: placeholder.Key{ID: p.id}, Algorithm: algorithm}})
			if (ours == nil) != (theirs == nil) {
				t.Errorf("%s of %T: %v, libmongocrypt: %v", name, v, ours, theirs)
			}
		}
	}
}

// benchmark runs both with values of some sizes.
func benchmark(b *testing.B, theirs func(p *pair, doc, encrypted bson.Raw) error, ours func(p *pair, doc, encrypted bson.Raw) error) {
	for _, size := range []int{16, 1024, 64 * 1024} {
		p := newPair(b, false)
		doc := raw(b, strings.Repeat("x", size))
		encrypted, err := p.theirs.Encrypt(doc, p.id, p.key, "AEAD_AES_256_CBC_HMAC_SHA_512-Random", -1)
		if err != nil {
			b.Fatal(err)
		}
		for name, f := range map[string]func(p *pair, doc, encrypted bson.Raw) error{"mgx": ours, "libmongocrypt": theirs} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := f(p, doc, encrypted); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkEncryptRandom(b *testing.B) { benchmarkEncrypt(b, placeholder.Random, "Random") }
func BenchmarkEncryptDeterministic(b *testing.B) {
	benchmarkEncrypt(b, placeholder.Deterministic, "Deterministic")
}

func benchmarkEncrypt(b *testing.B, algorithm placeholder.Algorithm, name string) {
	benchmark(b, func(p *pair, doc, _ bson.Raw) error {
		_, err := p.theirs.Encrypt(doc, p.id, p.key, "AEAD_AES_256_CBC_HMAC_SHA_512-"+name, -1)
		return err
	}, func(p *pair, doc, _ bson.Raw) error {
		_, err := p.ours.Encrypt(context.Background(), []placeholder.Placeholder{{Value: look(doc, "v"), Key: placeholder.Key{ID: p.id}, Algorithm: algorithm}})
		return err
	})
}

func BenchmarkDecrypt(b *testing.B) {
	benchmark(b, func(p *pair, _, encrypted bson.Raw) error {
		_, err := p.theirs.Decrypt(encrypted, p.key)
		return err
	}, func(p *pair, _, encrypted bson.Raw) error {
		_, err := p.ours.Decrypt(context.Background(), encrypted)
		return err
	})
}
