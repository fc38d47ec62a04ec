package conn

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/scripted"
)

// serveOIDC takes any token; a silent server never answers one.
func serveOIDC(t *testing.T, silent bool) func(*scripted.Peer, scripted.Request) bool {
	idp, err := bson.Marshal(bson.D{{Key: "issuer", Value: "https://issuer"}})
	if err != nil {
		t.Fatal(err)
	}
	return func(p *scripted.Peer, r scripted.Request) bool {
		_, data, _ := r.Document.Lookup("payload").BinaryOK()
		_, token := bson.Raw(data).Lookup("jwt").StringValueOK()
		doc := bson.D{{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: token}}
		if r.Name == "saslStart" && !token {
			return p.Answer(r, append(doc, bson.E{Key: "payload", Value: idp})) == nil
		}
		return silent || p.Answer(r, append(doc, bson.E{Key: "payload", Value: []byte{}})) == nil
	}
}

// piped dials servers that are in the process.
func piped(wg *sync.WaitGroup, script func(*scripted.Peer)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		wg.Go(func() {
			defer server.Close()
			script(&scripted.Peer{Conn: server})
		})
		return client, nil
	}
}

// A person takes longer to log in than connectTimeoutMS allows a server to answer.
// Neither that connection minds nor one that waits for the same person.
func TestPersonLogsInSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var servers, dials sync.WaitGroup
		calls := 0
		cfg := oidcConfig(t, piped(&servers, scripted.Greet(scripted.Hello(), serveOIDC(t, false))), &calls)
		for range 2 {
			dials.Go(func() {
				c, err := Dial(t.Context(), "localhost:27017", cfg, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Check(t.Context(), nil, 0); err != nil {
					t.Error(err)
				}
				_ = c.Close()
			})
		}
		dials.Wait()
		servers.Wait()
		if calls != 1 {
			t.Errorf("the person logged in %d times", calls)
		}
	})
}

// After that, the server has connectTimeoutMS again, and no more.
func TestServerIsSilentAfterLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var servers sync.WaitGroup
		calls := 0
		cfg := oidcConfig(t, piped(&servers, scripted.Greet(scripted.Hello(), serveOIDC(t, true))), &calls)
		began := time.Now()
		_, err := Dial(t.Context(), "localhost:27017", cfg, nil)
		if kindOf(t, err) != SocketTimeout || time.Since(began) != time.Minute+cfg.ConnectTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		servers.Wait()
	})
}

func oidcConfig(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), calls *int) *Config {
	authn, err := auth.New(auth.Credential{Static: auth.Static{Mechanism: auth.OIDC}, OIDCHumanCallback: func(ctx context.Context, _ auth.OIDCArgs) (auth.OIDCToken, error) {
		*calls++
		select {
		case <-time.After(time.Minute):
			return auth.OIDCToken{AccessToken: "token"}, nil
		case <-ctx.Done():
			return auth.OIDCToken{}, ctx.Err()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &Config{DialContext: dial, Auth: authn, ConnectTimeout: 10 * time.Second}
}

// A server that refuses a hello and repeats what it holds does not get a token into
// the error, nor a text of any length.
func TestHelloRefusalHidesTokens(t *testing.T) {
	const token = "header.claims.signature"
	issue := func(context.Context, auth.OIDCArgs) (auth.OIDCToken, error) {
		return auth.OIDCToken{AccessToken: token}, nil
	}
	authn, err := auth.New(auth.Credential{Static: auth.Static{Mechanism: auth.OIDC}, OIDCCallback: issue})
	if err != nil {
		t.Fatal(err)
	}
	told := false
	s := scripted.Listen(t, func(p *scripted.Peer) {
		r, err := p.Read()
		if err != nil {
			return
		}
		_, data, _ := r.Document.Lookup("speculativeAuthenticate", "payload").BinaryOK()
		if jwt, ok := bson.Raw(data).Lookup("jwt").StringValueOK(); ok {
			told = true
			text := "what is " + jwt + "?" + strings.Repeat(" Really,", 1<<20)
			_ = p.Answer(r, bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: text}, {Key: "code", Value: 9}})
			return
		}
		_ = p.Answer(r, scripted.Hello())
		serve := serveOIDC(t, false)
		for r, err = p.Read(); err == nil && serve(p, r); r, err = p.Read() {
		}
	})
	cfg := &Config{Auth: authn, ConnectTimeout: quick}
	connect(t, s, cfg) // the token is in the cache now
	_, err = Dial(t.Context(), s.Address, cfg, nil)
	if kindOf(t, err) != Handshake || !told {
		t.Fatalf("told a token: %v, got %v", told, err)
	}
	text := err.Error()
	var reply *fault.Refusal
	if !errors.As(err, &reply) || strings.Contains(text, token) ||
		!strings.Contains(text, "what is ***?") || len(text) > 10_000 {
		t.Errorf("got %.200s of %d bytes", text, len(text))
	}
}

// timeoutMS bounds each command of the login by itself, connectTimeoutMS the hello, and
// all of monitors, which have no timeoutMS.
func TestTimeoutOfEachCommandOfALogin(t *testing.T) {
	authn, err := auth.New(auth.Credential{Static: auth.Static{Mechanism: auth.OIDC}, OIDCCallback: func(context.Context, auth.OIDCArgs) (auth.OIDCToken, error) {
		time.Sleep(700 * time.Millisecond)
		return auth.OIDCToken{AccessToken: "token"}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hello, login time.Duration
		text         string
	}{
		"in time":   {1100 * time.Millisecond, 900 * time.Millisecond, ""},
		"the hello": {1600 * time.Millisecond, 0, "no answer within connectTimeoutMS (1.5s)"},
		"the login": {900 * time.Millisecond, 1100 * time.Millisecond, "no answer within timeoutMS (1s)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var servers sync.WaitGroup
				serve := serveOIDC(t, false)
				dial := piped(&servers, func(p *scripted.Peer) {
					r, err := p.Read()
					if err != nil {
						return
					}
					time.Sleep(c.hello)
					_ = p.Answer(r, scripted.Hello())
					for r, err = p.Read(); err == nil; r, err = p.Read() {
						time.Sleep(c.login)
						if !serve(p, r) {
							return
						}
					}
				})
				cfg := &Config{DialContext: dial, Auth: authn, ConnectTimeout: 1500 * time.Millisecond, Timeout: time.Second}
				conn, err := Dial(t.Context(), "localhost:27017", cfg, nil)
				switch {
				case c.text == "" && err != nil:
					t.Error(err)
				case c.text == "":
					_ = conn.Close()
				case err == nil:
					_ = conn.Close()
					t.Error("the server was too slow")
				case kindOf(t, err) != SocketTimeout || !strings.Contains(err.Error(), c.text):
					t.Error(err)
				}
				monitor, err := DialMonitor(t.Context(), "localhost:27017", cfg)
				if err == nil {
					_ = monitor.Close()
				}
				if late := c.hello > cfg.ConnectTimeout; late != (err != nil) {
					t.Errorf("a monitor: %v", err)
				}
				servers.Wait()
			})
		})
	}
}
