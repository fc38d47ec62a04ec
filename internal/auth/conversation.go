package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
)

// Conversation is one attempt to authenticate one connection. It is not safe
// for concurrent use, and finished after an error or when done.
type Conversation interface {
	// Mechanism names the mechanism in use.
	Mechanism() string
	// Database is the database to which the commands go ($db).
	Database() string
	// Next takes the server's reply to the last command, a reply that reports
	// an error included, and returns the next command as a document without
	// $db. The first reply is nil, or the hello reply's speculativeAuthenticate
	// document for a conversation from [Authenticator.Speculate]. With done,
	// there is no command and the connection is authenticated. The reply is not
	// kept, the command is the caller's. Errors are of type *[Error].
	//
	// The context bounds what a mechanism has to wait for: key derivation, AWS
	// and OIDC credentials. A conversation never waits for the server.
	Next(ctx context.Context, reply []byte) (cmd []byte, done bool, err error)
}

// attempt is what all conversations know of themselves and what their errors
// tell.
type attempt struct {
	mechanism  string
	source     string
	username   string
	negotiated bool
}

func (a attempt) Mechanism() string { return a.mechanism }
func (a attempt) Database() string  { return a.source }

// refused is the error of a client that does not go on.
func (a attempt) refused(err error) *Error {
	return &Error{Mechanism: a.mechanism, Source: a.source, Username: a.username, Negotiated: a.negotiated, Err: err}
}

// denied is the error that a server's error document stands for.
func (a attempt) denied(r reply, secrets ...string) *Error {
	e := a.refused(nil)
	said := fault.Parse(r.doc)
	e.Code = said.Code
	e.CodeName = shorten(scrub(said.Name, secrets...))
	e.Message = shorten(scrub(said.Reason(), secrets...))
	e.Reply = append([]byte{}, r.doc...)
	return e
}

var (
	errFinished   = errors.New("the conversation is over already")
	errNoReply    = errors.New("a reply is missing")
	errIncomplete = errors.New("the server ended the exchange before it was complete")
	errTooLong    = errors.New("the server goes on although the exchange is complete")
)

// maxPayload bounds the payload of a reply; real ones have a few hundred bytes.
const maxPayload = 64 << 10

// reply is what conversations read from a command's reply.
type reply struct {
	doc []byte

	failed bool

	id      int64 // conversationId, meaningful with hasID
	hasID   bool
	done    bool
	payload []byte
}

// parseReply reads the reply of an authentication command. The document in a
// hello reply has no ok field.
func parseReply(doc []byte, speculative bool) (reply, error) {
	r := reply{doc: doc}
	if err := bsonwire.Validate(doc); err != nil {
		return r, errors.New("the server's reply is not a valid document")
	}
	it := bsonwire.NewReader(doc)
	hasOK := false
	for it.Next() {
		v := it.Value()
		switch string(it.Key()) {
		case "ok":
			ok, isBool := v.AsBool()
			hasOK = isBool
			r.failed = !ok
		case "conversationId":
			if r.id, r.hasID = v.AsInt64(); !r.hasID {
				return r, errors.New("the server's reply has a conversationId that is no whole number")
			}
		case "done":
			r.done, _ = v.AsBool()
		case "payload":
			_, data, ok := v.AsBinary()
			if !ok {
				return r, errors.New("the server's reply has a payload that is not binary")
			}
			if len(data) > maxPayload {
				return r, fmt.Errorf("the server's reply has a payload of %d bytes, more than the %d that are allowed", len(data), maxPayload)
			}
			r.payload = data
		}
	}
	if !hasOK && !speculative {
		return r, errors.New("the server's reply has no ok field")
	}
	return r, nil
}

// saslIDs keeps track of the server's number for an exchange.
type saslIDs struct {
	id    int64
	known bool
}

func (s *saslIDs) check(r reply) error {
	switch {
	case !r.hasID && !s.known:
		return errors.New("the server's reply has no conversationId")
	case r.hasID && s.known && r.id != s.id:
		return errors.New("the server's reply is for another conversation")
	case r.hasID:
		s.id, s.known = r.id, true
	}
	return nil
}

