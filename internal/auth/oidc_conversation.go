package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
)

// maxOIDCRestarts bounds how often one attempt starts over with another token:
// after a cached token and after a refresh token, and once more if other
// connections put yet another one into the cache.
const maxOIDCRestarts = 3

type oidcStep int

const (
	oidcStart       oidcStep = iota // nothing is sent
	oidcSpeculative                 // the cached token is in hello
	oidcOneStep                     // a token is in saslStart
	oidcPrincipal                   // saslStart asks where to get a token
	oidcTwoStep                     // a token is in saslContinue
	oidcOver
)

// oidcConversation follows the specification's algorithm: the cached token, a
// refreshed one, a new one. Each of them is an exchange of its own.
type oidcConversation struct {
	sealed
	attempt
	cache *oidcCache

	step     oidcStep
	token    string // what the specification calls the connection cache
	origin   origin
	refresh  string // the refresh token that token was traded for
	restarts int
	ids      saslIDs
}

func (a *Authenticator) beginOIDC(addr string) (Conversation, error) {
	c := &oidcConversation{attempt: a.attempt(OIDC), cache: a.oidc}
	if a.oidc.human && !a.oidc.hosts.allow(addr) {
		return nil, c.refused(fmt.Errorf("ALLOWED_HOSTS does not allow %q: tokens of people go to the hosts in it only; "+
			"allowed are %s", addr, a.oidc.hosts))
	}
	return c, nil
}

func (a *Authenticator) speculateOIDC(addr string) (Conversation, []byte, error) {
	token := a.oidc.token()
	if token == "" {
		return nil, nil, nil
	}
	conv, err := a.beginOIDC(addr)
	if err != nil {
		return nil, nil, err
	}
	c := conv.(*oidcConversation)
	c.step, c.token, c.origin = oidcSpeculative, token, cached
	return c, saslStart(OIDC, jwtPayload(token), false, c.source), nil
}

func (c *oidcConversation) Next(ctx context.Context, doc []byte) (cmd []byte, done bool, err error) {
	cmd, done, failure := c.advance(ctx, doc)
	if failure != nil {
		c.step = oidcOver
		return nil, false, failure
	}
	if done {
		c.step = oidcOver
	}
	return cmd, done, nil
}

func (c *oidcConversation) advance(ctx context.Context, doc []byte) (cmd []byte, done bool, _ *Error) {
	switch c.step {
	case oidcOver:
		return nil, false, c.refused(errFinished)
	case oidcStart:
		return c.start(ctx)
	}
	if doc == nil {
		return nil, false, c.refused(errNoReply)
	}
	r, err := parseReply(doc, c.step == oidcSpeculative)
	if c.step == oidcSpeculative {
		// If it did not work nothing is lost: the cache stays as it is.
		if err == nil && !r.failed && r.done {
			return nil, true, nil
		}
		return c.start(ctx)
	}
	if err == nil && r.failed {
		return c.rejected(ctx, r)
	}
	if err == nil {
		err = c.ids.check(r)
	}
	switch {
	case err != nil:
		return nil, false, c.refused(err)
	case c.step == oidcPrincipal:
		return c.interactive(ctx, r)
	case !r.done:
		return nil, false, c.refused(errTooLong)
	}
	return nil, true, nil
}

// start sends the best token at hand, or asks where to get one.
func (c *oidcConversation) start(ctx context.Context) (cmd []byte, done bool, _ *Error) {
	var err error
	c.token, c.refresh, c.ids = "", "", saslIDs{}
	if c.cache.human {
		c.token, c.origin, c.refresh, err = c.cache.renewed(ctx)
	} else {
		c.token, c.origin, err = c.cache.machine(ctx)
	}
	if err != nil {
		return nil, false, c.refused(err)
	}
	if c.token == "" {
		c.step = oidcPrincipal
		return saslStart(OIDC, principalPayload(c.username), false, ""), false, nil
	}
	c.step = oidcOneStep
	return saslStart(OIDC, jwtPayload(c.token), false, ""), false, nil
}

// rejected decides what follows an error of the server.
func (c *oidcConversation) rejected(ctx context.Context, r reply) (cmd []byte, done bool, _ *Error) {
	failure := c.denied(r, c.token)
	// Other errors say nothing about the token.
	if c.token == "" || !expired(r.doc) {
		return nil, false, failure
	}
	c.cache.invalidate(c.token)
	if c.origin == refreshed {
		c.cache.dropRefresh(c.refresh)
	}
	if c.origin == fresh || c.restarts == maxOIDCRestarts {
		return nil, false, failure
	}
	c.restarts++
	return c.start(ctx)
}

// interactive goes on with the server's answer to the principal's name.
func (c *oidcConversation) interactive(ctx context.Context, r reply) (cmd []byte, done bool, _ *Error) {
	if r.done {
		return nil, false, c.refused(errIncomplete)
	}
	idp, err := parseIDPInfo(r.payload)
	if err == nil {
		c.token, c.origin, err = c.cache.interactive(ctx, idp)
	}
	if err != nil {
		return nil, false, c.refused(err)
	}
	c.step = oidcTwoStep
	return saslContinue(c.ids.id, jwtPayload(c.token)), false, nil
}

func jwtPayload(token string) []byte {
	doc, start := bsonwire.Begin(nil)
	doc = bsonwire.AppendString(doc, "jwt", token)
	return bsonwire.End(doc, start)
}

func principalPayload(username string) []byte {
	doc, start := bsonwire.Begin(nil)
	if username != "" {
		doc = bsonwire.AppendString(doc, "n", username)
	}
	return bsonwire.End(doc, start)
}

// parseIDPInfo reads the server's answer to a principal's name.
func parseIDPInfo(payload []byte) (*IDPInfo, error) {
	if bsonwire.Validate(payload) != nil {
		return nil, errors.New("the server's description of the identity provider is not a valid document")
	}
	info := new(IDPInfo)
	v, _ := bsonwire.Lookup(payload, "issuer")
	info.Issuer, _ = v.AsString()
	if info.Issuer == "" {
		return nil, errors.New("the server names no issuer of tokens: check its oidcIdentityProviders")
	}
	v, _ = bsonwire.Lookup(payload, "clientId")
	info.ClientID, _ = v.AsString()
	v, _ = bsonwire.Lookup(payload, "requestScopes")
	scopes, _ := v.AsArray()
	for it := bsonwire.NewReader(scopes); scopes != nil && it.Next(); {
		scope, ok := it.Value().AsString()
		if !ok {
			return nil, errors.New("the server's description of the identity provider has a scope that is no string")
		}
		info.RequestScopes = append(info.RequestScopes, scope)
	}
	return info, nil
}

// expired reports whether a server's reply means that the token is no longer good.
func expired(reply []byte) bool {
	code := fault.Parse(reply).Code
	return code == fault.AuthenticationFailed || code == fault.ReauthenticationRequired
}
