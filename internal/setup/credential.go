package setup

import (
	"maps"
	"slices"
	"strings"
)

// The authentication mechanisms, named as in the authMechanism option.
const (
	ScramSHA1   = "SCRAM-SHA-1"
	ScramSHA256 = "SCRAM-SHA-256"
	X509        = "MONGODB-X509"
	Plain       = "PLAIN"
	GSSAPI      = "GSSAPI"
	AWS         = "MONGODB-AWS"
	OIDC        = "MONGODB-OIDC"
	// CR is gone from servers.
	CR = "MONGODB-CR"
)

// Mechanisms are those that a connection string may name.
var Mechanisms = []string{ScramSHA1, ScramSHA256, X509, Plain, GSSAPI, AWS, OIDC}

// External is the database of users that the server does not store itself.
const External = "$external"

// Mechanism properties.
const (
	SessionToken  = "AWS_SESSION_TOKEN"
	Environment   = "ENVIRONMENT"
	TokenResource = "TOKEN_RESOURCE"
	AllowedHosts  = "ALLOWED_HOSTS"
	serviceName   = "SERVICE_NAME"
	canonicalize  = "CANONICALIZE_HOST_NAME"
)

// mechanismProperties are those that a mechanism knows; the others know none.
var mechanismProperties = map[string][]string{
	AWS:    {SessionToken},
	OIDC:   {Environment, TokenResource},
	GSSAPI: {serviceName, "SERVICE_REALM", "SERVICE_HOST", canonicalize},
}

// PublicProperty reports whether a property of that name holds no secret.
func PublicProperty(name string) bool {
	switch name {
	case serviceName, "SERVICE_REALM", "SERVICE_HOST", canonicalize, Environment, TokenResource:
		return true
	}
	return false
}

// Credential is who to authenticate as. See the specification "Authentication".
type Credential struct {
	// Mechanism is "" where it is to be negotiated.
	Mechanism string
	// Source is the database to authenticate against, Database that of the
	// connection string.
	Source, Database string
	Username         string
	Password         string
	PasswordSet      bool // tells an empty password from none
	Properties       map[string]string
	// LoginProvided reports whether code supplies user name and password, for each
	// connection anew. Username is then a default.
	LoginProvided bool
}

// Given reports whether authentication is asked for: by a user name or a
// mechanism. A database or a source alone does not ask for it.
func (c *Credential) Given() bool { return c.Username != "" || c.Mechanism != "" || c.LoginProvided }

// HasPassword reports whether there is a password, be it empty.
func (c *Credential) HasPassword() bool { return c.PasswordSet || c.Password != "" }

// Name returns the mechanism, or what is negotiated.
func (c *Credential) Name() string {
	if c.Mechanism == "" {
		return "SCRAM"
	}
	return c.Mechanism
}

// external reports whether the mechanism's users are of no database.
func (c *Credential) external() bool {
	switch c.Mechanism {
	case X509, AWS, OIDC, GSSAPI:
		return true
	}
	return false
}

