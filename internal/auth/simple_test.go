package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

func TestPlain(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: Plain, Username: "user", Password: "pencil"}})
	if conv, doc, err := a.Speculate(t.Context(), "localhost"); conv != nil || doc != nil || err != nil {
		t.Errorf("Speculate returned %v, %v, %v", conv, doc, err)
	}
	conv := mustBegin(t, a)
	if conv.Database() != "$external" {
		t.Errorf("database is %q", conv.Database())
	}
	n, err := run(t, conv, nil, func(cmd []byte) []byte {
		if got := base64.StdEncoding.EncodeToString(payloadOf(cmd)); got != "AHVzZXIAcGVuY2ls" {
			t.Errorf("payload is %s", got)
		}
		want := build("saslStart", 1, "mechanism", "PLAIN", "payload", bin(payloadOf(cmd)), "autoAuthorize", 1)
		if !bytes.Equal(cmd, want) {
			t.Errorf("saslStart is %x", cmd)
		}
		return saslReply(1, true, nil)
	})
	if n != 1 || err != nil {
		t.Errorf("%d commands, %v", n, err)
	}
}

func TestPlainRefusals(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: Plain, Username: "user", Password: "pencil"}})
	_, err := run(t, mustBegin(t, a), nil, func([]byte) []byte {
		return errorReply(18, "AuthenticationFailed", "cannot bind user with pencil")
	})
	want := `authentication failed: PLAIN, user "user", authSource "$external": ` +
		`the server says: cannot bind user with *** (AuthenticationFailed, code 18)`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	_, err = run(t, mustBegin(t, a), nil, func([]byte) []byte { return saslReply(1, false, nil) })
	if !errors.Is(err, errTooLong) {
		t.Errorf("error is %v", err)
	}
}

func TestX509(t *testing.T) {
	for _, user := range []string{"", "CN=client,OU=Drivers"} {
		a := mustNew(t, Credential{Static: Static{Mechanism: X509, Username: user}})
		want := build("authenticate", 1, "mechanism", "MONGODB-X509")
		if user != "" {
			want = build("authenticate", 1, "mechanism", "MONGODB-X509", "user", user)
		}
		conv := mustBegin(t, a)
		n, err := run(t, conv, nil, func(cmd []byte) []byte {
			if !bytes.Equal(cmd, want) {
				t.Errorf("command is %x, want %x", cmd, want)
			}
			return build("dbname", "$external", "user", "CN=client,OU=Drivers", "ok", 1.0)
		})
		if n != 1 || err != nil || conv.Database() != "$external" {
			t.Errorf("%d commands to %s, %v", n, conv.Database(), err)
		}

		conv, doc, err := a.Speculate(t.Context(), "localhost")
		if err != nil || !bytes.Equal(doc, want) {
			t.Errorf("speculates %x, %v", doc, err)
		}
		first := build("dbname", "$external", "user", "CN=client,OU=Drivers")
		if n, err := run(t, conv, first, nil); n != 0 || err != nil {
			t.Errorf("%d commands, %v", n, err)
		}

		_, err = run(t, mustBegin(t, a), nil, func([]byte) []byte { return errorReply(11, "UserNotFound", "Could not find user") })
		var e *Error
		if !errors.As(err, &e) || e.CodeName != "UserNotFound" || !strings.Contains(err.Error(), "named like its subject") {
			t.Errorf("error is %v", err)
		}
		if code, _ := bsonwire.Lookup(e.Reply, "code"); code.IsZero() {
			t.Error("the error has no reply")
		}
	}
}

func TestReplyWithoutTextIsAnError(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: X509}})
	_, err := run(t, mustBegin(t, a), nil, func([]byte) []byte { return build("ok", 0) })
	var e *Error
	if !errors.As(err, &e) || !e.Server() {
		t.Errorf("error is %v", err)
	}
}

func TestReauthenticateWithoutTokens(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Username: "u", Password: "p"}})
	last := mustBegin(t, a, ScramSHA1)
	conv, err := a.Reauthenticate(t.Context(), "localhost", last)
	if err != nil || conv.Mechanism() != ScramSHA1 {
		t.Errorf("%v, %v", conv, err)
	}
	server := newScramServer(t, ScramSHA1, "u", "p", 4096)
	if _, err := run(t, conv, nil, server.serve); err != nil {
		t.Error(err)
	}
}
