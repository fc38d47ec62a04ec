package conn

import (
	"context"
	"errors"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/sdam"
)

// authenticate runs the conversation, from where speculation got to.
func (c *Conn) authenticate(ctx context.Context, authn *auth.Authenticator, desc *sdam.Server, conv auth.Conversation, hello []byte) error {
	// Arbiters hold no users.
	if authn == nil || desc.Kind == sdam.RSArbiter {
		return nil
	}
	var reply []byte
	if conv != nil {
		if v, ok := bsonwire.Lookup(hello, "speculativeAuthenticate"); ok {
			reply, _ = v.AsDocument()
		}
	}
	if reply == nil {
		var err error
		step, cancel := c.turn(ctx)
		conv, err = authn.Begin(step, c.address, desc.SASLSupportedMechs)
		if cancel(); err != nil {
			return c.late(ctx, c.authError(err))
		}
	}
	return c.converse(ctx, conv, reply)
}

// turn is step for the client's turn of a conversation: a person has no limit.
func (c *Conn) turn(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.cfg.Auth.Interactive() {
		return ctx, func() {}
	}
	return c.step(ctx)
}

// Authenticated reports whether the connection has proven who the client is.
func (c *Conn) Authenticated() bool { return c.proof != nil }

// Reauthenticate proves anew who the client is, after the server answered a
// command with [fault.ReauthenticationRequired]: the credential has expired.
// The connection must have been authenticated. After an error it is of no more
// use.
func (c *Conn) Reauthenticate(ctx context.Context) error {
	err := c.proveAgain(ctx)
	if err != nil && c.broken == nil {
		c.broken = err
	}
	return err
}

func (c *Conn) proveAgain(ctx context.Context) error {
	authn, err := c.cfg.Auth.ForConnection(ctx, c.address)
	if err != nil {
		return c.authError(err)
	}
	conv, err := authn.Reauthenticate(ctx, c.address, c.proof)
	if err != nil {
		return c.authError(err)
	}
	return c.converse(ctx, conv, nil)
}

// maxRounds bounds a conversation with a server that never comes to an end.
const maxRounds = 16

func (c *Conn) converse(ctx context.Context, conv auth.Conversation, reply []byte) error {
	c.proof = conv
	var held Reply
	defer func() { held.Release() }()
	for range maxRounds {
		step, cancel := c.turn(ctx)
		cmd, done, err := conv.Next(step, reply)
		if cancel(); err != nil {
			return c.late(ctx, c.authError(err))
		}
		if cmd == nil && done {
			return nil
		}
		r, err := c.Command(ctx, conv.Database(), cmd)
		if err != nil {
			return err
		}
		held.Release()
		held, reply = r, r.Body
		if done {
			return nil
		}
	}
	return c.authError(errors.New("the server does not end the authentication conversation"))
}

func (c *Conn) authError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return c.fail("authenticate", Context, true, err)
	}
	return c.fail("authenticate", Auth, true, err)
}
