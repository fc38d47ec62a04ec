package aead

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/encryption/internal/cryptdata"
)

type vector struct {
	Name, Algo, Key, IV, AAD, Plaintext, Ciphertext string
	EncryptError                                    string `json:"encrypt_error"`
	DecryptError                                    string `json:"decrypt_error"`
	IgnoreMismatch                                  bool   `json:"ignore_ciphertext_mismatch_on_encrypt"`
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	suites := map[string]*Suite{"AES-256-CBC/SHA-512-256": FieldLevel, "AES-256-CBC/SHA-256": Queryable, "AES-256-CTR/SHA-256": QueryableV1}
	for _, file := range []string{"aes-ctr", "fle2-fixed", "fle2-generated", "fle2aead-decrypt", "fle2aead-fixed",
		"fle2aead-generated", "fle2v2-aead-fixed", "fle2v2-aead-generated", "mcgrew", "nist"} {
		var vectors []vector
		cryptdata.JSON(t, &vectors, "roundtrip", file+".json")
		if len(vectors) == 0 {
			t.Errorf("%s is empty", file)
		}
		for _, v := range vectors {
			t.Run(file+"/"+v.Name, func(t *testing.T) {
				if v.Algo == "AES-256-CTR/NONE" {
					v.ctr(t)
					return
				}
				s := suites[v.Algo]
				if s == nil {
					t.Fatalf("unknown algorithm %s", v.Algo)
				}
				v.aead(t, s)
			})
		}
	}
}

func (v *vector) ctr(t *testing.T) {
	key, plaintext, sealed := (*[32]byte)(unhex(t, v.Key)), unhex(t, v.Plaintext), unhex(t, v.Ciphertext)
	if got := encryptCTR(nil, key, (*[16]byte)(unhex(t, v.IV)), plaintext); !bytes.Equal(got, sealed) {
		t.Errorf("encrypted %x, want %x", got, sealed)
	}
	if got, err := DecryptCTR(nil, key, sealed); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("decrypted %x (%v), want %x", got, err, plaintext)
	}
}

func (v *vector) aead(t *testing.T, s *Suite) {
	key, plaintext, aad, sealed := (*Key)(unhex(t, v.Key)), unhex(t, v.Plaintext), unhex(t, v.AAD), unhex(t, v.Ciphertext)
	if v.EncryptError == "" && !v.IgnoreMismatch {
		if got := s.seal(nil, key, (*[16]byte)(unhex(t, v.IV)), plaintext, aad); !bytes.Equal(got, sealed) {
			t.Errorf("sealed %x, want %x", got, sealed)
		}
	}
	got, err := s.Open(nil, key, sealed, aad)
	// An empty plaintext is refused elsewhere, and its vector has no ciphertext.
	if v.DecryptError != "" || v.EncryptError != "" {
		if err == nil {
			t.Errorf("opened, want %s", v.DecryptError)
		}
		return
	}
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("opened %x (%v), want %x", got, err, plaintext)
	}
}

func TestForged(t *testing.T) {
	key := new(Key)
	for _, s := range []*Suite{FieldLevel, Queryable, QueryableV1} {
		sealed := s.Seal(nil, key, []byte("secret"), []byte("associated"))
		if len(sealed) != s.SealedLen(6) {
			t.Errorf("%s: %d bytes, %d foretold", s.name, len(sealed), s.SealedLen(6))
		}
		for i := range sealed {
			sealed[i] ^= 1
			if _, err := s.Open(nil, key, sealed, []byte("associated")); !errors.Is(err, ErrForged) {
				t.Fatalf("%s: byte %d was changed: %v", s.name, i, err)
			}
			sealed[i] ^= 1
		}
		if _, err := s.Open(nil, key, sealed, []byte("associates")); !errors.Is(err, ErrForged) {
			t.Errorf("%s: other associated data: %v", s.name, err)
		}
		if _, err := s.Open(nil, &Key{1, 95: 1, 40: 1}, sealed, []byte("associated")); !errors.Is(err, ErrForged) {
			t.Errorf("%s: another key: %v", s.name, err)
		}
	}
}

func TestDeterministic(t *testing.T) {
	key := new(Key)
	a, b := FieldLevel.SealDeterministic(nil, key, []byte("x"), []byte("a")), FieldLevel.SealDeterministic(nil, key, []byte("x"), []byte("a"))
	if !bytes.Equal(a, b) {
		t.Error("the same text is sealed in two ways")
	}
	if c := FieldLevel.SealDeterministic(nil, key, []byte("y"), []byte("a")); bytes.Equal(a[:16], c[:16]) {
		t.Error("two texts share an IV")
	}
	if bytes.Equal(FieldLevel.Seal(nil, key, []byte("x"), nil), FieldLevel.Seal(nil, key, []byte("x"), nil)) {
		t.Error("random sealing repeats itself")
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	key, err := ParseKey([]byte(strings.Repeat("s", KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%s", "%+v", "%#v"} {
		if got := fmt.Sprintf(format, key); strings.Contains(got, "ss") || strings.Contains(got, "115") || strings.Contains(got, "0x73") {
			t.Errorf("%s prints %s", format, got)
		}
	}
	key.Wipe()
	if *key != (Key{}) {
		t.Error("a wiped key is still there")
	}
	if _, err := ParseKey(make([]byte, 95)); err == nil {
		t.Error("95 bytes are taken for a key")
	}
}

func FuzzOpen(f *testing.F) {
	key := new(Key)
	f.Add(FieldLevel.Seal(nil, key, []byte("x"), nil), []byte(nil))
	f.Add([]byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, data, aad []byte) {
		for _, s := range []*Suite{FieldLevel, Queryable, QueryableV1} {
			if sealed := s.Seal(nil, key, data, aad); sealed != nil {
				if got, err := s.Open(nil, key, sealed, aad); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%s: %x came back as %x (%v)", s.name, data, got, err)
				}
			}
			_, _ = s.Open(nil, key, data, aad)
		}
		_, _ = DecryptCTR(nil, (*[32]byte)(key[:32]), data)
	})
}
