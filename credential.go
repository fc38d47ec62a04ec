package mgx

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/mgxdb/mgx/connstring"
	"github.com/mgxdb/mgx/internal/auth"
	"github.com/mgxdb/mgx/internal/setup"
)

// Credential is who a client authenticates as, and how.
type Credential struct {
	// Username and Password; PasswordSet tells an empty password from none.
	Username    string
	Password    string
	PasswordSet bool
	// Source (authSource) is the database that knows the user. By default it is the
	// database that the connection string names, or else admin; for the mechanisms
	// whose users no database has, $external.
	Source string
	// Mechanism (authMechanism) is SCRAM-SHA-256, SCRAM-SHA-1, MONGODB-X509, PLAIN,
	// MONGODB-AWS or MONGODB-OIDC; "" lets the server choose between the first two.
	Mechanism string
	// Properties (authMechanismProperties) are the mechanism's own options.
	Properties map[string]string
	// OIDCCallback returns access tokens for MONGODB-OIDC, on machines;
	// OIDCHumanCallback where a person logs in.
	OIDCCallback, OIDCHumanCallback OIDCCallback
	// OIDCAllowedHosts are the hosts that may get a token of OIDCHumanCallback.
	OIDCAllowedHosts []string
	// AWSProvider returns credentials for MONGODB-AWS; nil looks in the
	// environment.
	AWSProvider AWSProvider
	// LoginProvider returns the user name and the password for each new connection,
	// where these change: with SCRAM and PLAIN. Password must not be set beside it;
	// Username is what a Login without one is taken for.
	LoginProvider LoginProvider
}

// String hides the password.
func (c Credential) String() string {
	return "{Username: " + c.Username + ", Source: " + c.Source + ", Mechanism: " + c.Mechanism + "}"
}

// Format is String for every verb: none prints a secret.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// MarshalText is String: no JSON shows a secret.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue hides the password.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// fill adds the credential to a connection string.
func (c *Credential) fill(cs *connstring.ConnString) {
	cs.Username, cs.Password, cs.PasswordSet = c.Username, c.Password, c.PasswordSet
	cs.AuthSource, cs.AuthMechanism, cs.AuthMechanismProperties = c.Source, c.Mechanism, c.Properties
}

// rules returns the credential for the rules that it has to keep.
func (c *Credential) rules(database string) *setup.Credential {
	if c == nil {
		return nil
	}
	return &setup.Credential{
		Mechanism: c.Mechanism, Source: c.Source, Database: database,
		Username: c.Username, Password: c.Password, PasswordSet: c.PasswordSet, Properties: c.Properties,
		LoginProvided: c.LoginProvider != nil,
	}
}

func (c *Credential) authenticator(database string) (*auth.Authenticator, error) {
	if c == nil {
		return nil, nil
	}
	return auth.New(auth.Credential{
		Static:       *c.rules(database),
		OIDCCallback: c.OIDCCallback.internal(), OIDCHumanCallback: c.OIDCHumanCallback.internal(), OIDCAllowedHosts: c.OIDCAllowedHosts,
		AWSProvider: c.AWSProvider.internal(), LoginProvider: c.LoginProvider.internal(),
	})
}
