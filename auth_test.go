package mgx

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/event"
	"github.com/mgxdb/mgx/internal/certtest"
	"github.com/mgxdb/mgx/internal/scripted"
)

// saslDone is the reply that ends a SASL conversation.
func saslDone(payload []byte) bson.D {
	return bson.D{{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: true}, {Key: "payload", Value: bson.Binary{Data: payload}}}
}

func commandError(code int, message string) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "errmsg", Value: message}}
}

// payload is what a saslStart or saslContinue carries.
func payload(r scripted.Request) []byte {
	_, data, _ := r.Document.Lookup("payload").BinaryOK()
	return data
}

// tokenServer accepts the tokens that are valid, and has connections with others
// authenticate again before it runs anything.
type tokenServer struct {
	*scripted.Server
	mu      sync.Mutex
	valid   string
	unhappy bool // demands to authenticate again, whatever the token
	served  []string
}

func newTokenServer(t *testing.T, valid string) *tokenServer {
	s := &tokenServer{valid: valid}
	s.Server = scripted.Listen(t, s.serve)
	return s
}

func (s *tokenServer) set(valid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.valid = valid
}

func (s *tokenServer) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.served...)
}

func (s *tokenServer) serve(p *scripted.Peer) {
	used := ""
	for {
		r, err := p.Read()
		if err != nil {
			return
		}
		s.mu.Lock()
		reply := bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}}
		switch {
		case r.IsHello():
			reply = scripted.Hello(bson.E{Key: "msg", Value: "isdbgrid"}, bson.E{Key: "logicalSessionTimeoutMinutes", Value: 30})
		case r.Name == "saslStart":
			var jwt struct {
				Token string `bson:"jwt"`
			}
			_ = bson.Unmarshal(payload(r), &jwt)
			reply = commandError(18, "Authentication failed.")
			if used = jwt.Token; used == s.valid {
				reply = saslDone(nil)
			}
			s.served = append(s.served, "saslStart "+used)
		case s.unhappy || used != s.valid:
			reply = commandError(391, "the token has expired")
			fallthrough
		default:
			s.served = append(s.served, r.Name)
			if r.Name == "find" && len(reply) == 2 {
				reply = bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "a.b"}, {Key: "firstBatch", Value: bson.A{}}}}}
			}
		}
		s.mu.Unlock()
		if p.Answer(r, reply) != nil {
			return
		}
	}
}

// tokenClient gets the tokens one after the other, the last one again and again.
func tokenClient(t *testing.T, s *tokenServer, o *Options, tokens ...string) (client *Client, calls func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	o.Hosts = []string{s.Address}
	o.Credential = &Credential{Mechanism: "MONGODB-OIDC", OIDCCallback: func(context.Context, OIDCArgs) (OIDCToken, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return OIDCToken{AccessToken: tokens[min(n, len(tokens))-1]}, nil
	}}
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(context.Background()) })
	return client, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// Where a token expires under an operation, the connection is authenticated with
