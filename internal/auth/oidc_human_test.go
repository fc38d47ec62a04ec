package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOIDCHuman(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{refresh: "refresh"}
		s := &idp{t: t, good: tokens("token1", "token2", "token3", "token4")}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC, Username: "alice"}, OIDCHumanCallback: p.call})
		var last Conversation
		connect := func() error {
			t.Helper()
			conv := mustBegin(t, a)
			_, err := run(t, conv, nil, s.serve)
			last = conv
			return err
		}
		reauthenticate := func() error {
			t.Helper()
			conv, err := a.Reauthenticate(t.Context(), "localhost", last)
			if err != nil {
				t.Fatal(err)
			}
			_, err = run(t, conv, nil, s.serve)
			last = conv
			return err
		}
		if err := connect(); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart principal alice", "saslContinue token1")
		if args := p.calls[0]; args.Version != 1 || args.Username != "alice" || args.RefreshToken != "" ||
			args.IDP == nil || args.IDP.Issuer != "https://issuer" || args.IDP.ClientID != "abcd" {
			t.Errorf("arguments are %+v", args)
		}
		if err := connect(); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart token1")

		if err := reauthenticate(); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart token2")
		if args := p.calls[1]; args.RefreshToken != "refresh" || args.IDP == nil || args.IDP.Issuer != "https://issuer" {
			t.Errorf("arguments are %+v", args)
		}

		// The server does not take the refreshed token: ask a person.
		s.good = tokens("token4")
		if err := reauthenticate(); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart token3", "saslStart principal alice", "saslContinue token4")
		if args := p.calls[3]; args.RefreshToken != "" {
			t.Errorf("a two-step conversation has refresh token %q", args.RefreshToken)
		}

		// It does not even then: an error, after two calls.
		s.good = nil
		if err := reauthenticate(); err == nil {
			t.Error("no error")
		}
		s.expect("saslStart token5", "saslStart principal alice", "saslContinue token6")

		// 391 from saslStart means the same as 18; asking a person fails.
		s.good = tokens("token8")
		a.oidc.refresh, s.fail = "refresh", []int{391, 391}
		a.oidc.invalidate("token6")
		if err := connect(); err == nil {
			t.Error("no error")
		}
		s.expect("saslStart token7", "saslStart principal alice")
	})
}

func TestOIDCHumanRefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{refresh: "refresh"}
		s := &idp{t: t, good: tokens("token1", "token3")}
		failing := func(ctx context.Context, args OIDCArgs) (OIDCToken, error) {
			token, err := p.call(ctx, args)
			if args.RefreshToken != "" {
				err = errors.New("the refresh token has expired")
			}
			return token, err
		}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: failing})
		conv := mustBegin(t, a)
		if _, err := run(t, conv, nil, s.serve); err != nil {
			t.Fatal(err)
		}
		conv, _ = a.Reauthenticate(t.Context(), "localhost", conv)
		if _, err := run(t, conv, nil, s.serve); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart principal ", "saslContinue token1", "saslStart principal ", "saslContinue token3")
		p.expect(t, 3)
	})
}

// Two connections that ask where to get a token at the same time bother the
// person once.
func TestOIDCHumanOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{sleep: time.Minute}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: p.call})
		var wg sync.WaitGroup
		for range 5 {
			conv := mustBegin(t, a)
			s := &idp{t: t, good: tokens("token1")}
			cmd, _, err := conv.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				cmd, _, err := conv.Next(t.Context(), s.serve(cmd))
				if err != nil {
					t.Error(err)
					return
				}
				if _, done, err := conv.Next(t.Context(), s.serve(cmd)); !done || err != nil {
					t.Error(done, err)
				}
			})
		}
		wg.Wait()
		p.expect(t, 1)
	})
}

func TestOIDCAllowedHosts(t *testing.T) {
	called := false
	callback := func(context.Context, OIDCArgs) (OIDCToken, error) {
		called = true
		return OIDCToken{AccessToken: "t"}, nil
	}
	tests := []struct {
		allowed []string
		addr    string
		want    bool
	}{
		{nil, "localhost:27017", true},
		{nil, "LOCALHOST", true},
		{nil, "127.0.0.1:27017", true},
		{nil, "[::1]:27017", true},
		{nil, "::1", true},
		{nil, "a.mongodb.net:27017", true},
		{nil, "a.b.c.MongoDB.net:27017", true},
		{nil, "x.mongodb-qa.net:1", true},
		{nil, "mongodb.net:27017", false},
		{nil, ".mongodb.net:27017", false},
		{nil, "evilmongodb.net:27017", false},
		{nil, "a.mongodb.net.evil.com:27017", false},
		{nil, "127.0.0.2:27017", false},
		{nil, "localhost.evil.com:27017", false},
		{nil, "/tmp/mongodb-27017.sock", false},
		{nil, "", false},
		{[]string{}, "localhost:27017", false},
		{[]string{"example.com"}, "localhost:27017", false},
		{[]string{"Example.com"}, "example.COM:1", true},
		{[]string{"example.com"}, "a.example.com:1", false},
		{[]string{"[fe80::1]"}, "[fe80::1]:27017", true},
		{[]string{"*.Example.com"}, "a.example.com", true},
	}
	for _, test := range tests {
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: callback, OIDCAllowedHosts: test.allowed})
		_, err := a.Begin(t.Context(), test.addr, nil)
		if (err == nil) != test.want {
			t.Errorf("%v and %q: %v", test.allowed, test.addr, err)
		}
		// No cached token leaves for a forbidden host, nor does a new one.
		a.oidc.access = "t"
		_, doc, specErr := a.Speculate(t.Context(), test.addr)
		_, reErr := a.Reauthenticate(t.Context(), test.addr, nil)
		if (doc != nil) != test.want || (specErr == nil) != test.want || (reErr == nil) != test.want {
			t.Errorf("%v and %q: %x, %v, %v", test.allowed, test.addr, doc, specErr, reErr)
		}
	}
	if called {
		t.Error("the callback was called")
	}
	// Machines may go anywhere.
	a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: callback})
	if _, err := a.Begin(t.Context(), "db.example.com:27017", nil); err != nil {
		t.Error(err)
	}
}
