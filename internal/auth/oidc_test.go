package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// idp is a server with an identity provider: it knows which tokens are good
// and writes down what it is told.
type idp struct {
	t    *testing.T
	good map[string]bool
	// fail makes the nth command from now fail with a code.
	fail []int
	log  []string
}

func (s *idp) serve(cmd []byte) []byte {
	p := payloadOf(cmd)
	jwt, hasJWT := str(p, "jwt"), str(p, "jwt") != ""
	switch {
	case hasJWT:
		s.log = append(s.log, commandName(cmd)+" "+jwt)
	default:
		s.log = append(s.log, commandName(cmd)+" principal "+str(p, "n"))
	}
	if len(s.fail) > 0 {
		code := s.fail[0]
		s.fail = s.fail[1:]
		if code != 0 {
			return errorReply(code, "", "failed for "+jwt)
		}
	}
	if !hasJWT {
		return saslReply(1, false, build("issuer", "https://issuer", "clientId", "abcd", "requestScopes", list{"a", "b"}))
	}
	if !s.good[jwt] {
		return errorReply(18, "AuthenticationFailed", "token "+jwt+" refused")
	}
	return saslReply(1, true, nil)
}

// provider is a callback that returns token1, token2, …
type provider struct {
	mu      sync.Mutex
	calls   []OIDCArgs
	refresh string
	err     error
	running int
	sleep   time.Duration
}

func (p *provider) call(ctx context.Context, args OIDCArgs) (OIDCToken, error) {
	p.mu.Lock()
	p.calls = append(p.calls, args)
	n := len(p.calls)
	p.running++
	if p.running > 1 {
		panic("two calls at the same time")
	}
	p.mu.Unlock()
	defer func() { p.mu.Lock(); p.running--; p.mu.Unlock() }()
	if p.sleep > 0 {
		select {
		case <-time.After(p.sleep):
		case <-ctx.Done():
			return OIDCToken{}, ctx.Err()
		}
	}
	if p.err != nil {
		return OIDCToken{}, p.err
	}
	return OIDCToken{AccessToken: fmt.Sprintf("token%d", n), RefreshToken: p.refresh}, nil
}

func tokens(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func (s *idp) expect(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.log, want) {
		s.t.Errorf("the server saw %q, want %q", s.log, want)
	}
	s.log = nil
}

func (p *provider) expect(t *testing.T, n int) {
	t.Helper()
	if len(p.calls) != n {
		t.Errorf("%d calls of the callback, want %d", len(p.calls), n)
	}
}

func TestOIDCPayloads(t *testing.T) {
	if got := base64.StdEncoding.EncodeToString(jwtPayload("abcd1234")); got != "FwAAAAJqd3QACQAAAGFiY2QxMjM0AAA=" {
		t.Error(got)
	}
	if got := base64.StdEncoding.EncodeToString(principalPayload("myidp")); got != "EgAAAAJuAAYAAABteWlkcAAA" {
		t.Error(got)
	}
	if got := principalPayload(""); !bytes.Equal(got, build()) {
		t.Errorf("%x", got)
	}
	info, err := parseIDPInfo(unbase64(t, "WQAAAAJpc3N1ZXIADwAAAGh0dHBzOi8vaXNzdWVyAAJjbGllbnRJZAAFAAAAYWJjZAAEcmVxdWVzdFNjb3BlcwAXAAAAAjAAAgAAAGEAAjEAAgAAAGIAAAA="))
	if err != nil || info.Issuer != "https://issuer" || info.ClientID != "abcd" || !slices.Equal(info.RequestScopes, []string{"a", "b"}) {
		t.Errorf("%+v, %v", info, err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), build(), build("issuer", 1), build("issuer", ""), build("issuer", "x", "requestScopes", list{1})} {
		if info, err := parseIDPInfo(bad); err == nil {
			t.Errorf("%x gives %+v", bad, info)
		}
	}
}

func TestOIDCMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		s := &idp{t: t, good: tokens("token1")}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC, Username: "client"}, OIDCCallback: p.call})
		if conv, doc, err := a.Speculate(t.Context(), "h"); conv != nil || doc != nil || err != nil {
			t.Errorf("speculates without a token: %v, %x, %v", conv, doc, err)
		}
		for range 3 {
			if _, err := run(t, mustBegin(t, a), nil, s.serve); err != nil {
				t.Fatal(err)
			}
		}
		s.expect("saslStart token1", "saslStart token1", "saslStart token1")
		p.expect(t, 1)
		if args := p.calls[0]; args.Version != 1 || args.Username != "client" || args.IDP != nil || args.RefreshToken != "" {
			t.Errorf("arguments are %+v", args)
		}

		// A cached token that is refused is replaced; once.
		s.good = tokens("token2")
		if _, err := run(t, mustBegin(t, a), nil, s.serve); err != nil {
			t.Fatal(err)
		}
		s.expect("saslStart token1", "saslStart token2")
		s.good = nil
		_, err := run(t, mustBegin(t, a), nil, s.serve)
		var e *Error
		if !errors.As(err, &e) || e.Code != 18 || strings.Contains(err.Error(), "token3") || !strings.Contains(err.Error(), "check the token's issuer") {
			t.Errorf("error is %v", err)
		}
		s.expect("saslStart token2", "saslStart token3")
		p.expect(t, 3)
	})
}

func TestOIDCOtherErrorsKeepTheToken(t *testing.T) {
	p := &provider{}
	s := &idp{t: t, good: tokens("token1"), fail: []int{20}}
	a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: p.call})
	var e *Error
	if _, err := run(t, mustBegin(t, a), nil, s.serve); !errors.As(err, &e) || e.Code != 20 {
		t.Errorf("error is %v", err)
	}
	if _, err := run(t, mustBegin(t, a), nil, s.serve); err != nil {
		t.Error(err)
	}
	p.expect(t, 1)
}

func TestOIDCReauthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		s := &idp{t: t, good: tokens("token1", "token2")}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: p.call})
		one, two := mustBegin(t, a), mustBegin(t, a)
		for _, conv := range []Conversation{one, two} {
			if _, err := run(t, conv, nil, s.serve); err != nil {
				t.Fatal(err)
			}
		}
		p.expect(t, 1)
		// Both connections are told to reauthenticate; the second one must not
		// throw away the token that the first one fetched.
		for _, conv := range []Conversation{one, two} {
			again, err := a.Reauthenticate(t.Context(), "h", conv)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run(t, again, nil, s.serve); err != nil {
				t.Error(err)
			}
		}
		p.expect(t, 2)
		s.expect("saslStart token1", "saslStart token1", "saslStart token2", "saslStart token2")
	})
}

func TestOIDCSpeculation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		s := &idp{t: t, good: tokens("token1")}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: p.call})
		run(t, mustBegin(t, a), nil, s.serve)
		s.expect("saslStart token1")

		conv, doc, err := a.Speculate(t.Context(), "h")
		if err != nil || str(doc, "db") != "$external" || str(payloadOf(doc), "jwt") != "token1" || commandName(doc) != "saslStart" {
			t.Fatalf("speculates %x, %v", doc, err)
		}
		if n, err := run(t, conv, build("conversationId", 1, "done", true, "payload", bin(nil)), s.serve); n != 0 || err != nil {
			t.Errorf("%d commands, %v", n, err)
		}
		s.expect()
		// The token of a speculation is the connection's, too.
		again, _ := a.Reauthenticate(t.Context(), "h", conv)
		s.good = tokens("token2")
		if _, err := run(t, again, nil, s.serve); err != nil {
			t.Error(err)
		}
		s.expect("saslStart token2")

		// A speculation that fails leaves the cache alone and goes on.
		for _, first := range [][]byte{
			build("conversationId", 1, "done", false, "payload", bin(nil)),
			errorReply(18, "", ""),
			[]byte("garbage"),
		} {
			conv, _, _ = a.Speculate(t.Context(), "h")
			if _, err := run(t, conv, first, s.serve); err != nil {
				t.Error(err)
			}
			s.expect("saslStart token2")
		}
		p.expect(t, 2)
	})
}

func TestOIDCOneCallForManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{sleep: time.Second}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: p.call})
		var wg sync.WaitGroup
		for range 10 {
			conv := mustBegin(t, a)
			wg.Go(func() {
				s := &idp{t: t, good: tokens("token1")}
				if _, err := run(t, conv, nil, s.serve); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, _, err := mustBegin(t, a).Next(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for the callback: %v", err)
		}
		wg.Wait()
		p.expect(t, 1)
	})
}

func TestOIDCCallbackPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: p.call})
		s := &idp{t: t}
		start := time.Now()
		for range 3 {
			if _, err := run(t, mustBegin(t, a), nil, s.serve); err == nil {
				t.Error("no error")
			}
		}
		if got := time.Since(start); got != 2*oidcPause {
			t.Errorf("3 calls took %s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, _, err := mustBegin(t, a).Next(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pause: %v", err)
		}
		p.expect(t, 3)
	})
}