// Resolve returns the credential with its defaults, and properties by the names
// that the specification gives them. It checks what can be checked of a connection
// string alone.
func (c *Credential) Resolve() (*Credential, *Error) {
	r := c.Defaults()
	if err := r.nameProperties(); err != nil {
		return nil, err
	}
	for _, check := range []func() *Error{r.checkMechanism, r.checkSource, r.checkProperties, r.checkLogin, r.checkUser} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Defaults returns the credential with its defaults, unchecked.
func (c *Credential) Defaults() *Credential {
	r := *c
	r.fill()
	return &r
}

func (c *Credential) fill() {
	if c.Source == "" && !c.external() {
		c.Source = c.Database
	}
	switch {
	case c.Source != "":
	case c.external(), c.Mechanism == Plain:
		c.Source = External
	default:
		c.Source = "admin"
	}
	c.Properties = maps.Clone(c.Properties)
	if c.Mechanism == GSSAPI && c.Properties[serviceName] == "" {
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[serviceName] = "mongodb"
	}
}

// nameProperties spells the properties as the specification does, which code and
// connection strings need not.
func (c *Credential) nameProperties() *Error {
	known := mechanismProperties[c.Mechanism]
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		switch {
		case i >= 0 && known[i] == name:
		case i >= 0:
			if _, twice := c.Properties[known[i]]; twice {
				return wrong("authMechanismProperties", "%s is given more than once", known[i])
			}
			c.Properties[known[i]] = c.Properties[name]
			delete(c.Properties, name)
		case strings.EqualFold(name, AllowedHosts):
			return wrong("authMechanismProperties", "ALLOWED_HOSTS cannot be set in a connection string: use the option in code")
		case len(known) == 0:
			return wrong("authMechanismProperties", "%s takes none, but %q is set", c.Name(), name)
		default:
			return wrong("authMechanismProperties", "%s does not know %q; it takes %s", c.Mechanism, name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (c *Credential) checkMechanism() *Error { return CheckMechanism(c.Mechanism) }

// CheckMechanism reports a mechanism that nobody knows any more, or yet.
func CheckMechanism(name string) *Error {
	switch {
	case name == "", slices.Contains(Mechanisms, name):
		return nil
	case name == CR:
		return wrong("authMechanism", "MONGODB-CR no longer exists (servers dropped it in 4.0); use SCRAM-SHA-256 or leave authMechanism out")
	}
	return wrong("authMechanism", "%q is not known; it is one of %s", name, strings.Join(Mechanisms, ", "))
}

func (c *Credential) checkSource() *Error {
	if c.external() && c.Source != External {
		return wrong("authSource", "must be $external with %s, not %q: leave it out", c.Mechanism, c.Source)
	}
	return nil
}

// checkProperties checks values; the names are known.
func (c *Credential) checkProperties() *Error {
	const option = "authMechanismProperties"
	switch c.Properties[canonicalize] {
	case "", "none", "forward", "forwardAndReverse", "true", "false":
	default:
		return wrong(option, "CANONICALIZE_HOST_NAME must be none, forward or forwardAndReverse")
	}
	if c.Mechanism != OIDC {
		return nil
	}
	environment, given := c.Properties[Environment]
	resource, hasResource := c.Properties[TokenResource]
	switch environment {
	case "azure", "gcp":
		if resource == "" {
			return wrong(option, "TOKEN_RESOURCE is missing: ENVIRONMENT:%s needs the audience that the server expects", environment)
		}
		return nil
	case "", "test", "k8s":
		if given && environment == "" {
			return wrong(option, "ENVIRONMENT is empty; it is azure, gcp or k8s")
		}
		if hasResource {
			return wrong(option, "TOKEN_RESOURCE is for ENVIRONMENT:azure and ENVIRONMENT:gcp only")
		}
		return nil
	}
	return wrong(option, "ENVIRONMENT %q is not known; it is azure, gcp or k8s", environment)
}

// checkLogin checks that a login can be supplied.
func (c *Credential) checkLogin() *Error {
	const option = "LoginProvider"
	switch {
	case !c.LoginProvided:
		return nil
	case c.HasPassword():
		return wrong(option, "supplies the password: give no other beside it")
	}
	switch c.Mechanism {
	case "", ScramSHA1, ScramSHA256, Plain:
		return nil
	case AWS:
		return wrong(option, "is for user names and passwords: with %s, set AWSProvider", AWS)
	case OIDC:
		return wrong(option, "is for user names and passwords: with %s, set OIDCCallback", OIDC)
	}
	return wrong(option, "is for user names and passwords, which %s does not have", c.Mechanism)
}

// checkUser checks user name and password as far as a connection string has to
// have them.
func (c *Credential) checkUser() *Error {
	switch c.Mechanism {
	case X509:
		if c.HasPassword() {
			return wrong("password", "must not be given with MONGODB-X509: the client's certificate is the proof")
		}
	case AWS:
		return c.checkKeys()
	case OIDC:
		if c.HasPassword() {
			return wrong("password", "must not be given with MONGODB-OIDC: the access token is the proof")
		}
		if e := c.Properties[Environment]; c.Username != "" && e != "" && e != "azure" {
			return wrong("user name", "must not be given with ENVIRONMENT:%s", e)
		}
	default:
		if c.Username == "" && !c.LoginProvided {
			return wrong("user name", "is missing: %s needs one, unlike other values of authMechanism", c.Name())
		}
	}
	return nil
}

func (c *Credential) checkKeys() *Error {
	switch {
	case c.Username != "" && c.Password == "":
		return wrong("password", "is missing: MONGODB-AWS needs the secret access key beside the access key ID given as user name")
	case c.Username == "" && c.HasPassword():
		return wrong("user name", "is missing: MONGODB-AWS needs the access key ID beside the secret access key given as password")
	case c.Username == "" && c.Properties[SessionToken] != "":
		return wrong("authMechanismProperties", "AWS_SESSION_TOKEN needs the access key ID as user name and the secret access key as password")
	}
	return nil
}

// Callbacks are what code can supply for MONGODB-OIDC.
type Callbacks struct {
	Machine, Human bool
	// AllowedHosts reports whether hosts are named that may get a token of Human.
	AllowedHosts bool
}

// Complete checks what a connection string may leave to code. The credential is
// resolved.
func (c *Credential) Complete(with Callbacks) *Error {
	switch c.Mechanism {
	case OIDC:
		return c.completeOIDC(with)
	case "", ScramSHA1, ScramSHA256, Plain:
		if !c.HasPassword() && !c.LoginProvided {
			return wrong("password", "is missing: %s needs one", c.Name())
		}
	}
	return c.CheckCharacters()
}

// CheckCharacters refuses what the mechanism cannot send.
func (c *Credential) CheckCharacters() *Error {
	if c.Mechanism != Plain {
		return nil
	}
	if strings.ContainsRune(c.Username, 0) {
		return wrong("user name", "must not contain a NUL byte with PLAIN")
	}
	if strings.ContainsRune(c.Password, 0) {
		return wrong("password", "must not contain a NUL byte with PLAIN")
	}
	return nil
}

func (c *Credential) completeOIDC(with Callbacks) *Error {
	sources := 0
	for _, given := range []bool{c.Properties[Environment] != "", with.Machine, with.Human} {
		if given {
			sources++
		}
	}
	switch {
	case sources == 0:
		return wrong("authMechanismProperties", "MONGODB-OIDC needs exactly one of ENVIRONMENT:azure, gcp or k8s, a callback and a human callback")
	case sources > 1:
		return wrong("authMechanismProperties", "MONGODB-OIDC takes exactly one of an ENVIRONMENT, a callback and a human callback, not both")
	case with.AllowedHosts && !with.Human:
		return wrong(AllowedHosts, "is for human callbacks only")
	}
	return nil
}
