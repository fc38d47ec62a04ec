package auth

import (
	"context"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// x509Conversation asks the server to take the client certificate of the TLS
// connection as the proof. The user name, the certificate's subject, is sent
// only if one is configured.
type x509Conversation struct {
	attempt
	started     bool
	speculative bool
	over        bool
}

func (c *x509Conversation) command() []byte {
	cmd, start := bsonwire.Begin(nil)
	cmd = bsonwire.AppendInt32(cmd, "authenticate", 1)
	cmd = bsonwire.AppendString(cmd, "mechanism", X509)
	if c.username != "" {
		cmd = bsonwire.AppendString(cmd, "user", c.username)
	}
	return bsonwire.End(cmd, start)
}

func (c *x509Conversation) Next(_ context.Context, doc []byte) (cmd []byte, done bool, err error) {
	switch {
	case c.over:
		return nil, false, c.refused(errFinished)
	case !c.started:
		c.started = true
		return c.command(), false, nil
	}
	c.over = true
	if doc == nil {
		return nil, false, c.refused(errNoReply)
	}
	r, err := parseReply(doc, c.speculative)
	if err != nil {
		return nil, false, c.refused(err)
	}
	if r.failed {
		return nil, false, c.denied(r)
	}
	return nil, true, nil
}
