package auth

import (
	"crypto/fips140"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"
)

// Bounds for the iteration count that a server asks for. The lower one is the
// specification's, against downgrades. The upper one is far above any real
// setting (servers default to 15000) and keeps a hostile server from buying
// minutes of CPU with one message.
const (
	minIterations = 4096
	maxIterations = 10_000_000
)

// scramHash is the hash function that tells the two SCRAM mechanisms apart.
type scramHash struct {
	name string
	new  func() hash.Hash
	size int
}

var (
	sha1Hash   = scramHash{ScramSHA1, sha1.New, sha1.Size}
	sha256Hash = scramHash{ScramSHA256, sha256.New, sha256.Size}
)

func (h scramHash) mac(key []byte, msg string) []byte {
	m := hmac.New(h.new, key)
	m.Write([]byte(msg))
	return m.Sum(nil)
}

// scramKeys are what RFC 5802 derives from password, salt and iterations.
type scramKeys struct {
	sealed
	client, stored, server []byte
}

func (h scramHash) derive(password string, salt []byte, iterations int) (scramKeys, error) {
	salted, err := pbkdf2.Key(h.new, password, salt, iterations, h.size)
	if err != nil {
		return scramKeys{}, err
	}
	client := h.mac(salted, "Client Key")
	stored := h.new()
	stored.Write(client)
	return scramKeys{client: client, stored: stored.Sum(nil), server: h.mac(salted, "Server Key")}, nil
}

// scramPassword returns the password in the form that the mechanism derives
// its keys from.
func (h scramHash) scramPassword(username, password string) (string, error) {
	if h.name == ScramSHA256 {
		return saslPrep(password)
	}
	if fips140.Enforced() {
		return "", errors.New("SCRAM-SHA-1 needs MD5, which FIPS 140-only mode forbids; create the user with SCRAM-SHA-256")
	}
	sum := md5.Sum([]byte(username + ":mongo:" + password))
	return hex.EncodeToString(sum[:]), nil
}

// saslPrep applies RFC 4013. Its error does not quote the password, nor the
// offending character of it.
func saslPrep(password string) (string, error) {
	if plainASCII(password) {
		return password, nil
	}
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil {
		return "", errors.New("contains a character that SASLprep (RFC 4013) forbids, as SCRAM-SHA-256 demands it; " +
			"control characters, characters newer than Unicode 3.2 and mixed writing directions are forbidden")
	}
	return prepared, nil
}

// plainASCII reports whether SASLprep would leave s as it is.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// saslName escapes a user name for a SCRAM message. MongoDB's user names are
// not SASLprepped.
var saslName = strings.NewReplacer("=", "=3D", ",", "=2C")

// serverFirst is the server's first SCRAM message.
type serverFirst struct {
	nonce      string // the combined nonce
	salt       []byte
	iterations int
}

// parseServerFirst reads "r=nonce,s=salt,i=iterations" and refuses what an
// honest server would not say. Extensions after that are ignored, as RFC 5802
// asks; a mandatory extension in front is an error.
func parseServerFirst(msg, clientNonce string) (serverFirst, error) {
	var f serverFirst
	if strings.HasPrefix(msg, "m=") {
		return f, errors.New("the server demands a SCRAM extension that is not supported")
	}
	attrs := strings.SplitN(msg, ",", 4)
	if len(attrs) < 3 {
		return f, errors.New("the server's first SCRAM message is incomplete")
	}
	nonce, ok := strings.CutPrefix(attrs[0], "r=")
	if !ok || !printable(nonce) {
		return f, errors.New("the server's first SCRAM message has no valid nonce")
	}
	if !strings.HasPrefix(nonce, clientNonce) || len(nonce) == len(clientNonce) {
		return f, errors.New("the server's nonce does not extend the client's: somebody may be in between")
	}
	f.nonce = nonce
	enc, ok := strings.CutPrefix(attrs[1], "s=")
	salt, err := base64.StdEncoding.Strict().DecodeString(enc)
	if !ok || err != nil || len(salt) == 0 {
		return f, errors.New("the server's first SCRAM message has no valid salt")
	}
	f.salt = salt
	count, ok := strings.CutPrefix(attrs[2], "i=")
	n, err := strconv.ParseUint(count, 10, 31)
	if !ok || err != nil {
		return f, errors.New("the server's first SCRAM message has no valid iteration count")
	}
	if n < minIterations {
		return f, fmt.Errorf("the server asks for %d iterations, fewer than the %d that are safe: "+
			"create the user anew, or somebody is in between", n, minIterations)
	}
	if n > maxIterations {
		return f, fmt.Errorf("the server asks for %d iterations, more than the %d that are allowed", n, maxIterations)
	}
	f.iterations = int(n)
	return f, nil
}

// parseServerFinal reads "v=signature" or "e=error", extensions ignored.
func parseServerFinal(msg string) (signature []byte, err error) {
	attr, _, _ := strings.Cut(msg, ",")
	if text, ok := strings.CutPrefix(attr, "e="); ok {
		return nil, fmt.Errorf("the server ends the exchange: %q", shorten(text))
	}
	enc, ok := strings.CutPrefix(attr, "v=")
	signature, err = base64.StdEncoding.Strict().DecodeString(enc)
	if !ok || err != nil || len(signature) == 0 {
		return nil, errors.New("the server's final SCRAM message has no valid signature")
	}
	return signature, nil
}

// printable reports whether s has RFC 5802's printable characters only.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

// gs2Header says: no channel binding, no other identity. MongoDB's servers
// know no channel binding.
const gs2Header = "n,,"

// clientFinal returns the client's final message and the signature with which
// only a server that knows the user can answer it.
func (h scramHash) clientFinal(keys scramKeys, firstBare, serverFirst, nonce string) (msg string, signature []byte) {
	withoutProof := "c=biws,r=" + nonce // biws is gs2Header in base64
	authMessage := firstBare + "," + serverFirst + "," + withoutProof
	proof := make([]byte, h.size)
	subtle.XORBytes(proof, keys.client, h.mac(keys.stored, authMessage))
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), h.mac(keys.server, authMessage)
}
