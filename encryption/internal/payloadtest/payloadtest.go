// Package payloadtest compares the payloads of queryable encryption with those of libmongocrypt's test vectors, and has
// the vectors' keys.
package payloadtest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/encryption/internal/aead"
	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
	"github.com/mgxdb/mgx/encryption/internal/token"
)

// The identifiers of the vectors' data keys.
const (
	KeyABC  = "ABCDEFAB123498761234123456789012"
	Key123  = "12345678123498761234123456789012"
	Key1234 = "12345678123498761234123456789013"
	Key1235 = "12345678123498761234123456789014"
)

// Keys are the vectors' data keys.
func Keys(t testing.TB) map[[16]byte]*aead.Key {
	t.Helper()
	keys := make(map[[16]byte]*aead.Key)
	for _, name := range []string{KeyABC, Key123, Key1234, Key1235} {
		data, err := os.ReadFile(cryptdata.Path(t, "keys", name+"-key-material.txt"))
		if err != nil {
			t.Fatal(err)
		}
		material, err := hex.DecodeString(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if keys[ID(name)], err = aead.ParseKey(material); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// ID is an identifier from its hexadecimal digits.
func ID(digits string) [16]byte {
	id, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return [16]byte(id)
}

// Equal compares two payloads. What is encrypted with a random IV is compared after decryption.
func Equal(t testing.TB, got, want []byte, keys map[[16]byte]*aead.Key, index [16]byte) {
	t.Helper()
	if len(got) == 0 || got[0] != want[0] {
		t.Fatalf("the payload begins with %x, not %x", got[:min(len(got), 1)], want[0])
	}
	c := comparison{t: t, keys: keys, ecoc: token.ECOC(keys[index].TokenKey())}
	if want[0] == 16 { // an unindexed value
		if !bytes.Equal(got[:18], want[:18]) {
			t.Errorf("header %x, want %x", got[:18], want[:18])
		}
		c.sealed(got[18:], want[18:], got[:18], [16]byte(want[1:17]))
		return
	}
	c.document("", got[1:], want[1:])
}

type comparison struct {
	t    testing.TB
	keys map[[16]byte]*aead.Key
	ecoc token.Token
}

func (c *comparison) document(path string, got, want []byte) {
	c.t.Helper()
	g, w := bsonwire.NewReader(got), bsonwire.NewReader(want)
	for w.Next() {
		if !g.Next() {
			c.t.Errorf("%s.%s is missing (%v)", path, w.Key(), g.Err())
			return
		}
		at := path + "." + string(w.Key())
		if !bytes.Equal(g.Key(), w.Key()) || g.Value().Type != w.Value().Type {
			c.t.Errorf("%s of %s, want %s of %s", g.Key(), g.Value().Type, at, w.Value().Type)
			return
		}
		c.value(at, string(w.Key()), g.Value(), w.Value())
	}
	if g.Next() {
		c.t.Errorf("%s.%s is too much", path, g.Key())
	}
}

func (c *comparison) value(at, key string, got, want bsonwire.Value) {
	c.t.Helper()
	_, g, _ := got.AsBinary()
	_, w, isBinary := want.AsBinary()
	switch {
	case want.Type == bson.TypeEmbeddedDocument || want.Type == bson.TypeArray:
		c.document(at, got.Data, want.Data)
	case isBinary && key == "p":
		a, err1 := aead.DecryptCTR(nil, (*[32]byte)(&c.ecoc), g)
		b, err2 := aead.DecryptCTR(nil, (*[32]byte)(&c.ecoc), w)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			c.t.Errorf("%s encrypts %x (%v), want %x (%v)", at, a, err1, b, err2)
		}
	case isBinary && key == "v":
		c.sealed(g[16:], w[16:], g[:16], [16]byte(w[:16]))
	case !got.Equal(want):
		c.t.Errorf("%s is %s, want %s", at, fmt.Sprint(got.Raw()), fmt.Sprint(want.Raw()))
	}
}

func (c *comparison) sealed(got, want, aad []byte, key [16]byte) {
	c.t.Helper()
	k := c.keys[key]
	if k == nil {
		c.t.Errorf("unknown key %x", key)
		return
	}
	a, err1 := aead.Queryable.Open(nil, k, got, aad)
	b, err2 := aead.Queryable.Open(nil, k, want, aad)
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
		c.t.Errorf("the value is %x (%v), want %x (%v)", a, err1, b, err2)
	}
}

// Factor is the contention factor that was chosen for a payload.
func Factor(data []byte) int64 {
	v, _ := bsonwire.Lookup(data[1:], "k")
	n, _ := v.AsInt64()
	return n
}

// Encrypted are the data of all binaries of subtype 6 in a document, in order.
func Encrypted(doc []byte) [][]byte {
	var list [][]byte
	r := bsonwire.NewReader(doc)
	for r.Next() {
		v := r.Value()
		if subtype, data, ok := v.AsBinary(); ok && subtype == 6 {
			list = append(list, data)
		} else if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
			list = append(list, Encrypted(v.Data)...)
		}
	}
	return list
}
