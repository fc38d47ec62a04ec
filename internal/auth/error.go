package auth

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/mgxdb/mgx/internal/fault"
)

// Error is a failed authentication. It says what was tried and never holds a
// secret in what it prints.
type Error struct {
	Mechanism string
	Source    string
	Username  string // empty if the mechanism was not given one
	// Negotiated is true if the mechanism was chosen with the server's help.
	Negotiated bool

	// Code, CodeName and Message are the server's; zero if the client refused.
	Code     int32
	CodeName string
	Message  string
	// Reply is the server's whole error document, nil if the client refused.
	// It is not printed: a server that has seen a secret may have repeated it.
	Reply []byte `json:"-"`

	// Err is why the client refused; nil if the server did.
	Err error
}

// Server reports whether it was the server that refused.
func (e *Error) Server() bool { return e.Reply != nil }

// Unwrap returns the cause on the client's side.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("authentication failed: ")
	b.WriteString(e.Mechanism)
	if e.Negotiated {
		b.WriteString(" (negotiated)")
	}
	if e.Username != "" {
		fmt.Fprintf(&b, ", user %q", e.Username)
	}
	fmt.Fprintf(&b, ", authSource %q: ", e.Source)
	if !e.Server() {
		if e.Err != nil {
			b.WriteString(e.Err.Error())
		}
		return b.String()
	}
	fmt.Fprintf(&b, "the server says: %s", strings.TrimRight(e.Message, "."))
	if id := fault.CodeText(e.Code, e.CodeName); id != "" {
		b.WriteString(" (" + id + ")")
	}
	if h := e.hint(); h != "" {
		b.WriteString("; ")
		b.WriteString(h)
	}
	return b.String()
}

func (e *Error) hint() string {
	switch e.Code {
	case fault.UserNotFound, fault.AuthenticationFailed:
		switch e.Mechanism {
		case ScramSHA1, ScramSHA256:
			return "check the user name, the password and authSource"
		case X509:
			return "check that the client certificate is sent and that $external has a user named like its subject"
		case AWS:
			return "check that $external has a user for the AWS identity's ARN"
		case OIDC:
			return "check the token's issuer, audience and expiry against the server's identity providers"
		}
	case fault.MechanismUnavailable:
		return "the server does not offer this mechanism; check its authenticationMechanisms"
	}
	return ""
}

// Format prints Error for every verb.
func (e Error) Format(f fmt.State, _ rune) { io.WriteString(f, e.Error()) }

// LogValue is Error.
func (e Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// sealed is embedded by types that hold secrets: no verb prints their fields.
type sealed struct{}

const sealedText = "auth: not printed, holds secrets"

func (sealed) String() string             { return sealedText }
func (sealed) GoString() string           { return sealedText }
func (sealed) Format(f fmt.State, _ rune) { io.WriteString(f, sealedText) }
func (sealed) LogValue() slog.Value       { return slog.StringValue(sealedText) }

// maxServerText bounds what is quoted of a text that comes from outside.
const maxServerText = 512

// shorten makes s, which comes from outside, fit for an error.
func shorten(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) <= maxServerText {
		return s
	}
	return strings.ToValidUTF8(s[:maxServerText], "") + "…"
}

// Quote makes a server's text fit for an error: short, and without the secrets that
// a conversation, if any, has told the server.
func Quote(text string, c Conversation) string {
	switch c := c.(type) {
	case *saslConversation:
		text = scrub(text, c.ex.secrets()...)
	case *oidcConversation:
		text = scrub(text, c.token)
	}
	return shorten(text)
}

// scrub removes secrets from a text that comes from outside. Very short
// secrets stay: cutting them would make the text unreadable and tell where
// they are.
func scrub(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}