// saslStart builds the command; db is for the copy in hello only.
func saslStart(mechanism string, payload []byte, skipEmpty bool, db string) []byte {
	cmd, start := bsonwire.Begin(make([]byte, 0, 128+len(payload)))
	cmd = bsonwire.AppendInt32(cmd, "saslStart", 1)
	cmd = bsonwire.AppendString(cmd, "mechanism", mechanism)
	cmd = bsonwire.AppendBinary(cmd, "payload", 0, payload)
	cmd = bsonwire.AppendInt32(cmd, "autoAuthorize", 1)
	if skipEmpty {
		var options int
		cmd, options = bsonwire.BeginDocument(cmd, "options")
		cmd = bsonwire.AppendBoolean(cmd, "skipEmptyExchange", true)
		cmd = bsonwire.End(cmd, options)
	}
	if db != "" {
		cmd = bsonwire.AppendString(cmd, "db", db)
	}
	return bsonwire.End(cmd, start)
}

func saslContinue(id int64, payload []byte) []byte {
	cmd, start := bsonwire.Begin(make([]byte, 0, 64+len(payload)))
	cmd = bsonwire.AppendInt32(cmd, "saslContinue", 1)
	if id == int64(int32(id)) {
		cmd = bsonwire.AppendInt32(cmd, "conversationId", int32(id))
	} else {
		cmd = bsonwire.AppendInt64(cmd, "conversationId", id)
	}
	cmd = bsonwire.AppendBinary(cmd, "payload", 0, payload)
	return bsonwire.End(cmd, start)
}

// exchange is the client's side of one exchange of one SASL mechanism:
// payloads only.
type exchange interface {
	first(ctx context.Context) ([]byte, error)
	// step answers the server's payload. What it answers when it is finished
	// is sent only to servers that need one more round.
	step(ctx context.Context, challenge []byte) ([]byte, error)
	// finished reports whether the server has proven all that the mechanism
	// asks of it and been told all it needs.
	finished() bool
	// secrets are what the server has been told and must not get into errors.
	secrets() []string
	// failed reports whether the attempt ended in an error.
	failed()
}

// saslConversation frames an exchange in saslStart and saslContinue.
type saslConversation struct {
	sealed
	attempt
	ex        exchange
	skipEmpty bool

	ids         saslIDs
	started     bool
	speculative bool // the next reply is hello's
	over        bool
}

// speculate returns hello's copy of the first command.
func (c *saslConversation) speculate(ctx context.Context) ([]byte, error) {
	payload, err := c.ex.first(ctx)
	if err != nil {
		return nil, c.refused(err)
	}
	c.started, c.speculative = true, true
	return saslStart(c.mechanism, payload, c.skipEmpty, c.source), nil
}

func (c *saslConversation) Next(ctx context.Context, doc []byte) (cmd []byte, done bool, err error) {
	if c.over {
		return nil, false, c.refused(errFinished)
	}
	cmd, done, failure := c.advance(ctx, doc)
	c.over = done || failure != nil
	if failure != nil {
		c.ex.failed()
		return nil, false, failure
	}
	return cmd, done, nil
}

func (c *saslConversation) advance(ctx context.Context, doc []byte) (cmd []byte, done bool, _ *Error) {
	if !c.started {
		c.started = true
		payload, err := c.ex.first(ctx)
		if err != nil {
			return nil, false, c.refused(err)
		}
		return saslStart(c.mechanism, payload, c.skipEmpty, ""), false, nil
	}
	if doc == nil {
		return nil, false, c.refused(errNoReply)
	}
	r, err := parseReply(doc, c.speculative)
	c.speculative = false
	if err == nil && r.failed {
		return nil, false, c.denied(r, c.ex.secrets()...)
	}
	if err == nil {
		err = c.ids.check(r)
	}
	if err != nil {
		return nil, false, c.refused(err)
	}
	return c.answer(ctx, r)
}

// answer goes on after a reply that reports no error.
func (c *saslConversation) answer(ctx context.Context, r reply) (cmd []byte, done bool, _ *Error) {
	if c.ex.finished() {
		if !r.done {
			return nil, false, c.refused(errTooLong)
		}
		return nil, true, nil
	}
	payload, err := c.ex.step(ctx, r.payload)
	if err != nil {
		return nil, false, c.refused(err)
	}
	if !r.done {
		return saslContinue(c.ids.id, payload), false, nil
	}
	if !c.ex.finished() || len(payload) > 0 {
		return nil, false, c.refused(errIncomplete)
	}
	return nil, true, nil
}
