package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/internal/setup"
)

func staticToken(token string) OIDCCallback {
	return func(context.Context, OIDCArgs) (OIDCToken, error) { return OIDCToken{AccessToken: token}, nil }
}

func TestDefaultSources(t *testing.T) {
	tests := []struct {
		cred Credential
		want string
	}{
		{Credential{Username: "u", Password: "p"}, "admin"},
		{Credential{Username: "u", Password: "p", Database: "foo"}, "foo"},
		{Credential{Username: "u", Password: "p", Database: "foo", Source: "bar"}, "bar"},
		{Credential{Mechanism: ScramSHA1, Username: "u", Password: "p"}, "admin"},
		{Credential{Mechanism: ScramSHA256, Username: "u", Password: "p", Database: "foo"}, "foo"},
		{Credential{Mechanism: Plain, Username: "u", Password: "p"}, "$external"},
		{Credential{Mechanism: Plain, Username: "u", Password: "p", Database: "foo"}, "foo"},
		{Credential{Mechanism: Plain, Username: "u", Password: "p", Database: "foo", Source: "bar"}, "bar"},
		{Credential{Mechanism: X509, Database: "foo"}, "$external"},
		{Credential{Mechanism: X509, Source: "$external"}, "$external"},
		{Credential{Mechanism: AWS, Database: "foo"}, "$external"},
		{Credential{Mechanism: OIDC, Database: "foo", OIDCCallback: staticToken("t")}, "$external"},
	}
	for _, test := range tests {
		a, err := New(test.cred)
		if err != nil {
			t.Errorf("%v: %v", test.cred, err)
			continue
		}
		if a.Source() != test.want {
			t.Errorf("%v: source is %q, want %q", test.cred, a.Source(), test.want)
		}
		if conv := mustBegin(t, a); conv.Database() != test.want {
			t.Errorf("%v: database is %q", test.cred, conv.Database())
		}
	}
}

