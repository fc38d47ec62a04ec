package doctor

import (
	"testing"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
	"github.com/mgxdb/mgx/internal/scripted"
)

// refusing knows users by their mechanisms and refuses all of them.
func refusing(t *testing.T, code int, message string, mechanisms ...string) string {
	t.Helper()
	has := bson.A{}
	for _, m := range mechanisms {
		has = append(has, m)
	}
	s := scripted.Listen(t, func(p *scripted.Peer) {
		for {
			r, err := p.Read()
			if err != nil {
				return
			}
			reply := bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "errmsg", Value: message}}
			if r.IsHello() {
				reply = scripted.Hello()
				if _, err := r.Document.LookupErr("saslSupportedMechs"); err == nil && len(has) > 0 {
					reply = append(reply, bson.E{Key: "saslSupportedMechs", Value: has})
				}
			}
			if p.Answer(r, reply) != nil {
				return
			}
		}
	})
	return "mongodb://ann:" + secret + "@" + s.Address + "/"
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name       string
		code       int
		message    string
		mechanisms []string
		options    string
		want       string
		says       []string
	}{
		{"password", 18, "Authentication failed.", []string{"SCRAM-SHA-1", "SCRAM-SHA-256"}, "", "auth.password",
			[]string{"SCRAM-SHA-256", "Authentication failed", "exists in admin", "percent-encoded"}},
		{"user", 18, "Authentication failed.", nil, "?authSource=shop", "auth.user", []string{`no mechanism for "ann" in shop`, "authSource=admin", "it is the password"}},
		{"mechanism of the user", 18, "Authentication failed.", []string{"SCRAM-SHA-256"}, "?authMechanism=SCRAM-SHA-1", "auth.mechanism",
			[]string{"does not offer SCRAM-SHA-1", "authMechanism=SCRAM-SHA-256"}},
		{"mechanism of the server", 334, "Received authentication for mechanism PLAIN which is not enabled", nil, "?authMechanism=PLAIN", "auth.mechanism",
			[]string{"does not offer PLAIN", "authenticationMechanisms"}},
		{"disabled", 8000, "bad auth", nil, "?authMechanism=PLAIN", "auth.refused", []string{"bad auth (code 8000)", "server's log"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			uri := refusing(t, test.code, test.message, test.mechanisms...) + test.options
			examine(t, Request{URI: uri}).stops(t, "authentication", test.want, test.says...)
		})
	}
}

func TestAuthenticationCutOff(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), nil))
	examine(t, Request{URI: "mongodb://ann:" + secret + "@" + s.Address}).stops(t, "authentication", "auth.closed", "closed the connection", "maxIncomingConnections")
}

// What happens on the client's own side: a server that gives itself away.
func TestServerWithoutProof(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return p.Answer(r, bson.D{{Key: "ok", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "done", Value: true}, {Key: "payload", Value: bson.Binary{}}}) == nil
	}))
	examine(t, Request{URI: "mongodb://ann:" + secret + "@" + s.Address}).stops(t, "authentication", "auth.client", "SCRAM-SHA-1", "do not trust")
}

func TestUserNeeded(t *testing.T) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), func(p *scripted.Peer, r scripted.Request) bool {
		return p.Answer(r, bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 13}, {Key: "errmsg", Value: "command listDatabases requires authentication"}}) == nil
	}))
	examine(t, Request{URI: "mongodb://" + s.Address}).stops(t, "authentication", "auth.needed", "demands a user", "requires authentication", "mongodb://USER:PASSWORD@"+s.Address)
}

// A server that others wrote, with a real user.
func TestUsers(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "ann", Password: secret})
	r := examine(t, Request{URI: p.UserURI("ann", secret, "admin")})
	r.healthy(t)
	r.says(t, OK, "auth", `user "ann"`, "authSource admin", "SCRAM-SHA-256")
	r = examine(t, Request{URI: p.UserURI("ann", "wrong-"+secret, "admin")})
	r.stops(t, "authentication", "auth.password", "exists in admin", "percent-encoded")
	r = examine(t, Request{URI: p.UserURI("bob", secret, "admin")})
	r.stops(t, "authentication", "auth.user", `no mechanism for "bob" in admin`)
	r = examine(t, Request{URI: p.URI()})
	r.stops(t, "authentication", "auth.needed", "demands a user")
	r = examine(t, Request{URI: p.UserURI("ann", secret, "admin") + "&authMechanism=PLAIN"})
	r.stops(t, "authentication", "auth.mechanism", "does not offer PLAIN")
}
