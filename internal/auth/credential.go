package auth

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// The mechanisms, named as in the authMechanism option.
const (
	ScramSHA1   = "SCRAM-SHA-1"
	ScramSHA256 = "SCRAM-SHA-256"
	X509        = "MONGODB-X509"
	Plain       = "PLAIN"
	AWS         = "MONGODB-AWS"
	OIDC        = "MONGODB-OIDC"

	gssapi = "GSSAPI"
	cr     = "MONGODB-CR"
)

// external is the database of users that the server does not store itself.
const external = "$external"

// Credential says who the client is and how it proves it. What a mechanism
// needs and refuses is checked by [New].
type Credential struct {
	// Mechanism is one of the constants above. Empty: SCRAM-SHA-256 or
	// SCRAM-SHA-1, as the server knows the user.
	Mechanism string
	// Source is the database that knows the user (authSource). Empty:
	// $external for MONGODB-X509, MONGODB-AWS and MONGODB-OIDC, which allow
	// no other; else Database; else $external for PLAIN and admin for SCRAM.
	Source string
	// Database is the database that the connection string names.
	Database string

	Username string
	Password string
	// PasswordSet tells an empty password from none. A Password that is not
	// empty counts as set.
	PasswordSet bool

	// Properties are the authMechanismProperties. Names are matched without
	// regard to case. AWS_SESSION_TOKEN for MONGODB-AWS; ENVIRONMENT and
	// TOKEN_RESOURCE for MONGODB-OIDC.
	Properties map[string]string

	// OIDCCallback returns access tokens for machines (workloads),
	// OIDCHumanCallback for people. One of them or the property ENVIRONMENT.
	OIDCCallback      OIDCCallback
	OIDCHumanCallback OIDCCallback
	// OIDCAllowedHosts are the hosts to which a token of OIDCHumanCallback may
	// go: names, addresses, or "*." and a domain for all names below it. nil
	// means the default, an empty list none.
	OIDCAllowedHosts []string

	// AWSProvider returns credentials for MONGODB-AWS. It comes after a user
	// name and password and before everything else, and is asked for each
	// connection: caching is its own business.
	AWSProvider AWSProvider

	// Environment is where mechanisms look for credentials; the zero value is
	// the process's own environment.
	Environment Environment
}

func (c Credential) hasPassword() bool { return c.PasswordSet || c.Password != "" }