// a new one and the operation run, whether or not it may be retried.
func TestReauthentication(t *testing.T) {
	no := false
	operations := map[string]func(context.Context, *Collection) error{
		"find": func(ctx context.Context, c *Collection) error {
			_, err := Collect[bson.Raw](c.Find(ctx, nil))
			return err
		},
		"insert": func(ctx context.Context, c *Collection) error {
			_, err := c.InsertOne(ctx, bson.D{{Key: "a", Value: 1}})
			return err
		},
		"update": func(ctx context.Context, c *Collection) error {
			_, err := c.UpdateMany(ctx, nil, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}})
			return err
		},
	}
	for name, operate := range operations {
		for _, retry := range []*bool{nil, &no} {
			t.Run(name, func(t *testing.T) {
				s := newTokenServer(t, "first")
				var events []string
				client, calls := tokenClient(t, s, &Options{RetryReads: retry, RetryWrites: retry, CommandMonitors: []*event.CommandMonitor{{
					Started: func(ctx context.Context, _ *event.CommandStarted) context.Context {
						events = append(events, "started")
						return ctx
					},
					Failed:    func(context.Context, *event.CommandFailed) { events = append(events, "failed") },
					Succeeded: func(context.Context, *event.CommandSucceeded) { events = append(events, "succeeded") },
				}}}, "first", "second")
				c := client.Database("a").Collection("b")
				if err := operate(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				s.set("second")
				events = nil
				if err := operate(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if got, want := fmt.Sprint(s.log()), fmt.Sprintf("[saslStart first %s %[1]s saslStart second %[1]s]", name); got != want {
					t.Errorf("the server saw %s, want %s", got, want)
				}
				if got := fmt.Sprint(events); got != "[started failed started succeeded]" {
					t.Errorf("events %s", got)
				}
				if calls() != 2 {
					t.Errorf("%d calls for a token", calls())
				}
			})
		}
	}
}

// A server that is never content does not make a client go round in circles.
func TestReauthenticationInVain(t *testing.T) {
	s := newTokenServer(t, "first")
	client, calls := tokenClient(t, s, &Options{}, "first")
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.unhappy = true
	s.mu.Unlock()
	var server *ServerError
	err := client.Ping(t.Context())
	if !errors.As(err, &server) || server.Code != 391 || calls() != 2 {
		t.Errorf("%v after %d calls", err, calls())
	}
	if got := fmt.Sprint(s.log()); got != "[saslStart first ping ping saslStart first ping]" {
		t.Errorf("the server saw %s", got)
	}
}

// Where the new token is refused, the operation fails with that, its connection is
// closed, and the others stay.
func TestReauthenticationRefused(t *testing.T) {
	s := newTokenServer(t, "first")
	var mu sync.Mutex
	var closed, cleared int
	client, _ := tokenClient(t, s, &Options{PoolMonitors: []func(event.PoolEvent){func(e event.PoolEvent) {
		mu.Lock()
		defer mu.Unlock()
		switch e.(type) {
		case event.ConnectionClosed:
			closed++
		case event.PoolCleared:
			cleared++
		}
	}}}, "first", "wrong-secret-token", "third")
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.set("third")
	err := client.Ping(t.Context())
	if !errors.Is(err, ErrAuthentication) || errors.Is(err, ErrConnectionFailure) || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("%v", err)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("the next operation: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if closed != 1 || cleared != 0 {
		t.Errorf("%d connections closed, pool cleared %d times", closed, cleared)
	}
}

// passwordServer accepts a password as long as it is right. A ping named "wait"
// is answered once the test says so.
func passwordServer(t *testing.T, right func() bool, hold <-chan struct{}) *scripted.Server {
	return scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		reply := bson.D{{Key: "ok", Value: 1}}
		switch {
		case r.Name == "saslStart" && right():
			reply = saslDone(nil)
		case r.Name == "saslStart":
			reply = commandError(18, "Authentication failed.")
		case r.Name == "wait":
			<-hold
		}
		return p.Answer(r, reply) == nil
	}))
}

