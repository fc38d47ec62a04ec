package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/cmd/mgx/internal/screen"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
)

// identity says who the client is.
func identity(a *auth.Authenticator) string {
	mechanism := a.Mechanism()
	if mechanism == "" {
		mechanism = "SCRAM, negotiated"
	}
	if a.Username() == "" {
		return fmt.Sprintf("%s, authSource %s", mechanism, a.Source())
	}
	return fmt.Sprintf("user %q, authSource %s (%s)", a.Username(), a.Source(), mechanism)
}

// authenticate opens a connection for operations, as the client's pool does.
func authenticate(ctx context.Context, w *walk, s *server) *Finding {
	if k := s.desc.Kind; k == sdam.RSArbiter {
		return find(Skipped, "auth", "arbiters hold no users and no data")
	}
	var hello *sdam.Server
	began := time.Now()
	c, err := conn.Dial(ctx, s.address, w.cfg, func(d *sdam.Server) { hello = d })
	s.opened = time.Since(began)
	if err != nil {
		return unauthenticated(ctx, w, s, err)
	}
	s.conn = c
	if w.cfg.Auth == nil {
		return anonymous(ctx, w, s)
	}
	a := w.cfg.Auth
	f := find(OK, "auth", "%s, in %s with the connection", identity(a), screen.Duration(s.opened)).
		fact("source", a.Source()).fact("took", s.opened)
	if len(hello.SASLSupportedMechs) > 0 {
		f.detail("the server has for this user: %s", list(hello.SASLSupportedMechs))
		f.fact("mechanisms", hello.SASLSupportedMechs)
	}
	return f
}

// anonymous finds out whether a client without a user may do anything.
func anonymous(ctx context.Context, w *walk, s *server) *Finding {
	limited, cancel := w.attempt(ctx)
	defer cancel()
	_, err := call(limited, s.conn, "admin", bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}, {Key: "authorizedDatabases", Value: true}})
	var refused *fault.Refusal
	if errors.As(err, &refused) && (refused.Code == fault.Unauthorized || strings.Contains(refused.Message, "auth")) {
		return find(Failed, "auth.needed", "the server demands a user: it says %q", refused.Message).
			advise("add one: mongodb://USER:PASSWORD@%s/?authSource=admin, with %%, :, /, ?, # and @ in them percent-encoded", s.address)
	}
	return find(Skipped, "auth", "no user is asked for, and the server does not demand one")
}

// unauthenticated explains a connection that could not be opened although the
// hello was answered before.
func unauthenticated(ctx context.Context, w *walk, s *server, err error) *Finding {
	var failed *auth.Error
	var ce *conn.Error
	switch {
	case errors.As(err, &failed):
		return denied(ctx, w, s, failed)
	case errors.As(err, &ce) && ce.Kind == conn.Handshake:
		return find(Failed, "auth.hello", "%v", ce.Err).advise("see the server's log for why it refuses this connection")
	case errors.As(err, &ce) && closed(ce.Err):
		return find(Failed, "auth.closed", "the server closed the connection in the %s", ce.Op).
			advise("see the server's log: it may be out of connections (net.maxIncomingConnections)")
	case errors.As(err, &ce):
		return find(Failed, "auth.failed", "%s: %v", ce.Op, ce.Err).advise("see the server's log; the user's directory (LDAP, an identity provider) may not answer")
	}
	return find(Failed, "auth.failed", "%v", err).advise("see the server's log")
}

// denied explains who refused whom.
func denied(ctx context.Context, w *walk, s *server, e *auth.Error) *Finding {
	f := find(Failed, "auth.refused", "%v", e).
		fact("mechanism", e.Mechanism).fact("source", e.Source).fact("user", e.Username)
	if e.Code != 0 {
		f.fact("serverCode", e.Code).fact("serverSays", e.Message)
	}
	if !e.Server() {
		f.Code = "auth.client"
		return f.advise("correct what the message names; if the server's proof is wrong, do not trust the server")
	}
	scram := e.Mechanism == auth.ScramSHA1 || e.Mechanism == auth.ScramSHA256
	unavailable := e.Code == fault.MechanismUnavailable || e.Code == fault.BadValue ||
		strings.Contains(strings.ToLower(e.Message), "mechanism")
	var has []string
	if scram {
		has = w.mechanisms(ctx, s)
	}
	if len(has) > 0 {
		f.detail("the server has for this user: %s", list(has))
		f.fact("mechanisms", has)
	}
	switch {
	case unavailable, len(has) > 0 && !slices.Contains(has, e.Mechanism):
		f.Code = "auth.mechanism"
		f.advise("the server does not offer %s for this user: write authMechanism=%s, or leave the option away to negotiate", e.Mechanism, first(has, "SCRAM-SHA-256"))
		if len(has) == 0 {
			f.advise("what it offers at all is in its parameter authenticationMechanisms")
		}
	case scram && len(has) > 0:
		f.Code = "auth.password"
		f.advise("the user exists in %s, so it is the password: check it, and that %%, :, /, ?, # and @ in it are percent-encoded", e.Source)
	case scram && (e.Code == fault.AuthenticationFailed || e.Code == fault.UserNotFound):
		f.Code = "auth.user"
		f.advise("the server names no mechanism for %q in %s, so there may be no such user there: check the name, and authSource, the database where the user was created (often authSource=admin)", e.Username, e.Source)
		f.advise("if the user does exist there, it is the password")
	default:
		f.advise("see the server's log: it says more than it tells clients")
	}
	return f
}

func first(all []string, otherwise string) string {
	if len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// mechanisms asks the server which mechanisms it has for the user. A server that
// does not know the user names none.
func (w *walk) mechanisms(ctx context.Context, s *server) []string {
	ctx, cancel := w.probe(ctx)
	defer cancel()
	c, err := conn.DialMonitor(ctx, s.address, w.cfg)
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }() // only looked at
	a := w.cfg.Auth
	reply, err := call(ctx, c, "admin", bson.D{{Key: "hello", Value: 1}, {Key: "saslSupportedMechs", Value: a.Source() + "." + a.Username()}})
	if err != nil {
		return nil
	}
	d, err := sdam.ParseHello(s.address, reply)
	if err != nil {
		return nil
	}
	return d.SASLSupportedMechs
}