func TestOIDCCallbackFailures(t *testing.T) {
	cause := errors.New("no network")
	tests := []struct {
		callback OIDCCallback
		want     string
	}{
		{func(context.Context, OIDCArgs) (OIDCToken, error) { return OIDCToken{}, cause }, "no network"},
		{func(context.Context, OIDCArgs) (OIDCToken, error) { return OIDCToken{}, nil }, "no access token"},
		{func(context.Context, OIDCArgs) (OIDCToken, error) {
			return OIDCToken{AccessToken: "s3cret", ExpiresIn: -1}, nil
		}, "expires in"},
	}
	for _, test := range tests {
		for _, human := range []bool{false, true} {
			cred := Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: test.callback}
			if human {
				cred = Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: test.callback}
			}
			a := mustNew(t, cred)
			s := &idp{t: t}
			_, err := run(t, mustBegin(t, a), nil, s.serve)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error is %v, want %q", err, test.want)
			}
			if test.want == cause.Error() && !errors.Is(err, cause) {
				t.Error("the cause is lost")
			}
			if a.oidc.token() != "" {
				t.Error("a bad token is cached")
			}
		}
	}
}

func TestOIDCCallbackTime(t *testing.T) {
	for _, test := range []struct {
		human  bool
		given  time.Duration // deadline of the connection's context, 0 for none
		want   time.Duration
		cancel bool
	}{
		{false, 0, time.Minute, false},
		{false, 10 * time.Second, 10 * time.Second, false},
		{true, 0, 5 * time.Minute, false},
		{true, 10 * time.Second, 5 * time.Minute, false},
		{true, 0, 7 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var took time.Duration
			wait := func(ctx context.Context, _ OIDCArgs) (OIDCToken, error) {
				start := time.Now()
				<-ctx.Done()
				took = time.Since(start)
				return OIDCToken{}, ctx.Err()
			}
			cred := Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: wait}
			if test.human {
				cred = Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: wait}
			}
			ctx, cancel := context.WithCancel(t.Context())
			if test.given > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), test.given)
			}
			defer cancel()
			if test.cancel {
				time.AfterFunc(test.want, cancel)
			}
			conv := mustBegin(t, mustNew(t, cred))
			cmd, _, err := conv.Next(ctx, nil)
			if test.human {
				_, _, err = conv.Next(ctx, (&idp{t: t}).serve(cmd))
			}
			if err == nil || took != test.want {
				t.Errorf("human=%v deadline=%s: the callback had %s, want %s; %v", test.human, test.given, took, test.want, err)
			}
		})
	}
}

// The number of tries is bounded even if others keep filling the cache.
func TestOIDCRestartsAreBounded(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken("token")})
	sent := 0
	_, err := run(t, mustBegin(t, a), nil, func([]byte) []byte {
		sent++
		a.oidc.mu.Lock()
		defer a.oidc.mu.Unlock()
		a.oidc.access = fmt.Sprintf("other%d", sent)
		return errorReply(18, "", "")
	})
	if err == nil || sent > 1+maxOIDCRestarts {
		t.Errorf("%d commands, %v", sent, err)
	}
}

func TestDishonestOIDCServers(t *testing.T) {
	human := Credential{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: staticToken("s3cret")}
	machine := Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken("s3cret")}
	tests := []struct {
		cred    Credential
		replies [][]byte
		want    string
	}{
		{machine, [][]byte{saslReply(1, false, nil)}, "goes on although"},
		{machine, [][]byte{[]byte("x")}, "not a valid document"},
		{machine, [][]byte{build("done", true, "ok", 1)}, "no conversationId"},
		{machine, [][]byte{errorReply(1, "", "I saw s3cret")}, "I saw ***"},
		{human, [][]byte{saslReply(1, true, nil)}, "before it was complete"},
		{human, [][]byte{saslReply(1, false, nil)}, "not a valid document"},
		{human, [][]byte{saslReply(1, false, build("clientId", "x"))}, "no issuer"},
		{human, [][]byte{saslReply(1, false, build("issuer", "x")), saslReply(2, true, nil)}, "another conversation"},
		{human, [][]byte{saslReply(1, false, build("issuer", "x")), saslReply(1, false, nil)}, "goes on although"},
	}
	for i, test := range tests {
		n := 0
		_, err := run(t, mustBegin(t, mustNew(t, test.cred)), nil, func([]byte) []byte { n++; return test.replies[n-1] })
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: %v, want %q", i, err, test.want)
		}
	}
}
