package auth

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/internal/setup"
)

// The mechanisms, named as in the authMechanism option.
const (
	ScramSHA1   = setup.ScramSHA1
	ScramSHA256 = setup.ScramSHA256
	X509        = setup.X509
	Plain       = setup.Plain
	AWS         = setup.AWS
	OIDC        = setup.OIDC
)

// Static is what a connection string can say of a credential. LoginProvided is set by
// [New].
type Static = setup.Credential

// Credential says who the client is and how it proves it. What a mechanism
// needs and refuses is checked by [New].
type Credential struct {
	Static

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

	// LoginProvider returns user name and password for SCRAM and PLAIN, for each
	// connection.
	LoginProvider LoginProvider

	// Environment is where mechanisms look for credentials; the zero value is
	// the process's own environment.
	Environment Environment
}

// String describes the credential without its secrets.
func (c Credential) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "credential{%s user=%q source=%q", c.Name(), c.Username, c.Source)
	if c.HasPassword() {
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
func (c Credential) resolve() (*Credential, error) {
	c.LoginProvided = c.LoginProvider != nil
	full, err := c.Static.Resolve()
	if err == nil {
		err = full.Complete(setup.Callbacks{
			Machine: c.OIDCCallback != nil, Human: c.OIDCHumanCallback != nil, AllowedHosts: c.OIDCAllowedHosts != nil,
		})
	}
	if err != nil {
		return nil, err
	}
	c.Static = *full
	switch c.Mechanism {
	case setup.GSSAPI:
		return nil, &setup.Error{Option: "authMechanism", Message: "GSSAPI (Kerberos) is not supported; " +
			"use SCRAM-SHA-256, MONGODB-X509, PLAIN (LDAP), MONGODB-AWS or MONGODB-OIDC"}
	case ScramSHA256:
		if _, err := saslPrep(c.Password); err != nil {
			return nil, &setup.Error{Option: "password", Message: err.Error()}
		}
	}
	if err := hostList(c.OIDCAllowedHosts).check(); err != nil {
		return nil, err
	}
	return &c, nil
}
