package connstring

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
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

var mechanisms = []string{ScramSHA1, ScramSHA256, MongoDBX509, Plain, GSSAPI, MongoDBAWS, MongoDBOIDC}

// external is the source of users that are defined outside MongoDB.
const external = "$external"

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
	if c.Username == "" && c.AuthMechanism == "" {
		return nil
	}
	cred := &Credential{
		Username: c.Username, Password: c.Password, PasswordSet: c.PasswordSet,
		Source: c.AuthSource, Mechanism: c.AuthMechanism, Properties: maps.Clone(c.AuthMechanismProperties),
	}
	database, _ := c.Namespace()
	switch c.AuthMechanism {
	case MongoDBX509, MongoDBAWS, MongoDBOIDC, GSSAPI:
		database = external
	case Plain:
		if database == "" {
			database = external
		}
	default:
		if database == "" {
			database = "admin"
		}
	}
	if cred.Source == "" {
		cred.Source = database
	}
	if cred.Mechanism == GSSAPI && cred.Properties["SERVICE_NAME"] == "" {
		cred.Properties = maps.Clone(cred.Properties)
		if cred.Properties == nil {
			cred.Properties = map[string]string{}
		}
		cred.Properties["SERVICE_NAME"] = "mongodb"
	}
	return cred
}

// String returns mechanism, source and user name, and nothing else.
func (cr Credential) String() string {
	return cr.mechanism() + " as " + strconv.Quote(cr.Username) + " of " + strconv.Quote(cr.Source)
}

// Format is String for every verb: none prints a secret.
func (cr Credential) Format(f fmt.State, _ rune) { io.WriteString(f, cr.String()) }

// MarshalText is String: no JSON shows a secret.
func (cr Credential) MarshalText() ([]byte, error) { return []byte(cr.String()), nil }

// LogValue returns the same, so that no log shows a secret.
func (cr Credential) LogValue() slog.Value { return slog.StringValue(cr.String()) }

// Validate checks the credential by the Authentication specification. [Parse]
// has done so except for what code may still supply: the password of SCRAM and
// PLAIN, and the callback of MONGODB-OIDC. The argument tells whether there is
// such a callback. Its errors are in the category [ErrInvalid].
func (cr *Credential) Validate(oidcCallback bool) error {
	if err := cr.check(); err != nil {
		return err
	}
	switch cr.Mechanism {
	case MongoDBOIDC:
		if environment := cr.Properties["ENVIRONMENT"]; environment == "" && !oidcCallback {
			return problem("authMechanismProperties", "MONGODB-OIDC needs ENVIRONMENT:azure, gcp, k8s or test, or a callback in the options")
		} else if environment != "" && oidcCallback {
			return problem("authMechanismProperties", "MONGODB-OIDC takes either an ENVIRONMENT or a callback, not both")
		}
	case "", ScramSHA1, ScramSHA256, Plain:
		if !cr.PasswordSet && cr.Password == "" {
			return problem("password", "%s needs a password", cr.mechanism())
		}
	}
	return nil
}

func (cr *Credential) mechanism() string {
	if cr.Mechanism == "" {
		return "SCRAM"
	}
	return cr.Mechanism
}

// check is the part of Validate that holds for a URI alone.
func (cr *Credential) check() *ParseError {
	if err := cr.checkSource(); err != nil {
		return err
	}
	if err := cr.checkProperties(); err != nil {
		return err
	}
	switch cr.Mechanism {
	case MongoDBX509:
		return cr.noPassword()
	case MongoDBAWS:
		return cr.checkAWS()
	case MongoDBOIDC:
		return cr.checkOIDC()
	}
	if cr.Username == "" {
		return problem("user name", "%s needs a user name: mongodb://USER:PASSWORD@HOST", cr.mechanism())
	}
	return nil
}

func (cr *Credential) checkSource() *ParseError {
	switch cr.Mechanism {
	case MongoDBX509, MongoDBAWS, MongoDBOIDC, GSSAPI:
		if cr.Source != external {
			return problem("authSource", "%s users are defined in $external; write authSource=$external or leave it away", cr.Mechanism)
		}
	}
	return nil
}

// properties are those that a mechanism knows; the others know none.
var properties = map[string][]string{
	MongoDBAWS:  {"AWS_SESSION_TOKEN"},
	MongoDBOIDC: {"ENVIRONMENT", "TOKEN_RESOURCE"},
	GSSAPI:      {"SERVICE_NAME", "SERVICE_REALM", "SERVICE_HOST", "CANONICALIZE_HOST_NAME"},
}

func (cr *Credential) checkProperties() *ParseError {
	known := properties[cr.Mechanism]
	for name := range cr.Properties {
		switch {
		case slices.Contains(known, name):
		case name == "ALLOWED_HOSTS":
			return problem("authMechanismProperties", "ALLOWED_HOSTS cannot be set in a connection string")
		case len(known) == 0:
			return problem("authMechanismProperties", "%s takes no properties", cr.mechanism())
		default:
			return problem("authMechanismProperties", "%s takes the properties %s only", cr.Mechanism, strings.Join(known, ", "))
		}
	}
	switch cr.Properties["CANONICALIZE_HOST_NAME"] {
	case "", "none", "forward", "forwardAndReverse", "true", "false":
		return nil
	}
	return problem("authMechanismProperties", "CANONICALIZE_HOST_NAME must be none, forward or forwardAndReverse")
}

func (cr *Credential) noPassword() *ParseError {
	if cr.PasswordSet || cr.Password != "" {
		return problem("password", "%s takes no password", cr.Mechanism)
	}
	return nil
}

func (cr *Credential) checkAWS() *ParseError {
	switch {
	case cr.Username != "" && cr.Password == "":
		return problem("password", "MONGODB-AWS needs the secret access key beside the access key id, or neither")
	case cr.Username == "" && cr.Password != "":
		return problem("user name", "MONGODB-AWS needs the access key id beside the secret access key, or neither")
	case cr.Username == "" && cr.Properties["AWS_SESSION_TOKEN"] != "":
		return problem("authMechanismProperties", "AWS_SESSION_TOKEN needs the access key id as user name and the secret access key as password")
	}
	return nil
}

func (cr *Credential) checkOIDC() *ParseError {
	if err := cr.noPassword(); err != nil {
		return err
	}
	resource, hasResource := cr.Properties["TOKEN_RESOURCE"]
	environment, hasEnvironment := cr.Properties["ENVIRONMENT"]
	switch environment {
	case "azure", "gcp":
		if resource == "" {
			return problem("authMechanismProperties", "ENVIRONMENT:%s needs a TOKEN_RESOURCE", environment)
		}
	case "", "test", "k8s":
		if hasEnvironment && environment == "" {
			return problem("authMechanismProperties", "ENVIRONMENT must be azure, gcp, k8s or test")
		}
		if hasResource {
			return problem("authMechanismProperties", "TOKEN_RESOURCE is for ENVIRONMENT:azure and ENVIRONMENT:gcp only")
		}
	default:
		return problem("authMechanismProperties", "ENVIRONMENT must be azure, gcp, k8s or test")
	}
	if cr.Username != "" && hasEnvironment && environment != "azure" {
		return problem("user name", "ENVIRONMENT:%s takes no user name", environment)
	}
	return nil
}
