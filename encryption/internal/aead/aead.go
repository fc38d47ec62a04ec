// Package aead encrypts and authenticates bytes as MongoDB's in-use encryption does: by AEAD_AES_256_CBC_HMAC_SHA_512
// for field level encryption, by AES-256 in CBC or CTR mode with HMAC-SHA-256 for Queryable Encryption. All are
// encrypt-then-MAC; what they make is the IV, the ciphertext, and the tag (of which SHA-512 keeps the first half).
package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// Sizes in bytes.
const (
	KeySize   = 96
	TokenSize = 32

	blockSize = aes.BlockSize
	tagSize   = 32
)

// ErrForged is what Open returns for data that the key did not seal, or not with these associated data.
var ErrForged = errors.New("the data's authentication tag is wrong: they are damaged, or belong to another key")

// A Key is the material of a data key: three keys of 32 bytes. Which is for what depends on the suite.
type Key [KeySize]byte

// ParseKey copies material.
func ParseKey(material []byte) (*Key, error) {
	if len(material) != KeySize {
		return nil, fmt.Errorf("a data key has %d bytes, not %d", KeySize, len(material))
	}
	return (*Key)(slices.Clone(material)), nil
}

// Wipe overwrites the key with zeros.
func (k *Key) Wipe() { clear(k[:]) }

// TokenKey is the part of the key from which Queryable Encryption derives its tokens. It aliases the key.
func (k *Key) TokenKey() []byte { return k[64:] }

// String keeps keys out of whatever is printed.
func (k *Key) String() string { return "data key" }

// GoString is String.
func (k *Key) GoString() string { return k.String() }

// A Suite is one combination of cipher and MAC.
type Suite struct {
	name     string
	newHash  func() hash.Hash
	mac, enc int // where in a Key the two keys begin
	ctr      bool
	// lengths reports that the MAC ends with the length of the associated data in bits.
	lengths bool
}

// The suites.
var (
	// FieldLevel is AEAD_AES_256_CBC_HMAC_SHA_512 of client-side field level encryption, also used by the key
	// management services local and KMIP.
	FieldLevel = &Suite{name: "AEAD_AES_256_CBC_HMAC_SHA_512", newHash: sha512.New, mac: 0, enc: 32, lengths: true}
	// Queryable is Queryable Encryption's, version 2.
	Queryable = &Suite{name: "AES-256-CBC with HMAC-SHA-256", newHash: sha256.New, mac: 32, enc: 0}
	// QueryableV1 is Queryable Encryption's, version 1. It is only read.
	QueryableV1 = &Suite{name: "AES-256-CTR with HMAC-SHA-256", newHash: sha256.New, mac: 32, enc: 0, ctr: true}
)

// Seal appends the sealed plaintext to dst, with a random IV.
func (s *Suite) Seal(dst []byte, k *Key, plaintext, aad []byte) []byte {
	var iv [blockSize]byte
	rand.Read(iv[:])
	return s.seal(dst, k, &iv, plaintext, aad)
}

// SealDeterministic appends the sealed plaintext to dst; the same plaintext with the same associated data and key always
// gives the same bytes. FieldLevel only.
func (s *Suite) SealDeterministic(dst []byte, k *Key, plaintext, aad []byte) []byte {
	h := hmac.New(s.newHash, k[64:])
	h.Write(aad)
	h.Write(bitLength(aad))
	h.Write(plaintext)
	var sum [sha512.Size]byte
	h.Sum(sum[:0])
	return s.seal(dst, k, (*[blockSize]byte)(sum[:blockSize]), plaintext, aad)
}

func bitLength(aad []byte) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(len(aad))*8)
}

// SealedLen is how many bytes Seal appends for a plaintext of n bytes.
func (s *Suite) SealedLen(n int) int {
	if !s.ctr {
		n += blockSize - n%blockSize
	}
	return blockSize + n + tagSize
}

func (s *Suite) seal(dst []byte, k *Key, iv *[blockSize]byte, plaintext, aad []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, s.SealedLen(len(plaintext)))
	dst = append(dst, iv[:]...)
	body := len(dst)
	dst = append(dst, plaintext...)
	if !s.ctr {
		pad := blockSize - len(plaintext)%blockSize
		for range pad {
			dst = append(dst, byte(pad))
		}
	}
	block := s.block(k)
	if s.ctr {
		cipher.NewCTR(block, iv[:]).XORKeyStream(dst[body:], dst[body:])
	} else {
		cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(dst[body:], dst[body:])
	}
	var sum [sha512.Size]byte
	return append(dst, s.tag(sum[:0], k, aad, dst[start:])...)
}

// Open appends to dst the plaintext of what Seal made. Without a valid tag it returns ErrForged, and nothing is
// decrypted.
func (s *Suite) Open(dst []byte, k *Key, sealed, aad []byte) ([]byte, error) {
	least := blockSize + tagSize
	if !s.ctr {
		least += blockSize
	}
	if len(sealed) < least {
		return nil, fmt.Errorf("%s makes at least %d bytes, not %d", s.name, least, len(sealed))
	}
	iv, body := sealed[:blockSize], sealed[blockSize:len(sealed)-tagSize]
	if !s.ctr && len(body)%blockSize != 0 {
		return nil, fmt.Errorf("%s: %d bytes of ciphertext are no whole blocks", s.name, len(body))
	}
	var sum [sha512.Size]byte
	if !hmac.Equal(s.tag(sum[:0], k, aad, sealed[:len(sealed)-tagSize]), sealed[len(sealed)-tagSize:]) {
		return nil, ErrForged
	}
	start := len(dst)
	dst = append(dst, body...)
	if s.ctr {
		cipher.NewCTR(s.block(k), iv).XORKeyStream(dst[start:], dst[start:])
		return dst, nil
	}
	cipher.NewCBCDecrypter(s.block(k), iv).CryptBlocks(dst[start:], dst[start:])
	pad, ok := padding(dst[start:])
	if !ok {
		return nil, fmt.Errorf("%s: the padding is wrong", s.name)
	}
	return dst[:len(dst)-pad], nil
}

// padding is how many bytes of PKCS #7 padding end a decrypted text.
func padding(text []byte) (int, bool) {
	pad := int(text[len(text)-1])
	if pad == 0 || pad > blockSize {
		return 0, false
	}
	for _, b := range text[len(text)-pad:] {
		if int(b) != pad {
			return 0, false
		}
	}
	return pad, true
}

func (s *Suite) block(k *Key) cipher.Block {
	block, err := aes.NewCipher(k[s.enc : s.enc+32])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return block
}

// tag appends the tag of an IV and ciphertext to dst.
func (s *Suite) tag(dst []byte, k *Key, aad, text []byte) []byte {
	h := hmac.New(s.newHash, k[s.mac:s.mac+32])
	h.Write(aad)
	h.Write(text)
	if s.lengths {
		h.Write(bitLength(aad))
	}
	return h.Sum(dst)[:tagSize]
}
