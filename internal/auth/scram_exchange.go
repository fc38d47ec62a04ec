package auth

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"strings"
)

// scramClient is what all SCRAM exchanges of one credential share.
type scramClient struct {
	sealed
	hash     scramHash
	user     string                 // escaped
	password func() (string, error) // in the mechanism's form
	keys     *keyCache
	nonce    func() string
}

// scramExchange is the client's side of one SCRAM exchange.
type scramExchange struct {
	sealed
	client    *scramClient
	nonce     string
	bare      string // client-first-message-bare
	proof     string // client-final-message, with which a password can be guessed offline
	signature []byte // what the server must answer; nil before the second step
	proven    bool   // the server's signature was right
}

func (x *scramExchange) first(context.Context) ([]byte, error) {
	// A password that cannot be used is reported before anything is sent.
	if _, err := x.client.password(); err != nil {
		return nil, err
	}
	x.nonce = x.client.nonce()
	x.bare = "n=" + x.client.user + ",r=" + x.nonce
	return []byte(gs2Header + x.bare), nil
}

func (x *scramExchange) step(ctx context.Context, challenge []byte) ([]byte, error) {
	if x.signature != nil {
		return nil, x.verify(string(challenge))
	}
	c := x.client
	msg := string(challenge)
	first, err := parseServerFirst(msg, x.nonce)
	if err != nil {
		return nil, err
	}
	id := keyID{c.hash.name, string(first.salt), first.iterations}
	keys, err := c.keys.get(ctx, id, func() (scramKeys, error) {
		password, err := c.password()
		if err != nil {
			return scramKeys{}, err
		}
		return c.hash.derive(password, first.salt, first.iterations)
	})
	if err != nil {
		return nil, err
	}
	final, signature := c.hash.clientFinal(keys, x.bare, msg, first.nonce)
	x.proof, x.signature = final, signature
	return []byte(final), nil
}

// verify checks the server's signature. What it answers, an empty payload, is
// for servers that need one more empty round.
func (x *scramExchange) verify(msg string) error {
	got, err := parseServerFinal(msg)
	if err != nil {
		return err
	}
	if !hmac.Equal(got, x.signature) {
		return errors.New("the server's signature is wrong: it does not know the user's password, do not trust it")
	}
	x.proven = true
	return nil
}

func (x *scramExchange) finished() bool { return x.proven }

func (x *scramExchange) secrets() []string {
	if x.proof == "" {
		return nil
	}
	_, proof, _ := strings.Cut(x.proof, ",p=")
	return []string{x.proof, base64.StdEncoding.EncodeToString([]byte(x.proof)), proof}
}

func (x *scramExchange) failed() {}
