package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Connections with the same login share its keys; another login gets its own. Both
// mechanisms of a negotiation are its.
func TestLoginProviderKeys(t *testing.T) {
	login := Login{Username: "bob", Password: "one"}
	a := mustNew(t, Credential{LoginProvider: func(context.Context, LoginArgs) (Login, error) { return login, nil }})
	connect := func() *Authenticator {
		t.Helper()
		as, err := a.ForConnection(t.Context(), "db:27017")
		if err != nil {
			t.Fatal(err)
		}
		if ns, ok := as.Negotiates(); !ok || ns != "admin.bob" {
			t.Errorf("negotiates %q, %v", ns, ok)
		}
		conv, err := as.Begin(t.Context(), "db:27017", []string{ScramSHA256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run(t, conv, nil, newScramServer(t, ScramSHA256, login.Username, login.Password, 4096).serve); err != nil {
			t.Error(err)
		}
		return as
	}
	first := connect()
	if connect() != first {
		t.Error("the same login has another authenticator")
	}
	login.Password = "two"
	if connect() == first {
		t.Error("another password has the same authenticator")
	}
	if text := fmt.Sprintf("%+v %#v %+v", *a, a, a.logins.login); strings.Contains(text, "two") {
		t.Errorf("printed: %s", text)
	}
}

func TestLoginProviderWithoutUsername(t *testing.T) {
	a := mustNew(t, Credential{LoginProvider: func(context.Context, LoginArgs) (Login, error) { return Login{Password: "p"}, nil }})
	_, err := a.ForConnection(t.Context(), "db:27017")
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "no user name") {
		t.Errorf("%v", err)
	}
	plain := mustNew(t, Credential{Static: Static{Username: "u", Password: "p"}})
	if as, err := plain.ForConnection(t.Context(), "db:27017"); as != plain || err != nil {
		t.Errorf("%p, %v, want %p", as, err, plain)
	}
}
