// Package token derives the tokens of Queryable Encryption: a tree of HMAC-SHA-256, whose root is the last third of a
// data key. The server, which gets tokens and never the key, finds by them what is equal, and nothing else.
//
// The names are those of the server's crypto library.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Token is a value of the tree.
type Token [sha256.Size]byte

// of derives a token from data.
func (t *Token) of(data []byte) Token {
	h := hmac.New(sha256.New, t[:])
	h.Write(data)
	var out Token
	h.Sum(out[:0])
	return out
}

// number derives a token from a number.
func (t *Token) number(n uint64) Token {
	var data [8]byte
	binary.LittleEndian.PutUint64(data[:], n)
	return t.of(data[:])
}

// Level1 are the tokens from which all others of a field are derived.
type Level1 struct {
	EDC, ESC, ECOC Token
	// ServerDerivation and ServerEncryption are ServerTokenDerivationLevel1Token and
	// ServerDataEncryptionLevel1Token.
	ServerDerivation, ServerEncryption Token
}

// Derive makes a field's tokens from the token key of its data key.
func Derive(tokenKey []byte) *Level1 {
	root := (*Token)(tokenKey)
	collections := root.number(1)
	return &Level1{
		EDC: collections.number(1), ESC: collections.number(2), ECOC: collections.number(4),
		ServerDerivation: root.number(2), ServerEncryption: root.number(3),
	}
}

// ECOC derives the token for compaction alone.
func ECOC(tokenKey []byte) Token {
	collections := (*Token)(tokenKey).number(1)
	return collections.number(4)
}

// ServerEncryption derives the token under which the server's copy of values is encrypted, alone.
func ServerEncryption(tokenKey []byte) Token { return (*Token)(tokenKey).number(3) }

// AnchorPadding derives AnchorPaddingTokenRoot, which the compaction of fields with range and text queries needs.
func AnchorPadding(tokenKey []byte) Token {
	collections := (*Token)(tokenKey).number(1)
	esc := collections.number(2)
	return esc.of(make([]byte, 17))
}

// A Set are the tokens of one value or edge, derived from data: EDCDerivedFromDataToken,
// ESCDerivedFromDataToken, ServerDerivedFromDataToken.
type Set struct{ EDC, ESC, Server Token }

// Of derives the tokens of a value, as queries send them.
func (l *Level1) Of(value []byte) Set {
	return Set{EDC: l.EDC.of(value), ESC: l.ESC.of(value), Server: l.ServerDerivation.of(value)}
}

// WithContention derives the tokens that are stored with a value: under its contention factor.
func (s Set) WithContention(factor int64) Set {
	return Set{EDC: s.EDC.number(uint64(factor)), ESC: s.ESC.number(uint64(factor)), Server: s.Server}
}

// TextKind is what a text token is of.
type TextKind uint64

// The kinds of text tokens.
const (
	TextExact TextKind = iota + 1
	TextSubstring
	TextSuffix
	TextPrefix
)

// Text returns the tokens from which those of texts are derived, for one kind.
func (l *Level1) Text(kind TextKind) *Level1 {
	return &Level1{
		EDC: l.EDC.number(uint64(kind)), ESC: l.ESC.number(uint64(kind)),
		ServerDerivation: l.ServerDerivation.number(uint64(kind)),
	}
}

// Wipe overwrites the tokens with zeros.
func (l *Level1) Wipe() { *l = Level1{} }
