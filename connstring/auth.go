package connstring

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/mgxdb/mgx/internal/setup"
)

// The authentication mechanisms.
const (
	ScramSHA1   = "SCRAM-SHA-1"
	ScramSHA256 = "SCRAM-SHA-256"
	MongoDBX509 = "MONGODB-X509"
	Plain       = "PLAIN"
	GSSAPI      = "GSSAPI"
	MongoDBAWS  = "MONGODB-AWS"
	MongoDBOIDC = "MONGODB-OIDC"
)

// Credential is what to authenticate with, defaults filled in. Its String method
// hides the password.
type Credential struct {
	Username    string
	Password    string
	PasswordSet bool
	// Source is the database to authenticate against.
	Source string
	// Mechanism is "" where it is to be negotiated.
	Mechanism  string
	Properties map[string]string
}

// Credential returns what to authenticate with, or nil where the URI asks for no
// authentication: it has neither a user name nor a mechanism. A database or an
// authSource alone does not ask for it.
func (c *ConnString) Credential() *Credential {
	given := c.credential()
	if given == nil {
		return nil
	}
	full := given.Defaults()
	return &Credential{
		Username: full.Username, Password: full.Password, PasswordSet: full.PasswordSet,
		Source: full.Source, Mechanism: full.Mechanism, Properties: full.Properties,
	}
}

// credential returns what the URI says, without defaults.
func (c *ConnString) credential() *setup.Credential {
	database, _ := c.Namespace()
	given := (&Credential{
		Username: c.Username, Password: c.Password, PasswordSet: c.PasswordSet,
		Source: c.AuthSource, Mechanism: c.AuthMechanism, Properties: c.AuthMechanismProperties,
	}).rules()
	if !given.Given() {
		return nil
	}
	given.Database = database
	return given
}

// rules returns the credential for the rules that it has to keep.
func (cr *Credential) rules() *setup.Credential {
	return &setup.Credential{
		Username: cr.Username, Password: cr.Password, PasswordSet: cr.PasswordSet,
		Source: cr.Source, Mechanism: cr.Mechanism, Properties: cr.Properties,
	}
}

// String returns mechanism, source and user name, and nothing else.
func (cr Credential) String() string {
	return cr.rules().Name() + " as " + strconv.Quote(cr.Username) + " of " + strconv.Quote(cr.Source)
}

// Format is String for every verb: none prints a secret.
func (cr Credential) Format(f fmt.State, _ rune) { io.WriteString(f, cr.String()) }

// MarshalText is String: no JSON shows a secret.
func (cr Credential) MarshalText() ([]byte, error) { return []byte(cr.String()), nil }

// LogValue returns the same, so that no log shows a secret.
func (cr Credential) LogValue() slog.Value { return slog.StringValue(cr.String()) }

// Validate checks the credential by the Authentication specification. [Parse]
// has done so except for what code may still supply: the password of SCRAM and
// PLAIN, and the callback of MONGODB-OIDC. The argument reports whether there is
// such a callback. Its errors are in the category [ErrInvalid].
func (cr *Credential) Validate(oidcCallback bool) error {
	full, err := cr.rules().Resolve()
	if err == nil {
		err = full.Complete(setup.Callbacks{Machine: oidcCallback})
	}
	if err != nil {
		return brokenRule(err)
	}
	return nil
}