// property looks a mechanism property up without regard to case.
func (c Credential) property(name string) (string, bool) {
	if v, ok := c.Properties[name]; ok {
		return v, true
	}
	for k, v := range c.Properties {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// String describes the credential without its secrets.
func (c Credential) String() string {
	var b strings.Builder
	mech := c.Mechanism
	if mech == "" {
		mech = "SCRAM"
	}
	fmt.Fprintf(&b, "credential{%s user=%q source=%q", mech, c.Username, c.Source)
	if c.hasPassword() {
		b.WriteString(" password=***")
	}
	if len(c.Properties) > 0 {
		names := make([]string, 0, len(c.Properties))
		for k := range c.Properties {
			names = append(names, k)
		}
		slices.Sort(names)
		fmt.Fprintf(&b, " properties=%s", strings.Join(names, ","))
	}
	b.WriteString("}")
	return b.String()
}

// GoString is String: no verb prints a secret.
func (c Credential) GoString() string { return c.String() }

// Format prints String for every verb.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue is String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// resolve checks the credential for its mechanism and fills in defaults.
func (c Credential) resolve() (Credential, error) {
	check, ok := checks[c.Mechanism]
	if !ok {
		return c, mechanismError(c.Mechanism)
	}
	if err := check(&c); err != nil {
		return c, err
	}
	if c.Source == "" {
		return c, configError("authSource", "is empty")
	}
	return c, nil
}

var checks = map[string]func(*Credential) error{
	"":          checkScram,
	ScramSHA1:   checkScram,
	ScramSHA256: checkScram,
	Plain:       checkPlain,
	X509:        checkX509,
	AWS:         checkAWS,
	OIDC:        checkOIDC,
}

func mechanismError(name string) error {
	switch name {
	case gssapi:
		return configError("authMechanism", "GSSAPI (Kerberos) is not supported; "+
			"use SCRAM-SHA-256, MONGODB-X509, PLAIN (LDAP), MONGODB-AWS or MONGODB-OIDC")
	case cr:
		return configError("authMechanism", "MONGODB-CR no longer exists (servers dropped it in 4.0); "+
			"use SCRAM-SHA-256 or leave authMechanism out")
	}
	return configError("authMechanism", fmt.Sprintf("%q is not known; it is one of %s", name,
		strings.Join([]string{ScramSHA256, ScramSHA1, X509, Plain, AWS, OIDC}, ", ")))
}

func checkScram(c *Credential) error {
	name := c.Mechanism
	if name == "" {
		name = "SCRAM"
	}
	c.defaultSource("admin")
	if err := c.needUserPassword(name); err != nil {
		return err
	}
	if err := c.allowProperties(name); err != nil {
		return err
	}
	if c.Mechanism == ScramSHA256 {
		if _, err := saslPrep(c.Password); err != nil {
			return configError("password", err.Error())
		}
	}
	return nil
}

func checkPlain(c *Credential) error {
	c.defaultSource(external)
	if err := c.needUserPassword(Plain); err != nil {
		return err
	}
	if strings.ContainsRune(c.Username, 0) {
		return configError("username", "must not contain a NUL byte with PLAIN")
	}
	if strings.ContainsRune(c.Password, 0) {
		return configError("password", "must not contain a NUL byte with PLAIN")
	}
	return c.allowProperties(Plain)
}

func checkX509(c *Credential) error {
	if err := c.needExternal(); err != nil {
		return err
	}
	if c.hasPassword() {
		return configError("password", "must not be given with MONGODB-X509: the client certificate is the proof")
	}
	return c.allowProperties(X509)
}

func checkAWS(c *Credential) error {
	if err := c.needExternal(); err != nil {
		return err
	}
	if err := c.allowProperties(AWS, propSessionToken); err != nil {
		return err
	}
	switch {
	case c.Username != "" && c.Password == "":
		return configError("password", "is missing: MONGODB-AWS needs the secret access key beside the access key ID given as user name")
	case c.Username == "" && c.hasPassword():
		return configError("username", "is missing: MONGODB-AWS needs the access key ID beside the secret access key given as password")
	case c.Username == "":
		if _, ok := c.property(propSessionToken); ok {
			return configError("authMechanismProperties", "AWS_SESSION_TOKEN needs the access key ID as user name and the secret access key as password")
		}
	}
	return nil
}

// defaultSource applies the rule of mechanisms whose users live in any database.
func (c *Credential) defaultSource(last string) {
	if c.Source == "" {
		c.Source = c.Database
	}
	if c.Source == "" {
		c.Source = last
	}
}

func (c *Credential) needExternal() error {
	if c.Source == "" {
		c.Source = external
	}
	if c.Source != external {
		return configError("authSource", fmt.Sprintf("must be $external with %s, not %q", c.Mechanism, c.Source))
	}
	return nil
}

func (c *Credential) needUserPassword(mech string) error {
	if c.Username == "" {
		return configError("username", "is missing: "+mech+" needs one")
	}
	if !c.hasPassword() {
		return configError("password", "is missing: "+mech+" needs one")
	}
	return nil
}

// allowProperties fails at the first property, in alphabetical order, that is
// not one of names.
func (c *Credential) allowProperties(mech string, names ...string) error {
	var bad []string
	for k := range c.Properties {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, k) }) {
			bad = append(bad, k)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	if len(names) == 0 {
		return configError("authMechanismProperties", fmt.Sprintf("%s takes none, but %q is set", mech, slices.Min(bad)))
	}
	return configError("authMechanismProperties", fmt.Sprintf("%s does not know %q; it takes %s",
		mech, slices.Min(bad), strings.Join(names, " and ")))
}
