// Package scramtest is the server's side of SCRAM (RFC 5802, RFC 7677) for tests of
// clients. It is written for honest and dishonest conversations alike, not for speed
// or safety.
package scramtest

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// Server knows one user.
type Server struct {
	hash       func() hash.Hash
	user, salt string
	iterations int
	storedKey  []byte
	serverKey  []byte
}

// New returns a server whose user has a password that is prepared already: by
// SASLprep for SCRAM-SHA-256, digested for MongoDB's SCRAM-SHA-1.
func New(h func() hash.Hash, user, password, salt string, iterations int) (*Server, error) {
	salted, err := pbkdf2.Key(h, password, []byte(salt), iterations, h().Size())
	if err != nil {
		return nil, err
	}
	s := &Server{hash: h, user: user, salt: salt, iterations: iterations}
	stored := h()
	stored.Write(s.mac(salted, "Client Key"))
	s.storedKey, s.serverKey = stored.Sum(nil), s.mac(salted, "Server Key")
	return s, nil
}

func (s *Server) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// Conversation is one login.
type Conversation struct {
	server       *Server
	bare, first  string // the client's first message without its header, and the answer
	nonce        string
	header       string
	done, failed bool
}

// Begin begins a login.
func (s *Server) Begin() *Conversation { return &Conversation{server: s} }

// Done reports whether the login has ended, one way or the other.
func (c *Conversation) Done() bool { return c.done || c.failed }

// Step answers the client's next message.
func (c *Conversation) Step(message string) (string, error) {
	if c.Done() {
		return "", errors.New("the conversation has ended")
	}
	answer, err := c.answer(message)
	c.failed = err != nil
	return answer, err
}

func (c *Conversation) answer(message string) (string, error) {
	if c.first == "" {
		return c.greet(message)
	}
	return c.verify(message)
}

func (c *Conversation) greet(message string) (string, error) {
	bare, ok := strings.CutPrefix(message, "n,,")
	if !ok {
		return "", errors.New("channel binding, or an identity to act for, is asked for")
	}
	name, nonce, ok := strings.Cut(bare, ",r=")
	if !ok || nonce == "" || strings.Contains(nonce, ",") {
		return "", errors.New("the first message has no nonce")
	}
	escape := strings.NewReplacer("=", "=3D", ",", "=2C")
	if name != "n="+escape.Replace(c.server.user) {
		return "", errors.New("no such user")
	}
	c.bare, c.header = bare, base64.StdEncoding.EncodeToString([]byte("n,,"))
	c.nonce = nonce + rand.Text()
	c.first = fmt.Sprintf("r=%s,s=%s,i=%d", c.nonce, base64.StdEncoding.EncodeToString([]byte(c.server.salt)), c.server.iterations)
	return c.first, nil
}

func (c *Conversation) verify(message string) (string, error) {
	without, encoded, ok := strings.Cut(message, ",p=")
	if !ok || without != "c="+c.header+",r="+c.nonce {
		return "", errors.New("the final message is not of this conversation")
	}
	proof, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", err
	}
	all := c.bare + "," + c.first + "," + without
	signature := c.server.mac(c.server.storedKey, all)
	if len(proof) != len(signature) {
		return "", errors.New("the proof has the wrong length")
	}
	for i := range proof {
		proof[i] ^= signature[i] // the client's key
	}
	h := c.server.hash()
	h.Write(proof)
	if !hmac.Equal(h.Sum(nil), c.server.storedKey) {
		return "", errors.New("the proof is wrong")
	}
	c.done = true
	return "v=" + base64.StdEncoding.EncodeToString(c.server.mac(c.server.serverKey, all)), nil
}
