package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"slices"
)

// EncryptCTR appends to dst a random IV and plaintext encrypted under key by AES-256-CTR, without any authentication.
// key has 32 bytes: Queryable Encryption encrypts so under tokens.
func EncryptCTR(dst []byte, key *[TokenSize]byte, plaintext []byte) []byte {
	var iv [blockSize]byte
	rand.Read(iv[:])
	return encryptCTR(dst, key, &iv, plaintext)
}

func encryptCTR(dst []byte, key *[TokenSize]byte, iv *[blockSize]byte, plaintext []byte) []byte {
	dst = slices.Grow(dst, blockSize+len(plaintext))
	dst = append(append(dst, iv[:]...), plaintext...)
	xor(key, iv[:], dst[len(dst)-len(plaintext):])
	return dst
}

// DecryptCTR appends to dst the plaintext of what EncryptCTR made.
func DecryptCTR(dst []byte, key *[TokenSize]byte, encrypted []byte) ([]byte, error) {
	if len(encrypted) <= blockSize {
		return nil, errors.New("nothing is encrypted behind the IV")
	}
	start := len(dst)
	dst = append(dst, encrypted[blockSize:]...)
	xor(key, encrypted[:blockSize], dst[start:])
	return dst, nil
}

func xor(key *[TokenSize]byte, iv, text []byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	cipher.NewCTR(block, iv).XORKeyStream(text, text)
}
