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
		{Credential{Static: Static{Username: "u", Password: "p"}}, "admin"},
		{Credential{Static: Static{Username: "u", Password: "p", Database: "foo"}}, "foo"},
		{Credential{Static: Static{Username: "u", Password: "p", Database: "foo", Source: "bar"}}, "bar"},
		{Credential{Static: Static{Mechanism: ScramSHA1, Username: "u", Password: "p"}}, "admin"},
		{Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p", Database: "foo"}}, "foo"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u", Password: "p"}}, "$external"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u", Password: "p", Database: "foo"}}, "foo"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u", Password: "p", Database: "foo", Source: "bar"}}, "bar"},
		{Credential{Static: Static{Mechanism: X509, Database: "foo"}}, "$external"},
		{Credential{Static: Static{Mechanism: X509, Source: "$external"}}, "$external"},
		{Credential{Static: Static{Mechanism: AWS, Database: "foo"}}, "$external"},
		{Credential{Static: Static{Mechanism: OIDC, Database: "foo"}, OIDCCallback: staticToken("t")}, "$external"},
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
		{Static: Static{Username: "u", PasswordSet: true}},
		{Static: Static{Mechanism: X509, Username: "CN=x"}},
		{Static: Static{Mechanism: AWS}},
		{Static: Static{Mechanism: AWS, Username: "id", Password: "secret"}},
		{Static: Static{Mechanism: AWS, Username: "id", Password: "secret", Properties: props("aws_session_token", "t")}},
		{Static: Static{Mechanism: OIDC, Username: "u"}, OIDCHumanCallback: staticToken("t")},
		{Static: Static{Mechanism: OIDC}, OIDCHumanCallback: staticToken("t"), OIDCAllowedHosts: []string{}},
		{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test")}},
		{Static: Static{Mechanism: OIDC, Properties: props("environment", "azure", "token_resource", "foo"), Username: "client"}},
		{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "gcp", "TOKEN_RESOURCE", "a,b")}},
		{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "k8s")}},
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
		{Credential{Static: Static{Username: "u"}}, "password", "missing"},
		{Credential{Static: Static{Password: secret}}, "user name", "missing"},
		{Credential{Static: Static{Username: "u", Password: secret, Properties: props("SERVICE_NAME", secret)}}, "authMechanismProperties", `takes none, but "SERVICE_NAME"`},
		{Credential{Static: Static{Mechanism: ScramSHA1, Password: secret}}, "user name", "SCRAM-SHA-1"},
		{Credential{Static: Static{Mechanism: ScramSHA256, Username: "u"}}, "password", "SCRAM-SHA-256"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u"}}, "password", "PLAIN"},
		{Credential{Static: Static{Mechanism: Plain, Password: secret}}, "user name", "PLAIN"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u", Password: secret + "\x00"}}, "password", "NUL"},
		{Credential{Static: Static{Mechanism: Plain, Username: "u\x00", Password: secret}}, "user name", "NUL"},
		{Credential{Static: Static{Mechanism: X509, Password: secret}}, "password", "certificate"},
		{Credential{Static: Static{Mechanism: X509, Source: "bar"}}, "authSource", "$external"},
		{Credential{Static: Static{Mechanism: X509, Properties: props("X", secret)}}, "authMechanismProperties", "X"},
		{Credential{Static: Static{Mechanism: AWS, Username: "id"}}, "password", "secret access key"},
		{Credential{Static: Static{Mechanism: AWS, Password: secret}}, "user name", "access key ID"},
		{Credential{Static: Static{Mechanism: AWS, Source: "admin"}}, "authSource", "$external"},
		{Credential{Static: Static{Mechanism: AWS, Properties: props("AWS_SESSION_TOKEN", secret)}}, "authMechanismProperties", "AWS_SESSION_TOKEN"},
		{Credential{Static: Static{Mechanism: AWS, Properties: props("REGION", secret)}}, "authMechanismProperties", "REGION"},
		{Credential{Static: Static{Mechanism: OIDC}}, "authMechanismProperties", "exactly one"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test")}, OIDCCallback: staticToken("t")}, "authMechanismProperties", "exactly one"},
		{Credential{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken("t"), OIDCHumanCallback: staticToken("t")}, "authMechanismProperties", "exactly one"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "moon")}}, "authMechanismProperties", `"moon" is not known`},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "azure")}}, "authMechanismProperties", "TOKEN_RESOURCE is missing"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "gcp")}}, "authMechanismProperties", "TOKEN_RESOURCE is missing"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: map[string]string{"ENVIRONMENT": "k8s", "TOKEN_RESOURCE": "x"}}}, "authMechanismProperties", "only"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("TOKEN_RESOURCE", "x")}, OIDCCallback: staticToken("t")}, "authMechanismProperties", "only"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test"), Username: "u"}}, "user name", "test"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ENVIRONMENT", "test"), Password: secret}}, "password", "access token"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("UnsupportedProperty", "x")}, OIDCCallback: staticToken("t")}, "authMechanismProperties", "UnsupportedProperty"},
		{Credential{Static: Static{Mechanism: OIDC, Properties: props("ALLOWED_HOSTS", "*")}, OIDCHumanCallback: staticToken("t")}, "authMechanismProperties", "connection string"},
		{Credential{Static: Static{Mechanism: OIDC, Source: "admin"}, OIDCCallback: staticToken("t")}, "authSource", "$external"},
		{Credential{Static: Static{Mechanism: OIDC}, OIDCAllowedHosts: []string{"x"}, OIDCCallback: staticToken("t")}, "ALLOWED_HOSTS", "human"},
		{Credential{Static: Static{Mechanism: OIDC}, OIDCAllowedHosts: []string{"a", "*"}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", `"*"`},
		{Credential{Static: Static{Mechanism: OIDC}, OIDCAllowedHosts: []string{"*.*.com"}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", "neither"},
		{Credential{Static: Static{Mechanism: OIDC}, OIDCAllowedHosts: []string{""}, OIDCHumanCallback: staticToken("t")}, "ALLOWED_HOSTS", "neither"},
		{Credential{Static: Static{Mechanism: "GSSAPI", Username: "u"}}, "authMechanism", "not supported"},
		{Credential{Static: Static{Mechanism: "MONGODB-CR", Username: "u", Password: secret}}, "authMechanism", "no longer exists"},
		{Credential{Static: Static{Mechanism: "scram-sha-256", Username: "u", Password: secret}}, "authMechanism", "SCRAM-SHA-256"},
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