// A password that no longer works is no reason to throw away the connections that
// do; without any, the server counts as not usable.
func TestWrongPasswordKeepsHealthyPool(t *testing.T) {
	const secret = "sesame-open"
	var mu sync.Mutex
	good, cleared := true, 0
	hold, running := make(chan struct{}), make(chan struct{})
	s := passwordServer(t, func() bool { mu.Lock(); defer mu.Unlock(); return good }, hold)
	client, err := New(&Options{
		Hosts:      []string{s.Address},
		Credential: &Credential{Username: "ann", Password: secret, Mechanism: "PLAIN"},
		PoolMonitors: []func(event.PoolEvent){func(e event.PoolEvent) {
			if _, ok := e.(event.PoolCleared); ok {
				mu.Lock()
				cleared++
				mu.Unlock()
			}
		}},
		CommandMonitors: []*event.CommandMonitor{{Started: func(ctx context.Context, e *event.CommandStarted) context.Context {
			if e.CommandName == "wait" {
				close(running)
			}
			return ctx
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	done := make(chan error)
	go func() {
		_, err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "wait", Value: 1}}).Raw()
		done <- err
	}()
	<-running
	mu.Lock()
	good = false // for whoever comes now
	mu.Unlock()
	err = client.Ping(t.Context())
	if !errors.Is(err, ErrAuthentication) {
		t.Errorf("%v", err)
	}
	if se := new(ServerError); !errors.As(err, &se) || se.Code != 18 || se.Raw != nil || !strings.HasPrefix(se.Message, "Authentication failed") {
		t.Errorf("the server's answer is %+v", se)
	}
	for _, text := range []string{"PLAIN", `"ann"`, "$external", "Authentication failed"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Errorf("the operation under way: %v", err)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("with the connection that works: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if cleared != 0 || s.Accepted() != 3 { // the monitor's, the good one, the refused one
		t.Errorf("the pool was cleared %d times, there were %d connections", cleared, s.Accepted())
	}
}

// MONGODB-X509 goes with the hello, or after it where the server does not take it
// from there.
func TestX509(t *testing.T) {
	ca := certtest.NewAuthority(t, "Tea CA")
	for _, speculative := range []bool{true, false} {
		t.Run(fmt.Sprint(speculative), func(t *testing.T) {
			var rec recorder
			hello := func(r scripted.Request) bson.D {
				if _, err := r.Document.LookupErr("speculativeAuthenticate"); err == nil && speculative {
					return scripted.Hello(bson.E{Key: "speculativeAuthenticate", Value: bson.D{{Key: "dbname", Value: "$external"}, {Key: "user", Value: "CN=app"}}})
				}
				return scripted.Hello()
			}
			s := scripted.ListenTLS(t, &tls.Config{
				Certificates: []tls.Certificate{ca.Issue(t, "db").TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
			}, rec.greet(hello, func(p *scripted.Peer, r scripted.Request) error { return p.Answer(r, bson.D{{Key: "ok", Value: 1}}) }))
			client, err := Connect(t.Context(), "mongodb://"+s.Address+"/?authMechanism=MONGODB-X509&tls=true&tlsCAFile="+ca.File(t)+"&tlsCertificateKeyFile="+ca.Issue(t, "app").File(t))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close(t.Context())
			offered, asked := 0, 0
			rec.each(func(r scripted.Request) {
				if m, ok := r.Document.Lookup("speculativeAuthenticate", "mechanism").StringValueOK(); ok && m == "MONGODB-X509" {
					offered++
				}
				if r.Name == "authenticate" {
					asked++
					if db := r.Document.Lookup("$db").StringValue(); db != "$external" {
						t.Errorf("$db %q", db)
					}
				}
			})
			if want := map[bool]int{true: 0, false: 1}[speculative]; offered != 1 || asked != want {
				t.Errorf("offered %d times, asked %d times", offered, asked)
			}
		})
	}
}

// MONGODB-AWS with keys in the connection string: the secret one stays here.
func TestAWS(t *testing.T) {
	var rec recorder
	s := scripted.Listen(t, rec.greet(healthy, func(p *scripted.Peer, r scripted.Request) error {
		switch r.Name {
		case "saslStart":
			var first struct {
				R bson.Binary
			}
			if err := bson.Unmarshal(payload(r), &first); err != nil {
				return err
			}
			b, err := bson.Marshal(bson.D{{Key: "s", Value: bson.Binary{Data: append(first.R.Data, bytes.Repeat([]byte{7}, 32)...)}}, {Key: "h", Value: "sts.amazonaws.com"}})
			if err != nil {
				return err
			}
			return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: false}, {Key: "payload", Value: bson.Binary{Data: b}}})
		case "saslContinue":
			return p.Answer(r, saslDone(nil))
		}
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}})
	}))
	client, err := Connect(t.Context(), "mongodb://AKIDEXAMPLE:wJalrXUtnFEMI@"+s.Address+"/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:toktok")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(t.Context())
	var second struct{ A, D, T string }
	rec.each(func(r scripted.Request) {
		if r.Name == "saslContinue" {
			_ = bson.Unmarshal(payload(r), &second)
		}
		if bytes.Contains(r.Frame, []byte("wJalrXUtnFEMI")) {
			t.Errorf("%s has the secret key", r.Name)
		}
	})
	if !strings.HasPrefix(second.A, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || len(second.D) != 16 || second.T != "toktok" {
		t.Errorf("%+v", second)
	}
}