func TestGoodCredentials(t *testing.T) {
	props := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, cred := range []Credential{
		{Username: "u", PasswordSet: true},
		{Mechanism: X509, Username: "CN=x"},
		{Mechanism: AWS},
		{Mechanism: AWS, Username: "id", Password: "secret"},
		{Mechanism: AWS, Username: "id", Password: "secret", Properties: props("aws_session_token", "t")},
		{Mechanism: OIDC, OIDCHumanCallback: staticToken("t"), Username: "u"},
		{Mechanism: OIDC, OIDCHumanCallback: staticToken("t"), OIDCAllowedHosts: []string{}},
		{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test")},
		{Mechanism: OIDC, Properties: props("environment", "azure", "token_resource", "foo"), Username: "client"},
		{Mechanism: OIDC, Properties: props("ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "a,b")},
		{Mechanism: OIDC, Properties: props("ENVIRONMENT", "k8s")},
	} {
		if _, err := New(cred); err != nil {
			t.Errorf("%v: %v", cred, err)
		}
	}
}

func TestBadCredentials(t *testing.T) {
	props := func(k, v string) map[string]string { return map[string]string{k: v} }
	const secret = "topsecret"
	tests := []struct {
		cred   Credential
		option string
		want   string
	}{
		{Credential{}, "user name", "missing"},
		{Credential{Username: "u"}, "password", "missing"},
		{Credential{Password: secret}, "user name", "missing"},
		{Credential{Username: "u", Password: secret, Properties: props("SERVICE_NAME", secret)}, "authMechanismProperties", `takes none, but "SERVICE_NAME"`},
		{Credential{Mechanism: ScramSHA1, Password: secret}, "user name", "SCRAM-SHA-1"},
		{Credential{Mechanism: ScramSHA256, Username: "u"}, "password", "SCRAM-SHA-256"},
		{Credential{Mechanism: Plain, Username: "u"}, "password", "PLAIN"},
		{Credential{Mechanism: Plain, Password: secret}, "user name", "PLAIN"},
		{Credential{Mechanism: Plain, Username: "u", Password: secret + "\x00"}, "password", "NUL"},
		{Credential{Mechanism: Plain, Username: "u\x00", Password: secret}, "user name", "NUL"},
		{Credential{Mechanism: X509, Password: secret}, "password", "certificate"},
		{Credential{Mechanism: X509, Source: "bar"}, "authSource", "$external"},
		{Credential{Mechanism: X509, Properties: props("X", secret)}, "authMechanismProperties", "X"},
		{Credential{Mechanism: AWS, Username: "id"}, "password", "secret access key"},
		{Credential{Mechanism: AWS, Password: secret}, "user name", "access key ID"},
		{Credential{Mechanism: AWS, Source: "admin"}, "authSource", "$external"},
		{Credential{Mechanism: AWS, Properties: props("AWS_SESSION_TOKEN", secret)}, "authMechanismProperties", "AWS_SESSION_TOKEN"},
		{Credential{Mechanism: AWS, Properties: props("REGION", secret)}, "authMechanismProperties", "REGION"},
		{Credential{Mechanism: OIDC}, "authMechanismProperties", "exactly one"},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test"), OIDCCallback: staticToken("t")}, "authMechanismProperties", "exactly one"},
		{Credential{Mechanism: OIDC, OIDCCallback: staticToken("t"), OIDCHumanCallback: staticToken("t")}, "authMechanismProperties", "exactly one"},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "moon")}, "authMechanismProperties", `"moon" is not known`},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "azure")}, "authMechanismProperties", "TOKEN_RESOURCE is missing"},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "gcp")}, "authMechanismProperties", "TOKEN_RESOURCE is missing"},
		{Credential{Mechanism: OIDC, Properties: map[string]string{"ENVIRONMENT": "k8s", "TOKEN_RESOURCE": "x"}}, "authMechanismProperties", "only"},
		{Credential{Mechanism: OIDC, OIDCCallback: staticToken("t"), Properties: props("TOKEN_RESOURCE", "x")}, "authMechanismProperties", "only"},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test"), Username: "u"}, "user name", "test"},
		{Credential{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test"), Password: secret}, "password", "access token"},
		{Credential{Mechanism: OIDC, Properties: props("UnsupportedProperty", "x"), OIDCCallback: staticToken("t")}, "authMechanismProperties", "UnsupportedProperty"},
		{Credential{Mechanism: OIDC, Properties: props("ALLOWED_HOSTS", "*"), OIDCHumanCallback: staticToken("t")}, "authMechanismProperties", "connection string"},
		{Credential{Mechanism: OIDC, Source: "admin", OIDCCallback: staticToken("t")}, "authSource", "$external"},
		{Credential{Mechanism: OIDC, OIDCAllowedHosts: []string{"x"}, OIDCCallback: staticToken("t")}, "ALLOWED_HOSTS", "human"},
		{Credential{Mechanism: OIDC, OIDCAllowedHosts: []string{"a", "*"}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", `"*"`},
		{Credential{Mechanism: OIDC, OIDCAllowedHosts: []string{"*.*.com"}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", "neither"},
		{Credential{Mechanism: OIDC, OIDCAllowedHosts: []string{""}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", "neither"},
		{Credential{Mechanism: "GSSAPI", Username: "u"}, "authMechanism", "not supported"},
		{Credential{Mechanism: "MONGODB-CR", Username: "u", Password: secret}, "authMechanism", "no longer exists"},
		{Credential{Mechanism: "scram-sha-256", Username: "u", Password: secret}, "authMechanism", "SCRAM-SHA-256"},
	}
	for _, test := range tests {
		a, err := New(test.cred)
		if a != nil || err == nil {
			t.Errorf("%v is accepted", test.cred)
			continue
		}
		var config *setup.Error
		if !errors.As(err, &config) || config.Option != test.option || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %q, want option %s and %q", test.cred, err, test.option, test.want)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error has a secret: %v", err)
		}
	}
}

// The default list is the specification's.
func TestDefaultAllowedHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"a.mongodb.net:27017": true, "a.b.mongodb-qa.net:1": true, "a.mongodb-dev.net:1": true, "a.mongodbgov.net:1": true,
		"a.mongo.com:27017": true, "localhost:27017": true, "127.0.0.1:27017": true, "[::1]:27017": true,
		"mongo.com:27017": false, "a.mongo.com.example:1": false, "amongo.com:1": false, "localhost.example:1": false, "10.0.0.1:1": false,
	} {
		if got := defaultHosts.allow(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
