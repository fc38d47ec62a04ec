package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"sync"
	"time"
)

// Authenticator authenticates the connections of one client. It holds what
// they share: derived SCRAM keys, AWS credentials, OIDC tokens. It is safe for
// concurrent use.
type Authenticator struct {
	sealed
	cred *Credential // resolved

	sha1, sha256 *scramClient
	aws          *awsSource
	oidc         *oidcCache
	logins       *loginCache

	now    func() time.Time
	random func([]byte)
}

// New checks the credential, whose faults are reported as *setup.Error, and
// returns its authenticator. It does no I/O.
func New(cred Credential) (*Authenticator, error) {
	full, err := cred.resolve()
	if err != nil {
		return nil, err
	}
	a := &Authenticator{
		cred:   full,
		now:    time.Now,
		random: func(b []byte) { rand.Read(b) }, // never fails
	}
	keys := new(keyCache)
	a.sha1 = a.scramClient(sha1Hash, keys)
	a.sha256 = a.scramClient(sha256Hash, keys)
	a.aws = newAWSSource(a)
	a.oidc = newOIDCCache(a.cred)
	a.logins = new(loginCache)
	return a, nil
}

func (a *Authenticator) scramClient(h scramHash, keys *keyCache) *scramClient {
	username, password := a.cred.Username, a.cred.Password
	return &scramClient{
		hash:     h,
		user:     saslName.Replace(username),
		password: sync.OnceValues(func() (string, error) { return h.scramPassword(username, password) }),
		keys:     keys,
		nonce: func() string {
			var b [24]byte
			a.random(b[:])
			return base64.StdEncoding.EncodeToString(b[:])
		},
	}
}

// Mechanism is the configured mechanism, "" if it is negotiated.
func (a *Authenticator) Mechanism() string { return a.cred.Mechanism }

// Source is the database against which connections authenticate.
func (a *Authenticator) Source() string { return a.cred.Source }

// Username is the credential's user name; it may be empty.
func (a *Authenticator) Username() string { return a.cred.Username }

// Interactive reports whether a conversation may have to wait for a person.
func (a *Authenticator) Interactive() bool { return a.oidc.human }

// Negotiates returns what hello's saslSupportedMechs asks about, "db.user", if
// the mechanism is left to the server.
func (a *Authenticator) Negotiates() (ns string, ok bool) {
	if a.cred.Mechanism != "" {
		return "", false
	}
	return a.cred.Source + "." + a.cred.Username, true
}

// Speculate starts a conversation inside hello: doc goes into the command as
// speculativeAuthenticate. addr is the server's address as the client knows
// it, host and port or a socket's path. If the reply has a document of that
// name, it is the conversation's first reply; if not, the conversation is
// dropped and Begin starts another. Mechanisms that cannot do this return a
// nil doc and a nil conversation.
func (a *Authenticator) Speculate(ctx context.Context, addr string) (conv Conversation, doc []byte, err error) {
	switch a.cred.Mechanism {
	case "", ScramSHA256:
		return a.speculateScram(ctx, a.sha256)
	case ScramSHA1:
		return a.speculateScram(ctx, a.sha1)
	case X509:
		c := &x509Conversation{attempt: a.attempt(X509), started: true, speculative: true}
		return c, c.command(), nil
	case OIDC:
		return a.speculateOIDC(addr)
	}
	return nil, nil, nil
}

func (a *Authenticator) speculateScram(ctx context.Context, client *scramClient) (Conversation, []byte, error) {
	if _, err := client.password(); err != nil && a.cred.Mechanism == "" {
		return nil, nil, nil // the user may turn out to be one of SCRAM-SHA-1
	}
	c := a.scramConversation(client)
	doc, err := c.speculate(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c, doc, nil
}

// Begin starts a conversation with the server at addr. mechs is the hello
// reply's saslSupportedMechs, nil if it has none.
func (a *Authenticator) Begin(_ context.Context, addr string, mechs []string) (Conversation, error) {
	mechanism := a.cred.Mechanism
	if mechanism == "" {
		mechanism = ScramSHA1
		if slices.Contains(mechs, ScramSHA256) {
			mechanism = ScramSHA256
		}
	}
	return a.begin(addr, mechanism)
}

// Reauthenticate starts a conversation on a connection whose server answered
// an operation with ReauthenticationRequired. last is the conversation that
// authenticated the connection: the token that it used, and no newer one, is
// forgotten first.
func (a *Authenticator) Reauthenticate(_ context.Context, addr string, last Conversation) (Conversation, error) {
	mechanism := a.cred.Mechanism
	if last != nil {
		mechanism = last.Mechanism()
		if c, ok := last.(*oidcConversation); ok {
			a.oidc.invalidate(c.token)
		}
	}
	if mechanism == "" {
		mechanism = ScramSHA256
	}
	return a.begin(addr, mechanism)
}

func (a *Authenticator) begin(addr, mechanism string) (Conversation, error) {
	switch mechanism {
	case ScramSHA1:
		return a.scramConversation(a.sha1), nil
	case ScramSHA256:
		return a.scramConversation(a.sha256), nil
	case X509:
		return &x509Conversation{attempt: a.attempt(X509)}, nil
	case Plain:
		ex := plainExchange{username: a.cred.Username, password: a.cred.Password}
		return &saslConversation{attempt: a.attempt(Plain), ex: ex}, nil
	case AWS:
		ex := &awsExchange{source: a.aws}
		return &saslConversation{attempt: a.attempt(AWS), ex: ex}, nil
	default:
		return a.beginOIDC(addr)
	}
}

func (a *Authenticator) scramConversation(client *scramClient) *saslConversation {
	return &saslConversation{
		attempt:   a.attempt(client.hash.name),
		ex:        &scramExchange{client: client},
		skipEmpty: true,
	}
}

func (a *Authenticator) attempt(mechanism string) attempt {
	return attempt{
		mechanism:  mechanism,
		source:     a.cred.Source,
		username:   a.cred.Username,
		negotiated: a.cred.Mechanism == "",
	}
}
