package encryption

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/encryption/internal/kms"
	"github.com/mgxdb/mgx/internal/auth"
)

// A Provider is a key management service, and how to authenticate to it: a Local, AWS, Azure, GCP or KMIP. Printing one
// shows no secret.
type Provider interface {
	// make makes what talks to the service.
	make(name string, s kms.Service) (kms.Provider, error)
}

// Local is a master key that the program has itself. Who gets hold of it reads all that was ever encrypted under it:
// it is for tests, and for keys that come from a place as safe as a key management service.
type Local struct {
	// Key is the master key: 96 random bytes.
	Key []byte
}

// ParseLocal reads a master key in base64.
func ParseLocal(key string) (Local, error) {
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return Local{}, &Error{Op: "reading the local master key", Err: errors.New("it is not base64")}
	}
	return Local{Key: b}, nil
}

func (p Local) make(string, kms.Service) (kms.Provider, error) { return kms.NewLocal(p.Key) }

// AWS is AWS KMS. Its zero value finds credentials as MONGODB-AWS does, once they are needed: in the environment's
// variables, a web identity, the ECS or the EC2 endpoint.
type AWS struct {
	AccessKeyID, SecretAccessKey string
	// SessionToken belongs to temporary credentials.
	SessionToken string
	// Credentials returns credentials instead, for each request: caching is its own business.
	Credentials mgx.AWSProvider
}

func (p AWS) make(name string, s kms.Service) (kms.Provider, error) {
	a := &kms.AWS{Service: s}
	switch {
	case p.Credentials != nil && p.AccessKeyID+p.SecretAccessKey != "":
		return nil, errors.New("either credentials are given, or a function that returns them")
	case p.Credentials != nil:
		a.Credentials = func(ctx context.Context) (auth.AWSCredentials, error) {
			c, err := p.Credentials(ctx)
			return auth.AWSCredentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, err
		}
	case p.AccessKeyID+p.SecretAccessKey+p.SessionToken == "":
		if err := unnamed(name); err != nil {
			return nil, err
		}
		environment, err := auth.New(auth.Credential{Static: auth.Static{Mechanism: "MONGODB-AWS"}})
		if err != nil {
			return nil, err
		}
		a.Credentials = environment.AWSCredentials
	case p.AccessKeyID == "" || p.SecretAccessKey == "":
		return nil, errors.New("AccessKeyID and SecretAccessKey are needed both, or neither, to find them in the environment")
	default:
		fixed := auth.AWSCredentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, SessionToken: p.SessionToken}
		a.Credentials = func(context.Context) (auth.AWSCredentials, error) { return fixed, nil }
	}
	return a, nil
}

// unnamed refuses a provider with a name that looks for its credentials by itself: nothing says which ones.
func unnamed(name string) error {
	if name != kms.Kind(name) {
		return fmt.Errorf("%s has a name, and needs credentials: only %s without one finds them in its environment", name, kms.Kind(name))
	}
	return nil
}

// An AccessToken is one to Azure or GCP.
type AccessToken struct {
	Token string
	// Expires is when it ends. It is used until a minute before; the zero time is not known, and the next request asks
	// again.
	Expires time.Time
}

// A TokenProvider returns access tokens.
type TokenProvider func(ctx context.Context) (AccessToken, error)

func (f TokenProvider) internal() func(ctx context.Context) (kms.Token, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context) (kms.Token, error) {
		t, err := f(ctx)
		return kms.Token{AccessToken: t.Token, Expires: t.Expires}, err
	}
}

// fixed is a TokenProvider with one token.
func fixed(token string) TokenProvider {
	return func(context.Context) (AccessToken, error) { return AccessToken{Token: token}, nil }
}

// Azure is Azure Key Vault. Its zero value asks the Azure Instance Metadata Service of the virtual machine for access
// tokens, once they are needed.
type Azure struct {
	// TenantID, ClientID and ClientSecret are those of an application.
	TenantID, ClientID, ClientSecret string
	// IdentityPlatformEndpoint gives tokens to applications: a host, with or without a port. By default it is
	// login.microsoftonline.com.
	IdentityPlatformEndpoint string
	// AccessToken or Token are access tokens for https://vault.azure.net, instead of an application.
	AccessToken string
	Token       TokenProvider
}

