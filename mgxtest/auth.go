package mgxtest

import (
	"errors"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// conversation is an authentication under way on a connection.
type conversation struct {
	account *account
	scram   *scram.ServerConversation
	// skipEmpty is the client's wish to end without an empty exchange.
	skipEmpty bool
}

// open are the commands that need no authentication.
var open = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "saslStart": true, "saslContinue": true, "logout": true, "getnonce": true,
	"ping": true, "buildInfo": true, "buildinfo": true, "whatsmyuri": true, "connectionStatus": true, "listCommands": true,
	"endSessions": true,
}

// ofRouters are the commands that only a mongos has.
var ofRouters = map[string]bool{
	"enableSharding": true, "shardCollection": true, "listShards": true, "isdbgrid": true, "getShardMap": true, "balancerStatus": true,
	"balancerStart": true, "balancerStop": true, "flushRouterConfig": true, "checkMetadataConsistency": true,
}

// authorize refuses what a connection may not do before somebody logged in.
func (r *request) authorize() error {
	c := r.conn
	if c == nil || len(c.m.dep.cfg.users) == 0 || open[r.name] || r.cmd == nil && !ofRouters[r.name] {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Whoever was dropped meanwhile may do no more.
	if c.user != nil && c.m.dep.users.find(c.user.db, c.user.name) != nil {
		return nil
	}
	return failf(codeUnauthorized, "Command %s requires authentication", r.name)
}

// userName is who a request comes from, as user@database, "" for nobody in particular.
func (r *request) userName() string {
	if r.conn == nil {
		return ""
	}
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if r.conn.user == nil {
		return ""
	}
	return r.conn.user.name + "@" + r.conn.user.db
}

func init() {
	register(
		&command{name: "saslStart", v1: true, secret: true, run: func(_ *mongod, r *request) (bson.D, error) { return r.saslStart() }},
		&command{name: "saslContinue", v1: true, secret: true, run: func(_ *mongod, r *request) (bson.D, error) { return r.saslContinue() }},
		&command{name: "logout", run: func(_ *mongod, r *request) (bson.D, error) { return r.logout() }},
		&command{name: "connectionStatus", run: func(_ *mongod, r *request) (bson.D, error) { return r.connectionStatus() }},
	)
}

// runAuth runs the commands about a connection's user, which a mongos answers by
// itself. done reports whether the request was one.
func (r *request) runAuth() (out bson.D, done bool, err error) {
	switch r.name {
	case "saslStart":
		out, err = r.saslStart()
	case "saslContinue":
		out, err = r.saslContinue()
	case "logout":
		out, err = r.logout()
	case "connectionStatus":
		out, err = r.connectionStatus()
	default:
		return nil, false, nil
	}
	return out, true, err
}

// errAuthentication says no more than a server does: not what was wrong.
func errAuthentication() error { return failf(codeAuthenticationFailed, "Authentication failed.") }

func (r *request) saslStart() (bson.D, error) { return r.conn.begin(r.body, r.db) }

// begin begins an authentication by the arguments of saslStart.
func (c *conn) begin(arguments bson.Raw, db string) (bson.D, error) {
	mechanism, _ := arguments.Lookup("mechanism").StringValueOK()
	payload, err := payloadOf(arguments)
	if err != nil {
		return nil, err
	}
	if mechanism == oidc && c.m.dep.takesTokens() {
		return c.showToken([]byte(payload))
	}
	var hash scram.HashGeneratorFcn
	switch mechanism {
	case scramSHA1:
		hash = scram.SHA1
	case scramSHA256:
		hash = scram.SHA256
	default:
		return nil, failf(codeMechanismUnavailable, "Received authentication for mechanism %s which is not enabled", mechanism)
	}
	conv := &conversation{skipEmpty: asBool(arguments.Lookup("options", "skipEmptyExchange"))}
	server, err := hash.NewServer(func(name string) (scram.StoredCredentials, error) {
		conv.account = c.m.dep.users.find(db, name)
		if conv.account == nil {
			return scram.StoredCredentials{}, errors.New("no such user")
		}
		stored, ok := conv.account.credentials[mechanism]
		if !ok {
			return stored, errors.New("the user has no credentials for the mechanism")
		}
		return stored, nil
	})
	if err != nil {
		return nil, err
	}
	conv.scram = server.NewConversation()
	answer, err := conv.scram.Step(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conversation = nil
	if err != nil {
		return nil, errAuthentication()
	}
	c.conversation = conv
	return saslReply(answer, false), nil
}

// takesTokens reports whether there is a user of MONGODB-OIDC.
func (d *Deployment) takesTokens() bool { return slices.ContainsFunc(d.cfg.users, User.external) }

// showToken is an authentication by MONGODB-OIDC with a token at hand, as machines
// have one.
func (c *conn) showToken(payload bson.Raw) (bson.D, error) {
	token, ok := payload.Lookup("jwt").StringValueOK()
	var list []*account
	if ok && token != "" {
		list = c.m.dep.users.list(func(a *account) bool { return a.token == token })
	}
	if len(list) == 0 {
		return nil, errAuthentication()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conversation, c.user = nil, list[0]
	return saslReply("", true), nil
}

func payloadOf(arguments bson.Raw) (string, error) {
	v := arguments.Lookup("payload")
	if _, data, ok := v.BinaryOK(); ok {
		return string(data), nil
	}
	return "", failf(codeTypeMismatch, "BSON field 'payload' is the wrong type '%s', expected type 'binData'", v.Type)
}

func saslReply(payload string, done bool) bson.D {
	return doc("conversationId", int32(1), "done", done, "payload", bson.Binary{Data: []byte(payload)})
}

func (r *request) saslContinue() (bson.D, error) {
	payload, err := payloadOf(r.body)
	if err != nil {
		return nil, err
	}
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	conv := c.conversation
	if conv == nil {
		return nil, failf(codeProtocolError, "No SASL session state found")
	}
	if r.number("conversationId", 0) != 1 {
		return nil, failf(codeProtocolError, "sasl: Mismatched conversation id")
	}
	if conv.scram.Done() {
		// The last word was the server's; the client has seen it and says nothing.
		c.conversation, c.user = nil, conv.account
		return saslReply("", true), nil
	}
	answer, err := conv.scram.Step(payload)
	if err != nil || !conv.scram.Valid() {
		c.conversation = nil
		return nil, errAuthentication()
	}
	if conv.skipEmpty {
		c.conversation, c.user = nil, conv.account
	}
	return saslReply(answer, conv.skipEmpty), nil
}

func (r *request) logout() (bson.D, error) {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user != nil && c.user.db == r.db {
		c.user = nil
	}
	return doc(), nil
}

func (r *request) connectionStatus() (bson.D, error) {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	who, roles := bson.A{}, bson.A{}
	if c.user != nil {
		who, roles = append(who, doc("user", c.user.name, "db", c.user.db)), c.user.roles
	}
	return doc("authInfo", doc("authenticatedUsers", who, "authenticatedUserRoles", roles)), nil
}

// helloAuth returns what hello says about authentication: the mechanisms of the
// user that the client asks about, and the answer to one that it begins at once.
func (r *request) helloAuth() bson.D {
	if r.conn == nil {
		return nil
	}
	var out bson.D
	if db, name, ok := strings.Cut(r.text("saslSupportedMechs"), "."); ok {
		if a := r.conn.m.dep.users.find(db, name); a != nil {
			out = append(out, doc("saslSupportedMechs", a.mechanisms())...)
		}
	}
	attempt := r.document("speculativeAuthenticate")
	if attempt == nil || !r.since(wire44) || firstKey(attempt) != "saslStart" {
		return out
	}
	db, _ := attempt.Lookup("db").StringValueOK()
	// One that fails is as one that the server does not know: the client begins anew.
	if reply, err := r.conn.begin(attempt, db); err == nil {
		out = append(out, doc("speculativeAuthenticate", reply)...)
	}
	return out
}