func (p Azure) make(name string, s kms.Service) (kms.Provider, error) {
	application := p.TenantID + p.ClientID + p.ClientSecret
	a := &kms.Azure{Service: s, TenantID: p.TenantID, ClientID: p.ClientID, ClientSecret: p.ClientSecret, IdentityPlatform: p.IdentityPlatformEndpoint, Token: p.Token.internal()}
	if p.AccessToken != "" {
		a.Token = fixed(p.AccessToken).internal()
	}
	switch {
	case count(application != "", p.AccessToken != "", p.Token != nil) > 1:
		return nil, errors.New("it has one of an application, an AccessToken and a Token function")
	case application != "" && (p.TenantID == "" || p.ClientID == "" || p.ClientSecret == ""):
		return nil, errors.New("TenantID, ClientID and ClientSecret are needed all")
	case application == "" && a.Token == nil:
		return a, unnamed(name)
	}
	return a, nil
}

func count(list ...bool) int {
	n := 0
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

// GCP is Google Cloud KMS. Its zero value asks the metadata service of the virtual machine for access tokens, once they
// are needed.
type GCP struct {
	// Email and PrivateKey are a service account's. The key is in PKCS #8, as DER or PEM.
	Email      string
	PrivateKey []byte
	// Endpoint gives tokens to service accounts: a host, with or without a port. By default it is
	// oauth2.googleapis.com.
	Endpoint string
	// AccessToken or Token are access tokens, instead of a service account.
	AccessToken string
	Token       TokenProvider
}

func (p GCP) make(name string, s kms.Service) (kms.Provider, error) {
	account := p.Email != "" || len(p.PrivateKey) > 0
	g := &kms.GCP{Service: s, Email: p.Email, Endpoint: p.Endpoint, Token: p.Token.internal()}
	if p.AccessToken != "" {
		g.Token = fixed(p.AccessToken).internal()
	}
	switch {
	case count(account, p.AccessToken != "", p.Token != nil) > 1:
		return nil, errors.New("it has one of a service account, an AccessToken and a Token function")
	case account && (p.Email == "" || len(p.PrivateKey) == 0):
		return nil, errors.New("Email and PrivateKey are needed both")
	case account:
		var err error
		if g.Key, err = kms.ParsePrivateKey(p.PrivateKey); err != nil {
			return nil, err
		}
	case g.Token == nil:
		return g, unnamed(name)
	}
	return g, nil
}

// KMIP is a server that speaks KMIP, the Key Management Interoperability Protocol. It authenticates clients by their
// certificates: Options.TLS has this client's.
type KMIP struct {
	// Endpoint is the server for master keys that name none: a host, with or without a port. The default port is 5696.
	Endpoint string
}

func (p KMIP) make(_ string, s kms.Service) (kms.Provider, error) {
	if p.Endpoint == "" {
		return nil, errors.New("Endpoint is needed")
	}
	return &kms.KMIP{Service: s, Endpoint: p.Endpoint}, nil
}

// What is printed of providers.

func (p Local) String() string       { return "Local" }
func (p AWS) String() string         { return fmt.Sprintf("AWS{AccessKeyID: %q}", p.AccessKeyID) }
func (p Azure) String() string       { return fmt.Sprintf("Azure{ClientID: %q}", p.ClientID) }
func (p GCP) String() string         { return fmt.Sprintf("GCP{Email: %q}", p.Email) }
func (t AccessToken) String() string { return "AccessToken" }

// Format prints String for every verb: none shows a secret.
func (p Local) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Format prints String for every verb: none shows a secret.
func (p AWS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Format prints String for every verb: none shows a secret.
func (p Azure) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Format prints String for every verb: none shows a secret.
func (p GCP) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Format prints String for every verb: none shows a secret.
func (t AccessToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }
